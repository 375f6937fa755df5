"""Keys of a config in plain words."""

from __future__ import annotations

import re

from sim.report.names import clean
from sim.report.words import _

_PART = re.compile(r'"((?:[^"\\]|\\.)*)"|([^.]+)')


_WHOLE = {
    "programme.horizon": _("Months looked at"),
    "programme.discount_rate": _("Discount rate, a year"),
    "programme.inflation": _("Inflation, a year"),
    "programme.timing": _("When in a month cash moves"),
    "programme.start": _("First month"),
    "programme.basis": _("Prices that amounts are in"),
    "programme.discount_basis": _("Prices that the discount rate is in"),
    "decision.payback_within": _("Payback wanted within, months"),
    "decision.hurdle": _("NPV to beat"),
    "decision.pilot.cost_per_month": _("A month of a longer pilot"),
}
_ROLLOUT = {
    "delay": _("Months until the rollout begins"),
    "ramp": _("Months that the rollout takes"),
    "ramp.months": _("Months that the rollout takes"),
    "ramp.shape": _("Shape of the rollout"),
    "fade.half_life": _("Months in which half of the effect fades"),
    "transfer": _("Share of the pilot's effect that the rollout keeps"),
    "ends": _("Last month with an effect"),
}
_VOLUMES = {
    "monthly": _("{name}: units a month"),
    "daily": _("{name}: units a day"),
    "days": _("{name}: days a month"),
    "stock": _("{name}: at the start"),
    "growth": _("{name}: growth a year"),
    "share": _("{name}: share of what it is part of"),
    "seasonality": _("{name}: seasonal factors"),
}
_OUTCOMES = {
    "value": _("{name}: worth of one unit"),
    "value.amount": _("{name}: worth of one unit"),
    "value.price": _("{name}: price"),
    "value.margin": _("{name}: margin"),
    "realisation": _("{name}: share that becomes cash"),
    "volume": _("{name}: units a month"),
    "volume.monthly": _("{name}: units a month"),
    "volume.daily": _("{name}: units a day"),
    "control": _("{name}: level without the treatment"),
    "treated": _("{name}: level with the treatment"),
    "effect": _("{name}: relative effect"),
    "difference": _("{name}: effect"),
}
_FLOWS = {
    "once": _("{name}: once"),
    "monthly": _("{name}: a month"),
    "daily": _("{name}: a day"),
    "amount": _("{name}: each"),
    "growth": _("{name}: growth a year"),
    "at": _("{name}: month of payment"),
    "from": _("{name}: first month"),
    "until": _("{name}: last month"),
}
_MONTH = _("{name}: month {month}")
_OF = _("{what} – {which}")
_OUTCOME = _("{name}: {what}")


def parts(path: str) -> list[str]:
    """Return the parts of a dotted path.

    Examples
    --------
    >>> parts('costs."lønn".monthly')
    ['costs', 'lønn', 'monthly']
    """
    return [re.sub(r"\\(.)", r"\1", quoted) if quoted else plain for quoted, plain in _PART.findall(path)]


def label(path: str) -> str:
    """Return a key in plain words; where there are none, the key itself.

    Examples
    --------
    >>> label("costs.licence.monthly"), label("outcomes.checkout.value.price.by.DE")
    ('licence: a month', 'checkout: price – DE')
    """
    steps = parts(path)
    for mark in ("by", "arm"):
        if mark in steps[2:-1]:
            at = steps.index(mark, 2)
            which = clean(".".join(steps[at + 1 :]), 30)
            return _OF.format(what=_label(steps[:at], path), which=which)
    return _label(steps, path)


def _label(steps: list[str], path: str) -> str:
    whole = ".".join(steps)
    if whole in _WHOLE:
        return _WHOLE[whole]
    if steps[0] == "rollout":
        return _ROLLOUT.get(".".join(steps[1:]), clean(path, 60))
    if len(steps) < 2:
        return clean(path, 60)
    name, rest = clean(steps[1], 30), ".".join(steps[2:])
    if steps[0] == "volumes":
        return _told(_VOLUMES.get(rest or "monthly"), name, rest)
    if steps[0] == "outcomes":
        if rest.startswith("rollout."):
            what = _ROLLOUT.get(rest.removeprefix("rollout."), clean(rest, 30))
            return _OUTCOME.format(name=name, what=what[0].lower() + what[1:])
        return _told(_OUTCOMES.get(rest), name, rest)
    if steps[0] in ("costs", "benefits"):
        if steps[2:3] == ["months"] and len(steps) > 3:
            return _MONTH.format(name=name, month=clean(steps[3], 6))
        return _told(_FLOWS.get(rest or "once"), name, rest)
    return clean(path, 60)


def _told(words: str | None, name: str, rest: str) -> str:
    return _OUTCOME.format(name=name, what=clean(rest, 40)) if words is None else words.format(name=name)
