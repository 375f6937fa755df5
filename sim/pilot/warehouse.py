"""A warehouse that groups where the data lie: the engine of tables that are no files.

It has the same meaning as `sim.pilot.engine.Engine`, without writing anything: what would be a view there is
a part of the one statement that is sent here. Rows stay where they are; what comes back are counts, sums,
values of columns that tell groups, and refused cells as they are told to whoever must mend them.
"""

from __future__ import annotations

import weakref
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Protocol

from sim.errors import Problem
from sim.pilot.alike import TIMES, Kept, UnweightedError, weighted
from sim.pilot.dialects import bare, portable, told
from sim.pilot.engine import Expr, Stored, identifier, with_parts
from sim.pilot.exact import run_exactly


@dataclass(frozen=True, slots=True)
class Column:
    """A column of the warehouse: its name, how it is stored, and the SQL that yields it."""

    name: str
    stored: Stored
    sql: str


class Link(Protocol):
    """A connection that can only read.

    Parameters
    ----------
    dialect : str
        As Ibis calls it.
    alone : str
        What keeps a part of a statement from being worked into others, and computed many times over.
    beside : str
        What goes between the name of a part and its statement.
    wide : bool
        Whether whole numbers are added up beyond 64 bits.
    """

    dialect: str
    alone: str
    beside: str
    wide: bool

    def columns(self, relation: str) -> list[Column]:
        """Return the columns of a table or of a query in brackets."""

    def compiled(self, expression: Expr) -> str:
        """Return the SQL of an expression."""

    def rows(self, sql: str, expression: Expr) -> Any:
        """Return what a statement yields as a PyArrow table of the expression's columns."""

    def kept(self, relation: str, cells: Mapping[str, Column]) -> str | None:
        """Keep the different rows of a relation over there, where they are few, and how often each is there.

        Returns
        -------
        str or None
            A query of the named cells and `TIMES`; None where rows are not kept.
        """

    def close(self) -> None:
        """End the connection."""


class Warehouse:
    """One connection and the parts of statements that were named on it."""

    def __init__(self, link: Link) -> None:
        self.link = link
        self._parts: dict[str, str] = {}
        self._stages: dict[Any, str] = {}
        self._published: dict[str, tuple[str, dict[str, Column]]] = {}
        self._kept = Kept()
        weakref.finalize(self, link.close)

    def publish(self, relation: str, columns: Sequence[Column]) -> str:
        """Name a table or query with columns ``c0, c1, …`` of the given storage; return the name."""
        dialect = self.link.dialect
        cells = {
            f"c{i}": replace(column, sql=told(column.sql, column.stored, dialect))
            for i, column in enumerate(columns)
        }
        name = self._part(self._bare(cells), f"{relation} AS relation")
        self._published[name] = relation, cells
        return name

    def _bare(self, cells: Mapping[str, Column]) -> str:
        bared = {name: bare(each.sql, each.stored, self.link.dialect) for name, each in cells.items()}
        return ", ".join(f"{sql} AS {name}" for name, sql in bared.items())

    def _part(self, columns: str, relation: str) -> str:
        name = f"sim part {len(self._parts)}"
        self._parts[name] = f"SELECT {columns} FROM {relation}"  # noqa: S608  # all quoted
        return name

    def stage(self, expression: Expr) -> Expr:
        """Return the expression as a named part of later statements, so that it is computed once."""
        import ibis

        known = expression.op()
        name = self._stages.get(known)
        if name is None:
            name = self._stages[known] = f"sim stage {len(self._stages)}"
            found = self._counted(expression)
            self._parts[name] = self._sql(found)
            if TIMES in found.schema():
                self._kept.stages[name] = name
        return ibis.table(expression.schema(), name=name)

    def run(self, expression: Expr, *, repeatable: bool = False) -> Any:
        """Return the rows of a table expression as a PyArrow table.

        With `repeatable` sums of fractions are exact, see `sim.pilot.exact`: rows have no order here.
        """
        if repeatable:
            return run_exactly(expression, self.stage, self._fetched, wide=self.link.wide)
        return self._fetched(expression)

    def _fetched(self, expression: Expr) -> Any:
        found = self._counted(expression)
        if TIMES in found.schema():
            found = self._one_by_one(expression)
        return self.link.rows(self._whole(self._sql(found)), expression)

    def _sql(self, expression: Expr) -> str:
        return self.link.compiled(portable(expression, self.link.dialect))

    def _counted(self, expression: Expr) -> Expr:
        """Return the expression over equal rows that are kept as one, as far as they are."""
        try:
            return weighted(expression, lambda table: self._kept.named(table, self._keep))
        except UnweightedError:
            return self._one_by_one(expression)

    def _keep(self, table: str, columns: Sequence[str]) -> str | None:
        if table not in self._published:
            return None
        relation, cells = self._published[table]
        wanted = {name: cells[name] for name in columns}
        rows = self.link.kept(relation, wanted)
        if rows is None:
            return None
        there = {name: replace(each, sql=name) for name, each in wanted.items()}
        return self._part(f"{self._bare(there)}, {TIMES}", f"({rows}) AS kept")

    def _one_by_one(self, expression: Expr) -> Expr:
        """Return the expression over all rows again; slower, but there is nothing that it cannot ask."""
        import ibis
        import ibis.expr.operations as ops

        def rewritten(node: Any, kwargs: dict[str, Any] | None) -> Any:
            if isinstance(node, ops.UnboundTable) and node.name in self._kept.stages:
                columns = ", ".join(identifier(name) for name in node.schema.names)
                rows = f"{identifier(node.name)} CROSS JOIN GENERATE_SERIES(1, {TIMES}) AS one"
                return ibis.table(node.schema, name=self._part(columns, rows)).op()
            return node if kwargs is None else node.__recreate__(kwargs)

        return expression.op().replace(rewritten).to_expr()

    def _whole(self, sql: str) -> str:
        from sqlglot import exp

        dialect = sql_dialect(self.link.dialect)

        def written(name: str) -> str:
            part = self._parts[name]
            called = exp.to_identifier(name, quoted=True).sql(dialect=dialect)
            # Patterns and roundings take long; anything else is quicker where it can be worked in.
            alone = self.link.alone if " ~ " in part or "FLOOR(" in part else ""
            whole = f"SELECT * FROM ({part}) AS q{alone}"  # noqa: S608  # no text of a user
            return f"{called} AS {self.link.beside}({whole})"

        return with_parts(sql, self._parts, written)


def arrow_table(rows: Sequence[Sequence[Any]], expression: Expr) -> Any:
    """Return fetched rows as a PyArrow table of the expression's columns."""
    import pyarrow as pa

    columns = list(zip(*rows, strict=True)) or [()] * len(expression.columns)
    return pa.table(
        {
            field.name: pa.array([_plain(value, field.type) for value in values], field.type)
            for field, values in zip(expression.schema().to_pyarrow(), columns, strict=True)
        }
    )


def sql_dialect(dialect: str) -> str:
    """Return what the SQL library calls a dialect of Ibis."""
    return {"pyspark": "spark"}.get(dialect, dialect)


def _plain(value: Any, kind: Any) -> Any:
    """Return a value of the library as PyArrow takes it."""
    import pyarrow as pa

    if value is None:
        return None
    if pa.types.is_integer(kind):
        return int(value)
    if pa.types.is_floating(kind):
        return float(value)
    return value


def no_driver(what: str, package: str, key: str) -> Problem:
    """Return the problem of a library that is not installed."""
    found = f"{what} needs a library that is not installed"
    return Problem(found, package, f'install it: pip install "{package}"', key=key)
