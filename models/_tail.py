"""The beta-discrete-Weibull: how the hazard of a mixed customer base falls with tenure.

Each customer leaves a period with his own probability, beta-distributed over customers, and time runs as
t^c (Fader, Hardie, Liu, Davin & Steenburgh 2018, doi:10.1016/j.intmar.2018.01.002)::

    S(t) = B(alpha, beta + t^c) / B(alpha, beta)

With c = 1 it is the shifted-beta-geometric of Fader & Hardie (2007, doi:10.1002/dir.20074). Here it is
written in ``odds = alpha / beta``, the odds of leaving in the first period, and ``k = 1 / beta``, how fast
the hazard falls; k -> 0 is a constant hazard.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from sim.records.arrays import FloatArray

_SHIFT = 6
"""Steps by which ln Γ is raised before Stirling's series: leaves an error of about 1e-11 in log S."""
_LEAST = 1e-14
"""Least gain of a period: keeps its log finite where the tail is flat to rounding."""


def _stirling_rest(x: Any) -> Any:
    y = 1 / (x * x)
    return (1 / 12 - y * (1 / 360 - y * (1 / 1260 - y * (1 / 1680 - y / 1188)))) / x


def cumulative_hazard(log_odds: Any, k: Any, time: Any, xp: Any) -> Any:
    """Return -log S at the transformed time ``t^c``, stable down to k = 0+.

    Differences of ln Γ at beta = 1/k lose all digits as k -> 0, so both pairs are expanded (recurrence,
    then Stirling) and what would cancel is cancelled on paper. The same text serves NumPy and PyTensor.

    Parameters
    ----------
    log_odds, k, time : array or tensor
        `time` is t^c in periods and has the full number of dimensions; k > 0.
    xp : module
        ``numpy`` or ``pytensor.tensor``.

    Examples
    --------
    Fader & Hardie's "regular" customers, alpha 0.704 and beta 1.182: 63, 24 and 17 % are left.

    >>> years = np.array([1.0, 7.0, 12.0])
    >>> np.exp(-cumulative_hazard(np.log(0.704 / 1.182), 1 / 1.182, years, np)).round(3)
    array([0.627, 0.239, 0.17 ])
    """
    odds = xp.exp(log_odds)
    steps = np.arange(_SHIFT).reshape((-1,) + (1,) * time.ndim) * k
    total = (xp.log1p(k * time / (1 + steps)) - xp.log1p(k * time / (1 + odds + steps))).sum(axis=0)
    top, bottom = (1 + _SHIFT * k) / k, (1 + odds + _SHIFT * k) / k
    log_survival = (
        (top + time - 0.5) * xp.log1p(time / top)
        - (bottom + time - 0.5) * xp.log1p(time / bottom)
        - time * xp.log1p(odds / (1 + _SHIFT * k))
        + _stirling_rest(top + time)
        - _stirling_rest(top)
        - _stirling_rest(bottom + time)
        + _stirling_rest(bottom)
    )
    return total - log_survival


def powered(time: Any, log_c: Any, xp: Any) -> Any:
    """Return t^c for t >= 0, with 0^c = 0."""
    safe = xp.where(time > 0, time, 1.0)
    return xp.where(time > 0, xp.exp(xp.exp(log_c) * xp.log(safe)), 0.0)


def gains(log_odds: Any, k: Any, time: Any, xp: Any) -> Any:
    """Return the cumulative hazard gained between neighbouring transformed times of the last axis."""
    reached = cumulative_hazard(log_odds, k, time, xp)
    return xp.maximum(reached[..., 1:] - reached[..., :-1], _LEAST)


def rough_fit(
    at_risk: FloatArray,
    churned: FloatArray,
    m0: float,
    sds: tuple[float, float, float],
    *,
    free_level: bool,
) -> dict[str, FloatArray]:
    """Where the tail's parameters lie according to pooled counts, for the sampler's coordinates.

    A falling hazard is told by k, by c < 1, or by both, which makes the posterior a narrow ridge, nearly
    straight in x = log(1 + q k) with q the mean tenure at risk. One step of Fisher scoring from the mode
    finds it: with score g and information I of the likelihood, log_odds profiled out, the best log_c for
    a given x is ``mode + g_c / I_cc - (I_cx / I_cc) (x - mode)``, and likewise log_odds for x and log_c.

    Parameters
    ----------
    at_risk, churned : (tenure,) array
        Pooled over arms and segments.
    m0, sds : float, (float, float, float)
        Prior centre of log_odds, and prior sd of log_odds, k and log_c, to find the mode.
    free_level : bool
        Whether a factor on the hazard is free besides (several segments), so that only the shape speaks.

    Returns
    -------
    dict
        ``tail_mode``: log_odds, x, log_c at the mode, slope of the mean log hazard in log_odds, and q.
        ``tail_log_c``: step, slope in x, variance. ``tail_log_odds``: step, slopes in x and log_c, variance.
    """
    from scipy.optimize import minimize

    ends = np.arange(at_risk.size + 1.0)
    whole = max(at_risk.sum(), 1.0)
    q = float((at_risk * ends[1:]).sum() / whole + 1)

    def log_gain(log_odds: float, x: float, log_c: float) -> FloatArray:
        logs: FloatArray = np.log(gains(log_odds, np.expm1(x) / q, powered(ends, log_c, np), np))
        return logs

    def loss(free: FloatArray) -> float:
        log_odds, log_k, log_c = np.clip(free, -20, 20)
        gain = np.exp(log_gain(log_odds, np.log1p(q * np.exp(log_k)), log_c))
        fit = (churned * np.log(-np.expm1(-gain)) - (at_risk - churned) * gain).sum()
        squares = ((log_odds - m0) / sds[0]) ** 2 + (np.exp(log_k) / sds[1]) ** 2 + (log_c / sds[2]) ** 2
        return float(squares / 2 - log_k - fit)

    log_odds, log_k, log_c = np.clip(minimize(loss, [m0, -1.0, 0.0], method="Nelder-Mead").x, -20, 20)
    mode, step = np.array([log_odds, np.log1p(q * np.exp(log_k)), log_c]), 1e-4
    slopes = np.stack(
        [(log_gain(*(mode + e)) - log_gain(*(mode - e))) / (2 * step) for e in step * np.eye(3)]
    )
    gain = np.exp(log_gain(*mode))
    events, hazard = gain / np.expm1(gain), at_risk * gain
    weight = hazard * events
    mean_slope = (hazard * slopes[0]).sum() / max(hazard.sum(), 1e-12)
    if free_level:
        slopes = slopes - (slopes @ weight)[:, None] / max(weight.sum(), 1e-12)
    score = slopes @ (churned * events - (at_risk - churned) * gain)
    information = (slopes * weight) @ slopes.T
    of_odds = max(information[0, 0], 1e-6)
    known = information[0, 0] + 1 / sds[0] ** 2
    profiled = information - np.outer(information[:, 0], information[0]) / known
    across = max(profiled[2, 2], 1e-6)
    moved = (score[2] - score[0] * information[2, 0] / known) / across
    return {
        "tail_mode": np.array([*mode, max(mean_slope, 0.1), q]),
        "tail_log_c": np.array([np.clip(moved, -1, 1), -profiled[2, 1] / across, 1 / across]),
        "tail_log_odds": np.array(
            [np.clip(score[0] / of_odds, -1, 1), *-information[0, 1:] / of_odds, 1 / of_odds]
        ),
    }
