"""The log density of every model against its definition, written down here once more.

What the sampler moves in are coordinates of the model's own, so two points are compared: the difference of
the model's log density must be that of prior and likelihood as the docstrings state them, at the parameters
that the model itself shows for these points. Constants cancel; nothing is sampled and nothing compiled for
speed.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import pytest
from scipy.special import betaln, logit
from scipy.stats import binom, halfnorm, nbinom, norm

from sim.contract import OutcomeModel, Priors
from sim.records.summary import PilotSummary
from sim.registry import models
from tests.fitting import summary
from tests.test_models_contract import example
from tests.test_models_designs import designed

type Shown = dict[str, np.ndarray[Any, Any]]

TAU = 0.3
POINTS = 3


def compare(
    model: OutcomeModel,
    pilot: PilotSummary,
    names: Sequence[str],
    density: Callable[[Shown], float],
    moved: Callable[[Shown], Any] | None = None,
) -> list[Shown]:
    """Check differences of the log density between a few points; return what the model shows at them.

    `moved` gives the parameters whose density is stated, as many as the sampler has coordinates, where the
    Jacobian between them changes from point to point; else only HalfNormals move, on the log scale.
    """
    built = model.build(pilot, Priors())
    start = built.initial_point()
    shown = built.replace_rvs_by_values([built[name] for name in names])
    run = built.compile_fn(
        [built.logp(), *shown], inputs=built.value_vars, mode="FAST_COMPILE", on_unused_input="ignore"
    )

    def at(flat: np.ndarray[Any, Any]) -> tuple[float, Shown]:
        ends = np.cumsum([value.size for value in start.values()])[:-1]
        parts = zip(start.items(), np.split(flat, ends), strict=True)
        value, *values = run({name: part.reshape(was.shape) for (name, was), part in parts})
        return float(value), dict(zip(names, values, strict=True))

    logs = np.concatenate([np.full(v.size, name.endswith("_log__")) for name, v in start.items()])
    rng = np.random.default_rng(8)
    found, gaps = [], []
    for _ in range(POINTS):
        flat = np.concatenate([np.ravel(v) for v in start.values()]) + 0.5 * rng.standard_normal(logs.size)
        value, seen = at(flat)
        jacobian = float(flat[logs].sum())
        if moved is not None:
            steps = 1e-4 * np.eye(flat.size)
            columns = [moved(at(flat + step)[1]) - moved(at(flat - step)[1]) for step in steps]
            jacobian = float(np.linalg.slogdet(np.array(columns) / 2e-4)[1])
        found.append(seen)
        gaps.append(value - density(seen) - jacobian)
    np.testing.assert_allclose(gaps, gaps[0], rtol=0, atol=1e-6)
    return found


def share(size: Any) -> float:
    """Share of the treated arm: where the base lies between the arms."""
    return float(size[1, 0] / size.sum())


def prior(eta: Any, m0: float, w: float, at: Shown, prefix: str = "") -> float:
    """Density of base, effect and spread of the effects, two arms and one segment."""
    effect = eta[1] - eta[0]
    np.testing.assert_allclose(at[f"{prefix}effect"].ravel(), effect, atol=1e-9)
    return float(
        norm.logpdf(eta[0] + w * effect, m0, 1.5)
        + norm.logpdf(effect, 0, 0.5)
        + halfnorm.logpdf(at[f"{prefix}tau"][0], scale=TAU)
    )


def test_conversion() -> None:
    pilot = example("conversion", (2, 1))
    n, y = (pilot.statistics[name][:, 0] for name in ("trials", "successes"))
    m0 = logit((y.sum() + 0.5) / (n.sum() + 1))

    def density(at: Shown) -> float:
        rate = at["level"][:, 0]
        return prior(logit(rate), m0, share(n[:, None]), at) + float(binom.logpmf(y, n, rate).sum())

    compare(models()["conversion"], pilot, ("level", "effect", "tau"), density)


def test_segments_are_drawn_from_what_they_share() -> None:
    pilot = example("conversion", (2, 3))
    n, y = (pilot.statistics[name] for name in ("trials", "successes"))
    m0, w = logit((y.sum() + 0.5) / (n.sum() + 1)), n[1] / n.sum(axis=0)

    def density(at: Shown) -> float:
        eta = logit(at["level"])
        base, effect = eta[0] + w * (eta[1] - eta[0]), eta[1] - eta[0]
        tau, sd = float(at["tau"][0]), float(at["base_sd"])
        return float(
            norm.logpdf(at["base_mean"], m0, 1.5)
            + halfnorm.logpdf(sd, scale=1)
            + norm.logpdf(base, at["base_mean"], sd).sum()
            + norm.logpdf(at["delta"][0], 0, 0.5)
            + halfnorm.logpdf(tau, scale=TAU)
            + norm.logpdf(effect, at["delta"][0], tau).sum()
            + binom.logpmf(y, n, at["level"]).sum()
        )

    def moved(at: Shown) -> Any:
        eta = logit(at["level"])
        base = eta[0] + w * (eta[1] - eta[0])
        return np.concatenate([np.ravel(v) for v in (base, *(at[name] for name in names[1:]))])

    names = ("level", "effect", "tau", "delta", "base_mean", "base_sd")
    for at in compare(models()["conversion"], pilot, names, density, moved):
        np.testing.assert_allclose(at["effect"][0], logit(at["level"][1]) - logit(at["level"][0]), atol=1e-9)


def test_cost() -> None:
    statistics = {"n": [[40], [160]], "mean": [[10.0], [12.0]], "sd": [[7.0], [3.0]]}
    pilot = summary(models()["cost"], statistics)
    n, mean, sd = (np.ravel(statistics[name]) for name in ("n", "mean", "sd"))
    m0 = np.log((n * mean).sum() / n.sum())
    squared = (sd / mean) ** 2
    pooled = ((n - 1) * squared).sum() / (n - 1).sum()
    cv2 = ((n - 1) * squared + 20 * pooled) / (n - 1 + 20)

    def density(at: Shown) -> float:
        eta = np.log(at["level"][:, 0])
        known = norm.logpdf(np.log(mean), eta, np.sqrt(cv2 / (n - 3))).sum()
        return prior(eta, m0, 0.8, at) + float(known)

    compare(models()["cost"], pilot, ("level", "effect", "tau"), density)


def test_count() -> None:
    pilot = example("count", (2, 1))
    # Ten units an arm: five seen once with 0, 0, 1, 1, 2 events, five seen four times as long with the rest.
    x = np.array([1.0] * 5 + [4.0] * 5)
    v = np.array([0, 0, 1, 1, 2, 2, 3, 3, 4, 4])
    pooled = (2 * v.sum() + 0.5) / (2 * x.sum())

    def density(at: Shown) -> float:
        rate, kappa = at["level"][:, 0], at["dispersion"]
        events = sum(
            nbinom.logpmf(v, 1 / k, 1 / (1 + k * r * x)).sum() for r, k in zip(rate, kappa, strict=True)
        )
        # kappa = sd² exp(∓ ratio / 2) for arms of equal exposure; sd of either sign.
        ratio, square = np.log(kappa[1] / kappa[0]), np.sqrt(kappa[0] * kappa[1])
        spread = norm.logpdf(np.sqrt(square)) + norm.logpdf(ratio, 0, 0.6)
        return prior(np.log(rate), np.log(pooled), 0.5, at) + float(spread + events)

    compare(models()["count"], pilot, ("level", "effect", "tau", "dispersion"), density)


def test_revenue() -> None:
    pilot = example("revenue", (2, 1))
    n, y, logs, squares = (
        pilot.statistics[name][:, 0] for name in ("trials", "payers", "log_mean", "log_squares")
    )
    m0 = models()["revenue"].data(pilot, Priors())["m0"]
    s0 = models()["revenue"].data(pilot, Priors())["sigma_m0"]
    pay_m0 = logit((y.sum() + 0.5) / (n.sum() + 1))
    part = ((y + 1) / (y + 1).sum())[1]

    def density(at: Shown) -> float:
        rate, mean, sigma = at["pay"][:, 0], at["level"][:, 0] / at["pay"][:, 0], at["sigma"]
        paying = prior(logit(rate), pay_m0, 0.5, at, "pay_") + binom.logpmf(y, n, rate).sum()
        # y lognormal amounts whose mean, not median, the level holds.
        centre = np.log(mean) - sigma**2 / 2
        amounts = -(y * np.log(sigma) + (squares + y * (logs - centre) ** 2) / (2 * sigma**2)).sum()
        gap = np.log(sigma[1] / sigma[0])
        common = np.log(sigma[0]) + part * gap - s0
        spread = norm.logpdf(common, 0, 0.5) + norm.logpdf(gap, 0, 0.3)
        return float(paying + amounts + spread) + prior(np.log(mean), m0, share(y[:, None]), at)

    names = ("level", "effect", "tau", "pay", "pay_effect", "pay_tau", "sigma")
    compare(models()["revenue"], pilot, names, density)


def test_churn() -> None:
    pilot = example("churn", (2, 1))
    r, d = (pilot.statistics[name][:, 0] for name in ("at_risk", "churned"))
    m0 = logit((d.sum() + 0.5) / (r.sum() + 1))
    seen = r.sum(axis=0) > 0
    weight = r.sum(axis=0)[seen] / r.sum()

    def density(at: Shown) -> float:
        k, odds = float(at["k"]), np.exp(float(at["log_odds"]))
        time = np.arange(seen.sum() + 1.0) ** np.exp(float(at["log_c"]))
        # S(t) = B(odds/k, 1/k + t^c) / B(odds/k, 1/k), and proportional hazards on top of it.
        whole = betaln(odds / k, 1 / k) - betaln(odds / k, 1 / k + time)
        each = np.exp(at["shift"]) * np.diff(whole)
        effect = float(at["effect"][0, 0])
        np.testing.assert_allclose(at["shift"][1] - at["shift"][0], effect, atol=1e-9)
        np.testing.assert_allclose(at["level"][:, 0], -np.expm1(-each) @ weight, rtol=1e-6)
        return float(
            norm.logpdf(at["log_odds"], m0, 1.5)
            + halfnorm.logpdf(k, scale=1)
            + norm.logpdf(at["log_c"], 0, 0.3)
            + norm.logpdf(effect, 0, 0.5)
            + halfnorm.logpdf(at["tau"][0], scale=TAU)
            + (d[:, seen] * np.log(-np.expm1(-each)) - (r - d)[:, seen] * each).sum()
        )

    names = ("level", "shift", "effect", "tau", "k", "log_odds", "log_c")
    compare(models()["churn"], pilot, names, density)


def test_difference_in_differences() -> None:
    pilot = designed("conversion", "difference-in-differences")
    n, y = (pilot.statistics[name][:, 0] for name in ("trials", "successes"))
    m0 = logit((y.sum() + 0.5) / (n.sum() + 1))

    def density(at: Shown) -> float:
        eta = logit(at["fitted"][:, 0])
        effect, gap, trend = (float(at[name].ravel()[0]) for name in ("effect", "gap", "trend"))
        # Control before and after, treated before and after.
        assert (eta[3] - eta[2]) - (eta[1] - eta[0]) == pytest.approx(effect, abs=1e-9)
        arms = logit(at["level"][:, 0])
        assert arms[1] - arms[0] == pytest.approx(effect, abs=1e-9)
        # Cells of one size: how the arms differ, how everyone changes, and the effect pulled out of both.
        assert (eta[2] + eta[3] - eta[0] - eta[1]) / 2 == pytest.approx(gap, abs=1e-9)
        assert (eta[1] + eta[3] - eta[0] - eta[2]) / 2 == pytest.approx(trend, abs=1e-9)
        return float(
            norm.logpdf(eta.mean(), m0, 1.5)
            + norm.logpdf(gap, 0, 1)
            + norm.logpdf(trend, 0, 0.5)
            + norm.logpdf(effect, 0, 0.5)
            + halfnorm.logpdf(at["tau"][0], scale=TAU)
            + binom.logpmf(y, n, at["fitted"][:, 0]).sum()
        )

    compare(models()["conversion"], pilot, ("level", "fitted", "effect", "tau", "gap", "trend"), density)


def test_before_after() -> None:
    pilot = designed("conversion", "before-after")
    n, y = (pilot.statistics[name][:, 0] for name in ("trials", "successes"))
    arrays = models()["conversion"].data(pilot, Priors())
    (drift, sd), (error, variance) = arrays["drift"], arrays["placebo"]
    m0 = logit((y.sum() + 0.5) / (n.sum() + 1))

    def density(at: Shown) -> float:
        eta, arms = logit(at["fitted"][:, 0]), logit(at["level"][:, 0])
        effect, bias, spread = float(at["effect"][0, 0]), float(at["bias"]), float(at["bias_sd"])
        # The change holds effect and bias; without the programme there would have been the bias alone.
        assert eta[1] - eta[0] == pytest.approx(effect + bias, abs=1e-9)
        assert arms[0] == pytest.approx(eta[0] + bias, abs=1e-9)
        assert arms[1] == pytest.approx(eta[1], abs=1e-9)
        placebos = norm.logpdf(error, 0, np.sqrt(variance + spread**2)).sum()
        # The bias moves in units of its own spread, so its density there is that of a standard normal.
        unit = (bias - drift) / np.hypot(sd, spread)
        return float(
            norm.logpdf(eta.mean(), m0, 1.5)
            + norm.logpdf(effect, 0, 0.5)
            + halfnorm.logpdf(at["tau"][0], scale=TAU)
            + halfnorm.logpdf(spread, scale=0.1)
            + norm.logpdf(unit)
            + placebos
            + binom.logpmf(y, n, at["fitted"][:, 0]).sum()
        )

    names = ("level", "fitted", "effect", "tau", "bias", "bias_sd")
    compare(models()["conversion"], pilot, names, density)
