"""Ordered answers on a latent scale: cuts between the points, and chances of each point.

An answer is the point k whose range holds a latent logistic value with location eta and scale s::

    P(answer <= k) = expit((cut[k] - eta) / s)

The cuts follow from reference chances p, those of location m0 and scale 1. Location and cuts would shift
together, so one cut is tied down: with a the point at which the reference splits most evenly, the chance of
an answer above a is expit(m0), and the points up to a and those above share what is left to them evenly a
priori (Dirichlet(1) on each side). cut[a] is then 0.

The two sides are split further, each part where the reference halves best, down to single points. In such a
tree the chance v of the lower half at each node is independent of the others a priori, Beta(points below,
points above), and nearly so a posteriori; its log odds in units of their rough standard deviation are what
the sampler moves in. Points that nobody chose need no merging.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from scipy.special import expit, logit

from sim.contract import EffectPrior
from sim.errors import Problem, ProblemsError
from sim.records.arrays import FloatArray

from ._predictor import EFFECT_PRIOR, Link

RIDGE = 1 / 1.5**2
"""Precision that the prior of the base adds to a rough location."""
_STEPS = 12
_ROUNDS = 4
_REACH = 8.0


def split(reference: FloatArray) -> int:
    """Return the last point of the lower side: where the reference splits most evenly.

    Examples
    --------
    >>> split(np.array([0.1, 0.1, 0.2, 0.4, 0.2]))
    2
    """
    return int(np.argmin(np.abs(np.cumsum(reference)[:-1] - 0.5)))


def tree(reference: FloatArray) -> tuple[FloatArray, FloatArray]:
    """Return which points lie below and above each split after the first, (node, point) of 0 and 1."""
    below, above = [], []

    def halve(start: int, stop: int) -> None:
        if stop - start < 2:
            return
        inside = reference[start:stop]
        at = start + 1 + split(inside / inside.sum())
        rows = np.zeros((2, len(reference)))
        rows[0, start:at], rows[1, at:stop] = 1, 1
        below.append(rows[0])
        above.append(rows[1])
        halve(start, at)
        halve(at, stop)

    halve(0, len(reference))
    return np.array(below[1:]), np.array(above[1:])


def anchor(reference: FloatArray) -> tuple[FloatArray, float]:
    """Which points are on the lower side, (point,) of 1 and 0, and the log odds m0 of the upper one."""
    last = split(reference)
    low = float(reference[: last + 1].sum() / reference.sum())
    return (np.arange(len(reference)) <= last).astype(np.float64), -float(logit(low))


def anchored(weight: FloatArray, side: FloatArray, m0: float) -> FloatArray:
    """Chances (..., point) in proportion to `weight` on either side of the anchor, expit(m0) above it."""
    lower, upper = weight * side, weight * (1 - side)
    lower = lower / lower.sum(axis=-1, keepdims=True) * expit(-m0)
    made: FloatArray = lower + upper / upper.sum(axis=-1, keepdims=True) * expit(m0)
    return made


def cuts(chances: FloatArray, m0: float) -> FloatArray:
    """Cuts (..., point - 1) from reference chances (..., point)."""
    up = np.cumsum(chances, axis=-1)[..., :-1]
    down = np.cumsum(chances[..., ::-1], axis=-1)[..., ::-1][..., 1:]
    return np.asarray(np.log(up) - np.log(down) + m0)


def rough_cuts(counts: FloatArray, side: FloatArray, m0: float) -> FloatArray:
    """Cuts (point - 1,) at which cells of rough locations answer, taken together, as all of them did.

    Pooled answers alone would give the cuts of customers at m0, and cells may lie far from there. One answer
    is added at each point.
    """
    pooled = counts.sum(axis=(0, 1)) + 1
    below = np.cumsum(pooled)[:-1] / pooled.sum()
    n = counts.sum(axis=-1) + 1e-9
    x = np.linspace(-4 * _REACH, 4 * _REACH, 3201)
    cut = cuts(anchored(pooled, side, m0), m0)
    for _ in range(_ROUNDS):
        eta = locations(counts, cut, m0)[0]
        found = np.interp(below, np.einsum("cs,xcs->x", n / n.sum(), expit(x[:, None, None] - eta)), x)
        cut = found - found[int(side.sum()) - 1]
    return cut


def chances(cut: FloatArray, eta: Any, scale: Any = 1.0) -> FloatArray:
    """Chance of each point (..., point) at locations `eta` and scales (...)."""
    x = (cut - np.asarray(eta)[..., None]) / np.asarray(scale)[..., None]
    edge = np.full((*x.shape[:-1], 1), np.inf)
    below, above = np.concatenate([-edge, x], axis=-1), np.concatenate([x, edge], axis=-1)
    # Differences are taken on the side where both are small.
    flip = below > 0
    found = np.where(flip, expit(-below) - expit(-above), expit(above) - expit(below))
    return np.asarray(found)


def locations(counts: FloatArray, cut: FloatArray, m0: float) -> tuple[FloatArray, FloatArray, FloatArray]:
    """Rough location of each cell by Fisher scoring at scale 1, with the prior of the base.

    Returns
    -------
    location, variance : (...) array
    lean : (...) array
        How far from the location its information lies. At scale s the best location is the rough one plus
        lean * (1 - s): where nearly everyone gives the top answer, the two can hardly be told apart.
    """
    eta = np.full(counts.shape[:-1], m0)
    n = counts.sum(axis=-1)
    edge = np.zeros((*eta.shape, 1))
    for _ in range(_STEPS):
        p = np.maximum(chances(cut, eta), 1e-300)
        x = cut - eta[..., None]
        density = expit(x) * expit(-x)
        by_eta, by_scale = (
            -np.diff(np.concatenate([edge, part, edge], axis=-1), axis=-1) / p
            for part in (density, density * x)
        )
        precision = n * (p * by_eta**2).sum(axis=-1) + RIDGE
        score = (counts * by_eta).sum(axis=-1) - RIDGE * (eta - m0)
        lean = n * (p * by_eta * by_scale).sum(axis=-1) / precision
        eta = eta + np.clip(score / precision, -2, 2)
    return eta, 1 / precision, lean


def curve(cut: FloatArray, score: FloatArray, m0: float) -> tuple[FloatArray, FloatArray]:
    """Locations around m0 and the mean score at each, which rises with them."""
    eta = m0 + np.linspace(-_REACH, _REACH, 1601)
    return eta, chances(cut, eta) @ score


def link(cut: FloatArray, score: FloatArray, m0: float) -> Link:
    """Take mean scores to the latent scale along the curve of the pooled answers."""
    eta, level = curve(cut, score, m0)
    slope = 1 / np.maximum(np.gradient(level, eta), 1e-12)
    return Link(
        lambda mean: np.asarray(np.interp(mean, level, eta)),
        lambda mean: np.asarray(np.interp(mean, level, slope)),
        lambda location: np.asarray(np.interp(location, eta, level)),
    )


def shift(cut: FloatArray, score: FloatArray, m0: float, change: float) -> float:
    """Return the latent shift that changes the pooled mean score by a relative `change`.

    A change that leaves the scale is cut where a twentieth of the gap to its end is left.
    """
    eta, level = curve(cut, score, m0)
    now = float(np.interp(m0, eta, level))
    least, most = (float(end - (end - now) / 20) for end in (score.min(), score.max()))
    wanted = min(max(now * (1 + change), least), most)
    return float(np.interp(wanted, level, eta) - m0)


def effect_prior(
    prior: EffectPrior | None, cut: FloatArray, score: FloatArray, m0: float
) -> tuple[float, float]:
    """Mean and sd of delta: the 5 and 95 % points of the relative change, as shifts of the pooled answers."""
    if prior is None:
        return EFFECT_PRIOR
    level = float(chances(cut, m0) @ score)
    if level <= 0:
        found = f"a relative effect on a summary that is {level:.3g} in the pilot"
        remedy = 'state the effect of summary = "mean" or "top2", or leave the prior out'
        raise ProblemsError(Problem(found, "a summary above 0", remedy, key="prior.effect"))
    mean, sd = prior.log_ratio
    z = 1.6448536269514722
    low, high = (shift(cut, score, m0, float(np.expm1(mean + side * z * sd))) for side in (-1, 1))
    return (low + high) / 2, max((high - low) / (2 * z), 1e-3)


def rough_tree(
    chance: FloatArray, counts: FloatArray, below: FloatArray, above: FloatArray
) -> dict[str, FloatArray]:
    """Log odds of the lower half at each node from reference chances, its variance from pooled counts."""
    low, high = below @ (counts + 1), above @ (counts + 1)
    odds = np.log((below @ chance) / (above @ chance))
    return {"below": below, "above": above, "odds_hat": odds, "odds_var": 1 / low + 1 / high}


def reference(data: Mapping[str, Any]) -> Any:
    """Return the log reference chances (point,) inside an open model, with their prior."""
    import pymc as pm
    import pytensor.tensor as pt

    z = pm.Flat("_odds", shape=data["odds_hat"].shape)
    odds = data["odds_hat"] + pt.sqrt(data["odds_var"]) * z
    low, high = -pt.softplus(-odds), -pt.softplus(odds)
    points = data["below"].sum(axis=1), data["above"].sum(axis=1)
    pm.Potential("_odds_prior", (points[0] * low + points[1] * high).sum())
    lower, upper = data["side"], 1 - data["side"]
    first = -lower * pt.softplus(data["m0"]) - upper * pt.softplus(-data["m0"])
    return first + low @ data["below"] + high @ data["above"]


def prior_reference(arrays: Mapping[str, FloatArray], n: int, rng: np.random.Generator) -> FloatArray:
    """Draw reference chances (sample, point) from the prior that `reference` states."""
    side, m0 = arrays["side"], float(arrays["m0"])
    return anchored(rng.standard_exponential((n, len(side))), side, m0)


def log_chances(log_reference: Any, m0: Any, eta: Any, log_scale: Any) -> Any:
    """Log chance of each point, (cell, segment, point), as a PyTensor expression.

    With b and a the two ends of a point's range, expit(b) - expit(a) = expit(b) expit(-a) (1 - exp(a - b)),
    which loses no digits however far out both are.
    """
    import pytensor.tensor as pt

    p = pt.exp(log_reference)
    cut = pt.log(pt.cumsum(p)[:-1]) - pt.log(pt.cumsum(p[::-1])[::-1][1:]) + m0
    x = (cut - eta[:, :, None]) / pt.exp(log_scale)[:, None, None]
    gap = pt.minimum(x[:, :, :-1] - x[:, :, 1:], -1e-14)
    middle = pt.log1mexp(gap) - pt.softplus(-x[:, :, 1:]) - pt.softplus(x[:, :, :-1])
    ends = -pt.softplus(-x[:, :, :1]), -pt.softplus(x[:, :, -1:])
    return pt.concatenate([ends[0], middle, ends[1]], axis=2)
