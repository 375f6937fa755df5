"""What one customer is worth under each arm, and how much of that lies beyond the tenures observed."""

from __future__ import annotations

import numpy as np

from sim.engine.world import OutcomeState, World
from sim.records.arrays import FloatArray
from sim.records.projection import Projection


def lifetime_values(
    world: World, state: OutcomeState, factors: FloatArray
) -> tuple[FloatArray, FloatArray] | None:
    """Return the discounted worth within the horizon of a joiner under control and under treatment.

    ``CLV = sum over months of S(t) * margin * discount factor(t)``, S the share of joiners alive after
    month t of their tenure, segments by their weights; each (sample,). None unless the outcome is churn
    with money.
    """
    projection = _of_customers(state)
    if projection is None or projection.survival is None or projection.control_survival is None:
        return None
    value = _value(world, state)

    def worth(survival: FloatArray) -> FloatArray:
        by_segment = (survival * factors[:, None, 1:]).sum(axis=2) * value * state.weights
        return np.broadcast_to(by_segment.sum(axis=1), (world.n,))

    return worth(projection.control_survival), worth(projection.survival)


def share_beyond_tenure(world: World, state: OutcomeState, factors: FloatArray) -> float | None:
    """Return the share of an outcome's discounted money from tenures that the pilot did not observe.

    Of the sum of absolute values, as for months beyond the pilot. None unless it is churn with money.
    """
    projection = _of_customers(state)
    if projection is None or projection.unobserved is None:
        return None
    value = _value(world, state)[:, :, None] * factors[:, None, 1:]
    total = float(np.abs(projection.units * value).mean(axis=0).sum())
    beyond = float(np.abs(projection.unobserved * value).mean(axis=0).sum())
    return beyond / total if total > 0 else None


def _of_customers(state: OutcomeState) -> Projection | None:
    """Return the projection of an outcome that follows customers and has money; None of any other."""
    followed = state.plan.model.counts == "customers" and not state.plan.kpi
    return state.projection if followed else None


def _value(world: World, state: OutcomeState) -> FloatArray:
    value: FloatArray = np.full((1, len(state.segments)), state.plan.value_factor)
    for path in state.plan.value_paths:
        value = value * world.drawn.by(path, state.segments)
    return value
