"""The forecast with what was measured since the launch: in the fit, in the volumes and in the cash."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from sim.engine.fit import Progress, fit_all
from sim.engine.prepare import Prepared
from sim.engine.summary import figures, levels_block, pooled
from sim.engine.track_table import Actuals, ByMonth, treated_arm
from sim.engine.world import Strategy, World
from sim.finance.spread import distribution
from sim.records.arrays import Draws, FloatArray
from sim.records.estimate import standard_error
from sim.records.fit import Fit
from sim.records.summary import ALL
from sim.simulation.cashflow import Ledger

METRICS = (
    "npv",
    "roi",
    "irr",
    "payback_months",
    "payback_discounted_months",
    "benefit",
    "cost",
    "peak_funding",
)
_WHOLE = 1e-9

type Block = dict[str, Any]


class Tracked(World):
    """A world in which some months' volumes are known.

    Parameters
    ----------
    prepared, fits
        As for `World`.
    volumes : mapping of str to {month: units}
        A driver that is a share of another one follows its actual months, unless it has its own.
    """

    steady = False  # a known month may be shared out among segments in its own way

    def __init__(self, prepared: Prepared, fits: Mapping[str, Draws], volumes: Mapping[str, ByMonth]) -> None:
        self._known = volumes
        super().__init__(prepared, fits, prepared.drawn)

    def driver(self, name: str, segments: tuple[str, ...], mix: FloatArray) -> FloatArray:
        """Return a driver's units; known months are shared out among segments as the forecast does."""
        units = super().driver(name, segments, mix)
        known = self._known.get(name)
        if not known:
            return units
        whole = super().driver(name, (ALL,), np.ones(1)).sum(axis=1)
        units = np.broadcast_to(units, (max(len(units), len(whole)), *units.shape[1:])).copy()
        for month, actual in known.items():
            expected = whole[:, None, month - 1]
            factor = actual / np.where(expected > 0, expected, 1.0)
            shared = np.broadcast_to(actual * mix / max(mix.sum(), 1e-300), units.shape[:2])
            units[:, :, month - 1] = np.where(expected > 0, units[:, :, month - 1] * factor, shared)
        return units


@dataclass(frozen=True, slots=True)
class Learnt:
    """Fits with the data of treated customers among their rows.

    Parameters
    ----------
    fits : mapping of str to Fit
        Of every fitted outcome; where nothing new is known, the fit of the forecast.
    months : mapping of str to tuple of int
        Months whose data entered a fit, by outcome.
    left_out : mapping of str to tuple of int
        Months whose data did not, because only a part of the effect arrives in them.
    """

    fits: Mapping[str, Fit]
    months: Mapping[str, tuple[int, ...]]
    left_out: Mapping[str, tuple[int, ...]]


def learn(
    world: World,
    actuals: Actuals,
    strategy: str,
    store: Path,
    *,
    refit: bool = False,
    progress: Progress | None = None,
) -> Learnt:
    """Fit the outcomes anew with what their treated customers did since the launch.

    The data join the pilot's treated arm. The control arm stays the pilot's, so that whatever changed since
    is ascribed to the treatment. A month in which transfer or fading lets only a part of the effect arrive
    shows another level than the pilot's treated arm has, and stays out.

    Parameters
    ----------
    world : World
        The forecast.
    actuals : Actuals
    strategy : str
        The launched arm.
    store : Path
        Folder of stored fits.
    refit : bool
    progress : callable or None
    """
    prepared = world.prepared
    summaries, used, left_out = dict(prepared.summaries), dict[str, Any](), dict[str, Any]()
    for name, seen in actuals.data.items():
        kept = world.reach(name).kept
        whole = np.all(np.abs(kept - 1) < _WHOLE, axis=0)
        months = tuple(month for month in seen.months if whole[month - 1])
        if set(seen.months) - set(months):
            left_out[name] = tuple(month for month in seen.months if month not in months)
        if not months:
            continue
        summary, model = summaries[name], prepared.plan.outcomes[name].model
        arm = treated_arm(summary, strategy)
        more = seen.condense(dict.fromkeys(months, arm), len(summary.arms))
        statistics = model.joined(summary.statistics, more)
        summaries[name] = replace(summary, statistics=statistics, size=model.size(statistics))
        used[name] = months
    extended = replace(prepared, summaries=summaries)
    return Learnt(fit_all(extended, store, refit=refit, progress=progress), used, left_out)


def revised(world: World, learnt: Learnt, actuals: Actuals, strategy: str) -> tuple[World, Strategy]:
    """Return the world that has learnt, and the strategy in it with actual money in the months that have it.

    Segment mix, stock and everything else that the config states stay the forecast's, in the same samples.
    """
    draws = {name: fit.draws for name, fit in learnt.fits.items()}
    tracked = Tracked(world.prepared, draws, actuals.volumes)
    simulated = tracked.strategy(strategy)
    return tracked, with_money(simulated, actuals.money)


def with_money(strategy: Strategy, money: Mapping[str, ByMonth]) -> Strategy:
    """Return a strategy in which actual amounts stand in place of the simulated ones.

    A total outweighs the sum of its streams. Of a month with a net and one side known, the other side makes
    up the net; with neither, the cost is the simulated one.

    Parameters
    ----------
    strategy : Strategy
    money : mapping of str to {month: amount}
        By path of a stream, or ``benefit``, ``cost``, ``net``.
    """
    ledger = Ledger(_put(strategy.ledger.benefits, money), _put(strategy.ledger.costs, money))
    cash = {"benefit": np.array(strategy.benefit), "cost": np.array(strategy.cost)}
    for side, streams in (("benefit", ledger.benefits), ("cost", ledger.costs)):
        for month in {month for path in streams for month in money.get(path, ())}:
            cash[side][:, month] = sum(flows[:, month] for flows in streams.values())
        for month, amount in money.get(side, {}).items():
            cash[side][:, month] = amount
    for month, amount in money.get("net", {}).items():
        if is_known(strategy, money, "benefit", month):
            cash["cost"][:, month] = cash["benefit"][:, month] - amount
        else:
            cash["benefit"][:, month] = cash["cost"][:, month] + amount
    return replace(strategy, ledger=ledger, benefit=cash["benefit"], cost=cash["cost"])


def is_known(strategy: Strategy, money: Mapping[str, ByMonth], side: str, month: int) -> bool:
    """Whether a month's total benefit or cost was measured: itself, or every stream that can be there."""
    streams = strategy.ledger.benefits if side == "benefit" else strategy.ledger.costs
    due = [path for path, flows in streams.items() if flows[:, month].any() or month in money.get(path, {})]
    return month in money.get(side, {}) or all(month in money.get(path, {}) for path in due)


def _put(streams: Mapping[str, FloatArray], money: Mapping[str, ByMonth]) -> dict[str, FloatArray]:
    found = {}
    for path, cash in streams.items():
        found[path] = cash.copy() if path in money else cash
        for month, amount in money.get(path, {}).items():
            found[path][:, month] = amount
    return found


def money_blocks(
    before: tuple[World, Strategy], after: tuple[World, Strategy], last: int
) -> tuple[Block, Block, Block]:
    """Return the money of the original and of the revised forecast, and what changed.

    Each has ``metrics``, ``probability`` and ``risk`` as a summary has them, and ``sunk`` and ``to_come``:
    the part of the NPV up to the month `last` and after it, both discounted to month 0, with the
    probability that it is a loss. What is to come decides whether to go on; what is sunk does not.
    """
    blocks, values = [], []
    for world, strategy in (before, after):
        samples, metrics, probability, risk = figures(world, strategy, METRICS)
        present = (strategy.benefit - strategy.cost) * strategy.factors
        parts = {"sunk": present[:, : last + 1].sum(axis=1), "to_come": present[:, last + 1 :].sum(axis=1)}
        block = {name: metrics[name] for name in METRICS}
        blocks.append(
            {
                "metrics": block,
                "probability": probability,
                "risk": risk,
                **{name: _part(values) for name, values in parts.items()},
            }
        )
        values.append(np.broadcast_to(samples["npv"], (world.n,)))
    apart = values[1] - values[0]
    change = {"npv": float(apart.mean()), "npv_mcse": float(standard_error(apart))}
    return blocks[0], blocks[1], change


def _part(values: FloatArray) -> Block:
    loss = (values < 0).astype(np.float64)
    return {**distribution(values), "loss": float(loss.mean()), "loss_mcse": float(standard_error(loss))}


def level_blocks(before: Strategy, after: Strategy, names: Sequence[str]) -> Block:
    """Return the levels of outcomes in the original and in the revised forecast."""
    return {
        name: {
            word: levels_block(*pooled(strategy.outcomes[name]))
            for word, strategy in (("original", before), ("revised", after))
        }
        for name in names
    }
