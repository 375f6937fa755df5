"""Scores of a probabilistic forecast against what happened: all strictly or properly reward honesty.

See Gneiting & Raftery (2007), Strictly proper scoring rules, prediction, and estimation,
doi:10.1198/016214506000001437.
"""

from __future__ import annotations

import numpy as np

from sim.records.arrays import FloatArray


def crps(samples: FloatArray, observed: FloatArray) -> FloatArray:
    """Return the continuous ranked probability score of each forecast, in the unit of what is forecast.

    CRPS(F, y) = E|X − y| − ½ E|X − X'|, X and X' independent from F: the integral of the squared distance
    between the forecast's distribution function and the step at y. 0 is perfect; for a certain forecast it is
    the absolute error. The second mean is taken over pairs of different samples, which leaves no bias from
    their number (Zamo & Naveau 2018, doi:10.1007/s11004-017-9709-7).

    Parameters
    ----------
    samples : (sample, ...) array
        At least two samples of each forecast.
    observed : (...) array

    Examples
    --------
    >>> crps(np.array([[1.0], [3.0]]), np.array([2.0]))
    array([0.])
    """
    m = len(samples)
    ordered = np.sort(samples, axis=0)
    rank = np.arange(1 - m, m, 2.0).reshape(-1, *[1] * observed.ndim)
    apart: FloatArray = (rank * ordered).sum(axis=0) / (m * (m - 1))
    return np.abs(samples - observed).mean(axis=0) - apart


def interval_score(low: FloatArray, high: FloatArray, observed: FloatArray, level: float) -> FloatArray:
    """Return the interval score of central intervals: their width, and a fine for every miss.

    (high − low) + 2/α · (low − y)⁺ + 2/α · (y − high)⁺ with α = 1 − level; in the unit of what is forecast.

    Parameters
    ----------
    low, high, observed : array
    level : float
        Probability that the interval holds, between 0 and 1.

    Examples
    --------
    >>> interval_score(np.array(0.0), np.array(1.0), np.array([0.5, 1.1]), 0.5).round(3)
    array([1. , 1.4])
    """
    fine = 2 / (1 - level)
    missed = np.maximum(low - observed, 0.0) + np.maximum(observed - high, 0.0)
    return high - low + fine * missed
