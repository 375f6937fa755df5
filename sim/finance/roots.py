"""The one root of each of many polynomials on the unit interval, all of them at once."""

from __future__ import annotations

import numpy as np

from sim.records.arrays import BoolArray, FloatArray

_STEP = 1e-6
_MOST = 200


def log_root(
    columns: FloatArray, size: FloatArray, wanted: BoolArray, low: FloatArray, high: FloatArray
) -> FloatArray:
    """Return log x of the root of each polynomial in its bracket within [0, 1].

    Halley's method in u = log x for g = log(1 + f/N), N the sum of the coefficients that pull f to its sign
    left of the root: for an investment g bends far less than f. It is kept inside a shrinking bracket and
    replaced by bisection where it leaves it. No row has a say in another one's digits.

    Parameters
    ----------
    columns : (degree + 1, row) array
        Coefficients, constant term first, and not zero.
    size : (row,) array
        Sum of the absolute coefficients.
    wanted : (row,) boolean array
        Rows that have one root between `low` and `high`; NaN for the others.
    low, high : (row,) array
        0 and 1 where all of the interval is meant, in which f(1) is not zero.

    Examples
    --------
    >>> import numpy as np
    >>> line, size, one = np.array([[-1.0], [2.0]]), np.array([3.0]), np.ones(1)
    >>> float(np.exp(log_root(line, size, one > 0, 0 * one, one)[0]))
    0.5
    """
    first = np.abs(columns[0])
    total = columns.sum(axis=0)
    up = np.where(columns[0] < 0, 1.0, -1.0)  # makes f rise through its root
    # No positive root lies below |c_0| / (|c_0| + max|c_t|) (Cauchy), so its logarithm is finite.
    with np.errstate(divide="ignore", invalid="ignore"):
        left = np.log(np.maximum(low, 0.5 * first / (first + size)))
        right = np.log(high)
    u = np.zeros_like(left)  # most rates are nearer to 0 than to the other end
    inner = np.flatnonzero(wanted & ((low > 0) | (high < 1)))
    if inner.size:
        up[inner] = -np.sign(polynomial(columns[:, inner], np.exp(left[inner]))[0])
        u[inner] = 0.5 * (left[inner] + right[inner])
    pull = 0.5 * (size - up * total)
    roots = np.full(first.size, np.nan)
    active = np.flatnonzero(wanted)
    columns, up, pull = columns.take(active, axis=1), up[active], pull[active]
    left, right, u, looking = left[active], right[active], u[active], wanted[active]
    for _ in range(_MOST):
        value, slope, curve = polynomial(columns, np.exp(u))
        value *= up
        below = value < 0
        left, right = np.where(below, u, left), np.where(below, right, u)
        with np.errstate(all="ignore"):
            ahead = u + step(value, up * slope, up * curve, np.exp(u), pull)
        inside = (ahead > left) & (ahead < right)
        ahead = np.where(inside, ahead, 0.5 * (left + right))
        # Halley trebles its digits: a step of 1e-6 lands within rounding of the root.
        done = inside & (np.abs(ahead - u) <= _STEP)
        done |= right - left <= 4e-16 * np.maximum(1.0, np.abs(u))
        np.copyto(ahead, u, where=value == 0)
        done |= value == 0
        done &= looking
        roots[active[done]] = ahead[done]
        looking &= ~done
        u = ahead
        going = np.count_nonzero(looking)
        if going == 0:
            return roots
        if 2 * going < looking.size:  # what is found costs nothing any more
            active, columns = active[looking], columns.compress(looking, axis=1)
            up, pull = up[looking], pull[looking]
            left, right, u, looking = left[looking], right[looking], u[looking], looking[looking]
    roots[active[looking]] = u[looking]
    return roots


def step(
    value: FloatArray, slope: FloatArray, curve: FloatArray, x: FloatArray, pull: FloatArray
) -> FloatArray:
    """Return Halley's step in log x for log(1 + f/`pull`), from what `polynomial` tells of f at x."""
    g = np.log1p(value / pull)
    scale = x / (value + pull)
    first = slope * scale
    second = 2.0 * curve * scale * x + first - first**2
    stepped: FloatArray = -2.0 * g * first / (2.0 * first**2 - g * second)
    return stepped


def polynomial(columns: FloatArray, x: FloatArray) -> tuple[FloatArray, FloatArray, FloatArray]:
    """Value, derivative and half of the second one by Horner's rule; `columns` is (degree + 1, row)."""
    value = columns[-1] * x + columns[-2]
    slope = columns[-1].copy()
    curve = np.zeros_like(slope)
    for coefficient in columns[-3::-1]:
        curve *= x
        curve += slope
        slope *= x
        slope += value
        value *= x
        value += coefficient
    return value, slope, curve
