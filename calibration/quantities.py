"""What is ranked: parameters, effects, levels, the log-likelihood of the data, and the NPV.

Ranks of parameters alone cannot tell a posterior from the prior, since the prior ranks uniformly too; the
log-likelihood of the data as a quantity can (Modrák et al. 2023, doi:10.1214/23-BA1404). It is stated here
once more, in NumPy, of the quantities by which a model names its draws; a test holds it against the model's.
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
from scipy.special import gammaln, log1p, xlog1py, xlogy

from calibration.cells import OUTCOME, Cell
from models._moments import log_means
from models._tail import gains, powered
from sim.engine.inputs import net_present_value
from sim.engine.prepare import Prepared
from sim.engine.world import World
from sim.records.arrays import Draws, FloatArray

# Functions of the others, or ranked under another name.
_LEFT_OUT = ("fitted", "pay_fitted", "shift", "probability", "mean")
LIKELIHOOD, NPV = "log-likelihood", "NPV"
_LOGS = ("level", "pay", "dispersion", "sigma")


def kind_of(name: str) -> str:
    """Return a quantity's name without its place.

    Examples
    --------
    >>> kind_of("effect[a, Nord]")
    'effect'
    """
    return name.partition("[")[0]


def logged(name: str) -> bool:
    """Whether a quantity spans orders of magnitude, so that its variance is that of its logarithm."""
    return kind_of(name) in _LOGS


def ranked(cell: Cell, draws: Draws, prepared: Prepared) -> dict[str, FloatArray]:
    """Return every quantity that is ranked, (state,) each, by name.

    Parameters
    ----------
    cell : Cell
    draws : Draws
        As many states as the config has samples, the truth among them.
    prepared : Prepared
        The config with the pilot that the draws are of.
    """
    summary = prepared.summaries[OUTCOME]
    labels = {"arm": summary.arms, "treated": summary.arms[1:], "segment": summary.segments}
    found: dict[str, FloatArray] = {}
    for name in sorted(set(draws) - set(_LEFT_OUT)):
        values = draws[name]
        axes = axes_of(name, values.shape[1:])
        for place in np.ndindex(values.shape[1:]):
            told = [
                labels[axis][i] if axis in labels else summary.cells[i]
                for axis, i in zip(axes, place, strict=True)
            ]
            found[f"{name}[{', '.join(told)}]" if told else name] = values[(slice(None), *place)]
    found[LIKELIHOOD] = log_likelihood(cell.name, draws, summary.statistics)
    world = World(prepared, {OUTCOME: draws}, prepared.drawn)
    for arm in summary.arms[1:]:
        found[f"{NPV}[{arm}]"] = net_present_value(world, world.strategy(arm))
    return found


def axes_of(name: str, shape: tuple[int, ...]) -> tuple[str, ...]:
    """Return what the axes of a quantity stand for.

    Examples
    --------
    >>> axes_of("pay_gap", (1, 3))
    ('treated', 'segment')
    """
    bare = name.removeprefix("pay_")
    if len(shape) == 2:
        return ("treated" if bare in ("effect", "gap") else "arm", "segment")
    if not shape:
        return ()
    if bare == "trend":
        return ("segment",)
    return ("cell",) if bare in ("dispersion", "sigma") else ("treated",)


def complete(cell: Cell, truth: Draws, arrays: Mapping[str, FloatArray]) -> Draws:
    """Return a truth with what depends on the simulated pilot as well.

    Churn's ``level`` is an average over the tenures that the pilot saw, so that of a truth changes with it.
    """
    if cell.name != "churn":
        return truth
    length = arrays["level_weight"].shape[1]
    hazards = _hazards(truth, length)[:, None, None, :] / arrays["period_months"]
    each = -np.expm1(-np.exp(truth["shift"])[..., None] * hazards)
    return {**truth, "level": (each * arrays["level_weight"]).sum(axis=-1)}


def log_likelihood(name: str, draws: Draws, statistics: Mapping[str, FloatArray]) -> FloatArray:
    """Return the log-likelihood of a pilot in every state, up to a constant, (state,).

    Parameters
    ----------
    name : str
        The model's.
    draws : Draws
    statistics : mapping of str to (cell, segment, …) array
        The pilot.
    """
    return _LIKELIHOODS[name](draws, statistics).sum(axis=(1, 2))


def _seen(draws: Draws, name: str = "fitted", shown: str = "level") -> FloatArray:
    return draws[name] if name in draws else draws[shown]


def _binomial(successes: FloatArray, trials: FloatArray, rate: FloatArray) -> FloatArray:
    return np.asarray(xlogy(successes, rate) + xlog1py(trials - successes, -rate))


def _conversion(draws: Draws, pilot: Mapping[str, FloatArray]) -> FloatArray:
    return _binomial(pilot["successes"], pilot["trials"], _seen(draws))


def _cost(draws: Draws, pilot: Mapping[str, FloatArray]) -> FloatArray:
    estimate, variance = log_means(pilot)
    found: FloatArray = -0.5 * (estimate - np.log(_seen(draws))) ** 2 / variance
    return found


def _revenue(draws: Draws, pilot: Mapping[str, FloatArray]) -> FloatArray:
    rate, sigma = _seen(draws, "pay_fitted", "pay"), draws["sigma"][:, :, None]
    payers = pilot["payers"]
    apart = pilot["log_mean"] - (np.log(_seen(draws) / rate) - sigma**2 / 2)
    squares = pilot["log_squares"] + payers * apart**2
    amounts = -payers * np.log(sigma) - squares / (2 * sigma**2)
    return _binomial(payers, pilot["trials"], rate) + amounts


def _count(draws: Draws, pilot: Mapping[str, FloatArray]) -> FloatArray:
    kappa, value = draws["dispersion"][:, :, None], pilot["value"]
    units, events = pilot["units"], pilot["events"]
    # sum over j below v of log(1 + j kappa); in the gamma function digits are lost as kappa goes to 0
    much = np.maximum(kappa, 1e-8)
    gamma = value * np.log(much) + gammaln(value + 1 / much) - gammaln(1 / much)
    above = np.where(kappa > 1e-8, gamma, kappa * value * (value - 1) / 2)
    alone = np.einsum("csv,ncv->ncs", pilot["histogram"], above)
    mean = _seen(draws)[..., None] * pilot["exposure"]
    k = kappa[..., None]
    together = xlogy(events, mean) - (events + units / k) * log1p(k * mean)
    return np.asarray(alone + together.sum(axis=3))


def _rating(draws: Draws, pilot: Mapping[str, FloatArray]) -> FloatArray:
    return np.asarray(xlogy(pilot["counts"], draws["probability"]).sum(axis=3))


def _churn(draws: Draws, pilot: Mapping[str, FloatArray]) -> FloatArray:
    at_risk, churned = pilot["at_risk"], pilot["churned"]
    each = np.exp(_seen(draws, shown="shift"))[..., None] * _hazards(draws, at_risk.shape[2])[:, None, None]
    left = xlogy(churned, -np.expm1(-each)) - (at_risk - churned) * each
    found: FloatArray = left.sum(axis=3)
    return found


def _hazards(draws: Draws, length: int) -> FloatArray:
    log_odds, k, log_c = (draws[name][:, None] for name in ("log_odds", "k", "log_c"))
    found: FloatArray = gains(log_odds, k, powered(np.arange(length + 1.0), log_c, np), np)
    return found


_LIKELIHOODS = {
    "conversion": _conversion,
    "cost": _cost,
    "revenue": _revenue,
    "count": _count,
    "rating": _rating,
    "churn": _churn,
}
