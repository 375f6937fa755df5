"""Spark, and any other warehouse that Ibis can speak to."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any
from urllib.parse import parse_qsl, urlsplit

from sim.errors import Problem, ProblemsError
from sim.pilot.engine import Expr, Stored, stored_as
from sim.pilot.warehouse import Column, arrow_table, no_driver, sql_dialect

_SPARK = ("spark", "sc", "pyspark")


class Backend:
    """A connection of Ibis; whether it can only read is up to the user of its address.

    DuckDB alone is opened so that it can only read, and neither reads other files nor fetches extensions.
    """

    alone = ""
    beside = ""

    def __init__(self, address: str, shown: str, key: str, hidden: tuple[str, ...]) -> None:
        self.shown, self.key, self.hidden = shown, key, hidden
        scheme = urlsplit(address).scheme.lower()
        try:
            self._connection = _connected(address, scheme)
        except ImportError:
            package = "sim[spark]" if scheme in _SPARK else f"ibis-framework[{scheme}]"
            raise ProblemsError(no_driver(scheme, package, key)) from None
        except Exception as error:  # noqa: BLE001  # each library has its own, and may tell the address
            found = f"the warehouse cannot be reached ({type(error).__name__})"
            allowed = "an address that Ibis can connect to"
            remedy = "look at the address in the environment; what it holds is not shown"
            raise ProblemsError(Problem(found, allowed, remedy, shown, key=key)) from None
        self.dialect = str(self._connection.name)
        self.wide = self.dialect == "duckdb"

    def columns(self, relation: str) -> list[Column]:
        """Return the columns of a table or of a query in brackets."""
        from sqlglot import exp

        dialect, sql = sql_dialect(self.dialect), f"SELECT * FROM {relation} AS relation"  # noqa: S608  # quoted
        try:
            if self.dialect == "duckdb":
                found = self._connection.con.sql(sql)
                stored = {n: stored_as(str(k)) for n, k in zip(found.columns, found.types, strict=True)}
            else:
                stored = {n: _stored(kind) for n, kind in self._connection.sql(sql).schema().items()}
        except Exception as error:  # noqa: BLE001
            raise ProblemsError(self._failed(error)) from None
        return [
            Column(name, kind, exp.to_identifier(name, quoted=True).sql(dialect=dialect))
            for name, kind in stored.items()
        ]

    def compiled(self, expression: Expr) -> str:
        """Return the SQL of an expression."""
        return str(self._connection.compile(expression))

    def rows(self, sql: str, expression: Expr) -> Any:
        """Return what a statement yields as a PyArrow table of the expression's columns."""
        try:
            if self.dialect == "pyspark":
                return arrow_table(self._connection.raw_sql(sql).collect(), expression)
            if self.dialect == "duckdb":
                return arrow_table(self._connection.raw_sql(sql).fetchall(), expression)
            return self._connection.sql(sql, schema=expression.schema()).to_pyarrow()
        except Exception as error:  # noqa: BLE001
            raise ProblemsError(self._failed(error)) from None

    def kept(self, relation: str, cells: Mapping[str, Column]) -> None:
        """Keep nothing: not every warehouse has a place for what is no table."""

    def close(self) -> None:
        """End the connection; a Spark session may be somebody else's."""
        if self.dialect != "pyspark":
            self._connection.disconnect()

    def _failed(self, error: Exception) -> Problem:
        told = (str(error).strip() or type(error).__name__).splitlines()[0]
        for text in self.hidden:
            told = told.replace(text, "…")
        return Problem(f"the warehouse refuses the query: {told}", "one SELECT", "", self.shown, key=self.key)


def _connected(address: str, scheme: str) -> Any:
    import ibis

    if scheme in _SPARK:
        session = spark_session(address, scheme)
        return ibis.pyspark.connect(session)
    if scheme != "duckdb":
        return ibis.connect(address)
    parts = urlsplit(address)
    config = {"autoinstall_known_extensions": False, "autoload_known_extensions": False}
    connection = ibis.duckdb.connect(parts.netloc + parts.path, read_only=True, **config)
    connection.raw_sql("SET TimeZone = 'UTC'")
    connection.raw_sql("SET enable_external_access = false")
    return connection


def spark_session(address: str, scheme: str) -> Any:
    """Return a session: ``sc://`` joins one, ``spark://`` is on a cluster, ``pyspark://`` on this machine."""
    from pyspark.sql import SparkSession

    builder = SparkSession.builder.appName("sim")
    if scheme == "sc":
        return builder.remote(address).getOrCreate()
    parts = urlsplit(address)
    if scheme == "spark":
        builder = builder.master(f"spark://{parts.netloc}")
    for name, value in parse_qsl(parts.query):
        builder = builder.config(name, value)
    return builder.getOrCreate()


def _stored(kind: Any) -> Stored:
    """Return the storage class of a type of Ibis."""
    if kind.is_string() or kind.is_uuid():
        return "text"
    if kind.is_integer():
        return "real" if kind.is_uint64() else "integer"
    if kind.is_floating() or kind.is_decimal():
        return "real"
    if kind.is_boolean():
        return "flag"
    return "date" if kind.is_date() or kind.is_timestamp() else "other"
