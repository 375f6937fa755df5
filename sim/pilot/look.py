"""Looks at a table that nobody has described yet: what each column holds, in the engine."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from sim.errors import Problem, ProblemsError
from sim.pilot.engine import Expr
from sim.pilot.parse import counted, label, parsed, styles, within
from sim.pilot.part import Part
from sim.pilot.source import Source, open_source
from sim.records.columns import ColumnKind
from sim.records.look import ColumnLook, Look, Value

_MOST_COLUMNS = 60
_MOST_VALUES = 24
_MONTH = r"^(?:19|20|21)[0-9]{2}[-/.](?:0[1-9]|1[0-2])$"
_WRITTEN: tuple[ColumnKind, ...] = ("number", "date")
_KINDS: tuple[ColumnKind, ...] = ("number", "count", "flag", "date")
_AS: Mapping[ColumnKind, ColumnKind] = {"count": "number"}
"""Kinds that are written as another is."""


def look(file: Path, shown: str) -> Look:
    """Look at a table in any format that sim reads; of a pattern, at its first file.

    Parameters
    ----------
    file : Path
    shown : str
        The file as the user named it, for messages.

    Raises
    ------
    ProblemsError
        When the file cannot be read, or holds no rows.
    """
    source = open_source(file, shown, "from")
    part = source.parts[0]
    once = [i for i, name in enumerate(part.headers) if name and part.headers.count(name) == 1]
    places = once[:_MOST_COLUMNS]
    table = part.table(places)
    styles = _styles(source, part, table, places)
    read = {
        (i, kind): within(parsed(table[f"c{i}"], kind, part.stored[i], styles[i, kind]), kind)
        for i in places
        for kind in _KINDS
    }
    whole = _whole(source, part, table, places, read)
    if not places or not whole["rows"]:
        raise ProblemsError(Problem("the table has no rows", "a header and rows below it", file=shown))
    columns = {}
    for i in places:
        values: tuple[Value, ...] = ()
        if 0 < whole[f"different{i}"] <= _MOST_VALUES:
            values = _values(source, part, table, i)
        told = {name: whole.get(f"{name}{i}", missing) for name, missing in _MEASURED.items()}
        told["months"] = 0 < told.pop("year_months") == told["filled"]
        columns[part.headers[i]] = ColumnLook(part.headers[i], values=values, **told)
    return Look(whole["rows"], columns, _within(source, part, table, columns, read))


_MEASURED: dict[str, Any] = dict.fromkeys(
    ("filled", "different", "numbers", "whole", "flags", "dates", "year_months"), 0
) | dict.fromkeys(("least", "most", "total", "last"))
"""What is measured of a column, with what it is where the column cannot be read as such."""


def _styles(source: Source, part: Part, table: Expr, places: list[int]) -> dict[tuple[int, ColumnKind], str]:
    """Return how numbers and days are written in each column."""
    asked = [(i, kind) for i in places for kind in _WRITTEN]
    columns = [(f"c{i}", kind, part.stored[i]) for i, kind in asked]
    found = dict(
        zip(asked, styles(columns, table, source.run, decimal_comma=part.delimiter != ","), strict=True)
    )
    return {(i, kind): found.get((i, _AS.get(kind, kind)), "") for i in places for kind in _KINDS}


def _whole(
    source: Source, part: Part, table: Expr, places: list[int], read: Mapping[tuple[int, ColumnKind], Expr]
) -> dict[str, Any]:
    """Return what is measured of every column over all rows."""
    asked: dict[str, Expr] = {"rows": table.count()}
    for i in places:
        text = label(table[f"c{i}"], part.stored[i])
        asked |= {
            f"filled{i}": text.count(),
            f"different{i}": text.nunique(),
            f"year_months{i}": counted(text.re_search(_MONTH)),
        }
        stored, number, day = part.stored[i], read[i, "number"], read[i, "date"]
        # What cannot be read as such is one NULL rather than a column of them, and is not asked for.
        if stored in ("text", "integer", "real"):
            asked |= {
                f"numbers{i}": number.count(),
                f"whole{i}": read[i, "count"].count(),
                f"least{i}": number.min(),
                f"most{i}": number.max(),
                f"total{i}": number.sum(),
            }
        if stored in ("text", "integer", "real", "flag"):
            asked[f"flags{i}"] = read[i, "flag"].count()
        if stored in ("text", "date"):
            asked |= {f"dates{i}": day.count(), f"last{i}": day.max().cast("date")}
    found: dict[str, Any] = source.run(table.aggregate(**asked)).to_pylist()[0]
    return found


def _values(source: Source, part: Part, table: Expr, at: int) -> tuple[Value, ...]:
    """Return the values of a column, the most frequent first."""
    keyed = table.mutate(_value=label(table[f"c{at}"], part.stored[at]))[["_value"]]
    found = source.run(keyed.group_by("_value").agg(rows=keyed.count())).to_pylist()
    rows = [row for row in found if row["_value"] is not None]
    return tuple(
        Value(row["_value"], row["rows"]) for row in sorted(rows, key=lambda r: (-r["rows"], r["_value"]))
    )


def beside(file: Path, shown: str, header: str) -> tuple[Value, ...]:
    """Return the values of a column, with what each other column holds beside them.

    Parameters
    ----------
    file, shown
        As for `look`.
    header : str
        A column of few different values, such as the one that tells the arms.
    """
    source = open_source(file, shown, "from")
    part = source.parts[0]
    places = [i for i, name in enumerate(part.headers) if name and part.headers.count(name) == 1]
    table = part.table(places[:_MOST_COLUMNS])
    at = part.index(header)
    keyed = table.mutate(_value=label(table[f"c{at}"], part.stored[at]))
    asked = {"rows": keyed.count()}
    for i in places[:_MOST_COLUMNS]:
        asked |= {f"filled{i}": keyed[f"c{i}"].count(), f"different{i}": keyed[f"c{i}"].nunique()}
    found = source.run(keyed.group_by("_value").agg(**asked)).to_pylist()
    return tuple(
        Value(
            row["_value"],
            row["rows"],
            *(
                {part.headers[i]: row[f"{name}{i}"] for i in places[:_MOST_COLUMNS]}
                for name in ("filled", "different")
            ),
        )
        for row in sorted(found, key=lambda row: (-row["rows"], str(row["_value"])))
        if row["_value"] is not None
    )


def _within(
    source: Source,
    part: Part,
    table: Expr,
    columns: Mapping[str, ColumnLook],
    read: Mapping[tuple[int, ColumnKind], Expr],
) -> frozenset[tuple[str, str]]:
    """Return the pairs of counts of which the first is nowhere larger; a flag in each row counts nothing."""
    counts = [name for name, seen in columns.items() if seen.is_count and not seen.is_flag][:12]
    pairs = [(a, b) for a in counts for b in counts if a != b]
    if not pairs:
        return frozenset()
    asked = {
        f"p{n}": counted(read[part.index(a), "count"] > read[part.index(b), "count"])
        for n, (a, b) in enumerate(pairs)
    }
    above = source.run(table.aggregate(**asked)).to_pylist()[0]
    return frozenset(pair for n, pair in enumerate(pairs) if not above[f"p{n}"])
