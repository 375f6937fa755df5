"""What expressions that were written for DuckDB need in order to mean the same in another engine."""

from __future__ import annotations

from functools import cache
from types import SimpleNamespace
from typing import Any

from sim.pilot.engine import BLANKS, SQL, Expr, Stored
from sim.pilot.parse import DATES

_DIGITS = r"[+-]?([0-9]+\.?[0-9]*|\.[0-9]+)"
_DAY = (
    "(?:(?:0[13578]|1[02])-(?:0[1-9]|[12][0-9]|3[01])|(?:0[469]|11)-(?:0[1-9]|[12][0-9]|30)|"
    "02-(?:0[1-9]|1[0-9]|2[0-8]))"
)
_LEAP = "(?:[0-9]{2}(?:0[48]|[2468][048]|[13579][26])|(?:[02468][048]|[13579][26])00)"
_SAFE = {
    "date": (
        (10, rf"^(?:(?:[0-9]{{3}}[1-9]|[0-9]{{2}}[1-9]0|[0-9][1-9]00|[1-9]000)-{_DAY}|{_LEAP}-02-29)$"),
    ),
    "int64": ((18, "^[+-]?[0-9]+$"),),
    # Neither too large nor too small: 100 digits and an exponent of two, or few digits and one of three.
    "float64": (
        (100, rf"^{_DIGITS}([eE][+-]?0*[0-9]{{1,2}})?$"),
        (20, rf"^{_DIGITS}[eE][+-]?(1[0-9]{{2}}|2[0-8][0-9])$"),
    ),
}
"""Longest text and its pattern that can be cast without an error where no cast tries."""

_TEXTS: tuple[Stored, ...] = ("text", "other")

_TYPES: dict[str, dict[Stored, str]] = {
    "postgres": {
        "text": "TEXT",
        "integer": "BIGINT",
        "real": "DOUBLE PRECISION",
        "flag": "BOOLEAN",
        "date": "DATE",
        "other": "TEXT",
    },
    "pyspark": {
        "text": "STRING",
        "integer": "BIGINT",
        "real": "DOUBLE",
        "flag": "BOOLEAN",
        "date": "DATE",
        "other": "STRING",
    },
}
_BYTES = (
    "NULLIF(CASE WHEN OCTET_LENGTH({0}) > CHAR_LENGTH({0}) THEN BTRIM({0}, {1}) ELSE BTRIM({0}, ' ') END, '')"
)
_BARE = {
    "postgres": _BYTES,
    "pyspark": _BYTES,
    "duckdb": "NULLIF(CASE WHEN STRLEN({0}) > LENGTH({0}) THEN TRIM({0}, {1}) ELSE TRIM({0}, ' ') END, '')",
}
"""The cells that lose blanks, and which, are those of `Engine.publish`."""
_ANY = "NULLIF(TRIM({0}), '')"


def told(column: str, stored: Stored, dialect: str) -> str:
    """Return the SQL of a column of the warehouse in the type of its storage."""
    cast = f"CAST({column} AS {type_of(stored, dialect)})"
    # "C" compares bytes, whatever the collation of the column.
    return f'{cast} COLLATE "C"' if dialect == "postgres" and stored in _TEXTS else cast


def type_of(stored: Stored, dialect: str) -> str:
    """Return the type of a storage class."""
    return _TYPES.get(dialect, SQL)[stored]


def bare(cell: str, stored: Stored, dialect: str) -> str:
    """Return the SQL of what `told` yields without blanks around text; no text is NULL."""
    from sqlglot import exp

    if stored not in _TEXTS:
        return cell
    blanks = exp.Literal.string(BLANKS).sql(dialect="spark" if dialect == "pyspark" else dialect)
    return _BARE.get(dialect, _ANY).format(cell, blanks)


@cache
def _own() -> SimpleNamespace:
    """Return functions of PostgreSQL where what Ibis writes in place of them is slow or not exact."""
    import ibis

    def ln(x: float) -> float: ...  # type: ignore[empty-body]
    def floor(x: float) -> float: ...  # type: ignore[empty-body]
    def exp(x: float) -> float: ...  # type: ignore[empty-body]
    def split_part(text: str, mark: str, place: int) -> str: ...  # type: ignore[empty-body]
    def left(text: str, count: int) -> str: ...  # type: ignore[empty-body]
    def rtrim(text: str, signs: str) -> str: ...  # type: ignore[empty-body]

    named = {each.__name__: each for each in (ln, floor, exp, split_part, left, rtrim)}
    return SimpleNamespace(**{name: ibis.udf.scalar.builtin(each) for name, each in named.items()})


def _form(pattern: Any) -> str:
    """Return the form of a date that a pattern reads, or nothing."""
    text = getattr(pattern, "value", None)
    return next((form for form, known in DATES.items() if known == text), "")


def _piece(text: Expr, form: str, place: int) -> Expr:
    """Return one part of a date; PostgreSQL takes long to tell what a pattern found.

    It means nothing where the pattern finds nothing, so that has to be looked at beside.
    """
    mark = "-" if form == "iso" else form.strip("ymd")[0]
    part = _own().split_part(text, mark, place)
    if place == 3:  # a time may follow
        part = _own().left(part, 4) if len(form) == 1 else _own().rtrim(_own().left(part, 2), "T ")
    return part


def _tried(text: Any, to: Any) -> Expr:
    """Return a cast of text that gives NULL where it cannot be."""
    import ibis
    import ibis.expr.operations as ops

    # A condition that the text stands under already is kept in one place: it takes long.
    under = (
        [text.bool_expr.to_expr()] if isinstance(text, ops.IfElse) and _is_null(text.false_null_expr) else []
    )
    value = text.true_expr.to_expr() if under else text.to_expr()
    fits = ibis.or_(
        *((value.length() <= longest) & value.re_search(pattern) for longest, pattern in _SAFE[str(to)])
    )
    return ibis.and_(*under, fits).ifelse(value, ibis.null("string")).cast(to)


def _is_null(node: Any) -> bool:
    return getattr(node, "value", 0) is None


def portable(expression: Expr, dialect: str) -> Expr:
    """Return an expression that needs no cast which tries and, for PostgreSQL, no decimals for fractions."""
    import ibis
    import ibis.expr.operations as ops

    tries = dialect in ("duckdb", "pyspark", "snowflake", "bigquery", "trino", "clickhouse", "databricks")

    def rewritten(node: Any, kwargs: dict[str, Any] | None) -> Any:
        if kwargs is not None:
            node = node.__recreate__(kwargs)
        if isinstance(node, ops.TryCast) and not tries and node.arg.dtype.is_string():
            return _tried(node.arg, node.to).op()
        if dialect != "postgres":
            return node
        if isinstance(node, ops.Cast) and node.arg.dtype.is_boolean() and node.to.is_int64():
            return node.arg.to_expr().cast("int32").cast("int64").op()
        own = _own()
        if isinstance(node, ops.RegexExtract) and (form := _form(node.pattern)):
            return _piece(node.arg.to_expr(), form, node.index.value).op()
        if isinstance(node, ops.Log) and node.base is None:
            return own.ln(node.arg.to_expr().cast("float64")).op()
        if isinstance(node, ops.Exp):
            power = node.arg.to_expr().cast("float64")
            # Beyond the range of numbers PostgreSQL fails where others have infinity and 0.
            return ibis.cases((power > 709.0, float("inf")), (power < -700.0, 0.0), else_=own.exp(power)).op()
        if isinstance(node, ops.Modulus) and node.dtype.is_floating():
            left, right = node.left.to_expr(), node.right.to_expr()
            return (left - own.floor(left / right) * right).op()
        return node

    return expression.op().replace(rewritten).to_expr()
