"""Text tables: comma, semicolon, tab or bar between cells; UTF-8 or UTF-16.

Nothing is guessed from values: the separator comes from the shape of the first lines, every cell
arrives as text, and what is ragged or unclosed is refused by the engine. Only then is the file read
again, slowly, to name the lines.
"""

from __future__ import annotations

import codecs
import csv
import io
from collections.abc import Iterator, Mapping, Sequence
from functools import partial
from itertools import islice
from pathlib import Path
from typing import Any

from sim.errors import Problem, ProblemsError
from sim.pilot.engine import Engine, Stored
from sim.pilot.part import Part, heading

_SAMPLE = 1 << 20
_LONGEST_CELL = 1 << 21
"""Characters of a cell; the engine takes no longer rows either."""
_MOST_COLUMNS = 2_000
# A comma that is as regular as a semicolon or tab is a decimal comma, so the comma comes after them.
_DELIMITERS = ("\t", ";", ",", "|")
_EXAMPLES = 5
_UTF16 = (codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)


def open_delimited(engine: Engine, file: Path, shown: str) -> Part:
    """Publish a text table with every cell as text.

    Raises
    ------
    ProblemsError
        When it is empty, is no text, or has no header.
    """
    encoding, sample = _sample(file, shown)
    delimiter = _delimiter(sample)
    header = next(_records(io.StringIO(sample, newline=""), delimiter))[1]
    if not any(name.strip() for name in header):
        raise ProblemsError(
            Problem("the first line is empty", "a header: the names of the columns", file=shown, line=1)
        )
    if len(header) > _MOST_COLUMNS:
        found = f"the first line has {len(header):,} cells"
        raise ProblemsError(
            Problem(found, f"a header of at most {_MOST_COLUMNS:,} columns", "drop columns", shown, 1)
        )
    headers = tuple(heading(name) for name in header)
    readable = file if encoding == "utf-8-sig" else _as_utf8(engine, file, shown, encoding)
    _no_long_line(readable, shown)
    relation = engine.duckdb.read_csv(
        engine.allow(readable),
        columns={f"c{i}": "VARCHAR" for i in range(len(headers))},
        auto_detect=False,
        header=True,
        delimiter=delimiter,
        quotechar='"',
        escapechar='"',
        strict_mode=True,
        null_padding=False,
    )
    stored = tuple[Stored, ...]("text" for _ in headers)
    return Part(
        shown=shown,
        headers=headers,
        stored=stored,
        view=engine.publish(relation, stored),
        places=partial(_places, file, encoding, delimiter, len(headers)),
        word="line",
        faults=partial(_faults, file, shown, encoding, delimiter, len(headers)),
        delimiter=delimiter,
    )


def _sample(file: Path, shown: str) -> tuple[str, str]:
    """Return the encoding and the first whole lines."""
    with file.open("rb") as stream:
        start = stream.read(_SAMPLE)
        more = bool(stream.read(1))
    encoding = "utf-16" if start.startswith(_UTF16) else "utf-8-sig"
    try:
        text = codecs.getincrementaldecoder(encoding)().decode(start, final=not more)
    except UnicodeDecodeError as error:
        raise ProblemsError(_not_utf8(shown, start[: error.start].count(b"\n") + 1)) from None
    if "\0" in text:
        raise ProblemsError(
            Problem(
                "this is no text table: it holds zero bytes",
                "CSV in UTF-8 (or UTF-16 with its byte-order mark), Parquet, Excel (.xlsx), DuckDB, SQLite",
                "save the table as CSV UTF-8",
                shown,
            )
        )
    if not text.strip():
        raise ProblemsError(Problem("the file is empty", "a header line and rows", file=shown))
    if more:
        cut = max(text.rfind("\n"), text.rfind("\r"))
        if cut < 0:
            found = f"the first line does not end within {_SAMPLE:,} bytes"
            raise ProblemsError(Problem(found, "a table with a line for each row", file=shown, line=1))
        text = text[: cut + 1]
    return encoding, text


def _no_long_line(file: Path, shown: str) -> None:
    """Refuse a line of more than a megabyte or two.

    The engine reads a file in blocks by several threads, and leaves out a last line that is longer than a
    block without a word.
    """
    with file.open("rb") as stream:
        pieces = enumerate(iter(lambda: stream.read(_SAMPLE), b""))
        whole = ((i, piece) for i, piece in pieces if len(piece) == _SAMPLE)
        long = next((i for i, piece in whole if b"\n" not in piece and b"\r" not in piece), None)
        if long is None:
            return
        stream.seek(0)
        before = (stream.read(_SAMPLE) for _ in range(long))
        lines = sum(piece.count(b"\n") or piece.count(b"\r") for piece in before)
    found, allowed = f"a line of more than {_SAMPLE:,} bytes", "a table with a line for each row"
    raise ProblemsError(Problem(found, allowed, "", shown, lines + 1))


def _not_utf8(shown: str, line: int) -> Problem:
    return Problem(
        "the text is not UTF-8",
        "UTF-8, or UTF-16 with its byte-order mark",
        'save it as "CSV UTF-8" (Excel: Save as), or convert it with iconv',
        shown,
        line,
    )


class _BrokenRecordError(Exception):
    """A record that cannot be taken apart, and the line on which it starts."""

    def __init__(self, line: int, reason: str) -> None:
        self.line, self.reason = line, reason


def _records(stream: Any, delimiter: str, *, strict: bool = False) -> Iterator[tuple[int, list[str]]]:
    """Yield each record with the line on which it starts."""
    csv.field_size_limit(_LONGEST_CELL)
    reader = csv.reader(stream, delimiter=delimiter, strict=strict)
    start = 1
    try:
        for record in reader:
            yield start, record
            start = reader.line_num + 1
    except csv.Error as error:
        raise _BrokenRecordError(start, str(error)) from None


def _delimiter(sample: str) -> str:
    """Return what stands between the cells: the candidate under which the first rows are most regular."""
    best, best_score = ",", (0.0, 0)
    for delimiter in _DELIMITERS:
        records = islice(_records(io.StringIO(sample, newline=""), delimiter), 1000)
        widths = [len(record) for _, record in records if record]
        if not widths or widths[0] == 1:
            continue
        regular = sum(width == widths[0] for width in widths) / len(widths)
        score = (round(regular, 1), widths[0])
        if score > best_score:
            best, best_score = delimiter, score
    return best


def _as_utf8(engine: Engine, file: Path, shown: str, encoding: str) -> Path:
    """Copy a UTF-16 file into the scratch folder as UTF-8, piece by piece."""
    target = engine.folder() / f"{len(list(engine.folder().iterdir()))}.csv"
    try:
        with (
            file.open(encoding=encoding, newline="") as source,
            target.open("w", encoding="utf-8", newline="") as copy,
        ):
            while piece := source.read(_SAMPLE):
                copy.write(piece)
    except UnicodeError:
        raise ProblemsError(
            Problem("the text is damaged UTF-16", "UTF-8 or UTF-16", 'save it as "CSV UTF-8"', shown)
        ) from None
    return target


def _places(file: Path, encoding: str, delimiter: str, width: int, rows: Sequence[int]) -> Mapping[int, int]:
    """Lines on which data rows (from 0) start; empty lines and line breaks in quotes counted."""
    wanted, found = set(rows), {}
    with file.open(encoding=encoding, newline="", errors="replace") as stream:
        row = -2
        for line, record in _records(stream, delimiter):
            # An empty line is a blank cell where there is one column, and no row otherwise.
            row += bool(record) or width == 1
            if row in wanted:
                found[row] = line
                if len(found) == len(wanted):
                    break
    return found


def _faults(file: Path, shown: str, encoding: str, delimiter: str, width: int) -> list[Problem]:
    """Find what makes the engine refuse the file: ragged rows, quotes, foreign bytes, line ends."""
    ragged: list[tuple[int, int]] = []
    foreign: list[int] = []
    problems: list[Problem] = []
    with file.open(encoding=encoding, newline="", errors="surrogateescape") as stream:
        try:
            for line, record in _records(stream, delimiter, strict=True):
                if record and len(record) != width:
                    ragged.append((line, len(record)))
                if any("\udc80" <= char <= "\udcff" for cell in record for char in cell):
                    foreign.append(line)
        except _BrokenRecordError as error:
            problems.append(_quote_fault(error.reason, shown, error.line))
    if ragged:
        lines = ", ".join(f"line {line}: {cells}" for line, cells in ragged[:_EXAMPLES])
        rest = f" and {len(ragged) - _EXAMPLES} more" if len(ragged) > _EXAMPLES else ""
        problems.append(
            Problem(
                f"rows do not have as many cells as the header ({lines}{rest})",
                f"{width} cells in each row, as in the header",
                "put a cell that contains the separator in double quotes, and remove or fill the odd rows",
                shown,
                ragged[0][0],
            )
        )
    if foreign:
        problems.append(_not_utf8(shown, foreign[0]))
    if not problems and _mixed_line_ends(file):
        problems.append(
            Problem(
                "lines end in two ways (some \\r\\n, some \\n)",
                "one kind of line end in the whole file",
                "save the file anew from an editor or a spreadsheet",
                shown,
            )
        )
    return problems


def _quote_fault(reason: str, shown: str, line: int) -> Problem:
    # Lines are shorter than the longest cell, so a cell that is longer goes on from line to line.
    if "unexpected end" in reason or "field larger" in reason:
        return Problem(
            "a quote that opens here is never closed",
            'quotes in pairs; a quote inside a quoted cell is written twice ("")',
            "close or remove the quote",
            shown,
            line,
        )
    return Problem(
        f"this row cannot be taken apart ({reason})",
        'a quoted cell ends with its quote; a quote inside it is written twice ("")',
        "mend the quotes in this row",
        shown,
        line,
    )


def _mixed_line_ends(file: Path) -> bool:
    pairs = newlines = 0
    with file.open("rb") as stream:
        while piece := stream.read(_SAMPLE):
            if piece.endswith(b"\r"):
                piece += stream.read(1)
            pairs += piece.count(b"\r\n")
            newlines += piece.count(b"\n")
    return 0 < pairs < newlines
