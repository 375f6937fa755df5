"""Decides whether a sample can be trusted: convergence, effective size, divergences, energy, prediction."""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial
from typing import Any

import numpy as np

from sim.contract import Predictive
from sim.language import N_, phrase
from sim.records.arrays import FloatArray
from sim.records.check import Check

RHAT, ESS, EBFMI = 1.01, 400, 0.3
SURPRISE = 0.01
"""Posterior predictive p-value below which the model is said not to reproduce the data."""

_RERUN = N_(
    "raise `draws` and `tune` under [sampling]; if that does not help, question the data or the prior"
)


def check_sampling(
    posterior: Mapping[str, FloatArray], divergent: FloatArray, energy: FloatArray
) -> tuple[tuple[Check, ...], dict[str, float]]:
    """Judge the draws by rank-normalised R-hat, bulk and tail ESS, divergences and E-BFMI.

    Vehtari et al. (2021, doi:10.1214/20-BA1221) for the first three; Betancourt (2016, arXiv:1604.00695)
    for the energy. A diagnostic that is not a number fails. A quantity that is the same in every draw of
    every chain is constant by its definition and not judged, unless nothing moves at all: then the sampler
    is stuck.

    Parameters
    ----------
    posterior : mapping of str to (chain, draw, ...) array
    divergent, energy : (chain, draw) array
        Sampler statistics.

    Returns
    -------
    tuple of Check
        Failures, or a single ``ok``.
    dict
        Worst figures, for the manifest.
    """
    from arviz_stats import sampling_diagnostics as az  # all of arviz would bring its plots, half a second

    figures = {"draws": float(divergent.size), "divergences": float(np.sum(divergent))}
    if not all(np.isfinite(values).all() for values in (*posterior.values(), energy)):
        return (Check("finite-draws", "fail", N_("some draws are not finite numbers"), _RERUN),), figures

    moving = {name: np.ptp(values, axis=(0, 1)) > 0 for name, values in posterior.items()}
    if not any(mask.any() for mask in moving.values()):
        return (Check("convergence", "fail", N_("the sampler did not move at all"), _RERUN),), figures
    worst: dict[str, str] = {}
    for key, judge, wanted in (
        ("rhat_max", partial(az.rhat, method="rank"), "low"),
        ("ess_bulk_min", partial(az.ess, method="bulk"), "high"),
        ("ess_tail_min", partial(az.ess, method="tail", prob=(0.05, 0.95)), "high"),
    ):
        found = {
            name + str(list(place) or ""): float(judge(values[(slice(None), slice(None), *place)]))
            for name, values in posterior.items()
            for place in np.ndindex(values.shape[2:])
            if moving[name][place]
        }
        sign = 1 if wanted == "low" else -1
        worst[key] = max(found, key=lambda name: np.inf if np.isnan(found[name]) else sign * found[name])
        figures[key] = found[worst[key]]
    change, spread = np.square(np.diff(energy, axis=1)).sum(axis=1), energy.var(axis=1) * energy.shape[1]
    figures["ebfmi_min"] = float(np.min(change / np.where(spread > 0, spread, np.nan)))

    failed = []
    if not figures["rhat_max"] < RHAT:
        message = phrase(
            "chains disagree: R-hat {rhat:.3f} for {quantity}, allowed < {limit}",
            rhat=figures["rhat_max"],
            quantity=worst["rhat_max"],
            limit=RHAT,
        )
        failed.append(Check("convergence", "fail", message, _RERUN))
    if not figures["ess_bulk_min"] >= ESS:
        message = phrase(
            "bulk effective sample size {size:.0f} for {quantity}, needed {limit}",
            size=figures["ess_bulk_min"],
            quantity=worst["ess_bulk_min"],
            limit=ESS,
        )
        failed.append(Check("effective-samples-bulk", "fail", message, _RERUN))
    if not figures["ess_tail_min"] >= ESS:
        message = phrase(
            "tail effective sample size {size:.0f} for {quantity}, needed {limit}",
            size=figures["ess_tail_min"],
            quantity=worst["ess_tail_min"],
            limit=ESS,
        )
        failed.append(Check("effective-samples-tail", "fail", message, _RERUN))
    if figures["divergences"] > 0:
        message = phrase(
            "{divergent:.0f} of {all} transitions diverged, allowed none",
            divergent=figures["divergences"],
            all=int(divergent.size),
        )
        failed.append(Check("divergences", "fail", message, _RERUN))
    if not figures["ebfmi_min"] >= EBFMI:
        message = phrase(
            "E-BFMI {ebfmi:.2f}, needed {limit}: heavy tails were not explored",
            ebfmi=figures["ebfmi_min"],
            limit=EBFMI,
        )
        failed.append(Check("energy", "fail", message, _RERUN))
    if failed:
        return tuple(failed), figures
    message = phrase(
        "R-hat {rhat:.3f}, effective samples {bulk:.0f} bulk and {tail:.0f} tail, no divergences, "
        "E-BFMI {ebfmi:.2f}",
        rhat=figures["rhat_max"],
        bulk=figures["ess_bulk_min"],
        tail=figures["ess_tail_min"],
        ebfmi=figures["ebfmi_min"],
    )
    return (Check("convergence", "ok", message),), figures


def check_prediction(predictive: Predictive) -> tuple[Check, dict[str, float]]:
    """Compare observed cells with replicated ones by one p-value.

    The discrepancy is the sum over cells of squared distances from the replicated mean in replicated
    standard deviations; p is the share of replications at least as far off as the data (Gelman, Meng &
    Stern 1996, Statistica Sinica 6, 733-807). p near 1 is no fault: the model was fitted to these data.
    """
    observed, replicated = predictive.observed, predictive.replicated
    scale = replicated.std(axis=0)
    used = scale > 0
    if not used.any():
        return Check("posterior-predictive", "ok", N_("nothing varies that could be compared")), {}

    def distance(cells: Any) -> Any:
        return (np.square((cells - replicated.mean(axis=0)) / np.where(used, scale, 1.0)) * used).sum(axis=-1)

    p = float(np.mean(distance(replicated) >= distance(observed)))
    message = phrase(
        "replicated {figures} are as far off as the data in {p:.1%} of draws", figures=predictive.name, p=p
    )
    if p < SURPRISE:
        remedy = N_("see the posterior predictive plot: the model does not reproduce these data")
        return Check("posterior-predictive", "warn", message, remedy), {"predictive_p": p}
    return Check("posterior-predictive", "ok", message), {"predictive_p": p}
