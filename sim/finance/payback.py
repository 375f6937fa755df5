"""Payback: when the cumulative cash flow is no longer below zero."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from sim.records.arrays import BoolArray, FloatArray, IntArray


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
    columns = np.ascontiguousarray(flows.T)
    cumulative = running(columns)
    below = _below(columns, cumulative)
    first, lasting = len(below) - _last(~below[::-1]), _last(below)
    return Payback(_within_month(columns, cumulative, first), _within_month(columns, cumulative, lasting))


def lasting_payback(flows: FloatArray) -> FloatArray:
    """Return the lasting payback alone, as `payback` does.

    Parameters
    ----------
    flows : (sample, H + 1) array [currency]
    """
    columns = np.ascontiguousarray(flows.T)
    cumulative = running(columns)
    return _within_month(columns, cumulative, _last(_below(columns, cumulative)))


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
    columns = np.ascontiguousarray(flows.T)
    return ~_below(columns, running(columns), month).any(axis=0)


def running(columns: FloatArray) -> FloatArray:
    """Return the cumulative flows, both (month, row): a pass over the rows for each month.

    Examples
    --------
    >>> import numpy as np
    >>> running(np.array([[-2.0], [1.0], [4.0]]))[:, 0].tolist()
    [-2.0, -1.0, 3.0]
    """
    total = np.empty_like(columns)
    total[0] = columns[0]
    for month in range(1, len(columns)):
        np.add(total[month - 1], columns[month], out=total[month])
    return total


def _below(columns: FloatArray, cumulative: FloatArray, start: int = 0) -> BoolArray:
    """Return where the cumulative flow is below zero by more than rounding, (month from `start`, row)."""
    below: BoolArray = cumulative[start:] < 0.0
    # A break-even to the cent must not be lost to rounding (-1 + 10 × 0.1 < 0 in binary): allow
    # the error bound of recursive summation, (number of terms) × eps × Σ|terms|. Few rows come so near.
    count = len(columns)
    share = count * np.finfo(np.float64).eps
    bound = share * count * max(columns.max(initial=0.0), -columns.min(initial=0.0))
    near = np.abs(cumulative[start:]) <= bound
    if near.any():
        rows = np.flatnonzero(near.any(axis=0))
        exact = share * running(np.abs(columns[:, rows]))
        below[:, rows] = (cumulative[:, rows] < -exact)[start:]
    return below


def _last(hit: BoolArray) -> IntArray:
    """Return the number of the last month with a hit, 1 for the first one; 0 without any."""
    months = np.arange(1, len(hit) + 1, dtype=np.uint16)[:, None]
    return (hit * months).max(axis=0).astype(np.int64)


def _within_month(columns: FloatArray, cumulative: FloatArray, month: IntArray) -> FloatArray:
    """Turn the first month at or above zero into a point in time."""
    horizon = len(columns) - 1
    rows = np.arange(columns.shape[1])
    at = np.clip(month, 1, horizon)
    before = cumulative[at - 1, rows]
    flow = columns[at, rows]
    crossing: BoolArray = (month > 0) & (month <= horizon)
    part = np.divide(-before, flow, out=np.ones_like(before), where=crossing & (flow > 0))
    when = at - 1 + np.clip(part, 0.0, 1.0)
    return np.where(month == 0, 0.0, np.where(month > horizon, np.inf, when))
