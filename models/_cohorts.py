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

_BLOCK = 250
"""Samples that are followed at once: their cohorts stay near the processor."""


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
    """Return the customers at the end of each month, and those beyond `observed`, (month, segment, sample).

    Customers are kept by cohort, those who joined last first and then the stock by its tenure: in each month
    the hazards of neighbouring tenures then lie beside one another in memory.

    Parameters
    ----------
    hazards : pair of (tenure month, segment, sample) arrays
        Under control and treatment; of length 1 when constant.
    share : (sample or 1, month) array
        Reach r_t; all zero for the control's course.
    stock : (tenure month, segment, sample or 1) array
        Customers at the start by completed months of tenure.
    joiners : (month, segment, sample or 1) array
    observed : int or None
        Whole months of tenure that were observed; None where that has no meaning.
    """
    control, treated = hazards
    months, shape = joiners.shape[0], control.shape[1:]
    constant = control.shape[0] == 1 and treated.shape[0] == 1
    total, late = np.empty((months, *shape)), np.zeros((months, *shape))
    if not constant:  # one arm may still be
        most = max(len(control), len(treated))
        control, treated = (np.broadcast_to(h, (most, *shape)) for h in (control, treated))
    stays, gap = 1 - control, treated - control
    # A reach within 0 and 1 leaves the hazard between those of the arms.
    within = bool(share.size) and share.min() >= 0 and share.max() <= 1
    newest = months - 1
    there = np.empty((1 if constant else newest + len(stock), *shape))
    there[0 if constant else newest :] = stock.sum(axis=0) if constant else stock
    room = np.empty_like(there)
    for month in range(months):
        first = 0 if constant else newest - month
        customers, reach = there[first:], share[:, month]
        if constant:
            customers += joiners[month]
        elif month == 0:
            customers[0] += joiners[0]  # they have the tenure of the newest of the stock
        else:
            customers[0] = joiners[month]
        staying = stays[: len(customers)]
        if reach.any():
            part = room[: len(customers)]
            np.multiply(gap[: len(customers)], reach, out=part)
            np.subtract(staying, part, out=part)
            staying = part if within else np.clip(part, 0.0, 1.0, out=part)
        customers *= staying
        if observed is None:
            customers.sum(axis=0, out=total[month])
        else:
            # Place j holds those in month j + 1 of their tenure.
            customers[observed:].sum(axis=0, out=late[month])
            np.add(customers[:observed].sum(axis=0), late[month], out=total[month])
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
    found = np.empty((4, months, shape[1], samples))
    for start in range(0, samples, _BLOCK):
        rows = slice(start, start + _BLOCK)
        reach = share[rows] if len(share) > 1 else share
        # Samples last: what is done is then done in long runs of memory, however few the segments are.
        both = [np.ascontiguousarray(np.moveaxis(h[:, rows], 1, 2)) for h in (low, high)]
        there, came, instead = (
            np.moveaxis(v[:, rows] if v.shape[1] > 1 else v, 1, 2) for v in (stock, *arriving)
        )
        without = _survivors((both[0], both[0]), np.zeros_like(reach), there, came, observed)
        under = _survivors((both[0], both[1]), reach, there, instead, observed)
        for part, values in zip(found, (without[0], under[0], without[1], under[1]), strict=True):
            part[:, :, rows] = values
    courses = (
        np.cumprod(np.broadcast_to(1 - hazard[:months], (months, *shape)), axis=0) for hazard in (low, high)
    )
    return Alive(*(values.T for values in found), *(np.moveaxis(values, 0, -1) for values in courses))


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
