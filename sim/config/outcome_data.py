"""Where an outcome's levels come from: which table, which arms, and which rows of it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from sim.config.locate import Path as Key
from sim.config.plan import BEFORE, ONLY_ARM
from sim.config.quantity import looks_like_quantity
from sim.config.schema import Outcome
from sim.config.schema_pilot import PILOT_KEYS, Arm, Data
from sim.config.table_place import place_of
from sim.records.quantity import quoted
from sim.records.reading import Reading
from sim.registry import models

if TYPE_CHECKING:
    from sim.config.resolver import Resolver


def inherited(found: Resolver, outcome: Outcome) -> dict[str, Any]:
    """Merge `[pilot]` under the outcome's own keys; ``false`` unsets."""
    merged: dict[str, Any] = {}
    for name in PILOT_KEYS:
        own = getattr(outcome, name)
        value = own if own is not None else getattr(found.config.pilot, name)
        merged[name] = None if value is False else value
    return merged


def data_of(
    found: Resolver,
    name: str,
    outcome: Outcome,
    settings: Mapping[str, Any],
    control_path: str | None,
    treated_path: str | None,
    effect_path: str | None,
) -> Reading | None:
    """Return what is fitted, or None where every level is elicited; refuse what says neither."""
    key: Key = ("outcomes", name)
    inline = {side: raw for side in ("control", "treated") if _is_statistics(raw := getattr(outcome, side))}
    with_control = control_path is None
    with_treated = treated_path is None and effect_path is None
    data, arm = settings["data"], settings["arm"]
    if treated_path is not None and effect_path is not None:
        found.problem(key, "treated and effect both given as quantities", "one of them")
    if not with_control and not with_treated:
        return None
    if treated_path is not None:
        found.problem(
            (*key, "treated"), "treated is a quantity but control is not", "control as a quantity too"
        )
        return None
    stated = ("as_of", "unit", "scale", "summary")
    options = {name: given for name in stated if (given := getattr(outcome, name)) is not None}
    failed = _failed(found, outcome)
    both = with_control and with_treated
    if inline and settings["cluster"] is not None:
        remedy = "bring the table with its clusters; cluster = false takes the rows as independent"
        found.problem((*key, "cluster"), "cluster on inline figures", "data = …", remedy)
    design: dict[str, Any] = {"cluster": settings["cluster"]}
    if both:
        design = _design(found, key, settings, inline=bool(inline))
    if inline:
        return _inline(found, key, inline, with_control, with_treated, options, design)
    if not isinstance(data, Data):
        remedy = 'data = "pilot.csv", or control = { … } and treated = { … } with the statistics themselves'
        found.problem(
            key,
            "no pilot and no levels",
            "data, inline statistics, or control and treated as numbers",
            remedy,
        )
        return None
    place = place_of(found, (*key, "data"), data, 'data = "pilot.csv"')
    if place is None:
        return None
    labels = arm if isinstance(arm, Arm) else None
    unlabelled = labels is None or labels.control is None or not labels.treated
    by_launch = design.get("design") == "before-after" and labels is None
    if both and unlabelled and not by_launch:
        remedy = (
            'arm = { column = "group", control = "a", treated = "b" }; with one arm only, control or effect'
        )
        found.problem(
            (*key, "arm"), "the data have no arm column", "which column tells control from treated", remedy
        )
    return Reading(
        key=".".join(quoted(str(part)) for part in key),
        columns=outcome.columns or {},
        arm=labels.column if labels else None,
        control=(labels.control if labels else BEFORE if by_launch else None) if with_control else None,
        treated=(labels.treated if labels else (ONLY_ARM,)) if with_treated else (),
        segment=settings["segment"],
        period=settings["period"],
        missing=settings["missing"] or (),
        failed=failed,
        options=options,
        **place,
        **design,
    )


def _design(found: Resolver, key: Key, settings: Mapping[str, Any], *, inline: bool) -> dict[str, Any]:
    """Return how the reading is to keep control and treatment apart, noting what the design lacks."""
    kind, launch, bias = settings["design"] or "randomised", settings["launch"], settings["bias"]
    arm, panel = settings["arm"], settings["panel_unit"]
    if kind == "difference-in-differences":
        if inline:
            remedy = "bring the table with its arms and periods"
            found.problem((*key, "design"), "difference-in-differences on inline figures", "data = …", remedy)
        if launch is None:
            remedy = "launch = 2025-06-01, or whatever the first treated value of `period` is"
            found.problem(
                (*key, "launch"), "difference-in-differences without a launch", "launch = …", remedy
            )
    elif panel is not None:
        remedy = 'for rows that belong together in a randomised pilot, cluster = "…"'
        found.problem((*key, "panel_unit"), f"panel_unit in a {kind} pilot", "none", remedy)
    if kind == "before-after":
        if launch is None and arm is None and not inline:
            remedy = "launch = 2025-06-01, or whatever the first treated value of `period` is"
            found.problem((*key, "launch"), "before-after without a launch", "launch = …", remedy)
        if inline and bias is None:
            remedy = "bias = { low = -0.05, high = 0.05 }: how far the measure may have drifted anyway"
            found.problem((*key, "bias"), "before-after figures without their past", "bias = …", remedy)
    elif bias is not None:
        remedy = "a control group shows the drift, so none is stated"
        found.problem((*key, "bias"), f"bias in a {kind} pilot", "only in a before-after pilot", remedy)
    if bias is not None and not -1 < bias.low < bias.high:
        found.problem((*key, "bias"), f"bias from {bias.low:g} to {bias.high:g}", "-1 < low < high")
    return {
        "design": kind,
        "launch": None if kind == "randomised" else launch,
        "bias": None if bias is None or kind != "before-after" else (bias.low, bias.high),
        "cluster": settings["cluster"] or panel,
        "panel": panel is not None,
    }


def _is_statistics(raw: Any) -> bool:
    return isinstance(raw, dict) and not looks_like_quantity(raw)


def _inline(
    found: Resolver,
    key: Key,
    inline: Mapping[str, Any],
    with_control: bool,
    with_treated: bool,
    options: Mapping[str, Any],
    design: Mapping[str, Any],
) -> Reading | None:
    wanted = [side for side, is_wanted in (("control", with_control), ("treated", with_treated)) if is_wanted]
    for side in wanted:
        if side not in inline:
            found.problem((*key, side), f"{side} is missing", "the other arm's statistics, or a quantity")
    if any(side not in inline for side in wanted):
        return None
    return Reading(
        key=".".join(quoted(str(part)) for part in key),
        file=None,
        shown="inline",
        columns={},
        inline={side: inline[side] for side in wanted},
        control="control" if with_control else None,
        treated=(ONLY_ARM,) if with_treated else (),
        options=options,
        **design,
    )


def counts_successes(outcome: Outcome) -> bool:
    """Tell whether another outcome may work on this one's successes or on what is left of them."""
    known = models()
    return outcome.model in known and known[outcome.model].counts == "successes"


def _failed(found: Resolver, outcome: Outcome) -> tuple[str, ...]:
    """Return the headers of the outcomes before this one, whose failures this one works on."""
    if outcome.remaining:
        return ()
    headers: list[str] = []
    seen: set[str] = set()
    here = outcome.after
    while here is not None and here in found.config.outcomes and here not in seen:
        seen.add(here)
        earlier = found.config.outcomes[here]
        header = (earlier.columns or {}).get("outcome")
        if header is not None:
            headers.append(header)
        here = earlier.after
    return tuple(headers)


def check_after(found: Resolver, key: Key, outcome: Outcome, settings: Mapping[str, Any]) -> None:
    """Note what keeps an outcome from working on what the one named by `after` leaves over."""
    if outcome.after is None:
        if outcome.remaining:
            found.problem((*key, "remaining"), "remaining without after", 'after = "another outcome"')
        return
    others = found.config.outcomes
    place = (*key, "after")
    if outcome.after not in others:
        options = [name for name in others if name != key[1]]
        remedy = found.close(outcome.after, options)
        found.problem(place, f'"{outcome.after}" names no outcome', ", ".join(options), remedy)
        return
    earlier = others[outcome.after]
    if not counts_successes(earlier):
        found.problem(place, f'"{outcome.after}" is a {earlier.model} outcome', "a conversion outcome")
    if earlier.volume != outcome.volume:
        found.problem(place, f'"{outcome.after}" works on another volume', "the same volume")
    seen = {str(key[1])}
    here: str | None = outcome.after
    while here is not None and here in others:
        if here in seen:
            found.problem(place, f'"{key[1]}" comes after itself', "no cycles")
            return
        seen.add(here)
        here = others[here].after
    fitted = settings["data"] is not None and not looks_like_quantity(outcome.control)
    by_rows = set(outcome.columns or {}) in ({"amount"}, {"outcome"}, {"events"}, {"rating"})
    can_filter = by_rows and "outcome" in (earlier.columns or {}) and _same_data(found, earlier, settings)
    if fitted and not outcome.remaining and not can_filter:
        remedy = "give row-level data that hold both outcomes' columns, or remaining = true if it already is"
        found.problem(
            (*key, "remaining"),
            f'nothing says that the table holds only what "{outcome.after}" left over',
            "remaining = true, or rows with both columns in one file",
            remedy,
        )


def _same_data(found: Resolver, earlier: Outcome, settings: Mapping[str, Any]) -> bool:
    return bool(inherited(found, earlier)["data"] == settings["data"])
