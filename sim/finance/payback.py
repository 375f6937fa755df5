"""Payback: when the cumulative cash flow is no longer below zero."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from sim.records.arrays import BoolArray, FloatArray


@dataclass(frozen=True, slots=True)
class Payback:
    """Months until the money is back, each (sample,); +inf where it never is within the horizon.

    Parameters
    ----------
    first : array [month]
        When the cumulative flow first reaches zero.
    lasting : array [month]
        When it reaches zero to stay there.
    """

    first: FloatArray
    lasting: FloatArray


def payback(flows: FloatArray) -> Payback:
    """Find the first and the lasting payback, interpolated within the month.

    With C_t the cumulative flow, payback in month t is t − 1 + (−C_{t−1})/flow_t. The lasting one
    follows the last month with C_t < 0. Infinity stands for "not within the horizon" and is for
    arithmetic only: it is reported as a share, never as a number.

    Parameters
    ----------
    flows : (sample, H + 1) array [currency]
        Net flows; discounted ones give the discounted payback.

    Examples
    --------
    >>> import numpy as np
    >>> found = payback(np.array([[-1000.0, 1200.0, -500.0, 400.0]]))
    >>> round(float(found.first[0]), 3), float(found.lasting[0])
    (0.833, 2.75)
    """
    cumulative = np.cumsum(flows, axis=-1)
    below = _below(flows, cumulative)
    every, count = np.arange(flows.shape[0]), flows.shape[-1]
    # argmin and argmax stop at the first hit, and tell 0 where there is none.
    first = np.argmin(below, axis=-1)
    first[below[every, first]] = count
    lasting = count - np.argmax(below[:, ::-1], axis=-1)
    lasting[~below[every, lasting - 1]] = 0
    return Payback(_within_month(flows, cumulative, first), _within_month(flows, cumulative, lasting))


def paid_back_by(flows: FloatArray, month: int) -> BoolArray:
    """Tell which flows have paid back by the end of a month, to stay so; faster than `payback`.

    Parameters
    ----------
    flows : (sample, H + 1) array [currency]
    month : int
        From 0 to H.

    Returns
    -------
    (sample,) boolean array

    Examples
    --------
    >>> import numpy as np
    >>> flows = np.array([[-1000.0, 1200.0, -500.0, 400.0]])
    >>> bool(paid_back_by(flows, 2)[0]), bool(paid_back_by(flows, 3)[0])
    (False, True)
    """
    return ~_below(flows, np.cumsum(flows, axis=-1))[:, month:].any(axis=-1)


def _below(flows: FloatArray, cumulative: FloatArray) -> BoolArray:
    """Return where the cumulative flow is below zero by more than rounding."""
    below = cumulative < 0.0
    # A break-even to the cent must not be lost to rounding (-1 + 10 × 0.1 < 0 in binary): allow
    # the error bound of recursive summation, (number of terms) × eps × Σ|terms|. Few rows come so near.
    share = flows.shape[-1] * np.finfo(np.float64).eps
    sizes = np.abs(flows)
    near = np.abs(cumulative) <= share * sizes.sum(axis=-1, keepdims=True)
    if near.any():
        rows = near.any(axis=-1)
        below[rows] = cumulative[rows] < -share * np.cumsum(sizes[rows], axis=-1)
    return below


def _within_month(flows: FloatArray, cumulative: FloatArray, month: np.ndarray) -> FloatArray:
    """Turn the first month at or above zero into a point in time."""
    horizon = flows.shape[-1] - 1
    rows = np.arange(flows.shape[0])
    at = np.clip(month, 1, horizon)
    before = cumulative[rows, at - 1]
    flow = flows[rows, at]
    crossing: BoolArray = (month > 0) & (month <= horizon)
    part = np.divide(-before, flow, out=np.ones_like(before), where=crossing & (flow > 0))
    when = at - 1 + np.clip(part, 0.0, 1.0)
    return np.where(month == 0, 0.0, np.where(month > horizon, np.inf, when))
