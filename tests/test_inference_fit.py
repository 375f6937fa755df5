"""Fits from data to posterior: against quadrature, known figures, and through the store."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import xarray as xr
from scipy.special import expit, logit

from sim.contract import Priors
from sim.inference import density
from sim.inference import fit as fitting
from sim.inference.fit import Sampler
from sim.records.fit import Fit
from sim.registry import models, source
from tests.fitting import fit, fitted, hillstrom, mcse, penn, rossi, run, summary

CONVERSION = models()["conversion"]


def quadrature(trials: Any, successes: Any) -> dict[str, float]:
    """Posterior means of two arms and one segment on a grid, under the prior that the model states."""
    n, y = np.ravel(trials), np.ravel(successes)
    m0 = logit((y.sum() + 0.5) / (n.sum() + 1))
    w = n[1] / n.sum()
    effect, offset = np.linspace(-3, 3, 1601)[:, None], np.linspace(-8, 8, 6401)[None, :]
    eta = m0 + offset - w * effect, m0 + offset + (1 - w) * effect
    log_density = -0.5 * (effect / 0.5) ** 2 - 0.5 * (offset / 1.5) ** 2
    for a in range(2):
        log_density = log_density + y[a] * eta[a] - n[a] * np.logaddexp(0, eta[a])
    p = np.exp(log_density - log_density.max())
    p /= p.sum()
    return {
        "effect": float((p * effect).sum()),
        "control": float((p * expit(eta[0])).sum()),
        "treated": float((p * expit(eta[1])).sum()),
    }


def same_as_quadrature(posterior: Fit, trials: Any, successes: Any) -> None:
    exact = quadrature(trials, successes)
    found = {
        "effect": posterior.draws["effect"][:, 0, 0],
        "control": posterior.draws["level"][:, 0, 0],
        "treated": posterior.draws["level"][:, 1, 0],
    }
    for name, draws in found.items():
        assert abs(draws.mean() - exact[name]) < 4 * mcse(draws), name


def trusted(posterior: Fit) -> bool:
    return all(check.status in ("ok", "note") for check in posterior.checks)


def test_conversion_against_quadrature() -> None:
    pilot = hillstrom()
    same_as_quadrature(fitted("conversion"), pilot.statistics["trials"], pilot.statistics["successes"])


@pytest.mark.parametrize(
    ("trials", "successes"), [((15, 15), (0, 2)), ((40, 1000), (39, 930)), ((5, 0), (1, 0))]
)
def test_conversion_of_small_and_lopsided_pilots_against_quadrature(trials: Any, successes: Any) -> None:
    given = {"trials": trials, "successes": successes}
    pilot = summary(CONVERSION, {name: np.reshape(values, (2, 1)) for name, values in given.items()})
    posterior = run(pilot, "conversion")
    assert trusted(posterior)
    same_as_quadrature(posterior, trials, successes)


def test_hillstrom_purchases_come_out_at_the_known_rates() -> None:
    """0.573 and 1.253 % raw; the prior draws them together by less than half a posterior sd."""
    level = fitted("conversion").draws["level"][:, :, 0]
    for arm, rate in enumerate((122 / 21306, 267 / 21307)):
        assert abs(level[:, arm].mean() - rate) < 0.5 * level[:, arm].std()
    assert (level[:, 1] > level[:, 0]).mean() > 0.999
    assert trusted(fitted("conversion"))


def test_swapped_arms_flip_the_sign_of_the_effect() -> None:
    pilot = hillstrom()
    swapped = summary(CONVERSION, {name: values[::-1] for name, values in pilot.statistics.items()})
    found = run(swapped, "conversion").draws["effect"][:, 0, 0]
    first = fitted("conversion").draws["effect"][:, 0, 0]
    assert abs(found.mean() + first.mean()) < 4 * np.hypot(mcse(found), mcse(first))
    assert found.std() == pytest.approx(first.std(), rel=0.1)


def test_any_coordinates_sample_the_stated_prior() -> None:
    """Without data and with absurd rough estimates, the posterior is the prior: the Jacobian is right.

    Six comparisons at 4 standard errors with a fixed seed: false alarm 4e-4.
    """
    pilot = hillstrom()
    # The model was compiled for this structure by the fits above, or is now.
    fitted("conversion")
    compiled = density.compiled(CONVERSION, pilot, Priors(), source("conversion"))
    zero = np.zeros((2, 1))
    odd = {"effect_hat": [[0.9]], "effect_var": [[0.05]], "base_hat": [-3.0], "base_var": [0.4], "m0": -2.0}
    tree = fitting.sample(
        compiled.with_data(trials=zero, successes=zero, **odd), Sampler(), 0.95, 3, lambda _share: None
    )
    effect = tree["posterior"]["effect"].values.ravel()
    level = logit(tree["posterior"]["level"].values.reshape(-1, 2))
    tau = tree["posterior"]["tau"].values.ravel()
    w = 21307 / 42613
    base = level[:, 0] * (1 - w) + level[:, 1] * w
    for draws, mean, sd in ((effect, 0, 0.5), (base, -2, 1.5), (tau, 0.3 * np.sqrt(2 / np.pi), None)):
        assert abs(draws.mean() - mean) < 4 * mcse(draws)
        if sd is not None:
            squares = np.square(draws - mean)
            assert abs(squares.mean() - sd**2) < 4 * mcse(squares)
    np.testing.assert_allclose(level[:, 1] - level[:, 0], effect, atol=1e-9)
    # Anchored in the middle of the arms, not on the control: base and effect are independent.
    assert abs(np.mean((base + 2) * effect)) < 4 * mcse((base + 2) * effect)


@pytest.mark.slow  # one compilation; a fixed seed, tolerances far beyond its Monte Carlo errors
def test_rossi_hazard_ratio_is_that_of_cox_shrunk_by_the_prior() -> None:
    """Cox gives -0.379 (0.191); with N(0, 0.5) in front, -0.331 (0.178)."""
    posterior = fitted("churn")
    effect = posterior.draws["effect"][:, 0, 0]
    assert effect.mean() == pytest.approx(-0.331, abs=0.03)
    assert effect.std() == pytest.approx(0.178, abs=0.015)
    level = posterior.draws["level"][:, :, 0].mean(axis=0)
    # 66 and 48 arrests in about 9,800 and 10,100 person-weeks, a month being 4.35 weeks.
    statistics = rossi().statistics
    raw = statistics["churned"].sum(axis=(1, 2)) / statistics["at_risk"].sum(axis=(1, 2)) * 30.4375 / 7
    np.testing.assert_allclose(level, raw, rtol=0.07)
    assert trusted(posterior)


@pytest.mark.slow  # one compilation; a fixed seed, tolerances far beyond its Monte Carlo errors
def test_penn_weeks_come_out_at_the_means() -> None:
    """13.338 and 12.505 weeks, with the standard errors of the raw means."""
    posterior = fitted("cost")
    level = posterior.draws["level"][:, :, 0]
    statistics = penn().statistics
    error = (statistics["sd"] / np.sqrt(statistics["n"]))[:, 0]
    np.testing.assert_allclose(level.mean(axis=0), [13.338, 12.505], atol=0.02)
    np.testing.assert_allclose(level.std(axis=0), error, rtol=0.06)
    assert trusted(posterior)


def test_a_stored_fit_is_used_again_and_refit_draws_the_same(tmp_path: Path) -> None:
    def once(**other: Any) -> Fit:
        known: dict[str, Any] = {"seed": 5, "source": source("conversion"), "store": tmp_path} | other
        return fit(CONVERSION, hillstrom(), Priors(), Sampler(), **known)

    shares: list[float] = []
    first = once(progress=shares.append)
    assert not first.reused
    assert shares[0] == 0
    assert shares[-1] == 1
    assert shares == sorted(shares)
    again = once()
    assert again.reused
    assert again.key == first.key
    assert again.checks == first.checks
    assert not (other := once(seed=6)).reused
    assert other.key != first.key
    renewed = once(refit=True)
    assert not renewed.reused
    for name, values in first.draws.items():
        np.testing.assert_array_equal(values, again.draws[name])
        np.testing.assert_array_equal(values, renewed.draws[name])
        assert values.shape[0] == 4000
    (tmp_path / first.key / "draws.npz").write_bytes(b"cut")
    mended = once()
    assert not mended.reused
    assert [check.name for check in mended.checks if check.status == "note"] == ["stored-fit"]
    assert once().reused


def test_the_stored_posterior_opens_in_arviz() -> None:
    import arviz as az
    import xarray as xr

    posterior = fitted("conversion")
    with xr.open_datatree(posterior.netcdf, engine="h5netcdf") as tree:
        groups = {"posterior", "sample_stats", "prior", "posterior_predictive", "observed_data"}
        assert set(tree.children) == groups
        level = tree["posterior"]["level"]
        assert level.dims == ("chain", "draw", "arm", "segment")
        assert list(level.coords["arm"].values) == ["control", "t1"]
        assert tree["prior"]["level"].sizes["draw"] == 1000
        assert "diverging" in tree["sample_stats"]
        flat = level.values.reshape(4000, 2, 1)
        np.testing.assert_array_equal(flat, posterior.draws["level"], "chains one after the other")
        table = az.summary(tree, var_names=["level", "effect"], kind="diagnostics")
        assert (table["r_hat"].astype(float) < 1.01).all()


def test_a_bad_sample_is_tried_once_more_and_kept_with_its_failures(tmp_path: Path) -> None:
    """Ten draws cannot have 400 effective ones: two attempts, then a fit that says so."""
    short = Sampler(draws=10, tune=100)
    known: dict[str, Any] = {"seed": 1, "source": source("conversion"), "store": tmp_path}
    poor = fit(CONVERSION, hillstrom(), Priors(), short, **known)
    names = {check.name: check.status for check in poor.checks}
    assert names["effective-samples-bulk"] == "fail"
    assert names["sampler-retry"] == "note"
    assert sum(check.name == "sampler-retry" for check in poor.checks) == 1
    assert poor.diagnostics["target_accept"] == 0.99
    again = fit(CONVERSION, hillstrom(), Priors(), short, **known)
    assert again.reused
    assert again.checks == poor.checks


def test_a_sample_that_stopped_early_is_no_sample() -> None:
    """Either all chains are shorter, or one is filled up with NaN to the length of the others."""
    fitted("conversion")
    compiled = density.compiled(CONVERSION, hillstrom(), Priors(), source("conversion"))
    whole = fitting.sample(compiled, Sampler(), 0.95, 1, lambda _share: None)
    assert fitting.missing(whole, Sampler()) == ()
    (short,) = fitting.missing(whole, Sampler(draws=2000))
    assert (short.name, short.status) == ("missing-draws", "fail")
    assert "4000 of 8000" in short.message
    assert fitting.missing(whole, Sampler(chains=5))
    whole["sample_stats"]["energy"].values[2, 700:] = np.nan
    (stopped,) = fitting.missing(whole, Sampler())
    assert "3700 of 4000" in stopped.message


def test_a_model_compiled_for_other_labels_is_taken_and_named_anew(tmp_path: Path) -> None:
    """As many arms and segments: no second compile, the same draws, the pilot's own names."""
    first = hillstrom()
    fitted("conversion")
    compiled = set(density._known)
    other = replace(first, arms=("menneske", "客服"), segments=("Ø",))
    found = fit(CONVERSION, other, Priors(), Sampler(), seed=1, source=source("conversion"), store=tmp_path)
    assert set(density._known) == compiled
    np.testing.assert_array_equal(found.draws["effect"], fitted("conversion").draws["effect"])
    tree = xr.open_datatree(found.netcdf, engine="h5netcdf")
    assert tree["posterior"]["level"].coords["arm"].values.tolist() == ["menneske", "客服"]
    assert tree["posterior"]["effect"].coords["treated"].values.tolist() == ["客服"]
    assert tree["prior"]["effect"].coords["treated"].values.tolist() == ["客服"]
    tree.close()
