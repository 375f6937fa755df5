"""A driver's past units by month, read as strictly as a pilot table."""

from __future__ import annotations

import datetime as dt
import re
from dataclasses import replace

import numpy as np

from sim.errors import Problem, Problems, ProblemsError
from sim.pilot.connect import open_reading
from sim.pilot.faults import EXAMPLES, rest, told
from sim.pilot.findings import row_problems, tally
from sim.pilot.layout import Field, Layout
from sim.pilot.part import Part
from sim.pilot.source import Source
from sim.records.history import History, month_name, month_number
from sim.records.reading import Reading

FEWEST = 6
"""Months that a forecast needs: fewer say nothing of how much a month differs from the next."""
_MOST_ROWS = 12 * 200
_YEAR_MONTH = re.compile(r"((?:19|20|21)[0-9]{2})[-/.]?(0[1-9]|1[0-2])")
_ADD_UP = "add up the rows of each month, whole months only"
_MONTHS = "a date written yyyy-mm-dd, or a month written yyyy-mm"


def read_history(reading: Reading) -> History:
    """Read the units of each month; a month is told by any date in it or as ``2025-03``.

    Parameters
    ----------
    reading : Reading
        File, and the headers of the roles ``month`` and ``units``.

    Returns
    -------
    History
        From the first month to the last; months that the table leaves out are NaN.

    Raises
    ------
    ProblemsError
        With every problem of the table at once: file, columns, cells, a month that comes twice, fewer
        than `FEWEST` months.
    """
    source = open_reading(reading)
    month, units = _headers(reading, source)
    fields = (Field(month, "date", "month"), Field(units, "amount", "units"))
    layout = Layout(source.parts, fields, None, None, (), {}).known().styled(source)
    count = tally(source, layout, layout.typed(source), (), 1)
    if count.rows[0] > _MOST_ROWS:
        found = f"the table has {count.rows[0]} rows"
        raise ProblemsError(Problem(found, "one row per month", _ADD_UP, reading.shown, key=reading.key))
    parts = [(part, _rows(source, layout, part)) for part in source.parts]
    texts = [text for _, rows in parts for _, text, _, _ in rows if text is not None]
    if count.bad[0] == len(texts) and any(_YEAR_MONTH.fullmatch(text) for text in texts):
        count = replace(count, bad=(0, count.bad[1]))
    if refused := row_problems(source, layout, (), count):
        raise ProblemsError(*(replace(p, allowed=_MONTHS) if p.key == month else p for p in refused))
    problems = Problems()
    by_month: dict[int, float] = {}
    for part, rows in parts:
        with problems.gather():
            _collect(part, rows, by_month, month)
    problems.raise_if_any()
    if len(by_month) < FEWEST:
        raise ProblemsError(
            Problem(
                f"the table has {len(by_month)} months with a figure",
                f"at least {FEWEST} months; 24 or more also tell the season",
                "add earlier months, or state the volume: monthly = { low = …, high = … }",
                reading.shown,
                key=reading.key,
            )
        )
    first = min(by_month)
    series = np.full(max(by_month) - first + 1, np.nan)
    for number, value in by_month.items():
        series[number - first] = value
    return History(first, series)


def _headers(reading: Reading, source: Source) -> tuple[str, str]:
    """Return the headers of month and units, once they are known to be there."""
    headers = {role: reading.columns.get(role, role) for role in ("month", "units")}
    absent = [
        problem
        for part in source.parts
        for role, header in headers.items()
        if (problem := part.missing(header, f"{reading.key}.columns.{role}"))
    ]
    if absent:
        raise ProblemsError(*absent)
    return headers["month"], headers["units"]


type _Row = tuple[int, str | None, dt.date | None, float | None]


def _rows(source: Source, layout: Layout, part: Part) -> list[_Row]:
    """Return row number, month as written, month as a date, and units of every row of a file."""
    table = layout.typed(source, part)
    if part.counted:  # one row a month: to count equal ones tells months that come twice
        columns = ["_x0", "month", "units"]
        table = table.group_by(columns).aggregate(_row=table.count()).order_by(columns)
    else:
        table = table.order_by("_row")
    rows = source.run(table.select("_row", "_x0", "month", "units"))
    return [tuple(row.values()) for row in rows.to_pylist()]


def _number(text: str, day: dt.date | None) -> int | None:
    if day is not None:
        return month_number(day)
    found = _YEAR_MONTH.fullmatch(text)
    return None if found is None else month_number(dt.date(int(found[1]), int(found[2]), 1))


def _collect(part: Part, rows: list[_Row], by_month: dict[int, float], header: str) -> None:
    """Put the rows of a file under their months; refuse rows without one and months that come twice."""
    nameless: list[tuple[int, str]] = []
    unread: list[tuple[int, str]] = []
    again: list[tuple[int, str]] = []
    for row, text, day, units in rows:
        if units is None:
            continue
        if text is None:
            nameless.append((row, f"{units:g}"))
            continue
        number = _number(text, day)
        if number is None:
            unread.append((row, f'"{text}"'))
            continue
        if number in by_month or (part.counted and row > 1):
            again.append((row, month_name(number)))
        by_month.setdefault(number, units)
    problems = Problems()
    for wrong, what, remedy in (
        (nameless, "units without a month", "a row that adds up the others must be deleted"),
        (unread, "no month of the calendar", "write all months as yyyy-mm"),
        (again, "the month has a row already", _ADD_UP),
    ):
        if wrong:
            shown = wrong[:EXAMPLES]
            places = part.places([row for row, _ in shown])
            problems.add(
                told(part, shown, places, what, lead=True) + rest(len(wrong) - len(shown)),
                allowed="one row per month",
                remedy=remedy,
                file=part.shown,
                line=places[shown[0][0]] if part.word == "line" else None,
                key=header,
            )
    problems.raise_if_any()
