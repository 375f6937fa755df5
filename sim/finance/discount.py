"""Discount factors and the conversion of rates between periods and price bases."""

from __future__ import annotations

from typing import Literal, get_args

import numpy as np
from numpy.typing import ArrayLike

from sim.records.arrays import FloatArray

type Timing = Literal["start", "mid", "end"]

_LEAD: dict[str, float] = {"end": 0.0, "mid": 0.5, "start": 1.0}


def _growth(rate: ArrayLike) -> FloatArray:
    """Log growth per year, log(1 + rate); the form in which rates lose no digits."""
    values = np.asarray(rate, dtype=np.float64)
    if not np.all(values > -1.0) or not np.all(np.isfinite(values)):
        raise ValueError("a rate per year must be finite and above -1")
    return np.log1p(values)


def times(horizon: int, timing: Timing = "end") -> FloatArray:
    """Return when each month's cash falls, in months from today: 0 and then t − k.

    Parameters
    ----------
    horizon : int
        Last month H.
    timing : {"start", "mid", "end"}
        Where in a month its cash falls: k = 1, ½ or 0 months before its end.

    Returns
    -------
    (H + 1,) array [month]

    Examples
    --------
    >>> times(2, "mid").tolist()
    [0.0, 0.5, 1.5]
    """
    if timing not in get_args(Timing.__value__):
        raise ValueError(f"timing must be start, mid or end, not {timing!r}")
    when = np.arange(horizon + 1, dtype=np.float64)
    when[1:] -= _LEAD[timing]
    return when


def monthly_rate(annual: ArrayLike) -> FloatArray:
    """Return the effective rate per month, (1 + r)^(1/12) − 1.

    Examples
    --------
    >>> round(float(monthly_rate(0.10)), 12)
    0.007974140429
    """
    return np.asarray(np.expm1(_growth(annual) / 12.0), dtype=np.float64)


def factors(rate_annual: ArrayLike, horizon: int, timing: Timing = "end") -> FloatArray:
    """Return discount factors (1 + r)^(−(t − k)/12) for months 0…H; month 0 is undiscounted.

    Parameters
    ----------
    rate_annual : scalar or (sample,) array [1/year, effective]
        Discount rate as a fraction.
    horizon : int
        Last month H.
    timing : {"start", "mid", "end"}
        Where in a month its cash falls: k = 1, ½ or 0.

    Returns
    -------
    (sample or 1, H + 1) array

    Raises
    ------
    ValueError
        If a rate is −1 or less, or not finite.

    Examples
    --------
    Twelve months of 1,000 at 8 %, cash at each month's end:

    >>> float(round(1000 * factors(0.08, 12)[0, 1:].sum(), 6))
    11512.857852
    """
    growth = np.atleast_1d(_growth(rate_annual))
    return np.asarray(np.exp(-growth[:, None] * (times(horizon, timing) / 12.0)), dtype=np.float64)


def npv(flows: FloatArray, discount_factors: FloatArray) -> FloatArray:
    """Return the net present value Σ_t flow_t · factor_t.

    Parameters
    ----------
    flows : (sample, H + 1) array [currency]
    discount_factors : (sample or 1, H + 1) array

    Returns
    -------
    (sample,) array [currency]
    """
    # In one pass, without the products in between: this runs once for every setting of a sweep.
    return np.asarray(np.einsum("...t,...t->...", flows, discount_factors), dtype=np.float64)


def nominal_rate(real: ArrayLike, inflation: ArrayLike) -> FloatArray:
    """Return the nominal rate (1 + real)(1 + inflation) − 1 (Fisher, *The Theory of Interest*, 1930).

    Examples
    --------
    >>> round(float(nominal_rate(0.08, 0.02)), 6)
    0.1016
    """
    return np.asarray(np.expm1(_growth(real) + _growth(inflation)), dtype=np.float64)


def real_rate(nominal: ArrayLike, inflation: ArrayLike) -> FloatArray:
    """Return the real rate (1 + nominal)/(1 + inflation) − 1; the inverse of `nominal_rate`.

    Examples
    --------
    >>> round(float(real_rate(0.1016, 0.02)), 6)
    0.08
    """
    return np.asarray(np.expm1(_growth(nominal) - _growth(inflation)), dtype=np.float64)
