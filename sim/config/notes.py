"""What a reader of the result must know of the config: defaults that move NPV, and what is left out."""

from __future__ import annotations

from collections.abc import Mapping

from sim.config.plan import OutcomePlan
from sim.config.schema import Config
from sim.language import N_, phrase
from sim.records.check import Check
from sim.records.quantity import Certain


def notes(config: Config, outcomes: Mapping[str, OutcomePlan]) -> tuple[Check, ...]:
    """Return a note for every default that moves NPV, and on what the money leaves out.

    Parameters
    ----------
    config : Config
    outcomes : mapping of str to OutcomePlan
    """
    programme = config.programme
    found: list[Check] = []
    given = programme.model_fields_set
    at_stake = bool(config.costs or config.benefits) or any(not plan.kpi for plan in outcomes.values())
    for key, message in (
        ("horizon", phrase("horizon not given: {months} months", months=programme.horizon)),
        ("discount_rate", N_("discount_rate not given: 10 % a year")),
        ("timing", N_("timing not given: cash moves at the end of each month")),
    ):
        if key not in given and at_stake:
            remedy = phrase("set {key}", key=f"programme.{key}")
            found.append(Check(f"default:programme.{key}", "note", message, remedy))
    money = [plan for plan in outcomes.values() if not plan.kpi]
    if any(plan.rollout.ramp_path is None and plan.rollout.delay_path is None for plan in money):
        message = N_("no ramp and no delay: the full effect is taken from month 1")
        found.append(Check("default:rollout", "note", message, N_("set rollout.ramp or rollout.delay")))
    if any(plan.rollout.transfer_path is None for plan in money):
        message = N_("no transfer: the rollout is taken to work exactly as well as the pilot")
        remedy = phrase("set {key}", key="rollout.transfer = { low = 0.7, high = 1.0 }")
        found.append(Check("default:rollout.transfer", "note", message, remedy))
    if any(plan.rollout.half_life_path is None for plan in money):
        message = N_("no fade: the effect is taken to last as long as the horizon")
        found.append(Check("default:rollout.fade", "note", message, phrase("set {key}", key="rollout.fade")))
    for name, plan in outcomes.items():
        if plan.saves == "labour" and not plan.kpi and plan.realisation_path is None:
            message = phrase("{outcome}: all of the saved labour is taken to become cash", outcome=name)
            remedy = phrase("set {key}", key=f"outcomes.{name}.realisation = {{ low = 0.4, high = 0.8 }}")
            found.append(Check(f"realisation:{name}", "warn", message, remedy))
        if (prior := plan.priors.effect) is not None and prior.source:
            message = phrase(
                "{outcome}: prior effect {low:+.0%} to {high:+.0%}, its centre discounted by "
                "{discount:.0%}; source: {source}",
                outcome=name,
                low=prior.low,
                high=prior.high,
                discount=prior.discount,
                source=prior.source,
            )
            found.append(Check(f"prior:{name}", "note", message))
        if plan.looks > 1:
            message = phrase(
                "{outcome}: the data were looked at {looks} times: effects run too large",
                outcome=name,
                looks=plan.looks,
            )
            found.append(Check(f"looks:{name}", "warn", message, N_("confirm on data from after the stop")))
    for name, volume in config.volumes.items():
        mean = sum(volume.seasonality) / 12 if volume.seasonality else 1.0
        if abs(mean - 1) > 1e-9:
            message = phrase(
                "{volume}: the seasonal factors average {mean:.3f}, so the year's total changes by that "
                "factor",
                volume=name,
                mean=mean,
            )
            divide = N_("divide the factors by their mean")
            found.append(Check(f"seasonality:{name}", "note", message, divide))
    if config.costs and all(flow.once == Certain(0.0) for flow in config.costs.values()):
        message = N_("all costs are zero: ROI and IRR are undefined and payback is immediate")
        found.append(Check("no-costs", "warn", message, N_("list what the investment costs")))
    message = N_("money is before tax; the pilot's own cost is sunk and stays out")
    found.append(Check("scope", "note", message))
    return tuple(found)
