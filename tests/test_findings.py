"""What the result says besides its figures: fading, power, segments, lifetimes, what a control is worth."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from scipy.stats import norm, spearmanr

from sim.engine.findings import findings
from sim.engine.lifetime import lifetime_values, share_beyond_tenure
from sim.engine.novelty import Course, course, novelty
from sim.engine.power import detectable, sign_error
from sim.engine.prepare import Prepared, prepare
from sim.engine.world import World
from sim.pilot.checks import mix_shift
from sim.records.summary import PilotSummary
from sim.registry import models

HEAD = """\
[programme]
currency = "EUR"
horizon = {horizon}
discount_rate = 0.0
[costs]
all = {{ low = 90, high = 110 }}
"""


def prepared(folder: Path, outcome: str, table: str = "", horizon: int = 12) -> Prepared:
    if table:
        (folder / "pilot.csv").write_text(table, encoding="utf-8")
    (folder / "c.toml").write_text(HEAD.format(horizon=horizon) + outcome, encoding="utf-8")
    return prepare(folder / "c.toml")


def drawn(ready: Prepared, level: Any, **other: Any) -> World:
    """Return a world with the given levels (arm, segment) in every sample, or with levels by sample."""
    level = np.asarray(level, dtype=float)
    whole = level if level.ndim == 3 else np.broadcast_to(level, (ready.plan.samples, *level.shape))
    return World(ready, {"x": {"level": whole, **other}}, ready.drawn)


RATE = """\
[outcomes.x]
model = "conversion"
data = "pilot.csv"
arm = { column = "arm", control = "a", treated = "b" }
volume = 1000
value = 1
"""


def monthly(lifts: list[float], n: int = 100_000) -> str:
    rows = ["arm,month,trials,successes"]
    for i, lift in enumerate(lifts):
        month = f"2025-{i + 1:02d}"
        rows += [f"a,{month},{n},{n // 5}", f"b,{month},{n},{round(n / 5 * (1 + lift))}"]
    return "\n".join(rows) + "\n"


@pytest.mark.parametrize("half_life", [2.0, 6.0])
def test_a_fading_effect_is_told_with_its_half_life(tmp_path: Path, half_life: float) -> None:
    lifts = [0.4 * 0.5 ** (i / half_life) for i in range(8)]
    ready = prepared(tmp_path, RATE + 'period = "month"\n', monthly(lifts))
    world = drawn(ready, [[0.2], [0.25]])
    run = course(world, "x", "b")
    assert run is not None
    np.testing.assert_allclose(run.relative, lifts, atol=5e-5)
    told = novelty(ready.plan.outcomes["x"], run, "b")
    assert told is not None
    assert told.status == "warn"
    assert float(told.message.split("half-life of about ")[1].split()[0]) == pytest.approx(half_life, rel=0.1)
    assert "rollout.fade" in told.remedy
    assert any(check.name == "novelty:x" for check in findings(world, world.strategy("b")))


def test_a_steady_effect_is_not_told_to_fade(tmp_path: Path) -> None:
    ready = prepared(tmp_path, RATE + 'period = "month"\n', monthly([0.2] * 6))
    run = course(drawn(ready, [[0.2], [0.25]]), "x", "b")
    assert run is not None
    told = novelty(ready.plan.outcomes["x"], run, "b")
    assert told is not None
    assert told.status == "ok"


def test_noise_is_rarely_taken_for_fading() -> None:
    """One-sided 5 %: of 1,000 flat courses at most 75 are told (p = 3e-4)."""
    rng = np.random.default_rng(7)
    plan: Any = type("plan", (), {"better": "higher", "rollout": type("r", (), {"half_life_path": None})})
    told = 0
    for _ in range(1000):
        sd = rng.uniform(0.01, 0.05, 8)
        run = Course(tuple("abcdefgh"), np.arange(8.0), 0.2 + sd * rng.standard_normal(8), sd)
        found = novelty(plan, run, "b")
        assert found is not None
        told += found.status != "ok"
    assert 25 < told <= 75


def test_the_course_of_a_difference_in_differences_takes_out_what_was_there(tmp_path: Path) -> None:
    rows = ["arm,month,trials,successes"]
    for i in range(10):
        season = 1 + 0.1 * np.sin(i)
        lift = 1.3 if i >= 6 else 1.0
        rows += [f"a,2025-{i + 1:02d},1000000,{round(1e5 * season)}"]
        rows += [f"b,2025-{i + 1:02d},1000000,{round(2e5 * season * lift)}"]
    text = RATE + 'period = "month"\ndesign = "difference-in-differences"\nlaunch = "2025-07"\n'
    ready = prepared(tmp_path, text, "\n".join(rows) + "\n")
    run = course(drawn(ready, [[0.15], [0.2]]), "x", "b")
    assert run is not None
    assert run.periods == ("2025-07", "2025-08", "2025-09", "2025-10")
    np.testing.assert_allclose(run.relative, 0.3, atol=0.01)


def test_the_least_effect_that_is_found_with_80_percent(tmp_path: Path) -> None:
    table = "arm,trials,successes\na,5000,1000\nb,5000,1100\n"
    ready = prepared(tmp_path, RATE, table)
    world = drawn(ready, [[0.2], [0.22]])
    least = detectable(world, world.strategy("b").outcomes["x"], "b")
    variance = 0.2 * 0.8 / 5000 / 0.2**2 + 0.22 * 0.78 / 5000 / 0.22**2
    assert least == pytest.approx((norm.ppf(0.95) + norm.ppf(0.8)) * np.sqrt(variance), rel=1e-3)


def test_a_sign_error_is_the_chance_of_the_other_sign() -> None:
    values = np.array([-1.0, 1, 2, 3])
    assert sign_error(values) == 0.25
    assert sign_error(-values) == 0.25
    assert sign_error(np.ones(3)) == 0


def test_the_missing_control_is_worth_its_variance(tmp_path: Path) -> None:
    rows = "\n".join(f"2024-{m:02d},100000,{20000 if m < 10 else 22000}" for m in range(1, 13))
    outcome = RATE.replace('arm = { column = "arm", control = "a", treated = "b" }\n', "")
    outcome += 'design = "before-after"\nperiod = "month"\nlaunch = "2024-10"\n'
    ready = prepared(tmp_path, outcome, f"month,trials,successes\n{rows}\n", horizon=1)
    n, rng = ready.plan.samples, np.random.default_rng(1)
    level, fitted = np.full((n, 2, 1), 0.22), np.full((n, 2, 1), 0.22)
    level[:, 0, 0] = 0.2 + 0.01 * rng.standard_normal(n)
    fitted[:, 0, 0] = 0.2 + 0.001 * rng.standard_normal(n)
    world = drawn(ready, level, fitted=fitted)
    (told,) = (c for c in findings(world, world.strategy("treated")) if c.name == "missing-control")
    deviations = [
        float(word) for word in told.message.replace(",", "").split() if word.replace(".", "").isdigit()
    ]
    cost = 20 / (2 * norm.ppf(0.95))
    assert deviations[0] == pytest.approx(np.hypot(10, cost), rel=0.05)
    assert deviations[1] == pytest.approx(np.hypot(1, cost), rel=0.1)


def pilot(trials: Any, successes: Any) -> PilotSummary:
    arrays = {"trials": np.array(trials, dtype=float), "successes": np.array(successes, dtype=float)}
    return PilotSummary(("a", "b"), ("s", "t"), arrays, arrays["trials"])


def test_a_mix_shift_that_turns_the_sign_is_told() -> None:
    """Simpson's paradox: better in both segments, worse in total."""
    conversion = models()["conversion"]
    summary = pilot([[1000, 9000], [9000, 1000]], [[100, 4500], [1080, 530]])
    told = mix_shift(summary, conversion.ratio(summary.statistics))
    assert told is not None
    assert told.status == "warn"
    fair = pilot([[5000, 5000], [5000, 5000]], [[500, 2500], [600, 2650]])
    assert mix_shift(fair, conversion.ratio(fair.statistics)) is None


def test_segments_that_go_the_other_way_are_named(tmp_path: Path) -> None:
    table = "arm,land,trials,successes\n" + "".join(
        f"{arm},{land},100,20\n" for arm in "ab" for land in ("Ø", "X")
    )
    ready = prepared(tmp_path, RATE + 'segment = "land"\n', table)
    rng = np.random.default_rng(2)
    level = np.full((ready.plan.samples, 2, 2), 0.2)
    level[:, 1] += np.array([0.2, -0.02]) + 0.001 * rng.standard_normal((ready.plan.samples, 2))
    place = ready.segments["x"].index("X")
    level = level if place == 1 else level[:, :, ::-1]
    world = drawn(ready, level)
    (told,) = (c for c in findings(world, world.strategy("b")) if c.name.startswith("segments-disagree"))
    assert "X" in told.message
    assert "Ø" not in told.message


def test_a_fitted_effect_is_correlated_by_whole_posterior_rows(tmp_path: Path) -> None:
    table = "arm,trials,successes\na,5000,1000\nb,5000,1100\n"
    pair = '[[correlations]]\nof = ["outcomes.x.effect", "costs.all"]\nrho = -0.6\n'
    ready = prepared(tmp_path, RATE + pair, table)
    rng = np.random.default_rng(3)
    level = np.abs(0.2 + 0.02 * rng.standard_normal((ready.plan.samples, 2, 1)))
    mark = np.arange(ready.plan.samples, dtype=float)
    world = drawn(ready, level, mark=mark)
    rows = world.fits["x"]["mark"].astype(int)
    assert sorted(rows) == list(range(ready.plan.samples))
    np.testing.assert_array_equal(world.fits["x"]["level"], level[rows])
    effect = world.fits["x"]["level"][:, 1, 0] / world.fits["x"]["level"][:, 0, 0]
    assert spearmanr(effect, world.drawn.columns["costs.all"]).statistic == pytest.approx(-0.6, abs=0.04)


CHURN = """\
[volumes.customers]
monthly = 100
[outcomes.x]
model = "churn"
control = 0.10
treated = 0.05
volume = "customers"
value = 20
"""


def test_lifetime_values_are_sums_of_survival(tmp_path: Path) -> None:
    ready = prepared(tmp_path, CHURN, horizon=24)
    world = World(ready, {}, ready.drawn)
    state = world.strategy("treated").outcomes["x"]
    values = lifetime_values(world, state, world.factors)
    assert values is not None
    months = np.arange(1, 25)
    assert values[0][0] == pytest.approx(20 * (0.9**months).sum())
    assert values[1][0] == pytest.approx(20 * (0.95**months).sum())
    assert share_beyond_tenure(world, state, world.factors) in (None, 0.0, 1.0)


def test_the_stock_has_the_tenures_that_the_table_says(tmp_path: Path) -> None:
    """A hazard that differs by tenure: a stock of old customers loses fewer than one of new ones."""
    table = "arm,tenure,at_risk,churned\n" + "".join(
        f"{arm},{t},1000,{300 if t == 1 else 20}\n" for arm in "ab" for t in range(1, 7)
    )
    text = """\
[volumes.customers]
stock = 1000
[outcomes.x]
model = "churn"
data = "pilot.csv"
columns = { period = "tenure", at_risk = "at_risk", churned = "churned" }
arm = { column = "arm", control = "a", treated = "b" }
volume = "customers"
value = 1
"""
    (tmp_path / "old.csv").write_text("tenure,customers\n5,900\n", encoding="utf-8")
    (tmp_path / "new.csv").write_text("tenure\n0\n0\n0\n", encoding="utf-8")
    model = models()["churn"]
    alive = {}
    for mix in ("old", "new"):
        ready = prepared(tmp_path, text + f'tenure_mix = {{ data = "{mix}.csv" }}\n', table)
        assert f"{mix}.csv" in ready.data
        summary = ready.summaries["x"]
        from sim.contract import Priors

        draws = model.prior(summary, Priors(), 1, rng=np.random.default_rng(1))
        held = {k: np.repeat(v, ready.plan.samples, axis=0) for k, v in draws.items()}
        held |= {"k": np.full(ready.plan.samples, 3.0)}
        state = World(ready, {"x": held}, ready.drawn).strategy("b").outcomes["x"]
        assert state.projection is not None
        alive[mix] = float(state.projection.control_total[0, 0, 0])
    assert alive["old"] > alive["new"] + 1
