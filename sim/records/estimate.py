"""A figure computed from samples, with its Monte Carlo error."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from sim.records.arrays import FloatArray


@dataclass(frozen=True, slots=True)
class Estimate:
    """A figure computed from samples.

    Parameters
    ----------
    value : float
    mcse : float
        Monte Carlo standard error: how far another set of samples would move the figure. It says
        nothing of what the samples themselves leave out.
    """

    value: float
    mcse: float


def standard_error(values: FloatArray) -> FloatArray:
    """Return the Monte Carlo standard error of the mean over axis 0, by batch means.

    The √n consecutive batches keep the autocorrelation of posterior draws (Flegal & Jones 2010,
    doi:10.1214/09-AOS735).

    Parameters
    ----------
    values : (sample, ...) array

    Returns
    -------
    (...) array
        0 where all values are equal.

    Examples
    --------
    >>> import numpy as np
    >>> float(standard_error(np.full(100, 3.3)))
    0.0
    """
    n = values.shape[0]
    if n < 2:
        return np.zeros(values.shape[1:])
    # Fewer than two values a batch are no batches: then this is the plain standard error.
    batches = int(np.sqrt(n)) if n >= 16 else n
    size = n // batches
    # Subtracting one sample first leaves exactly 0, not rounding, where nothing varies.
    offset = values[: batches * size] - values[0]
    means = offset.reshape(batches, size, *values.shape[1:]).mean(axis=1)
    error: FloatArray = means.std(axis=0, ddof=1) / np.sqrt(batches)
    return error


def mean(values: FloatArray) -> Estimate:
    """Return the mean of a (sample,) array with its Monte Carlo standard error.

    Examples
    --------
    >>> import numpy as np
    >>> mean(np.array([1.0, 1.0, 1.0]))
    Estimate(value=1.0, mcse=0.0)
    """
    return Estimate(float(values.mean()), float(standard_error(values)))


def quantile_error(values: FloatArray, level: float) -> float | None:
    """Return the Monte Carlo error of a quantile: that of its probability, carried over (Woodruff 1952).

    The samples are taken as independent. None where the quantile or what lies next to it is not finite.

    Parameters
    ----------
    values : (sample,) array
        NaN is left out.
    level : float
    """
    ranked = np.sort(values[~np.isnan(values)])
    if ranked.size < 2:
        return None
    error = np.sqrt(level * (1 - level) / ranked.size)
    below, above = (
        ranked[int(np.clip(round((level + side * error) * (ranked.size - 1)), 0, ranked.size - 1))]
        for side in (-1, 1)
    )
    return float(above - below) / 2 if np.isfinite(above) else None
