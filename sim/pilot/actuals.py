"""What was measured in the months after a launch, read as strictly as a pilot table."""

from __future__ import annotations

import datetime as dt
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from sim.errors import Problem, Problems, ProblemsError
from sim.pilot.faults import cell_problems
from sim.pilot.findings import plain, row_problems, tally
from sim.pilot.layout import Field, Layout
from sim.pilot.part import Part, did_you_mean, listed
from sim.pilot.source import Source, open_source
from sim.records.columns import ColumnKind
from sim.records.history import month_number

MONTH, SEGMENT = "month", "segment"
_WHOLE = re.compile(r"[0-9]{1,4}")
_YEAR_MONTH = re.compile(r"((?:19|20|21)[0-9]{2})[-/.]?(0[1-9]|1[0-2])")
_MOST_ROWS = 100_000


@dataclass(frozen=True, slots=True)
class Row:
    """One row of the table.

    Parameters
    ----------
    month : int
        Month of the programme.
    text : str
        The month as written.
    segment : str or None
    values : mapping of str to float
        What was measured, by column; what is blank is not there.
    file : str or None
    line : int
        Line of the file, or row of a format without lines.
    lined : bool
        Whether `line` is one of a text file.
    """

    month: int
    text: str
    segment: str | None
    values: Mapping[str, float]
    file: str | None
    line: int
    lined: bool

    def told(self, found: str, key: str, *, allowed: str = "", remedy: str = "") -> Problem:
        """Return what is wrong with the row."""
        place = found if self.lined else f"{found} (row {self.line})"
        return Problem(place, allowed, remedy, self.file, self.line if self.lined else None, key)


@dataclass(frozen=True, slots=True)
class Table:
    """The opened table of actual months.

    Parameters
    ----------
    source : Source
    headers : mapping of str to str
        Column as the config names it to header as it stands in the file.
    segmented : bool
        Whether there is a segment column.
    rows : tuple of Row
    shown : str
    """

    source: Source
    headers: Mapping[str, str]
    segmented: bool
    rows: tuple[Row, ...]
    shown: str


def read_actuals(
    file: Path, shown: str, kinds: Mapping[str, ColumnKind], first: int | None, problems: Problems
) -> Table:
    """Read the table of actual months, as far as it can be read.

    Parameters
    ----------
    file : Path
    shown : str
        How the user wrote it.
    kinds : mapping of str to ColumnKind
        Every column that there may be besides ``month`` and ``segment``.
    first : int or None
        `month_number` of month 1; None where months are only numbered.
    problems : Problems
        Takes every problem of headers and cells: unknown columns, text in numbers, months that are none.

    Raises
    ------
    ProblemsError
        When there is no table of months to go on with.
    """
    source = open_source(file, shown, "ACTUALS")
    headers = _headers(source, shown, kinds, problems)
    used = [name for name in headers if name not in (MONTH, SEGMENT)]
    fields = [Field(headers[MONTH], "date", MONTH, blank=True)]
    fields += [Field(headers[name], kinds[name], f"c{i}", blank=True) for i, name in enumerate(used)]
    layout = Layout(source.parts, tuple(fields), None, headers.get(SEGMENT), (), {}).known().styled(source)
    count = tally(source, layout, layout.typed(source), (), 1)
    if not count.rows[0] or count.rows[0] > _MOST_ROWS:
        found = f"the table has {count.rows[0] or 'no'} rows"
        raise ProblemsError(Problem(found, "a header, and a row for each actual month", file=shown))
    # A month need not be a date, so its cells are judged below.
    wrong = [p for p in row_problems(source, layout, (), count) if p.key != headers[MONTH]]
    problems.found += wrong
    rows = [row for part in source.parts for row in _rows(source, layout, part, used, first, problems)]
    return Table(source, headers, SEGMENT in headers, tuple(rows), shown)


def _headers(
    source: Source, shown: str, kinds: Mapping[str, ColumnKind], problems: Problems
) -> dict[str, str]:
    """Return the header of each known column; note those that are unknown or come twice."""
    allowed = [MONTH, SEGMENT, *kinds]
    headers: dict[str, str] = {}
    for part in source.parts:
        if MONTH not in map(plain, part.headers):
            there = listed(part.headers)
            problems.add('there is no column "month"', allowed=f'"month"; there are {there}', file=shown)
        for header in dict.fromkeys(part.headers):
            name = _known(plain(header), allowed)
            if name is None:
                problems.add(
                    f'"{header}" is nothing that can be measured here',
                    allowed=listed(allowed, 30),
                    remedy=did_you_mean(header, allowed) or "name it as the config does, or drop the column",
                    file=shown,
                    line=1 if part.word == "line" else None,
                    key=header,
                )
            elif name in headers and headers[name] != header:
                found = f'"{header}" and "{headers[name]}" are the same column'
                problems.add(found, allowed="one of them", file=shown, key=name)
            elif twice := part.missing(header, name):
                problems.found.append(twice)
            else:
                headers[name] = header
    if MONTH not in headers:
        problems.raise_if_any()
    return headers


def _known(header: str, allowed: Sequence[str]) -> str | None:
    """Return the column that a header means; names need no quotes here, unlike in TOML."""
    bare = {plain(name.replace('"', "")): name for name in allowed}
    return next((name for name in allowed if plain(name) == header), bare.get(header.replace('"', "")))


def _rows(
    source: Source,
    layout: Layout,
    part: Part,
    used: Sequence[str],
    first: int | None,
    problems: Problems,
) -> list[Row]:
    """Return the rows of one file that can be read; note months that are none."""
    table = layout.typed(source, part)
    names = [f"c{i}" for i in range(len(used))]
    found = source.run(
        table.order_by("_row").select("_row", "_x0", MONTH, "segment", "_blank", *names)
    ).to_pylist()
    found = [row for row in found if any(row[name] is not None for name in names) or row["_x0"] is not None]
    places = part.places([row["_row"] for row in found])
    rows = list[Row]()
    unread: list[tuple[int, str]] = []
    for row in found:
        values = {name: float(row[c]) for name, c in zip(used, names, strict=True) if row[c] is not None}
        segment = None if layout.segment is None or row["_blank"] else plain(row["segment"])
        text = row["_x0"]
        line, lined = places[row["_row"]], part.word == "line"
        if text is None:
            blank = Row(0, "", segment, values, part.shown, line, lined)
            remedy = "a row that adds up the others must be deleted"
            problems.found.append(blank.told("figures without a month", MONTH, remedy=remedy))
            continue
        month = _month(text, row[MONTH], first)
        if month is None:
            unread.append((row["_row"], text))
        else:
            rows.append(Row(month, text, segment, values, part.shown, line, lined))
    if unread:
        dated = first is None and any(_date_like(text) for _, text in unread)
        style = layout.fields[0].style
        for problem in cell_problems(
            part, layout.fields[0].header, "date", style, unread[:1000], len(unread)
        ):
            allowed = "1, 2, … (0 for what is paid once before)"
            remedy = "state programme.start: dates of months need it" if dated else problem.remedy
            allowed += "" if first is None else ", a month written 2026-01, or a date written 2026-01-31"
            problems.add(
                problem.found.replace("is not a date", "is no month") if not dated else "dates of months",
                allowed=allowed,
                remedy=remedy,
                file=problem.file,
                line=problem.line,
                key=problem.key,
            )
    return rows


def _date_like(text: str) -> bool:
    return bool(_YEAR_MONTH.fullmatch(text)) or text.count("-") == 2 or text.count("/") == 2


def _month(text: str, day: dt.date | None, first: int | None) -> int | None:
    """Return the month of the programme that a cell means.

    Examples
    --------
    >>> start = month_number(dt.date(2026, 3, 1))
    >>> _month("2026-05", None, start), _month("2", None, start), _month("2026-05", None, None)
    (3, 2, None)
    """
    if _WHOLE.fullmatch(text) and (first is None or len(text) < 4):
        return int(text)
    if first is None:
        return None
    if day is not None:
        return month_number(day) - first + 1
    found = _YEAR_MONTH.fullmatch(text)
    return None if found is None else month_number(dt.date(int(found[1]), int(found[2]), 1)) - first + 1
