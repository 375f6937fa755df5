"""Draws, months and cash against their definitions."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from sim.errors import ProblemsError
from sim.records.quantity import Certain, Limits, Named, Pert, Quantity, Range, Samples
from sim.simulation.cashflow import flow
from sim.simulation.draws import draw
from sim.simulation.timeline import growth, reach, season

N = 4_000
ANY, SHARE, POSITIVE = Limits(), Limits(0, 1), Limits(0)


@pytest.mark.parametrize(
    ("quantity", "reference"),
    [
        (Range(-1, 3, "normal", 0.9, ANY), stats.norm(1, 4 / (2 * stats.norm.ppf(0.95)))),
        (
            Range(2, 8, "lognormal", 0.8, POSITIVE),
            stats.lognorm(s=np.log(4) / (2 * stats.norm.ppf(0.9)), scale=4),
        ),
        (Pert(60, 75, 110), stats.beta(1 + 4 * 15 / 50, 1 + 4 * 35 / 50, loc=60, scale=50)),
        (Named("gamma", 10, 5, POSITIVE), stats.gamma(4, scale=2.5)),
        (Named("beta", 0.3, 0.1, SHARE), stats.beta(0.3 * 20, 0.7 * 20)),
        (
            Named("lognormal", 10, 5, POSITIVE),
            stats.lognorm(s=np.sqrt(np.log(1.25)), scale=10 / np.sqrt(1.25)),
        ),
        (Named("normal", 0.1, 1, POSITIVE), stats.truncnorm(-0.1, np.inf, loc=0.1, scale=1)),
    ],
)
def test_a_quantity_has_its_distribution(quantity: Quantity, reference: stats.rv_continuous) -> None:
    # In a Latin hypercube every stratum is met once, so the empirical distribution is within 1/n.
    values = np.sort(draw({"x": quantity}, N, seed=1).columns["x"])
    assert np.abs(reference.cdf(values) - (np.arange(N) + 0.5) / N).max() < 1.01 / N


def test_a_share_has_its_ends_at_5_and_95_percent() -> None:
    values = draw({"x": Range(0.2, 0.6, "logit-normal", 0.9, SHARE)}, N, seed=1).columns["x"]
    assert np.quantile(values, [0.05, 0.95]) == pytest.approx([0.2, 0.6], abs=1e-3)
    assert 0 < values.min() < values.max() < 1


def test_adding_or_fixing_a_quantity_shifts_no_other() -> None:
    a, b = Range(1, 2, "lognormal", 0.9, POSITIVE), Pert(0, 1, 2)
    alone = draw({"a": a}, N, seed=7).columns["a"]
    beside = draw({"b": b, "a": a, "c": Certain(3)}, N, seed=7)
    assert (alone == beside.columns["a"]).all()
    assert (alone != draw({"a": a}, N, seed=8).columns["a"]).any()
    assert abs(stats.spearmanr(beside.columns["a"], beside.columns["b"]).statistic) < 0.06
    assert (beside.columns["c"] == 3).all()


@given(rho=st.floats(-0.95, 0.95))
def test_a_rank_correlation_comes_out_and_keeps_the_margins(rho: float) -> None:
    quantities: dict[str, Quantity] = {
        "a": Range(1, 9, "lognormal", 0.9, POSITIVE),
        "b": Pert(0, 1, 10),
        "c": Pert(0, 5, 10),
    }
    free = draw(quantities, N, seed=3)
    tied = draw(quantities, N, seed=3, correlations=[("a", "b", rho)])
    assert abs(stats.spearmanr(tied.columns["a"], tied.columns["b"]).statistic - rho) < 0.02
    for name in quantities:
        assert (np.sort(free.columns[name]) == np.sort(tied.columns[name])).all()
    assert (free.columns["c"] == tied.columns["c"]).all()


def test_a_rank_correlation_is_spearmans() -> None:
    """To 0.002: taken for the correlation of the normal scores, 0.5 would come out as 0.483."""
    quantities: dict[str, Quantity] = {"a": Pert(0, 1, 10), "b": Pert(0, 5, 10)}
    for rho in (-0.6, 0.5):
        tied = draw(quantities, 40_000, seed=3, correlations=[("a", "b", rho)])
        found = stats.spearmanr(tied.columns["a"], tied.columns["b"]).statistic
        assert found == pytest.approx(rho, abs=0.002)


def test_impossible_correlations_are_refused_by_name() -> None:
    quantities: dict[str, Quantity] = {name: Pert(0, 1, 2) for name in "abc"}
    with pytest.raises(ProblemsError, match="a with b"):
        draw(quantities, N, seed=1, correlations=[("a", "b", 0.9), ("b", "c", 0.9), ("a", "c", -0.9)])


def test_rows_of_one_file_stay_together() -> None:
    quantities: dict[str, Quantity] = {"x": Samples("f.csv", "x", ANY), "y": Samples("f.csv", "y", ANY)}
    x = np.arange(50.0)
    drawn = draw(quantities, N, seed=1, tables={("f.csv", "x"): x, ("f.csv", "y"): 100 - x})
    assert (drawn.columns["x"] + drawn.columns["y"] == 100).all()
    assert set(drawn.columns["x"]) == set(x)


def test_reach_by_month_is_the_contracts() -> None:
    got = reach(
        12,
        delay=np.array([[1.0]]),
        ramp=np.array([[4.0]]),
        shape="s-curve",
        half_life=np.array([[6.0]]),
        transfer=np.array([[0.8]]),
        ends=10,
    )
    for t in range(1, 13):
        x = min(max((t - 1) / 4, 0), 1)
        x = (3 * x**2 - 2 * x**3) if t <= 10 else 0.0
        kept = 0.8 * 0.5 ** (max(t - 1 - 4, 0) / 6)
        assert got.adopted[0, t - 1] == pytest.approx(x, abs=1e-15)
        assert got.share[0, t - 1] == pytest.approx(x * kept, abs=1e-15)


def test_without_rollout_the_effect_is_whole_from_month_1() -> None:
    nothing = np.zeros((1, 1))
    got = reach(
        3, delay=nothing, ramp=nothing, shape="linear", half_life=None, transfer=np.ones((1, 1)), ends=None
    )
    assert (got.share == 1).all()


def test_growth_and_season() -> None:
    assert growth(np.array([[0.1]]), 25)[0, 24] == pytest.approx(1.21, rel=1e-15)
    assert growth(np.array([[0.1]]), 25)[0, 0] == 1
    assert season([1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12], 11, 4).tolist() == [[11, 12, 1, 2]]


def test_a_stream_of_cash_by_month() -> None:
    cash = flow(
        1,
        6,
        once=np.array([[100.0]]),
        at=2,
        monthly=np.array([[10.0]]),
        listed=np.array([[1.0, 2.0]]),
        counted=np.arange(1.0, 7.0)[None, :],
        amount=np.array([[0.5]]),
        first=2,
        last=4,
        growth=growth(np.array([[0.12]]), 6),
    )
    expected = [0.0, 1.0, 2.0, 0.0, 0.0, 0.0, 0.0]
    expected[2] += 100
    for t in (2, 3, 4):
        expected[t] += (10 + 0.5 * t) * 1.12 ** ((t - 1) / 12)
    assert cash[0] == pytest.approx(expected, rel=1e-14)
