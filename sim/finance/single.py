"""Rates of the usual flows, money out first, then in, and perhaps out at last: a good guess and one step.

What cannot be found so is left to `sim.finance.irr`, which finds everything, ten times slower.
"""

from __future__ import annotations

import numpy as np

from sim.finance.bernstein import ALONE
from sim.finance.roots import polynomial, step
from sim.records.arrays import BoolArray, FloatArray, IntArray

_NODES = np.linspace(-7.5, 2.0, 20)
"""In units of 1 / months: at 36 months from 23 % a month down to −5 %."""
_TODAY = int(np.searchsorted(_NODES, 0.0))
"""Where x = 1: a rate of 0."""
_CLEAR = 1e-9
_POINTS = 5
_NEAR = 3e-5
"""A last step, in the same units, whose cube is rounding."""
_STEPS = 3
_GRID = 2.0**28
_TINY, _HUGE = 1e-200, 1e200


def log_discount(columns: FloatArray) -> tuple[FloatArray, BoolArray]:
    """Return log x, x = 1/(1 + rate), NaN where that is not plain, and which rows have two rates.

    f(x) = Σ c_t x^t is worked out at a few nodes, the same for all rows, as a product of matrices. Between
    the two where it changes sign, a polynomial through log(1 + f) at the five nearest tells log x to about
    1e-5, and one step of Halley's, which trebles the digits, the rest.

    Flows of one sign change have one rate. Those of two have none or two; if their sum is above zero, one of
    the two is, and is the rate (Norstrøm 1972, doi:10.2307/2329806).

    Parameters
    ----------
    columns : (month, row) array [currency]
        Even steps of time, today first.

    Examples
    --------
    >>> import numpy as np
    >>> found, _ = log_discount(np.array([[-100.0], [60.0], [60.0]]))
    >>> round(float(np.exp(-found[0]) - 1), 6)
    0.130662
    """
    degree, n = len(columns) - 1, columns.shape[1]
    if degree < 1 or n == 0:
        return np.full(n, np.nan), np.zeros(n, dtype=np.bool_)
    nodes = _NODES / degree
    f = np.empty((nodes.size, n))
    powers = np.exp(np.outer(nodes, np.arange(degree + 1.0)))
    length = max(ALONE // powers.size // 16, 1) * 16  # by 16 rows, whatever the rest: so is it summed
    for start in range(0, n, length):
        block = slice(start, start + length)
        np.matmul(powers, columns[:, block], out=f[:, block])
    below = (f < 0).view(np.uint8)
    left = np.add.reduce(below, axis=0, dtype=np.uint8).astype(np.int64)
    changes = _changes_from_out(columns)
    with np.errstate(all="ignore"):
        pull = -1.02 * f.min(axis=0)  # f falls no lower, so the logarithm is a number
        sane = (left > 0) & (left < nodes.size) & (pull > _TINY) & (pull < _HUGE)
        # Above rounding, f has both signs at x = 1 or somewhere else.
        gains = f[_TODAY] > _CLEAR * pull
        twice = sane & (changes == 2) & ~gains & (f[_TODAY] < 0) & (f.max(axis=0) > _CLEAR * pull)
        usual = sane & ((changes == 1) | ((changes == 2) & gains))
        left = np.where(changes == 2, np.add.reduce(below[: _TODAY + 1], axis=0, dtype=np.uint8), left)
        u = _through_zero(f, pull, nodes, left)
        # Coarse enough for the rounding of the product, which may depend on other rows, not to show.
        u = np.rint(u * _GRID) / _GRID
        found = np.full(n, np.nan)
        rows = np.arange(n)
        for _ in range(_STEPS):
            last = step(*polynomial(columns, x := np.exp(u)), x, pull)
            u = u + last
            near = np.abs(last) <= _NEAR / degree
            found[rows[near]] = u[near]
            again = np.flatnonzero(usual[rows] & ~near)
            if again.size == 0:
                break
            rows, columns, u, pull = rows[again], columns.take(again, axis=1), u[again], pull[again]
        return np.where(usual & ((changes == 1) | (found < 0)), found, np.nan), twice


def _changes_from_out(columns: FloatArray) -> IntArray:
    """Return the sign changes of rows that begin with money out, or more; 0 for other rows."""
    # A month without cash in any row is no change.
    idle = [month for month in np.flatnonzero(columns[:, 0] == 0) if not columns[month].any()]
    if 0 < len(idle) < len(columns):
        columns = np.delete(columns, idle, axis=0)
    out = columns < 0
    changes: IntArray = np.add.reduce(out[1:] != out[:-1], axis=0, dtype=np.uint16) * out[0]
    return changes


def _through_zero(f: FloatArray, pull: FloatArray, nodes: FloatArray, left: IntArray) -> FloatArray:
    """Return where log(1 + f/pull) is zero, by Neville's scheme through nodes on both sides of it."""
    n = f.shape[1]
    base = np.clip(left - (_POINTS + 1) // 2, 0, nodes.size - _POINTS)
    at, flat = base * n + np.arange(n), f.ravel()
    g = [np.log1p(flat.take(at + k * n) / pull) for k in range(_POINTS)]
    gap = nodes[1] - nodes[0]
    first = nodes[0] + gap * base
    u = [first + gap * k for k in range(_POINTS)]
    for width in range(1, _POINTS):
        u = [(g[k + width] * u[k] - g[k] * u[k + 1]) / (g[k + width] - g[k]) for k in range(_POINTS - width)]
    crossing: FloatArray = u[0]
    return crossing
