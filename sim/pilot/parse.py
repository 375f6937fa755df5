"""Strict parsing, as expressions of the engine.

A column is read in two steps. First the whole column is looked at and one way of writing
is settled on (`styles`): decimal points or commas, one form of date. Then each cell is parsed that
way (`parsed`), and what does not fit becomes NULL: it is never guessed and never rounded.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from sim.pilot.engine import Expr, Stored
from sim.pilot.remembered import remembered
from sim.records.columns import ColumnKind

WHOLE = r"^[+-]?[0-9]+([eE][+-]?[0-9]+)?$"
_FRACTION = r"^[+-]?([0-9]+{mark}[0-9]*|{mark}[0-9]+)([eE][+-]?[0-9]+)?$"
MARKS = {"point": r"\.", "comma": ","}
FRACTION = {name: _FRACTION.replace("{mark}", mark) for name, mark in MARKS.items()}
"""A number with a decimal point or comma."""
THOUSANDS = {name: rf"^[+-]?[1-9][0-9]{{0,2}}{mark}[0-9]{{3}}$" for name, mark in MARKS.items()}
"""5.000: five, or five thousand?"""
_FOUR_DIGITS = r"^[+-]?[0-9]{4}"

_TIME = (
    r"([T ][0-9]{1,2}:[0-9]{2}(:[0-9]{2}([.,][0-9]+)?)?"
    r"( ?[AaPp][Mm])?( ?(Z|UTC|[+-][0-9]{2}:?([0-9]{2})?))?)?$"
)
DATES = {
    "iso": r"^([0-9]{4})-([0-9]{2})-([0-9]{2})" + _TIME,
    "y/m/d": r"^([0-9]{4})/([0-9]{1,2})/([0-9]{1,2})" + _TIME,
    "y.m.d": r"^([0-9]{4})\.([0-9]{1,2})\.([0-9]{1,2})" + _TIME,
    "/": r"^([0-9]{1,2})/([0-9]{1,2})/([0-9]{4})" + _TIME,
    ".": r"^([0-9]{1,2})\.([0-9]{1,2})\.([0-9]{4})" + _TIME,
    "-": r"^([0-9]{1,2})-([0-9]{1,2})-([0-9]{4})" + _TIME,
}
"""Forms of a date; those named by a separator alone leave open which part is the day."""
YEARS = (1900, 2199)

TRUE = ("1", "1.0", "true", "yes")
FALSE = ("0", "0.0", "false", "no")
LARGEST_WHOLE = 2.0**53
NUMBERS = ("count", "amount", "number", "integer")


def label(column: Expr, stored: Stored) -> Expr:
    """Return the cell as the text by which arms and segments are compared: 1.0 reads ``1``."""
    if stored == "real":
        whole = (column % 1 == 0) & (column.abs() < LARGEST_WHOLE)
        return whole.ifelse(whole.ifelse(column, 0.0).cast("int64").cast("string"), column.cast("string"))
    return column if stored in ("text", "other") else column.cast("string")


def is_code(column: Expr, stored: Stored, codes: Sequence[float | str]) -> Expr:
    """Return whether the cell is one of the user's codes for "no value"; numbers by value, text as text."""
    import ibis

    words = [code.strip() for code in codes if isinstance(code, str)]
    values = [float(code) for code in codes if not isinstance(code, str)]
    found = [label(column, stored).isin(words)] if words else []
    if values and stored in ("integer", "real"):
        found.append(column.cast("float64").isin(values))
    elif values and stored == "text":
        found.append(column.try_cast("float64").isin(values))
    return ibis.or_(*found).fill_null(False) if found else ibis.literal(False)


def styles(
    columns: Sequence[tuple[str, ColumnKind, Stored]],
    table: Expr,
    run: Callable[[Expr], Any],
    *,
    decimal_comma: bool,
    rows: str | None = None,
) -> list[str]:
    """Look at whole columns and return the one way in which each is written, see `settle`.

    Parameters
    ----------
    columns : sequence of (name, kind, storage)
        Columns of `table`.
    table : Ibis table
    run : callable
        That of the engine.
    decimal_comma : bool
        Whether the file leaves commas free to be decimal marks.
    rows : str or None
        Column that says how many rows each row stands for.
    """
    found: list[dict[str, int]] = [{} for _ in columns]
    texts = [(i, name, kind) for i, (name, kind, stored) in enumerate(columns) if stored == "text"]
    asked: list[tuple[int, str, str]] = [each for each in texts if each[2] in (*NUMBERS, "date")]
    while asked:
        counts = run(_counts(table, tuple(asked), rows)).to_pylist()[0]
        for name, number in counts.items():
            i, _, hint = name.partition(" ")
            found[int(i)][hint] = number
        forms = [(i, name, _form(found[i])) for i, name, kind in asked if kind == "date"]
        asked = [each for each in forms if len(each[2]) == 1]
    return [
        settle(kind, stored, counts, decimal_comma=decimal_comma)
        for (_, kind, stored), counts in zip(columns, found, strict=True)
    ]


@remembered
def _counts(table: Expr, columns: tuple[tuple[int, str, str], ...], rows: str | None) -> Expr:
    """Return how many cells of each column give each hint; columns by number, name and what to look for."""
    times = 1 if rows is None else table[rows]
    asked = {
        f"{i} {hint}": counted(condition, times)
        for i, name, what in columns
        for hint, condition in _hints(table[name], what).items()
    }
    return table.aggregate(**asked)


def _hints(column: Expr, what: str) -> dict[str, Expr]:
    """Return what tells how numbers or dates are written, or in dates of one form which part is the day."""
    if what == "date":
        return {form: column.re_search(pattern) for form, pattern in DATES.items()}
    if what in DATES:
        pattern = DATES[what]
        parts = {place: column.re_extract(pattern, place).try_cast("int64") for place in (1, 2)}
        return {
            f"{what} day {place}": column.re_search(pattern) & (part > 12) for place, part in parts.items()
        }
    return {
        "large": column.re_search(_FOUR_DIGITS),
        **{mark: column.re_search(FRACTION[mark]) for mark in MARKS},
        **{f"{mark} thousands": column.re_search(THOUSANDS[mark]) for mark in MARKS},
    }


def _form(counts: Mapping[str, int]) -> str:
    """Return the form that most dates have."""
    return max(DATES, key=lambda name: counts.get(name, 0))


def settle(kind: ColumnKind, stored: Stored, counts: Mapping[str, int], *, decimal_comma: bool) -> str:
    """Return the one way in which the column is written; a trailing ``?`` means that it is ambiguous.

    Parameters
    ----------
    counts : mapping of str to int
        How many cells were of each form.
    decimal_comma : bool
        Whether the file leaves commas free to be decimal marks.

    Examples
    --------
    >>> settle("amount", "text", {"point": 3, "point thousands": 3}, decimal_comma=False)
    'point?'
    >>> settle("date", "text", {"/": 9, "/ day 1": 4, "/ day 2": 0}, decimal_comma=False)
    'd/m/y'
    """
    if stored != "text":
        return ""
    if kind in NUMBERS:
        comma = decimal_comma and counts.get("comma", 0) and not counts.get("point", 0)
        mark = "comma" if comma else "point"
        # A number of four digits, or a fraction that cannot be a group of thousands, settles it.
        unsettled = counts.get(mark, 0) == counts.get(f"{mark} thousands", 0) and not counts.get("large", 0)
        return f"{mark}?" if unsettled and counts.get(mark, 0) else mark
    if kind == "date":
        form = _form(counts)
        if len(form) > 1:
            return form
        first, second = (counts.get(f"{form} day {place}", 0) > 0 for place in (1, 2))
        if first == second:
            return f"d{form}m{form}y?"
        return f"d{form}m{form}y" if first else f"m{form}d{form}y"
    return ""


def parsed(column: Expr, kind: ColumnKind, stored: Stored, style: str) -> Expr:
    """Return what each cell says, as a flag, a date or a number; NULL where it is blank or unreadable."""
    if kind == "flag":
        return _flag(column, stored)
    return _date(column, stored, style) if kind == "date" else _number(column, stored, style)


def within(value: Expr, kind: ColumnKind) -> Expr:
    """Return the parsed values that the kind allows, in the type that models receive; NULL for others."""
    import ibis

    if kind == "flag":
        return value
    if kind == "date":
        return value.year().between(*YEARS).ifelse(value, ibis.null("date"))
    fits = ~(value.isnan() | value.isinf())
    if kind != "number":
        fits &= value >= 0
    if kind in ("count", "integer"):
        fits &= (value % 1 == 0) & (value < LARGEST_WHOLE)
    value = fits.ifelse(value, ibis.null("float64"))
    return value.cast("int64") if kind == "integer" else value


def _flag(column: Expr, stored: Stored) -> Expr:
    import ibis

    if stored == "flag":
        return column
    if stored == "text":
        word = column.lower()
        return ibis.cases((word.isin(TRUE), True), (word.isin(FALSE), False), else_=ibis.null("boolean"))
    if stored in ("integer", "real"):
        return ibis.cases((column == 1, True), (column == 0, False), else_=ibis.null("boolean"))
    return ibis.null("boolean")


def _number(column: Expr, stored: Stored, style: str) -> Expr:
    import ibis

    if stored in ("integer", "real"):
        return column.cast("float64")
    if stored != "text":
        return ibis.null("float64")
    mark = style.rstrip("?")
    well_formed = column.re_search(WHOLE) | column.re_search(FRACTION[mark])
    if style.endswith("?"):
        well_formed &= ~column.re_search(THOUSANDS[mark])
    plain = column.replace(",", ".") if mark == "comma" else column
    return well_formed.ifelse(plain, ibis.null("string")).try_cast("float64")


def _date(column: Expr, stored: Stored, style: str) -> Expr:
    import ibis

    if stored == "date":
        return column
    if stored != "text" or style.endswith("?"):
        return ibis.null("date")
    form, order = (style, "ymd") if style in DATES else (style[1], style.replace(style[1], ""))
    if form == "iso":
        iso = column.left(10)
    else:
        parts = {letter: column.re_extract(DATES[form], order.index(letter) + 1) for letter in "ymd"}
        iso = parts["y"] + "-" + parts["m"].lpad(2, "0") + "-" + parts["d"].lpad(2, "0")
    return column.re_search(DATES[form]).ifelse(iso, ibis.null("string")).try_cast("date")


def counted(condition: Expr, rows: Expr | int = 1) -> Expr:
    """Return how many rows meet a condition, NULL counting as no; `rows` is how many each row stands for."""
    met = condition.fill_null(False).cast("int64")
    return (met if isinstance(rows, int) else met * rows).sum().fill_null(0)
