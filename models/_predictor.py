"""The linear predictor that every outcome model shares, with its prior.

On the link scale, for arm a (0 is the control or, without one, the first arm) and segment s::

    eta[a, s] = base[s] + sum_k (1[a = k] - w[k, s]) * effect[k, s]      w[k, s] = n[k, s] / n[s]

    base[s]      ~ N(base_mean, base_sd)   base_mean ~ N(m0, 1.5)    base_sd ~ HalfNormal(1)
    effect[k, s] ~ N(delta[k], tau[k])     delta[k]  ~ N(0, 0.5)     tau[k]  ~ HalfNormal(0.3)

`m0` is the pooled level of all arms on the link scale. An `EffectPrior` replaces N(0, 0.5). Weighing by
arm size ("balanced anchoring") makes base and effect nearly independent in the posterior, and swapping
the arms flips the sign of the effect exactly; anchoring on the control does neither.

**One segment.** The pilot's effect is delta itself, ``effect = delta ~ N(0, 0.5)``, and the base has no
spread. Nothing in the data speaks about tau then: it keeps its prior and is there only for segments
that the pilot did not see, whose effect is N(delta, tau).

**Coordinates.** Neither the centred nor the non-centred form samples well over all data sizes. Here the
sampler moves in flat coordinates z, mapped by rough estimates and variances of the statistics
(``x = V (centre/sd² + hat/var) + sqrt(V) z``), and a Potential adds the prior's density and the log
Jacobian. It is a change of variables: the posterior is the same for any estimates, good ones only make
it round. The idea is the transport map of Parno & Marzouk (2018, doi:10.1137/17M1134640).
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np

from sim.records.arrays import FloatArray
from sim.records.summary import PilotSummary

if TYPE_CHECKING:
    import pymc

EFFECT_PRIOR = (0.0, 0.5)
SPREAD_SD = 0.3
BASE_SD = 1.5
BASE_SPREAD_SD = 1.0


def coordinates(
    rough: FloatArray, variance: FloatArray, size: FloatArray, m0: float, effect: tuple[float, float]
) -> dict[str, FloatArray]:
    """Arrays that place the predictor, from rough estimates of each cell on the link scale.

    Parameters
    ----------
    rough, variance : (arm, segment) array
        Estimate of the cell's level on the link scale and its sampling variance.
    size : (arm, segment) array
        What the weights w are shares of.
    m0 : float
        Centre of the prior of the base.
    effect : (float, float)
        Mean and standard deviation of the prior of delta.
    """
    whole = size.sum(axis=0)
    share = np.where(whole > 0, size / np.where(whole > 0, whole, 1.0), 1.0 / size.shape[0])
    arrays = {
        "m0": np.asarray(m0, dtype=np.float64),
        "base_hat": (share * rough).sum(axis=0),
        "base_var": (share**2 * variance).sum(axis=0),
    }
    if size.shape[0] > 1:
        arrays |= {
            "weight": share[1:],
            "effect_hat": rough[1:] - rough[0],
            "effect_var": variance[1:] + variance[0],
            "effect_prior": np.asarray(effect, dtype=np.float64),
        }
    return arrays


def model(summary: PilotSummary, arrays: Mapping[str, FloatArray]) -> tuple[pymc.Model, dict[str, Any]]:
    """Open a PyMC model with labelled coordinates and every array as ``pm.Data``."""
    import pymc as pm

    coords = {"arm": summary.arms, "segment": summary.segments, "treated": summary.arms[1:]}
    if len(summary.arms) == 1:
        del coords["treated"]
    opened = pm.Model(coords={name: list(labels) for name, labels in coords.items()})
    with opened:
        return opened, {name: pm.Data(name, values) for name, values in arrays.items()}


def centre(name: str, hat: Any, variance: Any, mean: Any, sd: Any, *, dims: Any = None) -> Any:
    """Return a variable ~ N(mean, sd) in coordinates informed by ``hat ~ N(it, sqrt(variance))``.

    The last axis of `hat` and `variance` holds the estimates that inform it.
    """
    import pymc as pm
    import pytensor.tensor as pt

    precision = (1 / variance).sum(axis=-1) + 1 / sd**2
    z = pm.Flat(f"_{name}", dims=dims)
    value = ((hat / variance).sum(axis=-1) + mean / sd**2) / precision + z / pt.sqrt(precision)
    pm.Potential(f"_{name}_prior", pt.sum(-0.5 * ((value - mean) / sd) ** 2 - 0.5 * pt.log(precision)))
    return value


def members(name: str, hat: Any, variance: Any, mean: Any, sd: Any, *, dims: Any = None) -> Any:
    """Return variables ~ N(mean, sd), each in coordinates informed by its own `hat` and `variance`."""
    import pymc as pm
    import pytensor.tensor as pt

    v = 1 / (1 / sd**2 + 1 / variance)
    z = pm.Flat(f"_{name}", dims=dims)
    value = v * (mean / sd**2 + hat / variance) + pt.sqrt(v) * z
    log_density = -0.5 * ((value - mean) / sd) ** 2 - pt.log(sd) + 0.5 * pt.log(v)
    pm.Potential(f"_{name}_prior", pt.sum(log_density))
    return value


def base(data: Mapping[str, Any], segments: int) -> Any:
    """Return the base of each segment, (segment,), inside an open model."""
    import pymc as pm

    hat, variance, m0 = data["base_hat"], data["base_var"], data["m0"]
    if segments == 1:
        return centre("base", hat, variance, m0, BASE_SD)[None]
    sd = pm.HalfNormal("base_sd", BASE_SPREAD_SD)
    mean = pm.Deterministic("base_mean", centre("base_mean", hat, variance + sd**2, m0, BASE_SD))
    return members("base", hat, variance, mean, sd, dims="segment")


def contrast(data: Mapping[str, Any], segments: int) -> Any:
    """Return what the effects add to the base, (arm, segment), inside an open model; 0 for a single arm."""
    import pymc as pm
    import pytensor.tensor as pt

    if "weight" not in data:
        return pt.zeros((1, segments))
    hat, variance = data["effect_hat"], data["effect_var"]
    mean, sd = data["effect_prior"][0], data["effect_prior"][1]
    tau = pm.HalfNormal("tau", SPREAD_SD, dims="treated")
    if segments == 1:
        delta = centre("delta", hat, variance, mean, sd, dims="treated")
        effect = delta[:, None]
    else:
        delta = centre("delta", hat, variance + tau[:, None] ** 2, mean, sd, dims="treated")
        effect = members("effect", hat, variance, delta[:, None], tau[:, None], dims=("treated", "segment"))
    pm.Deterministic("delta", delta, dims="treated")
    pm.Deterministic("effect", effect, dims=("treated", "segment"))
    return pt.concatenate([pt.zeros((1, segments)), effect]) - (data["weight"] * effect).sum(axis=0)


def prior_base(arrays: Mapping[str, FloatArray], n: int, rng: np.random.Generator) -> dict[str, FloatArray]:
    """Draw ``base`` (sample, segment) and its parameters from the prior that `base` states."""
    segments = arrays["base_hat"].size
    mean = arrays["m0"] + BASE_SD * rng.standard_normal(n)
    if segments == 1:
        return {"base": mean[:, None]}
    sd = np.abs(BASE_SPREAD_SD * rng.standard_normal(n))
    draws = mean[:, None] + sd[:, None] * rng.standard_normal((n, segments))
    return {"base": draws, "base_mean": mean, "base_sd": sd}


def prior_contrast(
    arrays: Mapping[str, FloatArray], n: int, rng: np.random.Generator
) -> dict[str, FloatArray]:
    """Draw ``contrast`` (sample, arm, segment), effect, delta, tau from the prior of `contrast`."""
    segments = arrays["base_hat"].size
    if "weight" not in arrays:
        return {"contrast": np.zeros((n, 1, segments))}
    weight, (mean, sd) = arrays["weight"], arrays["effect_prior"]
    arms = weight.shape[0]
    tau = np.abs(SPREAD_SD * rng.standard_normal((n, arms)))
    delta = mean + sd * rng.standard_normal((n, arms))
    effect = delta[:, :, None]
    if segments > 1:
        effect = effect + tau[:, :, None] * rng.standard_normal((n, arms, segments))
    padded = np.concatenate([np.zeros((n, 1, segments)), effect], axis=1)
    shift = padded - (weight * effect).sum(axis=1, keepdims=True)
    return {"contrast": shift, "effect": effect, "delta": delta, "tau": tau}
