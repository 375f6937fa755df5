"""The keys of ``summary.json``, filled from simulated strategies."""

from __future__ import annotations

import datetime as dt
from collections.abc import Collection, Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from sim.config.plan import FlowPlan, Plan
from sim.engine import evidence
from sim.engine.findings import findings, of_returns
from sim.engine.headline import headline
from sim.engine.lifetime import lifetime_values, share_beyond_tenure
from sim.engine.novelty import course, low_high
from sim.engine.power import detectable, sign_error
from sim.engine.world import OutcomeState, Strategy, World
from sim.errors import Problem, ProblemsError
from sim.finance.metrics import METRICS, Measured, measure_samples, without_values
from sim.records.arrays import FloatArray
from sim.records.check import Check

PROB = 0.9
_LARGEST = 1e150

type Block = dict[str, Any]


def effect_block(values: FloatArray) -> Block:
    """Return mean, median and the 90 % equal-tailed interval of (sample,) values; null where undefined."""
    if not np.isfinite(values).all():
        return dict.fromkeys(("mean", "median", "low", "high"))
    low, median, high = np.quantile(values, [(1 - PROB) / 2, 0.5, (1 + PROB) / 2])
    return {"mean": float(values.mean()), "median": float(median), "low": float(low), "high": float(high)}


def levels_block(control: FloatArray, treated: FloatArray) -> Block:
    """Return the blocks of control, treated, their difference and the relative change."""
    with np.errstate(divide="ignore", invalid="ignore"):
        relative = (treated - control) / control
    return {
        "control": effect_block(control),
        "treated": effect_block(treated),
        "difference": effect_block(treated - control),
        "relative": effect_block(relative),
    }


def pooled(state: OutcomeState) -> tuple[FloatArray, FloatArray]:
    """Return control and treated level over all segments by their weights, (sample,) each."""
    return (
        (state.control.level * state.weights).sum(axis=1),
        (state.treated.level * state.weights).sum(axis=1),
    )


def _money(cash: FloatArray, factors: FloatArray) -> Block:
    total = cash.sum(axis=1)
    block = effect_block(total)
    return {
        "mean": block["mean"],
        "low": block["low"],
        "high": block["high"],
        "pv": float((cash * factors).sum(axis=1).mean()),
    }


def _outcome(world: World, state: OutcomeState, factors: FloatArray, arm: str) -> Block:
    control, treated = pooled(state)
    gain = treated - control if state.plan.better == "higher" else control - treated
    run = course(world, state.plan.name, arm)
    clv = lifetime_values(world, state, factors)
    return {
        "model": state.plan.model.name,
        "unit": state.plan.unit,
        "better": state.plan.better,
        "level": state.plan.model.level,
        "design": design_of(world, state.plan.name),
        "pooled": levels_block(control, treated),
        "segments": {
            segment: levels_block(state.control.level[:, i], state.treated.level[:, i])
            for i, segment in enumerate(state.segments)
        },
        "p_better": float((gain > 0).mean()),
        "sign_error": sign_error(gain),
        "minimum_detectable_effect": detectable(world, state, arm),
        "periods": None if run is None else low_high(run),
        "money": None if state.cash is None else _money(state.cash, factors),
        "clv": None if clv is None else levels_block(*clv),
        "share_beyond_tenure": share_beyond_tenure(world, state, factors),
        "kpi": state.plan.kpi,
    }


def design_of(world: World, name: str) -> str | None:
    """Return the design of an outcome's pilot; None where nothing is fitted."""
    summary = world.prepared.summaries.get(name)
    return None if summary is None else summary.design.kind


def _flows(items: Mapping[str, FlowPlan], ledger: Mapping[str, FloatArray], factors: FloatArray) -> Block:
    return {
        name: {**_money(ledger[item.path], factors), "category": item.category}
        for name, item in items.items()
        if item.path in ledger
    }


def figures(
    world: World, strategy: Strategy, only: Collection[str] = METRICS
) -> tuple[dict[str, FloatArray], Block, Block, Block]:
    """Return a strategy's metrics by sample, and the blocks ``metrics``, ``probability``, ``risk``.

    Parameters
    ----------
    world : World
    strategy : Strategy
    only : collection of str
        Metrics to compute, as for `measure`.

    Raises
    ------
    ProblemsError
        When amounts are too large to be added up.
    """
    found = measured(world, strategy, only, world.discount_rate)
    return found.samples, *found.blocks(world.plan.horizon, world.plan.hurdle)


def measured(world: World, strategy: Strategy, only: Collection[str], discount_rate: float) -> Measured:
    """Return a strategy's metrics by sample, as `figures`; the discount rate is for the MIRR.

    Parameters
    ----------
    world : World
    strategy : Strategy
    only : collection of str
    discount_rate : float
        Per year.
    """
    plan = world.plan
    if not (_addable(strategy.benefit) and _addable(strategy.cost)):
        remedy = "look for a slip in volumes, values and costs"
        raise ProblemsError(Problem("the amounts are too large to be added up", "below 1e150", remedy))
    states = strategy.outcomes.values()
    revenues = [state.revenue for state in states] if "revenue" in only else []
    earned = [revenue for revenue in revenues if revenue is not None]
    customers = {"cpa", "ltv_cac"} & set(only)
    acquired = [
        state.projection.units.sum(axis=(1, 2))
        for state in states
        if customers and state.plan.acquires and state.projection is not None
    ]
    return measure_samples(
        strategy.benefit,
        strategy.cost,
        strategy.factors,
        discount_rate=discount_rate,
        payback_within=plan.payback_within,
        timing=plan.timing,
        revenue=sum(earned[1:], start=earned[0]) if earned else None,
        acquired=sum(acquired[1:], start=acquired[0]) if acquired else None,
        lifetime_value=_lifetime_value(world, strategy) if "ltv_cac" in only else None,
        only=only,
    )


def _addable(cash: FloatArray) -> bool:
    """Whether amounts are so far from the largest number that sums and squares of them are numbers too."""
    return bool(max(cash.max(), -cash.min()) < _LARGEST)


def _strategy(world: World, strategy: Strategy) -> tuple[Block, dict[str, FloatArray]]:
    """Return the block of one strategy, and its metrics per sample."""
    plan = world.plan
    samples, metrics, probability, risk = figures(world, strategy)
    months = [evidence.observed_months(world, name) for name in world.prepared.summaries]
    known = [value for value in months if value is not None]
    block = {
        "metrics": metrics,
        "probability": probability,
        "risk": risk,
        "evidence": {
            "share_of_npv_beyond_pilot": evidence.beyond_pilot(world, strategy),
            "pilot_months": max(known) if known else None,
            **evidence.sources(world, strategy),
        },
        "outcomes": {
            name: _outcome(world, state, strategy.factors, strategy.name)
            for name, state in strategy.outcomes.items()
        },
        "costs": _flows(plan.costs, strategy.ledger.costs, strategy.factors),
        "benefits": _flows(plan.benefits, strategy.ledger.benefits, strategy.factors),
    }
    return block, samples


def _lifetime_value(world: World, strategy: Strategy) -> FloatArray | None:
    """Return what one treated joiner is worth within the horizon, (sample,); None without churn."""
    for state in strategy.outcomes.values():
        values = lifetime_values(world, state, strategy.factors)
        if values is not None:
            return values[1]
    return None


def summarise(
    world: World | None, plan: Plan, checks: Sequence[Check], *, trusted: bool
) -> tuple[Block, Mapping[str, tuple[Strategy, dict[str, FloatArray]]]]:
    """Return ``summary.json`` and, per strategy, what the tables are written from.

    Parameters
    ----------
    world : World or None
        None where figures are withheld.
    plan : Plan
    checks : sequence of Check
    trusted : bool
        Whether no check failed.
    """
    blocks: dict[str, Block] = {}
    simulated: dict[str, tuple[Strategy, dict[str, FloatArray]]] = {}
    for name in plan.strategies:
        if world is None:
            blocks[name] = _withheld(plan)
            continue
        strategy = world.strategy(name)
        blocks[name], samples = _strategy(world, strategy)
        simulated[name] = (strategy, samples)
        suffix = f":{name}" if len(plan.strategies) > 1 else ""
        found = (*findings(world, strategy), *of_returns(blocks[name]["metrics"]))
        checks = [*checks, *(replace(check, name=check.name + suffix) for check in found)]
    best = max(blocks, key=lambda name: blocks[name]["metrics"]["npv"]["mean"]) if world else None
    top = blocks[best if best is not None else plan.strategies[0]]
    summary = {
        "programme": {
            "name": plan.name,
            "currency": plan.currency,
            "horizon": plan.horizon,
            "discount_rate": None if world is None else world.discount_rate,
            "start": None if plan.start is None else month_start(plan.start, 1).isoformat(),
        },
        "samples": plan.samples,
        "seed": plan.seed,
        "trusted": trusted,
        "interval": {"kind": "eti", "prob": PROB},
        "headline": headline(plan, best, top, checks),
        "best": best,
        "strategies": blocks,
        **top,
        "checks": [check.spoken() for check in checks],
    }
    return summary, simulated


def month_start(start: dt.date, month: int) -> dt.date:
    """Return the first day of a month of the programme; month 0 is paid on month 1's first day."""
    years, index = divmod(start.month - 1 + max(month, 1) - 1, 12)
    return dt.date(start.year + years, index + 1, 1)


def _withheld(plan: Plan) -> Block:
    """Return a strategy's block with every figure withheld."""
    metrics, probability, risk = without_values(plan.horizon)
    nothing: FloatArray = np.full(1, np.nan)
    outcomes = {
        name: {
            "model": outcome.model.name,
            "unit": outcome.unit,
            "better": outcome.better,
            "level": outcome.model.level,
            "design": None if outcome.data is None else outcome.data.design,
            "pooled": levels_block(nothing, nothing),
            "segments": {},
            "p_better": None,
            "sign_error": None,
            "minimum_detectable_effect": None,
            "periods": None,
            "money": None,
            "clv": None,
            "share_beyond_tenure": None,
            "kpi": outcome.kpi,
        }
        for name, outcome in plan.outcomes.items()
    }
    keys = ("share_of_npv_beyond_pilot", "pilot_months", "from_pilot", "from_priors", "from_elicited")
    return {
        "metrics": metrics,
        "probability": probability,
        "risk": risk,
        "evidence": dict.fromkeys(keys),
        "outcomes": outcomes,
        "costs": {},
        "benefits": {},
    }
