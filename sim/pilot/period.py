"""The time of each row: which periods a table has, in which order, and which came after the launch."""

from __future__ import annotations

import datetime as dt
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from sim.errors import Problem, ProblemsError
from sim.pilot.engine import Expr
from sim.pilot.findings import row_problems, tally
from sim.pilot.layout import Field, Layout
from sim.pilot.parse import counted, parsed, styles, within
from sim.pilot.part import did_you_mean, listed
from sim.pilot.source import Source

DAYS_PER_MONTH = 365 / 12
_UNITS = {"month": 1.0, "week": 7 / DAYS_PER_MONTH, "day": 1 / DAYS_PER_MONTH, "year": 12.0}
_YEAR_MONTH = r"^(?:19|20|21)[0-9]{2}[-/.](?:0[1-9]|1[0-2])$"
_MOST_LABELS = 2000
_MOST_DAYS = 60
"""Longest stretch of days that is looked at by day; a longer one is by week."""
_MOST_WEEKS = 110

type Launch = dt.date | int | str


@dataclass(frozen=True, slots=True)
class Periods:
    """The periods of a table in the order of time.

    Parameters
    ----------
    labels : tuple of str
    launch : int
        Position of the first period under treatment; 0 without a launch.
    length : float or None
        Months in one period; None where the column does not say.
    months : float or None
        Length of the pilot in months, from the launch on.
    calendar : tuple of int
        Calendar month (1-12) of each period where they are months, else empty.
    positions : mapping of str to int
        Text of a cell to position; empty where cells are dates.
    origin, width, style : date or None, int, str
        How a date is placed: whole months from `origin` on (width 0) or stretches of `width` days.
    """

    labels: tuple[str, ...]
    launch: int
    length: float | None
    months: float | None
    calendar: tuple[int, ...] = ()
    positions: Mapping[str, int] | None = None
    origin: dt.date | None = None
    width: int = 0
    style: str = ""

    def first(self, count: int) -> Periods:
        """Return the first `count` periods alone: what there was to see when they were over."""
        months = None if self.length is None else (count - self.launch) * self.length
        return replace(self, labels=self.labels[:count], months=months, calendar=self.calendar[:count])

    def position(self, cell: Expr) -> Expr:
        """Return the position of each cell's period, as an expression; NULL where it is blank."""
        import ibis

        if self.positions is not None:
            return cell.cast("string").cases(*self.positions.items()).cast("int64")
        assert self.origin is not None  # noqa: S101  # dates have one
        stored = cell.type().is_date()
        day = within(cell, "date") if stored else parsed(cell, "date", "text", self.style)
        if not self.width:
            first = 12 * self.origin.year + self.origin.month
            return (day.year().cast("int64") * 12 + day.month() - first).cast("int64")
        return (day.delta(ibis.literal(self.origin), unit="day") / self.width).floor().cast("int64")


def find_periods(
    source: Source, layout: Layout, header: str, launch: Launch | None, key: str
) -> Periods | None:
    """Return the periods of the wanted rows; None where an unneeded column is empty.

    Dates are taken by whole months where all are first days of months, else by day, week or four weeks,
    counted from the launch. ``2025-03`` and the like are months. Other labels are ordered as numbers, or as
    text whose numbers count; of two labels without numbers the launch is the second.

    Parameters
    ----------
    source : Source
    layout : Layout
        With arms found.
    header : str
        The column.
    launch : date, int, str or None
        First treated value.
    key : str
        Config key of the outcome, for messages.

    Raises
    ------
    ProblemsError
        When dates can be read in several ways, labels have no order, or the launch is not among them.
    """
    stored = layout.stored(header)
    cells = layout.wanted(source)
    values = source.engine.stage(cells.group_by(_x=cells["_period"]).agg(_n=cells.count()))
    (style,) = styles([("_x", "date", stored)], values, source.run, decimal_comma=False, rows="_n")
    values = source.engine.stage(values.mutate(date=parsed(values["_x"], "date", stored, style)))
    values = source.engine.stage(values.select("_x", date=within(values["date"], "date")))
    text, day = values["_x"], values["date"]
    by_day = values.group_by("date").agg(labels=text.count(), bad=counted(text.notnull() & day.isnull()))
    days = source.run(by_day.order_by("date")).to_pylist()
    labels, bad = (sum(row[name] for row in days) for name in ("labels", "bad"))
    if not labels:
        if launch is None:
            return None
        told = f'the column "{header}" is empty'
        raise ProblemsError(Problem(told, "a time in each row", key=f"{key}.period"))
    if not bad:
        known = [row["date"] for row in days if row["date"] is not None]
        return _dated(known, launch, style or "iso", header, key)
    if bad < labels or style not in ("iso", ""):
        field = Field(header, "date", "date", stored=stored, style=style)
        looked = replace(layout, fields=(field,), segment=None, cluster=None, period=None)
        count = tally(source, looked, looked.typed(source), (), _arms(looked))
        raise ProblemsError(*row_problems(source, looked, (), count))
    if labels > _MOST_LABELS:
        told = f'the column "{header}" has {labels} different values'
        raise ProblemsError(Problem(told, "dates, or at most 2000 labels", key=f"{key}.period"))
    rows = source.run(values.filter(text.notnull()).select("_x").order_by("_x")).to_pylist()
    return _labelled([row["_x"] for row in rows], launch, header, key)


def _arms(layout: Layout) -> int:
    return max(layout.labels.values(), default=0) + 1


def _dated(days: Sequence[dt.date], launch: Launch | None, style: str, header: str, key: str) -> Periods:
    first, last = days[0], days[-1]
    start = None if launch is None else _as_date(launch)
    if launch is not None and start is None:
        raise _no_launch(launch, [day.isoformat() for day in (first, last)], header, key)
    if start is not None and not first < start <= last:
        raise _no_launch(start, [day.isoformat() for day in (first, last)], header, key)
    if all(day.day == 1 for day in days):
        count = _month(last) - _month(first) + 1
        at = 0 if start is None else _month(start) - _month(first) + (start.day > 1)
        labels = tuple(_month_label(_month(first) + i) for i in range(count))
        calendar = tuple((_month(first) + i - 1) % 12 + 1 for i in range(count))
        return Periods(labels, at, 1.0, float(count - at), calendar, origin=first, style=style)
    span = (last - first).days + 1
    weekly = all((day - first).days % 7 == 0 for day in days)
    width = 1 if span <= _MOST_DAYS and not weekly else 7 if span <= 7 * _MOST_WEEKS else 28
    origin = first
    if start is not None:
        origin = start - dt.timedelta(days=width * -(-(start - first).days // width))
    count = (last - origin).days // width + 1
    labels = tuple((origin + dt.timedelta(days=width * i)).isoformat() for i in range(count))
    at = 0 if start is None else (start - origin).days // width
    months = ((last - (start or first)).days + 1) / DAYS_PER_MONTH
    return Periods(labels, at, width / DAYS_PER_MONTH, months, (), origin=origin, width=width, style=style)


def _labelled(found: Sequence[str], launch: Launch | None, header: str, key: str) -> Periods:
    wanted = None if launch is None else _as_text(launch, found)
    if all(re.match(_YEAR_MONTH, text) for text in found):
        numbers = {text: 12 * int(text[:4]) + int(text[-2:]) for text in found}
        first = min(numbers.values())
        count = max(numbers.values()) - first + 1
        if wanted is not None and wanted not in numbers:
            raise _no_launch(launch, sorted(found), header, key)
        labels = tuple(_month_label(first + i) for i in range(count))
        calendar = tuple((first + i - 1) % 12 + 1 for i in range(count))
        at = 0 if wanted is None else numbers[wanted] - first
        positions = {text: number - first for text, number in numbers.items()}
        whole = Periods(labels, at, 1.0, float(count - at), calendar, positions)
    else:
        ordered = _ordered(found, wanted)
        if ordered is None:
            raise ProblemsError(
                Problem(
                    f'the labels of "{header}" cannot be put in order: {listed(list(found))}',
                    "dates, 2025-03, numbers, or labels that hold a number",
                    "name the launch, if there are two labels; else use a column of dates",
                    key=f"{key}.period",
                )
            )
        if wanted is not None and wanted not in ordered:
            raise _no_launch(launch, ordered, header, key)
        at = 0 if wanted is None else ordered.index(wanted)
        length = next((size for word, size in _UNITS.items() if word in header.casefold()), None)
        months = None if length is None else (len(ordered) - at) * length
        positions = {text: i for i, text in enumerate(ordered)}
        whole = Periods(tuple(ordered), at, length, months, (), positions)
    if launch is not None and not whole.launch:
        raise _no_launch(launch, list(whole.labels), header, key)
    return whole


def _ordered(found: Sequence[str], launch: str | None) -> list[str] | None:
    """Return labels in the order of time, or None where nothing tells it."""
    if all(re.search(r"[0-9]", text) for text in found):
        return sorted(found, key=_natural)
    if len(found) == 1:
        return list(found)
    if len(found) == 2 and launch in found:
        return sorted(found, key=lambda text: text == launch)
    # Without a launch nothing depends on the order but the look of a plot.
    return sorted(found) if launch is None else None


def _natural(text: str) -> list[tuple[int, float, str]]:
    """Sort key that takes the numbers in a text as numbers: week 2 comes before week 10."""
    parts = re.split(r"([0-9]+(?:\.[0-9]+)?)", text)
    return [(1, float(part), "") if i % 2 else (0, 0.0, part) for i, part in enumerate(parts)]


def _as_date(launch: Launch) -> dt.date | None:
    if isinstance(launch, dt.date):
        return launch
    try:
        return dt.date.fromisoformat(f"{launch}-01" if re.match(_YEAR_MONTH, str(launch)) else str(launch))
    except ValueError:
        return None


def _as_text(launch: Launch, found: Sequence[str]) -> str:
    if isinstance(launch, dt.date):
        return next((t for t in found if re.sub(r"[/.]", "-", t) == f"{launch:%Y-%m}"), launch.isoformat())
    return str(launch).strip()


def _no_launch(launch: Launch | None, labels: Sequence[str], header: str, key: str) -> ProblemsError:
    shown = f"{labels[0]} to {labels[-1]}" if len(labels) > 1 else listed(list(labels))
    return ProblemsError(
        Problem(
            f'launch is {launch}, but "{header}" runs from {shown}',
            "a value of the column that has others before it",
            did_you_mean(str(launch), list(labels)) or "name the first period under treatment",
            key=f"{key}.launch",
        )
    )


def _month(day: dt.date) -> int:
    return 12 * day.year + day.month


def _month_label(number: int) -> str:
    return f"{(number - 1) // 12:04d}-{(number - 1) % 12 + 1:02d}"
