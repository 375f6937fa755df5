"""Which alternative: expected loss, probability of being best, dominance, acceptability."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import ArrayLike

from sim.decision.arguments import checked
from sim.records.arrays import FloatArray
from sim.records.estimate import Estimate, mean, standard_error

TOLERANCE = 3.0  # Monte Carlo errors within which two distribution functions count as touching
GRID = 400  # points at which they are compared


@dataclass(frozen=True, slots=True)
class Threshold:
    """What a point of a KPI must be worth for investing to be right with some probability.

    Parameters
    ----------
    probability : float
    value : float or None [currency per point and month]
        Lowest value ≥ 0 at which it is; None if no value does it.
    until : float or None [currency per point and month]
        Beyond this value it is no longer, since the gain may be negative; None if it stays so, and
        where `value` is None.
    mcse : float or None
        Monte Carlo standard error of `value`; None where the probability next to it is out of reach,
        so that the samples do not bound it.
    """

    probability: float
    value: float | None
    until: float | None
    mcse: float | None


def expected_loss(nb: ArrayLike) -> tuple[Estimate, ...]:
    """Return by decision what it costs, on average, not to have taken the best one.

    E[max_c NB_c − NB_d]; the smallest is the EVPI.

    Parameters
    ----------
    nb : (sample, decision) array [currency]

    Examples
    --------
    >>> import numpy as np
    >>> [loss.value for loss in expected_loss(np.array([[0.0, 3.0], [0.0, -1.0]]))]
    [1.5, 0.5]
    """
    values = checked(nb, "nb", axes=2)
    return tuple(mean(column) for column in (values.max(axis=1, keepdims=True) - values).T)


def p_best(nb: ArrayLike) -> tuple[Estimate, ...]:
    """Return by decision the probability that it is the best one; ties are shared.

    Parameters
    ----------
    nb : (sample, decision) array [currency]

    Examples
    --------
    >>> import numpy as np
    >>> [share.value for share in p_best(np.array([[0.0, 3.0], [0.0, 0.0]]))]
    [0.25, 0.75]
    """
    values = checked(nb, "nb", axes=2)
    top = values == values.max(axis=1, keepdims=True)
    return tuple(mean(column) for column in (top / top.sum(axis=1, keepdims=True)).T)


def dominance(a: ArrayLike, b: ArrayLike) -> Literal["first", "second"] | None:
    """Say whether a stochastically dominates b, as far as the samples can tell.

    First order: P(a ≤ x) ≤ P(b ≤ x) at every x, so everybody who prefers more prefers a. Second
    order: E[(x − a)⁺] ≤ E[(x − b)⁺] at every x, so everybody who in addition shuns risk does
    (Hadar & Russell 1969, American Economic Review 59; Levy 1992, doi:10.1287/mnsc.38.4.555).

    At no x may the difference be wrong by more than three Monte Carlo errors, and at some x it must
    be right by more. Row i of both is the same state, so errors are those of paired differences.
    A crossing that fewer than about ten samples show passes as noise; where one side is certain none
    does, for a single loss is enough to prefer the certain side.

    Parameters
    ----------
    a, b : (sample,) array [currency]

    Returns
    -------
    "first", "second" or None

    Examples
    --------
    >>> import numpy as np
    >>> x = np.linspace(-1.0, 1.0, 1000)
    >>> dominance(x + 0.5, x), dominance(0.5 * x, x), dominance(x, 0.5 * x)
    ('first', 'second', None)
    """
    first, second = checked(a, "a", axes=1), checked(b, "b", axes=1)
    checked(second, "b", axes=1, samples=len(first))
    both = np.concatenate([first, second])
    points = np.unique(np.quantile(both, np.linspace(0.0, 1.0, GRID), method="nearest"))[:, None]
    certain = np.ptp(first) == 0 or np.ptp(second) == 0
    below = (first <= points).astype(np.float64) - (second <= points)
    if _never_above(below, certain=certain):
        return "first"
    short = np.maximum(points - first, 0.0) - np.maximum(points - second, 0.0)
    # Sums of large and small shortfalls round; a difference of that size is none.
    short[np.abs(short) < 1e-12 * np.abs(both).max()] = 0.0
    return "second" if _never_above(short, certain=certain) else None


def _never_above(difference: FloatArray, *, certain: bool) -> bool:
    """Whether the mean over samples of (point, sample) differences is ≤ 0 everywhere, < 0 somewhere."""
    gap = difference.mean(axis=1)
    slack = TOLERANCE * standard_error(difference.T)
    allowed = 0.0 if certain else slack
    return bool((gap <= allowed).all() and (gap < -slack).any())


def acceptability(
    kpi_gain: ArrayLike,
    nb_without: ArrayLike,
    *,
    probabilities: Sequence[float] = (0.5, 0.75, 0.9),
    hurdle: float = 0.0,
) -> tuple[Threshold, ...]:
    """Return the value of one point of a KPI from which investing is right with given probabilities.

    The lowest v ≥ 0 with P(NB + v·gain > hurdle) ≥ p: an acceptability curve (Fenwick, Claxton &
    Sculpher 2001, doi:10.1002/hec.635) read backwards. Where the gain may be negative a higher value
    also loses samples, so a probability may be out of reach, or reached for a range of values only.

    Parameters
    ----------
    kpi_gain : (sample,) array [points × months, discounted]
        Positive is better.
    nb_without : (sample,) array [currency]
        Net benefit with nothing for the KPI.
    probabilities : sequence of float
        Strictly between 0 and 1.
    hurdle : float [currency]

    Raises
    ------
    ValueError
        Shapes that do not fit, values that are not finite, or a probability out of range.

    Examples
    --------
    >>> import numpy as np
    >>> gain, nb = np.full(100, 2.0), -np.arange(1.0, 101.0)
    >>> [found.value for found in acceptability(gain, nb)]
    [25.0, 37.5, 45.0]
    """
    gain = checked(kpi_gain, "kpi_gain", axes=1)
    nb = checked(nb_without, "nb_without", axes=1, samples=len(gain))
    if not all(0 < p < 1 for p in probabilities):
        raise ValueError(f"probabilities must be between 0 and 1, got {list(probabilities)}")
    values, share = _curve(gain, nb - hurdle)
    return tuple(_threshold(p, values, share, len(gain)) for p in probabilities)


def _curve(gain: FloatArray, margin: FloatArray) -> tuple[FloatArray, FloatArray]:
    """Return where P(margin + v·gain > 0) changes with v ≥ 0, and what it is right after."""
    rises = (gain > 0) & (margin <= 0)
    falls = (gain < 0) & (margin > 0)
    moves = rises | falls
    at = margin[moves] / -gain[moves]
    values, place = np.unique(np.concatenate([[0.0], at]), return_inverse=True)
    step = np.concatenate([[np.count_nonzero(margin > 0)], np.where(rises[moves], 1, -1)])
    share = np.cumsum(np.bincount(place, weights=step)) / len(gain)
    return values, share


def _threshold(p: float, values: FloatArray, share: FloatArray, n: int) -> Threshold:
    """Read the curve at a probability."""

    def lowest(level: float) -> float | None:
        # The margin keeps a share such as 30/100 from falling short of 0.3 by rounding.
        enough = np.flatnonzero(share >= level - 1e-12)
        return float(values[enough[0]]) if enough.size else None

    value = lowest(p)
    if value is None:
        return Threshold(p, None, None, None)
    last = int(np.flatnonzero(share >= p - 1e-12)[-1])
    until = float(values[last + 1]) if last + 1 < len(values) else None
    # Woodruff's interval: the error of a probability, carried over to the value by the curve itself.
    error = float(np.sqrt(p * (1 - p) / n))
    above, below = lowest(min(p + error, 1.0)), lowest(max(p - error, 0.0))
    mcse = None if above is None or below is None else (above - below) / 2
    return Threshold(p, value, until, mcse)
