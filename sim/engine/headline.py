"""The result in one sentence, with no more digits than the Monte Carlo error allows."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from sim.config.plan import Plan
from sim.records.check import Check


def money(value: float, currency: str) -> str:
    """Return an amount in three significant digits or more, with thousands separators.

    >>> money(1234567.0, "EUR")
    '1,230,000 EUR'
    """
    size = max(len(str(int(abs(value)))) - 3, 0)
    return f"{round(value, -size):,.0f} {currency}"


def percent(share: float) -> str:
    """Return a probability without claiming certainty.

    >>> percent(0.9996), percent(1.0), percent(0.42)
    ('over 99 %', '100 %', '42 %')
    """
    if 0.995 <= share < 1:
        return "over 99 %"
    return "under 1 %" if 0 < share < 0.005 else f"{100 * share:.0f} %"


def headline(
    plan: Plan, best: str | None, block: Mapping[str, Any], checks: Sequence[Check], *, show: bool
) -> str:
    """Return one sentence: whether the investment pays, how surely, how much and when."""
    if not show or best is None:
        failed = ", ".join(check.name for check in checks if check.status == "fail")
        return f"No forecast: the result cannot be trusted ({failed})."
    if all(outcome.kpi for outcome in plan.outcomes.values()) and not plan.benefits and not plan.costs:
        return _kpis(block)
    npv = block["metrics"]["npv"]
    above = block["probability"]["npv_above_hurdle"]
    against = "more than it costs" if plan.hurdle == 0 else f"more than {money(plan.hurdle, plan.currency)}"
    who = "Investing" if len(plan.strategies) == 1 else f'"{best}" is the best choice: investing'
    verdict = f"{who} returns {against} with a probability of {percent(above)}"
    if npv["mean"] <= plan.hurdle:
        verdict = f"Not investing is better on average: {verdict[0].lower()}{verdict[1:]}"
    if npv["low"] == npv["high"]:
        size = f"NPV is {money(npv['mean'], plan.currency)}"
    else:
        ends = f"{money(npv['low'], plan.currency)} to {money(npv['high'], plan.currency)}"
        size = f"NPV is {money(npv['mean'], plan.currency)} on average (90 % interval {ends})"
    return f"{verdict}; {size}; {_payback(plan, block)}."


def _payback(plan: Plan, block: Mapping[str, Any]) -> str:
    payback = block["metrics"]["payback_months"]
    median, never = payback["median"], payback["never"]
    if median is None:
        chance = percent(1 - never)
        return f"it pays back within {plan.horizon} months with a probability of {chance}"
    when = "at once" if median == 0 else f"after {median:.1f} months"
    doubt = f", never within {plan.horizon} months with {percent(never)}" if never else ""
    return f"half of the outcomes have paid back {when}{doubt}"


def _kpis(block: Mapping[str, Any]) -> str:
    parts = []
    for name, outcome in block["outcomes"].items():
        relative = outcome["pooled"]["relative"]["mean"]
        change = "" if relative is None else f" changes by {100 * relative:+.1f} % and"
        parts.append(f"{name}{change} is better with a probability of {percent(outcome['p_better'])}")
    return "No money is at stake in this config; " + "; ".join(parts) + "."
