"""The churn tail, the two cohort projections, and churn pilots replayed."""

from __future__ import annotations

import importlib
import time
import tracemalloc
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from scipy.special import betaln

from sim.contract import Priors
from sim.records.projection import ArmState, Exposure, Projection, Reach
from sim.records.summary import Design
from sim.registry import models
from tests.fitting import COHORTS, summary, tenures

CHURN = models()["churn"]
TAIL: Any = importlib.import_module("sim.models._tail")


@pytest.mark.parametrize("k", [3.0, 0.5, 1e-3])
@pytest.mark.parametrize("odds", [1e-3, 0.3, 4.0])
def test_tail_is_the_beta_discrete_weibull(k: float, odds: float) -> None:
    u = np.array([0.0, 0.4, 1.0, 7.3, 60.0])
    expected = betaln(odds / k, 1 / k) - betaln(odds / k, 1 / k + u)
    np.testing.assert_allclose(TAIL.cumulative_hazard(np.log(odds), k, u, np), expected, atol=2e-11)


def test_tail_without_mixture_is_a_constant_hazard() -> None:
    """Where 1/k is beyond what differences of ln Γ can resolve."""
    found = TAIL.cumulative_hazard(np.log(0.25), 1e-13, np.array([1.0, 12.0]), np)
    np.testing.assert_allclose(found, np.array([1.0, 12.0]) * np.log(1.25), rtol=1e-10)


def test_tail_is_the_shifted_beta_geometric_when_time_runs_evenly() -> None:
    """Fader & Hardie (2007): hazard of period t is alpha / (alpha + beta + t - 1)."""
    alpha, beta = 0.668, 3.806
    gain = TAIL.gains(np.log(alpha / beta), 1 / beta, TAIL.powered(np.arange(13.0), 0.0, np), np)
    np.testing.assert_allclose(1 - np.exp(-gain), alpha / (alpha + beta + np.arange(12)), atol=1e-11)


def by_hand(
    control: Any, treated: Any, reach: Any, stock: Any, joiners: tuple[Any, Any], after: int = 0
) -> tuple[np.ndarray[Any, Any], np.ndarray[Any, Any]]:
    """Customers at month ends, one loop per customer group; hazards are functions of month of tenure.

    Only those in a later month of their tenure than `after` are counted.
    """
    months = len(reach)
    ends = np.zeros((2, months))
    for arm, hazard in enumerate((control, treated)):
        groups = [(tenure, 0, n) for tenure, n in stock.items()]
        groups += [(0, month, joiners[arm][month]) for month in range(months)]
        for tenure, begin, n in groups:
            left = float(n)
            for month in range(begin, months):
                x = tenure + month - begin + 1
                h = control(x) + reach[month] * (hazard(x) - control(x))
                left *= 1 - min(max(h, 0.0), 1.0)
                ends[arm, month] += left * (x > after)
    return ends[0], ends[1]


def project(states: tuple[ArmState, ArmState], exposure: Exposure, reach: Reach, **other: Any) -> Projection:
    known: dict[str, Any] = {"better": "lower", "summary": None, "options": {}} | other
    return CHURN.project(*states, exposure, reach, **known)


def test_certain_hazards_come_out_exactly() -> None:
    """Stock 1,000, hazard .05 against .04, ramp over two months, 50 joiners a month."""
    months = 12
    share = np.array([0.0, 0.5, *[1.0] * 10])
    flat = np.full((1, 1, months), 50.0)
    exposure = Exposure(flat, flat, np.full((1, 1), 1000.0))
    states = ArmState(np.full((1, 1), 0.05)), ArmState(np.full((1, 1), 0.04))
    found = project(states, exposure, Reach(share[None], np.ones((1, months))))
    control, treated = by_hand(lambda _x: 0.05, lambda _x: 0.04, share, {0: 1000.0}, ([50.0] * months,) * 2)
    np.testing.assert_allclose(found.units[0, 0], treated - control, rtol=0, atol=1e-9)
    np.testing.assert_allclose(found.control_total[0, 0], control, rtol=1e-13)
    assert found.living is not None
    np.testing.assert_allclose(found.living[0, 0], treated, rtol=1e-13)
    np.testing.assert_allclose(found.served[0, 0], treated * share, rtol=1e-13)
    assert found.survival is not None
    np.testing.assert_allclose(found.survival[0, 0], 0.96 ** np.arange(1, 13), rtol=1e-13)


def test_stock_only_first_month_is_the_difference_of_hazards() -> None:
    exposure = Exposure(np.zeros((1, 1, 1)), np.zeros((1, 1, 1)), np.full((1, 1), 1000.0))
    states = ArmState(np.full((1, 1), 0.05)), ArmState(np.full((1, 1), 0.04))
    found = project(states, exposure, Reach(np.ones((1, 1)), np.ones((1, 1))))
    assert found.units[0, 0, 0] == pytest.approx(10.0, abs=1e-9)


def drawn(samples: int, arms: int, segments: int, seed: int = 1) -> dict[str, Any]:
    """Plausible draws of a fitted tail."""
    rng = np.random.default_rng(seed)
    return {
        "log_odds": np.log(0.06) + 0.1 * rng.standard_normal(samples),
        "k": np.abs(0.3 + 0.05 * rng.standard_normal(samples)),
        "log_c": 0.1 * rng.standard_normal(samples),
        "shift": 0.2 * rng.standard_normal((samples, arms, segments)),
        "level": np.full((samples, arms, segments), 0.05),
    }


def hazard_of(draws: Mapping[str, Any], row: int, arm: int, segment: int, months: float = 1.0) -> Any:
    """Monthly hazard by month of tenure, by the definition of S = B(alpha, beta + t^c) / B(alpha, beta)."""
    k, c = draws["k"][row], np.exp(draws["log_c"][row])
    alpha = np.exp(draws["log_odds"][row]) / k

    def log_survival(x: float) -> Any:
        u = (x / months) ** c
        ratio = np.exp(draws["shift"][row, arm, segment])
        return ratio * (betaln(alpha, 1 / k + u) - betaln(alpha, 1 / k))

    return lambda x: 1 - np.exp(log_survival(x) - log_survival(x - 1))


@pytest.mark.parametrize(("unit", "months", "places"), [("month", 1.0, [0, 4]), ("year", 12.0, [6, 54])])
def test_fitted_tail_follows_the_stock_at_its_tenure_mix(unit: str, months: float, places: list[int]) -> None:
    """The control arm's customers still there give the mix; years stand at their middle month."""
    draws = drawn(3, 2, 1)
    alive = np.zeros((2, 1, 6))
    alive[0, 0, [0, 4]] = [30, 10]
    alive[1, 0, 5] = 999
    statistics = {"at_risk": alive + 1, "churned": 0 * alive, "alive": alive}
    pilot = summary(CHURN, {**statistics, "period_months": np.full((2, 1), months)})
    horizon = 9
    share = np.linspace(0, 1.2, horizon)
    arriving = np.arange(horizon, dtype=float)
    exposure = Exposure(arriving[None, None], 2 * arriving[None, None], np.full((1, 1), 400.0))
    states = ArmState(draws["level"][:, 0], draws, 0), ArmState(draws["level"][:, 1], draws, 1)
    reach = Reach(np.ones((1, horizon)), share[None])
    found = project(states, exposure, reach, summary=pilot, options={"unit": unit})
    for row in range(3):
        arms = (hazard_of(draws, row, 0, 0, months), hazard_of(draws, row, 1, 0, months))
        stock = dict(zip(places, (300.0, 100.0), strict=True))
        control, treated = by_hand(*arms, share, stock, (arriving, 2 * arriving))
        np.testing.assert_allclose(found.control_total[row, 0], control, rtol=1e-8)
        np.testing.assert_allclose(found.units[row, 0], treated - control, atol=1e-7)


def test_relative_effect_multiplies_the_hazard_and_is_clipped() -> None:
    draws = drawn(2, 1, 1)
    flat = np.full((1, 1, 4), 10.0)
    reach = Reach(np.ones((1, 4)), np.ones((1, 4)))
    control = ArmState(draws["level"][:, 0], draws, 0)
    for relative, factor in ((-0.2, 0.8), (1e6, np.inf)):
        treated = ArmState(draws["level"][:, 0], draws, 0, np.full((2, 1), relative))
        found = project((control, treated), Exposure(flat, flat), reach)
        base = hazard_of(draws, 1, 0, 0)
        both = by_hand(
            base, lambda x, f=factor, b=base: min(f * b(x), 1.0), np.ones(4), {}, ([10.0] * 4,) * 2
        )
        np.testing.assert_allclose(found.treated_total[1, 0], both[1], rtol=1e-8)


def test_a_fitted_arm_against_an_elicited_level() -> None:
    draws = drawn(2, 1, 1)
    flat = np.full((1, 1, 3), 10.0)
    reach = Reach(np.ones((1, 3)), np.ones((1, 3)))
    states = ArmState(np.full((1, 1), 0.2)), ArmState(draws["level"][:, 0], draws, 0)
    found = project(states, Exposure(flat, flat), reach)
    both = by_hand(lambda _x: 0.2, hazard_of(draws, 1, 0, 0), np.ones(3), {}, ([10.0] * 3,) * 2)
    np.testing.assert_allclose(found.units[1, 0], both[1] - both[0], rtol=1e-8)


def test_a_large_projection_is_fast_and_small() -> None:
    """4,000 samples, 36 months, 6 segments, stock over 60 tenures: far below a gigabyte."""
    draws = drawn(4000, 2, 6)
    alive = np.ones((2, 6, 61))
    statistics = {"at_risk": alive, "churned": 0 * alive, "alive": alive}
    pilot = summary(CHURN, {**statistics, "period_months": np.ones((2, 6))})
    flat = np.full((1, 6, 36), 100.0)
    exposure = Exposure(flat, flat, np.full((1, 6), 1e4))
    states = ArmState(draws["level"][:, 0], draws, 0), ArmState(draws["level"][:, 1], draws, 1)
    reach = Reach(np.ones((4000, 36)), np.full((4000, 36), 0.9))
    begin = time.perf_counter()
    project(states, exposure, reach, summary=pilot)
    assert time.perf_counter() - begin < 8
    tracemalloc.start()
    project(states, exposure, reach, summary=pilot)
    assert tracemalloc.get_traced_memory()[1] < 400e6
    tracemalloc.stop()


def test_replayed_pilots_leave_as_the_hazard_says() -> None:
    """Mean leavers of each period within 5 standard errors: 6e-7 false alarms a cell, 20 cells."""
    pilot = summary(CHURN, tenures([COHORTS["regular"][:6], COHORTS["high-end"][:6]], 12.0))
    one = CHURN.prior(pilot, Priors(), 1, rng=np.random.default_rng(3))
    draws = {name: np.repeat(values, 3000, axis=0) for name, values in one.items()}
    made = CHURN.simulate(draws, pilot, rng=np.random.default_rng(4))
    # Nobody enters late or goes out of sight before the end, so everyone at risk left or is at risk again.
    np.testing.assert_array_equal(made["at_risk"][..., 1:-1], (made["at_risk"] - made["churned"])[..., :-2])
    np.testing.assert_array_equal(made["alive"].sum(-1) + made["churned"].sum(-1), 1000)
    for arm in range(2):
        hazard = hazard_of(one, 0, arm, 0)
        for period in range(5):
            risk, left = made["at_risk"][:, arm, 0, period], made["churned"][:, arm, 0, period]
            h = hazard(period + 1)
            error = np.sqrt(max(h * (1 - h) * risk.sum(), 1.0))
            assert abs(left.sum() - h * risk.sum()) < 5 * error


def test_findings() -> None:
    quiet = summary(CHURN, tenures([[500, 499, 498], [500, 400, 300]]))
    assert [c.name for c in CHURN.check(quiet, stock=True)] == ["few-events", "tenure-mix", "tail"]
    assert [c.name for c in CHURN.check(quiet, stock=False)] == ["few-events", "tail"]
    spread = tenures([[500, 400, 300, 250], [500, 400, 300, 250]])
    spread["alive"][..., 1] = 50
    assert [c.name for c in CHURN.check(summary(CHURN, spread), stock=True)] == ["tail"]


def test_a_segment_without_data_changes_nothing_and_stays_finite() -> None:
    """As a rollout's segment that the pilot did not see: zeros everywhere, the length of a period too."""
    one = tenures([COHORTS["regular"][:8], COHORTS["high-end"][:8]], 12.0)
    padded = {name: np.concatenate([v, 0 * v], axis=1) for name, v in one.items()}
    pilot = summary(CHURN, padded)
    arrays = CHURN.data(pilot, Priors())
    assert all(np.isfinite(values).all() for values in arrays.values())
    assert arrays["period_months"] == 12
    assert (arrays["churned"][:, 1] == 0).all()
    np.testing.assert_array_equal(arrays["level_weight"][1], arrays["tenure_weight"])
    prior = CHURN.prior(pilot, Priors(), 50, rng=np.random.default_rng(1))
    assert np.isfinite(prior["level"]).all()
    made = CHURN.simulate(prior, pilot, rng=np.random.default_rng(1))
    assert (made["churned"][:, :, 1] == 0).all()
    assert CHURN.check(pilot, stock=True) == CHURN.check(summary(CHURN, one), stock=True)


def test_a_design_effect_thins_the_counts_and_not_the_level() -> None:
    pilot = summary(CHURN, tenures([COHORTS["regular"][:8], COHORTS["high-end"][:8]], 12.0))
    whole, thin = (
        CHURN.data(replace(pilot, design=Design(effect=effect)), Priors()) for effect in (1.0, 4.0)
    )
    for name in ("churned", "survived"):
        np.testing.assert_allclose(4 * thin[name], whole[name])
    np.testing.assert_allclose(thin["effect_var"] / whole["effect_var"], 4, rtol=0.05)
    np.testing.assert_array_equal(thin["level_weight"], whole["level_weight"])


def test_value_at_tenures_that_the_pilot_did_not_see() -> None:
    """Six months of tenure observed: by hand, month by month, for stock and joiners."""
    draws, horizon = drawn(2, 2, 1), 9
    at_risk = np.zeros((2, 1, 8))
    at_risk[..., :6] = 10
    statistics = {"at_risk": at_risk, "churned": 0 * at_risk, "alive": 0 * at_risk}
    pilot = summary(CHURN, {**statistics, "period_months": np.ones((2, 1))})
    share, arriving = np.linspace(0, 1, horizon), np.arange(1.0, horizon + 1)
    exposure = Exposure(arriving[None, None], arriving[None, None], np.full((1, 1), 400.0))
    states = ArmState(draws["level"][:, 0], draws, 0), ArmState(draws["level"][:, 1], draws, 1)
    reach = Reach(np.ones((1, horizon)), share[None])
    mix = [0, 0, 3, 1.0]
    found = project(states, exposure, reach, summary=pilot, options={"tenure_mix": mix})
    arms = (hazard_of(draws, 1, 0, 0), hazard_of(draws, 1, 1, 0))
    control, treated = by_hand(*arms, share, {2: 300.0, 3: 100.0}, (arriving, arriving))
    np.testing.assert_allclose(found.units[1, 0], treated - control, atol=1e-7)
    # Only customers in month 7 of their tenure or later: the stock less those that are younger, and so on.
    late = by_hand(*arms, share, {2: 300.0, 3: 100.0}, (arriving, arriving), after=6)
    assert found.unobserved is not None
    np.testing.assert_allclose(found.unobserved[1, 0], late[1] - late[0], atol=1e-7)
    assert found.unobserved[1, 0, 2] == 0
    assert found.unobserved[1, 0, 3] != 0
    assert found.control_survival is not None
    assert found.survival is not None
    for arm, course in enumerate((found.control_survival, found.survival)):
        steps = [1 - arms[arm](x) for x in range(1, horizon + 1)]
        np.testing.assert_allclose(course[1, 0], np.cumprod(steps), rtol=1e-8)


def test_a_stated_tenure_mix_may_be_by_segment() -> None:
    """A segment that it leaves out is as the others are; an old stock loses fewer than a young one."""
    draws, horizon = drawn(2, 2, 3), 4
    draws["shift"][:] = 0
    none = np.zeros((1, 3, horizon))
    exposure = Exposure(none, none, np.full((1, 3), 100.0))
    states = ArmState(draws["level"][:, 0], draws, 0), ArmState(draws["level"][:, 1], draws, 1)
    reach = Reach(np.ones((1, horizon)), np.ones((1, horizon)))
    mix = np.zeros((25, 3))
    mix[0, 0] = mix[24, 1] = 7.0
    found = project(states, exposure, reach, options={"tenure_mix": mix}).control_total[:, :, 0]
    young, old = (100 * (1 - hazard_of(draws, 0, 0, 0)(month)) for month in (1, 25))
    np.testing.assert_allclose(found[0], [young, old, (young + old) / 2], rtol=1e-8)
