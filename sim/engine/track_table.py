"""What may be measured after a launch, and the table of what was."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from sim.engine.prepare import Prepared
from sim.errors import Problem, Problems, ProblemsError
from sim.records.arrays import FloatArray
from sim.records.columns import ColumnKind
from sim.records.history import month_number
from sim.records.quantity import quoted
from sim.records.summary import PilotSummary

if TYPE_CHECKING:
    from sim.pilot.actuals import Row, Table

TOTALS: Mapping[str, ColumnKind] = {"benefit": "number", "cost": "amount", "net": "number"}
"""Columns of a month's totals; the net is benefit less cost."""

type ByMonth = Mapping[int, float]
type Roles = Mapping[str, tuple[str, ColumnKind]]
"""Role of an outcome's data to its column and kind."""


@dataclass(frozen=True, slots=True)
class Observed:
    """Data of one outcome's treated customers.

    Parameters
    ----------
    months : tuple of int
    condense : callable
        ``condense(cells, count)``: statistics (cell, segment, ...) of the months that `cells` maps to one
        of `count` cells.
    """

    months: tuple[int, ...]
    condense: Callable[[Mapping[int, int], int], dict[str, FloatArray]]


@dataclass(frozen=True, slots=True)
class Actuals:
    """What was measured, by month.

    Parameters
    ----------
    money : mapping of str to {month: amount}
        By path of a stream, or one of `TOTALS`.
    volumes : mapping of str to {month: units}
        By name of a driver.
    data : mapping of str to Observed
        By name of an outcome.
    """

    money: Mapping[str, ByMonth] = field(default_factory=dict)
    volumes: Mapping[str, ByMonth] = field(default_factory=dict)
    data: Mapping[str, Observed] = field(default_factory=dict)

    @property
    def last(self) -> int:
        """The last month of which anything is known; what lies after it is still to come."""
        months = [month for found in (*self.money.values(), *self.volumes.values()) for month in found]
        return max([*months, *(month for seen in self.data.values() for month in seen.months)])


def read(file: Path, shown: str, prepared: Prepared, strategy: str) -> Actuals:
    """Read the table of actual months and check it against the config.

    Parameters
    ----------
    file : Path
        CSV, Parquet or Excel.
    shown : str
        How the user wrote it.
    prepared : Prepared
    strategy : str
        The treated arm that was launched.

    Raises
    ------
    ProblemsError
        With everything that is wrong with the table.
    """
    from sim.pilot.actuals import read_actuals

    streams, drivers, data = _streams(prepared, strategy), _drivers(prepared), _data(prepared)
    kinds: dict[str, ColumnKind] = {**TOTALS, **streams, **dict.fromkeys(drivers, "amount")}
    for roles in data.values():
        kinds |= dict(roles.values())
    start = prepared.plan.start
    problems = Problems()
    table = read_actuals(file, shown, kinds, None if start is None else month_number(start), problems)
    whole = not problems  # a cell that cannot be read makes others look as if something were missing
    rows = [row for row in table.rows if row.values]
    if not rows and whole:
        remedy = "write what was measured under costs, benefits, volumes or outcomes"
        problems.add("the table has no actual value", allowed="one or more", remedy=remedy, file=shown)
    at_launch = {*TOTALS, *(path for path in streams if not path.startswith("outcomes."))}
    for problem in (
        *_outside(rows, prepared.plan.horizon, at_launch),
        *_twice(rows, [(name,) for name in (*TOTALS, *streams, *drivers)], lambda row, _: (row.month,)),
        *_inconsistent(rows, sides_of(streams)),
    ):
        problems.found.append(problem)
    observed: dict[str, Observed] = {}
    for name, roles in data.items():
        if whole and any(column in row.values for row in rows for column, _ in roles.values()):
            with problems.gather():
                observed[name] = _observed(table, rows, prepared, name, strategy, roles)
    problems.raise_if_any()

    def by_month(column: str) -> dict[int, float]:
        return {row.month: row.values[column] for row in rows if column in row.values}

    return Actuals(
        {name: found for name in (*TOTALS, *streams) if (found := by_month(name))},
        {name: found for column, name in drivers.items() if (found := by_month(column))},
        observed,
    )


def _streams(prepared: Prepared, strategy: str) -> dict[str, ColumnKind]:
    """Return the streams of money of an arm, as its ledger names them."""
    plan = prepared.plan
    paid: dict[str, ColumnKind] = {
        item.path: "amount" for item in plan.costs.values() if item.arm in (None, strategy)
    }
    earned = [item.path for item in plan.benefits.values() if item.arm in (None, strategy)]
    earned += [outcome.path for outcome in plan.outcomes.values() if not outcome.kpi]
    return {**paid, **dict.fromkeys(earned, "number")}


def sides_of(streams: Iterable[str]) -> dict[str, list[str]]:
    """Return the paths of streams by the total that they belong to."""
    sides: dict[str, list[str]] = {"benefit": [], "cost": []}
    for path in streams:
        sides["cost" if path.startswith("costs.") else "benefit"].append(path)
    return sides


def _drivers(prepared: Prepared) -> dict[str, str]:
    """Return the drivers that have monthly units, by the column that names them."""
    return {
        f"volumes.{quoted(name)}": name
        for name, volume in prepared.plan.volumes.items()
        if volume.monthly_path is not None or volume.history is not None or volume.of is not None
    }


def _data(prepared: Prepared) -> dict[str, Roles]:
    """Return the columns of aggregated data of every outcome."""
    return {
        name: {
            column.role: (f"{outcome.path}.{column.role}", column.kind)
            for form in outcome.model.column_sets
            if not form.rows
            for column in form.columns
        }
        for name, outcome in prepared.plan.outcomes.items()
    }


def _outside(rows: Sequence[Row], horizon: int, at_launch: set[str]) -> list[Problem]:
    """Return rows of months that the programme does not have, and what cannot be in month 0."""
    problems = []
    for row in rows:
        if not 0 <= row.month <= horizon:
            remedy = "look at programme.start and programme.horizon"
            told = f"month {row.text} is outside the programme"
            problems.append(row.told(told, "month", allowed=f"months 0 to {horizon}", remedy=remedy))
        elif row.month == 0 and (wrong := [name for name in row.values if name not in at_launch]):
            told = f"{', '.join(wrong)} in month 0"
            remedy = "month 0 holds what is paid before month 1"
            problems.append(row.told(told, wrong[0], allowed="costs, benefits and totals", remedy=remedy))
    return problems


def _twice(
    rows: Sequence[Row],
    columns: Sequence[Sequence[str]],
    key: Callable[[Row, Sequence[str]], tuple[object, ...]],
) -> list[Problem]:
    """Return rows that tell a second time what an earlier one told; `columns` belong together."""
    problems = []
    for together in columns:
        seen: dict[tuple[object, ...], int] = {}
        for row in rows:
            if not any(name in row.values for name in together):
                continue
            place = key(row, together)
            if place in seen:
                told = f"month {row.text} has {', '.join(together)} already (line {seen[place]})"
                remedy = "add them up, or leave all but one cell empty"
                problems.append(
                    row.told(told, together[0], allowed="one value for each month", remedy=remedy)
                )
            seen.setdefault(place, row.line)
    return problems


def _observed(
    table: Table, rows: Sequence[Row], prepared: Prepared, name: str, strategy: str, roles: Roles
) -> Observed:
    """Group one outcome's data.

    Raises
    ------
    ProblemsError
        Where they cannot be compared with a fit, and for rows that are not whole, come twice or are of no
        known segment.
    """
    from sim.pilot.actuals_data import grouped

    outcome, segments = prepared.plan.outcomes[name], prepared.segments[name]
    given = {role: column for role, (column, _) in roles.items() if column in table.headers}
    columns = list(given.values())
    if reason := _unfit(prepared, name, strategy):
        allowed = f"the money of a month under {outcome.path}" if not outcome.kpi else "other columns"
        remedy = "drop the columns of data; state what is known of the level in the config"
        raise ProblemsError(Problem(reason, allowed, remedy, table.shown, key=columns[0]))
    problems = Problems()
    for row in rows:
        there = [column for column in columns if column in row.values]
        if there and len(there) < len(columns):
            told = f"{there[0]} without {', '.join(c for c in columns if c not in there)}"
            problems.found.append(row.told(told, there[0], allowed="all of them, or none"))
        if there and len(segments) > 1 and row.segment not in segments:
            told = "no segment" if row.segment is None else f'the segment "{row.segment}"'
            remedy = "the column `segment` tells whose data a row holds"
            problems.found.append(row.told(told, "segment", allowed=", ".join(segments), remedy=remedy))
    ranks = [column for column, kind in roles.values() if kind == "integer" and column in columns]

    def place(row: Row, _: Sequence[str]) -> tuple[object, ...]:
        return (row.month, row.segment, *(row.values.get(column) for column in ranks))

    problems.found += _twice(rows, [columns], place)
    problems.raise_if_any()
    assert outcome.data is not None  # noqa: S101  # else it was unfit
    found = grouped(table, given, outcome.model, segments, outcome.data.options, outcome.path)
    return Observed(found.months, found.condense)


def treated_arm(summary: PilotSummary, strategy: str) -> int:
    """Return the position of a launched arm in a pilot: its own, or the last where arms have other names."""
    return summary.arms.index(strategy) if strategy in summary.arms else len(summary.arms) - 1


def _unfit(prepared: Prepared, name: str, strategy: str) -> str:
    """Return why the data of treated customers can teach nothing about an outcome; empty where they can."""
    summary, outcome = prepared.summaries.get(name), prepared.plan.outcomes[name]
    elicited = outcome.treated_path is not None or outcome.effect_path is not None
    if summary is None or elicited or (summary.has_control and treated_arm(summary, strategy) == 0):
        return f"nothing of the treated level of {name} was fitted, so data cannot revise it"
    if summary.design.kind != "randomised":
        return (
            f"{name} has a {summary.design.kind} pilot: what treated customers do now cannot be told from "
            "what they would do anyway"
        )
    return ""


def _inconsistent(rows: Sequence[Row], sides: Mapping[str, Sequence[str]]) -> list[Problem]:
    """Return months whose total is not what its parts add up to, where all of them are told."""
    told: dict[int, dict[str, float]] = {}
    last: dict[int, Row] = {}
    for row in rows:
        told.setdefault(row.month, {}).update(row.values)
        last[row.month] = row
    problems = []
    for month, values in told.items():
        whole = {side: values[side] for side in sides if side in values}
        for side, parts in sides.items():
            if parts and all(name in values for name in parts):
                added = sum(values[name] for name in parts)
                if side in whole and not _close(whole[side], [values[name] for name in parts]):
                    found = f"{side} is {whole[side]:g}, but its parts add up to {added:g}"
                    problems.append(
                        last[month].told(found, side, allowed="their sum", remedy="leave one out")
                    )
                whole.setdefault(side, added)
        net = values.get("net")
        if net is not None and len(whole) == 2 and not _close(net, [whole["benefit"], -whole["cost"]]):
            found = f"net is {net:g}, but benefit less cost is {whole['benefit'] - whole['cost']:g}"
            problems.append(last[month].told(found, "net", allowed="their difference"))
    return problems


def _close(total: float, parts: Sequence[float]) -> bool:
    """Whether a total is the sum of its parts but for rounding: a cent each, or one per mille."""
    allowed = max(0.01 * (len(parts) + 1), 1e-3 * sum(map(abs, parts)))
    return abs(total - sum(parts)) <= allowed
