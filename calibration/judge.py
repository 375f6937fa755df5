"""Judges ranks: simultaneous bands for their distribution, and coverage of intervals.

The truth's rank among L draws of the posterior is uniform on 0 … L if prior, likelihood and sampler agree
(Talts et al. 2018, arXiv:1804.06788). Its distribution is compared at every rank at once: the count C[k] of
ranks below k is binomial, and the most surprising of the counts is compared with what uniform ranks show at
their most surprising (Säilynoja, Bürkner & Vehtari 2022, doi:10.1007/s11222-022-10090-6). That probability is
computed exactly, by following the counts from rank to rank; ArviZ simulates it, which is too coarse for the
small levels that several hundred tests at once ask for.
"""

from __future__ import annotations

from functools import cache

import numpy as np
from scipy.optimize import brentq
from scipy.special import gammaln
from scipy.stats import binom

from sim.records.arrays import FloatArray, IntArray

WIDTHS = (0.5, 0.8, 0.95)
"""Central intervals whose coverage is counted."""
_NONE = 1e-300


def surprise(rank: IntArray, possible: int) -> float:
    """Return the least two-sided probability of a count of ranks below k, over all k; above 1 in the middle.

    Parameters
    ----------
    rank : (dataset,) array of int
    possible : int
        Number of possible ranks, L + 1.
    """
    n, k = len(rank), np.arange(1, possible)
    count = np.searchsorted(np.sort(rank), k, side="left")
    return float(_two_sided(count, n, k / possible).min())


def _two_sided(count: IntArray, n: int, share: FloatArray) -> FloatArray:
    low, high = binom.cdf(count, n, share), binom.sf(count - 1, n, share)
    found: FloatArray = 2 * np.minimum(low, high)
    return found


def p_value(rank: IntArray, possible: int) -> float:
    """Return the probability that uniform ranks surprise as much somewhere.

    Examples
    --------
    >>> p_value(np.repeat(np.arange(20), 5), 20) > 0.99  # each rank as often as any other
    True
    >>> p_value(np.repeat(np.arange(10), 10), 20) < 1e-12  # all in the lower half
    True
    """
    least = surprise(rank, possible)
    return float(min(max(1 - inside(least, len(rank), possible), least), 1.0))


def limits(least: float, n: int, possible: int) -> tuple[IntArray, IntArray]:
    """Return the lowest and highest count at each k that surprises less than `least`, (possible - 1,)."""
    share = np.arange(1, possible) / possible
    # A count that surprises by just as much lies outside, whatever its last digit.
    tail = least / 2 * (1 + 1e-9)
    low, high = np.asarray(binom.ppf(tail, n, share)), np.asarray(binom.isf(tail, n, share))
    return low.astype(np.int64), high.astype(np.int64)


def inside(least: float, n: int, possible: int) -> float:
    """Return the probability that no count of `n` uniform ranks surprises by `least` or more."""
    low, high = limits(least, n, possible)
    logs = gammaln(np.arange(n + 1) + 1.0)
    counts, chance = np.zeros(1, dtype=np.int64), np.ones(1)
    for k in range(1, possible):
        # Of the ranks not below k - 1, each is k - 1 with this chance.
        p = 1 / (possible - k + 1)
        new = np.arange(low[k - 1], high[k - 1] + 1)
        if not new.size:
            return 0.0
        more, left = new[None, :] - counts[:, None], n - counts[:, None]
        fits = more >= 0
        more = np.where(fits, more, 0)
        after = np.maximum(left - more, 0)
        log = logs[left] - logs[more] - logs[after] + more * np.log(p) + after * np.log1p(-p)
        fits &= more <= left
        chance = chance @ np.where(fits, np.exp(log), 0.0)
        counts = new
    return float(chance.sum())


@cache
def band(level: float, n: int, possible: int) -> tuple[FloatArray, FloatArray]:
    """Return the simultaneous band of the ECDF that uniform ranks leave with probability `level` at most.

    Returns
    -------
    lower, upper : (possible - 1,) array
        Shares of ranks below k = 1, 2, … that are inside.
    """
    low, high = np.log(level / (4 * possible)), np.log(level)
    for _ in range(30):
        middle = (low + high) / 2
        low, high = (
            (middle, high) if 1 - inside(float(np.exp(middle)), n, possible) <= level else (low, middle)
        )
    edges = limits(float(np.exp(low)), n, possible)
    return edges[0] / n, edges[1] / n


def covered(rank: IntArray, possible: int, width: float) -> int:
    """Return how many truths lie in the central interval of that width.

    Examples
    --------
    >>> covered(np.arange(200), 200, 0.95)
    190
    """
    tail = possible * (1 - width) / 2
    if abs(tail - round(tail)) > 1e-9:
        raise ValueError(f"a {width:.0%} interval is no whole number of {possible} ranks")
    edge = round(tail)
    return int(((rank >= edge) & (rank < possible - edge)).sum())


def coverage_p(count: int, n: int, width: float) -> float:
    """Return the two-sided binomial probability of a coverage as far off."""
    return min(float(_two_sided(np.array([count]), n, np.array([width]))[0]), 1.0)


def noticed(level: float, n: int, width: float, power: float = 0.9) -> float:
    """Return the highest coverage below `width` that n datasets tell from it with probability `power`.

    Examples
    --------
    >>> noticed(0.05, 20, 0.95) < noticed(0.05, 2_000, 0.95) < 0.95
    True
    """
    counts = np.arange(n + 1)
    least = int(counts[_two_sided(counts, n, np.full(n + 1, width)) >= level][0])
    return float(brentq(lambda true: binom.cdf(least - 1, n, true) - power, 0.0, width)) if least else 0.0


def contraction(truth: FloatArray, variance: FloatArray) -> float:
    """Return how much of the prior variance the data take away: median of 1 - posterior / prior variance.

    The prior variance is that of the truths.
    """
    prior = float(truth.var(ddof=1))
    return float(np.median(1 - variance / prior)) if prior > _NONE else float("nan")
