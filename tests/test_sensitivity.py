"""`sim sensitivity` against closed forms, on configs in which nothing is fitted."""

from __future__ import annotations

import csv
from collections.abc import Sequence
from io import StringIO
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow.parquet as pq
import pytest
from rich.console import Console
from scipy.stats import norm

from sim.commands.sensitivity import analyse, sensitivity
from sim.engine.inputs import groups, linked, net_present_value, only, uncertain_inputs
from sim.engine.prepare import Prepared, prepare
from sim.engine.study import Study
from sim.engine.world import World
from sim.errors import ProblemsError
from sim.report.answer_screen import sensitivity_lines, show
from tests.conftest import Sim

LINEAR = """\
[programme]
currency = "EUR"
horizon = 1
discount_rate = 0
[benefits]
gain.once = { dist = "normal", mean = 1000, sd = 60 }
[costs]
build.once = { dist = "normal", mean = 500, sd = 30 }
licence.once = { dist = "normal", mean = 470, sd = 20 }
fixed = 5
"""
SD = {"benefits.gain.once": 60.0, "costs.build.once": 30.0, "costs.licence.once": 20.0}
MEAN, TOTAL = 25.0, 70.0  # 1000 - 500 - 470 - 5; 60² + 30² + 20² = 70²


def unit_gain(mean: float, sd: float) -> float:
    """E max(0, N(mean, sd²)) less max(0, mean)."""
    return float(sd * norm.pdf(mean / sd) - abs(mean) * norm.cdf(-abs(mean) / sd))


def write(folder: Path, text: str, name: str = "plan.toml") -> Path:
    path = folder / name
    path.write_text(text, encoding="utf-8")
    return path


def analysed(folder: Path, text: str, sets: Sequence[str] = ()) -> dict[str, Any]:
    prepared = prepare(write(folder, text), sets)
    return analyse(World(prepared, {}, prepared.drawn), "treated")


def test_linear_gaussian_matches_its_closed_form(tmp_path: Path) -> None:
    found = sensitivity(write(tmp_path, LINEAR), out=tmp_path / "r")
    result = found.result
    rows = {row["name"]: row for row in result["inputs"]}
    assert list(rows) == ["benefits.gain.once", "costs.build.once", "costs.licence.once"]  # widest first
    # Errors of 4 standard errors have a chance of 6e-5 each; the seed is fixed.
    for name, sd in SD.items():
        row, sign = rows[name], 1 if name.startswith("benefits") else -1
        for end, z in (("low", norm.ppf(0.1)), ("high", norm.ppf(0.9))):
            expected = MEAN + sign * sd * z
            assert row[f"conditional_{end}"] == pytest.approx(
                expected, abs=4 * row[f"conditional_{end}_mcse"] + 1e-9
            )
            assert row[f"alone_{end}"] == pytest.approx(expected, abs=4 * row[f"alone_{end}_mcse"])
        assert row["first_order"] == pytest.approx((sd / TOTAL) ** 2, abs=4 * row["first_order_mcse"])
        assert 0 < row["first_order_mcse"] < 0.03
        assert row["evppi"] == pytest.approx(unit_gain(MEAN, sd), abs=4 * row["evppi_mcse"] + 0.05)
        assert 0 <= row["evppi"] <= result["evpi"]
        assert row["shapley"] is None
    assert result["evpi"] == pytest.approx(unit_gain(MEAN, TOTAL), abs=4 * result["evpi_mcse"])
    both = {row["name"]: row for row in result["groups"]}
    for name, sd in (("benefits", 60.0), ("costs", np.hypot(30, 20))):
        row = both[name]
        assert row["shapley"] == pytest.approx((sd / TOTAL) ** 2, abs=4 * row["shapley_mcse"] + 0.01)
        assert row["first_order"] == pytest.approx((sd / TOTAL) ** 2, abs=4 * row["first_order_mcse"])
        assert row["evppi"] == pytest.approx(unit_gain(MEAN, sd), abs=4 * row["evppi_mcse"] + 0.05)
        for end, z in (("low", norm.ppf(0.1)), ("high", norm.ppf(0.9))):
            assert row[f"conditional_{end}"] == pytest.approx(
                MEAN + sd * z, abs=4 * row[f"conditional_{end}_mcse"] + 1e-9
            )
            assert row[f"alone_{end}"] == pytest.approx(MEAN + sd * z, abs=4 * row[f"alone_{end}_mcse"])
    assert result["decisive"] == result["spread"] == "benefits.gain.once"
    assert "before deciding would be worth" in result["sentence"]
    assert result["trusted"] is True


def test_the_files_are_whole_and_the_same_for_the_same_question(tmp_path: Path) -> None:
    config = write(tmp_path, LINEAR.replace("gain.once", '"=gain".once'))
    first = sensitivity(config, out=tmp_path / "r")
    table = pq.read_table(first.path / "sensitivity.parquet").to_pylist()
    assert table == [*first.result["inputs"], *first.result["groups"]]
    with (first.path / "sensitivity.csv").open(encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    assert [row["name"] for row in rows] == [row["name"] for row in table]
    assert [float(row["evppi"]) for row in rows] == pytest.approx([row["evppi"] for row in table], rel=1e-12)
    assert (first.path / "sensitivity.png").stat().st_size > 10_000
    before = (first.path / "answer.json").stat().st_mtime_ns
    again = sensitivity(config, out=tmp_path / "r")
    assert again.path == first.path
    assert (again.path / "answer.json").stat().st_mtime_ns == before
    console = Console(file=StringIO(), width=80)
    show(first.sentence, sensitivity_lines(first.result), first.path, console)
    shown = console.file.getvalue()
    assert shown.startswith('Knowing benefits."=gain".once before deciding')
    assert "all of costs" in shown
    assert max(len(line) for line in shown.splitlines()[:-1]) <= 80


def test_the_same_question_has_the_same_answer(tmp_path: Path) -> None:
    assert analysed(tmp_path, LINEAR) == analysed(tmp_path, LINEAR)


def test_variance_is_not_decision_relevance(tmp_path: Path) -> None:
    """The wide input never turns the decision; the rare disaster does."""
    (tmp_path / "loss.csv").write_text("loss\n" + "0\n" * 98 + "2000\n" * 2)
    result = analysed(
        tmp_path,
        """\
[programme]
currency = "EUR"
horizon = 1
discount_rate = 0
[benefits]
gain.once = { low = 50, mode = 1000, high = 1950 }
[costs]
loss.once = { samples = "loss.csv", column = "loss" }
""",
    )
    gain, loss = (
        next(row for row in result["inputs"] if row["name"] == name)
        for name in ("benefits.gain.once", "costs.loss.once")
    )
    # PERT on [50, 1950] has variance 1900² / 28; the loss 2000² · 0.02 · 0.98.
    spread = 1900**2 / 28, 2000**2 * 0.02 * 0.98
    for row, variance in zip((gain, loss), spread, strict=True):
        share = variance / sum(spread)
        assert row["first_order"] == pytest.approx(share, abs=4 * row["first_order_mcse"] + 0.005)
    assert gain["first_order"] > loss["first_order"]
    assert gain["evppi"] == 0
    assert loss["evppi"] == pytest.approx(0.02 * 1000, abs=4 * loss["evppi_mcse"])
    assert (result["spread"], result["decisive"]) == ("benefits.gain.once", "costs.loss.once")
    assert "costs.loss.once" in result["sentence"]
    assert "benefits.gain.once moves the NPV most (" in result["sentence"]


def test_it_says_when_nothing_matters(tmp_path: Path) -> None:
    sure = analysed(tmp_path, LINEAR, ["benefits.gain.once.mean=9000"])
    assert sure["evpi"] == 0
    assert sure["decisive"] is None
    assert sure["sentence"].startswith("No uncertainty matters for the decision: investing is best")
    certain = ["benefits.gain.once=2000", "costs.build.once=500", "costs.licence.once=470"]
    flat = sensitivity(write(tmp_path, LINEAR), sets=certain, out=tmp_path / "r")
    assert flat.result["inputs"] == flat.result["groups"] == []
    assert flat.sentence == "Nothing is uncertain: investing is best in every sample."
    assert not (flat.path / "sensitivity.png").exists()


def test_an_input_that_nothing_depends_on_is_left_out(tmp_path: Path) -> None:
    unused = LINEAR + "[volumes]\nvisits = { low = 10, high = 20 }\n"
    result = analysed(tmp_path, unused)
    assert result["without_influence"] == ["volumes.visits"]
    assert "volumes.visits" not in {row["name"] for row in result["inputs"]}
    tied = unused + '[[correlations]]\nof = ["volumes.visits", "benefits.gain.once"]\nrho = 0.8\n'
    result = analysed(tmp_path, tied)
    visits = next(row for row in result["inputs"] if row["name"].startswith("volumes.visits"))
    # It tells of the gain, though putting it anywhere alone changes nothing.
    assert visits["alone_low"] == visits["alone_high"]
    assert visits["conditional_high"] - visits["conditional_low"] > 50
    r = 2 * np.sin(np.pi * 0.8 / 6)
    assert visits["first_order"] == pytest.approx(
        (r * 60 / TOTAL) ** 2, abs=4 * visits["first_order_mcse"] + 0.02
    )
    shares = {row["name"]: row["shapley"] for row in result["groups"]}
    assert shares["volumes.visits"] > 0.1
    assert sum(shares.values()) == pytest.approx(1, abs=0.05)


def test_an_unknown_arm_is_told_before_anything_is_written(tmp_path: Path) -> None:
    with pytest.raises(ProblemsError) as error:
        sensitivity(write(tmp_path, LINEAR), strategy="nobody", out=tmp_path / "r")
    (problem,) = error.value.problems
    assert (problem.found, problem.allowed) == ('"nobody" is no treated arm', "treated")
    assert not (tmp_path / "r").exists()


def test_the_command_line(sim: Sim, tmp_path: Path) -> None:
    config = write(tmp_path, LINEAR)
    ran = sim("sensitivity", config, "--json")
    assert ran.code == 0, ran.err
    assert ran.json["command"] == "sensitivity"
    assert ran.json["trusted"] is True
    assert ran.json["sentence"] == ran.json["result"]["sentence"]
    refused = sim("sensitivity", config, "--strategy", "nobody", "--json")
    assert refused.code == refused.json["exit"] == 2


# What is fitted: posterior draws made up here, so that no model is compiled.

FITTED = """\
[programme]
currency = "EUR"
horizon = 12
discount_rate = 0
[pilot]
arm = { column = "arm", control = "old", treated = ["a", "b"] }
segment = "country"
data = "pilot.csv"
[outcomes.sale]
model = "conversion"
columns = { trials = "n", successes = "k" }
volume = 1000
value = 10
[costs]
all = 100
[sampling]
draws = 100
"""


@pytest.fixture
def fitted(tmp_path: Path) -> World:
    lines = ["arm,country,n,k"]
    lines += [f"{arm},{place},1000,100" for arm in ("old", "a", "b") for place in ("DE", "FR")]
    (tmp_path / "pilot.csv").write_text("\n".join(lines))
    prepared = prepare(write(tmp_path, FITTED))
    return World(prepared, {"sale": _draws(prepared)}, prepared.drawn)


def _draws(prepared: Prepared) -> dict[str, np.ndarray]:
    rng = np.random.default_rng(3)
    return {"level": rng.beta(20, 180, (prepared.plan.samples, 3, 2))}


def test_levels_of_a_fit_are_held_by_scaling_it(fitted: World) -> None:
    strategies = {arm: fitted.strategy(arm) for arm in ("a", "b")}
    inputs = {one.name: one for one in uncertain_inputs(fitted, strategies)}
    assert list(inputs) == [
        "outcomes.sale.control",
        "outcomes.sale.effect.arm.a",
        "outcomes.sale.effect.arm.b",
    ]
    assert list(groups(tuple(inputs.values()))) == ["outcomes.sale"]
    before = fitted.fits["sale"]["level"]

    held = inputs["outcomes.sale.effect.arm.a"].held(0.25)
    state = held.strategy("a").outcomes["sale"]
    control, treated = (arm.level @ state.weights[0] for arm in (state.control, state.treated))
    assert treated / control - 1 == pytest.approx(0.25, rel=1e-12)
    assert np.array_equal(state.control.level, before[:, 0])  # the rest stands as it was
    ratio = state.treated.level / before[:, 1]
    assert ratio[:, 0] == pytest.approx(ratio[:, 1], rel=1e-12)  # and segments stay apart as they were
    expected = 12 * 1000 * 10 * 0.25 * control - 100
    assert net_present_value(held, held.strategy("a")) == pytest.approx(expected, rel=1e-9)
    assert np.array_equal(
        net_present_value(held, held.strategy("b")), net_present_value(fitted, strategies["b"])
    )

    held = inputs["outcomes.sale.control"].held(0.2)
    state = held.strategy("b").outcomes["sale"]
    assert state.control.level @ state.weights[0] == pytest.approx(0.2, rel=1e-12)
    relative = state.treated.level / state.control.level
    assert relative == pytest.approx(before[:, 2] / before[:, 0], rel=1e-9)


def test_an_outcome_alone_carries_all_that_its_fit_leaves_open(fitted: World) -> None:
    """Nothing else is uncertain, so knowing the outcome is knowing everything."""
    result = analyse(fitted, "a")
    (group,) = result["groups"]
    assert group["name"] == "outcomes.sale"
    assert group["evppi"] == pytest.approx(result["evpi"], rel=0.02)
    assert result["evpi"] > 0
    assert group["shapley"] == pytest.approx(1, abs=0.01)
    whole = net_present_value(fitted, fitted.strategy("a"))
    alone, rest = (only(fitted, name) for name in ("outcomes.sale", "costs"))
    assert np.array_equal(net_present_value(alone, alone.strategy("a")), whole)
    assert np.ptp(net_present_value(rest, rest.strategy("a"))) == 0


def test_segments_and_levels_that_may_be_negative(fitted: World) -> None:
    strategies = {arm: fitted.strategy(arm) for arm in ("a", "b")}
    inputs = {one.name: one for one in uncertain_inputs(fitted, strategies, by_segment=True)}
    assert len(inputs) == 6
    held = inputs["outcomes.sale.effect.arm.a.by.FR"].held(0.5)
    state = held.strategy("a").outcomes["sale"]
    assert state.treated.level[:, 1] / state.control.level[:, 1] == pytest.approx(1.5, rel=1e-12)
    assert np.array_equal(state.treated.level[:, 0], fitted.fits["sale"]["level"][:, 1, 0])
    shifted = World(fitted.prepared, {"sale": {"level": fitted.fits["sale"]["level"] - 0.1}}, fitted.drawn)
    plain = {one.name: one for one in uncertain_inputs(shifted, strategies)}
    moved = plain["outcomes.sale.difference.arm.a"].held(0.03).fits["sale"]["level"]
    assert ((moved[:, 1] - moved[:, 0]) @ strategies["a"].outcomes["sale"].weights[0])[
        (moved > 0).all(axis=(1, 2))
    ] == pytest.approx(0.03, rel=1e-9)


def test_a_group_alone_has_everything_else_at_its_mean(tmp_path: Path) -> None:
    prepared = prepare(write(tmp_path, LINEAR))
    world = World(prepared, {}, prepared.drawn)
    for group, names, sign in (("benefits", ["gain"], 1), ("costs", ["build", "licence"], -1)):
        varied = only(world, group)
        npv = net_present_value(varied, varied.strategy("treated"))
        columns = sum(world.drawn.columns[f"{group}.{name}.once"] for name in names)
        assert npv - npv.mean() == pytest.approx(sign * (columns - columns.mean()), abs=1e-9)
        assert npv.mean() == pytest.approx(MEAN, abs=0.1)


CHURN = """\
[programme]
currency = "EUR"
horizon = 24
discount_rate = 0
[volumes]
customers = { stock = 1000 }
[outcomes.stay]
model = "churn"
control = { tenure = [1, 2, 3], at_risk = [900, 800, 700], churned = [90, 70, 50] }
treated = { tenure = [1, 2, 3], at_risk = [900, 800, 700], churned = [80, 60, 45] }
volume = "customers"
value = 10
[costs]
all = 100
"""


def test_churn_is_held_in_its_hazard(tmp_path: Path) -> None:
    prepared = prepare(write(tmp_path, CHURN.replace("tenure =", "period =")))
    n, rng = prepared.plan.samples, np.random.default_rng(5)
    shift = np.log(rng.uniform(0.8, 1.2, (n, 2, 1)))
    hazard = np.log1p(0.05)  # k near 0 and c = 1: the same at every tenure
    draws = {
        "log_odds": np.full(n, np.log(0.05)),
        "k": np.full(n, 1e-9),
        "log_c": np.zeros(n),
        "shift": shift,
        "level": -np.expm1(-np.exp(shift) * hazard),
    }
    world = World(prepared, {"stay": draws}, prepared.drawn)
    inputs = {one.name: one for one in uncertain_inputs(world, {"treated": world.strategy("treated")})}
    held = inputs["outcomes.stay.control"].held(0.02).strategy("treated").outcomes["stay"].projection
    assert held is not None
    assert held.control_survival is not None
    assert held.control_survival[:, 0, :] == pytest.approx(
        0.98 ** np.arange(1, 25) * np.ones((n, 1)), rel=1e-6
    )
    even = inputs["outcomes.stay.effect"].held(0.0).strategy("treated").outcomes["stay"]
    assert even.cash == pytest.approx(0, abs=1e-6)


def test_a_forecast_volume_is_held_in_its_mean(tmp_path: Path) -> None:
    months = [f"2024-{m:02d},{100 + 7 * (m % 3)}" for m in range(1, 13)]
    (tmp_path / "past.csv").write_text("month,units\n" + "\n".join(months))
    config = (
        LINEAR.replace("horizon = 1\n", "horizon = 6\n")
        + """\
fee = { per = "calls", amount = 2 }
[volumes]
calls = { history = { data = "past.csv", columns = { month = "month", units = "units" } } }
"""
    )
    prepared = prepare(write(tmp_path, config))
    world = World(prepared, {}, prepared.drawn)
    inputs = {one.name: one for one in uncertain_inputs(world, {"treated": world.strategy("treated")})}
    calls = next(one for one in inputs.values() if one.group == "volumes.calls")
    paths = prepared.volumes["calls"]
    assert calls.values == pytest.approx(paths.mean(axis=1))
    held = calls.held(50.0).prepared.volumes["calls"]
    assert held.mean(axis=1) == pytest.approx(50, rel=1e-12)
    assert held / held[:, :1] == pytest.approx(paths / paths[:, :1], rel=1e-9)  # the course stays
    assert linked(prepared.plan, tuple(inputs.values())) == frozenset()


PILOT = """\
[programme]
currency = "EUR"
horizon = 12
[outcomes.sale]
model = "conversion"
control = { trials = 1000, successes = 100 }
treated = { trials = 1500, successes = 180 }
volume = { low = 800, high = 1200 }
value = 10
[costs]
all = { low = 1000, high = 4000 }
[sampling]
draws = 250
tune = 500
"""


@pytest.mark.slow  # one fit; nothing here depends on chance
def test_untrusted_figures_stay_back_and_a_real_fit_is_held(tmp_path: Path) -> None:
    config = write(tmp_path, PILOT)
    withheld = sensitivity(config, out=tmp_path / "r")  # an even split was meant: 1,000 against 1,500
    assert withheld.result == {"sentence": withheld.sentence, "trusted": False}
    assert withheld.sentence.startswith("No forecast")
    assert not (withheld.path / "sensitivity.csv").exists()
    shown = sensitivity(config, out=tmp_path / "r", allow_untrusted=True).result
    assert shown["sentence"].startswith("Not to be trusted: ")
    names = {"costs.all", "outcomes.sale.control", "outcomes.sale.effect", "outcomes.sale.volume"}
    assert {row["name"].removesuffix(".once").removesuffix(".monthly") for row in shown["inputs"]} == names
    assert {row["name"] for row in shown["groups"]} == {"outcomes.sale", "outcomes.sale.volume", "costs"}
    study = Study(config, store=tmp_path / "r" / ".fits")
    inputs = uncertain_inputs(study.world, {"treated": study.world.strategy("treated")})
    effect = next(one for one in inputs if one.name == "outcomes.sale.effect")
    state = effect.held(0.1).strategy("treated").outcomes["sale"]
    assert state.treated.level == pytest.approx(1.1 * study.world.fits["sale"]["level"][:, 0], rel=1e-12)
    assert state.control.level == pytest.approx(study.world.fits["sale"]["level"][:, 0], rel=1e-12)
