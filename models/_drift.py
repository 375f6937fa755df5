"""What would have happened anyway: the bias of a before-after pilot.

Without a control group the change from before to after holds the effect and everything else that changed::

    change = effect + bias        bias ~ N(drift, sqrt(drift_sd² + bias_sd²))    bias_sd ~ HalfNormal(0.1)

on the link scale, one bias for all segments and months. `drift` is what a local level (with a season where
the past covers two years) makes of the time before the launch: its forecast for the time after, less the
mean before. ``bias_sd`` is learnt from placebo launches: the same forecast made at earlier moments, against
what came then, ``placebo[k] ~ N(0, sqrt(s[k]² + bias_sd²))``. A pilot with a short past states the bias
instead, as a 90 % range of the relative drift.

The bias is confounded with the effect, so its prior passes unchanged into the posterior: a before-after
pilot can be as large as it likes and stays unsure by at least that much.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from scipy.special import expit, logit

from sim.local_level import smooth
from sim.records.arrays import FloatArray
from sim.records.summary import LEAST_PERIODS, PilotSummary, Series

BIAS_SD = 0.1
_Z90 = 1.6448536269514722
_YEARS = 24


@dataclass(frozen=True, slots=True)
class Link:
    """How a mean is taken to the link scale, the slope of that at a mean, and the way back."""

    of: Callable[[FloatArray], FloatArray]
    slope: Callable[[FloatArray], FloatArray]
    inverse: Callable[[FloatArray], FloatArray]


LOG = Link(np.log, lambda mean: 1 / mean, np.exp)
LOGIT = Link(logit, lambda mean: 1 / (mean * (1 - mean)), expit)


def arrays(summary: PilotSummary, link: Link, m0: float) -> dict[str, FloatArray]:
    """Return ``drift`` (mean, sd) and, where it is learnt, ``placebo`` (2, windows): errors and variances.

    A stated bias is taken to the link scale at the pooled level `m0`.
    """
    series, stated = summary.series, summary.design.bias
    if stated is not None:
        level = link.inverse(np.asarray(m0))
        moved = [level * (1 + change) for change in stated]
        if link is LOGIT:  # cut where a twentieth of the gap to 1 is left
            moved = [np.minimum(mean, 1 - (1 - level) / 20) for mean in moved]
        ends = [float(link.of(mean)) - m0 for mean in moved]
        return {"drift": np.array([sum(ends) / 2, (ends[1] - ends[0]) / (2 * _Z90)])}
    assert series is not None  # noqa: S101  # reading refuses a before-after pilot without periods
    assert series.launch >= LEAST_PERIODS  # noqa: S101  # and one with fewer periods and no `bias`
    values, variances = means(series, link)
    mean, variance = _forecast(series, values, variances, series.launch, len(series.periods))
    placebos = [_placebo(series, values, variances, start, stop) for start, stop in series.windows]
    return {"drift": np.array([mean, np.sqrt(variance)]), "placebo": np.array(placebos).T}


def means(series: Series, link: Link) -> tuple[FloatArray, FloatArray]:
    """Return the mean of each period on the link scale and its sampling variance, (period,).

    Segments are held at their mix over the whole pilot where each is seen in each period, so that a shift
    between them is no drift. A mean at the edge of its scale is pulled towards the pooled one by one unit.
    """
    num, den = series.numerator.sum(axis=0), series.denominator.sum(axis=0)
    var = (series.variance * series.denominator).sum(axis=0)
    # A segment of the rollout that the pilot did not see has no past either.
    num, den, var = (part[den.any(axis=1)] for part in (num, den, var))
    pooled, spread = num.sum() / den.sum(), var.sum() / den.sum()
    if not (den > 0).all():
        num, den, var = (part.sum(axis=0, keepdims=True) for part in (num, den, var))
    share = (den.sum(axis=1) / den.sum())[:, None]
    seen = den.sum(axis=0) > 0
    n = np.where(den > 0, den, 1.0)
    mean = (share * (num + pooled) / (n + 1)).sum(axis=0)
    variance = (share**2 * (var / n + spread / (n + 1)) / (n + 1)).sum(axis=0)
    values = np.where(seen, link.of(mean), np.nan)
    return values, np.where(seen, link.slope(mean) ** 2 * variance, 1.0)


def _forecast(
    series: Series, values: FloatArray, variances: FloatArray, start: int, stop: int
) -> tuple[float, float]:
    """Mean and variance of the level in periods start … stop − 1 less that in all before."""
    seasons = None
    if series.calendar and start >= _YEARS:
        seasons = np.asarray(series.calendar[:stop]) - 1
    level = smooth(values[:start], variances[:start], stop - start, seasons=seasons, drift_sd=0.0)
    units = series.denominator.sum(axis=(0, 1))[:stop].astype(np.float64)
    weight = np.where(np.isfinite(values[:stop]), units, 0.0)
    before, after = weight[:start], weight[start:]
    after = after if after.sum() > 0 else np.ones_like(after)
    return level.contrast(np.concatenate([-before / before.sum(), after / after.sum()]))


def _placebo(
    series: Series, values: FloatArray, variances: FloatArray, start: int, stop: int
) -> tuple[float, float]:
    """Error of the forecast at a launch that never was; its variance from sampling and the local level."""
    weight = np.where(np.isfinite(values), series.denominator.sum(axis=(0, 1)), 0.0)
    seen = np.flatnonzero(weight > 0)
    before, window = seen[seen < start], seen[(seen >= start) & (seen < stop)]
    if not before.size or not window.size:
        return 0.0, 1e6
    mean, variance = _forecast(series, values, variances, start, stop)
    share = weight[window] / weight[window].sum()
    change = share @ values[window] - np.average(values[before], weights=weight[before])
    return float(change) - mean, variance + float(share**2 @ variances[window])


def bias(data: Mapping[str, Any], prefix: str) -> Any:
    """Return the bias, inside an open model."""
    import pymc as pm
    import pytensor.tensor as pt

    mean, sd = data[f"{prefix}drift"][0], data[f"{prefix}drift"][1]
    if f"{prefix}placebo" in data:
        spread = pm.HalfNormal(f"{prefix}bias_sd", BIAS_SD)
        error, variance = data[f"{prefix}placebo"][0], data[f"{prefix}placebo"][1] + spread**2
        pm.Potential(f"{prefix}placebos", (-0.5 * error**2 / variance - 0.5 * pt.log(variance)).sum())
        sd = pt.sqrt(sd**2 + spread**2)
    z = pm.Normal(f"_{prefix}bias")
    return pm.Deterministic(f"{prefix}bias", mean + sd * z)


def prior(
    arrays: Mapping[str, FloatArray], n: int, rng: np.random.Generator, prefix: str
) -> dict[str, FloatArray]:
    """Draw the bias as it is before the placebo launches are looked at, by name without the prefix."""
    mean, sd = arrays[f"{prefix}drift"]
    draws = {}
    if f"{prefix}placebo" in arrays:
        draws["bias_sd"] = np.abs(BIAS_SD * rng.standard_normal(n))
        sd = np.sqrt(sd**2 + draws["bias_sd"] ** 2)
    return {"bias": mean + sd * rng.standard_normal(n)} | draws
