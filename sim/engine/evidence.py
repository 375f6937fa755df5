"""What the result rests on: pilot data, stated levels, elicited numbers, and months never observed."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from sim.engine.world import Strategy, World
from sim.records.arrays import Draws, FloatArray

_STATED = (".control", ".treated", ".effect")


def observed_months(world: World, name: str) -> float | None:
    """Return how many months of an outcome the pilot saw; None where the data do not say."""
    summary = world.prepared.summaries.get(name)
    return 0.0 if summary is None else summary.months


def beyond_pilot(world: World, strategy: Strategy) -> float | None:
    """Return the share of the sum of absolute discounted benefits from months that the pilot did not see.

    None when an outcome with money does not say how long its pilot ran.
    """
    beyond = total = 0.0
    months = np.arange(1, world.plan.horizon + 1)
    for name, state in strategy.outcomes.items():
        if state.cash is None:
            continue
        seen = observed_months(world, name)
        if seen is None:
            return None
        worth = np.abs(state.cash * strategy.factors).mean(axis=0)[1:]
        total += float(worth.sum())
        beyond += float(worth[months > seen].sum())
    return beyond / total if total > 0 else None


def sources(world: World, strategy: Strategy) -> dict[str, float | None]:
    """Return how much of NPV's spread comes from each kind of source.

    Each share is the variance of NPV when only that kind varies and everything else stands at its
    mean, over the sum of the three; interactions are left out. None when NPV is certain.
    """
    names = {path for path, column in world.drawn.columns.items() if np.ptp(column) > 0}
    stated = {path for path in names if _is_stated(path)}
    kinds: dict[str, tuple[bool, set[str]]] = {
        "from_pilot": (True, set()),
        "from_priors": (False, stated),
        "from_elicited": (False, names - stated),
    }
    alive = {kind for kind, (fits, free) in kinds.items() if (fits and world.fits) or free}
    if not alive:
        return dict.fromkeys(kinds)
    if len(alive) == 1:
        return {kind: float(kind in alive) for kind in kinds}
    variances = {
        kind: _variance(world, strategy.name, fits=fits, free=free) if kind in alive else 0.0
        for kind, (fits, free) in kinds.items()
    }
    total = sum(variances.values())
    return {kind: value / total if total > 0 else None for kind, value in variances.items()}


def _is_stated(path: str) -> bool:
    head = path.split(".by.", maxsplit=1)[0]
    return head.startswith("outcomes.") and head.endswith(_STATED)


def _variance(world: World, strategy: str, *, fits: bool, free: set[str]) -> float:
    """Return the variance of NPV with everything but one kind of source at its mean."""
    columns = {
        path: np.full_like(column, column.mean())
        for path, column in world.drawn.columns.items()
        if path not in free
    }
    held = world.fits if fits else {name: _at_mean(draws) for name, draws in world.fits.items()}
    frozen = World(world.prepared, held, world.drawn.replaced(columns)).strategy(strategy)
    npv: FloatArray = ((frozen.benefit - frozen.cost) * frozen.factors).sum(axis=1)
    return float(npv.var())


def _at_mean(draws: Draws) -> Mapping[str, FloatArray]:
    return {name: values.mean(axis=0, keepdims=True) for name, values in draws.items()}
