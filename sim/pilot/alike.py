"""Expressions over equal rows that came as one with their number, in place of the rows themselves."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from sim.pilot.engine import Expr

TIMES = "_times"
"""The column that says how many rows there are of each."""
FIRST, SHARE = 200_000, 5
"""How many rows tell whether equal ones are kept as one, and how many of them must be alike on average."""
MOST = 50_000
"""Different rows that are kept: some megabytes, and in PostgreSQL below the gigabyte of one value."""


class UnweightedError(Exception):
    """An expression means something that the numbers of equal rows do not tell."""


type Keep = Callable[[str, Sequence[str]], str | None]
"""Takes the name of a table and some of its columns, and returns the name under which their different rows
are kept with `TIMES`, or None where they are not."""


class Kept:
    """What an engine has of its tables and stages with equal rows as one.

    Attributes
    ----------
    stages : dict of str to str
        By the name of a stage, that of the same over equal rows as one.
    """

    def __init__(self) -> None:
        self.stages: dict[str, str] = {}
        self._tables: defaultdict[str, list[tuple[set[str], str | None]]] = defaultdict(list)

    def named(self, table: Any, keep: Keep) -> str | None:
        """Return the name of what has equal rows of an unbound Ibis table as one, or None."""
        if table.name in self.stages:
            return self.stages[table.name]
        asked = set(table.schema.names)
        for columns, name in self._tables[table.name]:
            if (name and asked <= columns) or (not name and asked >= columns):
                return name
        name = keep(table.name, table.schema.names)
        self._tables[table.name].append((asked, name))
        return name


def weighted(expression: Expr, named: Callable[[Any], str | None]) -> Expr:
    """Return the expression with every count and sum taken over all of the rows.

    Parameters
    ----------
    expression : Ibis table
    named : callable
        Takes a table of the expression to the one with `TIMES` in its place, or to None where it has none.

    Returns
    -------
    Ibis table
        With `TIMES` where its rows still stand for several.

    Raises
    ------
    UnweightedError
        For anything but counts, sums of whole numbers, and what equal rows do not change.
    """
    import ibis
    import ibis.expr.operations as ops

    kept = (ops.Filter, ops.Sort, ops.Project, ops.Aggregate, ops.Field, ops.CountStar)
    same = (ops.CountDistinct, ops.Min, ops.Max, ops.Any, ops.All)

    def rewritten(node: Any, kwargs: dict[str, Any] | None) -> Any:
        if isinstance(node, ops.UnboundTable) and (name := named(node)):
            return ibis.table({**node.schema, TIMES: "int64"}, name=name).op()
        if kwargs is None:
            return node
        below = [each for each in kwargs.values() if isinstance(each, ops.Relation) and _several(each)]
        if isinstance(node, ops.Project) and below:
            kwargs["values"] = {**kwargs["values"], TIMES: ops.Field(below[0], TIMES)}
        if isinstance(node, ops.Distinct) and below:
            return below[0].to_expr().drop(TIMES).distinct().op()
        united = isinstance(node, ops.Union) and len(below) == 2 and not node.distinct
        window = isinstance(node, (ops.WindowFunction, ops.Analytic))
        if window or (below and not united and not isinstance(node, kept)):
            raise UnweightedError
        node = node.__recreate__(kwargs)
        if isinstance(node, ops.CountStar) and below:
            return _added(below[0].to_expr()[TIMES], node)
        over = [each for each in node.relations if _several(each)] if isinstance(node, ops.Value) else []
        if isinstance(node, ops.Reduction) and over and not isinstance(node, same):
            times = over[0].to_expr()[TIMES]
            if isinstance(node, ops.Count):
                return _added(node.arg.to_expr().notnull().ifelse(times, 0), node)
            if isinstance(node, ops.Sum) and node.arg.dtype.is_integer():
                # The product of two whole numbers may go beyond 64 bits, as their sum may.
                whole = node.arg.to_expr().cast("decimal(38, 0)") * times
                return whole.sum(where=_where(node)).op()
            raise UnweightedError
        return node

    return expression.op().replace(rewritten).to_expr()


def _several(relation: Any) -> bool:
    return TIMES in relation.schema


def _added(numbers: Expr, node: Any) -> Any:
    return numbers.sum(where=_where(node)).fill_null(0).op()


def _where(node: Any) -> Expr | None:
    return None if node.where is None else node.where.to_expr()
