"""Paybacks, rates of return and risk against exact fractions and 40 digits, written here once more.

`test_finance_exact` holds present values, totals and rates of plain investments. Here are the paybacks in all
their forms, rates of flows with none, one or several roots down to −99 % a month, and tails of losses. Roots
are counted by Sturm's theorem in fractions, so the oracle shares nothing with what it judges.
"""

from __future__ import annotations

from decimal import Decimal, localcontext
from fractions import Fraction
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import assume, example, given, settings
from hypothesis import strategies as st

from sim.finance.discount import Timing, factors
from sim.finance.irr import Status, irr, mirr
from sim.finance.metrics import measure

TOLERANCE = 1e-12
quick = settings(deadline=None, max_examples=120)
timings: st.SearchStrategy[Timing] = st.sampled_from(["start", "mid", "end"])
rates = st.integers(-90, 300).map(lambda percent: percent / 100)
LEAD = {"end": Fraction(0), "mid": Fraction(1, 2), "start": Fraction(1)}


@pytest.fixture(autouse=True)
def forty_digits():
    with localcontext() as context:
        context.prec = 40
        yield


def decimal(value: Fraction) -> Decimal:
    return Decimal(value.numerator) / Decimal(value.denominator)


def discounted(flows: list[float], rate: float, timing: Timing) -> list[Decimal]:
    """Present value of each month's flow."""
    growth = (1 + Decimal(rate)).ln() / 12
    when = [decimal(Fraction(t) - LEAD[timing]) if t else Decimal(0) for t in range(len(flows))]
    return [Decimal(flow) * (-growth * t).exp() for flow, t in zip(flows, when, strict=True)]


def paid_back(flows: list[Decimal]) -> tuple[Decimal | None, Decimal | None]:
    """First and lasting payback in months: walk along the balance, remember where it turns from below."""
    balance, first, lasting = Decimal(0), None, None
    for month, flow in enumerate(flows):
        owed, balance = max(-balance, Decimal(0)), balance + flow
        if balance < 0:
            lasting = None
        elif lasting is None:
            lasting = Decimal(0) if month == 0 else Decimal(month - 1) + (owed / flow if owed else Decimal(0))
            first = lasting if first is None else first
    return first, lasting


def months(exact: Decimal | None) -> float:
    return np.inf if exact is None else float(exact)


# Quarters of a unit are exact in binary, so a break-even is one in doubles too.
quarters = st.integers(-40_000_000, 40_000_000).map(lambda n: n / 4)


@given(st.lists(quarters, min_size=3, max_size=49), rates, timings, st.integers(1, 96).map(lambda n: n / 2))
@example([-1000.0, 1200.0, -500.0, 400.0], 0.0, "end", 2.5)
@example([-1000.0, 1200.0, -500.0, 400.0], 0.1, "mid", 1.0)
@quick
def test_every_payback(flows, rate, timing, target):
    horizon = len(flows) - 1
    benefit, cost = np.maximum([flows], 0.0), np.maximum(-np.array([flows]), 0.0)
    present = discounted(flows, rate, timing)
    balances = np.cumsum(np.array([float(value) for value in present]))
    # Where the discounted balance comes within rounding of zero its sign is a matter of the last digit.
    assume(rate == 0 or np.all(np.abs(balances) > 1e-9 * np.abs([float(v) for v in present]).sum()))
    samples, metrics, probability, _ = measure(
        benefit,
        cost,
        factors(rate, horizon, timing),
        discount_rate=rate,
        payback_within=target,
        hurdle=0.0,
        timing=timing,
    )
    first, lasting = (months(value) for value in paid_back([Decimal(flow) for flow in flows]))
    wanted = {
        "payback_first_months": first,
        "payback_months": lasting,
        "payback_discounted_months": months(paid_back(present)[1]),
    }
    for name, exact in wanted.items():
        assert samples[name][0] == pytest.approx(exact, rel=TOLERANCE, abs=TOLERANCE), name
        within, block = {12, 24, 36, 48, horizon}, metrics[name]
        assert block["within"] == {str(m): float(exact <= m) for m in sorted(within) if m <= horizon}
        assert block["never"] == float(np.isinf(exact))
        assert (block["mean"] is None) == np.isinf(exact)
    reached = lasting <= target if target <= horizon else None
    assert probability["payback_within"] == (None if reached is None else float(reached))
    assert lasting >= first


def polynomial(flows: list[int], timing: Timing) -> list[Fraction]:
    """Coefficients of the present value in half-monthly (mid) or monthly steps of 1/(1 + r)."""
    steps = {"end": lambda t: t, "start": lambda t: max(t - 1, 0), "mid": lambda t: max(2 * t - 1, 0)}[timing]
    whole = [Fraction(0)] * (steps(len(flows) - 1) + 1)
    for t, flow in enumerate(flows):
        whole[steps(t)] += flow
    return whole


def trimmed(p: list[Fraction]) -> list[Fraction]:
    while p and p[-1] == 0:
        p = p[:-1]
    return p


def remainder(p: list[Fraction], q: list[Fraction]) -> list[Fraction]:
    p = trimmed(p)
    while len(p) >= len(q):
        factor, at = p[-1] / q[-1], len(p) - len(q)
        p = trimmed([c - (factor * q[i - at] if i >= at else 0) for i, c in enumerate(p)])
    return p


def at(p: list[Fraction], x: Fraction) -> Fraction:
    value = Fraction(0)
    for c in reversed(p):
        value = value * x + c
    return value


def changes(values: list[Fraction]) -> int:
    signs = [value > 0 for value in values if value != 0]
    return sum(a != b for a, b in pairwise(signs))


class Sturm:
    """Positive roots of a polynomial, counted exactly."""

    def __init__(self, p: list[Fraction]) -> None:
        self.p = trimmed(p)
        slope = [t * c for t, c in enumerate(self.p)][1:]
        self.chain = [self.p, trimmed(slope)]
        while len(self.chain[-1]) > 1:
            rest = remainder(self.chain[-2], self.chain[-1])
            if not rest:
                break
            self.chain.append([-c for c in rest])
        self.slope = slope

    def count(self, low: Fraction, high: Fraction) -> int:
        """Distinct roots in (low, high]; neither end may be a multiple root."""
        return changes([at(q, low) for q in self.chain]) - changes([at(q, high) for q in self.chain])

    @property
    def repeated(self) -> bool:
        """Whether some root, perhaps a complex one, is a multiple one."""
        return len(self.chain[-1]) > 1

    def root(self, low: Fraction, high: Fraction) -> Fraction:
        """Halve an interval that holds one simple root down to 20 digits."""
        if at(self.p, high) == 0:
            return high
        below = at(self.p, low) > 0
        while high - low > low * Fraction(1, 10**20):
            middle = Fraction(round((low + high) / 2 * 10**40), 10**40)
            value = at(self.p, middle)
            if value == 0:
                return middle
            low, high = (middle, high) if (value > 0) == below else (low, middle)
        return low


def expected(flows: list[int], timing: Timing) -> tuple[Status, float | None, float]:
    """Status, growth per month and the condition of the root, as the docstring of `irr` promises them."""
    p = polynomial(flows, timing)
    while p and p[0] == 0:
        p = p[1:]
    if not trimmed(p):
        return Status.NONE, None, 1.0
    sturm, far = Sturm(p), Fraction(10**9)
    assume(not sturm.repeated or len(sturm.p) == 1)
    total = sum(p)
    balance = [sum(p[: k + 1]) for k in range(len(p))]
    # The root 1 (a rate of 0) lies on the seam of (0, 1] and (1, ∞).
    up, down = sturm.count(Fraction(1, 10**9), Fraction(1)) - (total == 0), sturm.count(Fraction(1), far)
    if changes(p) > 1 and changes(balance) == 1 and total != 0:
        assert up == 1, "Norstrøm"
        low, high = Fraction(1, 10**9), Fraction(1)
    elif up + down + (total == 0) != 1:
        return Status.SEVERAL if up + down + (total == 0) else Status.NONE, None, 1.0
    elif total == 0:
        low = high = Fraction(1)
    else:
        low, high = (Fraction(1, 10**9), Fraction(1)) if up else (Fraction(1), far)
    x = low if low == high else sturm.root(low, high)
    condition = sum(abs(c) * x**t for t, c in enumerate(p)) / abs(x * at(sturm.slope, x))
    growth = decimal(1 / x)
    return Status.UNIQUE, float(growth * growth if timing == "mid" else growth), max(1.0, float(condition))


def agrees(flows: list[int], timing: Timing) -> None:
    status, growth, condition = expected(flows, timing)
    found = irr(np.array([flows], dtype=float), timing)
    assert Status(found.status[0]) is status
    if growth is None:
        assert np.isnan(found.monthly[0])
    else:
        # Relative to 1 + r, so that −99 % keeps its digits too; flat roots are as sure as they are steep.
        assert 1 + found.monthly[0] == pytest.approx(growth, rel=TOLERANCE * condition)
        assert 1 + found.annual[0] == pytest.approx(growth**12, rel=13 * TOLERANCE * condition)
    assert found.total_loss[0] == (min(flows) < 0 and max(p := polynomial(flows, timing)) <= 0 and any(p))


@given(st.lists(st.integers(-6, 6), min_size=3, max_size=9), timings)
@example([-1000, 2300, -1320], "end")
@example([-100, 150, -50], "end")
@example([-100, 60, -10, 20], "mid")
@example([0, 0, 0], "end")
@settings(deadline=None, max_examples=150)
def test_rates_of_any_flows(flows, timing):
    agrees(flows, timing)


planted = st.builds(Fraction, st.integers(1, 30), st.integers(1, 30))


@given(st.lists(planted, min_size=1, max_size=4, unique=True), st.sampled_from([1, -1]))
@example([Fraction(100)], -1)  # −99 % a month
@example([Fraction(100), Fraction(10, 11)], -1)  # −99 % and +10 %
@example([Fraction(1), Fraction(20)], 1)
@example([Fraction(99, 100), Fraction(98, 100)], -1)
@quick
def test_rates_that_were_planted(roots, sign):
    """Flows with exactly these roots x = 1/(1 + r), no other positive one."""
    p = [1]
    for x in roots:
        top, bottom = x.as_integer_ratio()
        p = [bottom * left - top * right for left, right in zip([0, *p], [*p, 0], strict=True)]
    agrees([sign * c for c in p], "end")
    agrees([sign * c for c in (x + 3 * y for x, y in zip([*p, 0], [0, *p], strict=True))], "end")


@given(st.integers(1, 10**6), st.integers(1, 60), st.integers(1, 10**4), timings)
@example(1625, 60, 2, "mid")  # so flat on the way to its root that a Newton step overflows
@quick
def test_rates_of_almost_total_losses(invested, month, back, timing):
    """One inflow long after: (back / invested)^(1/months) − 1, down to −99.9999 % a month."""
    flows = [-invested * 100, *[0] * month, back]
    when = month + 1 - float(LEAD[timing])
    assume(when > 0)
    exact = ((Decimal(back) / (100 * invested)).ln() / Decimal(when)).exp()
    found = irr(np.array([flows], dtype=float), timing)
    assert found.status[0] == Status.UNIQUE
    assert 1 + found.monthly[0] == pytest.approx(float(exact), rel=TOLERANCE)


@given(st.lists(quarters, min_size=3, max_size=37), rates, rates, timings)
@quick
def test_mirr_at_two_rates(flows, finance, reinvest, timing):
    assume(min(flows) < 0 < max(flows))
    spent = -sum(value for value in discounted(flows, finance, timing) if value < 0)
    earned = sum(value for value in discounted(flows, reinvest, timing) if value > 0)
    years = Decimal(len(flows) - 1) / 12
    exact = (((earned / spent).ln() + (1 + Decimal(reinvest)).ln() * years) / years).exp()
    assume(exact < Decimal("1e300"))
    value = mirr(np.array([flows]), finance, reinvest, timing)[0]
    # A small 1 + MIRR loses digits when 1 is taken off: absolute there.
    assert value == pytest.approx(float(exact - 1), rel=TOLERANCE * 10, abs=TOLERANCE)


@given(st.lists(st.lists(quarters, min_size=4, max_size=4), min_size=2, max_size=60), st.integers(-8, 8))
@quick
def test_losses_and_tails(rows, hurdle):
    flows = np.array(rows)
    _, metrics, probability, risk = measure(
        np.maximum(flows, 0.0),
        np.maximum(-flows, 0.0),
        np.ones((1, 4)),
        discount_rate=0.0,
        payback_within=None,
        hurdle=hurdle * 1e6,
    )
    npv = sorted(sum(map(Fraction, row)) for row in rows)
    place = Fraction(len(npv) - 1, 20)
    below = int(place)
    cut = npv[below] + (place - below) * (npv[min(below + 1, len(npv) - 1)] - npv[below])
    tail = [value for value in npv if value <= max(cut, npv[0])]
    scale = float(max(map(abs, npv))) or 1.0
    assert risk["var_95"] == pytest.approx(float(-cut), rel=TOLERANCE, abs=TOLERANCE * scale)
    assert risk["cvar_95"] == pytest.approx(float(-sum(tail) / len(tail)), abs=TOLERANCE * scale)
    assert risk["cvar_95"] >= risk["var_95"] - TOLERANCE * scale
    assert probability["loss"] == sum(value < 0 for value in npv) / len(npv)
    assert probability["npv_above_hurdle"] == sum(value > hurdle * 10**6 for value in npv) / len(npv)
    assert metrics["npv"]["mean"] == pytest.approx(float(sum(npv) / len(npv)), abs=TOLERANCE * scale)
