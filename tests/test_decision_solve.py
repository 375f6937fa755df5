"""Goal-seek: analytic roots, several, none, steps, metrics without a value; and the funnel turned round."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from sim.decision.funnel import funnel
from sim.decision.solve import expand, solve
from sim.records.estimate import Estimate


@pytest.mark.parametrize(
    ("metric", "goal", "low", "high", "root"),
    [
        (lambda x: 1000 * x - 40_000, 0.0, 1.0, 100.0, 40.0),
        (lambda x: x**3, 8.0, -10.0, 10.0, 2.0),
        (lambda x: 1 / x, 0.25, 0.01, 1000.0, 4.0),
        (lambda x: math.exp(-x), 0.5, 0.0, 50.0, math.log(2)),
        (lambda x: x, 1.0, 0.0, 1.0, 1.0),
        (lambda x: x, 0.0, 0.0, 1.0, 0.0),
        (lambda x: 1e9 * math.tanh(1e-6 * x), 0.0, -3e6, 5e6, 0.0),
    ],
)
@pytest.mark.parametrize("known", [True, False])
def test_analytic_roots_and_the_value_put_back_gives_the_goal(metric, goal, low, high, root, known):
    rising = metric(high) > metric(low) if known else None
    found = solve(metric, goal, low, high, increasing=rising)
    assert found.value == pytest.approx(root, abs=2e-9 * (high - low))
    assert found.nearest == (found.value, metric(found.value))
    assert found.nearest[1] == pytest.approx(goal, rel=1e-6, abs=1e-6 * abs(metric(high) - metric(low)))
    assert found.bracket[0] <= found.value <= found.bracket[1]
    assert found.crossings == (found.value,)
    assert found.reason == f"the metric reaches {goal:g}"


@settings(max_examples=50, deadline=None)
@given(
    slope=st.floats(0.01, 1e6), sign=st.sampled_from([-1, 1]), root=st.floats(-100, 100), bend=st.floats(0, 3)
)
def test_any_monotone_metric_is_solved(slope, sign, root, bend):
    def metric(x):
        return sign * slope * ((x - root) + bend * (x - root) ** 3)

    found = solve(metric, 5.0 * slope, -200.0, 200.0)
    assert found.value is not None
    assert metric(found.value) == pytest.approx(5.0 * slope, rel=1e-5)


def test_a_known_direction_asks_only_the_ends_for_a_missing_root():
    asked = []

    def metric(x):
        asked.append(x)
        return x

    assert solve(metric, 5.0, 0.0, 1.0, increasing=True).value is None
    assert asked == [0.0, 1.0]
    assert solve(metric, 5.0, 0.0, 1.0).evaluations == 17


def test_of_several_crossings_the_nearest_to_today_is_taken_and_all_are_told():
    def metric(x):
        return (x - 1) * (x - 4) * (x - 8)

    lowest = solve(metric, 0.0, 0.0, 10.0)
    assert lowest.crossings == pytest.approx((1, 4, 8), abs=1e-6)
    assert lowest.value == pytest.approx(1)
    assert "3 times, at 1, 4, 8: the lowest is taken" in lowest.reason
    nearest = solve(metric, 0.0, 0.0, 10.0, current=5.5)
    assert nearest.value == pytest.approx(4)
    assert "the one nearest to 5.5 is taken" in nearest.reason


def test_a_turn_between_the_points_of_the_grid_is_found():
    # The hump rises over the goal only between 3.20 and 3.28; no point of the grid lies there.
    found = solve(lambda x: 0.04**2 - (x - 3.24) ** 2, 0.0, 0.0, 10.0)
    assert found.crossings == pytest.approx((3.20, 3.28), abs=1e-6)
    touch = solve(lambda x: (x - 3.3) ** 2 + 2, 2.0, 0.0, 10.0)
    assert touch.value == pytest.approx(3.3, abs=1e-4)


def test_no_solution_says_how_near_it_comes():
    found = solve(lambda x: 10 - (x - 3.3) ** 2, 12.0, 0.0, 10.0)
    assert found.value is None
    assert found.crossings == ()
    assert found.nearest == pytest.approx((3.3, 10.0), abs=1e-5)
    assert found.bracket == (0.0, 10.0)
    assert "never reaches 12; it comes nearest at 3.3, with 10" in found.reason
    flat = solve(lambda x: 7.0, 12.0, 0.0, 10.0)
    assert flat.value is None
    assert "is 7 throughout" in flat.reason


def test_a_pole_is_no_solution():
    found = solve(lambda x: 1 / (x - math.pi), 0.0, 0.0, 10.0)
    assert found.value is None
    assert "no value or no bound" in found.reason


@pytest.mark.parametrize("increasing", [None, True])
def test_a_probability_over_samples_ends_at_the_resolution_of_the_samples(increasing):
    samples = np.random.default_rng(5).normal(size=999)

    def metric(x):
        return float((samples < x).mean())

    found = solve(metric, 0.5, -3.0, 3.0, increasing=increasing)
    assert found.value == pytest.approx(np.median(samples), abs=1e-8)
    assert abs(found.nearest[1] - 0.5) <= 0.5 / 999 + 1e-12
    assert found.bracket[1] - found.bracket[0] < 1e-8
    assert "steps across 0.5, from 0.499499 to 0.500501" in found.reason
    jump = solve(lambda x: 1.0 if x >= 2 else -3.0, 0.0, 0.0, 10.0)
    assert jump.value == pytest.approx(2)
    assert jump.nearest[1] == 1.0  # the side nearer to the goal


def test_a_plateau_at_the_goal_is_one_solution_nearest_to_today():
    def metric(x):
        return min(max(x - 2, 0), x - 7) if x > 7 else min(x - 2, 0.0)

    found = solve(metric, 0.0, 0.0, 10.0, current=5.3)
    assert found.value == 5.3
    assert len(found.crossings) == 1


def payback(price):
    """Months until 120 are paid back by monthly price − 5; none beyond 36."""
    months = 120 / (price - 5) if price > 5 else math.inf
    return months if months <= 36 else None


@pytest.mark.parametrize("none", [None, math.nan, math.inf])
def test_a_metric_without_a_value_does_not_reach_the_goal_there(none):
    def metric(price):
        months = payback(price)
        return none if months is None else months

    found = solve(metric, 24.0, 0.0, 100.0)
    assert found.value == pytest.approx(10.0)
    # Reached only just before the metric ends, between two points of the grid of which one has none.
    edge = solve(metric, 35.9, 0.0, 100.0)
    assert edge.value == pytest.approx(5 + 120 / 35.9, rel=1e-6)
    assert edge.nearest[1] == pytest.approx(35.9, rel=1e-6)
    known = solve(metric, 35.9, 0.0, 100.0, increasing=False)
    assert known.value == pytest.approx(edge.value, rel=1e-6)
    beyond = solve(metric, 48.0, 0.0, 100.0)
    assert beyond.value is None
    assert beyond.nearest[1] == pytest.approx(36, abs=1e-3)
    assert "has no value at" in beyond.reason
    never = solve(metric, 24.0, 0.0, 5.0)
    assert (never.value, never.nearest) == (None, None)
    assert "has no value" in never.reason


def test_a_hole_inside_a_crossing_is_survived():
    def metric(x):
        return None if 4.9 < x < 5.2 else x - 5.3

    assert solve(metric, 0.0, 0.0, 10.0, increasing=True).value == pytest.approx(5.3)
    found = solve(lambda x: None if 4.9 < x < 5.6 else x - 5.3, 0.0, 0.0, 10.0)
    assert found.value is None
    assert "both sides of 0" in found.reason


def test_an_unexpected_direction_is_told():
    found = solve(lambda x: 4 - x, 1.0, 0.0, 10.0, increasing=True)
    assert found.value == pytest.approx(3)
    assert "falls with the value, which was not expected" in found.reason


@pytest.mark.parametrize(("goal", "low", "high"), [(0, 1, 1), (0, 2, 1), (math.nan, 0, 1), (0, 0, math.inf)])
def test_ranges_that_are_none_are_refused(goal, low, high):
    with pytest.raises(ValueError, match="low < high"):
        solve(lambda x: x, goal, low, high)


@settings(max_examples=60, deadline=None)
@given(start=st.floats(1e-3, 1e4), root=st.floats(1e-3, 1e6))
def test_expanding_finds_a_range_for_positive_numbers(start, root):
    assume(abs(start / root - 1) > 1e-6)
    low, high = expand(lambda x: math.log(x / root) if x > 0 else None, 0.0, start, (0.0, math.inf))
    assert 0 <= low <= root <= high
    assert high <= 2.001 * low or low == 0
    assert solve(lambda x: x, root, low, high).value == pytest.approx(root, rel=1e-6)


@settings(max_examples=60, deadline=None)
@given(start=st.floats(0, 1), root=st.floats(0, 1))
def test_expanding_respects_the_limits_of_a_share(start, root):
    asked = []

    def metric(x):
        asked.append(x)
        return x - root

    low, high = expand(metric, 0.0, start, (0.0, 1.0))
    assert low <= root <= high
    assert low < high
    assert min(asked) >= 0
    assert max(asked) <= 1


def test_expanding_without_limits_crosses_zero_and_ends_without_a_solution():
    low, high = expand(lambda x: x, -1e5, 3.0)
    assert low <= -1e5 <= high
    assert expand(lambda x: 5 - x, 0.0, 0.0, (0.0, math.inf)) == (3.0, 7.0)
    assert expand(lambda x: -x, 7.0, 0.2, (0.0, 1.0)) == (0.0, 1.0)
    low, high = expand(math.atan, 2.0, 1.0)
    assert low < -1e11
    assert high > 1e11
    # Today's value is the solution already.
    low, high = expand(lambda x: x - 3, 0.0, 3.0)
    assert low < high
    assert solve(lambda x: x - 3, 0.0, low, high, current=3.0).value == 3.0
    with pytest.raises(ValueError, match="within the limits"):
        expand(lambda x: x, 0.0, 2.0, (0.0, 1.0))


def test_expanding_from_where_the_metric_has_no_value():
    low, high = expand(payback, 24.0, 2.0, (0.0, math.inf))
    assert low < 10 < high
    assert solve(payback, 24.0, low, high).value == pytest.approx(10)
    low, high = expand(payback, 35.0, 20.0, (0.0, math.inf))
    assert solve(payback, 35.0, low, high).value == pytest.approx(5 + 120 / 35)


def test_a_certain_funnel_is_division():
    found = funnel(100_000, 500, {"lead": 0.05, "offer": 0.5, "customer": 0.2}, pipeline=50_000)
    entering = [stage.entering.median.value for stage in found.stages]
    assert [stage.name for stage in found.stages] == ["lead", "offer", "customer"]
    np.testing.assert_allclose(entering, [40_000, 2_000, 1_000], rtol=1e-12)
    np.testing.assert_allclose(
        [s.leaving.median.value for s in found.stages], [2_000, 1_000, 200], rtol=1e-12
    )
    np.testing.assert_allclose([s.rate.median.value for s in found.stages], [0.04, 0.4, 0.16], rtol=1e-12)
    assert found.customers.median.value == 200
    assert all(stage.attainable == 1 for stage in found.stages)
    first = found.stages[0].entering
    assert first.low == first.high == first.median == Estimate(pytest.approx(first.expected.value), 0.0)
    assert first.expected.mcse == 0


def test_an_uncertain_funnel_reaches_the_goal_on_average_and_with_the_stated_probability():
    rng = np.random.default_rng(3)
    price = rng.lognormal(6, 0.2, 4000)
    rates = {"lead": rng.beta(20, 380, 4000), "customer": rng.beta(10, 40, 4000)}
    found = funnel(100_000, price, rates)
    worth = price * rates["lead"] * rates["customer"]
    first = found.stages[0].entering
    assert (first.expected.value * worth).mean() == pytest.approx(100_000)
    for amount, probability in [(first.low, 0.05), (first.median, 0.5), (first.high, 0.95)]:
        assert (amount.value * worth >= 100_000).mean() == pytest.approx(probability, abs=1e-3)
    # Closed form: 1/E[p r1 r2] with independent parts; 4 standard errors, false alarm 6e-5 at this seed.
    exact = 100_000 / (math.exp(6.02) * 0.05 * 0.2)
    assert abs(first.expected.value - exact) < 4 * first.expected.mcse
    assert found.stages[0].rate is None


def test_a_funnel_through_a_rate_of_nothing():
    rate = np.array([0.0] * 10 + [0.5] * 90)
    found = funnel(1000, 10, {"lead": rate}, pipeline=50)
    assert found.stages[0].entering.high is None
    assert found.stages[0].entering.median.value == 200
    assert found.stages[0].rate.median.value == 2
    assert found.stages[0].attainable == 0
    nothing = funnel(1000, 10, {"lead": 0.0})
    assert nothing.stages[0].entering.expected is None
    assert nothing.stages[0].entering.low is None
    assert nothing.stages[0].leaving.median.value == 100


@pytest.mark.parametrize(
    ("goal", "price", "rates", "message"),
    [
        (1, 1, {}, "at least one stage"),
        (1, 1, {"a": 1.2}, "a does not"),
        (1, -1, {"a": 0.2}, "positive"),
        (0, 1, {"a": 0.2}, "positive"),
        (1, 1, {"a": math.nan}, "finite"),
        (1, np.ones(3), {"a": np.full(2, 0.5)}, "3 samples"),
    ],
)
def test_funnels_that_are_none_are_refused(goal, price, rates, message):
    with pytest.raises(ValueError, match=message):
        funnel(goal, price, rates)
