"""Resolves one `[outcomes.NAME]` table: inherited keys, data, levels, value, rollout."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from pydantic import ValidationError
from pydantic_core import PydanticCustomError

from sim.config.benchmarks import effect_prior
from sim.config.locate import Path as Key
from sim.config.outcome_data import check_after, counts_successes, data_of, inherited
from sim.config.plan import OutcomePlan, Reference, RolloutPlan, VolumePlan
from sim.config.quantity import NON_NEGATIVE, SHARE, looks_like_quantity, parse
from sim.config.schema import Outcome, Volume
from sim.config.table_place import place_of
from sim.contract import OutcomeModel, Priors
from sim.errors import ProblemsError
from sim.records.quantity import Limits, Quantity, quoted
from sim.records.reading import Reading
from sim.registry import models

if TYPE_CHECKING:
    from sim.config.resolver import Resolver

_LEVELS = {"share": SHARE, "positive": NON_NEGATIVE, "real": Limits()}
_FRACTIONS = {"margin", "share", "rate", "probability"}
_SECONDS = {"second": 1.0, "minute": 60.0, "hour": 3600.0}


def _time_unit(text: str | None) -> str | None:
    singular = text.strip().lower().removesuffix("s") if text else ""
    return {"min": "minute", "h": "hour", "sec": "second", "": "second" if text == "s" else None}.get(
        singular, singular if singular in _SECONDS else None
    )


def resolve_outcome(found: Resolver, name: str, volumes: dict[str, VolumePlan]) -> OutcomePlan:
    """Return the plan of one outcome, noting every problem in `found`.

    An own volume (a number or a table) is added to `volumes` under the outcome's path.
    """
    outcome, key = found.config.outcomes[name], ("outcomes", name)
    path = f"outcomes.{quoted(name)}"
    known = models()
    if outcome.model not in known:
        remedy = found.close(outcome.model, list(known))
        found.problem((*key, "model"), f'"{outcome.model}" is not a model', ", ".join(known), remedy)
        found.problems.raise_if_any()
    model = known[outcome.model]
    settings = inherited(found, outcome)
    _belongs(found, key, outcome)
    levels = {
        side: _level(found, (*key, side), getattr(outcome, side), model) for side in ("control", "treated")
    }
    control_path = found.keep((*key, "control"), levels["control"], by=True)
    treated_path = found.keep((*key, "treated"), levels["treated"], by=True)
    effect_path = found.keep((*key, "effect"), outcome.effect, by=True)
    data = data_of(found, name, outcome, settings, control_path, treated_path, effect_path)
    value_paths, factor, price_path = _value(found, key, outcome)
    if outcome.unit is not None and model.units and outcome.unit not in model.units:
        found.problem((*key, "unit"), f'unit is "{outcome.unit}"', ", ".join(model.units))
    saves = outcome.saves or ("labour" if model.saves and _time_unit(outcome.unit) else None)
    if model.saves and value_paths and saves is None:
        remedy = 'saves = "labour" when it is staff time, else a word of your own, e.g. "media"'
        found.problem(
            (*key, "saves"), "an outcome with money does not say what it saves", "saves = …", remedy
        )
    volume = _volume(found, name, outcome, volumes)
    if value_paths and outcome.volume is None:
        remedy = "volume = 40_000 (units a month) or the name of a driver in [volumes]"
        found.problem((*key, "volume"), "volume is missing", "what the effect acts on each month", remedy)
    if outcome.acquires and model.counts != "successes":
        found.problem((*key, "acquires"), f"acquires on a {model.name} outcome", "conversion outcomes only")
    check_after(found, key, outcome, settings)
    return OutcomePlan(
        name=name,
        path=path,
        model=model,
        better=outcome.better or model.better,
        unit=_unit(model, outcome.unit),
        priors=_priors(found, (*key, "prior"), outcome, model),
        data=data,
        control_path=control_path,
        treated_path=treated_path,
        effect_path=effect_path,
        volume=volume,
        value_paths=value_paths,
        value_factor=factor,
        price_path=price_path,
        realisation_path=found.keep((*key, "realisation"), outcome.realisation, by=True),
        rollout=_rollout(found, key, outcome),
        after=outcome.after,
        saves=saves,
        acquires=outcome.acquires,
        split=settings.get("split"),
        looks=settings.get("looks") or 1,
        acknowledge=settings.get("acknowledge") or (),
        tenure_mix=_tenure_mix(found, name, outcome, settings),
    )


def _unit(model: OutcomeModel, given: str | None) -> str:
    """Return the word for one unit of the effect; the config's `unit` may be that of tenure or exposure."""
    if given is None or model.units:
        return model.unit
    return model.unit.replace("exposure", given) if "exposure" in model.unit else given


def _tenure_mix(found: Resolver, name: str, outcome: Outcome, settings: Mapping[str, Any]) -> Reading | None:
    """Return where the tenures of the stock are to be read, by the outcome's segments."""
    given = outcome.tenure_mix
    if given is None:
        return None
    place = place_of(found, ("outcomes", name, "tenure_mix", "data"), given.data, 'data = "stock.csv"')
    if place is None:
        return None
    return Reading(
        key=f"outcomes.{quoted(name)}.tenure_mix",
        columns=given.columns or {},
        segment=given.segment or None,
        missing=settings["missing"] or (),
        options={"unit": outcome.unit},
        **place,
    )


def _belongs(found: Resolver, key: Key, outcome: Outcome) -> None:
    """Note keys that belong to another model."""
    for model, names in {"rating": ("scale", "summary"), "churn": ("tenure_mix", "as_of")}.items():
        for name in names:
            if getattr(outcome, name) is not None and outcome.model != model:
                found.problem((*key, name), f"{name} on a {outcome.model} outcome", f"{model} outcomes only")


def _level(found: Resolver, key: Key, raw: Any, model: OutcomeModel) -> Quantity | None:
    """Return an elicited level; a table of statistics is not one."""
    if raw is None or (isinstance(raw, dict) and not looks_like_quantity(raw)):
        return None
    try:
        return parse(raw, _LEVELS[model.level])
    except PydanticCustomError as error:
        context = dict(error.context or {})
        found.problem((*key, *context["path"]), context["found"], context["allowed"], context["remedy"])
        return None


def _value(found: Resolver, key: Key, outcome: Outcome) -> tuple[tuple[str, ...], float, str | None]:
    """Return the paths of the factors of the value, a unit factor, and the path of the price."""
    raw, place = outcome.value, (*key, "value")
    if raw is None:
        return (), 1.0, None
    factor = 1.0
    if isinstance(raw, dict) and not looks_like_quantity(raw):
        parts = dict(raw)
        if "per" in parts:
            per, unit = _time_unit(str(parts.pop("per"))), _time_unit(outcome.unit)
            if per is None or unit is None:
                remedy = 'set unit = "second" (or minute, hour) on the outcome and per = "hour" in the value'
                found.problem(
                    place, "value per time on an outcome without a time unit", ", ".join(_SECONDS), remedy
                )
            else:
                factor = _SECONDS[unit] / _SECONDS[per]
        if not parts:
            found.problem(place, "value holds no number", "a number, or parts that multiply")
    else:
        parts = {"": raw}
    paths: dict[str, str] = {}
    for part, given in parts.items():
        where = (*place, part) if part else place
        limits = SHARE if part in _FRACTIONS else NON_NEGATIVE
        try:
            paths[part] = str(found.keep(where, parse(given, limits), by=True))
        except PydanticCustomError as error:
            context = dict(error.context or {})
            found.problem((*where, *context["path"]), context["found"], context["allowed"], context["remedy"])
    return tuple(paths.values()), factor, paths.get("price")


def _volume(found: Resolver, name: str, outcome: Outcome, volumes: dict[str, VolumePlan]) -> Reference | None:
    """Return what the outcome acts on; an own number becomes a driver under the outcome's path."""
    key: Key = ("outcomes", name, "volume")
    if outcome.volume is None:
        return None
    if isinstance(outcome.volume, Volume):
        own = f"outcomes.{name}.volume"
        volumes[own] = found.volume(key, own, outcome.volume)
        reference = Reference("volume", own)
    else:
        given = found.reference(key, outcome.volume)
        if given is None or given.kind == "stock":
            if given is not None:
                found.problem(key, f'"{outcome.volume}" is a stock', f'volume = "{given.name}"')
            return None
        reference = given
    if reference.kind == "successes":
        seen, here = {name}, reference
        while here.kind == "successes":
            if here.name in seen:
                found.problem(key, f'"{name}" is a stage of itself', "no cycles")
                return None
            seen.add(here.name)
            earlier = found.config.outcomes[here.name]
            if not counts_successes(earlier):
                found.problem(
                    key, f'"{here.name}" is a {earlier.model} outcome', "successes of a conversion outcome"
                )
                return None
            text = earlier.volume
            if not (
                isinstance(text, str) and text.endswith(".successes") and text[:-10] in found.config.outcomes
            ):
                break
            here = Reference("successes", text[:-10])
    if (
        reference.kind == "volume"
        and models()[outcome.model].counts != "customers"
        and not _has_flow(volumes, reference.name)
    ):
        found.problem(key, f'"{reference.name}" has only a stock', "a volume with monthly units")
    return reference


def _has_flow(volumes: Mapping[str, VolumePlan], name: str) -> bool:
    if name not in volumes:
        return True
    volume = volumes[name]
    return volume.monthly_path is not None or volume.of is not None or volume.history is not None


def _rollout(found: Resolver, key: Key, outcome: Outcome) -> RolloutPlan:
    """Merge the outcome's rollout over the programme's, key by key."""
    own, shared = outcome.rollout, found.config.rollout

    def pick(attribute: str) -> tuple[Key, Any]:
        mine = getattr(own, attribute) if own is not None else None
        return ((*key, "rollout"), mine) if mine is not None else (("rollout",), getattr(shared, attribute))

    (delay_key, delay), (ramp_key, ramp) = pick("delay"), pick("ramp")
    (fade_key, fade), (transfer_key, transfer) = pick("fade"), pick("transfer")
    return RolloutPlan(
        found.keep((*delay_key, "delay"), delay),
        None if ramp is None else found.keep((*ramp_key, "ramp", "months"), ramp.months),
        "linear" if ramp is None else ramp.shape,
        None if fade is None else found.keep((*fade_key, "fade", "half_life"), fade.half_life),
        pick("ends")[1],
        found.keep((*transfer_key, "transfer"), transfer),
    )


def _priors(found: Resolver, key: Key, outcome: Outcome, model: OutcomeModel) -> Priors:
    prior = outcome.prior or {}
    if isinstance(effect := prior.get("effect"), dict) and "benchmark" in effect:
        try:
            prior = prior | {"effect": effect_prior(effect, model.name)}
        except ProblemsError as error:
            for told in error.problems:
                found.problem((*key, "effect"), told.found, told.allowed, told.remedy)
            return model.priors()
    try:
        return model.priors.model_validate(prior)
    except ValidationError as error:
        for item in error.errors(include_url=False):
            where = (*key, *item["loc"])
            found.problem(
                where, f"{item['loc'][-1] if item['loc'] else 'prior'}: {item['msg']}", "see `sim schema`"
            )
    return model.priors()
