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
from sim.finance.roots import log_root
from sim.finance.single import log_discount
from sim.records.arrays import BoolArray, FloatArray, IntArray

_CHUNK = 16384
_TINY, _HUGE = 1e-200, 1e200


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
    flows = np.asarray(flows, dtype=np.float64)
    n, steps = len(flows), 1
    growth = np.full(n, np.nan)
    status = np.full(n, int(Status.UNIQUE), dtype=np.int64)
    total_loss = np.zeros(n, dtype=np.bool_)
    rest: list[tuple[IntArray, FloatArray]] = []
    waiting = 0
    for start in range(0, n, _CHUNK):
        # Months first, and few enough rows to stay in the cache: every step is then one pass over rows.
        timed, steps = _on_grid(np.ascontiguousarray(flows[start : start + _CHUNK].T), timing)
        found, twice = log_discount(timed)
        growth[start : start + _CHUNK] = -found
        status[start + np.flatnonzero(twice)] = Status.SEVERAL
        left = np.flatnonzero(np.isnan(found) & ~twice)
        rest.append((start + left, timed[:, left]))
        waiting += left.size
        if waiting >= _CHUNK or start + _CHUNK >= n:
            rows = np.concatenate([row for row, _ in rest])
            growth[rows], status[rows], total_loss[rows] = _solve(
                np.concatenate([c for _, c in rest], axis=1)
            )
            rest, waiting = [], 0
    per_month = growth * steps
    with np.errstate(over="ignore"):
        return InternalRate(np.expm1(per_month), np.expm1(12.0 * per_month), status, total_loss)


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


def _on_grid(columns: FloatArray, timing: Timing) -> tuple[FloatArray, int]:
    """Put flows, (month, row), on an even grid of times from today; also return its steps per month."""
    if timing == "end":
        return columns, 1
    if timing == "start":  # month 1 falls today as well
        merged = columns[1:].copy()
        merged[:1] += columns[0]
        return merged, 1
    half = np.zeros((2 * len(columns) - 2, columns.shape[1]))
    half[0] = columns[0]
    half[1::2] = columns[1:]
    return half, 2


def _scaled(columns: FloatArray) -> tuple[FloatArray, FloatArray]:
    """Return coefficients whose sums and products are far from the ends of the doubles, and Σ|c| by row.

    Scales are powers of two, which keep every coefficient, and so their sums, as exact as they came.
    """
    size = np.abs(columns).sum(axis=0)
    if ((size > _TINY) & (size < _HUGE)).all():
        return columns, size
    columns = np.ldexp(columns, -np.frexp(np.abs(columns).max(axis=0))[1])
    return columns, np.abs(columns).sum(axis=0)


def _left_aligned(columns: FloatArray) -> FloatArray:
    """Divide by the power of x that makes the constant term non-zero, which moves no positive root."""
    if columns[0].all():
        return columns
    count = len(columns)
    index = np.arange(count)[:, None] + np.argmax(columns != 0, axis=0)
    moved = np.take_along_axis(columns, np.minimum(index, count - 1), axis=0)
    return np.where(index < count, moved, 0.0)


def _changes(columns: FloatArray) -> IntArray:
    """Count the sign changes of each column, zeros left out."""
    zero = columns == 0
    if zero.any():  # months without cash in any row tell nothing
        some = ~zero.all(axis=1)
        columns, zero = columns[some], zero[some]
    negative = columns < 0
    flips = np.add.reduce(negative[1:] != negative[:-1], axis=0, dtype=np.uint16)
    changes: IntArray = flips.astype(np.int64)
    gaps = np.flatnonzero(zero.any(axis=0))
    if gaps.size:
        changes[gaps] = sign_changes(columns[:, gaps].T)
    return changes


def _solve(columns: FloatArray) -> tuple[FloatArray, IntArray, BoolArray]:
    """Return log(1 + rate per step), the status, and whether all is lost, from flows (month, row)."""
    n = columns.shape[1]
    if len(columns) < 2:
        return np.full(n, np.nan), np.full(n, int(Status.NONE)), (columns < 0).any(axis=0)
    columns, size = _scaled(columns)
    forward = _left_aligned(columns)
    total, changes = forward.sum(axis=0), _changes(forward)
    out_first = forward[0] < 0
    unique = changes == 1
    # Which half holds the root: a sum of the sign of the first flow means that it lies below zero.
    below = unique & ((total < 0) == out_first)
    at_zero = unique & (total == 0)
    low, high = np.zeros(n), np.ones(n)
    status = np.where(unique, int(Status.UNIQUE), int(Status.NONE))
    several = np.flatnonzero(changes > 1)
    if several.size:
        crossed = _changes(np.cumsum(forward[:, several], axis=0)) == 1
        norstrom = crossed & (total[several] != 0)
        status[several[norstrom]] = Status.UNIQUE
        unique[several[norstrom]] = True
        rows = several[~norstrom]
        up, down = (
            isolate(np.ascontiguousarray(side.T))
            for side in (forward[:, rows], _left_aligned(forward[::-1, rows]))
        )
        zero = total[rows] == 0
        count = up[0] + down[0] + zero
        status[rows] = np.select([count == 0, count == 1], [Status.NONE, Status.UNIQUE], Status.SEVERAL)
        unique[rows], at_zero[rows], below[rows] = (
            count == 1,
            (count == 1) & zero,
            (count == 1) & (down[0] == 1),
        )
        low[rows], high[rows] = np.where(below[rows], down[1:], up[1:])
    side, turned = forward, np.flatnonzero(below)
    if turned.size:
        side = forward.copy()
        side[:, turned] = _left_aligned(forward[::-1, turned])
    growth = np.where(below, 1.0, -1.0) * log_root(side, size, unique & ~at_zero, low, high)
    growth[at_zero] = 0.0
    return growth, status, out_first & (changes == 0)
