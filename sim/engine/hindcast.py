"""What a fit makes of periods that it did not see, what a naive forecast makes of them, and what came."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np
from scipy.special import ndtri

from sim.contract import OutcomeModel, counted
from sim.records.arrays import Draws, FloatArray
from sim.records.summary import PilotSummary

if TYPE_CHECKING:
    from sim.pilot.holdout import Course

_NAIVE = 2000


@dataclass(frozen=True, slots=True)
class Split:
    """One outcome cut in two: what is fitted, and what is forecast.

    Parameters
    ----------
    outcome : str
    course : Course
        The whole table by period.
    training : PilotSummary
        Statistics of the periods before `origin`; nothing else is fitted.
    origin, stop : int
        Positions of the first period that is forecast, and of the first after the last one.
    failing : tuple of str
        Why the training data can carry no fit; empty where they can.
    """

    outcome: str
    course: Course
    training: PilotSummary
    origin: int
    stop: int
    failing: tuple[str, ...] = ()

    def cells(self, customers: bool) -> dict[int, str]:
        """Return the cells that go on in the held-out periods, and the names to show them by."""
        kind, arms = self.training.design.kind, self.training.arms
        if customers or kind == "randomised":
            return dict(enumerate(self.training.cells))
        if kind == "before-after":
            return {1: arms[1]}
        return {2 * place + 1: arm for place, arm in enumerate(arms)}


@dataclass(frozen=True, slots=True)
class Hindcast:
    """Forecasts of every held-out cell beside what happened.

    For customers a mean is the share of joiners who are still there after the period; those up to the origin
    are taken as known. For all others it is the mean, or rate, of the period itself.

    Parameters
    ----------
    actual, units : (cell, segment, period) array
        NaN where nothing was observed or the fit knows nothing of the segment; units behind each mean.
    samples, naive : (sample, cell, segment, period) array
        Predictive draws of the same means for the units that were there: by the fit, and naive ones.
    past : (cell, segment, period) array
        Observed means of the periods before.
    """

    actual: FloatArray
    units: FloatArray
    samples: FloatArray
    naive: FloatArray
    past: FloatArray


def hindcast(split: Split, model: OutcomeModel, draws: Draws, rng: np.random.Generator) -> Hindcast:
    """Forecast the held-out periods of one outcome from a fit of the periods before.

    Parameters
    ----------
    split : Split
    model : OutcomeModel
    draws : Draws
        Posterior of the fit to ``split.training``.
    rng : Generator
    """
    totals, units = _observed(split, model)
    means = _means(totals, units)
    samples = _predicted(split, model, draws, rng)
    at = split.origin
    if model.counts == "customers":
        naive = _naive_leaving(split, totals, units, rng)
        stayed = 1 - np.where(units[..., :at] > 0, means[..., :at], 0.0)
        past = np.cumprod(stayed, axis=-1)
        known = past[..., -1:]
        actual = known * np.cumprod(1 - means[..., at:], axis=-1)
        samples, naive = (known * np.cumprod(1 - share, axis=-1) for share in (samples, naive))
    else:
        naive, past, actual = _naive_mean(split, model, units), means[..., :at], means[..., at:]
    unknown = split.training.size.sum(axis=0) == 0
    actual = np.where(unknown[None, :, None], np.nan, actual)
    return Hindcast(actual, units[..., at:], samples, naive, past)


def _observed(split: Split, model: OutcomeModel) -> tuple[FloatArray, FloatArray]:
    """Return totals and units up to the last held-out period, (cell, segment, period)."""
    found = [counted(model, split.course.of(t, split.training.segments)) for t in range(split.stop)]
    return np.stack([total for total, _ in found], axis=-1), np.stack([units for _, units in found], axis=-1)


def _means(totals: FloatArray, units: FloatArray) -> FloatArray:
    return np.where(units > 0, totals / np.where(units > 0, units, 1.0), np.nan)


def _predicted(split: Split, model: OutcomeModel, draws: Draws, rng: np.random.Generator) -> FloatArray:
    """Return the means that the model expects for the units of each held-out period."""
    training, made = split.training, []
    for t in range(split.origin, split.stop):
        held = split.course.of(t, training.segments)
        statistics = {name: _known(name, values, training, model) for name, values in held.items()}
        design = replace(training, statistics=statistics, size=model.size(statistics))
        made.append(model.means(draws, design, rng=rng))
    return np.stack(made, axis=-1)


def _known(name: str, values: FloatArray, training: PilotSummary, model: OutcomeModel) -> FloatArray:
    """Return what a forecast may know: how many units there are, and of means and spreads those of before."""
    if name in model.totals:
        return np.rint(values)
    before: Mapping[str, FloatArray] = training.statistics
    return before[name] if values.shape[:2] == training.size.shape else values


def _naive_mean(split: Split, model: OutcomeModel, units: FloatArray) -> FloatArray:
    """Return the forecast that nothing changes: the control arm's last mean, with its sampling noise.

    A normal with the variance of that mean plus that of the mean to come. Of a segment that the control arm
    did not have, the last mean over all segments. Under difference-in-differences an arm stays as far from
    the control arm as it was before the launch; without a control arm its own last mean stays.
    """
    training, at = split.training, split.origin
    cells, segments = training.size.shape
    kind, own = training.design.kind, not training.has_control
    z = ndtri((np.arange(_NAIVE) + 0.5) / _NAIVE)
    naive = np.full((_NAIVE, cells, segments, split.stop - at), np.nan)
    before = model.ratio(training.statistics)
    gap, of_gap = before.mean, before.variance / np.where(before.denominator > 0, before.denominator, np.nan)
    for c in split.cells(customers=False):
        control = c if own else 1 if kind == "difference-in-differences" else 0
        for s in range(segments):
            mean, variance, one = _last(split, model, units, control, s)
            if kind == "difference-in-differences" and c != control:
                mean += gap[c - 1, s] - gap[control - 1, s]
                variance += of_gap[c - 1, s] + of_gap[control - 1, s]
            size = units[c, s, at:]
            sd = np.sqrt(variance + one / np.where(size > 0, size, np.nan))
            naive[:, c, s] = mean + z[:, None] * sd
    return naive


def _last(
    split: Split, model: OutcomeModel, units: FloatArray, cell: int, segment: int
) -> tuple[float, float, float]:
    """Return the last mean of a cell before the origin, its variance, and that of one unit."""
    seen = np.flatnonzero(units[cell, segment, : split.origin])
    whole = not seen.size
    if whole:
        seen = np.flatnonzero(units[cell, :, : split.origin].sum(axis=0))
    if not seen.size:
        return np.nan, np.nan, np.nan
    ratio = model.ratio(split.course.of(int(seen[-1]), split.training.segments))
    if not whole:
        one, size = ratio.variance[cell, segment], ratio.denominator[cell, segment]
        return float(ratio.mean[cell, segment]), float(one / size), float(one)
    total, size = ratio.numerator[cell].sum(), ratio.denominator[cell].sum()
    one = (ratio.variance[cell] * ratio.denominator[cell]).sum() / size
    return float(total / size), float(one / size), float(one)


def _naive_leaving(
    split: Split, totals: FloatArray, units: FloatArray, rng: np.random.Generator
) -> FloatArray:
    """Return the share leaving in each period if it stays what it last was in the control arm.

    A beta-binomial: d of r customers left in the last period with anyone at risk, so the chance of leaving is
    Beta(d + ½, r − d + ½), the same in all periods to come.
    """
    cells, segments = split.training.size.shape
    sizes = np.rint(units[..., split.origin :]).astype(np.int64)
    made = np.full((_NAIVE, *sizes.shape), np.nan)
    phases = 2 if split.training.design.kind == "difference-in-differences" else 1
    for c in range(cells):
        control = c % phases if split.training.has_control else c
        for s in range(segments):
            seen = np.flatnonzero(units[control, s, : split.origin])
            if not seen.size:
                continue
            left, at_risk = totals[control, s, seen[-1]], units[control, s, seen[-1]]
            chance = rng.beta(left + 0.5, at_risk - left + 0.5, _NAIVE)
            made[:, c, s] = rng.binomial(sizes[c, s], chance[:, None]) / np.maximum(sizes[c, s], 1)
    return made
