"""DuckDB and SQLite files."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable, Iterator, Sequence
from contextlib import closing
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from sim.errors import Problem, ProblemsError
from sim.pilot.engine import Engine, Stored, identifier
from sim.pilot.part import Part, heading
from sim.pilot.relation import chosen, damaged, published
from sim.pilot.values import arrow_type, batch, storage

if TYPE_CHECKING:
    import pyarrow

_BATCH = 50_000


def open_duckdb(engine: Engine, file: Path, shown: str, table: str | None, query: str | None) -> Part:
    """Publish a table, a view or a query of a DuckDB file, attached read-only."""
    import duckdb

    name = "pilot"
    try:
        engine.attach(file, name)
    except duckdb.Error as error:
        raise ProblemsError(damaged(shown, "DuckDB", error)) from None
    engine.seal()  # before the first look at a view or a query, which may name other files
    # Views of ours go to the first catalogue; names in the query are found in the second.
    engine.duckdb.execute(f"SET search_path = 'memory.main,{name}.main'")
    if query is not None:
        return published(engine, _queried(engine, query, shown), shown)
    found = engine.duckdb.execute(
        "SELECT table_schema, table_name FROM information_schema.tables WHERE table_catalog = ? ORDER BY ALL",
        [name],
    ).fetchall()
    names = {(label if schema == "main" else f"{schema}.{label}"): (schema, label) for schema, label in found}
    schema, label = names[chosen("table", table, list(names), shown)]
    path = ".".join(identifier(part) for part in (name, schema, label))
    try:
        relation = engine.duckdb.sql(f"FROM {path}")
    except duckdb.Error as error:  # a view that reads a file which is gone or may not be read
        raise ProblemsError(damaged(shown, "DuckDB", error)) from None
    return published(engine, relation, shown)


def _queried(engine: Engine, query: str, shown: str) -> Any:
    import duckdb

    try:
        statements = engine.duckdb.extract_statements(query)
        if len(statements) != 1 or statements[0].type != duckdb.StatementType.SELECT:
            found = "the query is not a single SELECT"
            raise ProblemsError(Problem(found, "one SELECT statement", file=shown, key="data.query"))
        relation = engine.duckdb.sql(query)
    except duckdb.Error as error:
        raise ProblemsError(_bad_query(shown, error)) from None
    return relation


def open_sqlite(engine: Engine, file: Path, shown: str, table: str | None, query: str | None) -> Part:
    """Copy a table or query of an SQLite file, batch by batch, into the scratch folder.

    SQLite has types by cell, not by column: a column of one type keeps it, any other becomes text.
    """
    import pyarrow as pa

    uri = f"{file.absolute().as_uri()}?mode=ro"
    try:
        with closing(sqlite3.connect(uri, uri=True, check_same_thread=False)) as store:
            store.text_factory = partial(str, encoding="utf-8", errors="replace")
            listing = "SELECT name FROM sqlite_master WHERE type IN ('table', 'view') ORDER BY name"
            names = [name for (name,) in store.execute(listing) if not name.startswith("sqlite_")]
            store.set_authorizer(_reading_only)
            statement = query
            if statement is None:
                name = identifier(chosen("table", table, names, shown))
                statement = f"SELECT * FROM {name}"  # noqa: S608  # a name cannot be a parameter
            cursor = store.execute(statement)
            headers = tuple(heading(column[0]) for column in cursor.description or ())
            if not headers:
                raise sqlite3.ProgrammingError("it returns no table")
            kinds = _sqlite_kinds(cursor, len(headers))
            schema = pa.schema([(f"c{i}", arrow_type(kind)) for i, kind in enumerate(kinds)])
            batches = _batches(store.execute(statement), kinds, schema)
            engine.attach(engine.folder() / "store.duckdb", "scratch", read_only=False)
            engine.duckdb.register("rows", pa.RecordBatchReader.from_batches(schema, batches))
            engine.duckdb.execute("CREATE TABLE scratch.main.part AS FROM rows")
            engine.duckdb.unregister("rows")
    except sqlite3.Error as error:
        problem = damaged(shown, "SQLite", error) if query is None else _bad_query(shown, error)
        raise ProblemsError(problem) from None
    view = engine.publish(engine.duckdb.sql("FROM scratch.main.part"), kinds)
    return Part(shown, headers, kinds, view)


def _reading_only(action: int, *_: object) -> int:
    allowed = (sqlite3.SQLITE_SELECT, sqlite3.SQLITE_READ, sqlite3.SQLITE_FUNCTION, sqlite3.SQLITE_RECURSIVE)
    return sqlite3.SQLITE_OK if action in allowed else sqlite3.SQLITE_DENY


def _sqlite_kinds(rows: Iterable[Sequence[Any]], width: int) -> tuple[Stored, ...]:
    types: list[set[type]] = [set() for _ in range(width)]
    for row in rows:
        for seen, value in zip(types, row, strict=True):
            seen.add(type(value))
    return tuple(storage(seen) for seen in types)


def _batches(cursor: sqlite3.Cursor, kinds: Sequence[Stored], schema: pyarrow.Schema) -> Iterator[Any]:
    while rows := cursor.fetchmany(_BATCH):
        yield batch(list(zip(*rows, strict=True)), kinds, schema)


def _bad_query(shown: str, error: Exception) -> Problem:
    reason = " ".join(str(error).splitlines()[:2])
    return Problem(f"the query fails: {reason}", "one SELECT on the file", "", shown, None, "data.query")
