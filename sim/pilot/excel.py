"""Excel workbooks."""

from __future__ import annotations

import re
import warnings
import zipfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import closing
from pathlib import Path
from typing import Any

from sim.errors import Problem, ProblemsError
from sim.pilot.engine import Engine
from sim.pilot.part import Part, heading
from sim.pilot.relation import chosen, damaged
from sim.pilot.values import publish_values, text

_MOST_BYTES = 300_000_000
"""Unpacked; a million rows of ten columns take about as much."""
_MOST_PACKED = 250
"""Unpacked over packed bytes; sheets full of the same figures reach a hundred."""
_MOST_ROWS = 1 << 20
_MOST_CELLS = 50_000_000
_SAVE_AS_CSV = "save the sheet as CSV UTF-8"
_SPECIAL = re.compile(rb"<(?:\w+:)?(?:f|mergeCell)[ />]")
_PIECE = 1 << 20


def open_excel(engine: Engine, file: Path, shown: str, sheet: str | None) -> Part:
    """Read one worksheet, formulas by their stored values; the first filled row is the header.

    Raises
    ------
    ProblemsError
        When it is no workbook, would be too large unpacked, has no such sheet, or holds merged cells or
        formulas without values where the table is.
    """
    try:
        _unpacks(file, shown)
        rows, merged, unsaved = _sheet(file, shown, sheet)
    except ProblemsError:
        raise
    except Exception as error:  # noqa: BLE001  # a damaged workbook brings the library to raise anything
        raise ProblemsError(damaged(shown, "Excel", error)) from None
    if not rows:
        raise ProblemsError(Problem("the sheet is empty", "a header and rows", file=shown))
    (top, header), *body = rows
    headers = tuple("" if name is None else heading(text(name)) for name in header)
    width = len(headers)
    beyond = [line for line, row in body if len(row) > width]
    if beyond:
        raise ProblemsError(
            Problem(
                f"rows with cells to the right of the header: {len(beyond)}",
                f"{width} columns, as in the header",
                "name those columns in the header or clear the cells",
                shown,
                beyond[0],
            )
        )
    for found, what, remedy in (
        (merged, "cells are merged, so that only the first has a value", "take them apart and fill in each"),
        (unsaved, "a formula has no stored value", "open the file in a spreadsheet program and save it"),
    ):
        inside = sorted((line, name) for line, column, name in found if line >= top and column <= width)
        if inside:
            line, name = inside[0]
            raise ProblemsError(Problem(f"{what}: {name}", "a value in each cell", remedy, shown, line))
    columns = [[row[i] if i < len(row) else None for _, row in body] for i in range(width)]
    return publish_values(engine, shown, headers, columns, _Lines([line for line, _ in body]), word="line")


def _unpacks(file: Path, shown: str) -> None:
    """Refuse an archive that is small on the disk and huge in memory."""
    with zipfile.ZipFile(file) as archive:
        whole = sum(item.file_size for item in archive.infolist())
        packed = sum(item.compress_size for item in archive.infolist())
    if whole > _MOST_BYTES or whole > max(_MOST_PACKED * packed, 10_000_000):
        found = f"the workbook has {packed:,} bytes and would unpack to {whole:,}"
        raise ProblemsError(Problem(found, f"at most {_MOST_BYTES:,}", _SAVE_AS_CSV, shown))


type _Row = tuple[int, tuple[Any, ...]]
type _Place = tuple[int, int, str]


def _sheet(file: Path, shown: str, sheet: str | None) -> tuple[list[_Row], list[_Place], list[_Place]]:
    """Return filled rows without blank tails, and the places of merged cells and of formulas not saved."""
    from openpyxl import load_workbook

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # about features of the workbook that hold no cells
        with closing(load_workbook(file, read_only=True, data_only=True)) as book:
            sheets: dict[str, Any] = {page.title: page for page in book.worksheets}
            page = sheets[chosen("sheet", sheet, list(sheets), shown)]
            page.reset_dimensions()  # what the file says of its own size is often wrong
            rows = list(_filled(page, shown))
            place = page._worksheet_path
    with zipfile.ZipFile(file) as archive:
        with archive.open(place) as source:
            special = _mentions(source)
        if not special:
            return rows, [], []
        with archive.open(place) as source:
            return rows, *_special(source)


def _filled(page: Any, shown: str) -> Iterator[_Row]:
    """Yield rows with anything in them; a sheet may claim rows and columns without end."""
    cells = 0
    for line, row in enumerate(page.iter_rows(values_only=True), start=1):
        cells += len(row)
        if cells > _MOST_CELLS or line > _MOST_ROWS:
            found = f"the sheet has more than {_MOST_ROWS:,} rows or {_MOST_CELLS:,} cells"
            raise ProblemsError(Problem(found, "a smaller table", _SAVE_AS_CSV, shown, line))
        width = len(row)
        while width and (row[width - 1] is None or row[width - 1] == ""):
            width -= 1
        if width:
            yield line, row[:width]


def _mentions(source: Any) -> bool:
    """Whether the sheet has formulas or merged cells at all; most have none, and parsing takes long."""
    tail = b""
    while piece := source.read(_PIECE):
        if _SPECIAL.search(tail + piece):
            return True
        tail = piece[-40:]
    return False


def _special(source: Any) -> tuple[list[_Place], list[_Place]]:
    """Return where cells are merged, and where formulas have no value."""
    from xml.etree.ElementTree import iterparse

    from openpyxl.utils.cell import coordinate_to_tuple

    merged, unsaved = [], []
    for _, element in iterparse(source):  # noqa: S314  # Expat stops entities that grow
        tag = element.tag.rpartition("}")[2]
        if tag == "mergeCell":
            span = element.get("ref", "")
            merged.append((*coordinate_to_tuple(span.partition(":")[0]), span))
        elif tag == "c":
            parts = {part.tag.rpartition("}")[2]: part for part in element}
            value, name = parts.get("v"), element.get("r")
            empty = (value is None or not value.text) and element.get("t") != "str"  # which is a text of none
            if "f" in parts and empty and name:
                unsaved.append((*coordinate_to_tuple(name), name))
        elif tag == "row":
            element.clear()
    return merged, unsaved


class _Lines:
    """Lines of the data rows of a sheet."""

    def __init__(self, lines: list[int]) -> None:
        self._lines = lines

    def __call__(self, rows: Sequence[int]) -> Mapping[int, int]:
        return {row: self._lines[row] for row in rows}
