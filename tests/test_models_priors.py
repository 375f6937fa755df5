"""Draws of the prior, stated ranges and thinned pilots, against what the models say of them."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from scipy.special import expit, logit

from sim.contract import Priors
from sim.records.summary import Design
from sim.registry import models
from tests.fitting import summary
from tests.test_models_contract import example

N = 20_000


@pytest.mark.parametrize("name", sorted(models()))
def test_draws_of_the_prior_have_its_spread(name: str) -> None:
    """Effect N(0, 0.5), its spread HalfNormal(0.3): sds within 5 % of 20,000 draws, ten standard errors."""
    draws = models()[name].prior(example(name, (2, 3)), Priors(), N, rng=np.random.default_rng(1))
    assert draws["delta"].std() == pytest.approx(0.5, rel=0.05)
    assert np.sqrt(np.square(draws["tau"]).mean()) == pytest.approx(0.3, rel=0.05)
    # Each segment's effect holds what segments share and its own part.
    assert draws["effect"].std() == pytest.approx(np.hypot(0.5, 0.3), rel=0.05)
    apart = draws["effect"] - draws["delta"][..., None]
    assert apart.std() == pytest.approx(0.3, rel=0.05)
    if name == "revenue":
        assert draws["pay_delta"].std() == pytest.approx(0.5, rel=0.05)
    if name == "conversion":
        base = logit(draws["level"]).mean(axis=1)
        # The mean of the bases N(m0, 1.5), each apart by a HalfNormal(1) spread; arms of equal size.
        assert base.std() == pytest.approx(np.hypot(1.5, 1.0), rel=0.05)


def test_a_stated_bias_is_a_90_percent_range() -> None:
    pilot = replace(
        example("conversion", (2, 1)),
        arms=("before", "treated"),
        design=Design("before-after", bias=(-0.10, 0.20)),
    )
    model = models()["conversion"]
    arrays = model.data(pilot, Priors())
    mean, sd = arrays["drift"]
    rate = expit(arrays["m0"])
    for z, change in ((-1.6448536269514722, -0.10), (1.6448536269514722, 0.20)):
        assert expit(arrays["m0"] + mean + z * sd) / rate - 1 == pytest.approx(change, abs=2e-3)
    drawn = model.prior(pilot, Priors(), N, rng=np.random.default_rng(1))["bias"]
    assert drawn.std() == pytest.approx(sd, rel=0.03)


def test_cost_of_logarithms_alone_is_that_of_lognormal_amounts() -> None:
    """A mean of exp(μ + σ²/2), and its error, against the amounts themselves."""
    rng = np.random.default_rng(2)
    amounts = rng.lognormal(2.0, 0.9, (2, 1, 200_000))
    logs = np.log(amounts)
    known = {"n": [[200_000.0]] * 2, "log_mean": logs.mean(axis=2), "log_sd": logs.std(axis=2, ddof=1)}
    arrays = models()["cost"].data(summary(models()["cost"], known), Priors())
    np.testing.assert_allclose(np.exp(arrays["log_mean"]), amounts.mean(axis=2), rtol=0.02)
    error = np.sqrt((0.81 + 0.81**2 / 2) / 200_000)
    np.testing.assert_allclose(arrays["precision"] ** -0.5, error, rtol=0.02)


@pytest.mark.parametrize("name", sorted(models()))
def test_a_design_effect_thins_what_the_likelihood_sees(name: str) -> None:
    """Four alike rows count as one: rough variances of the effect are four times as large, or nearly so."""
    model, pilot = models()[name], example(name, (2, 3))
    whole = model.data(pilot, Priors())
    thin = model.data(replace(pilot, design=Design(effect=4.0)), Priors())
    ratio = thin["effect_var"] / whole["effect_var"]
    assert (ratio > 2.2).all()
    assert (ratio < 4.5).all()
