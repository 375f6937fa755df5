"""The vendor's calculator turned round: what every stage of a funnel must deliver for a revenue."""

from __future__ import annotations

from typing import Any

import numpy as np

from sim.config.plan import OutcomePlan
from sim.decision.funnel import LEVELS, Need, funnel
from sim.engine.summary import pooled
from sim.engine.world import World
from sim.finance.spread import quantile
from sim.records.arrays import FloatArray
from sim.records.estimate import quantile_error, standard_error

type Row = dict[str, Any]


def pipeline(world: World, strategy: str, revenue: float) -> list[Row]:
    """Return a row per stage, first stage first; none where no funnel of shares ends in a price.

    In every sample, the units that enter and leave each stage under treatment within the horizon are scaled
    so that the extra revenue, over the control arm, is `revenue`. Beside them the arithmetic of a sales
    calculator (``gross``): units for which all revenue of the treated arm is `revenue`; and with the volume
    of the forecast, the rate that a stage would need for that if the others stay as they are.

    Parameters
    ----------
    world : World
    strategy : str
    revenue : float [currency]
    """
    stages = _stages(world)
    if not stages:
        return []
    states = world.strategy(strategy).outcomes
    last = states[stages[-1].name]
    assert last.plan.price_path is not None  # noqa: S101  # _stages() ends in a price
    price = (world.by(last.plan.price_path, last.segments) * last.weights).sum(axis=1)
    rates: dict[str, FloatArray] = {plan.name: pooled(states[plan.name])[1] for plan in stages}
    if (price <= 0).any():
        return []
    entering = {plan.name: world.exposure(plan.name, strategy).treated.sum(axis=(1, 2)) for plan in stages}
    planned = float(entering[stages[0].name].mean())
    found = funnel(revenue, price, rates, pipeline=planned if planned > 0 else None)
    rows = []
    for stage in found.stages:
        projection = states[stage.name].projection
        assert projection is not None and last.revenue is not None  # noqa: S101, PT018  # stages have volumes
        leaving = projection.treated_total.sum(axis=(1, 2))
        rows.append(
            {
                "stage": stage.name,
                "rate_mean": float(rates[stage.name].mean()),
                "rate_mean_mcse": float(standard_error(rates[stage.name])),
                "planned_entering_mean": float(entering[stage.name].mean()),
                "planned_leaving_mean": float(leaving.mean()),
                "planned_leaving_mean_mcse": float(standard_error(leaving)),
                **_scaled("entering", entering[stage.name], revenue, last.revenue),
                **_scaled("leaving", leaving, revenue, last.revenue),
                **_columns("gross_entering", stage.entering),
                **_columns("gross_leaving", stage.leaving),
                **_columns("gross_rate_needed", stage.rate),
                "p_gross_rate_attainable": stage.attainable,
            }
        )
    return rows


def _stages(world: World) -> list[OutcomePlan]:
    """Return the outcomes of the longest funnel that ends in an outcome with a price."""
    plans = world.plan.outcomes
    funnels = []
    for plan in plans.values():
        if plan.price_path is None or plan.model.counts != "successes":
            continue
        stages = [plan]
        while stages[0].volume is not None and stages[0].volume.kind == "successes":
            stages.insert(0, plans[stages[0].volume.name])
        funnels.append(stages)
    return max(funnels, key=len, default=[])


def _scaled(name: str, units: FloatArray, revenue: float, brings: FloatArray) -> Row:
    """Return the units that bring `revenue` where `units` bring `brings`, by sample; None where none do."""
    gains = brings > 0
    factor = np.divide(revenue, brings, out=np.full(brings.shape, np.inf), where=gains)
    needed = np.broadcast_to(units, brings.shape) * np.where(gains, factor, np.inf)
    needed = np.where(np.isnan(needed), np.inf, needed)
    row: Row = {}
    for part, level in LEVELS.items():
        row |= {
            f"{name}_{part}": quantile(needed, level),
            f"{name}_{part}_mcse": quantile_error(needed, level),
        }
    return row


def _columns(name: str, need: Need | None) -> Row:
    row: Row = {}
    for part in ("expected", *LEVELS):
        found = None if need is None else getattr(need, part)
        row |= {
            f"{name}_{part}": None if found is None else found.value,
            f"{name}_{part}_mcse": None if found is None else found.mcse,
        }
    return row
