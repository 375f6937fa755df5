"""PostgreSQL through its own client library, in one transaction that reads and sees one state of the data."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from sim.errors import Problem, ProblemsError
from sim.pilot import alike
from sim.pilot.dialects import type_of
from sim.pilot.engine import Expr, Stored, identifier
from sim.pilot.warehouse import Column, arrow_table, no_driver

_SECONDS_TO_CONNECT = 15
_STORED: dict[str, Stored] = {
    **dict.fromkeys(("text", "varchar", "bpchar", "name", "char", "citext", "uuid"), "text"),
    **dict.fromkeys(("int2", "int4", "int8"), "integer"),
    **dict.fromkeys(("float4", "float8", "numeric", "money"), "real"),
    "bool": "flag",
    **dict.fromkeys(("date", "timestamp", "timestamptz"), "date"),
}
_REFUSALS = (
    (
        r"translate host name|Name or service not known|nodename nor servname|resolve host|getaddrinfo",
        "the host of the warehouse is not known",
        "a host that this machine can reach",
        "look at the host in the address",
    ),
    (
        r"Connection refused|No such file or directory|No route to host|unreachable",
        "the warehouse does not answer: nothing listens there",
        "a running server",
        "look at host and port in the address, and whether the server runs",
    ),
    (
        r"timeout|timed out",
        f"the warehouse does not answer within {_SECONDS_TO_CONNECT} seconds",
        "a server that answers",
        "look at the host in the address, and at what stands between: VPN, firewall",
    ),
    (
        r"authentication failed|no password supplied|role .* does not exist|no pg_hba.conf|not permitted",
        "the warehouse refuses user or password",
        "a user that may log in from here",
        "look at the address in the environment; what it holds is not shown",
    ),
    (
        r"database .* does not exist",
        "the database does not exist",
        "a database of the server",
        "look at the last part of the address",
    ),
    (
        r"SSL|certificate",
        "no safe connection",
        "TLS as the server asks for it",
        "look at sslmode in the address",
    ),
)
_FAILURES = {
    "57014": ("the query took longer than allowed ({timeout} s)", "raise data.timeout, or ask for less"),
    "42P01": (
        "the table does not exist, or this user does not see it",
        "write it as schema.table, letter by letter",
    ),
    "3F000": ("the schema does not exist", "write the table as schema.table, letter by letter"),
    "42501": ("this user may not read it", "GRANT SELECT on the table, and USAGE on its schema, to the user"),
    "25006": (
        "the query would write, and the session only reads",
        "ask by a single SELECT that changes nothing",
    ),
    "22003": ("a number is too large to be calculated with", "look at the largest numbers of the columns"),
}


class Postgres:
    """A session that only reads, with a time limit on every statement."""

    dialect = "postgres"
    alone = " OFFSET 0"
    beside = "NOT MATERIALIZED "
    wide = True

    def __init__(self, address: str, timeout: int, shown: str, key: str, hidden: tuple[str, ...]) -> None:
        try:
            import psycopg
        except ImportError:
            raise ProblemsError(no_driver("PostgreSQL", "sim[postgres]", key)) from None
        self._settings = 0
        self.timeout, self.shown, self.key, self.hidden = timeout, shown, key, hidden
        try:
            self._connection = psycopg.connect(
                address, connect_timeout=_SECONDS_TO_CONNECT, application_name="sim", autocommit=True
            )
        except (psycopg.Error, ValueError, UnicodeError) as error:
            raise ProblemsError(self._unreachable(str(error))) from None
        limit = f"{timeout * 1000}ms"
        settings = {
            "default_transaction_read_only": "on",
            "statement_timeout": limit,
            "lock_timeout": limit,
            "idle_in_transaction_session_timeout": limit,
            "TimeZone": "UTC",
            "DateStyle": "ISO, YMD",
            "client_encoding": "UTF8",
            "extra_float_digits": "1",
            "work_mem": "64MB",  # a million rows are sorted without going to disk
            "jit": "off",  # takes longer than it saves
        }
        try:
            for name, value in settings.items():
                self._connection.execute("SELECT set_config(%s, %s, false)", (name, value))
            encoding = self._connection.execute("SHOW server_encoding").fetchone()
            self._connection.autocommit = False
            self._connection.read_only = True
            self._connection.isolation_level = psycopg.IsolationLevel.REPEATABLE_READ
        except psycopg.Error as error:
            self._connection.close()
            raise ProblemsError(self._failed(error)) from None
        if encoding is not None and encoding[0] != "UTF8":
            self._connection.close()
            found = f"the encoding of the database is {encoding[0]}"
            raise ProblemsError(
                Problem(found, "UTF8: names may be in any script", "export the table", shown, key=key)
            )

    def columns(self, relation: str) -> list[Column]:
        """Return the columns of a table or of a query in brackets."""
        found = self._asked(f"SELECT * FROM {relation} AS relation LIMIT 0").description or ()  # noqa: S608  # quoted
        oids = ", ".join(str(int(column.type_code)) for column in found) or "0"
        asked = "SELECT oid::bigint, typname, typtype::text FROM pg_catalog.pg_type WHERE oid IN"
        types = self._asked(f"{asked} ({oids})")
        kinds = {oid: "text" if typtype == "e" else name for oid, name, typtype in types.fetchall()}
        columns = []
        for column in found:
            kind = kinds.get(column.type_code, "")
            sql = identifier(column.name)
            sql = _MONEY.format(sql) if kind == "money" else sql
            columns.append(Column(column.name, _STORED.get(kind, "other"), sql))
        return columns

    def compiled(self, expression: Expr) -> str:
        """Return the SQL of an expression."""
        import ibis

        return str(ibis.to_sql(expression, dialect="postgres", pretty=False))

    def rows(self, sql: str, expression: Expr) -> Any:
        """Return what a statement yields as a PyArrow table of the expression's columns."""
        return arrow_table(self._asked(sql).fetchall(), expression)

    def kept(self, relation: str, cells: Mapping[str, Column]) -> str | None:
        """Keep the different rows of a relation, where they are few, as a setting of the transaction.

        A session that only reads can make no table, but any session has settings. What is few is told by the
        first rows: to find out of all of them that they are many would take long.
        """
        columns = ", ".join(f"{cell.sql} AS {name}" for name, cell in cells.items())
        by = ", ".join(str(i + 1) for i in range(len(cells)))
        most, times = alike.MOST, alike.TIMES

        def grouped(of: str) -> str:
            counted = f"SELECT {columns}, COUNT(*) AS {times} FROM {of} AS relation"  # noqa: S608
            return f"{counted} GROUP BY {by} LIMIT {most + 1}"

        first = grouped(f"(SELECT * FROM {relation} AS relation LIMIT {alike.FIRST})")  # noqa: S608
        told = self._asked(f"SELECT COUNT(*), SUM({times}) FROM ({first}) AS first")  # noqa: S608
        different, rows = told.fetchone()
        if not different or different * alike.SHARE > rows:
            return None
        setting = f"sim.kept_{self._settings}"
        self._settings += 1
        keep = f"CASE WHEN COUNT(*) <= {most} THEN SET_CONFIG('{setting}', JSON_AGG(one)::text, true) END"
        told = self._asked(f"SELECT LENGTH({keep}) FROM ({grouped(relation)}) AS one")  # noqa: S608
        if told.fetchone()[0] is None:
            return None
        types = ", ".join(f"{name} {type_of(cell.stored, self.dialect)}" for name, cell in cells.items())
        kept = f"JSON_TO_RECORDSET(CURRENT_SETTING('{setting}')::json)"
        return f"SELECT * FROM {kept} AS one({types}, {times} bigint)"  # noqa: S608

    def close(self) -> None:
        """End the connection."""
        self._connection.close()

    def _asked(self, sql: str) -> Any:
        import psycopg

        try:
            # A function in the user's query may have set another limit for what follows it.
            self._connection.execute(_LIMIT, (f"{self.timeout * 1000}ms",))
            # With parameters, none here, the server takes one statement and no more.
            return self._connection.execute(sql.replace("%", "%%"), ())
        except psycopg.Error as error:
            raise ProblemsError(self._failed(error)) from None

    def _unreachable(self, reason: str) -> Problem:
        """Return why there is no connection in words of ours: the library's may hold parts of the address."""
        for pattern, found, allowed, remedy in _REFUSALS:
            if re.search(pattern, reason, re.IGNORECASE):
                return Problem(found, allowed, remedy, self.shown, key=self.key)
        found = "the warehouse cannot be reached"
        allowed = "postgresql://user:password@host:5432/database"
        return Problem(found, allowed, "look at the address", self.shown, key=self.key)

    def _failed(self, error: Any) -> Problem:
        found, remedy = _FAILURES.get(error.sqlstate or "", ("", ""))
        if found:
            return Problem(found.format(timeout=self.timeout), "", remedy, self.shown, key=self.key)
        told = str(error.diag.message_primary or "the connection was lost")
        for text in self.hidden:
            told = told.replace(text, "…")
        return Problem(f"the warehouse refuses the query: {told}", "one SELECT", "", self.shown, key=self.key)


_MONEY = "CAST({} AS NUMERIC)"
_LIMIT = "SELECT set_config('statement_timeout', %s, true)"
