"""The table that a reading makes of its parts: arms, segments and typed columns, as one expression."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace

from sim.pilot.engine import Expr, Stored
from sim.pilot.parse import is_code, label, parsed, styles, within
from sim.pilot.part import Part
from sim.pilot.remembered import remembered
from sim.pilot.source import Source
from sim.records.columns import ColumnKind
from sim.records.summary import ALL

_KEYS = ("_arm", "_segment", "_period", "_cluster")
BLANK = "(blank)"
"""Name of the segment of rows whose segment cell is empty."""


@dataclass(frozen=True, slots=True)
class Field:
    """A column that is read: under `role` for the model, or (role None) as a flag of failed rows."""

    header: str
    kind: ColumnKind
    role: str | None = None
    blank: bool = False
    stored: Stored = "text"
    style: str = ""


@dataclass(frozen=True, slots=True)
class Layout:
    """Which columns are read, how they are written, and which rows count.

    Parameters
    ----------
    parts : tuple of Part
    fields : tuple of Field
    arm, segment : str or None
        Headers.
    codes : tuple
        What stands for "no value".
    labels : mapping of str to int
        Labels as they stand in the file to positions of arms; empty without an arm column.
    whole : bool
        Whether a row is empty only if all its cells are, not just those that are read (slower).
    period, cluster : str or None
        Headers of the columns that tell the time of a row and with which others it belongs together.
    position : callable or None
        Makes the position of its period of a cell's text, once the periods are known.
    launch : int or None
        Position of the first period under treatment where the design turns on it: rows without a period
        are then without a value, and without an arm column the phase is the arm.
    until : int or None
        Position of the first period whose rows are no longer looked at; rows without a period are not either.
    """

    parts: tuple[Part, ...]
    fields: tuple[Field, ...]
    arm: str | None
    segment: str | None
    codes: tuple[float | str, ...]
    labels: Mapping[str, int]
    whole: bool = False
    period: str | None = None
    cluster: str | None = None
    position: Callable[[Expr], Expr] | None = None
    launch: int | None = None
    until: int | None = None

    def stored(self, header: str) -> Stored:
        """Return how the column is stored in all parts; text where they differ."""
        found = {part.stored[part.index(header)] for part in self.parts}
        if len(found) == 1:
            return found.pop()
        return "real" if found == {"integer", "real"} else "text"

    def known(self) -> Layout:
        """Return the layout with the storage of its fields filled in."""
        return replace(self, fields=tuple(replace(f, stored=self.stored(f.header)) for f in self.fields))

    def _cells(self, source: Source, part: Part, *, numbered: bool) -> Expr:
        """Return one part: ``_arm``, ``_segment`` and ``_x0…``, codes for "no value" turned into NULL."""
        columns: dict[str, tuple[str, Stored]] = {
            f"_x{i}": (f.header, f.stored) for i, f in enumerate(self.fields)
        }
        keys = {"_arm": self.arm, "_segment": self.segment, "_period": self.period, "_cluster": self.cluster}
        columns |= {name: (header, "text") for name, header in keys.items() if header is not None}
        if self.period is not None and self.stored(self.period) == "date":
            columns["_period"] = self.period, "date"  # to write days as text and read them again takes long
        places = {name: part.index(header) for name, (header, _) in columns.items()}
        numbered = numbered and not part.counted
        table = part.table(range(len(part.headers)) if self.whole else sorted(set(places.values())))
        staged = source.engine.stage(_raw(table, tuple(places.items()), self.whole, numbered))
        stored = tuple((name, there, part.stored[places[name]]) for name, (_, there) in columns.items())
        looked_at = tuple(table.columns if self.whole else places)
        return _read(staged, stored, looked_at, self.codes, numbered)

    def cells(self, source: Source, part: Part | None = None) -> Expr:
        """Return the cells of one part with their row numbers, or of all parts without."""
        import ibis

        if part is not None:
            return source.engine.stage(self._cells(source, part, numbered=True))
        tables = [self._cells(source, each, numbered=False) for each in self.parts]
        return source.engine.stage(ibis.union(*tables, distinct=False) if len(tables) > 1 else tables[0])

    def wanted(self, source: Source, part: Part | None = None) -> Expr:
        """Return the cells of the arms and periods that are read."""
        cells = self.cells(source, part)
        if self.until is not None and self.position is not None:
            cells = source.engine.stage(cells.filter(self.position(cells["_period"]) < self.until))
        return _of(cells, tuple(self.labels)) if self.labels else cells

    def styled(self, source: Source) -> Layout:
        """Look at the columns of the wanted rows and return the layout with their ways of writing."""
        cells = self.wanted(source)
        comma = all(part.delimiter not in ("", ",") for part in self.parts)
        columns = [(f"_x{i}", field.kind, field.stored) for i, field in enumerate(self.fields)]
        if any(part.counted for part in self.parts):
            found = [self._style_by_value(source, cells, *column) for column in columns]
        else:
            found = styles(columns, cells, source.run, decimal_comma=comma)
        fields = (replace(field, style=style) for field, style in zip(self.fields, found, strict=True))
        return replace(self, fields=tuple(fields))

    def _style_by_value(
        self, source: Source, cells: Expr, name: str, kind: ColumnKind, stored: Stored
    ) -> str:
        """Look at the different values of a column: a warehouse takes long over patterns."""
        values = source.engine.stage(cells.group_by(_x=cells[name]).aggregate(_n=cells.count()))
        return styles([("_x", kind, stored)], values, source.run, decimal_comma=False, rows="_n")[0]

    def typed(self, source: Source, part: Part | None = None) -> Expr:
        """Return arm (position), segment, a typed column per role, and what is needed to judge rows.

        ``_passed``: no earlier outcome succeeded. ``_out``: a needed cell has no value.
        ``_bad0…``: the cell ``_x0…`` has text that does not fit.
        """
        cells = source.engine.stage(_parsed(self.wanted(source, part), self.fields))
        cells = source.engine.stage(_within(cells, self.fields))
        if self.position is not None:
            cells = source.engine.stage(cells.mutate(_position=self.position(cells["_period"])))
        told = (self.segment is not None, self.cluster is not None, self.position is not None)
        numbered = part is not None and not part.counted
        labels = tuple(self.labels.items())
        return source.engine.stage(_typed(cells, self.fields, labels, told, self.launch, numbered))

    def judged(self, i: int, table: Expr) -> Expr:
        """Return which rows of `table` (from `typed`) have a cell in field i that must be mended."""
        bad = table[f"_bad{i}"]
        return bad if self.fields[i].role is None else bad & table["_passed"]


@remembered
def _raw(table: Expr, places: tuple[tuple[str, int], ...], whole: bool, numbered: bool) -> Expr:
    import ibis

    raw = {name: table[f"c{place}"] for name, place in places}
    if numbered:
        raw["_row"] = ibis.row_number()
    return table.mutate(**raw) if whole else table.select(**raw)


@remembered
def _read(
    staged: Expr,
    columns: tuple[tuple[str, Stored, Stored], ...],
    looked_at: tuple[str, ...],
    codes: tuple[float | str, ...],
    numbered: bool,
) -> Expr:
    """Return the rows that are not empty; columns by name, as they are stored in all parts and here."""
    import ibis

    # An empty row at the end of a spreadsheet is no row.
    filled = ibis.or_(*(staged[name].notnull() for name in looked_at))
    read = {name: ibis.null("string") for name in _KEYS}
    for name, stored, here in columns:
        column = staged[name]
        if codes:
            column = is_code(column, here, codes).ifelse(ibis.null(column.type()), column)
        if stored in (here, "other") and (name not in _KEYS or stored == "date"):
            read[name] = column
        else:
            read[name] = column.cast("float64") if stored == "real" else label(column, here)
    if numbered:
        read["_row"] = staged["_row"]
    return staged.filter(filled).select(**read)


@remembered
def _of(cells: Expr, labels: tuple[str, ...]) -> Expr:
    return cells.filter(cells["_arm"].isin(labels))


@remembered
def _parsed(cells: Expr, fields: tuple[Field, ...]) -> Expr:
    return cells.mutate(
        **{f"_v{i}": parsed(cells[f"_x{i}"], f.kind, f.stored, f.style) for i, f in enumerate(fields)}
    )


@remembered
def _within(cells: Expr, fields: tuple[Field, ...]) -> Expr:
    return cells.mutate(**{f"_v{i}": within(cells[f"_v{i}"], f.kind) for i, f in enumerate(fields)})


@remembered
def _typed(
    cells: Expr,
    fields: tuple[Field, ...],
    labels: tuple[tuple[str, int], ...],
    told: tuple[bool, bool, bool],
    launch: int | None,
    numbered: bool,
) -> Expr:
    """Return what `Layout.typed` does, of parsed cells and whether segment, cluster and period are told."""
    import ibis

    segmented, clustered, dated = told
    period = cells["_position"] if dated else ibis.null("int64")
    arm = cells["_arm"].cases(*labels) if labels else ibis.literal(0, "int64")
    if launch is not None and not labels:
        arm = (period >= launch).fill_null(False)
    columns = {
        "arm": arm.cast("int64"),
        "_period": period,
        "_cluster": cells["_cluster"],
        "segment": cells["_segment"].fill_null(BLANK) if segmented else ibis.literal(ALL),
        "_blank": cells["_segment"].isnull() if segmented else ibis.literal(False),
    }
    failed, out = [ibis.literal(False)], [ibis.literal(False)]
    for i, field in enumerate(fields):
        raw, value = cells[f"_x{i}"], cells[f"_v{i}"]
        columns[f"_x{i}"] = label(raw, field.stored)
        columns[f"_bad{i}"] = raw.notnull() & value.isnull()
        if field.role is None:
            failed.append(value.fill_null(False))
        else:
            columns[field.role] = value
        if not field.blank:
            out.append(raw.isnull())
    if launch is not None:
        out.append(period.isnull())
    if clustered:
        out.append(cells["_cluster"].isnull())
    columns["_passed"] = ~ibis.or_(*failed)
    columns["_out"] = ibis.or_(*out)
    if numbered:
        columns["_row"] = cells["_row"]
    return cells.select(**columns)


def kept(table: Expr) -> Expr:
    """Return which rows of a `typed` table are used."""
    return table["_passed"] & ~table["_out"]


def first_rows(
    source: Source, table: Expr, condition: Expr, columns: Sequence[str], most: int
) -> list[tuple[int, ...]]:
    """Return ``(row, *columns)`` of the first rows of a numbered table that meet a condition.

    Where rows have no order these are ``(count, *columns)``, the most frequent first.
    """
    if any(part.counted for part in source.parts):
        wrong = table.filter(condition)
        groups = wrong.group_by(list(columns)) if columns else wrong
        counts = groups.aggregate(_row=wrong.count()).select("_row", *columns)
        found = source.run(counts.order_by(counts["_row"].desc(), *columns).limit(most))
        return [tuple(row.values()) for row in found.to_pylist() if row["_row"]]
    rows = source.run(table.filter(condition).order_by("_row").limit(most).select("_row", *columns))
    return [tuple(row.values()) for row in rows.to_pylist()]
