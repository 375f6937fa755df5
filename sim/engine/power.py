"""What the pilot could have seen: the least effect it would detect, and how surely the sign is right."""

from __future__ import annotations

import numpy as np

from sim.engine.world import OutcomeState, World
from sim.records.arrays import FloatArray

_DETECTED = 1.6448536269514722 + 0.8416212335729143
"""z for a 90 % interval that excludes zero, plus z for a power of 80 %."""


def detectable(world: World, state: OutcomeState, arm: str) -> float | None:
    """Return the least relative effect that a pilot like this finds with a probability of 80 %.

    For a score, which may be 0, the least difference in points.

    It is 2.49 standard errors of the pooled difference as the data alone give it, with the design effect
    of clusters, over the control level (Bloom 1995, doi:10.1177/0193841X9501900504); found means that the
    90 % interval leaves out zero. None without a fitted control.
    """
    summary = world.prepared.summaries.get(state.plan.name)
    if summary is None or not summary.has_control or arm not in summary.arms:
        return None
    ratio = state.plan.model.ratio(summary.statistics)
    mean, den = ratio.mean, ratio.denominator
    weights = np.where(den.sum(axis=0) > 0, state.weights.mean(axis=0), 0.0)
    if weights.sum() <= 0:
        return None
    weights = weights / weights.sum()
    level = mean @ weights
    k = summary.arms.index(arm)
    cells = [0, k]
    if summary.design.kind == "difference-in-differences":
        cells = [0, 1, 2 * k, 2 * k + 1]
    if not (den[cells][:, weights > 0] > 0).all():
        return None
    if state.plan.model.level == "real":
        level = np.ones_like(level)
    if not (level[cells] != 0).all():
        return None
    noise = (weights**2 * ratio.variance / np.where(den > 0, den, 1.0)).sum(axis=1)
    # Each cell counts in units of its own level, which is what a relative effect is made of.
    variance = summary.design.effect * float((noise[cells] / level[cells] ** 2).sum())
    return float(_DETECTED * np.sqrt(variance))


def sign_error(gain: FloatArray) -> float:
    """Return the probability that the effect has the other sign than its mean, from (sample,) gains."""
    return float((gain * np.sign(gain.mean()) < 0).mean())
