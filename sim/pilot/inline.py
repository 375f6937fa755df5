"""Figures that stand in the config itself, as a table of one part per arm."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from sim.errors import Problems
from sim.pilot.engine import Engine
from sim.pilot.part import listed
from sim.pilot.source import Source
from sim.pilot.values import publish_values

ARM = " arm"
"""Header of the arm column; the blank keeps it apart from any role."""


def open_inline(
    figures: Mapping[str, Mapping[str, object]],
    *,
    arms: Sequence[str],
    has_control: bool,
    key: str,
) -> Source:
    """Publish ``{arm: {role: number or list of numbers}}``; equally long lists are rows.

    Raises
    ------
    ProblemsError
        When an arm is missing, arms have different columns, or lists differ in length.
    """
    problems = Problems()
    keys = {arm: arm_key(arm, arms, has_control, key) for arm in arms}
    for arm in arms:
        if not figures.get(arm):
            problems.add("there are no figures", allowed="the same columns for each arm", key=keys[arm])
    problems.raise_if_any()
    roles = list(figures[arms[0]])
    engine = Engine()
    parts = []
    for arm in arms:
        given = figures[arm]
        if set(given) != set(roles):
            problems.add(
                f"the columns are {listed(list(given))} here, but {listed(roles)} in {keys[arms[0]]}",
                allowed="the same columns for each arm",
                key=keys[arm],
            )
            continue
        lists = {role: value if isinstance(value, list | tuple) else [value] for role, value in given.items()}
        lengths = {len(values) for values in lists.values()}
        if len(lengths) > 1 or 0 in lengths:
            problems.add(
                "the lists have different lengths: " + ", ".join(f"{r} {len(v)}" for r, v in lists.items()),
                allowed="lists of one length, each place one row",
                key=keys[arm],
            )
            continue
        columns = [lists[role] for role in roles] + [[arm] * lengths.pop()]
        inside = {role: f"{keys[arm]}.{role}" for role in roles}
        parts.append(publish_values(engine, None, [*roles, ARM], columns, word="item", keys=inside))
    problems.raise_if_any()
    engine.seal()
    return Source(engine, tuple(parts))


def arm_key(arm: str, arms: Sequence[str], has_control: bool, key: str) -> str:
    """Return where the figures of an arm stand in the config."""
    if has_control and arm == arms[0]:
        return f"{key}.control"
    return f"{key}.treated" if len(arms) - has_control == 1 else f"{key}.treated.{arm}"
