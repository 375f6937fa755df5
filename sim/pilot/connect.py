"""From what a config says of a table to the opened table: a file, or one in a warehouse."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from sim.errors import Problem, ProblemsError
from sim.pilot.part import Part, heading, listed
from sim.pilot.postgres import Postgres
from sim.pilot.source import Source, open_source
from sim.pilot.warehouse import Link, Warehouse, sql_dialect
from sim.records.address import filled, secrets

if TYPE_CHECKING:
    from sim.records.reading import Reading

TIMEOUT = 600
"""Seconds that a statement may take where the config does not say."""


_WRITES = (
    "Insert",
    "Update",
    "Delete",
    "Merge",
    "Create",
    "Drop",
    "Alter",
    "Command",
    "Into",
    "Lock",
    "Copy",
)


def open_reading(reading: Reading) -> Source:
    """Open the file or the table of a warehouse that a reading names.

    Raises
    ------
    ProblemsError
        With everything that keeps it from being opened.
    """
    if reading.dsn is not None:
        return open_warehouse(reading)
    if reading.file is None:
        raise ProblemsError(
            Problem("there are no data", "`data` or inline figures", key=f"{reading.key}.data")
        )
    return open_source(
        reading.file,
        reading.shown,
        reading.key,
        table=reading.table,
        sheet=reading.sheet,
        query=reading.query,
    )


def open_warehouse(reading: Reading) -> Source:
    """Open a table or the result of a query; nothing is read before it is asked for.

    Parameters
    ----------
    reading : Reading
        With an address, as it stands in the config, and a table or a query.

    Raises
    ------
    ProblemsError
        When the address, the connection, the table or the query is not as it must be.
    """
    # Ibis brings dialects of its own, and the SQL library keeps the first of a name that it uses.
    import ibis.backends.sql.dialects  # noqa: F401

    assert reading.dsn is not None  # noqa: S101  # the caller has looked
    shown, key = reading.shown, f"{reading.key}.data"
    address = filled(reading.dsn, os.environ, f"{key}.dsn")
    link = _link(address, reading.timeout, shown, key)
    warehouse = Warehouse(link)
    if reading.query is not None:
        relation = f"(\n{_single(reading.query, link.dialect, shown, key)}\n)"
    else:
        relation = _named(reading.table or "", link.dialect, shown, key)
    columns = link.columns(relation)
    names = [heading(column.name) for column in columns]
    if len({name.casefold() for name in names}) < len(names):
        found = f"two columns have the same name among {listed(names)}"
        allowed = "one name per column, capitals and small letters counted as the same"
        raise ProblemsError(Problem(found, allowed, "rename one with AS in a query", shown, key=key))
    stored = tuple(column.stored for column in columns)
    view = warehouse.publish(relation, columns)
    return Source(warehouse, (Part(shown, tuple(names), stored, view, _counted, "rows", counted=True),))


def _counted(counts: Sequence[int]) -> Mapping[int, int]:
    """Numbers of equal rows, which is what there is in place of line numbers."""
    return {count: count for count in counts}


def _link(address: str, timeout: int | None, shown: str, key: str) -> Link:
    if address.partition("://")[0].lower() in ("postgres", "postgresql"):
        return Postgres(address, timeout or TIMEOUT, shown, key, secrets(address))
    from sim.pilot.backends import Backend

    if timeout is not None:
        found = "a timeout in a warehouse that takes none from here"
        raise ProblemsError(Problem(found, "with PostgreSQL only", "set it in the warehouse", shown, key=key))
    return Backend(address, shown, key, secrets(address))


def _named(table: str, dialect: str, shown: str, key: str) -> str:
    """Return a table's name, with or without its schema, as SQL; letters count as they stand."""
    from sqlglot import exp

    names = table.split(".")
    if not all(names):
        found = f'"{table}" is no name of a table'
        raise ProblemsError(Problem(found, "table, or schema.table", "", shown, key=f"{key}.table"))
    return ".".join(exp.to_identifier(name, quoted=True).sql(dialect=sql_dialect(dialect)) for name in names)


def _single(query: str, dialect: str, shown: str, key: str) -> str:
    """Return a query that is known to be one SELECT and to change nothing."""
    import sqlglot
    from sqlglot import exp

    problem = Problem(
        "the query is not a single SELECT", "one SELECT statement", "", shown, key=f"{key}.query"
    )
    try:
        found = [each for each in sqlglot.parse(query, dialect=sql_dialect(dialect)) if each is not None]
    except (sqlglot.errors.SqlglotError, RecursionError):
        raise ProblemsError(problem) from None
    if len(found) != 1 or not isinstance(found[0], exp.Query):
        raise ProblemsError(problem)
    if any(type(node).__name__ in _WRITES for node in found[0].walk()):
        raise ProblemsError(problem)
    return query.strip().rstrip(";")
