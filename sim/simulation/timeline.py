"""Months: how a volume runs and how much of an effect arrives in each.

Arrays of (sample, month) are laid out month by month in memory, here and in `sim.simulation.cashflow`: what
is done to them is done in one pass over the samples of each month.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

import numpy as np

from sim.records.arrays import FloatArray
from sim.records.projection import Reach

DAYS_PER_MONTH = 365 / 12


def months(horizon: int) -> FloatArray:
    """Return 1 … horizon, (1, month)."""
    return np.arange(1.0, horizon + 1)[None, :]


def growth(rate_annual: FloatArray, horizon: int) -> FloatArray:
    """Return (1 + g)^((t − 1)/12) for t = 1 … horizon, (sample or 1, month).

    Parameters
    ----------
    rate_annual : (sample or 1, 1) array
        Growth per year, a fraction.
    horizon : int
        Months.
    """
    return np.exp(np.log1p(rate_annual.T) * ((months(horizon).T - 1) / 12)).T


def season(factors: Sequence[float], first_month: int, horizon: int) -> FloatArray:
    """Return the seasonal factor of each month, (1, month); all 1 without factors.

    Parameters
    ----------
    factors : sequence of 12 floats, or empty
        January first.
    first_month : int
        Calendar month (1-12) of month 1.
    horizon : int
        Months.
    """
    if not factors:
        return np.ones((1, horizon))
    index = (first_month - 1 + np.arange(horizon)) % 12
    return np.asarray(factors, dtype=float)[index][None, :]


def reach(
    horizon: int,
    *,
    delay: FloatArray,
    ramp: FloatArray,
    shape: Literal["linear", "s-curve"],
    half_life: FloatArray | None,
    transfer: FloatArray,
    ends: int | None,
) -> Reach:
    """Return how much of an effect arrives in months 1 … horizon.

    x_t = clip((t − delay)/max(ramp, 1), 0, 1), for an s-curve 3x² − 2x³;
    fade ½^(max(t − delay − max(ramp, 1), 0)/half_life); 0 after `ends`.

    Parameters
    ----------
    delay, ramp, half_life, transfer : (sample or 1, 1) array
        Months, months, months, and a factor; no fade where half_life is None.
    shape : {"linear", "s-curve"}
    ends : int or None
        Last month with an effect.
    """
    t = months(horizon).T
    length = np.maximum(ramp, 1.0).T
    x = np.clip((t - delay.T) / length, 0.0, 1.0)
    if shape == "s-curve":
        x = x * x * (3 - 2 * x)
    if ends is not None:
        x = x * (t <= ends)
    fade = np.ones_like(t)
    if half_life is not None:
        fade = np.maximum(t - delay.T - length, 0.0) * (-1.0 / half_life.T)
        np.exp2(fade, out=fade)
    return Reach(x.T, (transfer.T * fade).T)
