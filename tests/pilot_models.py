"""Small outcome models and short cuts for the tests of reading."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from sim.contract import Ratio
from sim.errors import Problem, ProblemsError
from sim.pilot.pilot import Pilot
from sim.pilot.summary import read
from sim.records.columns import Column, ColumnSet, Rule
from sim.records.reading import Reading


def _sums(*names: str) -> Any:
    def condense(groups: Any, shape: tuple[int, int], _options: Any) -> dict[str, Any]:
        found = {}
        for name in names:
            found[name] = np.zeros(shape)
            np.add.at(found[name], (groups["arm"], groups["segment"]), groups[name])
        return found

    return condense


TOTALS = ColumnSet(
    (Column("trials", "count", "trials"), Column("successes", "count", "successes")),
    lambda t, by, _: t.group_by(list(by)).agg(trials=t.trials.sum(), successes=t.successes.sum()),
    _sums("trials", "successes"),
    rows=False,
    rules=(
        Rule(
            lambda t: t.successes > t.trials,
            ("trials", "successes"),
            "more successes than trials",
            "successes between 0 and trials",
        ),
    ),
)
FLAGS = ColumnSet(
    (Column("outcome", "flag", "success"),),
    lambda t, by, _: t.group_by(list(by)).agg(
        trials=t.outcome.count(), successes=t.outcome.cast("int64").sum()
    ),
    _sums("trials", "successes"),
    rows=True,
)
AMOUNTS = ColumnSet(
    (Column("amount", "amount", "amount"),),
    lambda t, by, _: t.group_by(list(by)).agg(trials=t.amount.count(), total=t.amount.sum()),
    _sums("trials", "total"),
    rows=True,
)
SPANS = ColumnSet(
    (Column("start", "date", "first day"), Column("end", "date", "last day", blank=True)),
    lambda t, by, _: t.group_by(list(by)).agg(
        trials=t.start.count(), ended=t.end.count(), days=t.end.delta(t.start, unit="day").sum()
    ),
    _sums("trials", "ended", "days"),
    rows=True,
    rules=(Rule(lambda t: t.end < t.start, ("start", "end"), "the end is before the start", "end ≥ start"),),
)
SHORT = ColumnSet(
    (
        Column("n", "count", "n"),
        Column("mean", "amount", "mean"),
        Column("extra", "number", "x", optional=True),
    ),
    lambda t, by, _: t.group_by(list(by)).agg(trials=t.n.sum(), total=(t.n * t["mean"]).sum()),
    _sums("trials", "total"),
    rows=False,
)
LONG = ColumnSet(
    (Column("n", "count", "n"), Column("extra", "number", "extra")),
    lambda t, by, _: t.group_by(list(by)).agg(trials=t.n.sum(), total=t.extra.sum()),
    _sums("trials", "total"),
    rows=False,
)


class Model:
    """The part of an outcome model that reading needs."""

    def __init__(self, *column_sets: ColumnSet) -> None:
        self.name = "small"
        self.counts = "amounts"
        self.column_sets = column_sets

    def size(self, statistics: Any) -> Any:
        return statistics["trials"]

    def ratio(self, statistics: Any) -> Ratio:
        total = statistics.get("successes", statistics.get("total", statistics["trials"]))
        return Ratio(total, statistics["trials"], np.ones_like(total))


RATE = Model(TOTALS, FLAGS)
AMOUNT = Model(AMOUNTS)
SPAN = Model(SPANS)

ARMS: dict[str, Any] = {"arm": "arm", "control": "human", "treated": ("bot",)}


def reading(file: Path | None, shown: str | None = None, **options: Any) -> Reading:
    name = shown or (file.name if file else "")
    return Reading(file, name, "outcomes.x", options.pop("columns", {}), **options)


def take(file: Path, model: Any = RATE, **options: Any) -> Pilot:
    return read(reading(file, **(ARMS | options)), model)


def table(folder: Path, text: str | bytes, name: str = "pilot.csv") -> Path:
    file = folder / name
    file.write_bytes(text if isinstance(text, bytes) else text.encode())
    return file


def refused(file: Path, model: Any = RATE, **options: Any) -> tuple[Problem, ...]:
    with pytest.raises(ProblemsError) as error:
        take(file, model, **options)
    return error.value.problems


def only(problems):
    assert len(problems) == 1, [str(problem) for problem in problems]
    return problems[0]


def place(problem):
    return problem.file, problem.line, problem.key
