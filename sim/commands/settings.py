"""Numbers of a config that a command varies: read from the command line, and checked before any fit."""

from __future__ import annotations

import difflib
import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import product
from pathlib import Path
from types import MappingProxyType
from typing import Any

from sim.config.load import parse_key, parse_value
from sim.config.plan import Plan
from sim.config.resolve import read
from sim.engine.study import Setting, certain_path, written
from sim.errors import Problem, Problems, ProblemsError
from sim.records.quantity import quoted

MOST_SETTINGS = 100_000
_DIGITS = 12
_NAMED = ("volumes", "outcomes", "costs", "benefits")


@dataclass(frozen=True, slots=True)
class Axis:
    """A key and the values that it takes, lowest first.

    Parameters
    ----------
    key : str
        Dotted, as in ``--set``.
    values : tuple of float
        Whole numbers stay ``int``, for keys that count.
    quantity : bool
        Whether the key is a quantity, which may take any value between two others.
    """

    key: str
    values: tuple[float, ...]
    quantity: bool = False


def parse_axis(text: str) -> Axis:
    """Return the axis that ``--vary`` states: ``KEY=lo:hi:n`` (evenly spaced) or ``KEY=a,b,c``.

    Raises
    ------
    ProblemsError

    Examples
    --------
    >>> parse_axis("programme.horizon=12:36:3").values, parse_axis("costs.x.monthly=0.5,4_000").values
    ((12, 24, 36), (0.5, 4000))
    """
    key, equals, given = text.rpartition("=")
    if not equals or not key.strip():
        raise _wrong(f'--vary "{text}" has no =', text)
    ends = given.split(":")
    if len(ends) == 1:
        values = [_number(part, text) for part in given.split(",")]
    elif len(ends) == 3:
        low, high, count = (_number(part, text) for part in ends)
        if not isinstance(count, int) or not 2 <= count <= MOST_SETTINGS:
            raise _wrong(f"{ends[2].strip()} values", text)
        if low == high:
            raise _wrong(f"{ends[0].strip()} to {ends[1].strip()} is no range", text)
        values = _spaced(low, high, count)
    else:
        raise _wrong(f'"{given}" is neither lo:hi:n nor a list', text)
    return axis_of(key.strip(), values)


def axis_of(key: str, values: Iterable[float]) -> Axis:
    """Return an axis of values in rising order, each once."""
    ordered = tuple(sorted(dict.fromkeys(values)))
    if not ordered:
        raise _wrong("no values", key)
    parse_key(key)
    return Axis(key, ordered)


def read_plan(
    config: Path, sets: Sequence[str], seed: int | None, setting: Setting = MappingProxyType({})
) -> Plan:
    """Return the plan of one setting; reads no table.

    Raises
    ------
    ProblemsError
        When the config does not allow it.
    """
    return read(config, [*sets, *(f"{key}={written(value)}" for key, value in setting.items())], seed)[0]


def check_axes(
    config: Path, sets: Sequence[str], seed: int | None, axes: Sequence[Axis]
) -> tuple[Plan, tuple[Axis, ...]]:
    """Return the plan of the config as it stands, and the axes with what kind of key each has.

    Of a quantity the ends are read, of any other key every value; then the corners of the grid.

    Raises
    ------
    ProblemsError
        With everything that the config does not allow, and with axes that make no grid.
    """
    plan = read_plan(config, sets, seed)
    problems = Problems()
    for axis in axes:
        with problems.gather():
            check_key(plan, axis.key)
    names = [parse_key(axis.key) for axis in axes]
    for axis, name in zip(axes, names, strict=True):
        if names.count(name) > 1:
            problems.add(f"{axis.key} is varied twice", allowed="each key once", key=axis.key)
    count = math.prod(len(axis.values) for axis in axes)
    if not axes or not 0 < count <= MOST_SETTINGS:
        allowed = f"1 to {MOST_SETTINGS:,} settings"
        problems.add(f"a grid of {count if axes else 0:,} settings", allowed=allowed, key="--vary")
    problems.raise_if_any()
    known = []
    for axis in axes:
        quantity = False
        for value in dict.fromkeys((axis.values[0], axis.values[-1], *axis.values)):
            with problems.gather():
                changed = read_plan(config, sets, seed, {axis.key: value})
                quantity = certain_path(changed, axis.key) is not None
            if problems or (quantity and value == axis.values[-1]):
                break
        known.append(Axis(axis.key, axis.values, quantity))
    if not problems:
        for ends in product(*({axis.values[0], axis.values[-1]} for axis in axes)):
            with problems.gather():
                read_plan(config, sets, seed, dict(zip((axis.key for axis in axes), ends, strict=True)))
    problems.raise_if_any()
    return plan, tuple(known)


def check_key(plan: Plan, key: str) -> None:
    """Refuse the key of something that the config does not have: to set it would add it, and move nothing.

    Raises
    ------
    ProblemsError
    """
    section, *rest = (str(part) for part in parse_key(key))
    there = plan.resolved.get(section)
    if section in _NAMED and rest and isinstance(there, Mapping) and rest[0] not in there:
        near = difflib.get_close_matches(rest[0], list(there), n=1)
        remedy = f'did you mean "{near[0]}"?' if near else ""
        allowed = ", ".join(f"{section}.{quoted(name)}" for name in there) or f"a name in [{section}]"
        raise ProblemsError(Problem(f'[{section}] has no "{rest[0]}"', allowed, remedy, key=key))


def check_money(plan: Plan) -> None:
    """Refuse a config in which no money is at stake.

    Raises
    ------
    ProblemsError
    """
    if all(outcome.kpi for outcome in plan.outcomes.values()) and not plan.benefits and not plan.costs:
        remedy = "give an outcome a value, or a cost"
        raise ProblemsError(Problem("no money is at stake in this config", "an outcome with a value", remedy))


def check_strategy(plan: Plan, strategy: str | None) -> None:
    """Refuse an arm that the config does not have.

    Raises
    ------
    ProblemsError
    """
    if strategy is not None and strategy not in plan.strategies:
        told = Problem(f'"{strategy}" is no treated arm', ", ".join(plan.strategies), key="--strategy")
        raise ProblemsError(told)


def value_now(plan: Plan, key: str) -> float | None:
    """Return the certain number that stands at a key, written there or by default; None for any other."""
    here: Any = plan.resolved
    for part in parse_key(key):
        if isinstance(here, Mapping):
            here = here.get(str(part))
        elif isinstance(here, Sequence) and not isinstance(here, str) and str(part).isdigit():
            here = here[int(part) - 1] if 1 <= int(part) <= len(here) else None
        else:
            return None
    return here if isinstance(here, int | float) and not isinstance(here, bool) else None


def _spaced(low: float, high: float, count: int) -> list[float]:
    if isinstance(low, int) and isinstance(high, int) and (high - low) % (count - 1) == 0:
        step = (high - low) // (count - 1)
        return [low + step * i for i in range(count)]
    # Rounded, so that a grid from 0.1 to 0.3 holds 0.2 and not 0.2 and a bit.
    inner = (float(f"{low + (high - low) * i / (count - 1):.{_DIGITS}g}") for i in range(1, count - 1))
    return [low, *inner, high]


def _number(text: str, whole: str) -> float:
    value = parse_value(text.strip()) if text.strip() else None
    if isinstance(value, bool) or not isinstance(value, int | float) or not math.isfinite(value):
        raise _wrong(f'"{text.strip()}" is no number', whole)
    return value


def _wrong(found: str, text: str) -> ProblemsError:
    remedy = "e.g. --vary costs.licence.monthly=2_000:6_000:21, or --vary programme.horizon=12,24,36"
    return ProblemsError(Problem(found, "KEY=lo:hi:n with n of at least 2, or KEY=a,b,c", remedy, key=text))
