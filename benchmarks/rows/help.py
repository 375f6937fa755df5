"""``sim --help``: the first thing that anybody waits for."""

from __future__ import annotations

import sys
from typing import Any

from benchmarks.bench import Bench, median
from benchmarks.result import Result, Target, measured
from benchmarks.timing import alternate, process, ratios

NAME, JOB = "help", "`sim --help`"
HEAVY = ("numpy", "pymc", "duckdb")
_BARE = '''\
import typer

app = typer.Typer()


@app.command()
def hello(name: str) -> None:
    """Greet somebody."""
    print(name)


app()
'''


def measure(bench: Bench) -> Result:
    """Measure the row."""
    bare = bench.scratch / "bare.py"
    bare.write_text(_BARE, encoding="utf-8")
    jobs = {
        "sim": lambda _turn: process([bench.program, "--help"], cwd=bench.scratch),
        "Typer": lambda _turn: process([sys.executable, bare, "--help"], cwd=bench.scratch),
        "Python": lambda _turn: process([sys.executable, "-c", "pass"], cwd=bench.scratch),
    }
    alternate(jobs, 1)
    # Short runs are told apart by many of them.
    runs = alternate(jobs, bench.size(25, 3))
    seconds = {who: [run.seconds for run in found] for who, found in runs.items()}
    slower, low, high = ratios(seconds["sim"], seconds["Typer"])
    loaded, _ = bench.call("rows.help:imported")
    unwanted = [name for name in HEAVY if name in loaded]
    return Result(
        NAME,
        JOB,
        asked={
            "sim": "print the help of the whole program, 14 commands",
            "Typer": "print the help of a program of one command",
            "Python": "start and end",
        },
        measures=[
            measured("sim", "`sim --help`", runs["sim"]),
            measured("Typer", "`bare.py --help`", runs["Typer"]),
            measured("Python", "`python -c pass`", runs["Python"]),
        ],
        targets=[
            Target("against a bare Typer program", slower, 1.5, "×", low=low, high=high),
            Target("of numpy, pymc, duckdb imported", float(len(unwanted)), 0, ""),
        ],
        notes=[f"above bare Python: {median(seconds['sim']) - median(seconds['Python']):.3f} s"],
    )


def imported() -> list[str]:
    """Return which heavy packages ``sim --help`` has imported."""
    import contextlib
    import io

    from sim.cli import main

    sys.argv = ["sim", "--help"]
    with contextlib.suppress(SystemExit), contextlib.redirect_stdout(io.StringIO()):
        main()
    loaded: dict[str, Any] = sys.modules
    return [name for name in HEAVY if name in loaded]
