"""The efficient frontier of a portfolio: the most that can be expected at every risk."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from sim.decision.portfolio import Chooser, Limits
from sim.decision.risk import Options, cvar

POINTS = 12
_SCENARIOS, _NODES = 200, 100  # a point need not be proven: it says so


@dataclass(frozen=True, slots=True)
class Point:
    """A set that no other set found beats in both worth and risk.

    Parameters
    ----------
    picked : tuple of int
    worth, cvar : float [currency]
        Over all samples.
    optimal : bool
        Whether no set of this risk is worth more, over the scenarios.
    """

    picked: tuple[int, ...]
    worth: float
    cvar: float
    optimal: bool


def frontier(options: Options, budget: float | None, points: int = POINTS) -> tuple[Point, ...]:
    """Return best sets from the least risk that there is to that of the best set of all, in rising order.

    Parameters
    ----------
    options : Options
    budget : float or None [currency]
    points : int
        Limits of CVaR that are tried, evenly spaced.
    """
    chooser = Chooser(options, _SCENARIOS, _NODES)
    top = chooser.best(Limits(budget))
    if top is None:
        return ()
    safe = chooser.safest(budget)
    low, high = (cvar(options.total(picked)) for picked in (safe, top.picked))
    tried = [chooser.best(Limits(budget, float(limit))) for limit in np.linspace(low, high, points)[:-1]]
    sets = {safe: True, **{each.picked: each.optimal for each in tried if each is not None}}
    sets[top.picked] = top.optimal
    found = [
        Point(each, options.worth_of(each), cvar(options.total(each)), sure) for each, sure in sets.items()
    ]
    found.sort(key=lambda point: (point.cvar, -point.worth))
    kept: list[Point] = []
    for point in found:
        if not kept or point.worth > kept[-1].worth:
            kept.append(point)
    return tuple(kept)
