"""The embedded database that reads and groups: DuckDB, fed with Ibis expressions.

Ibis only writes the SQL, so the same expressions can run on another engine later. Every file is
seen through a view with the columns ``c0, c1, …``, so that no header, however odd, becomes part of
a statement, and with one of five types, so that parsing need not know the engine's own.
"""

from __future__ import annotations

import os
import re
import shutil
import tempfile
import uuid
import weakref
from collections.abc import Callable, Collection, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any, Literal

from sim.pilot import alike
from sim.pilot.remembered import compiled

type Stored = Literal["text", "integer", "real", "flag", "date", "other"]
"""How a column lies in its file; ``other`` (lists, intervals, …) is shown as text and never parsed."""

type Expr = Any
"""An Ibis expression; Ibis ships no types that mypy can use."""

_IBIS: dict[Stored, str] = {
    "text": "string",
    "integer": "int64",
    "real": "float64",
    "flag": "boolean",
    "date": "date",
    "other": "string",
}
SQL: dict[Stored, str] = {
    "text": "VARCHAR",
    "integer": "BIGINT",
    "real": "DOUBLE",
    "flag": "BOOLEAN",
    "date": "DATE",
    "other": "VARCHAR",
}
_DUCKDB: dict[str, Stored] = {
    **dict.fromkeys(("VARCHAR", "UUID"), "text"),
    **dict.fromkeys(("TINYINT", "SMALLINT", "INTEGER", "BIGINT"), "integer"),
    **dict.fromkeys(("UTINYINT", "USMALLINT", "UINTEGER"), "integer"),
    **dict.fromkeys(("UBIGINT", "HUGEINT", "UHUGEINT", "FLOAT", "DOUBLE"), "real"),
    "BOOLEAN": "flag",
    **dict.fromkeys(("DATE", "TIMESTAMP", "TIMESTAMP_S", "TIMESTAMP_MS", "TIMESTAMP_NS"), "date"),
    "TIMESTAMP WITH TIME ZONE": "date",
}


_NAMES = re.compile(r"sim (?:part|stage) [0-9]+(?: alike)?")
BLANKS = " \t\r\n\u00a0\u2007\u202f\u3000\ufeff\u200b"
"""What surrounds text in a cell without being part of it."""


def stored_as(duckdb_type: str) -> Stored:
    """Return the storage class of a DuckDB type.

    Examples
    --------
    >>> stored_as("DECIMAL(10,2)"), stored_as("UINTEGER"), stored_as("INTEGER[]")
    ('real', 'integer', 'other')
    """
    if duckdb_type.endswith("]"):
        return "other"
    if duckdb_type.startswith("DECIMAL"):
        return "real"
    if duckdb_type.startswith("ENUM"):
        return "text"
    return _DUCKDB.get(duckdb_type, "other")


def quoted(text: str) -> str:
    """Return `text` as an SQL string."""
    return "'" + text.replace("'", "''") + "'"


def identifier(name: str) -> str:
    """Return `name` as an SQL identifier.

    Examples
    --------
    >>> identifier('a"b')
    '"a""b"'
    """
    return '"' + name.replace('"', '""') + '"'


@dataclass(frozen=True, slots=True)
class _Published:
    """A file as it came, its headers, and the SQL that yields each cell from them."""

    raw: str
    headers: list[str]
    cells: list[str]


class Engine:
    """One embedded database with a scratch folder of its own.

    Nothing is downloaded, nothing is written outside the scratch folder, and after `seal` nothing
    but the files in `readable` can be read: a pilot table or a query in the config cannot reach
    further than the user pointed.
    """

    def __init__(self) -> None:
        import duckdb

        # DuckDB makes the folder when it first needs it; it must not land in the working directory.
        self.scratch = Path(tempfile.gettempdir()) / f"sim-{os.getpid()}-{uuid.uuid4().hex}"
        self.duckdb = duckdb.connect(
            ":memory:",
            config={
                "autoinstall_known_extensions": False,
                "autoload_known_extensions": False,
                "temp_directory": str(self.scratch),
                # A table's name in a user's query must not find a variable of this program.
                "python_enable_replacements": False,
            },
        )
        self.duckdb.execute("SET TimeZone = 'UTC'")
        self.readable: list[Path] = []
        self._views = 0
        self._stages: dict[Any, str] = {}
        self._parts: dict[str, Expr] = {}
        self._published: dict[str, _Published] = {}
        self._rows: dict[str, int] = {}
        self._kept = alike.Kept()
        self._sealed = False
        weakref.finalize(self, shutil.rmtree, self.scratch, ignore_errors=True)

    def folder(self) -> Path:
        """Return the scratch folder, made if need be."""
        self.scratch.mkdir(mode=0o700, exist_ok=True)
        return self.scratch

    def allow(self, file: Path) -> str:
        """Note that `file` is read later on, and return the name by which it is read.

        The engine takes ``p[1].csv`` for a pattern that means ``p1.csv``, so such a file gets a plain link.
        """
        if any(char in str(file) for char in "*?["):
            link = self.folder() / f"link {len(self.readable)}{file.suffix}"
            link.symlink_to(file)
            file = link
        self.readable.append(file)
        return str(file)

    def attach(self, file: Path, name: str, *, read_only: bool = True) -> None:
        """Attach a DuckDB file under `name`."""
        access = " (READ_ONLY)" if read_only else ""
        self.duckdb.execute(f"ATTACH {quoted(str(file))} AS {name}{access}")

    def hold(self, rows: Any) -> Any:
        """Return a PyArrow table as a relation."""
        name = f"values_{self._views}"
        self.duckdb.register(name, rows)
        return self.duckdb.table(name)

    def publish(self, relation: Any, stored: Sequence[Stored]) -> str:
        """Make `relation` a view with columns ``c0, c1, …`` of the given storage; return its name.

        Text loses the spaces around it; no text is NULL.
        """
        columns = []
        for i, (name, kind) in enumerate(zip(relation.columns, stored, strict=True)):
            column = f"CAST({identifier(name)} AS {SQL[kind]})"
            if SQL[kind] == "VARCHAR":
                # Only cells beyond ASCII hold blanks that no keyboard has; to seek them takes long.
                wide = f"strlen({column}) > length({column})"
                bare = f"CASE WHEN {wide} THEN trim({column}, {quoted(BLANKS)}) ELSE trim({column}) END"
                column = f"nullif({bare}, '')"
            columns.append(f"{column} AS c{i}")
        raw, view = f"sim file {self._views}", f"sim part {self._views}"
        self._views += 1
        relation.create_view(raw)
        self._published[view] = _Published(raw, list(relation.columns), columns)
        self._view(view, ", ".join(columns), raw)
        return view

    def _view(self, name: str, columns: str, table: str) -> None:
        select = f"SELECT {columns} FROM {identifier(table)}"  # noqa: S608  # all of it quoted
        self.duckdb.execute(f"CREATE VIEW {identifier(name)} AS {select}")

    def _is_large(self, view: str) -> bool:
        return self._first(view) == alike.FIRST

    def _first(self, view: str) -> int:
        """Return the number of rows, as far as it tells large views from others."""
        if view not in self._rows:
            some = f"SELECT 1 FROM {identifier(self._published[view].raw)} LIMIT {alike.FIRST}"  # noqa: S608
            self._rows[view] = self._ask(f"SELECT COUNT(*) FROM ({some})")  # noqa: S608
        return self._rows[view]

    def _keep(self, view: str, columns: Sequence[str]) -> str | None:
        """Keep the different rows of a large view in memory, where they are few: told by the first rows."""
        published = self._published.get(view)
        if published is None or not self._is_large(view):
            return None
        places = sorted(int(name[1:]) for name in columns)
        wanted = [published.headers[i] for i in places]
        if any(header.casefold() == alike.TIMES for header in wanted):
            return None
        named, raw, most = ", ".join(map(identifier, wanted)), identifier(published.raw), alike.MOST + 1

        def grouped(of: str) -> str:
            return f"SELECT {named}, COUNT(*) AS {alike.TIMES} FROM {of} GROUP BY ALL LIMIT {most}"  # noqa: S608

        first = grouped(f"(SELECT {named} FROM {raw} LIMIT {alike.FIRST})")  # noqa: S608
        if self._ask(f"SELECT COUNT(*) FROM ({first})") * alike.SHARE > alike.FIRST:  # noqa: S608
            return None
        rows, once = f"sim rows {self._views}", f"sim once {self._views}"
        self._views += 1
        self.duckdb.execute(f"CREATE TEMP TABLE {identifier(rows)} AS {grouped(raw)}")
        if self._ask(f"SELECT COUNT(*) FROM {identifier(rows)}") == most:  # noqa: S608
            self.duckdb.execute(f"DROP TABLE {identifier(rows)}")
            return None
        self._view(once, ", ".join([*(published.cells[i] for i in places), alike.TIMES]), rows)
        return once

    def _ask(self, sql: str) -> int:
        ((found,),) = self.duckdb.execute(sql).fetchall()
        return int(found)

    def seal(self) -> None:
        """From now on allow reading of the files in `readable` and of nothing else."""
        if self._sealed:
            return
        self._sealed = True
        allowed = ", ".join(quoted(str(file)) for file in self.readable)
        self.duckdb.execute(f"SET allowed_paths = [{allowed}]")
        self.duckdb.execute("SET enable_external_access = false")

    def stage(self, expression: Expr) -> Expr:
        """Return the expression as a named part of later statements, so that it is computed once.

        Ibis writes a column that is used ten times ten times into one statement; a part with a name is whole.
        """
        import ibis

        known = expression.op()
        name = self._stages.get(known)
        if name is None:
            name = self._stages[known] = f"sim stage {len(self._stages)}"
            found = self._counted(expression)
            self._parts[name] = expression if alike.TIMES in found.schema() else found
            if alike.TIMES in found.schema():
                self._kept.stages[name] = f"{name} alike"
                self._parts[f"{name} alike"] = found
        return ibis.table(expression.schema(), name=name)

    def _counted(self, expression: Expr) -> Expr:
        """Return the expression over equal rows that are kept as one, where it can be asked of them."""
        import duckdb

        # A file that cannot be read is told of when its rows are asked.
        with suppress(alike.UnweightedError, duckdb.Error):
            if any(map(self._is_large, self._published)):
                return alike.weighted(expression, lambda table: self._kept.named(table, self._keep))
        return expression

    def run(self, expression: Expr, *, repeatable: bool = False) -> Any:
        """Return the rows of a table expression as a PyArrow table.

        With `repeatable` one thread adds up in file order: sums of fractions then have the same last
        digit every time, and a stored fit is recognised.
        """
        found = self._counted(expression)
        asked = expression if alike.TIMES in found.schema() else found
        if self._few:
            self._keep_parts(asked)
        sql = self._whole(asked)
        if alone := repeatable and not self._few:
            self.duckdb.execute("SET threads = 1")
        try:
            rows = self.duckdb.sql(sql).to_arrow_table()
        finally:
            if alone:
                self.duckdb.execute("RESET threads")
        return rows.cast(expression.schema().to_pyarrow())

    @cached_property
    def _few(self) -> bool:
        """Whether rows are so few that parts are kept as they come; one thread is then quickest."""
        import duckdb

        # Several files are added up in an order of the engine's own, which is not that of rows as kept.
        most = min(alike.MOST, alike.FIRST - 1)
        with suppress(duckdb.Error):
            if len(self._published) == 1 and self._first(*self._published) <= most:
                self.duckdb.execute("SET threads = 1")
                return True
        return False

    def _keep_parts(self, expression: Expr) -> None:
        """Keep the parts that an expression reads in memory: others will read them too."""
        import duckdb

        read = _names(compiled(expression.op()))
        for name in [name for name in self._parts if name in read]:
            # What cannot be read is told of by the statement itself.
            with suppress(duckdb.Error):
                rows = self._whole(self._parts[name])
                self.duckdb.execute(f"CREATE TEMP TABLE {identifier(name)} AS {rows}")
                del self._parts[name]

    def _whole(self, expression: Expr) -> str:
        def written(name: str) -> str:
            part = compiled(self._parts[name].op())
            return f"{identifier(name)} AS NOT MATERIALIZED ({part})"

        return with_parts(compiled(expression.op()), self._parts, written)


def with_parts(sql: str, parts: Collection[str], written: Callable[[str], str]) -> str:
    """Return a statement with the named parts that it needs before it.

    Parameters
    ----------
    sql : str
    parts : collection of str
        Names of all parts, in the order in which they were made.
    written : callable
        Takes a name, and returns what stands after ``WITH`` for this part.
    """
    needed: dict[str, str] = {}
    todo = [sql]
    while todo:
        for name in _names(todo.pop()) & set(parts) - needed.keys():
            needed[name] = written(name)
            todo.append(needed[name])
    if not needed:
        return sql
    before = ", ".join(needed[name] for name in parts if name in needed)
    return f"WITH {before}{', ' + sql[4:] if sql.startswith('WITH') else ' ' + sql}"


def _names(sql: str) -> set[str]:
    """Return what may be names of parts in a statement; in a text of the user they would do no harm."""
    return set(_NAMES.findall(sql))


def table(view: str, stored: Mapping[int, Stored]) -> Expr:
    """Return columns of a published view, by position, as an Ibis table."""
    import ibis

    return ibis.table({f"c{i}": _IBIS[kind] for i, kind in stored.items()}, name=view)
