"""Keys of a config in plain words."""

from __future__ import annotations

import re

from sim.language import N_, _
from sim.report.names import clean
from sim.report.words import opening

_PART = re.compile(r'"((?:[^"\\]|\\.)*)"|([^.]+)')


_WHOLE = {
    "programme.name": N_("Name"),
    "programme.currency": N_("Currency"),
    "programme.language": N_("Language"),
    "programme.horizon": N_("Months looked at"),
    "programme.discount_rate": N_("Discount rate, a year"),
    "programme.inflation": N_("Inflation, a year"),
    "programme.timing": N_("When in a month cash moves"),
    "programme.start": N_("First month"),
    "programme.basis": N_("Prices that amounts are in"),
    "programme.discount_basis": N_("Prices that the discount rate is in"),
    "decision.payback_within": N_("Payback wanted within, months"),
    "decision.hurdle": N_("NPV to beat"),
    "decision.pilot.cost_per_month": N_("A month of a longer pilot"),
    "decision.returns": N_("How benefits grow with the size"),
    "decision.pilot.months": N_("Lengths of a longer pilot, months"),
    "decision.pilot.delays_rollout": N_("A longer pilot delays the rollout"),
    "decision.pilot.ran": N_("Months that the pilot took"),
}
_PILOT = {
    "data.file": N_("table of the pilot"),
    "data.table": N_("table in the database"),
    "data.sheet": N_("sheet of the workbook"),
    "arm.column": N_("column of the arms"),
    "arm.control": N_("control arm"),
    "arm.treated": N_("treated arm"),
    "segment": N_("column of the segments"),
    "period": N_("column of the time"),
    "cluster": N_("column of the clusters"),
    "split": N_("intended share of the treated"),
    "design": N_("design of the pilot"),
    "launch": N_("launch of the pilot"),
    "as_of": N_("observed until"),
    "model": N_("model"),
    "unit": N_("unit"),
    "better": N_("better direction"),
    "acquires": N_("brings new customers"),
    "remaining": N_("table holds only what is left over"),
    "saves": N_("what is saved"),
    "after": N_("comes after"),
    "value.per": N_("worth is for each"),
}
_ROLLOUT = {
    "delay": N_("Months until the rollout begins"),
    "ramp": N_("Months that the rollout takes"),
    "ramp.months": N_("Months that the rollout takes"),
    "ramp.shape": N_("Shape of the rollout"),
    "fade.half_life": N_("Months in which half of the effect fades"),
    "transfer": N_("Share of the pilot's effect that the rollout keeps"),
    "ends": N_("Last month with an effect"),
}
_VOLUMES = {
    "monthly": N_("{name}: units a month"),
    "daily": N_("{name}: units a day"),
    "days": N_("{name}: days a month"),
    "stock": N_("{name}: at the start"),
    "growth": N_("{name}: growth a year"),
    "share": N_("{name}: share of what it is part of"),
    "seasonality": N_("{name}: seasonal factors"),
}
_OUTCOMES = {
    "value": N_("{name}: worth of one unit"),
    "value.amount": N_("{name}: worth of one unit"),
    "value.price": N_("{name}: price"),
    "value.margin": N_("{name}: margin"),
    "realisation": N_("{name}: share that becomes cash"),
    "volume": N_("{name}: units a month"),
    "volume.monthly": N_("{name}: units a month"),
    "volume.daily": N_("{name}: units a day"),
    "control": N_("{name}: level without the treatment"),
    "treated": N_("{name}: level with the treatment"),
    "effect": N_("{name}: relative effect"),
    "difference": N_("{name}: effect"),
}
_FLOWS = {
    "once": N_("{name}: once"),
    "monthly": N_("{name}: a month"),
    "daily": N_("{name}: a day"),
    "amount": N_("{name}: each"),
    "growth": N_("{name}: growth a year"),
    "at": N_("{name}: month of payment"),
    "from": N_("{name}: first month"),
    "until": N_("{name}: last month"),
    "category": N_("{name}: category"),
    "per": N_("{name}: for each"),
}
_MONTH = N_("{name}: month {month}")
_OF = N_("{what} – {which}")
_OUTCOME = N_("{name}: {what}")


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
            return _(_OF).format(what=_label(steps[:at], path), which=which)
    return _label(steps, path)


def _label(steps: list[str], path: str) -> str:
    whole = ".".join(steps)
    if whole in _WHOLE:
        return _(_WHOLE[whole])
    if steps[0] == "rollout":
        return _rollout(".".join(steps[1:]), clean(path, 60))
    if len(steps) < 2:
        return clean(path, 60)
    if steps[0] == "pilot":
        what = ".".join(steps[1:])
        return opening(_(_PILOT[what])) if what in _PILOT else clean(path, 60)
    name, rest = clean(steps[1], 30), ".".join(steps[2:])
    if steps[0] == "volumes":
        return _told(_VOLUMES.get(rest or "monthly"), name, rest)
    if steps[0] == "outcomes":
        if rest.startswith("rollout."):
            what = _rollout(rest.removeprefix("rollout."), clean(rest, 30))
            return _(_OUTCOME).format(name=name, what=what[0].lower() + what[1:])
        if rest in _PILOT:
            return _(_OUTCOME).format(name=name, what=_(_PILOT[rest]))
        return _told(_OUTCOMES.get(rest), name, rest)
    if steps[0] in ("costs", "benefits"):
        if steps[2:3] == ["months"] and len(steps) > 3:
            return _(_MONTH).format(name=name, month=clean(steps[3], 6))
        return _told(_FLOWS.get(rest or "once"), name, rest)
    return clean(path, 60)


def _told(words: str | None, name: str, rest: str) -> str:
    if words is None:
        return _(_OUTCOME).format(name=name, what=clean(rest, 40))
    return _(words).format(name=name)


def _rollout(key: str, other: str) -> str:
    return _(_ROLLOUT[key]) if key in _ROLLOUT else other
