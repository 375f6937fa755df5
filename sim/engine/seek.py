"""The value of one number of a config at which a forecast meets a goal."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

import numpy as np

from sim.decision.solve import expand, solve
from sim.engine.goal import Goal, metric_at
from sim.engine.study import Study
from sim.errors import ProblemsError

_POINTS = 25
_COARSE = 17
_TOLERANCE = 1e-10
_MONTHS = 120

type Row = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Seek:
    """Where a value is sought.

    Parameters
    ----------
    key : str
    now : float or None
        The certain number that stands there; None where it is uncertain or not written.
    between : (float, float) or None
        As asked for.
    limits : (float, float)
        What the key may be.
    whole : bool
        Whether the key counts, and takes whole numbers only.
    """

    key: str
    now: float | None
    between: tuple[float, float] | None
    limits: tuple[float, float]
    whole: bool


def seek(study: Study, search: Seek, goal: Goal, strategy: str, tell: Callable[[float], None]) -> Row:
    """Find the value, and the metric around it.

    Returns
    -------
    dict
        ``key``, ``value`` and its Monte Carlo error ``mcse``, ``reached`` (the metric there, with its own
        error), ``reason``, ``now``, ``between``, ``crossings``, ``nearest`` and ``curve``.
    """
    known: dict[float, float | None] = {}

    def evaluate(value: float) -> float | None:
        """Return the metric; None where the config does not take the value, or the fit there fails."""
        if value not in known:
            setting = {search.key: round(value) if search.whole else value}
            try:
                world = study.at(setting)
            except ProblemsError:
                known[value] = None
            else:
                withheld = bool(study.failed(setting)) and study.trusted
                known[value] = None if withheld else metric_at(world, strategy, goal).value
        return known[value]

    now, certain = search.now, search.now is not None
    if now is None and (column := study.column(search.key)) is not None:
        values = study.world.drawn.columns[column]
        now, certain = float(values.mean()), bool(np.ptp(values) == 0)
    found: Row = {"key": search.key, "now": now, "now_certain": certain, "mcse": None}
    if search.whole:
        found |= _counted(search, evaluate, goal, now, study.plan.horizon)
    else:
        between = search.between
        if between is None:
            low, high = search.limits
            start = now if now is not None and low <= now <= high else min(max(1.0, low), high)
            between = expand(evaluate, goal.value, start, search.limits)
        solution = solve(evaluate, goal.value, *between, current=now, tolerance=_TOLERANCE)
        found |= {
            "value": solution.value,
            "reason": solution.reason,
            "between": list(between),
            "crossings": list(solution.crossings),
            "nearest": solution.nearest,
            "met_throughout": False,
        }
    found |= {"counts": search.whole, "evaluations": len(known), "reached": None, "reached_mcse": None}
    if found["value"] is not None:
        there = metric_at(study.at({search.key: found["value"]}), strategy, goal)
        found |= {"reached": there.value, "reached_mcse": there.mcse}
        if not search.whole and there.mcse is not None:
            found["mcse"] = _value_error(evaluate, found["value"], there.mcse, found["between"])
    low, high = found["between"]
    if search.between is None:
        low, high = _shown((low, high), found["value"], now)
    return found | {"curve": _curve(study, search, goal, strategy, (low, high), tell)}


def _counted(
    search: Seek, evaluate: Callable[[float], float | None], goal: Goal, now: float | None, horizon: int
) -> Row:
    """Search a key that counts: the first value, seen from today's, at which the goal is met.

    A coarse look over the range, then halving between neighbours of which one meets the goal.
    """
    if search.between is not None:
        low, high = math.ceil(search.between[0]), math.floor(search.between[1])
    else:
        months = max(_MONTHS, 2 * int(now or 0)) if search.key == "programme.horizon" else horizon
        low, high = int(search.limits[0]), max(months, int(now or 0))

    def met(value: int) -> bool:
        metric = evaluate(value)
        return metric is not None and goal.is_met(metric)

    coarse = {*np.linspace(low, high, min(_COARSE, high - low + 1)).round().astype(int).tolist()}
    coarse |= {int(now)} if now is not None and low <= now <= high else set()

    def edge(left: int, right: int) -> int:
        begun = met(left)
        while right - left > 1:
            middle = (left + right) // 2
            left, right = (middle, right) if met(middle) == begun else (left, middle)
        return left if begun else right

    edges = [edge(left, right) for left, right in pairwise(sorted(coarse)) if met(left) != met(right)]
    seen = {value: metric for value in sorted(coarse) if (metric := evaluate(value)) is not None}
    finite = {value: metric for value, metric in seen.items() if math.isfinite(metric)}
    near = min(finite, key=lambda value: abs(finite[value] - goal.value), default=None)
    throughout = bool(seen) and not edges and all(goal.is_met(metric) for metric in seen.values())
    value = min(edges, key=lambda at: (abs(at - (low if now is None else now)), at), default=None)
    reason = "the goal is met from here on" if edges else "the goal is met nowhere"
    return {
        "value": value,
        "reason": "the goal is met throughout" if throughout else reason,
        "between": [low, high],
        "crossings": sorted(edges),
        "nearest": None if near is None else (near, finite[near]),
        "met_throughout": throughout,
    }


def _shown(between: tuple[float, float], value: float | None, now: float | None) -> tuple[float, float]:
    """Return a range to draw: no wider than shows the solution and today's value."""
    kept = [one for one in (value, now) if one is not None]
    if not kept:
        return between
    width = 2 * max(max(kept) - min(kept), 0.5 * max(abs(one) for one in kept)) or 1.0
    return max(between[0], min(kept) - width), max(min(between[1], max(kept) + width), *kept)


def _curve(
    study: Study,
    search: Seek,
    goal: Goal,
    strategy: str,
    between: tuple[float, float],
    tell: Callable[[float], None],
) -> list[Row]:
    """Return the metric over a range of values, a row each; values that the config refuses are left out."""
    points = np.linspace(*between, _POINTS)
    values = sorted(set(np.round(points).astype(int).tolist())) if search.whole else points.tolist()
    rows = []
    for i, value in enumerate(values):
        setting = {search.key: value}
        tell((i + 1) / len(values))
        try:
            world = study.at(setting)
        except ProblemsError:
            continue
        there = metric_at(world, strategy, goal)
        known = study.trusted is False or not study.failed(setting)
        figures = (there.value, there.mcse, there.low, there.high)
        names = (goal.column, f"{goal.column}_mcse", "low", "high")
        told = {name: figure if known else None for name, figure in zip(names, figures, strict=True)}
        rows.append({search.key: value, **told})
    return rows


def _value_error(
    evaluate: Callable[[float], float | None], value: float, mcse: float, between: list[float]
) -> float | None:
    """Return the Monte Carlo error of the value: that of the metric over its slope."""
    step = 1e-4 * (between[1] - between[0])
    ends = [(at, metric) for at in (value - step, value + step) if (metric := evaluate(at)) is not None]
    known = [(at, metric) for at, metric in ends if math.isfinite(metric)]
    if len(known) < 2 or known[0][1] == known[1][1]:
        return None
    return float(abs(mcse * (known[1][0] - known[0][0]) / (known[1][1] - known[0][1])))
