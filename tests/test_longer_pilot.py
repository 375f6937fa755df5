"""What a longer pilot would show: delayed launches by hand, and a one-outcome pilot against enumeration."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from scipy.stats import beta, betabinom

from sim.contract import OutcomeModel
from sim.decision.arguments import with_hurdle
from sim.decision.voi import evsi
from sim.engine.extension import (
    by_length,
    in_stages,
    pay_offs,
    pilot_cost,
    stage_size,
    value_now,
    value_of_knowing,
)
from sim.engine.inputs import net_present_value
from sim.engine.later import discounting, ended, later
from sim.engine.learning import Source, scaled, signals, sources, together
from sim.engine.prepare import prepare
from sim.engine.world import World
from sim.errors import ProblemsError
from sim.records.arrays import FloatArray
from sim.records.summary import Design, PilotSummary
from sim.registry import models
from tests.test_models_contract import example

# A rate ~ Beta(12, 28) against a certain one of 0.28; 100 trials a month for 10 months at 10 a success.
A, B = 12.0, 28.0
MEAN, SD = A / (A + B), float(np.sqrt(A * B / ((A + B) ** 2 * (A + B + 1))))
WORTH, COST = 100 * 10 * 10.0, 150.0
BETA = f"""\
[programme]
currency = "EUR"
horizon = 10
discount_rate = 0.0
[outcomes.rate]
model = "conversion"
control = 0.28
treated = {{ dist = "beta", mean = {MEAN!r}, sd = {SD!r} }}
volume = 100
value = 10
[costs]
all = {COST}
[decision]
pilot = {{ cost_per_month = 5, months = [1, 2, 4], delays_rollout = false }}
"""


def world_of(folder: Path, text: str, *sets: str) -> World:
    path = folder / "programme.toml"
    path.write_text(text, encoding="utf-8")
    prepared = prepare(path, sets)
    return World(prepared, {}, prepared.drawn)


def npv(world: World) -> FloatArray:
    return net_present_value(world, world.strategy("treated"))


def launched(world: World, months: int) -> FloatArray:
    moved = later(world, months).strategy("treated")
    return np.asarray(((moved.benefit - moved.cost) * discounting(world, months)).sum(axis=1))


def followed(world: World, trials: float, per_month: float = 1.0) -> Source:
    """Return the pilot behind the rate: `trials` of the treated arm, and the drawn rates as its posterior."""
    statistics = {"trials": np.array([[trials]]), "successes": np.array([[0.3 * trials]])}
    summary = PilotSummary(
        ("treated",), ("all",), statistics, statistics["trials"], has_control=False, months=1.0
    )
    draws = {"level": world.drawn.columns["outcomes.rate.treated"][:, None, None]}
    return Source("rate", models()["conversion"], summary, draws, per_month)


def pays(rate: FloatArray) -> FloatArray:
    return WORTH * (rate - 0.28) - COST


def exact_evsi(n: int, hurdle: float = 0.0) -> float:
    """Return the EVSI of n trials by enumeration of the Beta-binomial."""
    y = np.arange(n + 1)
    chance = betabinom(n, A, B).pmf(y)
    return float(chance @ np.maximum(pays((A + y) / (A + B + n)), hurdle) - max(pays(np.array(MEAN)), hurdle))


def exact_evpi() -> float:
    """Return E[max(0, w (p - c))] less its value now, from the partial mean of the Beta distribution."""
    c = 0.28 + COST / WORTH
    partial = MEAN * beta(A + 1, B).sf(c) - c * beta(A, B).sf(c)
    return float(WORTH * partial - max(pays(np.array(MEAN)), 0.0))


LAUNCH = """\
[programme]
currency = "EUR"
start = 2026-03-01
horizon = {horizon}
discount_rate = 0.2
timing = "{timing}"
[volumes.visits]
monthly = {{ low = 90, high = 120 }}
seasonality = [1, 1.2, 0.8, 1, 1, 1.5, 1, 1, 1, 0.5, 1, 1]
[outcomes.orders]
model = "conversion"
control = {{ low = 0.1, high = 0.12 }}
effect = {{ low = 0.0, high = 0.4 }}
volume = "visits"
value = 30
[rollout]
delay = {{ low = 0.5, high = 1.5 }}
ramp.months = 3
ends = 8
[costs]
build = {{ once = 100, at = 0 }}
late = {{ once = 70, at = 7 }}
licence = {{ monthly = 11, from = 2, until = 6 }}
campaign.months = [5, 6, 7]
handling = {{ per = "visits", amount = 0.05 }}
bonus = {{ per = "orders.successes", amount = 0.3 }}
[benefits]
old = {{ monthly = 3, from = 3 }}
"""


@pytest.mark.parametrize("timing", ["start", "mid", "end"])
def test_a_later_launch_is_the_shorter_programme_discounted(tmp_path: Path, timing: str) -> None:
    """Σ_t net_t(new launch) · factor(t + n): the same config with start moved and horizon cut by n months."""
    world = world_of(tmp_path, LAUNCH.format(horizon=12, timing=timing))
    text = LAUNCH.format(horizon=9, timing=timing).replace("2026-03", "2026-06")
    shorter = world_of(tmp_path, text)
    assert launched(world, 3) == pytest.approx(npv(shorter) / 1.2 ** (3 / 12), rel=1e-12)
    assert launched(world, 0) == pytest.approx(npv(world), rel=1e-15)
    # What falls beyond the horizon is lost: the late cost of month 7 at a launch in month 6.
    text = LAUNCH.format(horizon=6, timing=timing).replace("2026-03", "2026-09")
    text = text.replace("late = { once = 70, at = 7 }\n", "")
    assert launched(world, 6) == pytest.approx(npv(world_of(tmp_path, text)) / 1.2**0.5, rel=1e-12)


def test_a_programme_that_is_stopped_is_one_that_ends(tmp_path: Path) -> None:
    text = LAUNCH.format(horizon=12, timing="end")
    world = world_of(tmp_path, text)
    text = text.replace("ends = 8", "ends = 5").replace("until = 6", "until = 5")
    text = text.replace("late = { once = 70, at = 7 }\n", "")
    text = text.replace("amount = 0.05 }", "amount = 0.05, until = 5 }")
    text = text.replace("amount = 0.3 }", "amount = 0.3, until = 5 }").replace(
        "from = 3 }", "from = 3, until = 5 }"
    )
    assert npv(ended(world, 5)) == pytest.approx(npv(world_of(tmp_path, text)), rel=1e-12)
    assert ended(world, 2).plan.costs["campaign"].month_paths == world.plan.costs["campaign"].month_paths[:2]


def test_growth_and_customers_belong_to_the_calendar(tmp_path: Path) -> None:
    text = """\
[programme]
currency = "EUR"
horizon = 12
discount_rate = 0.0
[volumes]
visits = { monthly = 100, growth = 0.5 }
customers = { stock = 1_000, monthly = 50 }
[outcomes.orders]
model = "conversion"
control = 0.1
treated = 0.2
volume = "visits"
value = 1
[outcomes.stay]
model = "churn"
control = 0.10
treated = 0.05
volume = "customers"
value = 1
[costs]
licence = { monthly = 10, growth = 0.2 }
"""
    world = world_of(tmp_path, text)
    moved = later(world, 4).strategy("treated")
    t = np.arange(5, 13)
    orders = moved.ledger.benefits["outcomes.orders"][0]
    assert orders[5:] == pytest.approx(10 * 1.5 ** ((t - 1) / 12), rel=1e-12)
    assert not orders[:5].any()
    licence = moved.ledger.costs["costs.licence"][0]
    assert licence[5:] == pytest.approx(10 * 1.2 ** ((t - 1) / 12), rel=1e-12)
    # Four months without treatment, then one at the other hazard.
    there = 1000.0
    for _ in range(4):
        there = (there + 50) * 0.9
    kept = moved.ledger.benefits["outcomes.stay"][0]
    assert kept[5] == pytest.approx((there + 50) * 0.05, rel=1e-12)


def test_evsi_of_one_rate_is_that_of_exact_enumeration(tmp_path: Path) -> None:
    """Beta prior, binomial data: within 4 Monte Carlo errors at each size, false alarm 1 in 2,000."""
    world = world_of(tmp_path, BETA)
    strategy, source = world.strategy("treated"), followed(world, 20)
    known = exact_evpi()
    now = value_now(world, strategy)
    assert now["npv"] == pytest.approx(float(pays(np.array(MEAN))), rel=1e-3)
    informed = value_of_knowing(world, strategy, [source])
    assert abs(informed["evpi"] - known) < 4 * informed["evpi_mcse"]
    rows, best = by_length(world, strategy, [source], [1, 2, 4])
    for row in rows:
        exact = exact_evsi(20 * row["months"])
        assert abs(row["evsi"] - exact) < 4 * row["evsi_mcse"] + 0.01 * known
        assert abs(row["evsi_gaussian"] - exact) < 0.15 * known
        assert row["cost"] == pytest.approx(5 * row["months"])
        assert row["enbs"] == pytest.approx(row["evsi"] - row["waiting"] - row["cost"], abs=1e-9)
    # Sizes up to one that tells the rate: never falling, never above EVPPI, reaching it in the end.
    worth = [exact_evsi(n) for n in (20, 40, 80)]
    assert [row["evsi"] for row in rows] == sorted(row["evsi"] for row in rows)
    assert abs(informed["evppi"] - known) < 4 * informed["evppi_mcse"]
    now_nb = with_hurdle(npv(world), 0.0)
    endless = signals(now_nb[:, 1], [source], {"rate": 1e5}, seed=1, stream="endless")
    found = evsi(now_nb, now_nb, endless, rng=np.random.default_rng(1))
    assert found.value == pytest.approx(informed["evppi"], rel=0.01)
    assert worth[-1] < rows[-1]["evsi"] + 4 * rows[-1]["evsi_mcse"]
    assert all(row["evsi"] <= informed["evppi"] + 2 * row["evsi_mcse"] for row in rows)
    assert best.length in (1, 2, 4)


def test_waiting_costs_what_the_later_launch_loses(tmp_path: Path) -> None:
    world = world_of(tmp_path, BETA, "decision.pilot.delays_rollout=true", "programme.discount_rate=0.1")
    later_on = pay_offs(world, "treated", 4)
    assert later_on[:, 0] == pytest.approx(0.0)
    rate = world.drawn.columns["outcomes.rate.treated"]
    by_month = 1.1 ** (-np.arange(11) / 12)
    by_hand = 1000 * (rate - 0.28) * by_month[5:].sum() - COST * by_month[4]
    assert later_on[:, 1] == pytest.approx(by_hand, rel=1e-12)
    assert pilot_cost(world, 4) == pytest.approx(5 * by_month[1:5].sum(), rel=1e-12)
    rows, _ = by_length(world, world.strategy("treated"), [followed(world, 20)], [4])
    assert rows[0]["waiting"] > 0
    assert rows[0]["enbs"] < rows[0]["evsi"] - rows[0]["cost"]


def test_a_later_launch_pays_for_itself_at_the_launch(tmp_path: Path) -> None:
    """With cash in mid-month: what is paid once, at the launch, is not discounted like cash of its month."""
    world = world_of(tmp_path, LAUNCH.format(horizon=12, timing="mid"))
    assert pay_offs(world, "treated", 3)[:, 1] == pytest.approx(launched(world, 3), rel=1e-14)
    at_launch = world.drawn.columns["costs.build.once"] / 1.2 ** (3 / 12)
    free = world_of(tmp_path, LAUNCH.format(horizon=12, timing="mid").replace("once = 100", "once = 0"))
    gained = pay_offs(free, "treated", 3)[:, 1] - pay_offs(world, "treated", 3)[:, 1]
    assert gained == pytest.approx(at_launch, rel=1e-9)


def test_a_rollout_that_goes_on_may_be_stopped(tmp_path: Path) -> None:
    """Stopping pays what came in until then, and the hurdle; going on pays the whole NPV."""
    world = world_of(tmp_path, BETA, "decision.hurdle=7")
    stop, go = pay_offs(world, "treated", 4).T
    rate = world.drawn.columns["outcomes.rate.treated"]
    assert stop == pytest.approx(4 * 1000 * (rate - 0.28) - COST + 7, rel=1e-12)
    assert go == pytest.approx(pays(rate), rel=1e-12)


def test_decide_now_when_nothing_could_change_it(tmp_path: Path) -> None:
    world = world_of(tmp_path, BETA, "outcomes.rate.control=0.05")
    rows, best = by_length(world, world.strategy("treated"), [followed(world, 20)], [1, 4])
    assert best.decide_now
    assert all(row["enbs"] <= 0 and row["evsi"] < 1 for row in rows)
    sure = world_of(tmp_path, BETA, "outcomes.rate.treated=0.4")
    assert value_of_knowing(sure, sure.strategy("treated"), [])["evpi"] == 0.0


def test_stages_against_enumeration(tmp_path: Path) -> None:
    """E[stage] + E[max(0, E(rest | D))] over the Beta-binomial, within 4 Monte Carlo errors."""
    text = BETA + "stage = { share = 0.2, months = 4, cost = 0.5 }\n"
    world = world_of(tmp_path, text)
    source = followed(world, 20)
    assert stage_size(world, "treated", source) == pytest.approx(0.2 * 4 * 100 / 20)
    found = in_stages(world, world.strategy("treated"), [source])
    assert found is not None
    n, y = 80, np.arange(81)
    posterior = (A + y) / (A + B + n)
    # A month of the whole volume brings 1000 (p - c); the second stage has 80 % of it over six months.
    stage = 0.2 * 4 * 1000 * (MEAN - 0.28) - 0.5 * COST
    rest = 1000 * (posterior - 0.28) * (0.2 * 6 + 0.8 * 6) - 0.5 * COST
    value = stage + float(betabinom(n, A, B).pmf(y) @ np.maximum(rest, 0.0))
    assert abs(found["value"] - value) < 4 * found["value_mcse"] + 1.0
    all_in = float(pays(np.array(MEAN)))
    assert abs(found["over_all_in"] - (value - all_in)) < 4 * found["over_all_in_mcse"] + 1.0
    goes_on = float(betabinom(n, A, B).pmf(y)[rest > 0].sum())
    assert abs(found["goes_on"] - goes_on) < 0.06
    assert in_stages(world_of(tmp_path, BETA), world.strategy("treated"), [source]) is None


@pytest.mark.parametrize("name", sorted(models()))
def test_pilots_of_every_model_can_be_made_longer(name: str) -> None:
    """Twice the pilot has twice the units, and its simulated totals are twice as large within noise."""
    model: OutcomeModel = models()[name]
    pilot = example(name, (2, 3))
    double = scaled(pilot, model, np.array([2.0, 2.0]))
    assert double.size == pytest.approx(2 * pilot.size)
    # Spreads are shrunk a little less in a larger pilot.
    assert model.ratio(double.statistics).mean == pytest.approx(model.ratio(pilot.statistics).mean, rel=0.01)
    rng = np.random.default_rng(3)
    draws = model.prior(pilot, model.priors(), 40, rng=rng)
    draws = {key: np.broadcast_to(values[:1], values.shape) for key, values in draws.items()}
    source = Source(name, model, pilot, draws, 1.0)
    once, twice = source.simulate(20.0, rng).mean(axis=0), source.simulate(40.0, rng).mean(axis=0)
    assert once.shape == (6,)
    assert twice == pytest.approx(2 * once, rel=0.25)
    assert source.learnable().shape == (40, 0)  # the same level in all states: nothing to learn


def test_cells_before_the_launch_get_no_further_data() -> None:
    model = models()["conversion"]
    statistics = {"trials": np.full((4, 1), 100.0), "successes": np.full((4, 1), 20.0)}
    pilot = PilotSummary(
        ("a", "b"), ("all",), statistics, statistics["trials"], design=Design("difference-in-differences")
    )
    rng = np.random.default_rng(1)
    draws = {"level": rng.uniform(0.1, 0.3, (50, 2, 1)), "fitted": rng.uniform(0.1, 0.3, (50, 4, 1))}
    source = Source("x", model, pilot, draws, 1.0)
    assert scaled(pilot, model, 3 * source.running).size[:, 0].tolist() == [0, 300, 0, 300]
    assert source.simulate(3.0, rng).shape == (50, 2)
    assert source.learnable() == pytest.approx(draws["fitted"][:, [1, 3], 0])
    before_after = replace(pilot, arms=("before", "treated"), design=Design("before-after"))
    assert Source("x", model, before_after, draws, 1.0).running.tolist() == [0, 1]


def test_many_signals_become_one_index_that_noise_does_not_fool() -> None:
    """Twenty signals of which one matters: R² within 0.05 of the truth; of noise alone below 0.02."""
    rng = np.random.default_rng(2)
    first, second = rng.standard_normal((4000, 20)), rng.standard_normal((4000, 5))
    nb = first[:, 3] + second[:, 0] + rng.standard_normal(4000)
    index = together(nb, [first, second])
    assert index.shape == (4000, 2)
    assert np.corrcoef(index[:, 0], first[:, 3])[0, 1] > 0.98
    assert np.corrcoef(index.sum(axis=1), nb)[0, 1] ** 2 == pytest.approx(2 / 3, abs=0.05)
    noise = together(rng.standard_normal(4000), [first])
    assert np.corrcoef(noise[:, 0], nb)[0, 1] ** 2 < 0.02
    assert together(nb, [first[:, :1], second[:, :2]]).shape == (4000, 3)
    assert together(nb, [first, second, first, second]).shape == (4000, 1)


def test_what_the_length_of_the_pilot_is_taken_from(tmp_path: Path) -> None:
    """The table's own months, else `ran`, else the rollout's whole volume, which is told."""
    pilot = (
        "control = { trials = 200, successes = 50 }\ntreated = { trials = 200, successes = 60 }\nvolume = 100"
    )
    text = BETA.replace("volume = 100", pilot)
    text = "\n".join(
        line for line in text.splitlines() if "control = 0.28" not in line and "dist" not in line
    )

    def per_month(*sets: str, months: float | None = None) -> tuple[float, list[str]]:
        path = tmp_path / "fitted.toml"
        path.write_text(text, encoding="utf-8")
        prepared = prepare(path, sets)
        if months is not None:
            summary = replace(prepared.summaries["rate"], months=months, design=Design(effect=2.0))
            prepared = replace(prepared, summaries={"rate": summary})
        rng = np.random.default_rng(0)
        fits = {"rate": {"level": rng.uniform(0.2, 0.3, (prepared.plan.samples, 2, 1))}}
        world = World(prepared, fits, prepared.drawn)
        (found,), told = sources(world, world.strategy("treated"))
        return found.per_month, told

    assert per_month("decision.pilot.ran=5") == (0.2, [])
    assert per_month("decision.pilot.ran=5", months=8.0) == (1 / 16, [])  # clusters count half
    share, told = per_month()
    assert share == pytest.approx(100 / 400)
    assert "decision.pilot.ran" in told[0]
    text = text.replace("volume = 100", "volume = 0")
    with pytest.raises(ProblemsError, match="how long the pilot of rate ran"):
        per_month()
