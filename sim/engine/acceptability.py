"""What a point of an outcome without a price would have to be worth for investing to be right."""

from __future__ import annotations

from dataclasses import asdict
from typing import Any

import numpy as np

from sim.decision.choice import Threshold
from sim.decision.choice import acceptability as thresholds
from sim.engine.inputs import net_present_value
from sim.engine.world import OutcomeState, Strategy, World
from sim.records.arrays import FloatArray
from sim.records.estimate import mean


def acceptability(world: World, strategy: Strategy) -> dict[str, Any]:
    """Return, for each outcome without a value, the worth of a unit from which investing is right.

    With g_i the discounted improvement in sample i, a worth v of one unit makes investing right with the
    probability P(NPV_i + v · g_i > hurdle).

    Parameters
    ----------
    world : World
    strategy : Strategy
        Simulated in it.

    Returns
    -------
    dict
        By outcome: ``unit``, what a unit is: with a volume the same as under the config's `value`, without
        one a point kept up for one month; ``gain`` (mean, low, high, mcse), discounted units within the
        horizon; ``p_better``, ``p_better_mcse``; and ``worth``, for the probabilities ½, ¾ and 0.9:
        ``probability``, ``value`` [currency per unit], ``mcse``, ``until`` (the worth beyond which it is
        less again, as more is lost where the outcome gets worse), ``reason`` where the value is null.
    """
    npv = net_present_value(world, strategy)
    found: dict[str, Any] = {}
    for name, state in strategy.outcomes.items():
        if state.plan.kpi:
            gain = discounted_gain(world, name, state)
            low, high = np.quantile(gain, [0.05, 0.95])
            middle, improves = mean(gain), mean((gain > 0).astype(np.float64))
            found[name] = {
                "unit": state.plan.unit if state.projection is not None else f"{state.plan.unit} for a month",
                "gain": {
                    "mean": middle.value,
                    "low": float(low),
                    "high": float(high),
                    "mcse": middle.mcse,
                },
                "p_better": improves.value,
                "p_better_mcse": improves.mcse,
                "worth": [
                    {**asdict(one), "reason": _reason(one, improves.value)}
                    for one in thresholds(gain, npv, hurdle=world.plan.hurdle)
                ],
            }
    return found


def discounted_gain(world: World, name: str, state: OutcomeState) -> FloatArray:
    """Return the discounted units of improvement of an outcome, (sample,).

    An outcome without a volume counts as one unit a month, at the pilot's mix of segments.
    """
    if state.projection is not None:
        units = state.projection.units.sum(axis=1)
    else:
        higher = ((state.treated.level - state.control.level) * state.weights).sum(axis=1)[:, None]
        units = (higher if state.plan.better == "higher" else -higher) * world.reach(name).share
    total = (units * world.factors[:, 1:]).sum(axis=1)
    return np.array(np.broadcast_to(total, (world.n,)))


def _reason(found: Threshold, improves: float) -> str | None:
    if found.value is not None:
        return None
    return (
        f"no worth makes it {100 * found.probability:.0f} %: the outcome improves with a probability of "
        f"{100 * improves:.0f} % only"
    )
