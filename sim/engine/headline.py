"""The result in one sentence."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from sim.config.plan import Plan
from sim.records.check import Check
from sim.report.words import chance, metric, money, percent

type Block = Mapping[str, Any]


def headline(plan: Plan, best: str | None, block: Block, checks: Sequence[Check]) -> str:
    """Return one sentence: whether the investment pays, how surely, how much and when.

    Parameters
    ----------
    plan : Plan
    best : str or None
        The strategy told; None where figures are withheld.
    block : mapping
        Its block of the summary.
    checks : sequence of Check
    """
    if best is None:
        failed = ", ".join(check.name for check in checks if check.status == "fail")
        return f"No forecast: the result cannot be trusted ({failed})."
    if all(outcome.kpi for outcome in plan.outcomes.values()) and not plan.benefits and not plan.costs:
        return _kpis(block, plan.samples)
    npv = block["metrics"]["npv"]
    certain = npv["low"] == npv["high"]
    chances = 1 if certain else plan.samples
    against = "more than it costs"
    if plan.hurdle:
        against = f"an NPV above {money(plan.hurdle, 0.0)} {plan.currency}"
    odds = chance(block["probability"]["npv_above_hurdle"], chances)
    who = "investing" if len(plan.strategies) == 1 else f'"{best}" is the best choice: investing in it'
    verdict = f"{who} returns {against} with a probability of {odds}"
    if npv["mean"] <= plan.hurdle:
        verdict = f"not investing is better on average: {verdict}"
    size = f"NPV is {metric('npv', npv, 'mean', plan.samples)} {plan.currency}"
    if not certain:
        ends = " to ".join(metric("npv", npv, end, plan.samples) for end in ("low", "high"))
        size += f" on average (90 % interval {ends})"
    if any(check.status == "fail" for check in checks):
        verdict = f"not to be trusted: {verdict}"
    told = f"{verdict[0].upper()}{verdict[1:]}; {size}; {_payback(plan, block, chances)}"
    if any(
        o.data is not None and o.data.design == "before-after" and not o.kpi for o in plan.outcomes.values()
    ):
        told += "; the pilot had no control group, so part of the change may have come anyway"
    return f"{told}."


def _payback(plan: Plan, block: Block, chances: int) -> str:
    payback = block["metrics"]["payback_months"]
    never = payback["never"]
    if payback["median"] is None:
        paid = chance(1 - never, chances)
        return f"it has paid back within {plan.horizon} months with a probability of {paid}"
    when = f"payback takes {metric('payback_months', payback, 'median', plan.samples)} months"
    if chances > 1:
        when += " (median)"
    return (
        when if not never else f"{when} and fails within {plan.horizon} months with {chance(never, chances)}"
    )


def _kpis(block: Block, samples: int) -> str:
    parts = []
    for name, outcome in block["outcomes"].items():
        relative, points = (outcome["pooled"][kind]["mean"] for kind in ("relative", "difference"))
        change = "" if relative is None else f" changes by {percent(relative, None)} and"
        if outcome["level"] == "real":  # a score may be 0, so that a share of it says nothing
            change = f" changes by {points:+.2g} points and"
        parts.append(f"{name}{change} is better with a probability of {chance(outcome['p_better'], samples)}")
    return "No money is at stake in this config; " + "; ".join(parts) + "."
