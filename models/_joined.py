"""Puts the statistics of two sets of observations together, as if their rows had stood in one table."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

import numpy as np

from sim.records.arrays import FloatArray

type Statistics = Mapping[str, FloatArray]


def added(one: Statistics, other: Statistics, names: Iterable[str]) -> dict[str, FloatArray]:
    """Return `one` with the totals `names` of `other` added; a shorter last axis is filled up with zeros."""
    together = dict(one)
    for name in names:
        if name in one and name in other:
            together[name] = _padded(one[name], other[name]) + _padded(other[name], one[name])
    return together


def _padded(values: FloatArray, like: FloatArray) -> FloatArray:
    missing = [max(wanted - have, 0) for wanted, have in zip(like.shape, values.shape, strict=True)]
    return np.pad(values, [(0, more) for more in missing])


def moments(
    counts: tuple[FloatArray, FloatArray],
    means: tuple[FloatArray, FloatArray],
    squares: tuple[FloatArray, FloatArray],
) -> tuple[FloatArray, FloatArray]:
    """Return the mean and the centred sum of squares of two sets together (Chan, Golub & LeVeque 1983).

    Parameters
    ----------
    counts, means, squares : pair of arrays
        Number, mean and centred sum of squares of either set; doi:10.1080/00031305.1983.10483115.

    Examples
    --------
    >>> import numpy as np
    >>> one, two = np.array([1.0, 3.0]), np.array([5.0])
    >>> pairs = [tuple(np.asarray(f(x)) for x in (one, two)) for f in (np.size, np.mean)]
    >>> [float(v) for v in moments(*pairs, (np.asarray(2.0), np.asarray(0.0)))]
    [3.0, 8.0]
    """
    (n, m), (x, y) = counts, means
    whole = np.maximum(n + m, 1e-300)
    mean: FloatArray = np.where(n + m > 0, (n * x + m * y) / whole, 0.0)
    return mean, squares[0] + squares[1] + n * m / whole * (x - y) ** 2


def gridded(
    grids: tuple[FloatArray, FloatArray], values: tuple[FloatArray, FloatArray]
) -> tuple[FloatArray, FloatArray]:
    """Return the union of two grids and the sum of what lies on them, (..., grid point)."""
    grid: FloatArray = np.unique(np.concatenate(grids))
    whole = np.zeros((*values[0].shape[:-1], grid.size))
    for points, counted in zip(grids, values, strict=True):
        whole[..., np.searchsorted(grid, points)] += counted
    return grid, whole
