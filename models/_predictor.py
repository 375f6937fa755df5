"""The linear predictor that every outcome model shares, with its prior.

A pilot has cells c: its arms, or arm by phase in difference-in-differences. On the link scale, in segment s::

    eta[c, s] = base[s] + sum_j nuisance[j, c, s] * nu[j, s] + sum_k design[k, c, s] * effect[k, s]

    base[s]      ~ N(base_mean, base_sd)   base_mean ~ N(m0, 1.5)    base_sd ~ HalfNormal(1)
    effect[k, s] ~ N(delta[k], tau[k])     delta[k]  ~ N(0, 0.5)     tau[k]  ~ HalfNormal(0.3)

`m0` is the pooled level of all cells on the link scale. An `EffectPrior` replaces N(0, 0.5).

**Designs.** A randomised pilot has no nuisance. Difference-in-differences has ``gap`` (how an arm differs
from the others anyway) and ``trend`` (how everyone changes from before to after), N(0, 1) and N(0, 0.5). A
before-after pilot has a ``bias`` for what would have happened anyway: see `_drift`.

**Anchoring.** Each effect's column is made orthogonal to base and nuisances under the cells' sizes: for a
randomised pilot ``design[k, c] = 1[c = k] - n[k] / n``. Base and effect are then nearly independent in the
posterior, and swapping the arms flips the sign of the effect exactly; anchoring on the control does neither.

**One segment.** The pilot's effect is delta itself, ``effect = delta``, and the base has no spread. Nothing
in the data speaks about tau then.

**Coordinates.** Neither the centred nor the non-centred form samples well over all data sizes. Here the
sampler moves in flat coordinates z, mapped by rough estimates and variances of the statistics
(``x = V (centre/sd² + hat/var) + sqrt(V) z``), and a Potential adds the prior's density and the log
Jacobian. It is a change of variables: the posterior is the same for any estimates, good ones only make
it round. The idea is the transport map of Parno & Marzouk (2018, doi:10.1137/17M1134640).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from sim.records.arrays import Draws, FloatArray
from sim.records.summary import PilotSummary

from . import _drift
from ._drift import LOG, LOGIT, Link

if TYPE_CHECKING:
    import pymc

__all__ = ["LOG", "LOGIT", "Link", "Predicted", "centre", "coordinates", "members", "model", "predict"]

EFFECT_PRIOR = (0.0, 0.5)
SPREAD_SD = 0.3
BASE_SD = 1.5
BASE_SPREAD_SD = 1.0
GAP_SD = 1.0
TREND_SD = 0.5


@dataclass(frozen=True, slots=True)
class Predicted:
    """Link-scale levels: `cells` (cell, segment) as observed, `arms` (arm, segment) as they would be now."""

    cells: Any
    arms: Any


def coordinates(
    summary: PilotSummary,
    rough: FloatArray,
    variance: FloatArray,
    size: FloatArray,
    m0: float,
    effect: tuple[float, float],
    *,
    link: Link | None,
    prefix: str = "",
) -> dict[str, FloatArray]:
    """Arrays that place the predictor, from rough estimates of each cell on the link scale.

    Parameters
    ----------
    summary : PilotSummary
    rough, variance : (cell, segment) array
        Estimate of the cell's level on the link scale and its sampling variance.
    size : (cell, segment) array
        By what cells are weighed in the anchoring.
    m0 : float
        Centre of the prior of the base.
    effect : (float, float)
        Mean and standard deviation of the prior of delta.
    link : Link or None
        Takes means to the link scale; None for a second predictor, which carries no drift.
    prefix : str
        Put before the name of every array.
    """
    nuisance, effects, shown = _columns(summary)
    arms, segments = len(summary.arms), size.shape[1]
    # A segment without data is anchored as the others are.
    held = np.where(size.sum(axis=0) > 0, size, size.sum(axis=1, keepdims=True))
    weight = np.maximum(held, 1e-9 * held.max(axis=0) + 1e-300)
    weight = weight / weight.sum(axis=0)
    # (segment, cell, column): 1, then the nuisances, centred.
    centred = nuisance[None, :, :] - np.einsum("cs,cj->sj", weight, nuisance)[:, None, :]
    plain = np.concatenate([np.ones((segments, len(nuisance), 1)), centred], axis=2)
    scaled = plain * weight.T[:, :, None]
    pulled = np.linalg.solve(
        np.einsum("scj,sci->sji", scaled, plain), np.einsum("scj,ck->sjk", scaled, effects)
    )
    design = effects[None] - plain @ pulled
    # What a rollout meets: every arm's customers, after the launch.
    now = np.zeros((segments, plain.shape[2]))
    now[:, 0] = 1.0
    if nuisance.shape[1]:
        now[:, -1] = -np.einsum("cs,c->s", weight, nuisance[:, -1])
    whole = np.linalg.inv(np.concatenate([plain, design], axis=2))
    hat = np.einsum("sjc,cs->js", whole, rough)
    var = np.einsum("sjc,cs->js", whole**2, variance)
    columns = nuisance.shape[1]
    arrays = {"m0": np.asarray(m0, dtype=np.float64), "base_hat": hat[0], "base_var": var[0]}
    if arms > 1:
        arrays |= {
            "design": np.moveaxis(design, (0, 1, 2), (2, 1, 0)),
            "effect_hat": hat[1 + columns :],
            "effect_var": var[1 + columns :],
            "effect_prior": np.asarray(effect, dtype=np.float64),
        }
    if columns:
        arrays |= {
            "nuisance": np.moveaxis(centred, (0, 1, 2), (2, 1, 0)),
            "nuisance_hat": hat[1 : 1 + columns],
            "nuisance_var": var[1 : 1 + columns],
            "nuisance_now": now[:, 1:].T,
            "design_now": np.moveaxis(shown[None] - now[:, None, :] @ pulled, (0, 1, 2), (2, 1, 0)),
        }
    if summary.design.kind == "before-after" and link is not None:
        arrays |= _drift.arrays(summary, link, m0)
    return {f"{prefix}{name}": np.asarray(values, order="C") for name, values in arrays.items()}


def _columns(summary: PilotSummary) -> tuple[FloatArray, FloatArray, FloatArray]:
    """Return nuisance (cell, nuisance) and effect (cell, treated) columns, and effects by (arm, treated)."""
    arms = len(summary.arms)
    treated = np.eye(arms)[:, 1:]
    if summary.design.kind != "difference-in-differences":
        return np.empty((arms, 0)), treated, treated
    of_arm = np.repeat(treated, 2, axis=0)
    after = np.tile([0.0, 1.0], arms)[:, None]
    # The trend is counted from the time after the launch, which is what a rollout goes on from.
    return np.concatenate([of_arm, after - 1], axis=1), of_arm * after, treated


def differ(summary: PilotSummary) -> bool:
    """Whether what was observed (cells) is not what a rollout meets (arms)."""
    return summary.design.kind != "randomised"


def model(summary: PilotSummary, arrays: Mapping[str, FloatArray]) -> tuple[pymc.Model, dict[str, Any]]:
    """Open a PyMC model with labelled coordinates and every array as ``pm.Data``."""
    import pymc as pm

    coords = {"arm": summary.arms, "segment": summary.segments}
    if len(summary.arms) > 1:
        coords["treated"] = summary.arms[1:]
    if differ(summary):
        coords["cell"] = summary.cells
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


def predict(data: Mapping[str, Any], summary: PilotSummary, *, prefix: str = "") -> Predicted:
    """Return the predictor of cells and arms, inside an open model."""
    return contrast(data, summary, base(data, len(summary.segments), prefix=prefix), prefix=prefix)


def base(data: Mapping[str, Any], segments: int, *, prefix: str = "") -> Any:
    """Return the base of each segment, (segment,), inside an open model."""
    import pymc as pm

    hat, variance, m0 = (data[f"{prefix}{name}"] for name in ("base_hat", "base_var", "m0"))
    if segments == 1:
        return centre(f"{prefix}base", hat, variance, m0, BASE_SD)[None]
    sd = pm.HalfNormal(f"{prefix}base_sd", BASE_SPREAD_SD)
    mean = centre(f"{prefix}base_mean", hat, variance + sd**2, m0, BASE_SD)
    pm.Deterministic(f"{prefix}base_mean", mean)
    return members(f"{prefix}base", hat, variance, mean, sd, dims="segment")


def contrast(
    data: Mapping[str, Any], summary: PilotSummary, base: Any = 0.0, *, prefix: str = ""
) -> Predicted:
    """Add nuisances, effects and bias to a base of each segment, inside an open model."""
    import pymc as pm
    import pytensor.tensor as pt

    segments = len(summary.segments)
    rows = pt.zeros((len(summary.cells), segments)) + base
    if f"{prefix}design" not in data:
        return Predicted(rows, rows)
    hat, variance = data[f"{prefix}effect_hat"], data[f"{prefix}effect_var"]
    mean, sd = data[f"{prefix}effect_prior"][0], data[f"{prefix}effect_prior"][1]
    bias = None
    if f"{prefix}drift" in data:
        bias = _drift.bias(data, prefix)
        hat = hat - bias
    tau = pm.HalfNormal(f"{prefix}tau", SPREAD_SD, dims="treated")
    if segments == 1:
        delta = centre(f"{prefix}delta", hat, variance, mean, sd, dims="treated")
        effect = delta[:, None]
    else:
        delta = centre(f"{prefix}delta", hat, variance + tau[:, None] ** 2, mean, sd, dims="treated")
        dims = ("treated", "segment")
        effect = members(f"{prefix}effect", hat, variance, delta[:, None], tau[:, None], dims=dims)
    pm.Deterministic(f"{prefix}delta", delta, dims="treated")
    pm.Deterministic(f"{prefix}effect", effect, dims=("treated", "segment"))
    seen = effect if bias is None else effect + bias
    cells = rows + (data[f"{prefix}design"] * seen[:, None, :]).sum(axis=0)
    if f"{prefix}nuisance" in data:
        hats = data[f"{prefix}nuisance_hat"], data[f"{prefix}nuisance_var"]
        gap = members(f"{prefix}gap", hats[0][:-1], hats[1][:-1], 0.0, GAP_SD, dims=("treated", "segment"))
        trend = members(f"{prefix}trend", hats[0][-1], hats[1][-1], 0.0, TREND_SD, dims="segment")
        pm.Deterministic(f"{prefix}gap", gap, dims=("treated", "segment"))
        pm.Deterministic(f"{prefix}trend", trend, dims="segment")
        both = pt.concatenate([gap, trend[None, :]])
        cells = cells + (data[f"{prefix}nuisance"] * both[:, None, :]).sum(axis=0)
        arms = pt.zeros((len(summary.arms), segments)) + base
        arms = arms + (data[f"{prefix}nuisance_now"] * both).sum(axis=0)
        return Predicted(cells, arms + (data[f"{prefix}design_now"] * effect[:, None, :]).sum(axis=0))
    if bias is None:
        return Predicted(cells, cells)
    return Predicted(cells, pt.concatenate([cells[:1] + bias, cells[1:]]))


def keep_fitted(summary: PilotSummary, name: str, values: Any) -> None:
    """Register what was observed, (cell, segment), where it is not what a rollout meets."""
    import pymc as pm

    if differ(summary):
        pm.Deterministic(name, values, dims=("cell", "segment"))


def with_fitted(summary: PilotSummary, draws: Draws, name: str, values: FloatArray) -> dict[str, FloatArray]:
    """Add prior draws of what `keep_fitted` registers."""
    return {**draws, name: values} if differ(summary) else dict(draws)


def fitted(draws: Draws, name: str = "fitted", shown: str = "level") -> FloatArray:
    """Return the draws of what was observed, (sample, cell, segment)."""
    return draws[name] if name in draws else draws[shown]


def prior(
    arrays: Mapping[str, FloatArray],
    summary: PilotSummary,
    n: int,
    rng: np.random.Generator,
    *,
    prefix: str = "",
) -> dict[str, FloatArray]:
    """Draw ``cells`` and ``arms`` (sample, …, segment) and the rest from the prior that `predict` states."""
    drawn = prior_base(arrays, n, rng, prefix=prefix)
    return drawn | prior_contrast(arrays, summary, n, rng, base=drawn.pop(f"{prefix}base"), prefix=prefix)


def prior_base(
    arrays: Mapping[str, FloatArray], n: int, rng: np.random.Generator, *, prefix: str = ""
) -> dict[str, FloatArray]:
    """Draw ``base`` (sample, segment) and its parameters from the prior that `base` states."""
    segments = arrays[f"{prefix}base_hat"].size
    mean = arrays[f"{prefix}m0"] + BASE_SD * rng.standard_normal(n)
    if segments == 1:
        return {f"{prefix}base": mean[:, None]}
    sd = np.abs(BASE_SPREAD_SD * rng.standard_normal(n))
    draws = mean[:, None] + sd[:, None] * rng.standard_normal((n, segments))
    return {f"{prefix}base": draws, f"{prefix}base_mean": mean, f"{prefix}base_sd": sd}


def prior_contrast(
    arrays: Mapping[str, FloatArray],
    summary: PilotSummary,
    n: int,
    rng: np.random.Generator,
    *,
    base: FloatArray | float = 0.0,
    prefix: str = "",
) -> dict[str, FloatArray]:
    """Draw ``cells`` and ``arms`` (sample, …, segment) and the parameters from the prior of `contrast`."""
    segments = len(summary.segments)
    start = np.broadcast_to(base, (n, segments))[:, None, :]
    rows = np.repeat(start, len(summary.cells), axis=1)
    if f"{prefix}design" not in arrays:
        return {"cells": rows, "arms": rows}
    mean, sd = arrays[f"{prefix}effect_prior"]
    treated = len(summary.arms) - 1
    tau = np.abs(SPREAD_SD * rng.standard_normal((n, treated)))
    delta = mean + sd * rng.standard_normal((n, treated))
    effect = delta[:, :, None]
    if segments > 1:
        effect = effect + tau[:, :, None] * rng.standard_normal((n, treated, segments))
    draws = {"effect": effect, "delta": delta, "tau": tau}
    bias = None
    if f"{prefix}drift" in arrays:
        drawn = _drift.prior(arrays, n, rng, prefix)
        bias = drawn["bias"]
        draws |= drawn
    seen = effect if bias is None else effect + bias[:, None, None]
    cells = rows + np.einsum("kcs,nks->ncs", arrays[f"{prefix}design"], seen)
    arms = cells
    if bias is not None:
        arms = cells.copy()
        arms[:, 0] += bias[:, None]
    if f"{prefix}nuisance" in arrays:
        gap = GAP_SD * rng.standard_normal((n, treated, segments))
        trend = TREND_SD * rng.standard_normal((n, segments))
        both = np.concatenate([gap, trend[:, None, :]], axis=1)
        cells = cells + np.einsum("jcs,njs->ncs", arrays[f"{prefix}nuisance"], both)
        arms = np.repeat(start, len(summary.arms), axis=1)
        arms = arms + np.einsum("js,njs->ns", arrays[f"{prefix}nuisance_now"], both)[:, None, :]
        arms = arms + np.einsum("kas,nks->nas", arrays[f"{prefix}design_now"], effect)
        draws |= {"gap": gap, "trend": trend}
    return {"cells": cells, "arms": arms} | {f"{prefix}{name}": values for name, values in draws.items()}
