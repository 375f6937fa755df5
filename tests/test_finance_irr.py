"""Rates of return: known values, how many roots there are, extremes, and other libraries."""

from __future__ import annotations

import numpy as np
import numpy_financial as npf
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from sim.finance.bernstein import isolate, sign_changes
from sim.finance.discount import factors, npv
from sim.finance.irr import Status, irr, mirr


def one(*flows: float, timing: str = "end"):
    found = irr(np.array([flows], dtype=float), timing)
    return float(found.monthly[0]), Status(found.status[0])


def test_published_values():
    rate, status = one(-100, 39, 59, 55, 20)
    assert status is Status.UNIQUE
    assert rate == pytest.approx(0.28095, abs=5e-6)
    yearly = np.array([[-120000.0, 39000, 30000, 21000, 37000, 46000]])
    assert mirr(yearly, 0.10, 0.12, periods_per_year=1)[0] == pytest.approx(0.126094, abs=5e-7)


def test_agrees_with_numpy_financial():
    rng = np.random.default_rng(4)
    flows = np.hstack([-rng.uniform(50, 200, (50, 1)), rng.uniform(0, 20, (50, 36))])
    ours = irr(flows).monthly
    theirs = np.array([npf.irr(row) for row in flows])
    np.testing.assert_allclose(ours, theirs, rtol=1e-8, atol=1e-10)
    ours = mirr(flows, 0.10, 0.12, periods_per_year=1)
    theirs = np.array([npf.mirr(row, 0.10, 0.12) for row in flows])
    np.testing.assert_allclose(ours, theirs, rtol=1e-12, atol=1e-14)


@pytest.mark.parametrize(
    ("flows", "rate"),
    [
        ((-1000, 10), -0.99),
        ((-1000, *[0] * 118, 0, 1000 * 0.01**120), -0.99),
        ((-1000, 1e-5), -0.99999999),
        ((-1e-3, 1e9), 1e12 - 1),
        ((-1, 1), 0.0),
        ((-1, *[0.1] * 10), 0.0),
        ((0, 0, -100, 110), 0.10),
        ((100, -110), 0.10),
    ],
)
def test_extremes_and_offsets(flows, rate):
    found, status = one(*flows)
    assert status is Status.UNIQUE
    assert found == pytest.approx(rate, rel=1e-12, abs=1e-14)


def test_several_roots_are_flagged_and_not_valued():
    for flows in [(-1000, 2300, -1320), (-100, 230, -132, 0, 0), (-100, 220, -121), (-1, 3.6, -4.31, 1.716)]:
        rate, status = one(*flows)
        assert status is Status.SEVERAL
        assert np.isnan(rate)


def test_a_root_on_the_seam_of_two_halves_is_counted_once():
    # (x − ½)(x² − x + 1): three sign changes, one real root, exactly where the interval is halved.
    rate, status = one(-0.5, 1.5, -1.5, 1.0)
    assert status is Status.UNIQUE
    assert rate == pytest.approx(1.0, rel=1e-14)


def test_norstrom_needs_a_total_that_is_not_zero():
    # −50(x − 1)(x − 2): cumulative flows cross once and end at zero; the rates are 0 and −50 %.
    assert one(-100, 150, -50)[1] is Status.SEVERAL


def test_rows_without_a_rate():
    found = irr(np.array([[-100.0, 0, -5], [0, 0, 0], [100, 5, 1], [-100, 90, -80]]))
    assert (found.status == Status.NONE).all()
    assert found.total_loss.tolist() == [True, False, False, False]
    assert np.isnan(found.monthly).all()


def test_norstrom_takes_the_rate_above_zero_although_another_lies_below():
    # (x − 1/1.1)(x − 1/0.5)(x + 1), scaled: roots at +10 % and −50 %; cumulative flows cross once.
    flows = 100.0 * np.poly([1 / 1.1, 1 / 0.5, -1.0])[::-1]
    assert sign_changes(flows[None])[0] == 2
    cumulative = np.cumsum(flows)
    assert sign_changes(cumulative[None])[0] == 1
    rate, status = one(*flows)
    assert status is Status.UNIQUE
    assert rate == pytest.approx(0.10, rel=1e-12)


def test_a_losing_project_with_renewals_has_one_rate_below_zero():
    flows = (-100.0, 60, -10, 20)
    rate, status = one(*flows)
    assert status is Status.UNIQUE
    assert -1 < rate < 0
    assert npv(np.array([flows]), (1 + rate) ** -np.arange(4.0)[None])[0] == pytest.approx(0, abs=1e-11)


@pytest.mark.parametrize("timing", ["start", "mid", "end"])
def test_the_present_value_at_the_rate_is_zero_under_the_same_timing(timing):
    flows = np.array([[-1000.0] + [100.0] * 12, [-50.0, -50.0] + [9.0] * 11])
    found = irr(flows, timing)
    assert npv(flows, factors(found.annual, 12, timing)) == pytest.approx(0, abs=1e-9)


def test_count_agrees_with_the_roots_of_the_companion_matrix():
    """Independent oracle: eigenvalues. Random walks of both signs give many roots."""
    rng = np.random.default_rng(7)
    flows = rng.normal(size=(400, 25))
    found = irr(flows)
    for row, status, monthly in zip(flows, found.status, found.monthly, strict=True):
        roots = np.roots(row[::-1])
        real = roots[(np.abs(roots.imag) < 1e-9) & (roots.real > 0)].real
        if sign_changes(np.cumsum(row)[None])[0] == 1:
            real = real[real < 1]
        assert status == {0: Status.NONE, 1: Status.UNIQUE}.get(real.size, Status.SEVERAL)
        if real.size == 1:
            assert monthly == pytest.approx(1 / real[0] - 1, rel=1e-7, abs=1e-9)


@given(st.lists(st.floats(0.01, 0.99), min_size=0, max_size=6), st.integers(1, 6))
@settings(deadline=None, max_examples=100)
def test_isolation_counts_planted_roots(roots, extra):
    assume(all(abs(a - b) > 1e-3 for k, a in enumerate(roots) for b in roots[:k]))
    polynomial = np.poly([*roots, *[-0.7] * extra])[::-1]
    count, low, high = isolate(polynomial[None])
    assert min(count[0], 2) == min(len(roots), 2)
    if len(roots) == 1:
        assert low[0] <= roots[0] <= high[0]


def test_chunks_do_not_show():
    rng = np.random.default_rng(1)
    flows = np.hstack([-np.ones((9000, 1)), rng.normal(0.05, 0.2, (9000, 24))])
    whole = irr(flows)
    tail = irr(flows[8000:])
    np.testing.assert_array_equal(whole.status[8000:], tail.status)
    np.testing.assert_array_equal(whole.monthly[8000:], tail.monthly)


def test_scaling_and_order_of_rows_change_nothing():
    rng = np.random.default_rng(2)
    flows = np.hstack([-np.ones((200, 1)), rng.normal(0.05, 0.2, (200, 24))])
    order = rng.permutation(200)
    base = irr(flows)
    np.testing.assert_allclose(irr(flows[order] * 1e6).monthly, base.monthly[order], rtol=1e-12)
