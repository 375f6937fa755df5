"""What each assumption is worth in money, and which uncertainty the spread of the result comes from."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from threadpoolctl import threadpool_limits  # type: ignore[import-untyped]

from sim.decision.tornado import tornado
from sim.engine.inputs import net_present_value, uncertain_inputs
from sim.engine.world import Strategy, World
from sim.records.arrays import FloatArray

LESS = 0.9
"""What a certain number is put to, as a share of what it is."""
_ENDS = (0.05, 0.95)
_FEWEST = 20  # samples that a tornado takes
_CHANCE = 3.0  # Monte Carlo errors: a swing within them tells nothing, as that of an input without money
MOST = 150
"""Assumptions that are valued, at most: those by segment come last."""


@dataclass(frozen=True, slots=True)
class Worth:
    """What one stated number does to the mean NPV, all else as it is.

    Parameters
    ----------
    at : tuple of float
        Values it is put to: the ends of its 90 % interval, or 10 % less of a certain one.
    change : tuple of float [currency]
        Mean NPV there less the mean NPV as it is.
    """

    at: tuple[float, ...]
    change: tuple[float, ...]


@dataclass(frozen=True, slots=True)
class Driver:
    """One uncertain input: the mean NPV where it is low (10 %) and high (90 %), others following it.

    Parameters
    ----------
    name : str
        As `sim.engine.inputs.Input` names it.
    at_low, at_high : float
    npv_low, npv_high : float [currency]
    """

    name: str
    at_low: float
    at_high: float
    npv_low: float
    npv_high: float


def worths(world: World, strategy: str) -> Mapping[str, Worth]:
    """Return what every stated number is worth, by its path; those that move nothing are left out.

    Parameters
    ----------
    world : World
        Some of the states are enough: what is compared are the same states.
    strategy : str
    """
    base = net_present_value(world, world.strategy(strategy))
    found = {}
    columns = world.drawn.columns
    for path in sorted(columns, key=lambda name: ".by." in name)[:MOST]:
        column = columns[path]
        certain = column.min() == column.max()
        if certain and column[0] == 0:
            continue
        at = (LESS * float(column[0]),) if certain else tuple(np.quantile(column, _ENDS).tolist())
        change = tuple(float((_npv(world, strategy, path, value) - base).mean()) for value in at)
        if any(change):
            found[path] = Worth(at, change)
    return found


def shorter(world: World, strategy: str, months: int) -> float:
    """Return the change of the mean NPV where the last `months` months are not counted."""
    simulated = world.strategy(strategy)
    flows = (simulated.benefit - simulated.cost) * simulated.factors
    return -float(flows[:, flows.shape[1] - months :].sum(axis=1).mean())


def _npv(world: World, strategy: str, path: str, value: float) -> FloatArray:
    held = world.drawn.replaced({path: np.full(world.n, value)})
    changed = World(world.prepared, world.fits, held, (world,))
    return net_present_value(changed, changed.strategy(strategy))


def drivers(world: World, strategies: Mapping[str, Strategy], strategy: str) -> Sequence[Driver]:
    """Return the uncertain inputs that move the NPV beyond what chance would, the one that does most first.

    Parameters
    ----------
    world : World
    strategies : mapping of str to Strategy
        All of the world's, simulated.
    strategy : str
        Whose NPV is explained.
    """
    npv = net_present_value(world, strategies[strategy])
    if npv.size < _FEWEST or npv.min() == npv.max():
        return ()
    inputs = {one.name: one.values for one in uncertain_inputs(world, strategies)}
    if not inputs:
        return ()
    x = np.stack(list(inputs.values()), axis=1)
    with threadpool_limits(limits=1):  # the matrices are small: threads would wait for a busy core
        bars = tornado(npv, x, names=list(inputs))
    return [
        Driver(bar.name, bar.at_low, bar.at_high, bar.low.value, bar.high.value)
        for bar in bars
        if abs(bar.swing.value) > _CHANCE * bar.swing.mcse
    ]
