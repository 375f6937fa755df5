"""The result in one sentence."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from sim.config.plan import Plan
from sim.language import _, localised
from sim.records.check import Check
from sim.report.words import BETWEEN, amount, chance, interval, metric, money, opening, percent

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
        return _("No forecast: the result cannot be trusted ({checks}).").format(checks=failed)
    if all(outcome.kpi for outcome in plan.outcomes.values()) and not plan.benefits and not plan.costs:
        return _kpis(block, plan.samples)
    npv = block["metrics"]["npv"]
    certain = npv["low"] == npv["high"]
    chances = 1 if certain else plan.samples
    odds = chance(block["probability"]["npv_above_hurdle"], chances)
    verdict = _("investing returns more than it costs with a probability of {odds}").format(odds=odds)
    if plan.hurdle:
        verdict = _("investing returns an NPV above {hurdle} with a probability of {odds}").format(
            hurdle=amount(money(plan.hurdle, 0.0), plan.currency), odds=odds
        )
    if len(plan.strategies) > 1:
        verdict = _("“{best}” is the best choice: {verdict}").format(best=best, verdict=verdict)
    if npv["mean"] <= plan.hurdle:
        verdict = _("not investing is better on average: {verdict}").format(verdict=verdict)
    if any(check.status == "fail" for check in checks):
        verdict = _("not to be trusted: {verdict}").format(verdict=verdict)
    mean = amount(metric("npv", npv, "mean", plan.samples), plan.currency)
    size = _("NPV is {mean}").format(mean=mean)
    if not certain:
        ends = interval("npv", npv, plan.samples)
        size = _("NPV is {mean} on average (90 % interval {ends})").format(mean=mean, ends=ends)
    told = [opening(verdict), size, _payback(plan, block, chances)]
    if any(
        o.data is not None and o.data.design == "before-after" and not o.kpi for o in plan.outcomes.values()
    ):
        told.append(_("the pilot had no control group, so part of the change may have come anyway"))
    return _("{sentence}.").format(sentence=_(BETWEEN).join(told))


def _payback(plan: Plan, block: Block, chances: int) -> str:
    payback = block["metrics"]["payback_months"]
    never, horizon = payback["never"], plan.horizon
    if payback["median"] is None:
        paid = chance(1 - never, chances)
        told = _("it has paid back within {months} months with a probability of {odds}")
        return told.format(months=horizon, odds=paid)
    median = metric("payback_months", payback, "median", plan.samples)
    when = _("payback takes {months} months").format(months=median)
    if chances > 1:
        when = _("payback takes {months} months (median)").format(months=median)
    if not never:
        return when
    told = _("{when} and fails within {months} months with {odds}")
    return told.format(when=when, months=horizon, odds=chance(never, chances))


def _kpis(block: Block, samples: int) -> str:
    parts = []
    for name, outcome in block["outcomes"].items():
        relative, points = (outcome["pooled"][kind]["mean"] for kind in ("relative", "difference"))
        odds = chance(outcome["p_better"], samples)
        told = _("{name} is better with a probability of {odds}").format(name=name, odds=odds)
        if outcome["level"] == "real":  # a score may be 0, so that a share of it says nothing
            told = _("{name} changes by {points} points and is better with a probability of {odds}").format(
                name=name, points=localised(f"{points:+.2g}"), odds=odds
            )
        elif relative is not None:
            told = _("{name} changes by {change} and is better with a probability of {odds}").format(
                name=name, change=percent(relative, None), odds=odds
            )
        parts.append(told)
    return _("{sentence}.").format(
        sentence=_(BETWEEN).join([_("No money is at stake in this config"), *parts])
    )
