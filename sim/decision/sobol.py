"""First-order Sobol indices from the samples at hand, without a single new run of the model."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from sim.decision.arguments import checked
from sim.records.arrays import BoolArray, FloatArray


@dataclass(frozen=True, slots=True)
class Sobol:
    """First-order indices by column.

    Parameters
    ----------
    values : (k,) array
        S_j = Var(E[y | x_j]) / Var(y). Not clipped: the estimate of an index near 0 may fall below
        0 by a few `mcse`. NaN where y does not vary.
    mcse : (k,) array
        Monte Carlo standard error of each.
    """

    values: FloatArray
    mcse: FloatArray


def first_order(y: FloatArray, x: FloatArray) -> Sobol:
    """Estimate the share of the variance of y that goes when one input alone becomes known.

    Rank estimator of Gamboa, Gremaud, Klein & Lagnoux (Bernoulli 2022, doi:10.3150/21-BEJ1421): with
    y in the order of x_j, S_j = (mean(y_i y_{i+1}) − ȳ²) / Var(y). It is computed in von Neumann's
    form, S_j = 1 − A/V with A = mean (y_i − y_{i+1})²/2 and V = Var(y), which is the same sum but for
    the pair that joins the last to the first, and loses no digits where ȳ is large. Rows with equal
    x_j have no order: they enter A with the unbiased variance within their group, so a discrete
    column is treated by its groups. A constant column has the index 0.

    Inputs may depend on one another; an index then contains what x_j tells through the others, and
    the indices need not add up to at most 1.

    The standard error is that of the ratio by linearisation, ψ_i = (A z_i/V − a_i)/V with
    a_i and z_i the terms of A and V. Given x, terms of neighbours share one y and terms further
    apart none, whereas their common drift along x shows at every lag; so
    n·mcse² = γ₀ + 2(γ₁ − γ₂), γ the autocovariances of ψ along x. Samples are taken as independent; from
    some 400 of them on the error is right to a few percent, below it is too small.

    Parameters
    ----------
    y : (sample,) array
    x : (sample, k) array
        Row i is the joint state that gave y_i.

    Raises
    ------
    ValueError
        The shapes do not fit, fewer than 3 rows, or a value is not finite.

    Examples
    --------
    >>> import numpy as np
    >>> x = np.random.default_rng(1).normal(size=(4000, 2))
    >>> found = first_order(3 * x[:, 0] + 4 * x[:, 1], x)
    >>> bool(np.all(np.abs(found.values - [0.36, 0.64]) < 4 * found.mcse))
    True
    """
    y = checked(y, "y", axes=1)
    x = checked(x, "x", axes=2, samples=y.size)
    if y.size < 3:
        raise ValueError(f"at least 3 samples are needed, not {y.size}")
    z = y - y.mean()
    scale = np.abs(z).max()
    # Var(y) of a constant is rounding, not variation.
    if scale <= 8 * np.finfo(np.float64).eps * np.abs(y).max():
        return Sobol(np.full(x.shape[1], np.nan), np.full(x.shape[1], np.nan))
    pairs = [_index(z / scale, column) for column in x.T]
    return Sobol(np.array([value for value, _ in pairs]), np.array([error for _, error in pairs]))


def _index(z: FloatArray, column: FloatArray) -> tuple[float, float]:
    """Return the index of one column and its standard error; z has the mean 0."""
    n = z.size
    order = np.argsort(column, kind="stable")
    z, column = z[order], column[order]
    starts = np.flatnonzero(np.r_[True, column[1:] != column[:-1]])
    if starts.size == 1:
        return 0.0, 0.0
    within, alone = _terms(z, starts)
    total = z**2
    a, v = float(within.mean()), float(total.mean()) * n / (n - 1)
    psi = (a * total / v - within) / v
    psi -= psi.mean()
    near = alone[:-2] & alone[1:-1] & alone[2:]
    shared = float((psi[:-2] * (psi[1:-1] - psi[2:]))[near].sum()) / n
    spread = float((psi**2).mean())
    return 1 - a / v, float(np.sqrt(max(spread + 2 * shared, 0.0) / n))


def _terms(z: FloatArray, starts: np.ndarray) -> tuple[FloatArray, BoolArray]:
    """Return the terms whose mean is E[Var(y | x_j)], and which rows have a value of x_j of their own."""
    sizes = np.diff(np.r_[starts, z.size])
    size = np.repeat(sizes, sizes)
    alone = size == 1
    centred = z - np.repeat(np.add.reduceat(z, starts) / sizes, sizes)
    terms = centred**2 * size / np.maximum(size - 1, 1)
    steps = np.diff(z) ** 2 / 2
    ahead = np.flatnonzero(alone[:-1])
    terms[ahead] = steps[ahead]
    if alone[-1]:  # the last row has no next one, and its one neighbour's step is counted already
        terms[-1] = steps[ahead].mean() if ahead.size else steps[-1]
    return terms, alone
