"""What a reader of the result must know of the config: defaults that move NPV, and what is left out."""

from __future__ import annotations

from collections.abc import Mapping

from sim.config.plan import OutcomePlan
from sim.config.schema import Config
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
    defaults = {
        "horizon": f"horizon not given: {programme.horizon} months",
        "discount_rate": "discount_rate not given: 10 % a year",
        "timing": "timing not given: cash moves at the end of each month",
    }
    at_stake = bool(config.costs or config.benefits) or any(not plan.kpi for plan in outcomes.values())
    for key, message in defaults.items():
        if key not in given and at_stake:
            found.append(Check(f"default:programme.{key}", "note", message, f"set programme.{key}"))
    money = [plan for plan in outcomes.values() if not plan.kpi]
    if any(plan.rollout.ramp_path is None and plan.rollout.delay_path is None for plan in money):
        message = "no ramp and no delay: the full effect is taken from month 1"
        found.append(Check("default:rollout", "note", message, "set rollout.ramp or rollout.delay"))
    if any(plan.rollout.transfer_path is None for plan in money):
        message = "no transfer: the rollout is taken to work exactly as well as the pilot"
        remedy = "set rollout.transfer = { low = 0.7, high = 1.0 }"
        found.append(Check("default:rollout.transfer", "note", message, remedy))
    if any(plan.rollout.half_life_path is None for plan in money):
        message = "no fade: the effect is taken to last as long as the horizon"
        found.append(Check("default:rollout.fade", "note", message, "set rollout.fade"))
    for name, plan in outcomes.items():
        if plan.saves == "labour" and not plan.kpi and plan.realisation_path is None:
            message = f"{name}: all of the saved labour is taken to become cash"
            remedy = f"set outcomes.{name}.realisation = {{ low = 0.4, high = 0.8 }}"
            found.append(Check(f"realisation:{name}", "warn", message, remedy))
        if (prior := plan.priors.effect) is not None and prior.source:
            message = (
                f"{name}: prior effect {prior.low:+.0%} to {prior.high:+.0%}, its centre discounted by "
                f"{prior.discount:.0%}; source: {prior.source}"
            )
            found.append(Check(f"prior:{name}", "note", message))
        if plan.looks > 1:
            message = f"{name}: the data were looked at {plan.looks} times: effects run too large"
            found.append(Check(f"looks:{name}", "warn", message, "confirm on data from after the stop"))
    for name, volume in config.volumes.items():
        mean = sum(volume.seasonality) / 12 if volume.seasonality else 1.0
        if abs(mean - 1) > 1e-9:
            message = (
                f"{name}: the seasonal factors average {mean:.3f}, so the year's total changes by that factor"
            )
            found.append(Check(f"seasonality:{name}", "note", message, "divide the factors by their mean"))
    if config.costs and all(flow.once == Certain(0.0) for flow in config.costs.values()):
        message = "all costs are zero: ROI and IRR are undefined and payback is immediate"
        found.append(Check("no-costs", "warn", message, "list what the investment costs"))
    found.append(Check("scope", "note", "money is before tax; the pilot's own cost is sunk and stays out"))
    return tuple(found)
