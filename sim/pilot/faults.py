"""Words for cells that do not fit: what stands there, what may, and how to mend it."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from sim.errors import Problem
from sim.pilot.parse import DATES, FRACTION, LARGEST_WHOLE, NUMBERS, THOUSANDS, WHOLE, YEARS
from sim.pilot.part import Part
from sim.records.columns import ColumnKind

EXAMPLES = 5

ALLOWED: dict[ColumnKind, str] = {
    "count": "a whole number, 0 or more",
    "integer": "a whole number, 0 or more",
    "amount": "a number, 0 or more",
    "number": "a number",
    "flag": "0 or 1, true or false, yes or no",
    "date": "a date written yyyy-mm-dd",
}
_CODE = 'correct it; if it means "no value", leave the cell empty or name it under `missing`'
_GROUPED = re.compile(r"^[+-]?[0-9]{1,3}([ ,.'’\u00a0\u202f][0-9]{3})+([.,][0-9]+)?$")
_SHORT_YEAR = re.compile(r"^[0-9]{1,2}([/.-])[0-9]{1,2}\1[0-9]{2}$")


@dataclass(frozen=True, slots=True)
class Reason:
    """Why a cell does not fit: ends the sentence "«cell» …"; cells of one reason share a message."""

    found: str
    remedy: str


def reason(text: str, kind: ColumnKind, style: str) -> Reason:
    """Return why `text` was refused in a column of this kind and way of writing.

    Examples
    --------
    >>> reason("5%", "count", "point").found
    'is a percentage'
    >>> reason("01/02/2025", "date", "d/m/y?").remedy
    'write the dates of the whole column as yyyy-mm-dd'
    """
    if kind in NUMBERS:
        return _number(text, kind, style)
    if kind == "date":
        return _date(text, style)
    return Reason("is neither yes nor no", _CODE)


def _number(text: str, kind: ColumnKind, style: str) -> Reason:
    mark = style.rstrip("?") or "point"
    if re.match(WHOLE, text) or re.match(FRACTION[mark], text):
        return _value(text, style, mark)
    if re.fullmatch(r"[+-]?(nan|inf|infinity)", text, re.IGNORECASE):
        return Reason("is no finite number", _CODE)
    if text.endswith("%"):
        remedy = "give the counts themselves" if kind in ("count", "integer") else "write 5% as 0.05"
        return Reason("is a percentage", remedy)
    if mark == "point" and re.match(FRACTION["comma"], text):
        if re.match(THOUSANDS["comma"], text):
            return Reason("may have a decimal comma or a thousands separator", "write 1234 or 1.234")
        return Reason(
            "has a decimal comma",
            "write 1.5; decimal commas are read where cells are separated by semicolons or tabs "
            "and the whole column has commas",
        )
    if mark == "comma" and re.match(FRACTION["point"], text):
        return Reason("has a decimal point in a column of decimal commas", "write all with one mark")
    if _GROUPED.match(text):
        return Reason("has thousands separators", "write the digits without them: 1234567.89")
    if any(char.isdigit() for char in text):
        return Reason("is not a plain number", "write the number alone, without unit, currency or spaces")
    return Reason("is not a number", _CODE)


def _value(text: str, style: str, mark: str) -> Reason:
    """Return what is wrong with a well-formed number."""
    if style.endswith("?") and re.match(THOUSANDS[mark], text):
        remedy = "write 5000 or 5.0, so that the column can be read one way only"
        remedy = remedy if mark == "point" else remedy.replace(".", ",")
        return Reason("may be a fraction or have a thousands separator", remedy)
    value = float(text.replace(",", "."))
    if value in (float("inf"), float("-inf")):
        return Reason("is too large for a number", _CODE)
    if value < 0:
        return Reason("is negative", _CODE)
    if not value.is_integer():
        return Reason("is not a whole number", "give counts; rates and shares belong in other columns")
    return Reason(f"is too large for a count (at most {LARGEST_WHOLE:.0f})", _CODE)


def _date(text: str, style: str) -> Reason:
    iso = "write the dates of the whole column as yyyy-mm-dd"
    form = next((form for form, pattern in DATES.items() if re.match(pattern, text)), None)
    if form is None:
        if _SHORT_YEAR.match(text):
            return Reason("has a year of two digits", iso)
        return Reason("is not a date", iso if any(char.isdigit() for char in text) else _CODE)
    settled = style if style in DATES else style[1:2]
    if settled and form != settled:
        return Reason("is written differently from other dates of the column", iso)
    if style.endswith("?"):
        return Reason("may have day or month first, and the column does not settle it", iso)
    found = re.match(r".*?([0-9]{4})", text)
    year = int(found[1]) if found else 0
    if year > YEARS[1] and year < 2700:
        return Reason(f"is in the year {year}", "write years of the common era (Buddhist era minus 543)")
    if not YEARS[0] <= year <= YEARS[1]:
        return Reason(f"is outside the years {YEARS[0]} to {YEARS[1]}", _CODE)
    return Reason("is no day of the calendar", iso)


def cell_problems(
    part: Part,
    header: str,
    kind: ColumnKind,
    style: str,
    cells: Sequence[tuple[int, str]],
    total: int,
) -> list[Problem]:
    """Return one problem per reason, with the first lines and the number of the rest.

    Parameters
    ----------
    cells : sequence of (int, str)
        Row (from 0) and text of refused cells, in order.
    total : int
        How many there are in this file; `cells` may hold only the first of them.
    """
    by_reason: dict[Reason, list[tuple[int, str]]] = {}
    for row, text in cells:
        by_reason.setdefault(reason(text, kind, style), []).append((row, text))
    unseen = total - part.rows([row for row, _ in cells])
    problems = []
    for why, found in by_reason.items():
        shown = found[:EXAMPLES]
        places = part.places([row for row, _ in shown])
        problems.append(
            Problem(
                found=told(part, [(row, f'"{_clipped(text)}"') for row, text in shown], places, why.found)
                + rest(part.rows([row for row, _ in found[EXAMPLES:]]), unseen),
                allowed=ALLOWED[kind],
                remedy=why.remedy,
                file=part.shown,
                line=places[shown[0][0]] if part.word == "line" else None,
                key=(part.keys or {}).get(header, header),
            )
        )
    return problems


def told(
    part: Part,
    examples: Sequence[tuple[int, str]],
    places: Mapping[int, int],
    what: str,
    *,
    lead: bool = False,
) -> str:
    """Return ``"x" is negative (line 3)`` or, with several or `lead`, ``is negative: "x" (line 3), …``."""
    inline = part.shown is None and len(examples) == 1
    cells = [(text, "" if inline else f" ({part.place(places[row])})") for row, text in examples]
    if lead or len(cells) > 1:
        return f"{what}: " + ", ".join(text + place for text, place in cells)
    return f"{cells[0][0]} {what}{cells[0][1]}"


def rest(more: int, unseen: int = 0) -> str:
    """Return how many were left untold."""
    if unseen:
        return f" and at least {more} more" if more else " and possibly more"
    return f" and {more} more" if more else ""


def _clipped(text: str, most: int = 40) -> str:
    line = " ".join(text.split())
    return line if len(line) <= most else line[: most - 1] + "…"
