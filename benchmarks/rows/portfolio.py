"""Many programmes against one budget, on processes and on a Dask cluster, and how it goes on from there."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from pathlib import Path

from benchmarks.bench import Bench, answer, gate
from benchmarks.result import Measure, Result, Table, Target, measured
from benchmarks.timing import Run

NAME, JOB = "portfolio", "`sim portfolio`: 200 programmes with a pilot each, from nothing"
_WAYS: Mapping[str, tuple[str, ...]] = {
    "1 process": ("--processes", "1"),
    "2 processes": ("--processes", "2"),
    "Dask, 2 workers": ("--dask", "--processes", "2"),
}
_ONE, _TWO, _DASK = _WAYS
_PROGRAMMES, _WORKERS = (200, 1_000, 10_000), (2, 8, 64)
_CONFIG = """\
[programme]
name = "Programme {number}"
currency = "EUR"
[volumes]
market = {{ low = 9_000, high = 12_000 }}
[outcomes.sale]
model = "conversion"
control = {{ trials = {trials}, successes = {before} }}
treated = {{ trials = {trials}, successes = {after} }}
volume = "market"
value = 12
[costs]
build.once = {{ low = {low}, high = {high} }}
"""


def measure(bench: Bench) -> Result:
    """Measure the row."""
    count = bench.size(_PROGRAMMES[0], 6)
    few = bench.size(20, 2)
    folder = bench.scratch / "portfolio"
    _write(folder / "some", few)
    _write(folder / "all", count)
    # The model is compiled beforehand, for all ways alike.
    answer(bench.sim("forecast", folder / "all" / "p00000.toml", "--no-plots", "--out", folder / "compiled"))

    def run(way: str, what: str) -> Run:
        out = folder / f"{way} {what}"
        return bench.sim("portfolio", folder / what, "--budget", "1e6", "--out", out, *_WAYS[way])

    small, first, again = ({way: run(way, what) for way in _WAYS} for what in ("some", "all", "all"))
    idle = {way: bench.call("rows.portfolio:overhead", way=way, count=count)[0] for way in _WAYS}
    # Without what starting costs, which is the same for few and many.
    each = {way: max(first[way].seconds - small[way].seconds, 1e-9) / (count - few) for way in _WAYS}
    start = first[_DASK].seconds - count * each[_DASK]
    once = again[_ONE].seconds / count
    rows = [
        (
            way,
            f"{60 / each[way]:.0f}",
            f"{60 * count / again[way].seconds:.0f}",
            f"{each[_ONE] / each[way]:.2f} ×",
            f"{each[_ONE] / each[way] / int(_WAYS[way][-1]):.2f}",
            f"{1000 * idle[way]:.1f} ms",
            f"{first[way].peak / 1e6:.0f} MB",
        )
        for way in _WAYS
    ]
    head = (
        "Where",
        "Programmes a minute",
        "of them again",
        "Gain",
        "Efficiency",
        "Overhead",
        "Largest process",
    )
    return Result(
        NAME,
        JOB,
        asked={
            "sim": f"`sim portfolio FOLDER --budget N` of {count} configs: check, fit, simulate and publish "
            "each, draw all jointly, choose; “again” finds every run stored. One run of each"
        },
        measures=[
            *(measured("sim", f"{way}, {few} programmes", [run]) for way, run in small.items()),
            *(measured("sim", f"{way}, {count} programmes", [run]) for way, run in first.items()),
            *(measured("sim", f"{way}, the {count} again", [run]) for way, run in again.items()),
            *(Measure("sim", f"{way}, a task that does nothing", [seconds]) for way, seconds in idle.items()),
        ],
        targets=[
            Target(f"{way}: gain over one process", each[_ONE] / each[way], None, "×", least=True)
            for way in (_TWO, _DASK)
        ],
        gates=[gate("sim", [folder / f"{way} all" / ".fits" for way in _WAYS])],
        tables=[Table("", head, rows), _model(start, each[_DASK], max(once, idle[_DASK]))],
        notes=[
            "programmes a minute are those of a further programme, without what starting costs; one process "
            "samples on both cores already, so that two gain less than twofold on two cores",
            f"of a programme, {once:.3f} s are taken to be done in the command alone, whatever the workers: "
            "all that a run does which finds every forecast stored, which is more than that",
            "the model: start + programmes × (the rest / workers + that). It takes for granted that a worker "
            "of the cluster is as fast as one of the two here, which share two cores; that all see one file "
            "system as fast as this disk; and that each finds the model compiled. Measured up to two workers",
        ],
    )


def _model(start: float, two: float, once: float) -> Table:
    """Return how long it takes where `two` workers need that many seconds for a programme."""
    shared = 2 * max(two - once, 0.0)
    rows = []
    for workers in _WORKERS:
        seconds = [start + count * (shared / workers + once) for count in _PROGRAMMES]
        gain = (shared + once) / (shared / workers + once)
        rows.append((str(workers), *(f"{value / 60:.1f} min" for value in seconds), f"{gain / workers:.2f}"))
    head = ("Workers", *(f"{count:,} programmes" for count in _PROGRAMMES), "Efficiency")
    return Table("How it would go on, on a Dask cluster", head, rows)


def _write(folder: Path, count: int) -> None:
    """Write so many configs, each with data of its own, so that each is fitted."""
    folder.mkdir(parents=True)
    for number in range(count):
        trials, before, dearer = 4_000 + 7 * number, 200 + number % 40, 100 * (number % 50)
        text = _CONFIG.format(
            number=number,
            trials=trials,
            before=before,
            after=before + 20 + number % 30,
            low=20_000 + dearer,
            high=60_000 + dearer,
        )
        (folder / f"p{number:05d}.toml").write_text(text, "utf-8")


def overhead(way: str, count: int) -> float:
    """Return the seconds that a task costs which does nothing."""
    from sim.engine.workers import Workers, at_work

    workers = Workers(dask="--dask" in _WAYS[way], processes=int(_WAYS[way][-1]))
    tasks: Sequence[int] = range(10 * count)
    with at_work(workers) as each:
        each(_nothing, tasks[:4])  # the workers are there now
        started = time.perf_counter()
        each(_nothing, tasks)
        return (time.perf_counter() - started) / len(tasks)


def _nothing(task: int) -> int:
    return task
