"""With every quantity certain the numbers that users know come out exactly, from the config on."""

from __future__ import annotations

from decimal import Decimal, getcontext
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from sim.engine.prepare import prepare
from sim.engine.summary import summarise
from sim.engine.world import Strategy, World

getcontext().prec = 40
HEAD = '[programme]\ncurrency = "EUR"\nhorizon = {horizon}\ndiscount_rate = {rate}\ntiming = "{timing}"\n'


def simulated(
    folder: Path, body: str, *, horizon: int = 12, rate: float = 0.0, timing: str = "end"
) -> tuple[dict[str, Any], Strategy]:
    path = folder / "exact.toml"
    path.write_text(HEAD.format(horizon=horizon, rate=rate, timing=timing) + body, encoding="utf-8")
    prepared = prepare(path)
    plan = prepared.plan
    world = World(prepared, {}, prepared.drawn)
    summary, strategies = summarise(world, plan, prepared.checks, trusted=True)
    return summary, strategies[plan.strategies[0]][0]


def test_invest_100_000_gain_200_000(tmp_path: Path) -> None:
    summary, _ = simulated(
        tmp_path, "[benefits]\ngain.months = [0,0,0,0,0,0,0,0,0,0,0,200_000]\n[costs]\nall = 100_000\n"
    )
    assert summary["metrics"]["roi"]["mean"] == 1.0
    assert summary["metrics"]["roi"]["expected"] == 1.0
    assert summary["metrics"]["npv"]["mean"] == 100_000
    assert summary["probability"]["loss"] == 0


def test_1000_interactions_a_day_from_50_to_20(tmp_path: Path) -> None:
    body = """\
[outcomes.interaction]
model = "cost"
control = 50
treated = 20
volume.daily = 1_000
value = 1
saves = "service"
[costs]
all = 1
"""
    summary, strategy = simulated(tmp_path, body)
    assert strategy.benefit[0, 1] == pytest.approx(30_000 * 365 / 12, rel=1e-14)
    assert summary["outcomes"]["interaction"]["money"]["mean"] == pytest.approx(30_000 * 365, rel=1e-14)
    assert summary["outcomes"]["interaction"]["pooled"]["difference"]["mean"] == -30
    assert summary["outcomes"]["interaction"]["p_better"] == 1


def test_handle_time_10_to_6_minutes(tmp_path: Path) -> None:
    body = """\
[outcomes.handling]
model = "cost"
unit = "minute"
control = 10
treated = 6
volume = 100
value = { amount = 30, per = "hour" }
realisation = 1
[costs]
all = 1
"""
    summary, strategy = simulated(tmp_path, body)
    assert summary["outcomes"]["handling"]["pooled"]["relative"]["mean"] == pytest.approx(-0.4, rel=1e-15)
    assert strategy.benefit[0, 1] == pytest.approx(100 * 4 / 60 * 30, rel=1e-14)


def test_five_hours_by_hand_each_time(tmp_path: Path) -> None:
    body = """\
[outcomes.update]
model = "cost"
unit = "hour"
control = 5
treated = 0
volume = 1
value = { amount = 24, per = "hour" }
realisation = 1
[costs]
all = 1
"""
    _, strategy = simulated(tmp_path, body)
    assert strategy.benefit[0, 1] == 5 * 24


def test_payback_of_the_methods(tmp_path: Path) -> None:
    plain, _ = simulated(tmp_path, "[benefits]\nx.monthly = 300\n[costs]\nall = 1000\n")
    assert plain["metrics"]["payback_months"]["median"] == pytest.approx(10 / 3, rel=1e-12)
    body = "[benefits]\nx.months = [1200, 0, 400]\n[costs]\nall = 1000\nlater = { months = [0, 500] }\n"
    twice, _ = simulated(tmp_path, body, horizon=3)
    assert twice["metrics"]["payback_first_months"]["median"] == pytest.approx(1000 / 1200, rel=1e-12)
    assert twice["metrics"]["payback_months"]["median"] == pytest.approx(2.75, rel=1e-12)


@pytest.mark.parametrize(
    ("timing", "value"), [("end", 11512.857852), ("mid", 11549.835506), ("start", 11586.931926)]
)
def test_discounting_of_the_methods(tmp_path: Path, timing: str, value: float) -> None:
    summary, _ = simulated(
        tmp_path, "[benefits]\nx.monthly = 1000\n[costs]\nall = 0\n", rate=0.08, timing=timing
    )
    assert summary["metrics"]["npv"]["mean"] == pytest.approx(value, abs=5e-7)
    months = [Decimal(t) - {"end": 0, "mid": Decimal("0.5"), "start": 1}[timing] for t in range(1, 13)]
    exact = sum(Decimal(1000) / Decimal("1.08") ** (month / 12) for month in months)
    assert summary["metrics"]["npv"]["mean"] == pytest.approx(float(exact), rel=1e-12)
    assert summary["metrics"]["roi"]["mean"] is None
    assert summary["metrics"]["payback_months"]["median"] == 0
    assert any(check["name"] == "no-costs" and check["status"] == "warn" for check in summary["checks"])


def test_irr_of_the_methods(tmp_path: Path) -> None:
    summary, _ = simulated(
        tmp_path, "[benefits]\nx.months = [39, 59, 55, 20]\n[costs]\nall = 100\n", horizon=4
    )
    monthly = summary["metrics"]["irr_monthly"]["mean"]
    assert monthly == pytest.approx(0.28095, abs=5e-6)
    net = [Decimal(-100), Decimal(39), Decimal(59), Decimal(55), Decimal(20)]
    residue = sum(flow / (1 + Decimal(monthly)) ** t for t, flow in enumerate(net))
    assert abs(residue) < Decimal("1e-9")
    assert summary["metrics"]["irr"]["mean"] == pytest.approx((1 + monthly) ** 12 - 1, rel=1e-12)


def test_after_is_the_contracts_formula(tmp_path: Path) -> None:
    body = """\
[volumes]
contacts = 10_000
[outcomes.deflection]
model = "conversion"
control = 0.1
treated = 0.4
volume = "contacts"
value = 5
saves = "labour"
realisation = 0.5
rollout = { ramp = { months = 4 } }
[outcomes.handling]
model = "cost"
unit = "second"
control = 600
treated = 480
volume = "contacts"
value = { amount = 36, per = "hour" }
realisation = 0.5
after = "deflection"
rollout = { delay = 1, transfer = 0.9 }
[costs]
resolutions = { per = "deflection.successes", amount = 0.99 }
messages = { per = "contacts", amount = 0.01, from = 3, until = 5, growth = 0.12 }
"""
    _, strategy = simulated(tmp_path, body, horizon=6)
    for t in range(1, 7):
        x = min(t / 4, 1)
        left = 10_000 * (1 - (0.1 + x * 0.3))
        deflected = 10_000 * 0.3 * x * 5 * 0.5
        faster = left * 120 * min(max(t - 1, 0), 1) * 0.9 * (36 / 3600) * 0.5
        assert strategy.benefit[0, t] == pytest.approx(deflected + faster, rel=1e-12)
        resolutions = 10_000 * x * 0.4 * 0.99
        messages = 100 * 1.12 ** ((t - 1) / 12) if 3 <= t <= 5 else 0
        assert strategy.cost[0, t] == pytest.approx(resolutions + messages, rel=1e-12)


def test_a_funnel_counts_the_difference_of_whole_chains(tmp_path: Path) -> None:
    body = """\
[outcomes.lead]
model = "conversion"
control = 0.10
treated = 0.12
volume = 1_000
[outcomes.sale]
model = "conversion"
control = 0.20
treated = 0.25
volume = "lead.successes"
value = 100
acquires = true
[costs]
all = 3_600
"""
    summary, strategy = simulated(tmp_path, body)
    assert strategy.benefit[0, 1] == pytest.approx((1000 * 0.12 * 0.25 - 1000 * 0.10 * 0.20) * 100, rel=1e-12)
    assert summary["metrics"]["cpa"]["mean"] == pytest.approx(3_600 / 120, rel=1e-12)
    assert summary["outcomes"]["lead"]["money"] is None


def test_segments_volumes_season_and_derived_volumes(tmp_path: Path) -> None:
    body = """\
[volumes.sessions]
monthly = { by = { DE = 100, NO = 300 } }
growth = 0.21
[volumes.abandoned]
of = "sessions"
share = 0.5
[outcomes.recovery]
model = "conversion"
control = { by = { DE = 0.1, NO = 0.2 } }
effect = { by = { DE = 0.5, NO = -0.1 } }
volume = "abandoned"
value = { by = { DE = 10, NO = 20 } }
[costs]
each = { per = "abandoned", amount = 1 }
"""
    summary, strategy = simulated(tmp_path, body, horizon=13)
    month = 50 * 0.05 * 10 - 150 * 0.02 * 20
    assert strategy.benefit[0, 1] == pytest.approx(month, rel=1e-12)
    assert strategy.benefit[0, 13] == pytest.approx(month * 1.21, rel=1e-12)
    assert strategy.cost[0, 1] == pytest.approx(200, rel=1e-12)
    pooled = summary["outcomes"]["recovery"]["pooled"]
    assert pooled["control"]["mean"] == pytest.approx(0.25 * 0.1 + 0.75 * 0.2, rel=1e-12)
    assert pooled["difference"]["mean"] == pytest.approx(0.25 * 0.05 - 0.75 * 0.02, rel=1e-12)
    assert summary["outcomes"]["recovery"]["segments"]["NO"]["relative"]["mean"] == pytest.approx(
        -0.1, rel=1e-12
    )


def test_churn_against_a_loop_over_customers(tmp_path: Path) -> None:
    body = """\
[volumes.customers]
stock = 1_000
monthly = 50
[outcomes.retention]
model = "churn"
control = 0.05
treated = 0.04
volume = "customers"
value = 20
rollout = { ramp = { months = 3 } }
[costs]
seats = { per = "customers.stock", amount = 0.5 }
"""
    _, strategy = simulated(tmp_path, body)
    control = treated = 1_000.0
    for t in range(1, 13):
        hazard = 0.05 - 0.01 * min(t / 3, 1)
        control = (control + 50) * (1 - 0.05)
        treated = (treated + 50) * (1 - hazard)
        assert strategy.benefit[0, t] == pytest.approx((treated - control) * 20, rel=1e-10)
        assert strategy.cost[0, t] == pytest.approx(treated * 0.5, rel=1e-10)


def test_money_times_100_and_a_longer_horizon(tmp_path: Path) -> None:
    body = """\
[outcomes.checkout]
model = "conversion"
control = {{ low = 0.02, high = 0.03 }}
effect = {{ low = -0.05, high = 0.3 }}
volume = {{ low = 900, high = 2_000 }}
value = {value}
[costs]
all = {cost}
"""
    short, one = simulated(tmp_path, body.format(value=3, cost=500), horizon=24, rate=0.1)
    long, two = simulated(tmp_path, body.format(value=300, cost=50_000), horizon=36, rate=0.1)
    assert np.allclose(100 * one.benefit, two.benefit[:, :25], rtol=1e-12, atol=0)
    assert np.allclose(100 * one.factors, 100 * two.factors[:, :25], rtol=1e-15)
    metrics = long["metrics"]["cost"]["mean"] / short["metrics"]["cost"]["mean"]
    assert metrics == pytest.approx(100, rel=1e-12)
    assert short["evidence"]["from_priors"] > 0
    assert short["evidence"]["from_pilot"] == 0
    assert any(check["name"] == "prior-only" for check in short["checks"])
