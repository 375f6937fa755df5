"""Where a function of one config value crosses zero, from points at hand."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise

type Gap = Callable[[float], tuple[float, float]]
"""A value to the function and its Monte Carlo error."""

_STEPS = 60
_CLOSE = 1e-10


@dataclass(frozen=True, slots=True)
class Crossing:
    """One crossing.

    Parameters
    ----------
    value : float
        Where the function is zero; for a key that counts, the value on the positive side.
    mcse : float or None
        Monte Carlo standard error of `value`: that of the function over its slope. None for a key that
        counts.
    rises : bool
        Whether the function is positive above `value`.
    between : (float, float)
        The points on either side.
    """

    value: float
    mcse: float | None
    rises: bool
    between: tuple[float, float]


def crossings(
    points: Sequence[tuple[float, float]], gap: Gap | None, errors: Mapping[float, float]
) -> list[Crossing]:
    """Return where a function goes from positive to not positive, or back.

    Parameters
    ----------
    points : sequence of (value, function)
        In rising order of the value.
    gap : callable or None
        The function at any value; None where only those of `points` can be asked for.
    errors : mapping of value to Monte Carlo error of the function
    """
    found = []
    for (low, below), (high, above) in pairwise(points):
        if (below > 0) == (above > 0):
            continue
        rises = above > 0
        if gap is None:
            found.append(Crossing(high if rises else low, None, rises, (low, high)))
            continue
        slope = (above - below) / (high - low)
        value, error = _root((low, below), (high, above), gap, max(errors[low], errors[high]))
        found.append(Crossing(value, abs(error / slope), rises, (low, high)))
    return found


def _root(low: tuple[float, float], high: tuple[float, float], gap: Gap, error: float) -> tuple[float, float]:
    """Close in by false position, the end that stays being halved (Illinois; exact at once on a line).

    Dowell & Jarratt (1971), doi:10.1007/BF01934364.
    """
    (a, fa), (b, fb) = low, high
    width, size, kept = b - a, max(abs(fa), abs(fb)), 0
    for end, value in (low, high):
        if value == 0:
            return end, error
    x = a
    for _ in range(_STEPS):
        x = (a * fb - b * fa) / (fb - fa)
        fx, error = gap(x)
        if abs(fx) <= _CLOSE * size or b - a <= _CLOSE * width:
            break
        if (fx > 0) == (fb > 0):
            b, fb = x, fx
            fa, kept = (fa / 2, -1) if kept == -1 else (fa, -1)
        else:
            a, fa = x, fx
            fb, kept = (fb / 2, 1) if kept == 1 else (fb, 1)
    return x, error
