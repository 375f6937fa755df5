"""A programme in its sizes: what it brings and needs in each, arm by arm.

At size s every cost is s times as large and every benefit s to the power ``decision.returns``, which is 1 if
it is left out: two programmes of size 1 are then worth one of size 2, and ROI and payback stay as they are.
With 0.7 the second euro brings less than the first, as in a channel whose best audience is reached first.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np

from sim.engine.runs import in_runs
from sim.engine.study import RUN
from sim.engine.world import World
from sim.finance.metrics import Measured, measure_samples
from sim.records.arrays import FloatArray
from sim.records.estimate import standard_error

type Row = dict[str, Any]
type Need = Literal["peak_funding", "cost"]
"""What a programme takes of a budget: see `sim.commands.portfolio`."""
NEEDS: tuple[Need, ...] = ("peak_funding", "cost")

_METRICS = ("npv", "roi", "payback_months", "cost", "peak_funding")
_PARTS = ("mean", "median", "low", "high", "sd", "mcse")


@dataclass(frozen=True, slots=True)
class Option:
    """One way to take a programme: a treated arm in a size.

    Parameters
    ----------
    arm : str
    size : float
    npv : (sample,) array [currency]
    needs : mapping of str to (sample,) array [currency]
        Of `NEEDS`.
    figures : mapping of str to number
        The columns of the table of programmes.
    """

    arm: str
    size: float
    npv: FloatArray
    needs: dict[str, FloatArray]
    figures: Row


def options(world: World) -> Iterator[Option]:
    """Yield every way to take a programme.

    Parameters
    ----------
    world : World
        In joint states.
    """
    for arm in world.plan.strategies:
        for size in world.plan.scale:
            yield _option(world, arm, size)


def figures_of(measured: Measured | None, horizon: int, hurdle: float) -> Row:
    """Return the figures of an option, in the columns of the table; None where there are none."""
    row: Row = {}
    if measured is None:
        names = [f"npv_{part}" for part in _PARTS]
        names += ["roi", "roi_low", "roi_high", "roi_mcse", "payback_median", "payback_low", "payback_high"]
        names += ["payback_never", "p_loss", "p_loss_mcse", "cvar_95"]
        names += [*NEEDS, *(f"{name}_mcse" for name in NEEDS)]
        return dict.fromkeys(names)
    metrics, probability, risk = measured.blocks(horizon, hurdle, _METRICS)
    row |= {f"npv_{part}": metrics["npv"][part] for part in _PARTS}
    row |= {"roi": metrics["roi"]["expected"]}
    row |= {f"roi_{part}": metrics["roi"][part] for part in ("low", "high", "mcse")}
    row |= {f"payback_{part}": metrics["payback_months"][part] for part in ("median", "low", "high")}
    below = (measured.samples["npv"] < 0).astype(np.float64)
    row |= {"payback_never": metrics["payback_months"]["never"], "p_loss": probability["loss"]}
    row |= {"p_loss_mcse": float(standard_error(below)), "cvar_95": risk["cvar_95"]}
    row |= {name: metrics[name]["mean"] for name in NEEDS}
    return row | {f"{name}_mcse": metrics[name]["mcse"] for name in NEEDS}


def _option(world: World, arm: str, size: float) -> Option:
    plan = world.plan

    def measure(run: World) -> Measured:
        strategy = run.strategy(arm)
        # The size 1 stays exactly what the forecast is.
        benefit, cost = strategy.benefit, strategy.cost
        if size != 1:
            benefit, cost = benefit * size ** run.scalar(plan.returns_path, 1.0), cost * size
        return measure_samples(
            benefit,
            cost,
            strategy.factors,
            discount_rate=world.discount_rate,
            payback_within=None,
            timing=plan.timing,
            only=_METRICS,
        )

    # Many samples are simulated in runs, so that memory does not grow with them.
    found = measure(world) if world.n < 2 * RUN else Measured.joined(in_runs(world, RUN, measure))
    needs: dict[str, FloatArray] = {name: found.samples[name] for name in NEEDS}
    return Option(arm, size, found.samples["npv"], needs, figures_of(found, plan.horizon, plan.hurdle))
