"""Follows a customer base month by month under two hazards: the stock at the start, and joiners.

In month t the hazard of a customer in his x-th month of tenure is h_c(x) + r_t (h_t(x) - h_c(x)), r_t being
the reach of the treatment in that month of the rollout. Joiners arrive at the start of a month with tenure
0. A customer-month is kept if he is there at its end under treatment but would not be under control.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from sim.records.arrays import FloatArray


@dataclass(frozen=True, slots=True)
class Alive:
    """Customers at the end of each month, (sample, segment, month), and a full course of treated tenure."""

    control: FloatArray
    treated: FloatArray
    survival: FloatArray


def _survivors(
    hazards: tuple[FloatArray, FloatArray], share: FloatArray, stock: FloatArray, joiners: FloatArray
) -> FloatArray:
    """Return the customers at the end of each month, (month, sample, segment).

    Parameters
    ----------
    hazards : pair of (tenure month, sample, segment) arrays
        Under control and treatment; of length 1 when constant.
    share : (sample or 1, month) array
        Reach r_t; all zero for the control's course.
    stock : (tenure month, sample or 1, segment) array
        Customers at the start by completed months of tenure.
    joiners : (month, sample or 1, segment) array
    """
    control, treated = hazards
    months, shape = joiners.shape[0], control.shape[1:]
    constant = control.shape[0] == 1 and treated.shape[0] == 1
    there = np.broadcast_to(stock, (stock.shape[0], *shape)).copy()
    # Joiners by completed months of tenure; each month they move up one place.
    young = np.zeros((1 if constant else months, *shape))
    total = np.empty((months, *shape))
    for month in range(months):
        reach = share[:, month, None]

        def staying(start: int, count: int, reach: FloatArray = reach) -> FloatArray:
            if constant:
                start, count = 0, 1
            low, high = (h if len(h) == 1 else h[start : start + count] for h in (control, treated))
            return 1 - np.clip(low + reach * (high - low), 0.0, 1.0) if reach.any() else 1 - low

        there *= staying(month, len(there))
        if constant:
            young[0] = (young[0] + joiners[month]) * staying(0, 1)[0]
        else:
            young[1 : month + 1] = young[:month]
            young[0] = joiners[month]
            young[: month + 1] *= staying(0, month + 1)
        total[month] = there.sum(axis=0) + young[: month + 1].sum(axis=0)
    return total


def follow(
    control: FloatArray,
    treated: FloatArray,
    share: FloatArray,
    stock: FloatArray,
    joiners: tuple[FloatArray, FloatArray],
) -> Alive:
    """Follow stock and joiners under control and under treatment.

    Parameters
    ----------
    control, treated : (tenure month or 1, sample, segment) array
        Monthly hazards; length 1 means constant.
    share : (sample or 1, month) array
        Reach of the treatment.
    stock : (tenure month, sample or 1, segment) array
        Customers at the start by completed months of tenure.
    joiners : pair of (sample or 1, segment, month) arrays
        New customers a month under control and treatment.
    """
    samples = max(len(share), stock.shape[1], *(len(j) for j in joiners), control.shape[1], treated.shape[1])
    shape = (samples, control.shape[2])
    low, high = (np.broadcast_to(h, (len(h), *shape)) for h in (control, treated))
    months = share.shape[1]
    arriving = tuple(np.moveaxis(j, -1, 0) for j in joiners)
    without = _survivors((low, low), np.zeros_like(share), stock, arriving[0])
    under = _survivors((low, high), share, stock, arriving[1])
    staying = 1 - high[:months]
    curve = np.cumprod(np.broadcast_to(staying, (months, *shape)), axis=0)
    return Alive(*(np.moveaxis(a, 0, -1) for a in (without, under, curve)))
