"""Statistics of payments by cell and segment, and how rows or totals of a pilot table become them.

Per cell there are ``trials``, ``payers``, the mean ``log_mean`` of the payers' log amounts and their centred
sum of squares ``log_squares``: sufficient for a lognormal. What a lognormal does not need, but must
reproduce, is kept beside them as far as it is known: ``mean`` and ``squares`` (the same of the amounts
themselves), ``largest`` and ``top`` (the sum of the largest 1 % of the amounts).
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from sim.contract import Ratio
from sim.records.arrays import FloatArray
from sim.records.columns import Column, ColumnSet, Rule, Table

from ._groups import Groups, cell, column, total
from ._joined import added, moments
from ._moments import PSEUDO, merge

BINS_PER_DOUBLING = 8
"""Rows are grouped into bins of the log amount, 9 % wide: some 200 for a spread of 10⁷."""
_ZERO = -(10**6)
LEAST_SD = 0.01
"""Amounts that vary by less than 1 % count as varying by that: prices are not infinitely well known."""
_TOLERANCE = 1e-6
_ADDED = 1000


def _aggregate_rows(table: Table, by: Sequence[str], _options: Mapping[str, Any]) -> Table:
    logs = table.amount.nullif(0).log()
    place = (logs * (BINS_PER_DOUBLING / math.log(2))).floor().cast("int64").fill_null(_ZERO)
    binned = table.mutate(log_bin=place, log_amount=logs)
    return binned.group_by([*by, "log_bin"]).agg(
        trials=binned.amount.count(),
        payers=binned.log_amount.count(),
        log_mean=binned.log_amount.mean(),
        log_sd=binned.log_amount.std(how="sample"),
        mean=binned.amount.mean(),
        sd=binned.amount.std(how="sample"),
        largest=binned.amount.max(),
    )


def _condense_rows(
    groups: Groups, shape: tuple[int, int], _options: Mapping[str, Any]
) -> dict[str, FloatArray]:
    payers, mean = column(groups, "payers"), column(groups, "mean")
    counted = total(groups, payers, shape)
    log_mean, log_sd = merge(groups, payers, column(groups, "log_mean"), column(groups, "log_sd"), shape)
    means, sds = merge(groups, payers, mean, column(groups, "sd"), shape)
    # The largest 1 %: whole bins from the top; of the last one a part, at the bin's mean.
    place = cell(groups, shape)
    order = np.lexsort((-mean, place))
    there, size = place[order], payers[order]
    above = np.cumsum(size) - size
    first = np.searchsorted(there, there)
    above -= above[first]
    wanted = np.ceil(counted.ravel() / 100)[there]
    taken = np.clip(wanted - above, 0, size)
    largest = np.zeros(counted.size)
    np.maximum.at(largest, place, np.where(payers > 0, column(groups, "largest"), 0.0))
    df = np.maximum(counted - 1, 0)
    return {
        "trials": total(groups, column(groups, "trials"), shape),
        "payers": counted,
        "log_mean": log_mean,
        "log_squares": df * log_sd**2,
        "mean": means,
        "squares": df * sds**2,
        "largest": largest.reshape(shape),
        "top": np.bincount(there, taken * mean[order], counted.size).reshape(shape),
    }


def _aggregate_totals(table: Table, by: Sequence[str], _options: Mapping[str, Any]) -> Table:
    names = [name for name in TOTALS.roles if name in table.columns]
    return table.group_by(list(by)).agg(**{name: table[name].sum() for name in names})


def _condense_totals(
    groups: Groups, shape: tuple[int, int], _options: Mapping[str, Any]
) -> dict[str, FloatArray]:
    sums = {name: total(groups, column(groups, name), shape) for name in TOTALS.roles if name in groups}
    some = np.maximum(sums["payers"], 1)
    statistics = {name: sums[name] for name in ("trials", "payers")}
    for prefix in ("log_", ""):
        if f"{prefix}total" in sums:
            mean = statistics[f"{prefix}mean"] = sums[f"{prefix}total"] / some
            if f"{prefix}squared_total" in sums:
                squares = sums[f"{prefix}squared_total"] - some * mean**2
                statistics[f"{prefix}squares"] = np.maximum(squares, 0.0)
    return statistics


def _too_small(squared: Any, whole: Any, payers: Any) -> Any:
    """Whether a sum of squares is below what equal values would have, beyond rounding."""
    return (payers > 0) & (squared * payers < whole * whole * (1 - _TOLERANCE) - _TOLERANCE)


def _below_geometric(table: Table) -> Any:
    """Whether a total is below what equal amounts with these logarithms would give."""
    least = (table.log_total / table.payers.cast("float64").nullif(0)).exp() * table.payers
    return (table.payers > 0) & (table.total < least * (1 - _TOLERANCE))


ROWS = ColumnSet(
    columns=(Column("amount", "amount", "what this trial brought in; zero where nothing was paid"),),
    aggregate=_aggregate_rows,
    condense=_condense_rows,
    rows=True,
)
TOTALS = ColumnSet(
    columns=(
        Column("trials", "count", "how often it was tried"),
        Column("payers", "count", "how many of the trials paid something"),
        Column("log_total", "number", "sum of the payers' log amounts (natural logarithm)"),
        Column("log_squared_total", "amount", "sum of the squares of those logarithms"),
        Column("total", "amount", "sum of the amounts, to check the tail", optional=True),
        Column("squared_total", "amount", "sum of the squared amounts, to check the tail", optional=True),
    ),
    aggregate=_aggregate_totals,
    condense=_condense_totals,
    rows=False,
    rules=(
        Rule(
            lambda table: table.payers > table.trials,
            ("trials", "payers"),
            "more payers than trials",
            "payers between 0 and trials",
        ),
        Rule(
            lambda table: (table.payers == 0) & ((table.log_total != 0) | (table.log_squared_total > 0)),
            ("payers", "log_total", "log_squared_total"),
            "amounts without payers",
            "sums of 0 where nobody paid",
        ),
        Rule(
            lambda table: _too_small(table.log_squared_total, table.log_total, table.payers),
            ("payers", "log_total", "log_squared_total"),
            "squares of logarithms that add up to less than equal amounts would give",
            "log_squared_total of at least log_total² / payers: squares are taken before they are added up",
        ),
        Rule(
            _below_geometric,
            ("payers", "log_total", "total"),
            "a total below what its own logarithms say",
            "total of at least payers · exp(log_total / payers), both of the same amounts",
        ),
        Rule(
            lambda table: _too_small(table.squared_total, table.total, table.payers),
            ("payers", "total", "squared_total"),
            "squares of amounts that add up to less than equal amounts would give",
            "squared_total of at least total² / payers: squares are taken before they are added up",
        ),
    ),
)


def joined(one: Mapping[str, FloatArray], other: Mapping[str, FloatArray]) -> dict[str, FloatArray]:
    """Statistics of two sets of payments together, as far as both tell them."""
    together = added(one, other, ("trials", "payers"))
    together = {name: together[name] for name in ("trials", "payers")}
    payers = one["payers"], other["payers"]
    for mean, squares in (("log_mean", "log_squares"), ("mean", "squares")):
        if mean in one and mean in other:
            known = squares in one and squares in other
            pair = (one[squares], other[squares]) if known else payers
            together[mean], square = moments(payers, (one[mean], other[mean]), pair)
            if known:
                together[squares] = square
    return together


def spread(payers: FloatArray, log_squares: FloatArray) -> tuple[FloatArray, float]:
    """Rough variance of the log amounts per cell, shrunk to the overall one, (cell,), and that one.

    The overall variance counts two observations at 1 and is never below `LEAST_SD` squared.
    """
    df = np.maximum(payers - 1, 0).sum(axis=1)
    squares = floored(payers, log_squares).sum(axis=1)
    whole = float((squares.sum() + 2) / (df.sum() + 2))
    cells: FloatArray = (squares + PSEUDO * whole) / (df + PSEUDO)
    return cells, whole


def mean_amounts(payers: FloatArray, sigma: FloatArray, rng: np.random.Generator) -> FloatArray:
    """Means of that many lognormal amounts with mean 1, each (sample, cell, segment); 0 without payers.

    Up to `_ADDED` amounts are drawn one by one, as a sum of few lognormals has no form of its own. Of more,
    the mean of so many is drawn and its distance from 1 shortened by what the others even out.

    Parameters
    ----------
    payers : (sample, cell, segment) array
    sigma : (sample, cell) array
        Standard deviation of the log amounts.
    rng : Generator
    """
    means = np.zeros(payers.shape)
    for at in np.ndindex(payers.shape[1:]):
        n, s = payers[:, *at], sigma[:, at[0], None]
        drawn = np.minimum(n, _ADDED)
        used = np.arange(drawn.max(initial=0)) < drawn[:, None]
        amounts = np.exp(s * rng.standard_normal(used.shape) - s**2 / 2)
        mean = (amounts * used).sum(axis=1) / np.maximum(drawn, 1)
        means[:, *at] = np.where(n > 0, 1 + (mean - 1) * np.sqrt(drawn / np.maximum(n, 1)), 0.0)
    return means


def floored(payers: FloatArray, log_squares: FloatArray) -> FloatArray:
    """Squares of the logarithms, at least those of amounts that vary by `LEAST_SD`."""
    return np.maximum(log_squares, payers * LEAST_SD**2)


def ratio(statistics: Mapping[str, FloatArray]) -> Ratio:
    """Revenue over trials, and the variance of what one trial brings in.

    What is not known of the amounts is taken from a lognormal with the given logarithms. Each cell's
    moments get one pseudo-trial of the pooled ones, so that a cell of few trials has a variance.
    """
    trials, payers = statistics["trials"], statistics["payers"]
    s2 = spread(payers, statistics["log_squares"])[0][:, None]
    lognormal = np.where(payers > 0, np.exp(statistics["log_mean"] + s2 / 2), 0.0)
    mean = statistics.get("mean", lognormal)
    squares = statistics.get("squares", payers * mean**2 * np.expm1(s2))
    first, second = payers * mean, squares + payers * mean**2
    whole = max(trials.sum(), 1.0)
    one = (first + first.sum() / whole) / (trials + 1)
    two = (second + second.sum() / whole) / (trials + 1)
    return Ratio(first, trials, np.maximum(two - one**2, 0.0))
