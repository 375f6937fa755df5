"""Goal-seek: the value of one number at which a metric reaches a goal, or why there is none."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from sim.decision.crossings import Metric, Range, Search

_GRID = 17
_WIDE = 100.0  # high / low from which the grid is even in the logarithm
_HALVINGS = 10
_DOUBLINGS = 40


@dataclass(frozen=True, slots=True)
class Solution:
    """Where a metric reaches a goal.

    Parameters
    ----------
    value : float or None
        The solution; None where the goal is not reached.
    reason : str
        In plain words: how the goal is reached, or that it is not and how near the metric comes.
    evaluations : int
        Different values at which the metric was asked for.
    bracket : (float, float)
        The last two values around the solution; the range searched where there is none.
    nearest : (float, float) or None
        Value and metric where the metric came nearest to the goal: the solution, if there is one.
        None where the metric has no value at all.
    crossings : tuple of float
        All places found where the metric crosses the goal, the solution among them.
    """

    value: float | None
    reason: str
    evaluations: int
    bracket: tuple[float, float]
    nearest: tuple[float, float] | None
    crossings: tuple[float, ...]


def solve(
    evaluate: Metric,
    goal: float,
    low: float,
    high: float,
    *,
    increasing: bool | None = None,
    tolerance: float = 1e-9,
    current: float | None = None,
) -> Solution:
    """Find the value between two others at which a metric reaches a goal.

    The ends and a coarse grid between them are looked at for changes of sign, then Brent's method
    (scipy.optimize.brentq) closes in. Where the metric has no value (a median payback beyond the
    horizon) the goal is not reached; the edge of such a range is searched from the other side.
    A metric that moves in steps (a share of samples) ends at the step across the goal, on the side
    that is nearer to it. Of several crossings the one nearest to `current` is taken, else the lowest.

    Parameters
    ----------
    evaluate : callable
        On the same samples every time, else there is no root to be found.
    goal : float [unit of the metric]
    low, high : float [unit of the value]
    increasing : bool, optional
        The metric is known to rise (True) or fall (False) with the value: only the ends are looked at.
    tolerance : float
        How closely the value is found, as a share of high − low.
    current : float, optional
        Today's value.

    Raises
    ------
    ValueError
        The range is empty or not finite, or the goal is not.

    Examples
    --------
    >>> round(solve(lambda price: 1000 * price - 40_000, 0.0, 1.0, 100.0).value, 6)
    40.0
    >>> solve(lambda share: 3 - share, 0.0, 0.0, 1.0).reason
    'from 0 to 1 the metric lies between 2 and 3 and never reaches 0; it comes nearest at 1, with 2'
    """
    if not (np.isfinite([low, high, goal]).all() and low < high):
        raise ValueError(f"needs a finite goal and low < high, not {goal}, {low} and {high}")
    search = Search(evaluate, goal, tolerance)
    ends = [float(low), float(high)]
    ranges = search.crossings(ends) if increasing is not None else []
    if increasing is None or np.isnan([search.gap(end) for end in ends]).all():
        grid = _grid(low, high, current)
        ranges = search.crossings(grid) or search.dip(grid)
    closed = [(one, last) for one in ranges if (last := search.close_in(*one)) is not None]
    if not closed:
        return _none(search, (ends[0], ends[1]))

    solutions = [search.best(last, current)[0] for _, last in closed]
    chosen = 0 if current is None else min(range(len(closed)), key=lambda i: abs(solutions[i] - current))
    seen, bracket = closed[chosen]
    reason = f"the metric reaches {goal:.6g}"
    if search.steps(bracket):
        before, after = (search.known[end] for end in bracket)
        reason = f"the metric steps across {goal:.6g}, from {before:.6g} to {after:.6g}"
    if len(closed) > 1:
        which = "the lowest" if current is None else f"the one nearest to {current:.6g}"
        places = ", ".join(f"{at:.6g}" for at in solutions)
        reason += f"; it does so {len(closed)} times, at {places}: {which} is taken"
    rise = search.known[seen[1]] - search.known[seen[0]]
    if increasing is not None and rise != 0 and (rise > 0) != increasing:
        reason += f"; it {'rises' if rise > 0 else 'falls'} with the value, which was not expected"
    nearest = search.best(bracket, current)
    return Solution(nearest[0], reason, len(search.known), bracket, nearest, tuple(solutions))


def expand(
    evaluate: Metric, goal: float, start: float, limits: tuple[float, float] = (-np.inf, np.inf)
) -> tuple[float, float]:
    """Find a range for `solve` around today's value, by steps that double.

    Both sides are tried in turn, so the crossing found is the nearest in number of steps. Towards a
    finite limit the remaining way is halved ten times and then the limit itself tried; without a limit
    the value (or its distance from `start`, where it is not positive) is doubled forty times.

    Parameters
    ----------
    evaluate, goal
        As in `solve`.
    start : float
        Today's value, within the limits.
    limits : (float, float)
        What the value may be, ends included: (0, 1) for a share, (0, inf) for an amount.

    Returns
    -------
    (float, float)
        A range at whose ends the metric lies on both sides of the goal, or the whole range tried.

    Raises
    ------
    ValueError
        `start` is not within the limits, or these are equal.

    Examples
    --------
    >>> expand(lambda price: 1000 * price - 40_000, 0.0, 10.0, (0.0, np.inf))
    (20.0, 40.0)
    >>> expand(lambda share: 4 * share - 3, 0.0, 0.2, (0.0, 1.0))
    (0.6, 0.8)
    """
    if not (np.isfinite(start) and limits[0] <= start <= limits[1] and limits[0] < limits[1]):
        raise ValueError(f"{start} must lie within the limits {limits}")
    search = Search(evaluate, goal, 0.0)
    walks = {-1: _walk(start, limits[0], -1.0), 1: _walk(start, limits[1], 1.0)}
    last = {-1: float(start), 1: float(start)}
    while walks:
        for side in tuple(walks):
            at = next(walks[side], None)
            if at is None:
                del walks[side]
                continue
            low, high = sorted((last[side], at))
            if search.crossings([low, high]):
                return low, high
            if np.isnan(search.gap(at)) and not np.isnan(search.gap(last[side])):
                del walks[side]  # the metric ends here
            last[side] = at
    return last[-1], last[1]


def _walk(start: float, limit: float, sign: float) -> Iterator[float]:
    """Step away from `start`, towards a finite limit or for ever wider."""
    if np.isfinite(limit):
        if limit != start:
            yield from (limit - (limit - start) / 2**k for k in range(1, _HALVINGS + 1))
            yield float(limit)
    elif sign * start > 0:
        yield from (start * 2.0**k for k in range(1, _DOUBLINGS + 1))
    else:
        unit = abs(start) or 1.0
        yield from (start + sign * unit * (2.0**k - 1) for k in range(1, _DOUBLINGS + 1))


def _grid(low: float, high: float, current: float | None) -> list[float]:
    wide = low > 0 and high > _WIDE * low
    points = np.geomspace(low, high, _GRID) if wide else np.linspace(low, high, _GRID)
    points[[0, -1]] = low, high
    inner = set(points.tolist()) | (
        {float(current)} if current is not None and low < current < high else set()
    )
    return sorted(inner)


def _none(search: Search, whole: Range) -> Solution:
    """Say why there is no solution, and how near the metric comes."""
    seen = search.seen()
    asked = len(search.known)
    span = f"from {whole[0]:.6g} to {whole[1]:.6g} the metric"
    if not seen:
        return Solution(None, f"{span} has no value", asked, whole, None, ())
    metrics = [search.known[at] for at in seen]
    at, metric = search.best(whole, None)
    lowest, highest = min(metrics), max(metrics)
    if lowest == highest:
        reason = f"{span} is {metric:.6g} throughout and never {search.goal:.6g}"
    elif lowest < search.goal < highest:
        reason = f"{span} lies on both sides of {search.goal:.6g}, but has no value or no bound between"
    else:
        reason = f"{span} lies between {lowest:.6g} and {highest:.6g} and never reaches {search.goal:.6g}"
        reason += f"; it comes nearest at {at:.6g}, with {metric:.6g}"
    if len(seen) < asked:
        reason += f"; it has no value at {asked - len(seen)} of {asked} places tried"
    return Solution(None, reason, asked, whole, (at, metric), ())
