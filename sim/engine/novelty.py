"""How the effect ran over the pilot's periods, and whether it was fading already."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy.special import ndtr

from sim.config.plan import OutcomePlan
from sim.engine.world import World
from sim.language import N_, phrase
from sim.records.arrays import FloatArray
from sim.records.check import Check
from sim.records.summary import PilotSummary

_Z90 = 1.6448536269514722
_LEAST = 3
_SURE = 0.05


@dataclass(frozen=True, slots=True)
class Course:
    """The relative effect of one arm by period under treatment.

    Parameters
    ----------
    periods : tuple of str
    months : (period,) array
        Time since the first of them, in months (in periods where their length is unknown).
    relative, sd : (period,) array
        Relative change of the mean, unpooled, and its standard error; NaN where nothing was observed.
    """

    periods: tuple[str, ...]
    months: FloatArray
    relative: FloatArray
    sd: FloatArray


def course(world: World, name: str, arm: str) -> Course | None:
    """Return the effect by period of a fitted outcome; None where the table does not tell the time."""
    summary = world.prepared.summaries.get(name)
    if summary is None or summary.series is None or arm not in summary.arms:
        return None
    series = summary.series
    periods = series.periods[series.launch :]
    if len(periods) < 2:
        return None
    means, variances = _by_period(summary)
    k = summary.arms.index(arm)
    kind = summary.design.kind
    if kind == "randomised" and not summary.has_control:
        return None
    if kind == "before-after":
        control, of_control = _past(means[0], variances[0], series.launch)
        treated, of_treated = means[0, series.launch :], variances[0, series.launch :]
    else:
        control, treated = means[0, series.launch :], means[k, series.launch :]
        of_control, of_treated = variances[0, series.launch :], variances[k, series.launch :]
    if kind == "difference-in-differences":
        # Each arm in units of its own past.
        past = [_past(means[i], variances[i], series.launch) for i in (0, k)]
        (a, va), (b, vb) = past
        control, of_control = control / a, of_control / a**2 + control**2 * va / a**4
        treated, of_treated = treated / b, of_treated / b**2 + treated**2 * vb / b**4
        level: FloatArray | float = control
    else:
        # One base for all periods: a noisy denominator would make noise of the effect.
        level = float(np.nanmean(control)) if kind == "randomised" else control
    if np.nanmin(control) <= 0 and world.plan.outcomes[name].model.level == "real":
        return None  # a share of a score around 0 says nothing
    with np.errstate(divide="ignore", invalid="ignore"):
        relative: FloatArray = (treated - control) / level
        sd: FloatArray = np.sqrt((of_treated + of_control) * summary.design.effect) / np.abs(level)
    months = np.asarray(np.arange(len(periods)) * (series.months or 1.0), dtype=np.float64)
    return Course(periods, months, relative, sd)


def _by_period(summary: PilotSummary) -> tuple[FloatArray, FloatArray]:
    """Return mean and sampling variance by (arm, period), segments weighed alike in every period."""
    series = summary.series
    assert series is not None  # noqa: S101  # the caller has looked
    den, num = series.denominator, series.numerator
    mix = summary.mix[None, :, None]
    whole = (den > 0).all(axis=(0, 2))
    if whole.any() and summary.mix[~whole].sum() == 0:
        some = np.where(den > 0, den, 1.0)
        return (mix * num / some).sum(axis=1), (mix**2 * series.variance / some).sum(axis=1)
    total = den.sum(axis=1)
    some = np.where(total > 0, total, np.nan)
    return num.sum(axis=1) / some, (series.variance * den).sum(axis=1) / some**2


def _past(mean: FloatArray, variance: FloatArray, launch: int) -> tuple[FloatArray, FloatArray]:
    weight = 1 / variance[:launch]
    seen = np.isfinite(weight) & (variance[:launch] > 0)
    if not seen.any():
        return np.asarray(np.nan), np.asarray(np.nan)
    total = weight[seen].sum()
    return np.asarray((weight[seen] * mean[:launch][seen]).sum() / total), np.asarray(1 / total)


def novelty(plan: OutcomePlan, run: Course, arm: str) -> Check | None:
    """Say whether the effect falls over the pilot, and suggest a fade where it does.

    Weighted least squares of the relative effect on time; the half-life is that of the exponential which
    fits best. None with fewer than three periods.
    """
    seen = np.isfinite(run.relative) & np.isfinite(run.sd) & (run.sd > 0)
    if seen.sum() < _LEAST:
        return None
    t, w = run.months[seen], 1 / run.sd[seen] ** 2
    sign = 1.0 if plan.better == "higher" else -1.0
    e = sign * run.relative[seen]
    middle = np.average(t, weights=w)
    slope = (w * (t - middle) * e).sum() / (w * (t - middle) ** 2).sum()
    z = slope * np.sqrt((w * (t - middle) ** 2).sum())
    p = float(ndtr(z))
    first, last = (sign * float(value) for value in (e[0], e[-1]))
    told = phrase(
        "the effect of {arm} runs from {first:+.1%} to {last:+.1%} over the pilot's periods",
        arm=arm,
        first=first,
        last=last,
    )
    if p >= _SURE:
        told = phrase("{told}; no fall that chance would not give (p = {p:.2g})", told=told, p=p)
        return Check("novelty", "ok", told)
    half = _half_life(t, e, w)
    if half is None:
        told = phrase("{told}; it falls (p = {p:.2g})", told=told, p=p)
        return Check("novelty", "warn", told, N_("look at the effect by period"))
    told = phrase(
        "{told}; it falls (p = {p:.2g}), with a half-life of about {half:.2g} months",
        told=told,
        p=p,
        half=half,
    )
    if plan.rollout.half_life_path is not None:
        return Check("novelty", "note", told, N_("see that rollout.fade.half_life is no longer than that"))
    # What is to be copied into the config is the same in all languages.
    fade = f"rollout.fade = {{ half_life = {{ low = {half / 2:.2g}, high = {half * 2:.2g} }} }}"
    return Check("novelty", "warn", told, phrase("set {key}", key=fade))


def _half_life(t: FloatArray, e: FloatArray, w: FloatArray) -> float | None:
    """Return the half-life of the exponential that fits best, or None where there is no gain to lose."""
    grid = np.geomspace(max(t[-1] - t[0], 1e-9) / 10, 20 * max(t[-1] - t[0], 1e-9), 60)
    best = None
    for half in grid:
        shape = 0.5 ** ((t - t[0]) / half)
        size = (w * shape * e).sum() / (w * shape**2).sum()
        loss = (w * (e - size * shape) ** 2).sum()
        if size > 0 and (best is None or loss < best[0]):
            best = (loss, float(half))
    return None if best is None else best[1]


def low_high(run: Course) -> list[dict[str, float | str | None]]:
    """Return the course as rows for the summary, with 90 % intervals."""
    rows: list[dict[str, float | str | None]] = []
    for period, value, sd in zip(run.periods, run.relative, run.sd, strict=True):
        known = bool(np.isfinite(value) and np.isfinite(sd))
        rows.append(
            {
                "period": period,
                "relative": float(value) if known else None,
                "low": float(value - _Z90 * sd) if known else None,
                "high": float(value + _Z90 * sd) if known else None,
            }
        )
    return rows
