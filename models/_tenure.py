"""Reads who stayed how long: the three table forms of churn, all into counts by period of tenure.

Periods are counted from 1. A customer who leaves during period k was at risk in 1..k and churned in k; one
who is still there was at risk in the periods completed. Index j of the tenure axis of ``at_risk`` and
``churned`` is period j + 1, of ``alive`` "has completed j periods"; all three share one length.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from sim.errors import Problem, ProblemsError
from sim.records.arrays import FloatArray
from sim.records.columns import Column, ColumnSet, Rule, Table

from ._groups import Groups, cell, column

DAYS = {"week": 7.0, "month": 30.4375, "year": 365.25}
"""Length of one period of tenure in days."""
LONGEST = 20_000
"""Periods of tenure; what is longer is no tenure (300 years have 15,653 weeks), and arrays are as long."""


def unit(options: Mapping[str, Any]) -> str:
    """Return the unit of tenure, a month unless the config says otherwise."""
    return str(options.get("unit") or "month")


def _months(options: Mapping[str, Any], shape: tuple[int, int]) -> FloatArray:
    return np.full(shape, DAYS[unit(options)] / DAYS["month"])


def _aggregate_dates(table: Table, by: Sequence[str], options: Mapping[str, Any]) -> Table:
    as_of, days = options.get("as_of"), DAYS[unit(options)]
    roles = [role for role in ("entry", "treated_from") if role in table.columns]
    if "phase" in by:
        # A pilot that is compared before and after its launch: both parts of each customer's time.
        launch = options["launch"]
        eve = launch - dt.timedelta(days=1)
        earlier, later = table.start < launch, table.end.isnull() | (table.end >= launch)
        if "entry" in roles:
            earlier &= table.entry.isnull() | (table.entry < launch)
        # Nobody is under treatment yet, so the day of treatment delays nothing.
        own = [role for role in roles if role == "entry"]
        before = _followed(table.filter(earlier), eve if as_of is None else min(as_of, eve), days, own)
        after = _followed(table.filter(later), as_of, days, roles, launch)
        named = [name for name in by if name != "phase"] + ["entered", "completed", "left"]
        parts = [part.select(*named).mutate(phase=phase) for phase, part in enumerate((before, after))]
        followed = parts[0].union(parts[1])
    else:
        followed = _followed(table, as_of, days, roles)
    return followed.group_by([*by, "entered", "completed", "left"]).agg(customers=followed.left.count())


def _followed(
    table: Table, last: dt.date | None, days: float, roles: Sequence[str], first: dt.date | None = None
) -> Table:
    """Add the whole periods over which each customer was followed, and whether he left in the next one.

    Only periods that were observed from end to end count. One that the first or the last day of observation
    cuts would show those who left in it but not those who stayed, as neither is known to be at risk in all
    of it; whoever leaves in it counts as still there after the period before.

    Parameters
    ----------
    table : Table
        Customers with ``start`` and ``end``.
    last : date or None
        Last day of observation; None where all ends are known.
    days : float
        Length of a period.
    roles : sequence of str
        Columns with the customer's own first day.
    first : date or None
        First day of observation of all.
    """
    entered: Any = 0
    if first is not None:
        entered = (-table.start.delta(first, unit="day") / days).ceil().cast("int64").clip(lower=0)
    for role in roles:
        begun = (table[role].delta(table.start, unit="day").fill_null(0) / days).ceil().cast("int64")
        entered = (begun > entered).ifelse(begun, entered)
    lived = (table.end.delta(table.start, unit="day") / days).floor().cast("int64")
    left, completed = table.end.notnull(), lived
    if last is not None:
        whole = ((1 - table.start.delta(last, unit="day")) / days).floor().cast("int64")
        left = left & (table.end <= last) & (lived < whole)
        completed = left.ifelse(lived, whole)
    added = table.mutate(entered=entered, completed=completed, left=left.cast("int64"))
    added = added.cast({"entered": "int64"})  # alike in both parts of a union
    return added if last is None else added.filter(added.start <= last)


def _aggregate_tenures(table: Table, by: Sequence[str], _options: Mapping[str, Any]) -> Table:
    left = table.churned.cast("int64")
    before = (table.tenure.ceil().cast("int64") - 1).clip(lower=0)
    # A leaver's last day of observation is not told, so those who stayed are at risk in their last period
    # if half of it was observed: on average as much as is needed beside those who left in theirs.
    completed = (left == 1).ifelse(before, (table.tenure + 0.5).floor().cast("int64"))
    grouped = table.mutate(entered=0, completed=completed, left=left)
    return grouped.group_by([*by, "entered", "completed", "left"]).agg(customers=table.tenure.count())


def _aggregate_periods(table: Table, by: Sequence[str], _options: Mapping[str, Any]) -> Table:
    return table.group_by([*by, "period"]).agg(at_risk=table.at_risk.sum(), churned=table.churned.sum())


def _condense_customers(
    groups: Groups, shape: tuple[int, int], options: Mapping[str, Any]
) -> dict[str, FloatArray]:
    completed, customers = column(groups, "completed"), column(groups, "customers")
    if np.isnan(completed).any():
        raise ProblemsError(
            Problem(
                "some ends are blank, and nothing says until when customers were observed",
                "the last day of observation, e.g. as_of = 2025-12-31",
                "state `as_of`",
                key="as_of",
            )
        )
    completed = completed.astype(int)
    entered, left = column(groups, "entered").astype(int), column(groups, "left").astype(int)
    length = int(completed.max(initial=0)) + 1
    where, full = cell(groups, shape), (shape[0] * shape[1], length)
    # At risk in the periods from `entered` up to the last one begun: +1 where it starts, -1 after its end.
    stop = completed + left
    seen = stop > entered
    flow = np.zeros((full[0], length + 1))
    np.add.at(flow, (where[seen], entered[seen]), customers[seen])
    np.add.at(flow, (where[seen], stop[seen]), -customers[seen])
    counts = {"at_risk": flow.cumsum(axis=1)[:, :length], "churned": np.zeros(full), "alive": np.zeros(full)}
    gone = seen & (left == 1)
    np.add.at(counts["churned"], (where[gone], completed[gone]), customers[gone])
    np.add.at(counts["alive"], (where[left == 0], completed[left == 0]), customers[left == 0])
    cubes = {name: np.maximum(values, 0.0).reshape(*shape, length) for name, values in counts.items()}
    return _between(cubes, options) | {"period_months": _months(options, shape)}


def _condense_periods(
    groups: Groups, shape: tuple[int, int], options: Mapping[str, Any]
) -> dict[str, FloatArray]:
    period = column(groups, "period").astype(int)
    length = int(period.max(initial=0)) + 1
    where, full = cell(groups, shape), (shape[0] * shape[1], length)
    at_risk, churned, alive = np.zeros(full), np.zeros(full), np.zeros(full)
    np.add.at(at_risk, (where, period - 1), column(groups, "at_risk"))
    np.add.at(churned, (where, period - 1), column(groups, "churned"))
    # Who survived a period and is not at risk in the next one of the table was still there when last seen.
    listed = np.unique(period)
    following = np.zeros((full[0], listed.size))
    following[:, :-1] = at_risk[:, listed[1:] - 1]
    alive[:, listed] = np.maximum(at_risk[:, listed - 1] - churned[:, listed - 1] - following, 0.0)
    counts = {"at_risk": at_risk, "churned": churned, "alive": alive}
    cubes = {name: values.reshape(*shape, length) for name, values in counts.items()}
    return _between(cubes, options) | {"period_months": _months(options, shape)}


def _between(counts: dict[str, FloatArray], options: Mapping[str, Any]) -> dict[str, FloatArray]:
    """Keep what was seen between two completed tenures, ``options["tenures"]``, where only that is asked for.

    Who survived the last of these periods is there when last seen, whatever became of him. Without a first
    tenure, those who never were at risk are kept as well, as the whole table would have them.
    """
    window, longest = options.get("tenures"), counts["at_risk"].shape[2] - 1
    if window is None or not longest:
        return counts
    first, stop = window[0], min(window[1], longest)
    seen = {name: values[..., : stop + 1].copy() for name, values in counts.items()}
    if first is not None:
        for name, values in seen.items():
            values[..., : first + (name == "alive")] = 0.0
    seen["at_risk"][..., stop] = seen["churned"][..., stop] = 0.0
    seen["alive"][..., stop] = (seen["at_risk"] - seen["churned"])[..., stop - 1]
    return seen


def _not_longer(role: str) -> Rule:
    allowed = f"at most {LONGEST:,} periods"
    return Rule(lambda table: table[role] > LONGEST, (role,), "longer than anybody stays", allowed)


COLUMN_SETS = (
    ColumnSet(
        columns=(
            Column("start", "date", "the day the customer joined"),
            Column("end", "date", "the day he left; blank while he is there", blank=True),
            Column(
                "entry", "date", "first day under observation, if later than start", optional=True, blank=True
            ),
            Column("treated_from", "date", "first day under treatment, if later", optional=True, blank=True),
        ),
        aggregate=_aggregate_dates,
        condense=_condense_customers,
        rows=True,
        rules=(
            Rule(
                lambda table: table.end < table.start,
                ("start", "end"),
                "left before joining",
                "an end on or after the start, or a blank",
            ),
        ),
        dated=True,
    ),
    ColumnSet(
        columns=(
            Column("tenure", "amount", "periods from joining to leaving, or to the last day observed"),
            Column("churned", "flag", "whether the customer left then"),
        ),
        aggregate=_aggregate_tenures,
        condense=_condense_customers,
        rows=True,
        rules=(_not_longer("tenure"),),
    ),
    ColumnSet(
        columns=(
            Column("period", "integer", "period of tenure, 1 being the first after joining"),
            Column("at_risk", "count", "customers there at its beginning"),
            Column("churned", "count", "how many of them left during it"),
        ),
        aggregate=_aggregate_periods,
        condense=_condense_periods,
        rows=False,
        rules=(
            Rule(
                lambda table: table.churned > table.at_risk,
                ("at_risk", "churned"),
                "more customers churned than were at risk",
                "churned between 0 and at_risk",
            ),
            Rule(lambda table: table.period < 1, ("period",), "a period before the first", "1, 2, 3, …"),
            _not_longer("period"),
        ),
    ),
)
