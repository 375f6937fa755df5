"""Follows a customer base month by month under two hazards: the stock at the start, and joiners.

In month t the hazard of a customer in his x-th month of tenure is h_c(x) + r_t (h_t(x) - h_c(x)), r_t being
the reach of the treatment in that month of the rollout. Joiners arrive at the start of a month with tenure
0. A customer-month is kept if he is there at its end under treatment but would not be under control.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from sim.records.arrays import FloatArray
from sim.records.summary import PilotSummary


@dataclass(frozen=True, slots=True)
class Alive:
    """Customers at the end of each month, each (sample, segment, month).

    Parameters
    ----------
    control, treated : array
        All customers under each arm.
    control_late, treated_late : array
        Those of them whose month of tenure the pilot did not observe.
    control_survival, survival : array
        Share of joiners alive after each month of tenure under each arm, all of it at full reach.
    """

    control: FloatArray
    treated: FloatArray
    control_late: FloatArray
    treated_late: FloatArray
    control_survival: FloatArray
    survival: FloatArray


def _survivors(
    hazards: tuple[FloatArray, FloatArray],
    share: FloatArray,
    stock: FloatArray,
    joiners: FloatArray,
    observed: int | None,
) -> tuple[FloatArray, FloatArray]:
    """Return the customers at the end of each month, and those beyond `observed`, (month, sample, segment).

    Parameters
    ----------
    hazards : pair of (tenure month, sample, segment) arrays
        Under control and treatment; of length 1 when constant.
    share : (sample or 1, month) array
        Reach r_t; all zero for the control's course.
    stock : (tenure month, sample or 1, segment) array
        Customers at the start by completed months of tenure.
    joiners : (month, sample or 1, segment) array
    observed : int or None
        Whole months of tenure that were observed; None where that has no meaning.
    """
    control, treated = hazards
    months, shape = joiners.shape[0], control.shape[1:]
    constant = control.shape[0] == 1 and treated.shape[0] == 1
    there = np.broadcast_to(stock, (stock.shape[0], *shape)).copy()
    # Joiners by completed months of tenure; each month they move up one place.
    young = np.zeros((1 if constant else months, *shape))
    total, late = np.empty((months, *shape)), np.zeros((months, *shape))
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
        if observed is not None:
            # Place j holds the stock in month j + month + 1 of its tenure, joiners in month j + 1 of theirs.
            late[month] = there[max(observed - month, 0) :].sum(axis=0)
            late[month] += young[observed : month + 1].sum(axis=0)
    return total, late


def follow(
    control: FloatArray,
    treated: FloatArray,
    share: FloatArray,
    stock: FloatArray,
    joiners: tuple[FloatArray, FloatArray],
    observed: int | None = None,
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
    observed : int or None
        Whole months of tenure that the pilot observed; hazards must not be constant then.
    """
    samples = max(len(share), stock.shape[1], *(len(j) for j in joiners), control.shape[1], treated.shape[1])
    shape = (samples, control.shape[2])
    low, high = (np.broadcast_to(h, (len(h), *shape)) for h in (control, treated))
    months = share.shape[1]
    arriving = tuple(np.moveaxis(j, -1, 0) for j in joiners)
    without = _survivors((low, low), np.zeros_like(share), stock, arriving[0], observed)
    under = _survivors((low, high), share, stock, arriving[1], observed)
    courses = (
        np.cumprod(np.broadcast_to(1 - hazard[:months], (months, *shape)), axis=0) for hazard in (low, high)
    )
    by_month = (without[0], under[0], without[1], under[1], *courses)
    return Alive(*(np.moveaxis(values, 0, -1) for values in by_month))


def stock_mix(summary: PilotSummary | None, period_months: float, segments: int, given: Any) -> FloatArray:
    """Share of the stock by completed months of tenure, (tenure month, segment).

    As stated, else that of the control's customers still there; without any, those of all cells, then of all
    segments; without any at all, the tenures at risk. Customers within a longer period stand at its middle.

    Parameters
    ----------
    summary : PilotSummary or None
    period_months : float
        Length of a period of tenure of the pilot.
    segments : int
    given : array-like or None
        Customers of the stock by completed period of tenure, (tenure,) or (tenure, segment).
    """
    if given is not None:
        stated = np.asarray(given, dtype=np.float64)
        stated = stated[:, None] if stated.ndim == 1 else stated
        # A segment that the statement leaves out is taken to be as the others are.
        held = np.where(stated.sum(axis=0) > 0, stated, stated.sum(axis=1, keepdims=True))
        return _by_month(np.broadcast_to(held, (len(held), segments)).T, period_months)
    if summary is None:
        return np.ones((1, segments))
    alive = summary.statistics["alive"]
    everyone = alive.sum(axis=0)
    # Where there is a time before the launch, the customers of the time after it are those there now.
    now = 0 if summary.design.kind == "randomised" else 1
    counts = alive[now] if summary.has_control else everyone
    counts = np.where(counts.sum(axis=1, keepdims=True) > 0, counts, everyone)
    counts = np.where(counts.sum(axis=1, keepdims=True) > 0, counts, everyone.sum(axis=0))
    if counts.sum() == 0:
        counts = np.broadcast_to(summary.statistics["at_risk"].sum(axis=(0, 1)), counts.shape)
    return _by_month(counts, period_months)


def _by_month(counts: FloatArray, period_months: float) -> FloatArray:
    """Return counts (segment, period of tenure) as shares by completed month, (tenure month, segment)."""
    position = np.floor((np.arange(counts.shape[1]) + 0.5) * period_months).astype(int)
    used = counts.sum(axis=0) > 0
    mix = np.zeros((int(position[used].max(initial=0)) + 1, len(counts)))
    np.add.at(mix, position[used], counts.T[used])
    whole = mix.sum(axis=0)
    mix[0] += whole == 0
    return mix / np.where(whole > 0, whole, 1.0)
