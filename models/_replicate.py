"""Replays a churn pilot: the same customers enter and are followed, chance decides who leaves."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from sim.contract import Predictive
from sim.language import N_
from sim.records.arrays import FloatArray

BANDS = 12


def pilots(
    hazards: FloatArray, shift: FloatArray, statistics: Mapping[str, FloatArray], *, rng: np.random.Generator
) -> dict[str, FloatArray]:
    """Simulate one pilot per draw.

    Late entries come as observed; of those who survive a period the observed share goes out of sight.

    Parameters
    ----------
    hazards : (sample, tenure) array
        Gain of the cumulative hazard in each period of tenure.
    shift : (sample, arm, segment) array
        Log hazard ratio of each cell to it.
    statistics : mapping
        ``at_risk``, ``churned``, ``alive`` and ``period_months`` as observed.
    """
    observed_risk, observed_left = statistics["at_risk"], statistics["churned"]
    length = observed_risk.shape[2]
    survivors = observed_risk - observed_left
    following = np.concatenate([observed_risk[..., 1:], np.zeros_like(observed_risk[..., :1])], axis=2)
    entering = np.maximum(following - survivors, 0.0)
    out_of_sight = np.maximum(survivors - following, 0.0)
    share = out_of_sight / np.where(survivors > 0, survivors, 1.0)
    share[..., -1] = 1.0

    at_risk, churned, alive = (np.zeros((*shift.shape, length)) for _ in range(3))
    alive[..., 0] = statistics["alive"][..., 0]
    there = np.broadcast_to(observed_risk[..., 0], shift.shape)
    ratio = np.exp(shift)
    for t in range(length):
        count = np.rint(there).astype(np.int64)
        left = rng.binomial(count, -np.expm1(-ratio * hazards[:, t, None, None]))
        gone = rng.binomial(count - left, share[..., t])
        at_risk[..., t], churned[..., t] = count, left
        alive[..., min(t + 1, length - 1)] += gone
        there = count - left - gone + entering[..., t]
    months = np.broadcast_to(statistics["period_months"], shift.shape).copy()
    return {"at_risk": at_risk, "churned": churned, "alive": alive, "period_months": months}


def by_tenure(observed: FloatArray, replicated: FloatArray) -> Predictive:
    """Sum leavers over arms and segments into at most `BANDS` bands of tenure with about equal counts."""
    seen, made = observed.sum(axis=(0, 1)), replicated.sum(axis=(1, 2))
    rank = np.cumsum(seen) / max(seen.sum(), 1.0)
    band = np.minimum(np.floor((rank - seen / max(seen.sum(), 1.0) / 2) * BANDS), BANDS - 1).astype(int)
    _, first = np.unique(band, return_index=True)
    stops = [*first[1:], len(seen)]
    names = tuple(
        f"period {a + 1}" if b == a + 1 else f"periods {a + 1}-{b}" for a, b in zip(first, stops, strict=True)
    )
    return Predictive(
        np.add.reduceat(seen, first), np.add.reduceat(made, first, axis=1), names, N_("customers leaving")
    )
