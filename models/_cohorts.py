"""Follows a customer base month by month under two hazards: the stock at the start, and joiners.

In month t the hazard of a customer in his x-th month of tenure is h_c(x) + r_t (h_t(x) - h_c(x)), r_t being
the reach of the treatment in that month of the rollout. Joiners arrive at the start of a month with tenure
0. A customer-month is kept if he is there at its end under treatment but would not be under control.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

from sim import native
from sim.records.arrays import FloatArray
from sim.records.summary import PilotSummary

_BLOCK = 100
"""Samples that are followed at once: their cohorts stay near the processor."""

type Hazards = Callable[[slice], tuple[FloatArray, FloatArray]]
"""Some of the samples to their monthly hazards under control and treatment, (tenure month or 1, segment,
sample or 1); of length 1 when constant."""


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
    stays: Any,
    more: Any,
    reach: Any,
    joiners: Any,
    there: Any,
    total: Any,
    late: Any,
    states: int,
    months: int,
    tenures: int,
    stocked: int,
    observed: int,
) -> int:
    """Follow customers month by month; compiled, see `sim.native`.

    All arrays end in the states, a state being a sample of a segment, and are taken element by element.

    Parameters
    ----------
    stays : (tenures, states) array
        Share that stays under control, by month of tenure; `tenures` is 1 when constant.
    more : (tenures, states) array
        What the treatment adds to it at full reach.
    reach : (months, states) array
        All zero for the control's course.
    joiners : (months, states) array
    there : (months - 1 + stocked, states) array
        Cohorts as they begin, those who join last first, and after those of the second month the stock by
        completed months of tenure: in each month neighbouring tenures lie beside one another. Where the
        hazard is constant there is one cohort, of all. What is there is used up.
    total, late : (months, states) array
        Found: the customers at the end of each month, and those of them after month of tenure `observed`.
    """
    constant = tenures == 1
    newest = 0 if constant else months - 1
    for i in range(months * states):
        total[i] = 0.0
        late[i] = 0.0
    for month in range(months):
        first, cohorts = (0, 1) if constant else (newest - month, stocked + month)
        if constant or month == 0:  # they have the tenure of the newest of the stock
            for i in range(states):
                there[first * states + i] += joiners[month * states + i]
        for tenure in range(cohorts):
            row, at = (first + tenure) * states, tenure * states
            for i in range(states):
                staying = stays[at + i] + more[at + i] * reach[month * states + i]
                staying = 0.0 if staying < 0.0 else staying
                there[row + i] *= 1.0 if staying > 1.0 else staying
            if tenure < observed:
                for i in range(states):
                    total[month * states + i] += there[row + i]
            else:
                for i in range(states):
                    late[month * states + i] += there[row + i]
        for i in range(states):
            total[month * states + i] += late[month * states + i]
    return 0


def follow(
    hazards: Hazards,
    samples: int,
    share: FloatArray,
    stock: FloatArray,
    joiners: tuple[FloatArray, FloatArray],
    observed: int | None = None,
) -> Alive:
    """Follow stock and joiners under control and under treatment.

    Parameters
    ----------
    hazards : callable
    samples : int
        How many there are of whatever has more than one.
    share : (sample or 1, month) array
        Reach of the treatment.
    stock : (tenure month, sample or 1, segment) array
        Customers at the start by completed months of tenure.
    joiners : pair of (sample or 1, segment, month) arrays
        New customers a month under control and treatment.
    observed : int or None
        Whole months of tenure that the pilot observed; hazards must not be constant then.
    """
    months, segments = share.shape[1], stock.shape[2]
    found = np.empty((6, months, segments, samples))
    for start in range(0, samples, _BLOCK):
        rows = slice(start, min(start + _BLOCK, samples))
        shape = (segments, rows.stop - rows.start)
        low, high = (_by_state(hazard, shape) for hazard in hazards(rows))
        stays, more = 1 - low, low - high
        if len(low) < len(high):  # one arm may be constant
            stays = np.repeat(stays, len(high), axis=0)
        begun = _by_state(np.moveaxis(_some(stock, rows, 1), 1, 2), shape)
        reach = _by_state(_some(share, rows).T[:, None, :], shape)
        for arm, arriving in enumerate(joiners):
            came = _by_state(_some(arriving, rows).T, shape)
            constant = len(stays) == 1
            there = begun.sum(axis=0, keepdims=True) if constant else np.concatenate([came[:0:-1], begun])
            total, late = np.empty_like(came), np.empty_like(came)
            sizes = came.shape[1], months, len(stays), len(begun)
            last = months + len(begun) if observed is None else observed
            native.run(_survivors, stays, more, reach * arm, came, there, total, late, *sizes, last)
            alone = np.cumprod(np.broadcast_to(1 - (low, high)[arm][:months], came.shape), axis=0)
            for part, values in zip(found[arm::2], (total, late, alone), strict=True):
                part[:, :, rows] = values.reshape(months, *shape)
    return Alive(*(values.T for values in found))


def _some(values: FloatArray, rows: slice, axis: int = 0) -> FloatArray:
    """Return these samples of an array, whose axis of samples may be of length 1 for all of them."""
    return values if values.shape[axis] == 1 else values[(slice(None),) * axis + (rows,)]


def _by_state(values: FloatArray, shape: tuple[int, int]) -> FloatArray:
    """Return an array (by, segment or 1, sample or 1) as (by, state), a state being a sample of a segment."""
    whole = np.broadcast_to(values, (len(values), *shape))
    return np.ascontiguousarray(whole, dtype=np.float64).reshape(len(values), -1)


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
