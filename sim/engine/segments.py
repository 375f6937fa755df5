"""Segments: which the rollout has, and whether everything given by segment fits them."""

from __future__ import annotations

from collections.abc import Mapping

from sim.config.load import Source
from sim.config.plan import OutcomePlan, Plan
from sim.errors import Problems
from sim.language import phrase
from sim.records.check import Check
from sim.records.quantity import BySegment
from sim.records.summary import ALL


def unseen(plan: Plan, outcome: OutcomePlan, seen: tuple[str, ...]) -> tuple[str, ...]:
    """Return segments of the rollout's volume that the pilot did not see; none where it has no segments."""
    if seen == (ALL,):
        return ()
    found: dict[str, None] = {}
    for path in _volume_paths(plan, outcome):
        quantity = plan.quantities.get(path) if path is not None else None
        if isinstance(quantity, BySegment):
            found |= dict.fromkeys(quantity.by)
    return tuple(segment for segment in found if segment not in seen)


def _paths(plan: Plan, outcome: OutcomePlan) -> list[str]:
    """Return the quantities of an outcome that may be given by segment."""
    paths = [outcome.control_path, outcome.treated_path, outcome.effect_path, *outcome.value_paths]
    paths += [outcome.realisation_path, *_volume_paths(plan, outcome)]
    return [path for path in paths if path is not None]


def _volume_paths(plan: Plan, outcome: OutcomePlan) -> list[str | None]:
    if outcome.volume is None:
        return []
    if outcome.volume.kind == "successes":  # what a funnel's first stage has comes down to the last
        return _volume_paths(plan, plan.outcomes[outcome.volume.name])
    paths: list[str | None] = []
    name: str | None = outcome.volume.name
    while name is not None:
        driver = plan.volumes[name]
        paths += [driver.monthly_path, driver.stock_path, driver.share_path]
        name = driver.of
    return paths


def elicited_segments(plan: Plan, outcome: OutcomePlan) -> tuple[str, ...]:
    """Return the segments by which anything of an outcome without pilot data is given."""
    found: dict[str, None] = {}
    for path in _paths(plan, outcome):
        quantity = plan.quantities[path]
        if isinstance(quantity, BySegment):
            found |= dict.fromkeys(quantity.by)
    return tuple(found) or (ALL,)


def check_segments(
    plan: Plan, segments: Mapping[str, tuple[str, ...]], source: Source, problems: Problems
) -> list[Check]:
    """Check that everything given by segment fits the outcome's segments."""
    checks = []
    for name, outcome in plan.outcomes.items():
        own = segments[name]
        volume = set(_volume_paths(plan, outcome))
        for path in _paths(plan, outcome):
            quantity = plan.quantities[path]
            if not isinstance(quantity, BySegment) or (path in volume and own == (ALL,)):
                continue
            unknown = [s for s in quantity.by if s not in own]
            absent = [s for s in own if s not in quantity.by]
            if unknown:
                problems.add(
                    f"{name} has no segment {', '.join(unknown)}",
                    allowed=", ".join(own),
                    remedy="only a volume may name segments that the pilot did not see",
                    file=source.file,
                    key=path,
                )
            if absent and path in volume and not unknown:
                message = phrase(
                    "{outcome}: pilot segments without volume count 0: {segments}",
                    outcome=name,
                    segments=", ".join(absent),
                )
                checks.append(Check(f"segments-without-volume:{name}", "note", message))
            elif absent and not unknown:
                remedy = "give every segment, or one number for all"
                problems.add(
                    f"no value for segment {', '.join(absent)} of {name}",
                    allowed=", ".join(own),
                    remedy=remedy,
                    file=source.file,
                    key=path,
                )
        for other in _upstream(outcome):
            if segments[other] != own and (ALL,) not in (segments[other], own):
                shown = f"{', '.join(segments[other])} against {', '.join(own)}"
                problems.add(
                    f"{name} and {other} have different segments: {shown}",
                    allowed="the same segments, or none on one side",
                    file=source.file,
                    key=outcome.path,
                )
    return checks


def _upstream(outcome: OutcomePlan) -> list[str]:
    names = [outcome.after] if outcome.after else []
    if outcome.volume is not None and outcome.volume.kind == "successes":
        names.append(outcome.volume.name)
    return names
