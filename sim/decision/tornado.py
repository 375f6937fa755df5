"""Tornado: what the result is expected to be where one quantity is low, and where it is high."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from sim.decision.arguments import checked
from sim.records.arrays import FloatArray
from sim.records.estimate import Estimate, mean, standard_error

LOW, HIGH = 0.1, 0.9
"""The quantiles of a quantity between which its bar runs."""
_KNOTS = np.array([0.02, 0.1, 0.3, 0.5, 0.7, 0.9, 0.98])
_LEVEL = 30  # rows with the very value from which their mean needs no regression


@dataclass(frozen=True, slots=True)
class Bar:
    """One bar of a tornado.

    Parameters
    ----------
    name : str
    at_low, at_high : float [unit of the quantity]
        Its 10 % and 90 % quantiles.
    low, high : Estimate [unit of y]
        The result there.
    swing : Estimate [unit of y]
        high − low; its error knows that both come from the same samples.
    """

    name: str
    at_low: float
    at_high: float
    low: Estimate
    high: Estimate
    swing: Estimate


def tornado(y: FloatArray, x: FloatArray, *, names: Sequence[str]) -> tuple[Bar, ...]:
    """Compute the conditional bars E[y | x_j = q10] and E[y | x_j = q90], widest first.

    The other quantities follow x_j as far as they depend on it. E[y | x_j] is a cubic regression
    spline in the normal score of the rank of x_j, by least squares; where at least 30 samples hold
    the very value (discrete quantities) it is their mean. Standard errors count the scatter about
    the curve, whatever its spread (White 1980, doi:10.2307/1912934), and the error of the quantile.

    Parameters
    ----------
    y : (sample,) array
    x : (sample, k) array
        Row i is the joint state that gave y_i.
    names : sequence of k str

    Raises
    ------
    ValueError
        The shapes do not fit, fewer than 20 samples, or a value is not finite.

    Examples
    --------
    >>> import numpy as np
    >>> x = np.random.default_rng(1).normal(size=(4000, 2))
    >>> bars = tornado(x[:, 0] - 3 * x[:, 1], x, names=["small", "large"])
    >>> [(bar.name, round(bar.swing.value)) for bar in bars]
    [('large', -8), ('small', 3)]
    """
    y = checked(y, "y", axes=1)
    x = checked(x, "x", axes=2, samples=y.size)
    if x.shape[1] != len(names):
        raise ValueError(f"{x.shape[1]} columns have {len(names)} names")
    if y.size < 20:
        raise ValueError(f"at least 20 samples are needed, not {y.size}")
    return _widest_first([_bar(name, y, column) for name, column in zip(names, x.T, strict=True)])


def one_at_a_time(
    evaluate: Callable[[str, float], float | FloatArray], quantiles: Mapping[str, tuple[float, float]]
) -> tuple[Bar, ...]:
    """Compute the plain bars: simulate again with one quantity fixed, the others as they are.

    Parameters
    ----------
    evaluate : callable
        `evaluate(name, value)` is the result with that quantity fixed: by sample, on the same samples
        each time, or one figure, whose bars then have no Monte Carlo error (NaN).
    quantiles : mapping of str to (float, float)
        The low and the high value of each quantity.

    Returns
    -------
    tuple of Bar
        Widest first; bars without a value (NaN) last.

    Examples
    --------
    >>> prices = {"price": (8.0, 12.0), "visits": (90.0, 100.0)}
    >>> bars = one_at_a_time(lambda name, value: 95 * value if name == "price" else 10 * value, prices)
    >>> [(bar.name, bar.swing.value) for bar in bars]
    [('price', 380.0), ('visits', 100.0)]
    """
    bars = []
    for name, (at_low, at_high) in quantiles.items():
        low, high = (np.asarray(evaluate(name, value), dtype=np.float64) for value in (at_low, at_high))
        parts = [_estimate(part) for part in (low, high, high - low)]
        bars.append(Bar(name, float(at_low), float(at_high), *parts))
    return _widest_first(bars)


def _estimate(result: FloatArray) -> Estimate:
    return mean(result) if result.ndim else Estimate(float(result), float("nan"))


def _widest_first(bars: list[Bar]) -> tuple[Bar, ...]:
    return tuple(sorted(bars, key=lambda bar: (np.isnan(bar.swing.value), -abs(bar.swing.value))))


def _bar(name: str, y: FloatArray, column: FloatArray) -> Bar:
    at = np.quantile(column, [LOW, HIGH], method="inverted_cdf")
    (low, by_low), (high, by_high) = _at(y, column, LOW, at[0]), _at(y, column, HIGH, at[1])
    return Bar(
        name,
        float(at[0]),
        float(at[1]),
        Estimate(low, float(standard_error(by_low))),
        Estimate(high, float(standard_error(by_high))),
        Estimate(high - low, float(standard_error(by_high - by_low))),
    )


def _at(y: FloatArray, column: FloatArray, level: float, value: float) -> tuple[float, FloatArray]:
    """Return E[y | x_j = its quantile] and the influence of every sample on it."""
    there = column == value
    if there.sum() >= _LEVEL:
        found = float(y[there].mean())
        return found, np.where(there, y - found, 0.0) / there.mean()
    return _on_curve(y, column, level, value)


def _ranks(values: FloatArray) -> FloatArray:
    """Return ranks from 1, equal values sharing the mean of theirs; SciPy's would load all of its statistics.

    >>> _ranks(np.array([5.0, 1.0, 5.0])).tolist()
    [2.5, 1.0, 2.5]
    """
    _, which, counts = np.unique(values, return_inverse=True, return_counts=True)
    ranks: FloatArray = (np.cumsum(counts) - (counts - 1) / 2)[which]
    return ranks


def _on_curve(y: FloatArray, column: FloatArray, level: float, value: float) -> tuple[float, FloatArray]:
    from scipy.interpolate import BSpline
    from scipy.special import ndtri

    n = y.size
    score = ndtri((_ranks(column) - 0.5) / n)
    lowest, highest = score.min(), score.max()
    inner = ndtri(_KNOTS[np.minimum(_KNOTS, 1 - _KNOTS) * n >= 10])
    inner = inner[(inner > lowest) & (inner < highest)]
    knots = np.r_[[lowest] * 4, inner, [highest] * 4]
    basis = BSpline.design_matrix(score, knots, 3).toarray()
    place, width = score[column == value][0], 0.05
    sides = np.clip([place - width, place + width], lowest, highest)
    around = BSpline.design_matrix(np.r_[place, sides], knots, 3).toarray()
    # Least squares predicts with fixed weights on y; these are they.
    weights = np.linalg.lstsq(basis.T, around.T)[0]
    found, before, after = y @ weights
    residual = y - basis @ np.linalg.lstsq(basis, y)[0]
    residual *= np.sqrt(n / (n - basis.shape[1]))
    density = np.exp(-(place**2) / 2) / np.sqrt(2 * np.pi)
    slope = (after - before) / (sides[1] - sides[0])
    shift = (level - (column <= value)) * slope / density
    return float(found), n * weights[:, 0] * residual + shift
