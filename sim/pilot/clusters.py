"""How much less rows of one cluster say than independent ones, and whether arms ran in parallel before."""

from __future__ import annotations

from dataclasses import dataclass
from functools import reduce

import numpy as np

from sim.contract import Ratio
from sim.language import N_, phrase
from sim.records.arrays import FloatArray, IntArray
from sim.records.check import Check
from sim.records.summary import Kind, Series

FEW = 10
"""Clusters per arm below which their spread is hardly known."""
_LEAST_FREEDOM = 3


@dataclass(frozen=True, slots=True)
class Clustering:
    """What clusters do to the effect.

    Parameters
    ----------
    effect : float
        Design effect: robust over independent variance of the log ratio of means, largest over the
        treated arms.
    counts : tuple of int
        Clusters by arm.
    """

    effect: float
    counts: tuple[int, ...]


def contrasts(kind: Kind, cells: int, *, has_control: bool) -> FloatArray:
    """Return the cells' coefficients in each arm's effect, (effect, cell); without a control, its level."""
    if not has_control or cells == 1:
        return np.eye(cells)
    if kind != "difference-in-differences":
        return np.concatenate([-np.ones((cells - 1, 1)), np.eye(cells - 1)], axis=1)
    arms = cells // 2
    change = np.kron(np.eye(arms), [-1.0, 1.0])
    return change[1:] - change[:1]


def design_effect(
    whole: Ratio,
    parts: Ratio,
    segment: IntArray,
    cluster: IntArray,
    *,
    kind: Kind,
    has_control: bool,
    mix: FloatArray,
) -> Clustering:
    r"""Compare the variance of the effect between clusters with that of independent rows.

    With m the mean of cell c and segment s, and y, n a cluster's totals there, a cluster moves the
    log ratio by

    .. math:: z_g = \sum_c k_c \sum_s \omega_s (y_{gcs} - m_{cs} n_{gcs}) / (N_{cs} m_c)

    so that its variance is :math:`T/(T - p - 2) \sum_g z_g^2` over T clusters: linearisation, with p means
    estimated and the widening of a t distribution, which makes few clusters cost what they must. A cluster
    that is in both arms, or before and after, moves both, and what it moves alike cancels.

    Parameters
    ----------
    whole : Ratio
        By (cell, segment).
    parts : Ratio
        By (cell, pair); each pair is a cluster within a segment.
    segment, cluster : (pair,) array of int
    kind, has_control : str, bool
        The pilot's design, and whether its first arm is the control.
    mix : (segment,) array
        Weights of the segments.

    References
    ----------
    Rao & Scott (1992), A simple method for the analysis of clustered binary data, doi:10.2307/2532311;
    for panels, Bertrand, Duflo & Mullainathan (2004), doi:10.1162/003355304772839588.
    """
    mean = whole.mean
    level = mean @ mix
    some = np.where(whole.denominator > 0, whole.denominator, np.inf)
    # A score may be 0 or less, and has differences for an effect in place of ratios.
    usable = level[:, None] if (level > 0).all() else np.ones((len(level), 1))
    moved = (parts.numerator - mean[:, segment] * parts.denominator) * (mix / some / usable)[:, segment]
    count = int(cluster.max()) + 1
    independent = (mix**2 * whole.variance / some / usable**2).sum(axis=1)
    per_arm = 2 if kind == "difference-in-differences" else 1
    present = np.zeros((len(mean), count), dtype=bool)
    row, column = np.nonzero(parts.denominator > 0)
    present[row, cluster[column]] = True
    placed = present.reshape(-1, per_arm, count)
    arms, phases = placed.any(axis=1), placed.any(axis=0)
    sides = 1 if phases.all(axis=0).any() else 2
    worst = 0.0
    for coefficients in contrasts(kind, len(mean), has_control=has_control):
        z = np.bincount(cluster, coefficients @ moved, count)
        pair = arms[np.unique(np.flatnonzero(coefficients) // per_arm)]
        clusters = int(pair.any(axis=0).sum())
        freedom = clusters - sides * (1 if pair.all(axis=0).any() else len(pair))
        naive = float(coefficients**2 @ independent)
        if naive > 0:
            robust = clusters / max(freedom - 2, 1) * float(z @ z)
            worst = max(worst, robust / naive)
    return Clustering(worst, tuple(int(row.sum()) for row in arms))


def too_few(found: Clustering) -> bool:
    """Whether no variance between clusters can be told."""
    return min(found.counts) < 2 or sum(found.counts) < _LEAST_FREEDOM + 2


def cluster_check(found: Clustering, what: str, applied: float) -> Check:
    """Say what the clusters cost, and warn where they are few."""
    counts = reduce(
        lambda before, n: phrase("{before} and {another}", before=before, another=n),
        found.counts[1:],
        str(found.counts[0]),
    )
    message = phrase(
        "rows of one {cluster} are not independent: {counts} by arm, design effect {effect:.3g}, so that the "
        "pilot counts as if it had {share:.0%} of its rows",
        cluster=what,
        counts=counts,
        effect=applied,
        share=1 / applied,
    )
    if applied < 1:
        message = phrase(
            "each {cluster} is its own control: {counts} by arm, and the effect varies {effect:.2g} times "
            "as much as with independent rows",
            cluster=what,
            counts=counts,
            effect=applied,
        )
    if min(found.counts) < FEW:
        message = phrase("{told}; fewer than {few} an arm", told=message, few=FEW)
        return Check("clusters", "warn", message, phrase("pilot with more of {cluster}", cluster=what))
    return Check("clusters", "note", message)


def parallel_trends(series: Series, arms: tuple[str, ...], inflation: float) -> Check:
    """Test whether the arms ran in parallel before the launch: no trend in their log ratio.

    Weighted least squares of the log ratio of each treated arm to control on time, over the periods before
    the launch; the smallest p-value over the arms, times their number.
    """
    name = "parallel-trends"
    if series.launch < 3:
        message = phrase(
            "{periods} periods before the launch cannot show whether the arms ran in parallel",
            periods=int(series.launch),
        )
        return Check(name, "warn", message, N_("bring at least 3 periods from before the launch"))
    from scipy.special import ndtr

    den = series.denominator[:, :, : series.launch].sum(axis=1)
    num = series.numerator[:, :, : series.launch].sum(axis=1)
    var = (series.variance * series.denominator)[:, :, : series.launch].sum(axis=1)
    with np.errstate(divide="ignore", invalid="ignore"):
        mean, variance = num / den, inflation * var / np.square(den)
        score = bool(np.nanmin(mean) < 0)
        logs = mean if score else np.log(mean)
        variance = variance if score else variance / np.square(mean)
    slopes = []
    time = np.arange(series.launch, dtype=np.float64)
    for arm in range(1, len(arms)):
        gap, spread = logs[arm] - logs[0], variance[arm] + variance[0]
        used = np.isfinite(gap) & np.isfinite(spread) & (spread > 0)
        if used.sum() < 3:
            continue
        w = 1 / spread[used]
        t = time[used] - np.average(time[used], weights=w)
        slope = float((w * t * gap[used]).sum() / (w * t**2).sum())
        z = abs(slope) * np.sqrt(float((w * t**2).sum()))
        slopes.append((float(2 * ndtr(-z)), slope, arms[arm]))
    if not slopes:
        too_little = N_("too little happened before the launch to tell whether arms ran in parallel")
        return Check(name, "note", too_little)
    p, slope, who = min(slopes)
    p = min(p * len(slopes), 1.0)
    moved = phrase("{points:+.3g}", points=slope)
    if not score:
        moved = phrase("{share:+.2%}", share=float(np.expm1(slope)))
    told = phrase(
        "before the launch {arm} moved by {moved} a period against control (p = {p:.2g})",
        arm=who,
        moved=moved,
        p=p,
    )
    if p < 0.05:
        remedy = N_(
            "the arms were drifting apart anyway: look for a better control, or read the effect with care"
        )
        return Check(name, "warn", told, remedy)
    return Check(name, "ok", told)
