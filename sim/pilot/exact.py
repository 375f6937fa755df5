r"""Sums, means and standard deviations of fractions that come out the same in every engine.

Adding up floating-point numbers gives another last digit in another order, and a warehouse has no order. So
every number is cut into three whole numbers of 30 bits, multiples of a power of two above the largest of its
column:

.. math:: x = 2^{E-30} (a + 2^{-30} b + 2^{-60} c), \quad |x| < 2^E

The engine adds up whole numbers and their products, which is exact in any order; the last step is done here
with whole numbers of any length and is rounded once. What lies 90 bits below the largest number of a column
is left out: results are correctly rounded as long as sizes within a column do not differ by more than 10¹¹.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from fractions import Fraction
from typing import Any

from sim.pilot.engine import Expr

_BITS = 30
_WIDE = "decimal(38, 0)"
_LEAST = -960
"""Exponent below which powers of two leave the range of numbers."""

type Stage = Callable[[Expr], Expr]
type Run = Callable[[Expr], Any]


def parts_of(expression: Expr) -> list[Any] | None:
    """Return the group-bys that an expression stacks, or None where it is anything else."""
    import ibis.expr.operations as ops

    def collect(node: Any) -> list[Any] | None:
        if isinstance(node, ops.Union) and not node.distinct:
            left, right = collect(node.left), collect(node.right)
            return None if left is None or right is None else left + right
        return [node] if isinstance(node, ops.Aggregate) else None

    return collect(expression.op())


def is_inexact(metric: Any) -> bool:
    """Whether a metric depends on the order in which an engine adds up."""
    import ibis.expr.operations as ops

    kinds = (ops.Sum, ops.Mean, ops.StandardDev)
    return isinstance(metric, kinds) and metric.where is None and metric.arg.dtype.is_floating()


def run_exactly(expression: Expr, stage: Stage, run: Run, *, wide: bool) -> Any:
    """Return the rows of stacked group-bys in their order, every sum, mean and deviation rounded once.

    Parameters
    ----------
    expression : Ibis table
    stage, run : callable
        Those of the engine.
    wide : bool
        Whether the engine itself adds up whole numbers beyond 64 bits; else it is asked to do so in decimals.
    """
    import pyarrow as pa

    groups = parts_of(expression)
    order = [(name, "ascending") for name in (groups[0].groups if groups else expression.columns)]
    names = {} if not groups else {name: m for name, m in groups[0].metrics.items() if is_inexact(m)}
    if not groups or not names or any(not is_inexact(part.metrics[n]) for part in groups for n in names):
        return run(expression).sort_by(order) if order else run(expression)
    tables = [_Part(part, list(names), stage, run, wide=wide) for part in groups]
    schema = expression.schema().to_pyarrow()
    columns: dict[str, list[Any]] = {name: [] for name in schema.names}
    for table in tables:
        for row in run(table.asked).to_pylist():
            for name in schema.names:
                columns[name].append(table.value(name, row))
    whole = pa.table({name: pa.array(columns[name], schema.field(name).type) for name in schema.names})
    return whole.sort_by(order) if order else whole


class _Part:
    """One group-by with its inexact metrics taken apart."""

    def __init__(self, node: Any, names: Sequence[str], stage: Stage, run: Run, *, wide: bool) -> None:
        import ibis.expr.operations as ops

        self.metrics = {name: node.metrics[name] for name in names}
        self.place = {arg: i for i, arg in enumerate(dict.fromkeys(m.arg for m in self.metrics.values()))}
        self.squared = {m.arg for m in self.metrics.values() if isinstance(m, ops.StandardDev)}
        added = {f"_e{i}": arg.to_expr() for arg, i in self.place.items()}
        table = stage(node.parent.to_expr().mutate(**added))
        self.exponents = _exponents(run(table.aggregate(**_extremes(table, len(added)))).to_pylist()[0])
        table = stage(table.mutate(**_limbs(table, self.exponents)))
        moved = {node.parent: table.op()}

        def there(value: Any) -> Expr:
            return value.replace(moved).to_expr()

        asked = {n: there(m) for n, m in node.metrics.items() if n not in self.metrics}
        for arg, i in self.place.items():
            asked |= _sums(table, i, squared=arg in self.squared, wide=wide)
        keys = {name: there(value) for name, value in node.groups.items()}
        self.asked = table.group_by(**keys).aggregate(**asked)

    def value(self, name: str, row: Mapping[str, Any]) -> Any:
        """Return one column of a fetched row."""
        import ibis.expr.operations as ops

        metric = self.metrics.get(name)
        if metric is None:
            return row[name]
        i = self.place[metric.arg]
        count, unit = int(row[f"_n{i}"]), Fraction(2) ** (self.exponents[i] - 3 * _BITS)
        if not count:
            return None
        one = [int(row[f"_{k}_{i}"]) for k in "abc"]
        whole = (one[0] << 2 * _BITS) + (one[1] << _BITS) + one[2]
        if isinstance(metric, ops.Sum):
            return _rounded(whole * unit)
        if isinstance(metric, ops.Mean):
            return _rounded(Fraction(whole, count) * unit)
        two = [int(row[f"_q{k}_{i}"]) for k in range(5)]
        squares = sum(value << (4 - k) * _BITS for k, value in enumerate(two))
        freedom = count - 1 if metric.how == "sample" else count
        if not freedom:
            return None
        return root(Fraction(count * squares - whole * whole, count * freedom) * unit * unit)


def _extremes(table: Expr, count: int) -> dict[str, Expr]:
    return {f"m{i}": table[f"_e{i}"].abs().max() for i in range(count)}


def _exponents(row: Mapping[str, float | None]) -> list[int]:
    """Return for each column the power of two above its largest number."""
    found = []
    for i in range(len(row)):
        largest = row[f"m{i}"] or 0.0
        # A number that is none, or too large for one, is told by whoever gets the sum.
        found.append(max(math.frexp(largest)[1], _LEAST) if math.isfinite(largest) else 1024)
    return found


def _limbs(table: Expr, exponents: Sequence[int]) -> dict[str, Expr]:
    """Return the three whole numbers of each column."""
    limbs = {}
    step = 2.0**_BITS
    for i, exponent in enumerate(exponents):
        rest = table[f"_e{i}"] * 2.0 ** (_BITS - exponent)
        for letter in "abc":
            limbs[f"_{letter}{i}"] = rest.floor().cast("int64")
            rest = (rest - rest.floor().cast("float64")) * step
    return limbs


def _sums(table: Expr, i: int, *, squared: bool, wide: bool) -> dict[str, Expr]:
    a, b, c = (table[f"_{letter}{i}"] for letter in "abc")
    asked = {f"_n{i}": a.count(), f"_a_{i}": a.sum(), f"_b_{i}": b.sum(), f"_c_{i}": c.sum()}
    if squared:
        products = (a * a, a * b * 2, a * c * 2 + b * b, b * c * 2, c * c)
        for k, product in enumerate(products):
            one = product if wide else product.cast(_WIDE)
            asked[f"_q{k}_{i}"] = one.sum().cast(_WIDE)
    return asked


def _rounded(value: Fraction) -> float:
    try:
        return value.numerator / value.denominator
    except OverflowError:
        return math.copysign(math.inf, value)


def root(value: Fraction) -> float:
    """Return the square root of a fraction, rounded once.

    Examples
    --------
    >>> root(Fraction(2)) == math.sqrt(2), root(Fraction(0)), root(Fraction(9, 4))
    (True, 0.0, 1.5)
    """
    if value <= 0:
        return 0.0
    # An even power of two that leaves 128 bits under the root, so 64 of the root.
    shift = 128 - value.numerator.bit_length() + value.denominator.bit_length()
    shift += shift % 2
    scaled = value * Fraction(2) ** shift
    bits = scaled.numerator // scaled.denominator
    found = math.isqrt(bits)
    exact = found * found == scaled
    return _rounded(Fraction(2 * found + (not exact)) / Fraction(2) ** (shift // 2 + 1))
