"""From what the user wrote to opened tables: which files, which format, one engine for all of them."""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import lru_cache
from pathlib import Path
from typing import Any

from sim.errors import Problem, Problems, ProblemsError
from sim.pilot.databases import open_duckdb, open_sqlite
from sim.pilot.delimited import open_delimited
from sim.pilot.engine import Engine, Expr
from sim.pilot.excel import open_excel
from sim.pilot.files import locate
from sim.pilot.part import Part
from sim.pilot.relation import open_parquet
from sim.pilot.warehouse import Warehouse

_SUFFIXES = {
    ".parquet": "Parquet",
    ".xlsx": "Excel",
    ".xlsm": "Excel",
    ".duckdb": "DuckDB",
    ".sqlite": "SQLite",
    ".sqlite3": "SQLite",
}
_FORMATS = "CSV (comma, semicolon, tab), Parquet, Excel (.xlsx), DuckDB or SQLite"


@dataclass(frozen=True, slots=True)
class Source:
    """Opened files or a table of a warehouse, seen as one table, and the engine that reads it."""

    engine: Engine | Warehouse
    parts: tuple[Part, ...]

    def run(self, expression: Expr, *, repeatable: bool = False) -> Any:
        """Return the rows of an expression, or say what is wrong with the files.

        Raises
        ------
        ProblemsError
            When the engine cannot read a file through: ragged rows, quotes, damage.
        """
        if isinstance(self.engine, Warehouse):
            return self.engine.run(expression, repeatable=repeatable)
        import duckdb

        bugs = (  # a statement of ours, or of a model, that the engine cannot run: no fault of the file
            duckdb.BinderException,
            duckdb.CatalogException,
            duckdb.ConversionException,
            duckdb.InternalException,
            duckdb.InterruptException,
            duckdb.NotImplementedException,
            duckdb.OutOfRangeException,
            duckdb.ParserException,
        )
        try:
            return self.engine.run(expression, repeatable=repeatable)
        except bugs:
            raise
        except duckdb.Error as error:
            found = [problem for part in self.parts for problem in part.faults()]
            if not found:
                reason = str(error).splitlines()[0]
                found = [Problem(f"the data cannot be read: {reason}", file=self.parts[0].shown)]
            raise ProblemsError(*found) from None


def open_source(
    file: Path,
    shown: str,
    key: str,
    *,
    table: str | None = None,
    sheet: str | None = None,
    query: str | None = None,
) -> Source:
    """Open a file or pattern; outcomes that share a file share what was opened.

    Raises
    ------
    ProblemsError
        With everything that keeps the files from being opened.
    """
    stamped = []
    for path, name in locate(file, shown):
        status = path.stat()
        stamped.append((path.absolute(), name, status.st_size, status.st_mtime_ns))
    try:
        return _opened(tuple(stamped), table, sheet, query)
    except ProblemsError as error:
        problems = (replace(p, key=f"{key}.{p.key}") if p.key else p for p in error.problems)
        raise ProblemsError(*problems) from None


@lru_cache(maxsize=8)
def _opened(
    files: tuple[tuple[Path, str, int, int], ...],
    table: str | None,
    sheet: str | None,
    query: str | None,
) -> Source:
    engine = Engine()
    problems = Problems()
    parts: list[Part] = []
    if len(files) > 1 and (databases := [name for path, name, *_ in files if _format(path) in _STORES]):
        found = f"the pattern means several files, and {databases[0]} is a database"
        raise ProblemsError(
            Problem(found, "one database, or several CSV, Parquet or Excel files", file=databases[0])
        )
    for path, shown, *_ in files:
        with problems.gather():
            parts.append(_open(engine, path, shown, table, sheet, query))
    problems.raise_if_any()
    engine.seal()
    return Source(engine, tuple(parts))


_STORES = ("DuckDB", "SQLite")


def _format(path: Path) -> str:
    """Return the format by the first bytes, which unlike the name cannot be wrong."""
    with path.open("rb") as stream:
        start = stream.read(16)
    if start[8:12] == b"DUCK":
        return "DuckDB"
    signatures = {
        b"PAR1": "Parquet",
        b"SQLite format 3\0": "SQLite",
        b"PK\x03\x04": "Excel",
        b"\xd0\xcf\x11\xe0": "old Excel (.xls)",
        b"\x1f\x8b": "gzip",
        b"BZh": "bzip2",
        b"\x28\xb5\x2f\xfd": "zstd",
        b"%PDF": "PDF",
    }
    return next((form for mark, form in signatures.items() if start.startswith(mark)), "text")


def _open(
    engine: Engine, path: Path, shown: str, table: str | None, sheet: str | None, query: str | None
) -> Part:
    form = _format(path)
    _suited(form, path, shown, table, sheet, query)
    if form == "Parquet":
        return open_parquet(engine, path, shown)
    if form == "DuckDB":
        return open_duckdb(engine, path, shown, table, query)
    if form == "SQLite":
        return open_sqlite(engine, path, shown, table, query)
    if form == "Excel":
        return open_excel(engine, path, shown, sheet)
    return open_delimited(engine, path, shown)


def _suited(
    form: str, path: Path, shown: str, table: str | None, sheet: str | None, query: str | None
) -> None:
    """Refuse formats that are not read, names that lie, and options of another format."""
    problems = Problems()
    promised = _SUFFIXES.get(path.suffix.lower())
    if form not in ("text", "Parquet", "Excel", *_STORES):
        problems.add(
            f"this is a {form} file", allowed=_FORMATS, remedy="save or unpack it as one of these", file=shown
        )
    elif form == "text" and promised:
        remedy = "save it anew, or name it .csv if it is text"
        problems.add(
            f"the name says {promised}, but the content does not", allowed=_FORMATS, remedy=remedy, file=shown
        )
    for option, value, forms in (
        ("table", table, _STORES),
        ("query", query, _STORES),
        ("sheet", sheet, ("Excel",)),
    ):
        if value is not None and form not in forms:
            problems.add(
                f"`{option}` is given, but this is a {form} file",
                allowed=f"`{option}` with {' or '.join(forms)}",
                remedy=f"remove `{option}`",
                file=shown,
                key=f"data.{option}",
            )
    if table is not None and query is not None:
        problems.add("both `table` and `query` are given", allowed="one of them", file=shown, key="data")
    problems.raise_if_any()
