"""Expressions and their SQL, made once: the next table of a kind asks the same under the same names."""

from __future__ import annotations

from collections.abc import Callable
from functools import lru_cache
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from sim.pilot.engine import Expr

_MOST = 512


def remembered[**P](build: Callable[P, Expr]) -> Callable[P, Expr]:
    """Remember what a function makes of Ibis tables and of values that can be compared."""
    anew: Callable[..., Expr] = build

    @lru_cache(maxsize=_MOST)
    def known(*arguments: Any) -> Expr:
        return anew(*(each.to_expr() if hasattr(each, "to_expr") else each for each in arguments))

    def found(*arguments: Any) -> Expr:
        return known(*(each.op() if hasattr(each, "op") else each for each in arguments))

    again: Callable[..., Expr] = found
    return again


@lru_cache(maxsize=_MOST)
def compiled(node: Any) -> str:
    """Return the SQL of the expression of an Ibis node."""
    import ibis

    return str(ibis.to_sql(node.to_expr(), dialect="duckdb", pretty=False))
