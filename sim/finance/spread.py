"""One metric over the samples: quantiles, Monte Carlo error, and the block of a summary."""

from __future__ import annotations

from typing import Any

import numpy as np

from sim.records.arrays import BoolArray, FloatArray
from sim.records.estimate import standard_error

type Block = dict[str, Any]

PROB = 0.9


def quantile(values: FloatArray, probability: float) -> float | None:
    """Return a quantile by linear interpolation, None where it is not finite.

    Parameters
    ----------
    values : (sample,) array
        May hold +inf, which ranks last; no NaN.
    probability : float

    Examples
    --------
    >>> import numpy as np
    >>> quantile(np.array([1.0, 2.0, np.inf]), 0.5), quantile(np.array([1.0, 2.0, np.inf]), 0.9)
    (2.0, None)
    """
    return _ranked_quantile(np.sort(values), probability)


def _ranked_quantile(ranked: FloatArray, probability: float) -> float | None:
    """Return a quantile of sorted values."""
    if ranked.size == 0:
        return None
    place = (ranked.size - 1) * probability
    below = int(np.floor(place))
    low, high = ranked[below], ranked[min(below + 1, ranked.size - 1)]
    part = place - below
    # Interpolating towards infinity, or between equal numbers, must not touch arithmetic.
    value = low if part == 0 or low == high else low + (high - low) * part
    return float(value) + 0.0 if np.isfinite(value) else None


def distribution(values: FloatArray, *, prob: float = PROB, undefined: BoolArray | None = None) -> Block:
    """Summarise one metric over the samples.

    Parameters
    ----------
    values : (sample,) array
        NaN for no value; +inf for "beyond what was looked at", which keeps its rank.
    prob : float
        Probability of the equal-tailed interval.
    undefined : (sample,) boolean array, optional
        Samples without a value; those that are NaN or infinite if left out.

    Returns
    -------
    dict
        ``mean, sd, median, low, high, mcse, undefined``; None for no value. There is no mean, sd
        and mcse (of the mean) where infinite values would have to enter them.

    Examples
    --------
    >>> import numpy as np
    >>> distribution(np.array([1.0, 2.0, np.nan, 3.0]))["median"]
    2.0
    >>> distribution(np.array([5.0, np.inf]))["mean"] is None
    True
    """
    if undefined is None:
        undefined = ~np.isfinite(values)
    defined = values[~np.isnan(values)]
    ranked = np.sort(defined)
    tail = (1.0 - prob) / 2.0
    finite = bool(ranked.size) and bool(np.isfinite(ranked[[0, -1]]).all())
    certain = finite and ranked[0] == ranked[-1]
    average = mean(defined) if finite else None
    spread = 0.0 if certain or ranked.size < 2 else float(defined.std(ddof=1)) if finite else None
    return {
        "mean": average,
        "sd": spread if finite else None,
        "median": _ranked_quantile(ranked, 0.5),
        "low": _ranked_quantile(ranked, tail),
        "high": _ranked_quantile(ranked, 1.0 - tail),
        "mcse": float(standard_error(defined)) if finite else None,
        "undefined": float(undefined.mean()) if undefined.size else None,
    }


def mean(values: FloatArray) -> float:
    """Return the mean; of equal values exactly that value."""
    return float(values[0] if (values == values[0]).all() else values.mean()) + 0.0
