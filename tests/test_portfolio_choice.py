"""The choice of programmes, held against brute force over every set."""

from __future__ import annotations

import itertools
from typing import Any

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from sim.decision.frontier import frontier
from sim.decision.portfolio import Chooser, Limits
from sim.decision.risk import Options, cvar

MONEY = st.integers(-50, 100).map(float)


@st.composite
def instances(draw: st.DrawFn) -> Options:
    """Few programmes with one or two options each, and few samples."""
    counts = draw(st.lists(st.integers(1, 2), min_size=1, max_size=5))
    programme = np.repeat(np.arange(len(counts)), counts)
    count, samples = len(programme), draw(st.sampled_from([1, 7, 20, 40]))
    npv = draw(st.lists(MONEY, min_size=samples * count, max_size=samples * count))
    need = draw(st.lists(st.integers(0, 30).map(float), min_size=count, max_size=count))
    hurdle = np.array(draw(st.lists(st.sampled_from([0.0, 5.0]), min_size=len(counts), max_size=len(counts))))
    return Options(np.array(npv).reshape(samples, count), np.array(need), programme, hurdle[programme])


def sets(options: Options) -> list[tuple[int, ...]]:
    """Every set with at most one option of a programme."""
    ways: list[list[tuple[int, ...]]] = [
        [(), *((int(i),) for i in np.flatnonzero(options.programme == one))]
        for one in np.unique(options.programme)
    ]
    return [tuple(itertools.chain(*each)) for each in itertools.product(*ways)]


def tail_mean(total: np.ndarray) -> float:
    """CVaR by sorting: the worst twentieth, its last sample in part."""
    left, lost = 0.05 * len(total), 0.0
    for value in sorted(total):
        part = min(1.0, left)
        lost, left = lost - part * value, left - part
        if left <= 0:
            break
    return lost / (0.05 * len(total))


def brute(options: Options, limits: Limits) -> float | None:
    """The highest worth of all sets that keep to the limits."""
    found = [
        options.worth_of(each)
        for each in sets(options)
        if (limits.budget is None or options.need_of(each) <= limits.budget)
        and (limits.max_cvar is None or tail_mean(options.total(each)) <= limits.max_cvar + 1e-9)
        and (limits.max_loss is None or (options.total(each) < 0).mean() <= limits.max_loss + 1e-12)
    ]
    return max(found, default=None)


BUDGETS = st.one_of(st.none(), st.integers(0, 80).map(float))


@settings(max_examples=150, deadline=None)
@given(
    instances(),
    BUDGETS,
    st.one_of(st.none(), st.integers(-20, 60).map(float)),
    st.one_of(st.none(), st.sampled_from([0.0, 0.1, 0.3])),
)
def test_no_other_set_is_better(
    options: Options, budget: float | None, max_cvar: float | None, max_loss: float | None
) -> None:
    limits = Limits(budget, max_cvar, max_loss)
    best, expected = Chooser(options).best(limits), brute(options, limits)
    if expected is None:
        assert best is None
        return
    assert best is not None
    assert best.optimal
    assert best.worth == pytest.approx(expected, abs=1e-6 * max(1.0, np.abs(options.worth).max()))
    assert best.bound == pytest.approx(best.worth, abs=1e-4)
    assert len(set(options.programme[list(best.picked)])) == len(best.picked)
    if budget is not None:
        assert options.need_of(best.picked) <= budget


def alone(npv: list[float], need: list[float]) -> Options:
    """Return options without spread, of which the last two are of one programme."""
    none = np.zeros(4)
    return Options(npv=np.array([npv]), need=np.array(need), programme=np.array([0, 1, 2, 2]), hurdle=none)


@settings(max_examples=60, deadline=None)
@example(alone([0, 3, 1, 2], [0, 19, 14, 15]), 33.0)  # once called infeasible by presolve
@example(alone([0, 1, 0, 1], [1, 19, 7, 9]), 27.0)
@given(instances(), st.integers(0, 60).map(float))
def test_the_price_of_the_budget_is_what_solving_again_gives(options: Options, budget: float) -> None:
    limits, chooser = Limits(budget), Chooser(options)
    best = chooser.best(limits)
    assert best is not None
    step = chooser.dearer(best, limits)
    needed = sorted({options.need_of(each) for each in sets(options)})
    better = [(need, brute(options, Limits(need))) for need in needed if need > budget]
    better = [(need, worth) for need, worth in better if worth is not None and worth > best.worth + 1e-6]
    if not better:
        assert step is None
    else:
        assert step is not None
        assert options.need_of(step) == pytest.approx(better[0][0], abs=1e-6)
        assert options.worth_of(step) > best.worth
    # Needs are whole numbers: with one more of the budget the next set is in reach, or nothing changes.
    again = Chooser(options).best(Limits(budget + 1))
    assert again is not None
    gained = again.worth - best.worth
    if step is not None and options.need_of(step) <= budget + 1:
        assert gained == pytest.approx(brute(options, Limits(budget + 1)) - best.worth, abs=1e-6)  # type: ignore[operator]
        assert gained > 0
    else:
        assert gained == pytest.approx(0, abs=1e-6)


@settings(max_examples=60, deadline=None)
@given(instances(), st.integers(1, 60).map(float))
def test_the_dual_is_the_slope_of_the_relaxed_problem(options: Options, budget: float) -> None:
    def relaxed(budget: float) -> float:
        from scipy.optimize import linprog

        groups = [(options.programme == one).astype(float) for one in np.unique(options.programme)]
        table, upper = np.array([*groups, options.need]), [*([1.0] * len(groups)), budget]
        return -float(linprog(-options.worth, A_ub=table, b_ub=upper, bounds=(0, 1)).fun)

    price, step = Chooser(options).price(Limits(budget)), 1e-3
    # At a kink any slope between both sides is one.
    after, before = (relaxed(budget + step) - relaxed(budget)), (relaxed(budget) - relaxed(budget - step))
    assert after / step - 1e-6 <= price <= before / step + 1e-6


@settings(max_examples=40, deadline=None)
@given(instances(), BUDGETS)
def test_the_frontier_rises_and_nothing_is_above_it(options: Options, budget: float | None) -> None:
    points = frontier(options, budget)
    worths, risks = [point.worth for point in points], [point.cvar for point in points]
    assert worths == sorted(worths)
    assert risks == sorted(risks)
    lowest = min(
        tail_mean(options.total(each))
        for each in sets(options)
        if budget is None or options.need_of(each) <= budget
    )
    assert risks[0] == pytest.approx(lowest, abs=1e-3)
    assert worths[-1] == pytest.approx(brute(options, Limits(budget)), abs=1e-4)
    for point in points:
        assert point.optimal
        expected = brute(options, Limits(budget, point.cvar + 1e-6))
        assert point.worth == pytest.approx(expected, abs=1e-4)


@settings(deadline=None)
@given(st.lists(st.floats(-1e6, 1e6), min_size=1, max_size=90))
def test_cvar_is_the_mean_of_the_sorted_tail(values: list[float]) -> None:
    total = np.array(values)
    assert cvar(total) == pytest.approx(tail_mean(total), rel=1e-9, abs=1e-6)


def test_a_limit_of_losses_over_few_of_the_samples_holds_over_all() -> None:
    rng = np.random.default_rng(7)
    common = rng.normal(size=(4000, 1))
    npv = rng.uniform(0, 20, 12) + 25 * rng.normal(size=(4000, 12)) + 10 * common
    options = Options(npv, rng.uniform(5, 20, 12), np.arange(12), np.zeros(12))
    free = Chooser(options).best(Limits(80.0))
    assert free is not None
    lost = float((options.total(free.picked) < 0).mean())
    best = Chooser(options).best(Limits(80.0, max_loss=0.95 * lost))
    assert best is not None
    assert (options.total(best.picked) < 0).mean() <= 0.95 * lost
    assert 0 < best.worth < free.worth


def test_what_moves_together_is_riskier_together() -> None:
    """Two pairs of equal programmes: the limit leaves one of the pair that moves together."""
    rng = np.random.default_rng(1)
    one, two, common = rng.normal(10, 30, (3, 4000))
    npv = np.stack([common, common, one, two], axis=1)
    options = Options(npv, np.ones(4), np.arange(4), np.zeros(4))
    apart, together = cvar(one + two), cvar(2 * common)
    assert apart < together - 10
    both: Any = Chooser(options).best(Limits(2.0, max_cvar=(apart + together) / 2))
    assert set(both.picked) != {0, 1}
