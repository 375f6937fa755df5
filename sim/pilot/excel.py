"""Excel workbooks."""

from __future__ import annotations

import warnings
import zipfile
from collections.abc import Mapping, Sequence
from contextlib import closing
from pathlib import Path
from xml.etree.ElementTree import ParseError

from sim.errors import Problem, ProblemsError
from sim.pilot.engine import Engine
from sim.pilot.part import Part
from sim.pilot.relation import chosen, damaged
from sim.pilot.values import publish_values, text


def open_excel(engine: Engine, file: Path, shown: str, sheet: str | None) -> Part:
    """Read one worksheet, formulas by their stored values; the first filled row is the header."""
    from openpyxl import load_workbook
    from openpyxl.utils.exceptions import InvalidFileException

    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # about features of the workbook that hold no cells
            with closing(load_workbook(file, read_only=True, data_only=True)) as book:
                sheets = {page.title: page for page in book.worksheets}
                page = sheets[chosen("sheet", sheet, list(sheets), shown)]
                page.reset_dimensions()  # what the file says of its own size is often wrong
                rows = list(enumerate(page.iter_rows(values_only=True), start=1))
    except (zipfile.BadZipFile, InvalidFileException, ParseError, KeyError, ValueError, EOFError) as error:
        raise ProblemsError(damaged(shown, "Excel", error)) from None
    filled = [(line, row) for line, row in rows if any(cell not in (None, "") for cell in row)]
    if not filled:
        raise ProblemsError(Problem("the sheet is empty", "a header and rows", file=shown))
    (_, header), *body = filled
    while header and header[-1] is None:
        header = header[:-1]
    headers = tuple("" if name is None else text(name).strip() for name in header)
    width = len(headers)
    beyond = [line for line, row in body if any(cell is not None for cell in row[width:])]
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
    columns = [[row[i] if i < len(row) else None for _, row in body] for i in range(width)]
    return publish_values(engine, shown, headers, columns, _Lines([line for line, _ in body]), word="line")


class _Lines:
    """Lines of the data rows of a sheet."""

    def __init__(self, lines: list[int]) -> None:
        self._lines = lines

    def __call__(self, rows: Sequence[int]) -> Mapping[int, int]:
        return {row: self._lines[row] for row in rows}
