"""Discounting and payback at known values, and the blocks of the summary."""

from __future__ import annotations

import json
import math

import numpy as np
import pytest

from sim.finance.discount import factors, nominal_rate, npv, real_rate
from sim.finance.metrics import METRICS, PAYBACKS, measure, without_values
from sim.finance.payback import paid_back_by, payback
from sim.finance.spread import distribution, quantile
from sim.records.estimate import standard_error

KEYS = {"mean", "sd", "median", "low", "high", "mcse", "undefined"}


def blocks(benefit, cost, rate=0.0, **options):
    benefit, cost = np.atleast_2d(np.asarray(benefit, float)), np.atleast_2d(np.asarray(cost, float))
    options = {"payback_within": 18, "hurdle": 0.0, "discount_rate": rate} | options
    return measure(benefit, cost, factors(rate, benefit.shape[1] - 1), **options)


@pytest.mark.parametrize(
    ("timing", "value"), [("end", 11512.857852), ("mid", 11549.835506), ("start", 11586.931926)]
)
def test_present_value_by_timing(timing, value):
    flows = np.array([[0.0] + [1000.0] * 12])
    assert npv(flows, factors(0.08, 12, timing))[0] == pytest.approx(value, abs=5e-7)


def test_month_zero_is_never_discounted():
    for timing in ("start", "mid", "end"):
        assert factors([0.1, -0.5, 9.0], 3, timing)[:, 0].tolist() == [1, 1, 1]


@pytest.mark.parametrize("rate", [-1.0, -2.0, math.nan, math.inf])
def test_impossible_rates_are_refused(rate):
    with pytest.raises(ValueError, match="above -1"):
        factors(rate, 12)


def test_unknown_timing_is_refused():
    with pytest.raises(ValueError, match="timing"):
        factors(0.1, 12, "noon")  # type: ignore[arg-type]


def test_real_and_nominal_are_inverse():
    assert real_rate(nominal_rate(0.07, 0.03), 0.03) == pytest.approx(0.07, rel=1e-14)


@pytest.mark.parametrize(
    ("flows", "first", "lasting"),
    [
        ([-1000, 300, 300, 300, 300], 10 / 3, 10 / 3),
        ([-1000, 1200, -500, 400], 1000 / 1200, 2.75),
        ([0, 0, 0], 0, 0),
        ([5, -1, -1], 0, 0),
        ([5, -6, 4], 0, 1.25),
        ([-1000, 300, 300], math.inf, math.inf),
        ([-1000, 1200, -500], 1000 / 1200, math.inf),
        ([-1, *[0.1] * 10], 10, 10),
        ([0, 0, -100, 0, 200], 0, 3.5),
    ],
)
def test_payback(flows, first, lasting):
    found = payback(np.array([flows], dtype=float))
    assert found.first[0] == pytest.approx(first, rel=1e-12)
    assert found.lasting[0] == pytest.approx(lasting, rel=1e-12)


def test_return_as_practitioners_know_it():
    _, metrics, _, _ = blocks([[0] + [200_000 / 12] * 12], [[100_000] + [0] * 12])
    assert metrics["roi"]["expected"] == pytest.approx(1.0, abs=1e-12)
    assert metrics["roi"]["median"] == pytest.approx(1.0, abs=1e-12)


def test_every_key_is_there_and_nothing_is_nan():
    rng = np.random.default_rng(3)
    benefit = np.hstack([np.zeros((400, 1)), rng.normal(3, 3, (400, 1)).repeat(30, axis=1)])
    cost = np.hstack([np.full((400, 1), 60.0), np.zeros((400, 30))])
    filled = blocks(benefit, cost, 0.1)[1:]
    for found in (filled, without_values(30)):
        metrics, probability, risk = json.loads(json.dumps(found, allow_nan=False))
        assert tuple(metrics) == METRICS
        for name, block in metrics.items():
            extra = {"within", "never"} if name in PAYBACKS else {"expected"} if name == "roi" else set()
            assert set(block) == KEYS | extra
        assert list(metrics["payback_months"]["within"]) == ["12", "24", "30"]
        assert set(probability) == {"loss", "payback_within", "npv_above_hurdle"}
        assert set(risk) == {"var_95", "cvar_95"}
    assert filled[0]["cpa"]["mean"] is None
    assert filled[0]["cpa"]["undefined"] == 1.0


def test_never_paid_back_is_a_share_and_no_number():
    benefit = np.zeros((10, 25))
    benefit[:, 1:] = np.array([100.0] * 4 + [0.0] * 6)[:, None]
    cost = np.zeros((1, 25))
    cost[0, 0] = 1000
    samples, metrics, probability, _ = blocks(benefit, np.broadcast_to(cost, benefit.shape))
    block = metrics["payback_months"]
    assert block["never"] == block["undefined"] == 0.6
    assert block["mean"] is block["sd"] is block["median"] is block["high"] is None
    assert block["low"] == 10.0
    assert block["within"] == {"12": 0.4, "24": 0.4}
    assert probability["payback_within"] == 0.4
    # Six samples have no inflow: −1 in the ranking, so the median says total loss; no average.
    assert metrics["irr"]["median"] == metrics["irr_monthly"]["median"] == -1.0
    assert metrics["irr"]["mean"] is None
    assert metrics["irr"]["undefined"] == 0.6
    assert metrics["irr"]["high"] > 0
    assert samples["irr"][-1] == -1.0
    assert metrics["mirr"]["low"] == -1.0


def test_without_costs_roi_and_irr_are_undefined_and_payback_is_at_once():
    _, metrics, probability, _ = blocks([[0, 5, 5]] * 3, [[0, 0, 0]] * 3)
    for name in ("roi", "roi_discounted", "irr", "irr_monthly", "mirr"):
        assert metrics[name]["undefined"] == 1.0
        assert metrics[name]["median"] is None
    assert metrics["roi"]["expected"] is None
    assert metrics["payback_months"]["mean"] == 0.0
    assert probability["loss"] == 0.0


def test_borrowing_is_no_return():
    assert blocks([[100, 0]], [[0, 110]])[1]["irr"]["undefined"] == 1.0


def test_target_beyond_the_horizon_is_unknown():
    assert blocks([[0, 5]], [[1, 0]], payback_within=24)[2]["payback_within"] is None
    assert blocks([[0, 5]], [[1, 0]], payback_within=None)[2]["payback_within"] is None


def test_hurdle_is_strict():
    assert blocks([[0, 5]], [[1, 0]], hurdle=4.0)[2]["npv_above_hurdle"] == 0.0
    assert blocks([[0, 5]], [[1, 0]], hurdle=3.9)[2]["npv_above_hurdle"] == 1.0


def test_customers():
    options = {"acquired": np.array([10.0, 0.0]), "lifetime_value": np.array([30.0, 30.0])}
    samples, metrics, _, _ = blocks([[0, 5]] * 2, [[100, 0]] * 2, **options)
    assert samples["cpa"][0] == 10.0
    assert samples["ltv_cac"][0] == 3.0
    assert metrics["cpa"]["undefined"] == metrics["ltv_cac"]["undefined"] == 0.5
    assert metrics["ltv_cac"]["median"] == 3.0


def test_tail_risk_is_positive_for_losses():
    benefit = np.column_stack([np.arange(-50.0, 51.0), np.zeros(101)])
    _, _, probability, risk = blocks(benefit, np.zeros_like(benefit))
    assert probability["loss"] == pytest.approx(50 / 101)
    assert risk["var_95"] == pytest.approx(45.0)
    assert risk["cvar_95"] == pytest.approx(np.mean([45, 46, 47, 48, 49, 50]))


def test_certain_values_are_exact():
    values = np.full(4000, 0.1)
    assert distribution(values) == {
        "mean": 0.1, "sd": 0.0, "median": 0.1, "low": 0.1, "high": 0.1, "mcse": 0.0, "undefined": 0.0,
    }  # fmt: skip
    risk = blocks(np.full((7, 2), 0.1), np.zeros((7, 2)))[3]
    assert risk == {"var_95": -0.2, "cvar_95": -0.2}


def test_nothing_is_said_of_nothing():
    block = distribution(np.full(5, np.nan))
    assert block["undefined"] == 1.0
    assert all(block[key] is None for key in KEYS - {"undefined"})


def test_quantiles_are_those_of_numpy():
    values = np.random.default_rng(0).normal(size=1001)
    for probability in (0.0, 0.05, 0.333, 0.5, 0.95, 1.0):
        assert quantile(values, probability) == pytest.approx(np.quantile(values, probability), rel=1e-14)


def test_standard_error_sees_autocorrelation():
    """AR(1) with φ = 0.9: the true error of the mean is √((1+φ)/(1−φ)) = 4.36 times the naive one."""
    rng = np.random.default_rng(11)
    noise = rng.normal(size=40_000)
    chain = np.empty_like(noise)
    chain[0] = noise[0]
    for t in range(1, chain.size):
        chain[t] = 0.9 * chain[t - 1] + noise[t]
    naive = chain.std() / np.sqrt(chain.size)
    assert 3.4 < standard_error(chain) / naive < 5.4
    assert standard_error(noise) == pytest.approx(1 / np.sqrt(noise.size), rel=0.25)


def test_money_in_cents_scales():
    rng = np.random.default_rng(5)
    benefit, cost = rng.uniform(0, 9, (50, 13)), rng.uniform(0, 5, (50, 13))
    once, hundred = blocks(benefit, cost, 0.1)[1], blocks(100 * benefit, 100 * cost, 0.1)[1]
    assert hundred["npv"]["mean"] == pytest.approx(100 * once["npv"]["mean"], rel=1e-12)
    assert hundred["roi"]["median"] == pytest.approx(once["roi"]["median"], rel=1e-12)
    assert hundred["payback_months"]["within"] == once["payback_months"]["within"]


def test_a_longer_horizon_repeats_the_shorter_months():
    np.testing.assert_array_equal(factors(0.1, 60)[:, :37], factors(0.1, 36))


def test_an_uncertain_discount_rate_is_used_row_by_row():
    rates = np.array([0.05, 0.4])
    benefit, cost = np.full((2, 13), 10.0), np.full((2, 13), 0.0)
    cost[:, 0] = 60.0
    both = measure(
        benefit, cost, factors(rates, 12), discount_rate=rates, payback_within=None, hurdle=0.0, timing="end"
    )[0]
    for row, rate in enumerate(rates):
        alone = blocks(benefit[row], cost[row], float(rate))[1]
        for name in ("npv", "mirr", "roi_discounted", "irr"):
            assert both[name][row] == pytest.approx(alone[name]["mean"], rel=1e-12)


def test_a_rate_of_what_never_costs_ranks_above_all_others() -> None:
    benefit = np.array([[0.0, 5.0, 5.0], [0.0, 5.0, 5.0], [0.0, 60.0, 60.0]])
    cost = np.array([[0.0, 0.0, 0.0], [0.0, 1.0, 1.0], [100.0, 0.0, 0.0]])
    samples, metrics, _, _ = measure(
        benefit, cost, factors(0.1, 2), discount_rate=0.1, payback_within=None, hurdle=0.0
    )
    assert np.isposinf(samples["irr"][:2]).all()
    assert metrics["irr"]["median"] is None
    assert np.isfinite(samples["irr"][2])
    assert metrics["irr"]["undefined"] == pytest.approx(2 / 3)


def test_paid_back_by_agrees_with_the_payback():
    rng = np.random.default_rng(8)
    flows = np.round(rng.normal(0.3, 1.0, (3000, 13)), 1)  # rounded: cumulative flows of exactly zero occur
    for month in range(13):
        np.testing.assert_array_equal(paid_back_by(flows, month), payback(flows).lasting <= month)


def test_only_some_metrics_are_the_same_as_in_the_whole():
    rng = np.random.default_rng(9)
    benefit, cost = rng.gamma(2.0, 1.0, (500, 25)), np.full((500, 25), 1.0)
    cost[:, 0] += 18
    whole = blocks(benefit, cost, 0.1)
    for only in (("npv",), ("roi",), ("irr",), ("payback_discounted_months", "mirr")):
        samples, metrics, probability, risk = blocks(benefit, cost, 0.1, only=only)
        assert set(samples) == set(metrics) == {"npv", *only}
        assert metrics == {name: whole[1][name] for name in metrics}
        assert (probability, risk) == whole[2:]
