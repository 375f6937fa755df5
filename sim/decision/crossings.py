"""Where a metric crosses a goal, when the metric may move in steps, turn round or have no value."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from itertools import pairwise

import numpy as np

type Metric = Callable[[float], float | None]
"""The metric at a value; None or NaN where it has none there."""

type Range = tuple[float, float]

_EDGE = (
    1e-6  # how closely the end of the values at which the metric exists is looked at, as a share of a step
)
_JUMP = 1e-6  # change over the last range, as a share of that over the first, that no smooth metric shows
_TOUCH = 1e-9  # distance from the goal that is rounding, as a share of the metric's range


class _MissingError(Exception):
    """The metric has no value where the root finder asked."""

    def __init__(self, at: float) -> None:
        self.at = at


class Search:
    """Asks for a metric, once for each value, and closes in on its crossings of a goal.

    Parameters
    ----------
    evaluate : callable
    goal : float
    tolerance : float
        How closely a crossing is found, as a share of the range it is first seen in.

    Attributes
    ----------
    known : dict of float to float
        The metric (NaN: none) by value, as far as asked for.
    """

    def __init__(self, evaluate: Metric, goal: float, tolerance: float) -> None:
        self._evaluate = evaluate
        self.goal = goal
        self.tolerance = tolerance
        self.known: dict[float, float] = {}

    def gap(self, at: float) -> float:
        """Return metric − goal, NaN where the metric has no finite value."""
        at = float(at)
        if at not in self.known:
            metric = self._evaluate(at)
            self.known[at] = float(metric) if metric is not None and np.isfinite(metric) else np.nan
        return self.known[at] - self.goal

    def seen(self) -> list[float]:
        """Return the values at which the metric is known to exist, rising."""
        return sorted(at for at, metric in self.known.items() if not np.isnan(metric))

    def crossings(self, points: Sequence[float]) -> list[Range]:
        """Return the ranges between rising points in which the metric crosses, or rests on, the goal."""
        found: list[Range] = []
        for a, b in pairwise(points):
            left, right = self.gap(a), self.gap(b)
            if left == 0 and not found:
                found.append((a, a))
            if right == 0:
                begun = found.pop()[0] if left == 0 else b
                found.append((begun, b))
            elif left * right < 0:
                found.append((a, b))
            elif left != 0 and np.isnan(left) != np.isnan(right):
                edge = self._edge(a, b) if np.isnan(right) else self._edge(b, a)
                found += [edge] if edge else []
        return found

    def dip(self, points: Sequence[float]) -> list[Range]:
        """Return the crossings around the point nearest to the goal, if the metric turns there."""
        from scipy.optimize import minimize_scalar

        i = min(range(len(points)), key=lambda i: (np.isnan(gap := self.gap(points[i])), abs(gap)))
        if i in (0, len(points) - 1) or np.isnan(self.gap(points[i - 1]) + self.gap(points[i + 1])):
            return []
        side = np.sign(self.gap(points[i]))
        if side * self.gap(points[i - 1]) == side * self.gap(points[i + 1]) == side * self.gap(points[i]):
            return []  # flat
        worst = max(abs(self.gap(point)) for point in points[i - 1 : i + 2])

        def height(at: float) -> float:
            gap = self.gap(at)
            return worst if np.isnan(gap) else float(side * gap)

        a, b = points[i - 1], points[i + 1]
        minimize_scalar(
            height, bounds=(a, b), method="bounded", options={"xatol": 1e-6 * (b - a), "maxiter": 60}
        )
        inside = [at for at in self.seen() if a <= at <= b]
        found = self.crossings(inside)
        best, metric = self.best((a, b), None)
        touches = abs(metric - self.goal) <= _TOUCH * max(worst, abs(self.goal))
        return found or ([(best, best)] if touches else [])

    def _edge(self, exists: float, missing: float) -> Range | None:
        """Look for a crossing on the way from a value with a metric to one without."""
        sign, width = np.sign(self.gap(exists)), _EDGE * abs(missing - exists)
        while abs(missing - exists) > width:
            middle = (exists + missing) / 2
            gap = self.gap(middle)
            if np.isnan(gap):
                missing = middle
            elif np.sign(gap) != sign:
                return (min(exists, middle), max(exists, middle))
            else:
                exists = middle
        return None

    def close_in(self, low: float, high: float) -> Range | None:
        """Return the last two values around a crossing; None where the metric only passes infinity there."""
        from scipy.optimize import brentq

        def gap(at: float) -> float:
            found = self.gap(at)
            if np.isnan(found):
                raise _MissingError(at)
            return found

        start = (low, high)
        while self.gap(low) * self.gap(high) < 0:
            try:
                root = brentq(
                    gap, low, high, xtol=self.tolerance * (high - low), rtol=4 * np.finfo(float).eps
                )
            except _MissingError as missing:
                edge = self._edge(low, missing.at) or self._edge(high, missing.at)
                if edge is None:
                    return None
                low, high = edge
                continue
            around = [at for at in self.seen() if low <= at <= high]
            here = around.index(root)
            pairs = [(around[i], around[i + 1]) for i in (here - 1, here) if 0 <= i < len(around) - 1]
            crossed = [pair for pair in pairs if self.gap(pair[0]) * self.gap(pair[1]) < 0]
            low, high = crossed[0] if crossed else (root, root)
            break
        pole = abs(self.gap(low)) > abs(self.gap(start[0])) and abs(self.gap(high)) > abs(self.gap(start[1]))
        return None if pole else (low, high)

    def best(self, within: Range, current: float | None) -> tuple[float, float]:
        """Return the known value in a range whose metric is nearest to the goal, and that metric."""
        inside = [at for at in self.seen() if within[0] <= at <= within[1]]
        beside = within[0] if current is None else current
        at = min(inside, key=lambda at: (abs(self.gap(at)), abs(at - beside)))
        return at, self.known[at]

    def steps(self, last: Range) -> bool:
        """Tell whether the metric changes within its last range as no smooth metric would."""
        metrics = [self.known[at] for at in self.seen()]
        before, after = self.gap(last[0]), self.gap(last[1])
        return bool(before * after < 0 and abs(after - before) > _JUMP * (max(metrics) - min(metrics)))
