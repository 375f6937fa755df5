"""Internal rate of return of many cash flows at once, honest about none and several.

With x = 1/(1 + r) the present value is the polynomial f(x) = Σ c_t x^t. Rates of 0 and more lie on
x in (0, 1]; rates in (−1, 0) lie on y = 1/x in (0, 1), where y^n f(1/y) has the coefficients in
reverse. Both halves are polynomials on the unit interval, so nothing overflows, neither at
−99 % a month nor at rates of millions of percent.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import IntEnum

import numpy as np
from numpy.typing import ArrayLike

from sim.finance.bernstein import isolate, sign_changes
from sim.finance.discount import Timing, factors
from sim.records.arrays import BoolArray, FloatArray, IntArray

_CHUNK = 4096


class Status(IntEnum):
    """How many rates make a row's present value zero."""

    UNIQUE = 0
    NONE = 1
    SEVERAL = 2


@dataclass(frozen=True, slots=True)
class InternalRate:
    """Internal rates of return by row.

    Parameters
    ----------
    monthly : (sample,) array [1/month]
        NaN unless the status is unique.
    annual : (sample,) array [1/year, effective]
        (1 + monthly)^12 − 1.
    status : (sample,) array of `Status`
    total_loss : (sample,) boolean array
        Money goes out and none ever comes in: status none, and −1 wherever rows are ranked.
    """

    monthly: FloatArray
    annual: FloatArray
    status: IntArray
    total_loss: BoolArray


def irr(flows: FloatArray, timing: Timing = "end") -> InternalRate:
    """Find the rate at which the net present value is zero, row by row.

    A row with one sign change, in its flows (Descartes) or in its cumulative flows (Norstrøm 1972,
    doi:10.2307/2329806), has one rate; by Norstrøm it is the one above zero. For all other rows
    the roots on (−1, ∞) are counted; more than one leaves the row without a value.

    Parameters
    ----------
    flows : (sample, H + 1) array [currency]
        Net flows, month 0 first.
    timing : {"start", "mid", "end"}
        Where in a month its cash falls, as in `factors`.

    Examples
    --------
    >>> import numpy as np
    >>> found = irr(np.array([[-100.0, 39.0, 59.0, 55.0, 20.0]]))
    >>> round(float(found.monthly[0]), 5), Status(found.status[0]).name
    (0.28095, 'UNIQUE')
    >>> Status(irr(np.array([[-1000.0, 2300.0, -1320.0]])).status[0]).name
    'SEVERAL'
    """
    timed, steps = _on_grid(np.asarray(flows, dtype=np.float64), timing)
    n = timed.shape[0]
    growth = np.full(n, np.nan)
    status = np.full(n, int(Status.NONE), dtype=np.int64)
    for start in range(0, n, _CHUNK):
        rows = slice(start, start + _CHUNK)
        growth[rows], status[rows] = _solve(timed[rows])
    per_month = growth * steps
    outflow, inflow = (timed < 0).any(axis=1), (timed > 0).any(axis=1)
    with np.errstate(over="ignore"):
        return InternalRate(np.expm1(per_month), np.expm1(12.0 * per_month), status, outflow & ~inflow)


def mirr(
    flows: FloatArray,
    finance_rate: ArrayLike,
    reinvest_rate: ArrayLike,
    timing: Timing = "end",
    *,
    periods_per_year: int = 12,
) -> FloatArray:
    """Return the modified internal rate of return, (FV of inflows / PV of outflows)^(1/H) − 1, per year.

    Outflows are discounted to today at the finance rate, inflows carried to month H at the
    reinvestment rate (Lin 1976, The Engineering Economist 21(4), 237–247). −1 without inflow, NaN
    without outflow.

    Parameters
    ----------
    flows : (sample, H + 1) array [currency]
    finance_rate, reinvest_rate : scalar or (sample,) array [1/year, effective]
    timing : {"start", "mid", "end"}
    periods_per_year : int
        1 for yearly flows.

    Examples
    --------
    >>> import numpy as np
    >>> yearly = np.array([[-120000.0, 39000.0, 30000.0, 21000.0, 37000.0, 46000.0]])
    >>> round(float(mirr(yearly, 0.10, 0.12, periods_per_year=1)[0]), 6)
    0.126094
    """
    horizon = flows.shape[1] - 1

    def per_period(rate: ArrayLike) -> FloatArray:
        # `factors` thinks in months, twelve to the year.
        return np.asarray(np.expm1(np.log1p(rate) * 12.0 / periods_per_year), dtype=np.float64)

    spent = -(np.minimum(flows, 0.0) * factors(per_period(finance_rate), horizon, timing)).sum(axis=1)
    earned = (np.maximum(flows, 0.0) * factors(per_period(reinvest_rate), horizon, timing)).sum(axis=1)
    carried = np.log1p(reinvest_rate) * horizon / periods_per_year
    years = horizon / periods_per_year
    with np.errstate(divide="ignore", invalid="ignore"):
        value = np.expm1((np.log(earned) - np.log(spent) + carried) / years)
    return np.asarray(np.where(spent > 0.0, value, np.nan), dtype=np.float64)


def _on_grid(flows: FloatArray, timing: Timing) -> tuple[FloatArray, int]:
    """Put flows on an even grid of times that starts today; also return its steps per month."""
    if timing == "end":
        return flows, 1
    if timing == "start":  # month 1 falls today as well
        merged = flows[:, 1:].copy()
        merged[:, 0] += flows[:, 0]
        return merged, 1
    half = np.zeros((flows.shape[0], 2 * flows.shape[1] - 2))
    half[:, 0] = flows[:, 0]
    half[:, 1::2] = flows[:, 1:]
    return half, 2


def _left_aligned(coefficients: FloatArray) -> FloatArray:
    """Divide by the power of x that makes the constant term non-zero, which moves no positive root."""
    width = coefficients.shape[1]
    first = np.argmax(coefficients != 0, axis=1)
    index = np.arange(width) + first[:, None]
    moved = np.take_along_axis(coefficients, np.minimum(index, width - 1), axis=1)
    return np.where(index < width, moved, 0.0)


def _solve(flows: FloatArray) -> tuple[FloatArray, IntArray]:
    """Return log(1 + rate per step) and the status of each row."""
    n = flows.shape[0]
    growth = np.full(n, np.nan)
    status = np.full(n, int(Status.NONE), dtype=np.int64)
    if flows.shape[1] < 2:
        return growth, status
    # A power of two as scale keeps every flow, and so their sums, as exact as they came.
    exponent = np.frexp(np.abs(flows).max(axis=1, keepdims=True))[1]
    forward = _left_aligned(np.ldexp(flows, -exponent))
    backward = _left_aligned(forward[:, ::-1])
    total = forward.sum(axis=1)
    changes = sign_changes(forward)

    single = changes == 1
    by_cumulative = ~single & (sign_changes(np.cumsum(forward, axis=1)) == 1) & (total != 0)
    open_rows = np.flatnonzero((changes > 1) & ~by_cumulative)

    status[single | by_cumulative] = Status.UNIQUE
    growth[single & (total == 0)] = 0.0
    same_sign = np.sign(total) == np.sign(forward[:, 0])
    above = np.flatnonzero(by_cumulative | (single & (total != 0) & ~same_sign))
    below = np.flatnonzero(single & (total != 0) & same_sign)
    growth[above] = -_log_root(forward[above], np.zeros(above.size), np.ones(above.size))
    growth[below] = _log_root(backward[below], np.zeros(below.size), np.ones(below.size))

    if open_rows.size:
        up_count, up_low, up_high = isolate(forward[open_rows])
        down_count, down_low, down_high = isolate(backward[open_rows])
        at_zero = total[open_rows] == 0
        count = up_count + down_count + at_zero
        status[open_rows] = np.select([count == 0, count == 1], [Status.NONE, Status.UNIQUE], Status.SEVERAL)
        growth[open_rows[(count == 1) & at_zero]] = 0.0
        for found, low, high, side, sign in (
            (up_count, up_low, up_high, forward, -1.0),
            (down_count, down_low, down_high, backward, 1.0),
        ):
            keep = (count == 1) & (found == 1)
            rows = open_rows[keep]
            growth[rows] = sign * _log_root(side[rows], low[keep], high[keep])
    return growth, status


def _log_root(coefficients: FloatArray, low: FloatArray, high: FloatArray) -> FloatArray:
    """Return log x of the one root of each polynomial in its bracket within (0, 1].

    Newton in u = log x, kept inside a shrinking bracket and replaced by bisection where it leaves it.
    """
    roots = np.full(low.size, np.nan)
    if low.size == 0:
        return roots
    columns = np.ascontiguousarray(coefficients.T)
    # No positive root lies below |c_0| / (|c_0| + max|c_t|) (Cauchy), so its logarithm is finite.
    bound = np.abs(columns[0]) / (np.abs(columns[0]) + np.abs(columns).max(axis=0))
    left, right = np.log(np.maximum(low, 0.5 * bound)), np.log(high)
    sign_left = np.sign(_polynomial(columns, np.exp(left))[0])
    u = 0.5 * (left + right)
    active = np.arange(low.size)
    for _ in range(200):
        x = np.exp(u)
        value, slope = _polynomial(columns, x)
        same = np.sign(value) == sign_left
        left, right = np.where(same, u, left), np.where(same, right, u)
        with np.errstate(divide="ignore", invalid="ignore", over="ignore"):
            step = u - value / (slope * x)
        inside = (step > left) & (step < right)
        ahead = np.where(inside, step, 0.5 * (left + right))
        # Newton doubles its digits: a step of 1e-10 lands within rounding of the root.
        narrow = right - left <= 4e-16 * np.maximum(1.0, np.abs(u))
        done = (value == 0) | (inside & (np.abs(ahead - u) <= 1e-10)) | narrow
        roots[active[done]] = np.where(value == 0, u, ahead)[done]
        if done.all():
            break
        go = ~done
        active, columns, sign_left = active[go], columns[:, go], sign_left[go]
        left, right, u = left[go], right[go], ahead[go]
    else:
        roots[active] = u
    return roots


def _polynomial(columns: FloatArray, x: FloatArray) -> tuple[FloatArray, FloatArray]:
    """Value and derivative by Horner's rule; `columns` is (degree + 1, row)."""
    value = columns[-1].copy()
    slope = np.zeros_like(value)
    for coefficient in columns[-2::-1]:
        slope = slope * x + value
        value = value * x + coefficient
    return value, slope
