"""Moments of positive amounts by arm and segment: how they are grouped, merged and made into log means."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from sim.errors import Problem, ProblemsError
from sim.records.arrays import FloatArray
from sim.records.columns import Table

from ._groups import Groups, cell, column, total
from ._joined import moments

PSEUDO = 20
"""Observations that a pooled variance counts for in the variance of a cell."""
_SMALLEST = 1e-8
"""Least squared coefficient of variation: amounts that never vary are known, but not infinitely well."""


def aggregate_rows(table: Table, by: Sequence[str], _options: Mapping[str, Any]) -> Table:
    """Group rows of ``amount``; logarithms are those of the amounts above 0."""
    logs = table.amount.nullif(0).log()
    return table.group_by(list(by)).agg(
        n=table.amount.count(),
        mean=table.amount.mean(),
        sd=table.amount.std(how="sample"),
        log_n=logs.count(),
        log_mean=logs.mean(),
        log_sd=logs.std(how="sample"),
    )


def aggregate_totals(table: Table, by: Sequence[str], _options: Mapping[str, Any]) -> Table:
    """Group equal rows; the others are merged in `merge`, which keeps the digits that Σx² would lose."""
    given = [name for name in ("n", "mean", "sd", "log_mean", "log_sd") if name in table.columns]
    return table.group_by([*by, *given]).agg(rows=table.n.count())


def merge(
    groups: Groups, n: FloatArray, means: FloatArray, sds: FloatArray, shape: tuple[int, int]
) -> tuple[FloatArray, FloatArray]:
    """Mean and sample sd of each cell from those of its parts, exactly."""
    used = n > 0
    means, sds = np.where(used, means, 0.0), np.where(n > 1, sds, 0.0)
    count = total(groups, n, shape)
    mean = total(groups, n * means, shape) / np.maximum(count, 1)
    apart = means - mean.ravel()[cell(groups, shape)]
    squares = total(groups, np.maximum(n - 1, 0) * sds**2 + n * apart**2, shape)
    return mean, np.sqrt(squares / np.maximum(count - 1, 1))


def condense(groups: Groups, shape: tuple[int, int], _options: Mapping[str, Any]) -> dict[str, FloatArray]:
    """Merge grouped rows into n, mean, sd, log_mean, log_sd and zeros, as far as they are known."""
    if "rows" in groups:  # equal rows came as one group
        groups = {name: np.repeat(values, groups["rows"].astype(int)) for name, values in groups.items()}
    n = column(groups, "n")
    statistics = {"n": total(groups, n, shape)}
    for prefix in ("", "log_"):
        if f"{prefix}mean" in groups and f"{prefix}sd" in groups:
            counted = column(groups, "log_n") if prefix and "log_n" in groups else n
            mean, sd = column(groups, f"{prefix}mean"), column(groups, f"{prefix}sd")
            statistics[f"{prefix}mean"], statistics[f"{prefix}sd"] = merge(groups, counted, mean, sd, shape)
    if "log_n" in groups:
        statistics["zeros"] = total(groups, n - column(groups, "log_n"), shape)
    return statistics


def joined(one: Mapping[str, FloatArray], other: Mapping[str, FloatArray]) -> dict[str, FloatArray]:
    """Statistics of two sets of amounts together: those that both have; zeros where `one` counts them.

    Raises
    ------
    ProblemsError
        When one set tells amounts only and the other logarithms only.
    """
    together = {"n": one["n"] + other["n"]}
    for prefix in ("", "log_"):
        mean, sd = f"{prefix}mean", f"{prefix}sd"
        if mean not in one or mean not in other:
            continue
        counts = tuple(part["n"] - (part.get("zeros", 0.0) if prefix else 0.0) for part in (one, other))
        squares = tuple(
            np.maximum(n - 1, 0) * part[sd] ** 2 for n, part in zip(counts, (one, other), strict=True)
        )
        together[mean], square = moments(
            (counts[0], counts[1]), (one[mean], other[mean]), (squares[0], squares[1])
        )
        together[sd] = np.sqrt(square / np.maximum(counts[0] + counts[1] - 1, 1))
    if len(together) == 1:
        found = "one table tells the amounts and the other their logarithms only"
        raise ProblemsError(Problem(found, "n, mean and sd in both", "give `mean` and `sd` as well"))
    if "zeros" in one and "log_mean" in together:
        together["zeros"] = one["zeros"] + other.get("zeros", 0.0)
    return together


def shrunk(n: FloatArray, squared: FloatArray, fallback: float) -> FloatArray:
    """Shrink variances of cells towards their pooled value with `PSEUDO` observations, (arm, segment)."""
    df = np.maximum(n - 1, 0)
    pooled = (df * squared).sum() / df.sum() if df.sum() > 0 else fallback
    shrunk: FloatArray = np.maximum((df * squared + PSEUDO * pooled) / (df + PSEUDO), _SMALLEST)
    return shrunk


def log_means(statistics: Mapping[str, FloatArray]) -> tuple[FloatArray, FloatArray]:
    """Estimate of each cell's log mean and its sampling variance, (arm, segment); variance inf without data.

    With fewer than 4 observations n - 3 gives way to n/4, which meets it at 4. A cell whose amounts are
    all zero counts as if one further amount had equalled the pooled mean.
    """
    n = statistics["n"]
    some = np.maximum(n, 1)
    if "mean" in statistics:
        mean = statistics["mean"]
        pooled = (n * mean).sum() / max(n.sum(), 1.0)
        if pooled == 0:
            found, remedy = "every amount of the pilot is 0", "check the column under `amount`"
            raise ProblemsError(Problem(found, "some amounts above 0", remedy))
        positive = np.where(mean > 0, mean, pooled / (some + 1))
        cv2 = np.where(mean > 0, (statistics["sd"] / positive) ** 2, 0.0)
        cv2 = shrunk(np.where(mean > 0, n, 0.0), cv2, 1.0)
        estimate, variance = np.log(positive), cv2 / np.maximum(some - 3, some / 4)
    else:
        s2 = shrunk(n, statistics["log_sd"] ** 2, 1.0)
        estimate = statistics["log_mean"] + s2 / 2
        variance = s2 / some + s2**2 / (2 * (np.maximum(n - 1, 0) + PSEUDO))
        variance *= some / np.maximum(some - 3, some / 4)
    return np.where(n > 0, estimate, 0.0), np.where(n > 0, variance, np.inf)
