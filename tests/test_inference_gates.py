"""A sample that cannot be trusted must fail, in every way in which it can be wrong."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from sim.contract import Predictive
from sim.inference.gates import check_prediction, check_sampling

SHAPE = (4, 1000)


def draws(**changes: Any) -> tuple[dict[str, Any], Any, Any]:
    """Return independent normal draws, no divergence, independent energies; then change them."""
    rng = np.random.default_rng(1)
    given = {
        "posterior": {"level": rng.standard_normal((*SHAPE, 2, 3)), "tau": rng.standard_normal(SHAPE)},
        "divergent": np.zeros(SHAPE, dtype=bool),
        "energy": rng.standard_normal(SHAPE),
    } | changes
    return given["posterior"], given["divergent"], given["energy"]


def failures(*sample: Any) -> set[str]:
    checks, _ = check_sampling(*sample)
    return {check.name for check in checks if check.status == "fail"}


def test_a_good_sample_passes_with_its_figures() -> None:
    checks, figures = check_sampling(*draws())
    assert [(check.name, check.status) for check in checks] == [("convergence", "ok")]
    assert figures["rhat_max"] < 1.01
    assert figures["ess_bulk_min"] > 3000
    assert figures["ess_tail_min"] > 3000
    assert figures["ebfmi_min"] == pytest.approx(2, abs=0.2)
    assert figures["divergences"] == 0


@pytest.mark.parametrize("value", [np.nan, np.inf])
def test_one_number_that_is_not_finite_fails(value: float) -> None:
    posterior, divergent, energy = draws()
    posterior["level"][2, 500, 1, 1] = value
    assert failures(posterior, divergent, energy) == {"finite-draws"}
    posterior, divergent, energy = draws()
    energy[0, 0] = value
    assert failures(posterior, divergent, energy) == {"finite-draws"}


def test_chains_that_disagree_fail_and_the_place_is_named() -> None:
    posterior, divergent, energy = draws()
    posterior["level"][3, :, 1, 2] += 0.6
    checks, _ = check_sampling(posterior, divergent, energy)
    assert checks[0].name == "convergence"
    assert checks[0].status == "fail"
    assert "level[1, 2]" in checks[0].message
    assert checks[0].remedy


def test_a_slow_chain_lacks_effective_samples() -> None:
    rng = np.random.default_rng(2)
    posterior, divergent, energy = draws()
    walk = np.zeros(SHAPE)
    for step in range(1, SHAPE[1]):
        walk[:, step] = 0.97 * walk[:, step - 1] + rng.standard_normal(4)
    posterior["tau"] = walk
    assert {"effective-samples-bulk", "effective-samples-tail"} <= failures(posterior, divergent, energy)


def test_one_divergence_fails() -> None:
    posterior, divergent, energy = draws()
    divergent[1, 7] = True
    assert failures(posterior, divergent, energy) == {"divergences"}


def test_low_energy_fraction_fails() -> None:
    rng = np.random.default_rng(3)
    slow = np.cumsum(rng.standard_normal(SHAPE), axis=1)
    assert failures(*draws(energy=slow)) == {"energy"}
    assert failures(*draws(energy=np.ones(SHAPE))) == {"energy"}, "an energy that never moves is no pass"


def test_a_constant_is_no_failure_but_a_stuck_sampler_is() -> None:
    posterior, divergent, energy = draws()
    posterior["level"][..., 0, 0] = 0.25
    assert failures(posterior, divergent, energy) == set()
    stuck = {"level": np.full((*SHAPE, 2), 0.3)}
    assert failures(stuck, divergent, energy) == {"convergence"}
    posterior["level"][2, :, 1, 1] = 0.3
    assert "convergence" in failures(posterior, divergent, energy), "one chain that stands still is a failure"


def test_a_single_chain_is_judged_by_its_halves() -> None:
    posterior, divergent, energy = draws()
    one = {name: values[:1] for name, values in posterior.items()}
    one["tau"] = one["tau"] + np.linspace(0, 3, SHAPE[1])
    assert "convergence" in failures(one, divergent[:1], energy[:1])


def predictive(shift: float) -> Predictive:
    rng = np.random.default_rng(4)
    return Predictive(
        np.full(3, 10.0 + shift), 10 + rng.standard_normal((4000, 3)), ("a", "b", "c"), "counts"
    )


def test_prediction_far_from_the_data_warns() -> None:
    near, figures = check_prediction(predictive(0.1))
    assert near.status == "ok"
    assert figures["predictive_p"] > 0.5
    far, figures = check_prediction(predictive(3.0))
    assert far.status == "warn"
    assert far.remedy
    assert figures["predictive_p"] < 0.01


def test_prediction_p_value_is_uniform_for_data_of_the_model() -> None:
    """Mean of 400 p-values of replicated data; uniform has 1/2 with s.e. .0144, allowed 4: 6e-5."""
    rng = np.random.default_rng(5)
    made = 10 + rng.standard_normal((4000, 3))
    p = [
        check_prediction(Predictive(10 + rng.standard_normal(3), made, (), "x"))[1]["predictive_p"]
        for _ in range(400)
    ]
    assert np.mean(p) == pytest.approx(0.5, abs=4 * np.sqrt(1 / 12 / 400))
