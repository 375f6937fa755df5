"""A level that drifts from period to period: what a series would have done, with its uncertainty.

The series is short (months or weeks), so the Gaussian model is conditioned by its covariance
matrix directly: no filter, no state space, missing periods simply leave the matrix.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from itertools import pairwise, product

import numpy as np

from sim.records.arrays import FloatArray, IntArray

LEVEL_SCALE = 0.1
"""Scale of the half-normal prior of a step's sd: a level on a log or logit scale moves by some percent."""
SEASON_SCALE = 0.3
"""Scale of the half-normal prior of the seasonal sd: months differ by tens of percent at most."""
NOISE_SCALE = 0.3
"""Scale of the half-normal prior of the unknown noise sd."""
FLAT = 10.0
"""Prior sd of the first level around the mean of the values: flat on a log or logit scale."""
_HALVINGS = range(2, -7, -1)
"""A hyperparameter's grid: its prior scale times 4, 2, 1, ½ … 1/64 (what is below counts as 1/64)."""
_NEGLIGIBLE = 1e-4
"""Grid points with less than this share of the largest posterior weight are left out."""
_CHUNK = 2_000_000
"""Matrix entries that are decomposed at once."""


@dataclass(frozen=True, slots=True)
class Mixture:
    """Gaussian mixture over the latent series: one component per setting of the hyperparameters.

    Parameters
    ----------
    weights : (component,) array
        Posterior probabilities of the settings; they add up to 1.
    means : (component, period) array
        Mean of level plus season given the data, on the scale of the values.
    covariances : (component, period, period) array
        Covariance of the same; observation noise is not in it.
    noise_sd : (component,) array
        Unknown white-noise sd of each component; zeros unless it was asked for.
    """

    weights: FloatArray
    means: FloatArray
    covariances: FloatArray
    noise_sd: FloatArray

    def contrast(self, w: FloatArray) -> tuple[float, float]:
        """Mean and variance of ``w · latent`` for weights w (period,), by the mixture's moments.

        The variance is that within the components plus that between their means.
        """
        centres = self.means @ w
        within = np.einsum("i,cij,j->c", w, self.covariances, w)
        mean = float(self.weights @ centres)
        return mean, max(float(self.weights @ (within + (centres - mean) ** 2)), 0.0)

    def sample(self, n: int, rng: np.random.Generator, *, noise: bool = False) -> FloatArray:
        """Draw n paths of level plus season, (n, period); with `noise`, of what would be observed.

        Row i is one joint path, so sums over periods keep their uncertainty.
        """
        chosen = rng.choice(self.weights.size, size=n, p=self.weights)
        normal = rng.standard_normal((n, self.means.shape[1]))
        white = rng.standard_normal(normal.shape) if noise else None
        paths = np.empty_like(normal)
        for component in np.unique(chosen):
            rows = chosen == component
            values, vectors = np.linalg.eigh(self.covariances[component])
            # A level that hardly moves has a covariance of rank one, up to rounding below zero.
            root = vectors * np.sqrt(np.clip(values, 0.0, None))
            paths[rows] = self.means[component] + normal[rows] @ root.T
            if white is not None:
                paths[rows] += self.noise_sd[component] * white[rows]
        return paths


def smooth(
    values: FloatArray,
    variances: FloatArray,
    steps: int,
    *,
    seasons: IntArray | None = None,
    drift_sd: float = 0.0,
    damping: float = 1.0,
    level_scale: float = LEVEL_SCALE,
    noise: bool = False,
) -> Mixture:
    """Condition a local level with drift and season on a series, and carry it `steps` periods on.

    y_t = μ_t + γ[season_t] + e_t with e_t ~ N(0, v_t + ω²),  μ_t = μ_{t-1} + β + N(0, q),
    μ_1 flat, β ~ N(0, drift_sd²), γ_k ~ N(0, σ²). The sds √q, σ and ω have half-normal priors
    (scales `LEVEL_SCALE`, `SEASON_SCALE`, `NOISE_SCALE`) and are integrated over a grid of
    halvings: each grid point holds the prior mass of its cell times its marginal likelihood.
    See Durbin & Koopman (2012), doi:10.1093/acprof:oso/9780199641178.001.0001, for the model, and
    Rue, Martino & Chopin (2009), doi:10.1111/j.1467-9868.2008.00700.x, for the grid.

    Parameters
    ----------
    values : (period,) array
        One value per period on a log or logit scale; NaN where nothing was observed.
    variances : (period,) array
        Known sampling variances v_t > 0 of the values (0 is allowed with `noise`).
    steps : int
        How many periods after the last one are wanted, ≥ 0.
    seasons : (period + steps,) integers or None
        Position in the season of every period; None for no season.
    drift_sd : float
        Prior sd of the drift per period; 0 for none.
    damping : float
        What is left of the drift in each period after the last one, 0 < damping ≤ 1: the h-th adds
        β·damping^h (Gardner & McKenzie 1985, doi:10.1287/mnsc.31.10.1237).
    level_scale : float
        Scale of the half-normal prior of √q.
    noise : bool
        Whether a white noise of unknown sd ω comes on top of v_t.

    Returns
    -------
    Mixture
        Of μ_t + γ[season_t] for all period + steps periods.

    Raises
    ------
    ValueError
        No value is observed, lengths do not fit, or a variance cannot be one.

    Examples
    --------
    >>> level = smooth(np.array([1.0, 1.1, np.nan, 0.9]), np.full(4, 0.01), 2)
    >>> level.means.shape[1]
    6
    """
    seen, y, v = _observed(values, variances, noise)
    periods = values.size + steps
    if seasons is not None and seasons.shape != (periods,):
        raise ValueError(f"{periods} season positions are needed, not {seasons.shape}")
    walked = np.arange(periods, dtype=np.float64)
    time = walked.copy()
    time[values.size :] = values.size - 1 + np.cumsum(damping ** np.arange(1.0, steps + 1))
    same = None if seasons is None else (seasons[:, None] == seasons[None, :]).astype(np.float64)
    fixed = FLAT**2 + drift_sd**2 * np.outer(time, time)
    walk = np.minimum(walked[:, None], walked[None, :])
    centre = float(np.average(y, weights=1 / (v + 1e-6)))

    def latent(level_sd: float, season_sd: float) -> FloatArray:
        covariance = fixed + level_sd**2 * walk
        return covariance if same is None else covariance + season_sd**2 * same

    grids = (_grid(level_scale, True), _grid(SEASON_SCALE, same is not None), _grid(NOISE_SCALE, noise))
    points = list(product(*grids))
    scores = np.array([math.log(a * b * c) for (_, a), (_, b), (_, c) in points])
    chunk = max(1, _CHUNK // seen.size**2)
    for start in range(0, len(points), chunk):
        part = points[start : start + chunk]
        observed = np.stack(
            [latent(level, season)[np.ix_(seen, seen)] for (level, _), (season, _), _ in part]
        )
        own = v + np.array([noise_sd for _, _, (noise_sd, _) in part])[:, None] ** 2
        observed[:, np.arange(seen.size), np.arange(seen.size)] += own
        scores[start : start + chunk] += _log_density(y - centre, observed)
    posterior = np.exp(scores - scores.max())
    kept = np.flatnonzero(posterior > _NEGLIGIBLE)
    means, covariances = np.empty((kept.size, periods)), np.empty((kept.size, periods, periods))
    for row, k in enumerate(kept.tolist()):
        (level_sd, _), (season_sd, _), (noise_sd, _) = points[k]
        prior = latent(level_sd, season_sd)
        across = prior[:, seen]
        gain = np.linalg.solve(prior[np.ix_(seen, seen)] + np.diag(v + noise_sd**2), across.T).T
        means[row] = centre + gain @ (y - centre)
        covariance = prior - gain @ across.T
        covariances[row] = (covariance + covariance.T) / 2
    weights = posterior[kept] / posterior[kept].sum()
    return Mixture(weights, means, covariances, np.array([points[k][2][0] for k in kept.tolist()]))


def _observed(
    values: FloatArray, variances: FloatArray, noise: bool
) -> tuple[IntArray, FloatArray, FloatArray]:
    """Positions, values and variances of the periods that were observed."""
    if values.ndim != 1 or values.shape != variances.shape:
        raise ValueError(f"one variance per value is needed: {values.shape} and {variances.shape}")
    seen = np.flatnonzero(np.isfinite(values))
    if not seen.size:
        raise ValueError("no period is observed")
    v = variances[seen]
    if not (np.all(np.isfinite(v)) and np.all(v >= 0 if noise else v > 0)):
        raise ValueError("a variance is not a positive finite number")
    return seen, values[seen], v


def _grid(scale: float, used: bool) -> list[tuple[float, float]]:
    """Grid of a half-normal sd as (sd, prior mass of its cell); one point at 0 where it is not used."""
    if not used:
        return [(0.0, 1.0)]
    points = [scale * 2.0**k for k in _HALVINGS]
    edges = [math.inf, *(math.sqrt(a * b) for a, b in pairwise(points)), 0.0]
    below = [math.erf(edge / scale / math.sqrt(2)) for edge in edges]
    return [(sd, high - low) for sd, (high, low) in zip(points, pairwise(below), strict=True)]


def _log_density(residual: FloatArray, covariances: FloatArray) -> FloatArray:
    """Log density of a centred Gaussian under each covariance, without its constant."""
    roots = np.linalg.cholesky(covariances)
    white = np.linalg.solve(roots, residual[:, None])[..., 0]
    found: FloatArray = -0.5 * (white**2).sum(axis=1) - np.log(np.diagonal(roots, axis1=1, axis2=2)).sum(
        axis=1
    )
    return found
