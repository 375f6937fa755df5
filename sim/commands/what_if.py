"""What the page of a run tells beyond its summary: worths, drivers, and samples to recompute it from."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np

from sim.engine.inputs import net_present_value
from sim.engine.what_if import WhatIf, systematic, what_if
from sim.engine.world import World
from sim.engine.worth import drivers, shorter, worths
from sim.records.arrays import FloatArray

WHAT_IF = "what_if.json"
_YEAR = 12
_MOST = 8_192


def write_what_if(folder: Path, world: World, strategy: str) -> None:
    """Write ``what_if.json``, from which the page recomputes one strategy under other numbers.

    Nothing is written where no money moves.

    Parameters
    ----------
    folder : Path
    world : World
    strategy : str
    """
    from sim.report.tables import write_json

    plan = world.plan
    if plan.benefits or plan.costs or any(not outcome.kpi for outcome in plan.outcomes.values()):
        write_json(folder / WHAT_IF, contents(world, strategy))


def contents(world: World, strategy: str) -> dict[str, Any]:
    """Return what ``what_if.json`` holds; see `sim.engine.what_if` and `sim.engine.worth`."""
    total = world.n
    if total > _MOST:  # a world of many samples is never held whole
        world = world.some(slice(None, None, -(-total // _MOST)))
    strategies = {name: world.strategy(name) for name in world.plan.strategies}
    some = world.some(systematic(net_present_value(world, strategies[strategy])))
    plan = world.plan
    return {
        "strategy": strategy,
        "horizon": plan.horizon,
        "of": total,
        **_pieces(what_if(world, strategy)),
        "worth": {path: asdict(worth) for path, worth in worths(some, strategy).items()},
        "year_less": shorter(some, strategy, _YEAR) if plan.horizon > _YEAR else None,
        "drivers": [asdict(driver) for driver in drivers(world, strategies, strategy)],
    }


def _pieces(found: WhatIf) -> Mapping[str, Any]:
    from sim.report.packed import table

    plan, keys = found.world.plan, list(found.values)
    return {
        "samples": found.world.n,
        "longest": plan.horizon,
        "timing": plan.timing,
        "convert": plan.convert,
        "rate": {"key": plan.discount_path, **_column(found.rates)},
        "inflation": None if found.inflation is None else _column(found.inflation),
        "keys": [{"key": key, **_column(found.values[key])} for key in keys],
        "terms": [
            {"sign": term.sign, "keys": [keys.index(key) for key in term.keys], **table(term.cash)}
            for term in found.terms
        ],
    }


def _column(values: FloatArray) -> dict[str, Any]:
    """Return a quantity: its mean and 90 % interval, and its samples where it has any spread."""
    from sim.report.packed import text

    low, high = np.quantile(values, [0.05, 0.95])
    certain = bool(values.min() == values.max())
    mean = float(values[0] if certain else values.mean())
    return {"mean": mean, "low": float(low), "high": float(high), "values": None if certain else text(values)}
