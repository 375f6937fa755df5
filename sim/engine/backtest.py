"""Has the pilot's model forecast what came next: where tables are cut, and how the forecasts score."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from sim.config.plan import OutcomePlan, Plan
from sim.contract import counted
from sim.decision.scores import crps, interval_score
from sim.engine.hindcast import Hindcast, Split
from sim.engine.prepare import Prepared
from sim.engine.segments import unseen
from sim.errors import Problem, Problems, ProblemsError

LEVELS = (0.5, 0.8, 0.95)
LEAST = 2
"""Periods that a fit needs before the origin."""

type Row = dict[str, Any]


def splits(prepared: Prepared, holdout: int, origins: int) -> tuple[list[Split], list[str]]:
    """Cut every outcome with data before each origin, and read what lies before by itself.

    The last origin leaves the last `holdout` periods to be forecast, each one before it lies a period earlier
    and is forecast as far. Statistics of the training periods are made of their rows alone.

    Parameters
    ----------
    prepared : Prepared
    holdout, origins : int
        1 or more.

    Returns
    -------
    splits, left_out
        Newest origin first within an outcome; and a line for what takes no part.

    Raises
    ------
    ProblemsError
        When no outcome can be cut, with the reason for each.
    """
    plan, why = prepared.plan, Problems()
    made: list[Split] = []
    timeless = []
    for name in prepared.summaries:
        with why.gather():
            found, left = _splits(prepared, plan.outcomes[name], holdout, origins)
            made += found
            if left > 0:
                timeless.append(f"{name}: rows without a period take no part ({left:,.0f} units)")
    if not prepared.summaries:
        told = "no outcome is fitted to data"
        why.add(told, allowed="an outcome with data and a period", remedy="name its table in `data`")
    if not made:
        raise ProblemsError(*(prepared.source.located(problem) for problem in why.found))
    return made, [*(_told(problem) for problem in why.found), *timeless]


def _told(problem: Problem) -> str:
    allowed = f" (allowed: {problem.allowed})" if problem.allowed else ""
    return f"left out, as {problem.found}{allowed}"


def _splits(
    prepared: Prepared, outcome: OutcomePlan, holdout: int, origins: int
) -> tuple[list[Split], float]:
    """Return the splits of one outcome, and how many of its units stand in no period."""
    from sim.pilot.holdout import course
    from sim.pilot.summary import read

    reading, model, summary = outcome.data, outcome.model, prepared.summaries[outcome.name]
    assert reading is not None  # noqa: S101  # it has a summary
    tenure = model.counts == "customers"
    if not tenure and (reading.period is None or reading.inline is not None or summary.series is None):
        few = reading.period is not None and reading.inline is None
        raise ProblemsError(
            Problem(
                f"{outcome.name} has {'a single period' if few else 'no period'}",
                "a table with a column that tells the time of each row",
                "name it as `period`",
                file=reading.shown or None,
                key=f"{reading.key}.period",
            )
        )
    whole = course(reading, model)
    units = [counted(model, statistics)[1].sum() for statistics in whole.statistics]
    count = int(np.flatnonzero(units).max(initial=-1)) + 1
    launch = summary.series.launch if summary.series is not None and not tenure else 0
    least = max(LEAST, launch + 1)
    _enough(
        outcome.name, count, least, launch, holdout, origins, "periods of tenure" if tenure else "periods"
    )
    found = []
    for stop in range(count, count - origins, -1):
        before = replace(reading, until=stop - holdout)
        try:
            training = read(before, model).summary
        except ProblemsError as error:
            told = f"{outcome.name} cannot be fitted to what came before {whole.periods[stop - holdout]}"
            first = error.problems[0]
            raise ProblemsError(
                replace(first, found=f"{told}: {first.found}", key="--holdout", line=None)
            ) from error
        training = training.extended(unseen(prepared.plan, outcome, training.segments))
        failing = tuple(c.message for c in model.check(training, stock=False) if c.status == "fail")
        found.append(Split(outcome.name, whole, training, stop - holdout, stop, failing))
    left = 0.0 if tenure else counted(model, summary.statistics)[1].sum() - sum(units)
    return found, left if left > 1e-6 * sum(units) else 0.0


def _enough(name: str, count: int, least: int, launch: int, holdout: int, origins: int, word: str) -> None:
    left = count - holdout - (origins - 1)
    if left >= least:
        return
    most = count - least - (origins - 1)
    how = f" with {origins} origins" if origins > 1 else ""
    needed = (
        f"{least} are needed" if not launch else f"{launch} lie before the launch, and one after is needed"
    )
    found = f"a holdout of {holdout}{how} leaves {max(left, 0)} of the {count} {word} of {name}; {needed}"
    if most >= 1:
        raise ProblemsError(Problem(found, f"1 to {most}{how}", f"--holdout {most}", key="--holdout"))
    possible = count - least
    remedy = f"--holdout 1 --origins {possible}" if possible >= 1 else "observe for longer"
    allowed = f"at most {possible} origins" if possible >= 1 else f"at least {least + 1} {word}"
    raise ProblemsError(Problem(found, allowed, remedy, key="--origins" if possible >= 1 else "--holdout"))


def score(split: Split, seen: Hindcast, plan: Plan) -> list[Row]:
    """Return a row for each held-out value of one split: forecast, observation, scores.

    Parameters
    ----------
    split : Split
    seen : Hindcast
    plan : Plan
    """
    customers = plan.outcomes[split.outcome].model.counts == "customers"
    labels, rows = split.course.periods, []
    for c, arm in split.cells(customers).items():
        for s, segment in enumerate(split.training.segments):
            known = np.flatnonzero(np.isfinite(seen.actual[c, s]))
            if not known.size:
                continue
            samples, actual = seen.samples[:, c, s, known], seen.actual[c, s, known]
            ends = {p: np.quantile(samples, [(1 - p) / 2, (1 + p) / 2], axis=0) for p in LEVELS}
            fines = {p: interval_score(low, high, actual, p) for p, (low, high) in ends.items()}
            found, naive = crps(samples, actual), crps(seen.naive[:, c, s, known], actual)
            middle, centre = samples.mean(axis=0), np.median(samples, axis=0)
            expected = seen.naive[:, c, s, known].mean(axis=0)
            for i, t in enumerate(known):
                row: Row = {
                    "origin": labels[split.origin - 1],
                    "outcome": split.outcome,
                    "arm": arm,
                    "segment": segment,
                    "period": labels[split.origin + t],
                    "ahead": int(t) + 1,
                    "units": float(seen.units[c, s, t]),
                    "observed": float(actual[i]),
                    "mean": float(middle[i]),
                    "median": float(centre[i]),
                }
                for p, (low, high) in ends.items():
                    row |= {f"low_{_name(p)}": float(low[i]), f"high_{_name(p)}": float(high[i])}
                for p, (low, high) in ends.items():
                    row[f"inside_{_name(p)}"] = bool(low[i] <= actual[i] <= high[i])
                row["crps"] = float(found[i])
                row["naive_mean"] = _number(expected[i])
                row["naive_crps"] = _number(naive[i])
                rows.append(row | {f"interval_score_{_name(p)}": float(fines[p][i]) for p in LEVELS})
    return rows


def _name(level: float) -> str:
    return f"{100 * level:.0f}"


def _number(value: float) -> float | None:
    return float(value) if np.isfinite(value) else None


def condensed(rows: Sequence[Row]) -> Row:
    """Return counts and mean scores of rows of one outcome, which share a unit.

    Skill = 1 − CRPS / naive CRPS, both summed over the rows that have a naive forecast; 1 is perfect, 0 no
    better than the naive forecast, below 0 worse.
    """
    compared = [row for row in rows if row["naive_crps"] is not None]
    own, naive = (sum(row[name] for row in compared) for name in ("crps", "naive_crps"))
    return {
        "values": len(rows),
        "inside": {_name(p): sum(row[f"inside_{_name(p)}"] for row in rows) for p in LEVELS},
        "crps": _mean(row["crps"] for row in rows),
        "naive_crps": _mean(row["naive_crps"] for row in compared),
        "skill": 1 - own / naive if naive > 0 else None,
        "bias": _mean(row["mean"] - row["observed"] for row in rows),
        "interval_score": {
            _name(p): _mean(row[f"interval_score_{_name(p)}"] for row in rows) for p in LEVELS
        },
    }


def overall(outcomes: Mapping[str, Row]) -> Row:
    """Return counts over all outcomes, and a skill that does not depend on their units.

    It is 1 minus the geometric mean of the outcomes' ratios of CRPS to naive CRPS; of one outcome its own.
    """
    skills = [block["skill"] for block in outcomes.values() if block["skill"] is not None]
    ratios = np.array([max(1 - skill, 1e-12) for skill in skills])
    return {
        "values": sum(block["values"] for block in outcomes.values()),
        "inside": {_name(p): sum(block["inside"][_name(p)] for block in outcomes.values()) for p in LEVELS},
        "skill": float(1 - np.exp(np.log(ratios).mean())) if skills else None,
    }


def _mean(values: Iterable[float]) -> float | None:
    listed = list(values)
    return float(np.mean(listed)) if listed else None
