"""Counting the roots of polynomials on the unit interval in Bernstein form.

In that form the number of sign changes of the coefficients bounds the number of roots, and is
exact when it is 0 or 1; halving an interval (de Casteljau) is numerically stable. Halve until
every piece has 0 or 1 (Vincent, Collins & Akritas; see Mourrain, Rouillier & Roy 2005,
"The Bernstein basis and real root isolation").
"""

from __future__ import annotations

from functools import cache

import numpy as np

from sim.records.arrays import FloatArray, IntArray

# Two roots closer than this, or a polynomial flatter than this, cannot be told apart in doubles.
_NARROW = 1e-9
_FLAT = 1e-13
ALONE = 2**18
"""Multiplications that the library of matrices does without a second thread. That one would wait for more by
burning a core, which costs far more than it saves."""


def sign_changes(values: FloatArray) -> IntArray:
    """Count the sign changes along the last axis, zeros left out.

    Examples
    --------
    >>> import numpy as np
    >>> sign_changes(np.array([[-1.0, 0.0, 2.0, -3.0], [-1.0, 0.0, -2.0, -3.0]])).tolist()
    [2, 0]
    """
    if values.all():
        negative = values < 0
        flips = np.count_nonzero(negative[..., 1:] != negative[..., :-1], axis=-1)
        return np.asarray(flips, dtype=np.int64)
    signs = np.sign(values)
    # Carry the last non-zero sign over zeros, so that neighbours can be compared.
    last = np.maximum.accumulate(np.where(signs != 0, np.arange(values.shape[-1]), 0), axis=-1)
    carried = np.take_along_axis(signs, last, axis=-1)
    return np.asarray((carried[..., 1:] * carried[..., :-1] < 0).sum(axis=-1), dtype=np.int64)


@cache
def _to_bernstein(degree: int) -> FloatArray:
    """Matrix of C(j, i) / C(n, i): power coefficients to Bernstein coefficients on [0, 1]."""
    j = np.arange(degree + 1)[:, None]
    i = np.arange(1, degree + 1)[None, :]
    # From one column to the next: C(j, i)/C(n, i) = C(j, i−1)/C(n, i−1) · (j − i + 1)/(n − i + 1).
    steps = np.maximum(j - i + 1, 0) / (degree - i + 1)
    return np.asarray(np.cumprod(np.hstack([np.ones((degree + 1, 1)), steps]), axis=1), dtype=np.float64)


def isolate(coefficients: FloatArray) -> tuple[IntArray, FloatArray, FloatArray]:
    """Count the roots in the open interval (0, 1) and bracket the one of each row that has one.

    Parameters
    ----------
    coefficients : (row, degree + 1) array
        Constant term first, and not zero.

    Returns
    -------
    count : (row,) array
        0, 1, or at least 2. Roots that doubles cannot tell apart count as two.
    low, high : (row,) array
        An interval that holds the root; of use where the count is 1.

    Examples
    --------
    >>> import numpy as np
    >>> count, low, high = isolate(np.array([[0.08, -0.6, 1.0], [1.0, 0.0, 1.0]]))  # (x − 0.2)(x − 0.4)
    >>> count.tolist()
    [2, 0]
    """
    rows, width = coefficients.shape
    count = np.zeros(rows, dtype=np.int64)
    found_low, found_high = np.zeros(rows), np.ones(rows)
    flat = _FLAT * np.abs(coefficients).sum(axis=1)
    index = np.arange(rows)
    low, high = np.zeros(rows), np.ones(rows)
    pieces = np.empty_like(coefficients)
    block = max(ALONE // width**2, 1)
    for start in range(0, rows, block):
        some = slice(start, start + block)
        np.matmul(coefficients[some], _to_bernstein(width - 1).T, out=pieces[some])
    while index.size:
        changes = sign_changes(pieces)
        one = changes == 1
        np.add.at(count, index[one], 1)
        found_low[index[one]], found_high[index[one]] = low[one], high[one]
        blurred = (changes > 1) & ((high - low < _NARROW) | (np.abs(pieces).max(axis=1) <= flat[index]))
        np.add.at(count, index[blurred], 2)
        split = (changes > 1) & ~blurred & (count[index] < 2)
        index, low, high, pieces = index[split], low[split], high[split], pieces[split]
        left, right = _halve(pieces)
        middle = 0.5 * (low + high)
        hit = right[:, 0] == 0  # a root on the seam belongs to neither open half
        np.add.at(count, index[hit], 1)
        found_low[index[hit]], found_high[index[hit]] = middle[hit], middle[hit]
        index = np.concatenate([index, index])
        low, high = np.concatenate([low, middle]), np.concatenate([middle, high])
        pieces = np.concatenate([left, right])
    return count, found_low, found_high


def _halve(pieces: FloatArray) -> tuple[FloatArray, FloatArray]:
    """Split Bernstein coefficients at the middle of their interval (de Casteljau)."""
    # Coefficient by coefficient in memory, so that each step is one pass over the rows.
    current = np.ascontiguousarray(pieces.T)
    left, right = np.empty_like(current), np.empty_like(current)
    for k in range(len(current)):
        left[k], right[len(right) - 1 - k] = current[0], current[-1]
        current = 0.5 * (current[:-1] + current[1:])
    return np.ascontiguousarray(left.T), np.ascontiguousarray(right.T)
