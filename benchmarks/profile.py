"""Where the seconds of a forecast go, measured inside the command by `hook`."""

from __future__ import annotations

import json
import shutil
from collections.abc import Mapping, Sequence
from pathlib import Path

from benchmarks.bench import SEED, Bench, answer
from benchmarks.result import Table
from benchmarks.rows.cold import empty_caches
from benchmarks.timing import FailedRunError, environment

STAGES: Mapping[str, Mapping[str, str]] = {
    "sim.config.resolve": {"read": "read the config"},
    "sim.engine.pilots": {"read_pilot": "read, check and group the tables"},
    "sim.simulation.draws": {"draw": "draw what the config states"},
    "sim.engine.fit": {"fit_all": "wait for the fits, predictive check, prior draws"},
    "sim.inference.density": {"compiled": "compile the model, or load what was compiled"},
    "sim.inference.fit": {"begin_sampling": "begin to sample", "_drawn": "wait for draws"},
    "sim.inference.gates": {"check_sampling": "diagnostics"},
    "sim.inference.store": {"load": "load the stored fit", "save": "store the fit"},
    "sim.engine.world": {"World.strategy": "simulate"},
    "sim.engine.summary": {"summarise": "measure and summarise"},
    "sim.report.tables": {
        "write_samples": "write samples and cash flow",
        "write_cash_flow": "write samples and cash flow",
    },
    "sim.report.plots": {"draw": "draw the plots"},
    "sim.report.page": {"render": "write the page"},
    "sim.report.write": {"publish": "hash and publish the files"},
}
"""Functions whose time is told, by module; a test holds them against the tree."""
IMPORTS = "import "
_SHOWN = 10
_LEAST = 0.005  # seconds below which a line tells nothing


def measure(bench: Bench) -> list[Table]:
    """Return tables of a cold forecast, a warm one, and one with stored fits."""
    job = bench.job
    cold, warm = bench.new_job("profile-cold", SEED + 90), bench.new_job("profile-warm", SEED + 91)
    price = ("--set", "costs.licence.monthly=1799")
    tables = []
    for title, config, out, options, env in (
        ("Cold: empty caches", cold.config, cold.out, (), empty_caches(bench.scratch)),
        ("Warm: new data, known structure", warm.config, warm.out, (), environment()),
        ("Stored fits: another price", job.config, job.out, price, environment()),
    ):
        folder = bench.scratch / "profile"
        shutil.rmtree(folder, ignore_errors=True)
        folder.mkdir()
        own = {"BENCH_PROFILE": str(folder), "BENCH_STAGES": json.dumps(STAGES)}
        path = {"PYTHONPATH": str(Path(__file__).with_name("hook"))}
        run = bench.sim("forecast", config, "--out", out, *options, env={**env, **own, **path})
        answer(run)
        told = [json.loads(file.read_text("utf-8")) for file in folder.glob("*.json")]
        tables += _tables(title, run.seconds, told)
    return tables


def _tables(title: str, seconds: float, told: Sequence[Mapping[str, object]]) -> list[Table]:
    """Return the steps of every process that worked, and the imports of the command."""
    processes = sorted((_numbers(one) for one in told), key=lambda one: one["first"])
    # Others, such as joblib's tracker of resources, do nothing that is named.
    working = [one for one in processes if any(_of(stage, one) for stage in _labels())]
    if not working:
        raise FailedRunError("no process told where its time went")
    command = working[0]
    covered = command["last"] - command["first"]
    head = ("Step", "the command", *(f"process {i + 2}" for i in range(len(working) - 1)))
    rows: list[tuple[str, ...]] = [("start and end of the interpreter", _shown(seconds - covered))]
    rows[0] += tuple("–" for _ in working[1:])
    imports = [sum(value for key, value in one.items() if key.startswith(IMPORTS)) for one in working]
    rows.append(("imports", *map(_shown, imports)))
    for stage in (*_labels(), "other"):
        spent = [_of(stage, one) for one in working]
        if max(spent) >= _LEAST:
            rows.append((stage, *map(_shown, spent)))
    whole = [seconds, *(one["last"] - one["first"] for one in working[1:])]
    rows.append(("**whole**", *map(_shown, whole)))
    packages = sorted(
        ((value, key.removeprefix(IMPORTS)) for key, value in command.items() if key.startswith(IMPORTS)),
        reverse=True,
    )
    largest = [(name, f"{value:.3f} s") for value, name in packages[:_SHOWN] if value >= _LEAST]
    rest = imports[0] - sum(value for value, _ in packages[: len(largest)])
    return [
        Table(title, head, rows),
        Table(
            f"{title}; imports of the command by package",
            ("Package", "Time"),
            [*largest, (f"{len(packages) - len(largest)} others", f"{rest:.3f} s")],
        ),
    ]


def _labels() -> list[str]:
    return list(dict.fromkeys(label for named in STAGES.values() for label in named.values()))


def _numbers(one: Mapping[str, object]) -> dict[str, float]:
    """Return a process's times by label, with its first and last moment."""
    spent = one["spent"]
    assert isinstance(spent, dict)  # noqa: S101  # the hook has written it
    return {**spent, "first": float(str(one["first"])), "last": float(str(one["last"]))}


def _of(stage: str, one: Mapping[str, float]) -> float:
    return one.get(stage, 0.0)


def _shown(seconds: float) -> str:
    return f"{seconds:.2f} s" if seconds >= _LEAST else "–"
