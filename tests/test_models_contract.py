"""What every outcome model must keep to, whichever file it is in."""

from __future__ import annotations

import subprocess
import sys
from typing import Any

import numpy as np
import pytest
from pydantic import ValidationError

from sim.contract import EffectPrior, OutcomeModel, Priors
from sim.records.check import Check
from sim.records.projection import ArmState, Exposure, Reach
from sim.records.summary import PilotSummary
from sim.registry import models
from tests.fitting import summary

SHAPES = [(1, 1), (2, 1), (3, 1), (1, 3), (2, 3), (3, 3)]


def example(name: str, shape: tuple[int, int]) -> PilotSummary:
    """Return a pilot for every model that there is; a new model adds its own here."""
    model = models()[name]
    full = np.ones(shape)
    spread = 1 + 0.1 * np.arange(full.size).reshape(shape)
    if name == "conversion":
        return summary(model, {"trials": 500 * full, "successes": np.rint(20 * spread)})
    if name == "cost":
        return summary(model, {"n": 50 * full, "mean": 10 * spread, "sd": 7 * full})
    if name == "revenue":
        # Amounts of some 200,000, so that logarithms stay above 0 whatever is drawn.
        logs = {"log_mean": 12 * full, "log_squares": 25 * spread}
        return summary(model, {"trials": 500 * full, "payers": np.rint(40 * spread), **logs})
    if name == "count":
        value = np.arange(128.0)
        # Two units each with 0, 1 … 4 events in every cell; half of the units were seen four times as long.
        histogram = np.zeros((*shape, 128))
        histogram[..., :5] = 2
        units = 5 * np.ones((*shape, 2))
        events = units * [0.8, 3.2]
        return summary(
            model,
            {"units": units, "events": events, "histogram": histogram, "value": value, "exposure": [1, 4]},
        )
    if name == "rating":
        counts = np.rint(spread[..., None] * [4, 6, 12, 40, 30])
        reference = np.array([5, 7, 13, 41, 31]) / 97
        value = np.arange(1.0, 6)
        return summary(model, {"counts": counts, "value": value, "score": value, "reference": reference})
    if name == "churn":
        left = np.rint(200 * np.exp(-0.1 * spread[..., None] * np.arange(6)))
        at_risk = np.concatenate([left[..., :-1], 0 * left[..., :1]], axis=2)
        churned = np.concatenate([-np.diff(left, axis=2), 0 * left[..., :1]], axis=2)
        alive = 0 * left
        alive[..., -1] = left[..., -1]
        return summary(model, {"at_risk": at_risk, "churned": churned, "alive": alive, "period_months": full})
    raise NotImplementedError(f"add an example pilot of model {name!r}")


@pytest.fixture(params=sorted(models()))
def model(request: pytest.FixtureRequest) -> OutcomeModel:
    return models()[request.param]


def test_names_and_words(model: OutcomeModel) -> None:
    assert (type(model).__doc__ or "").strip()
    assert (sys.modules[type(model).__module__].__doc__ or "").count("\n") > 5
    assert model.title
    assert model.unit
    assert model.effect_scale
    assert model.better in ("higher", "lower")
    assert model.level in ("share", "positive", "real")
    assert model.counts in ("successes", "customers", "amounts")
    required = [frozenset(columns.required) for columns in model.column_sets]
    assert len(set(required)) == len(required), "two forms of a table could not be told apart"
    for columns in model.column_sets:
        optional = [column.optional for column in columns.columns]
        assert optional == sorted(optional), "optional columns come last"
        assert all(column.meaning for column in columns.columns)
        assert all(set(rule.roles) <= set(columns.roles) for rule in columns.rules)


def test_priors_have_a_strict_schema(model: OutcomeModel) -> None:
    schema = model.priors.model_json_schema()
    assert "effect" in schema["properties"]
    assert schema["additionalProperties"] is False


@pytest.mark.parametrize(
    "wrong",
    [
        {"low": 0.1, "high": 0.1},
        {"low": 0.2, "high": 0.1},
        {"low": -1.0, "high": 0.1},
        {"low": 0.0, "high": 0.1, "discount": 1.5},
        {"low": 0.0, "high": 0.1, "discont": 0.5},
        {"low": "0", "high": 0.1},
        {"low": 0.0, "high": float("inf")},
    ],
)
def test_impossible_effect_priors_are_refused(model: OutcomeModel, wrong: dict[str, Any]) -> None:
    with pytest.raises(ValidationError):
        model.priors.model_validate({"effect": wrong})


def test_an_effect_prior_has_its_range_and_its_discount() -> None:
    mean, sd = EffectPrior(low=-0.2, high=0.3, discount=0.5).log_ratio
    assert 2 * mean == pytest.approx((np.log(0.8) + np.log(1.3)) / 2)
    assert 2 * mean + 1.6448536269514722 * sd == pytest.approx(np.log(1.3))


def test_listing_models_loads_no_sampler() -> None:
    code = (
        "import sys; from sim.registry import models; models(); "
        "print(sorted({'pymc', 'pytensor', 'nutpie', 'arviz', 'xarray', 'ibis'} & set(sys.modules)))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


@pytest.mark.parametrize("shape", SHAPES)
def test_build_and_prior_agree_on_names_and_shapes(model: OutcomeModel, shape: tuple[int, int]) -> None:
    from pytensor.graph.traversal import ancestors

    pilot = example(model.name, shape)
    arms, segments = shape
    built = model.build(pilot, Priors())
    dims = built.named_vars_to_dims
    assert dims["level"] == ("arm", "segment")
    assert list(built.coords["arm"]) == list(pilot.arms)
    assert list(built.coords["segment"]) == list(pilot.segments)
    if arms > 1:
        assert dims["effect"] == ("treated", "segment")
        assert dims["delta"] == dims["tau"] == ("treated",)
    arrays = model.data(pilot, Priors())
    assert {variable.name for variable in built.data_vars} == set(arrays)
    used = set(ancestors([built.logp(), *built.deterministics]))
    assert [v.name for v in built.data_vars if v not in used] == [], (
        "with_data refuses data that no one reads"
    )

    draws = model.prior(pilot, Priors(), 200, rng=np.random.default_rng(1))
    kept = {v.name for v in built.unobserved_RVs if not v.name.startswith("_")}
    assert set(draws) == kept
    assert draws["level"].shape == (200, arms, segments)
    for name, values in draws.items():
        sizes = tuple(len(built.coords[dim]) for dim in dims.get(name, ()))
        assert values.shape == (200, *sizes)
        assert np.isfinite(values).all()
    assert (draws["level"] >= 0).all()
    if model.level == "share":
        assert (draws["level"] <= 1).all()


@pytest.mark.parametrize("shape", [(2, 1), (3, 3)])
def test_simulated_pilots_can_be_read_again(model: OutcomeModel, shape: tuple[int, int]) -> None:
    pilot = example(model.name, shape)
    rng = np.random.default_rng(2)
    draws = model.prior(pilot, Priors(effect=EffectPrior(low=-0.1, high=0.1)), 50, rng=rng)
    made = model.simulate(draws, pilot, rng=rng)
    assert set(made) <= set(pilot.statistics)
    for name, values in made.items():
        assert values.shape == (50, *pilot.statistics[name].shape)
        assert np.isfinite(values).all()
        assert (values >= 0).all()
    again = summary(model, {name: values[7] for name, values in made.items()})
    assert all(np.isfinite(values).all() for values in model.data(again, Priors()).values())
    predictive = model.predictive(draws, pilot, rng=rng)
    assert predictive.replicated.shape == (50, predictive.observed.size)
    assert len(predictive.labels) == predictive.observed.size
    assert predictive.name


def shown_level(name: str, made: dict[str, Any], pilot: PilotSummary) -> Any:
    """Level that simulated statistics show on average, (arm, segment)."""
    mean = {key: values.mean(axis=0) for key, values in made.items()}
    if name == "conversion":
        return mean["successes"] / pilot.statistics["trials"]
    if name == "cost":
        return mean["mean"]
    if name == "revenue":
        log_variance = mean["log_squares"] / (mean["payers"] - 1)
        return mean["payers"] / pilot.statistics["trials"] * np.exp(mean["log_mean"] + log_variance / 2)
    if name == "count":
        return mean["events"].sum(axis=-1) / (pilot.statistics["units"] @ pilot.statistics["exposure"])
    if name == "rating":
        return mean["counts"] @ pilot.statistics["value"] / pilot.size
    weight = pilot.statistics["at_risk"].sum(axis=0)
    hazard = mean["churned"] / np.maximum(mean["at_risk"], 1e-9)
    return (hazard * weight).sum(axis=-1) / weight.sum(axis=-1)


def test_simulated_pilots_show_the_level_they_were_drawn_from(model: OutcomeModel) -> None:
    """Within 5 standard errors of the mean of 4,000 pilots: 1e-5 false alarms over all cells.

    A count's pilots are whole histograms, of which 400 are enough.
    """
    pilot = example(model.name, (2, 3))
    one = model.prior(pilot, Priors(), 1, rng=np.random.default_rng(5))
    pilots = 400 if model.name == "count" else 4000
    draws = {name: np.repeat(values, pilots, axis=0) for name, values in one.items()}
    made = model.simulate(draws, pilot, rng=np.random.default_rng(6))
    shown = shown_level(model.name, made, pilot)
    halves = [shown_level(model.name, {k: v[half::20] for k, v in made.items()}, pilot) for half in range(20)]
    error = np.std(halves, axis=0, ddof=1) / np.sqrt(20)
    assert (error > 0).all(), "a replication without chance is none"
    assert (np.abs(shown - one["level"][0]) < 5 * error).all()


def states(control: float, treated: float, segments: int = 2) -> tuple[ArmState, ArmState]:
    return ArmState(np.full((1, segments), control)), ArmState(np.full((1, segments), treated))


def projected(model: OutcomeModel, control: float, treated: float, **other: Any) -> Any:
    exposure = Exposure(np.full((1, 2, 5), 100.0), np.full((1, 2, 5), 100.0), np.full((1, 2), 10.0))
    reach = Reach(np.array([[0.0, 0.5, 1.0, 1.0, 0.0]]), np.ones((1, 5)))
    options: dict[str, Any] = {"better": model.better, "summary": None, "options": {}} | other
    return model.project(*states(control, treated), exposure, reach, **options)


def test_projection_keeps_to_the_contract(model: OutcomeModel) -> None:
    worse, better = (0.2, 0.3) if model.better == "higher" else (0.3, 0.2)
    gain = projected(model, worse, better)
    for values in (gain.units, gain.control_total, gain.treated_total, gain.served):
        assert np.broadcast_shapes(values.shape, (1, 2, 5)) == (1, 2, 5)
    assert (gain.units[..., 0] == 0).all(), "nothing reaches the first month"
    assert (gain.units[..., 1:4] > 0).all()
    flipped = projected(model, worse, better, better="lower" if model.better == "higher" else "higher")
    np.testing.assert_array_equal(flipped.units, -gain.units)
    np.testing.assert_array_equal(projected(model, 0.2, 0.2).units, 0)


def test_findings_are_returned_and_nothing_is_raised(model: OutcomeModel) -> None:
    good = example(model.name, (2, 3))
    assert all(isinstance(check, Check) for check in model.check(good, stock=True))
    nothing = summary(model, {name: 0 * values for name, values in good.statistics.items()})
    assert any(check.status in ("warn", "fail") for check in model.check(nothing, stock=True))


def test_an_effect_prior_is_the_relative_change_of_the_mean(model: OutcomeModel) -> None:
    """A narrow prior around +10 % draws that relative change: of the hazard, for churn."""
    pilot = example(model.name, (2, 1))
    priors = Priors(effect=EffectPrior(low=0.0999, high=0.1001))
    level = model.prior(pilot, priors, 400, rng=np.random.default_rng(3))["level"][:, :, 0]
    draws = model.prior(pilot, priors, 400, rng=np.random.default_rng(3))
    if model.name == "conversion":
        # The prior is taken to log odds at the pooled rate, so it holds where the drawn rate is near it.
        arrays = model.data(pilot, priors)
        rate = 1 / (1 + np.exp(-arrays["m0"]))
        odds = rate / (1 - rate) * np.exp(draws["effect"].mean())
        assert odds / (1 + odds) / rate - 1 == pytest.approx(0.1, abs=2e-3)
    elif model.name == "churn":
        assert np.exp(draws["effect"].mean()) - 1 == pytest.approx(0.1, abs=1e-3)
    elif model.name == "rating":
        # Likewise the prior is taken to the latent scale at the pooled answers.
        chance, m0 = pilot.statistics["reference"], model.data(pilot, priors)["m0"]
        cut = np.log(np.cumsum(chance)[:-1] / (1 - np.cumsum(chance)[:-1])) + m0
        up = 1 / (1 + np.exp(cut - m0 - np.array([[0.0], [draws["effect"].mean()]])))
        mean = 1 + up.sum(axis=1)
        assert mean[1] / mean[0] - 1 == pytest.approx(0.1, abs=1e-3)
    else:
        assert level[:, 1] / level[:, 0] - 1 == pytest.approx(0.1, abs=1e-3)
