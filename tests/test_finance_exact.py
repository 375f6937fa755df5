"""Finance against arithmetic with 40 digits, to 1e-12, over generated flows."""

from __future__ import annotations

from decimal import Decimal, localcontext

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from sim.finance.discount import factors, monthly_rate, nominal_rate, npv, real_rate
from sim.finance.irr import Status, irr, mirr
from sim.finance.metrics import measure
from sim.finance.payback import payback

TOLERANCE = Decimal("1e-12")
LEAD = {"end": Decimal(0), "mid": Decimal("0.5"), "start": Decimal(1)}

amounts = st.integers(-10_000_000, 10_000_000).map(lambda cents: cents / 100)
flows_strategy = st.lists(amounts, min_size=2, max_size=61)
rates = st.integers(-90, 300).map(lambda percent: percent / 100)
timings = st.sampled_from(["start", "mid", "end"])
quick = settings(deadline=None, max_examples=150)


@pytest.fixture(autouse=True)
def forty_digits():
    with localcontext() as context:
        context.prec = 40
        yield


def when(month: int, timing: str) -> Decimal:
    return Decimal(month) - LEAD[timing] if month else Decimal(0)


def exact_factors(rate: float, horizon: int, timing: str) -> list[Decimal]:
    growth = (1 + Decimal(rate)).ln() / 12
    return [(-growth * when(month, timing)).exp() for month in range(horizon + 1)]


def exact_npv(flows: list[float], rate: float, timing: str) -> Decimal:
    discount = exact_factors(rate, len(flows) - 1, timing)
    return sum((Decimal(flow) * factor for flow, factor in zip(flows, discount, strict=True)), Decimal(0))


def exact_payback(flows: list[float]) -> tuple[Decimal | None, Decimal | None]:
    """First and lasting payback by walking the months one by one."""
    first: Decimal | None = None
    lasting: Decimal | None = None
    balance = Decimal(0)
    for month, flow in enumerate(flows):
        before, balance = balance, balance + Decimal(flow)
        if balance < 0:
            lasting = None
            continue
        at = Decimal(0) if month == 0 else month - 1 + max(-before, Decimal(0)) / (Decimal(flow) or 1)
        if month == 0 or before < 0:
            lasting = at
            first = at if first is None else first
    return first, lasting


def close(value: float, exact: Decimal, scale: Decimal = Decimal(0)) -> bool:
    return abs(Decimal(float(value)) - exact) <= TOLERANCE * max(abs(exact), scale, Decimal("1e-300"))


@given(flows_strategy, rates, timings)
@quick
def test_npv(flows, rate, timing):
    value = npv(np.array([flows]), factors(rate, len(flows) - 1, timing))[0]
    terms = zip(flows, exact_factors(rate, len(flows) - 1, timing), strict=True)
    size = sum((abs(Decimal(flow)) * factor for flow, factor in terms), Decimal(0))
    assert close(value, exact_npv(flows, rate, timing), size)


@given(rates, st.integers(1, 600), timings)
@quick
def test_factors_keep_their_digits_over_fifty_years(rate, horizon, timing):
    assert close(factors(rate, horizon, timing)[0, -1], exact_factors(rate, horizon, timing)[-1])


@given(rates, rates)
@quick
def test_rates_convert(rate, inflation):
    assert close(monthly_rate(rate), ((1 + Decimal(rate)).ln() / 12).exp() - 1, Decimal("0.01"))
    nominal = (1 + Decimal(rate)) * (1 + Decimal(inflation)) - 1
    assert close(nominal_rate(rate, inflation), nominal, Decimal(1))
    assert close(real_rate(rate, inflation), (1 + Decimal(rate)) / (1 + Decimal(inflation)) - 1, Decimal(1))


@given(flows_strategy)
@quick
def test_payback(flows):
    found = payback(np.array([flows]))
    for value, exact in zip((found.first[0], found.lasting[0]), exact_payback(flows), strict=True):
        assert np.isinf(value) if exact is None else close(value, exact, Decimal(1))


@given(
    st.lists(st.integers(1, 10**7), min_size=1, max_size=12),
    st.lists(st.integers(1, 10**7), min_size=1, max_size=48),
    timings,
)
@quick
def test_irr_of_an_investment(spent, earned, timing):
    """One sign change: the root found in doubles is polished in 40 digits and must not move."""
    flows = [-float(value) for value in spent] + [float(value) for value in earned]
    if timing == "start":  # months 0 and 1 fall together and must still be one outflow
        assume(len(spent) > 1)
    found = irr(np.array([flows]), timing)
    assert found.status[0] == Status.UNIQUE
    growth = (1 + Decimal(float(found.monthly[0]))).ln()
    for _ in range(4):
        terms = [
            (when(t, timing), Decimal(flow) * (-growth * when(t, timing)).exp())
            for t, flow in enumerate(flows)
        ]
        growth += sum(term for _, term in terms) / sum(t * term for t, term in terms)
    assert close(found.monthly[0], growth.exp() - 1, Decimal(1))
    if np.isfinite(found.annual[0]):
        assert close(found.annual[0], (12 * growth).exp() - 1, Decimal(1))


@given(flows_strategy, rates, timings)
@quick
def test_mirr(flows, rate, timing):
    assume(min(flows) < 0 < max(flows))
    horizon = len(flows) - 1
    discount = exact_factors(rate, horizon, timing)
    spent = -sum((Decimal(flow) * d for flow, d in zip(flows, discount, strict=True) if flow < 0), Decimal(0))
    earned = sum((Decimal(flow) * d for flow, d in zip(flows, discount, strict=True) if flow > 0), Decimal(0))
    years = Decimal(horizon) / 12
    exact = ((earned / spent).ln() / years + (1 + Decimal(rate)).ln()).exp()
    value = mirr(np.array([flows]), rate, rate, timing)[0]
    assume(exact < Decimal("1e300"))
    assert close(value, exact - 1, Decimal(1))


@given(st.lists(st.tuples(st.integers(0, 10**7), st.integers(0, 10**7)), min_size=2, max_size=37), rates)
@quick
def test_totals_and_roi(pairs, rate):
    benefit = [value / 100 for value, _ in pairs]
    cost = [value / 100 for _, value in pairs]
    discount = factors(rate, len(pairs) - 1)
    found = measure(
        np.array([benefit]), np.array([cost]), discount, discount_rate=rate, payback_within=None, hurdle=0.0
    )[0]
    b, c = (sum(map(Decimal, values), Decimal(0)) for values in (benefit, cost))
    assert close(found["benefit"][0], b)
    assert close(found["cost"][0], c)
    exact = exact_factors(rate, len(pairs) - 1, "end")
    pv_b, pv_c = (
        sum((Decimal(v) * d for v, d in zip(values, exact, strict=True)), Decimal(0))
        for values in (benefit, cost)
    )
    assert close(found["npv"][0], pv_b - pv_c, pv_b + pv_c)
    if c == 0:
        assert np.isnan(found["roi"][0])
        assert np.isnan(found["roi_discounted"][0])
    else:
        assert close(found["roi"][0], (b - c) / c, 1 + b / c)
        assert close(found["roi_discounted"][0], (pv_b - pv_c) / pv_c, 1 + pv_b / pv_c)
    balance, lowest = Decimal(0), Decimal(0)
    for gained, paid in zip(benefit, cost, strict=True):
        balance += Decimal(gained) - Decimal(paid)
        lowest = min(lowest, balance)
    assert close(found["peak_funding"][0], -lowest, b + c)
