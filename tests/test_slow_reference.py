"""Every outcome model against the model that its docstring states, written out anew and sampled at length.

The reference is plain PyMC in the textbook's form: effects and bases as mean plus spread times standard
normal, likelihoods of rows or counts, PyMC's own NUTS. Nothing of ``models`` is called for it, anchors are
computed here from the data, and nutpie, which sim samples with, has no part in it. Both must then agree in
all that reaches money: mean, sd and 5, 50 and 95 % quantiles of the mean effect (``delta``), its spread
between segments (``tau``), and the effect and level of every segment.

Pilots are small and their segments unequal, so that the prior, and with it the pooling, has a say. The
reference follows Magnusson et al. (2025, posteriordb: Testing, Benchmarking and Developing Bayesian Inference
Algorithms, doi:10.48550/arXiv.2407.04967): at least 10,000 effective draws, R-hat near 1, no divergences.

False alarms: a figure fails beyond `LIMIT` combined Monte Carlo standard errors, which is set such that any
of all `FIGURES` figures does by chance in 1 % of fresh seeds (Bonferroni).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import arviz as az
import numpy as np
import pymc as pm
import pytensor.tensor as pt
import pytest
from scipy.stats import norm

from sim.inference.fit import Sampler
from sim.records.arrays import FloatArray
from sim.registry import models
from tests.fitting import run, summary

pytestmark = [pytest.mark.slow, pytest.mark.timeout(1500)]

FITS = 5
"""Fits of sim by seed, put together: each is what users get, all are nearly as sharp as the reference."""
CHAINS, DRAWS, TUNE = 4, 10_000, 2_000
COMPARED = ("delta", "tau", "effect", "level")
QUANTILES = (0.05, 0.5, 0.95)
FIGURES = ("mean", "sd", "5 %", "50 %", "95 %")
type Statistics = dict[str, FloatArray]


def contrast(size: FloatArray, prefix: str = "") -> Any:
    """Effects of the treated arms as (arm, segment) deviations that cancel out under the cells' sizes."""
    treated, segments = size.shape[0] - 1, size.shape[1]
    delta = pm.Normal(f"{prefix}delta", 0.0, 0.5, shape=treated)
    tau = pm.HalfNormal(f"{prefix}tau", 0.3, shape=treated)
    z = pm.Normal(f"{prefix}effect_z", shape=(treated, segments))
    effect = pm.Deterministic(f"{prefix}effect", delta[:, None] + tau[:, None] * z)
    by_arm = pt.concatenate([pt.zeros((1, segments)), effect])
    return by_arm - (size / size.sum(axis=0) * by_arm).sum(axis=0)


def predictor(size: FloatArray, m0: float, prefix: str = "") -> Any:
    """Levels on the link scale, (arm, segment)."""
    mean = pm.Normal(f"{prefix}base_mean", m0, 1.5)
    sd = pm.HalfNormal(f"{prefix}base_sd", 1.0)
    return pm.Normal(f"{prefix}base", mean, sd, shape=size.shape[1]) + contrast(size, prefix)


def log_odds(part: FloatArray, whole: FloatArray) -> float:
    """Pooled log odds, half a success and half a failure added."""
    rate = (part.sum() + 0.5) / (whole.sum() + 1)
    return float(np.log(rate / (1 - rate)))


def conversion() -> Statistics:
    """Three arms in four segments: trials and successes."""
    n = np.array([[20, 45, 110, 250], [18, 50, 100, 260], [22, 40, 115, 240]])
    y = np.array([[13, 5, 27, 9], [13, 10, 33, 17], [14, 6, 60, 8]])
    logit = predictor(n, log_odds(y, n))
    pm.Binomial("successes", n, logit_p=logit, observed=y)
    pm.Deterministic("level", pm.math.sigmoid(logit))
    return {"trials": n, "successes": y}


def revenue() -> Statistics:
    """Two arms in three segments: who pays, and lognormal amounts of those who do, row by row."""
    rng = np.random.default_rng(1)
    n = np.array([[40, 300, 200], [45, 280, 210]])
    y = np.array([[12, 25, 61], [18, 28, 74]])
    cell = np.repeat(np.arange(6), y.ravel())
    centre = np.array([4.4, 1.9, 3.1, 4.6, 2.0, 3.3])
    amount = np.exp(centre[cell] + np.array([0.8, 1.0])[cell // 3] * rng.standard_normal(cell.size))
    logs = np.log(amount)
    log_mean = (np.bincount(cell, logs) / y.ravel()).reshape(y.shape)
    squares = np.bincount(cell, (logs - log_mean.ravel()[cell]) ** 2).reshape(y.shape)

    pay = predictor(n, log_odds(y, n), "pay_")
    pm.Binomial("payers", n, logit_p=pay, observed=y)
    # Anchors: the pooled log-sd, and the mean amount of each arm's variance.
    variance = squares.sum(axis=1, keepdims=True) / (y - 1).sum(axis=1, keepdims=True)
    m0 = np.log((y * np.exp(log_mean + variance / 2)).sum() / y.sum())
    mean = predictor(y, m0)
    share = y[1].sum() / y.sum()
    both, apart = pm.Normal("sigma_both", 0.0, 0.5), pm.Normal("sigma_apart", 0.0, 0.3)
    pooled = np.log(squares.sum() / (y - 1).sum()) / 2
    sigma = pt.exp(pooled + both + apart * np.array([-share, 1 - share]))
    location = (mean - sigma[:, None] ** 2 / 2).ravel()
    pm.LogNormal("amount", location[cell], sigma[cell // 3], observed=amount)
    pm.Deterministic("level", pm.math.sigmoid(pay) * pt.exp(mean))
    return {"trials": n, "payers": y, "log_mean": log_mean, "log_squares": squares}


def churn() -> Statistics:
    """Two arms in three segments: customers of each arm left after 0 to 8 months."""
    left = np.array(
        [
            [
                [26, 14, 10, 7, 6, 5, 5, 4, 4],
                [70, 65, 62, 57, 56, 53, 51, 50, 49],
                [160, 134, 116, 106, 98, 90, 85, 81, 79],
            ],
            [
                [24, 15, 12, 10, 8, 7, 6, 6, 6],
                [76, 70, 68, 65, 63, 61, 59, 57, 57],
                [154, 133, 121, 111, 105, 98, 95, 91, 88],
            ],
        ]
    )
    r, d = left[..., :-1], -np.diff(left, axis=2)
    whole = r.sum(axis=(0, 1))
    # Sizes are leavers expected of those at risk in the middle of each month, whatever the arm.
    expected = ((r - d / 2) * -np.log1p(-d.sum(axis=(0, 1)) / whole)).sum(axis=2)
    # Beta-discrete-Weibull: S(t) = B(alpha, beta + t^c) / B(alpha, beta), log_odds = log(alpha / beta).
    k, log_c = pm.HalfNormal("k", 1.0), pm.Normal("log_c", 0.0, 0.3)
    beta = 1 / k
    odds = pm.Normal("log_odds", log_odds(d, r), 1.5)
    alpha = beta * pt.exp(odds)
    time = beta + pt.concatenate([[0.0], np.arange(1.0, 9) ** pt.exp(log_c)])
    log_survival = pt.gammaln(time) - pt.gammaln(alpha + time)
    hazard = log_survival[:-1] - log_survival[1:]
    base = pm.Normal("base", odds, pm.HalfNormal("base_sd", 1.0), shape=3) - odds
    gain = pt.exp(base + contrast(expected))[:, :, None] * hazard
    leaving = -pt.expm1(-gain)
    pm.Binomial("churned", r, leaving, observed=d)
    seen = r.sum(axis=0) / r.sum(axis=(0, 2))[:, None]
    pm.Deterministic("level", (leaving * seen).sum(axis=2))
    zero = np.zeros((2, 3, 1))
    return {
        "at_risk": np.concatenate([r, zero], axis=2),
        "churned": np.concatenate([d, zero], axis=2),
        "alive": np.concatenate([0 * r, left[..., -1:]], axis=2),
        "period_months": np.ones((2, 3)),
    }


def cost() -> Statistics:
    """Three arms in four segments: n, mean and sd of amounts."""
    n = np.array([[8, 20, 45, 120], [7, 22, 40, 130], [9, 18, 44, 110]])
    mean = np.array([[28.1, 9.4, 4.9, 14.1], [22.2, 9.1, 4.1, 12.8], [26.4, 7.6, 4.8, 12.1]])
    sd = np.array([[29.0, 11.5, 5.6, 18.4], [26.8, 10.3, 6.4, 15.8], [31.9, 8.0, 6.9, 17.1]])
    cv2, df = (sd / mean) ** 2, n - 1
    cv2 = (df * cv2 + 20 * (df * cv2).sum() / df.sum()) / (df + 20)
    log_mean = predictor(n, np.log((n * mean).sum() / n.sum()))
    pm.Normal("log_mean", log_mean, np.sqrt(cv2 / (n - 3)), observed=np.log(mean))
    pm.Deterministic("level", pt.exp(log_mean))
    return {"n": n, "mean": mean, "sd": sd}


def count() -> Statistics:
    """Three arms in three segments: events and exposure (1, 2 or 4) of every unit."""
    rng = np.random.default_rng(2)
    units = np.array([[8, 20, 50], [9, 18, 46], [7, 22, 48]])
    rate = np.array([[3.2, 0.5, 1.2], [3.9, 0.6, 1.6], [3.1, 0.5, 1.5]])
    cell = np.repeat(np.arange(9), units.ravel())
    x = np.array([1.0, 2.0, 4.0])[rng.integers(3, size=cell.size)]
    v = rng.poisson(rate.ravel()[cell] * x * rng.gamma(1.6, 1 / 1.6, cell.size))
    exposure = np.bincount(cell, x).reshape(3, 3)
    log_rate = predictor(exposure, float(np.log((v.sum() + 0.5) / x.sum())))
    ratio = pm.Normal("ratio", 0.0, 0.6, shape=2)
    column = np.eye(3)[1:] - exposure.sum(axis=1)[1:, None] / x.sum()
    kappa = pm.HalfNormal("sd", 1.0) ** 2 * pt.exp((ratio[:, None] * column).sum(axis=0))
    pm.NegativeBinomial(
        "events", mu=x * pt.exp(log_rate.ravel())[cell], alpha=1 / kappa[cell // 3], observed=v
    )
    pm.Deterministic("level", pt.exp(log_rate))
    table = np.zeros((3, 3, 3, 128))
    np.add.at(table.reshape(9, 3, 128), (cell, np.searchsorted([1, 2, 4], x), v), 1)
    value = np.arange(128.0)
    return {
        "units": table.sum(axis=3),
        "events": table @ value,
        "histogram": table.sum(axis=2),
        "exposure": np.array([1.0, 2.0, 4.0]),
        "value": value,
    }


def rating() -> Statistics:
    """Two arms in four segments: answers 1 to 5."""
    answers = np.array(
        [
            [[1, 1, 4, 6, 9], [8, 10, 14, 5, 2], [5, 9, 26, 25, 17], [42, 51, 40, 20, 9]],
            [[0, 1, 3, 6, 11], [6, 8, 15, 9, 3], [3, 8, 20, 27, 22], [31, 44, 48, 26, 14]],
        ]
    )
    n = answers.sum(axis=2)
    pooled = answers.sum(axis=(0, 1)) + 1
    below = np.cumsum(pooled)[:-1] / pooled.sum()
    split = int(np.argmin(np.abs(below - 0.5))) + 1
    m0 = float(np.log(1 / below[split - 1] - 1))
    low = below[split - 1] * pm.Dirichlet("lower", np.ones(split))
    high = (1 - below[split - 1]) * pm.Dirichlet("upper", np.ones(5 - split))
    reached = pt.cumsum(pt.concatenate([low, high]))[:-1]
    cut = pt.log(reached / (1 - reached)) + m0
    location = predictor(n, m0)
    share = n[1].sum() / n.sum()
    scale = pt.exp(pm.Normal("log_scale", 0.0, 0.2) * np.array([-share, 1 - share]))[:, None]
    eta, cutpoints = location / scale, cut / scale[:, :, None]
    pm.OrderedMultinomial("answers", eta, cutpoints, n, observed=answers, compute_p=False)
    within = pm.math.sigmoid(cutpoints - eta[:, :, None])
    # The mean is the lowest point plus the chances of answers above each point.
    pm.Deterministic("level", 1 + (1 - within).sum(axis=2))
    points = np.arange(1.0, 6)
    return {"counts": answers, "value": points, "score": points, "reference": pooled / pooled.sum()}


PILOTS: dict[str, Callable[[], Statistics]] = {
    "conversion": conversion,
    "revenue": revenue,
    "churn": churn,
    "cost": cost,
    "count": count,
    "rating": rating,
}


def reference(name: str) -> tuple[Statistics, dict[str, FloatArray]]:
    """Statistics of the pilot, and draws (chain, draw, ...) of all that is compared, once they are sound."""
    with pm.Model():
        statistics = PILOTS[name]()
        tree = pm.sample(
            DRAWS,
            tune=TUNE,
            chains=CHAINS,
            cores=2,
            target_accept=0.99,
            random_seed=20250503,
            nuts_sampler="pymc",
            progressbar=False,
            compute_convergence_checks=False,
        )
    assert not tree["sample_stats"]["diverging"].values.any()
    posterior = {str(key): values.values for key, values in tree["posterior"].data_vars.items()}
    assert max(np.max(az.rhat(values)) for values in posterior.values()) < 1.005
    compared = {key: values for key, values in posterior.items() if key.removeprefix("pay_") in COMPARED}
    assert min(np.min(az.ess(values, method="bulk")) for values in compared.values()) > 10_000
    return statistics, compared


def fits(name: str, statistics: Statistics) -> dict[str, FloatArray]:
    """Draws (chain, draw, ...) of sim's fits of the same pilot."""
    pilot = summary(models()[name], statistics)
    found = [run(pilot, name, seed=seed) for seed in range(1, FITS + 1)]
    assert [check for fit in found for check in fit.checks if check.status == "fail"] == []
    return {
        key: np.concatenate(
            [fit.draws[key].reshape(Sampler().chains, -1, *values.shape[1:]) for fit in found]
        )
        for key, values in found[0].draws.items()
    }


def figures(draws: FloatArray) -> tuple[FloatArray, FloatArray]:
    """Mean, sd and three quantiles, (5, ...), and the Monte Carlo standard error of each."""
    whole = draws.reshape(-1, *draws.shape[2:])
    values = [whole.mean(axis=0), whole.std(axis=0, ddof=1), *np.quantile(whole, QUANTILES, axis=0)]
    errors = [az.mcse(draws, method="mean"), az.mcse(draws, method="sd")]
    errors += [az.mcse(draws, method="quantile", prob=prob) for prob in QUANTILES]
    return np.stack(values), np.stack(errors)


def distances(
    one: Mapping[str, FloatArray], other: Mapping[str, FloatArray]
) -> dict[tuple[str, str, tuple[int, ...]], float]:
    """Differences of all figures in combined Monte Carlo standard errors, by name, figure and place."""
    found = {}
    for key, values in other.items():
        (a, a_error), (b, b_error) = figures(one[key]), figures(values)
        for (row, *place), z in np.ndenumerate((a - b) / np.hypot(a_error, b_error)):
            found[key, FIGURES[row], tuple(place)] = float(z)
    return found


@pytest.mark.parametrize("name", sorted(PILOTS))
def test_the_posterior_is_that_of_the_model_written_out_anew(name: str) -> None:
    """See the module; a sixth of its false alarms each."""
    statistics, expected = reference(name)
    found = distances(fits(name, statistics), expected)
    limit = norm.isf(0.01 / len(PILOTS) / len(found) / 2)
    far = {where: round(z, 1) for where, z in found.items() if not abs(z) < limit}
    assert not far, f"{len(far)} of {len(found)} figures differ by more than {limit:.2f} errors: {far}"
