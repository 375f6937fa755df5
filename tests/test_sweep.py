"""`sim sweep`: every setting is the forecast that `--set` gives, and only what a key touches is redone."""

from __future__ import annotations

import itertools
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow.csv
import pyarrow.parquet
import pytest

from sim.commands.answers import Found
from sim.commands.settings import parse_axis
from sim.commands.sweep import sweep
from sim.engine.crossing import crossings
from sim.engine.fit import fit_all
from sim.engine.grid import figures_at, simulate
from sim.engine.prepare import prepare
from sim.engine.study import Study, written
from sim.engine.world import World
from sim.errors import ProblemsError
from sim.registry import models
from tests.conftest import Sim

METRICS = (
    "npv",
    "roi",
    "irr",
    "payback_months",
    "payback_discounted_months",
    "peak_funding",
    "revenue",
    "cpa",
)

EVERYTHING = """
[programme]
currency = "EUR"
start = 2027-01-01
horizon = 24
discount_rate = 0.08
[volumes.sessions]
monthly = { by = { DE = 160_000, FR = { low = 50_000, high = 80_000 } } }
growth = 0.05
seasonality = [1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1.4, 1.6]
[volumes]
contacts = { low = 4_000, high = 6_000 }
[outcomes.checkout]
model = "conversion"
control = { low = 0.028, high = 0.032 }
effect = { by = { DE = { low = 0.02, high = 0.10 }, FR = 0.08 } }
volume = "sessions"
value = { price = 60, margin = { by = { DE = { low = 0.2, high = 0.3 }, FR = 0.22 } } }
acquires = true
[outcomes.deflection]
model = "conversion"
control = 0
treated = { low = 0.25, high = 0.35 }
volume = "contacts"
value = 4
saves = "labour"
realisation = { low = 0.4, high = 0.8 }
[outcomes.handling]
model = "cost"
control = 540
treated = { low = 450, high = 500 }
unit = "second"
volume = "contacts"
value = { amount = 26, per = "hour" }
realisation = 0.6
after = "deflection"
[rollout]
delay = 1
ramp = { months = { low = 3, high = 9 }, shape = "s-curve" }
fade = { half_life = 40 }
ends = 22
transfer = { low = 0.7, high = 1.0 }
[costs]
development = { low = 60_000, mode = 80_000, high = 120_000 }
licence = { monthly = 2_500, growth = 0.03, from = 2 }
resolutions = { per = "deflection.successes", amount = 0.9 }
training = { once = 9_000, at = 3 }
campaign = { months = [2_000, 1_000] }
[benefits]
old = { monthly = 300 }
[[correlations]]
of = ["volumes.contacts", "costs.development"]
rho = 0.5
[decision]
payback_within = 18
hurdle = 15_000
[sampling]
draws = 150
tune = 100
chains = 2
"""

KEYS = {
    "costs.licence.monthly": (1_500.0, 2_000.0, 3_500.0),  # a certain quantity
    "volumes.contacts": (3_000, 5_000, 8_000),  # an uncertain and correlated one
    "costs.development": (50_000.0, 70_000.5, 90_000.0),  # the other side of the correlation
    "costs.development.once": (50_000.0, 70_000.5, 90_000.0),  # the same in the long form
    "costs.development.low": (50_000, 60_000, 70_000),  # part of a quantity
    "volumes.sessions.monthly.by.DE": (90_000, 160_000, 200_000),
    "volumes.sessions.growth": (-0.1, 0.0, 0.2),
    "volumes.sessions.seasonality.11": (0.5, 1.4, 2.0),
    "outcomes.checkout.effect": (0.01, 0.05, 0.1),  # by segment before
    "outcomes.checkout.effect.by.FR": (0.0, 0.05, 0.1),
    "outcomes.checkout.value.price": (40, 60, 90),
    "outcomes.checkout.value.margin": (0.1, 0.2, 0.3),  # by segment before
    "outcomes.checkout.value.margin.by.DE": (0.1, 0.2, 0.3),
    "outcomes.deflection.treated": (0.2, 0.3, 0.4),  # `handling` comes after it
    "outcomes.handling.realisation": (0.0, 0.5, 1.0),
    "rollout.ramp.months": (1.0, 5.5, 12.0),
    "rollout.transfer": (0.5, 0.8, 1.0),
    "rollout.ends": (6, 12, 24),
    "programme.horizon": (22, 24, 36),
    "programme.discount_rate": (0.0, 0.08, 0.2),
    "costs.training.at": (0, 5, 20),
    "costs.campaign.months.2": (0, 1_000, 4_000),
    "costs.resolutions.amount": (0.5, 0.99, 2.0),
    "costs.licence.from": (1, 4, 12),
    "decision.hurdle": (-20_000, 0, 20_000.0),
    "decision.payback_within": (12, 18, 20),
}


@pytest.fixture
def config(tmp_path: Path) -> Path:
    file = tmp_path / "everything.toml"
    file.write_text(EVERYTHING, "utf-8")
    return file


def separate(
    config: Path, setting: Mapping[str, float], metrics: tuple[str, ...] = METRICS
) -> dict[str, Any]:
    """Return the figures of a forecast of its own."""
    prepared = prepare(config, [f"{key}={written(value)}" for key, value in setting.items()])
    fits = fit_all(prepared, config.parent / "none")
    world = World(prepared, {name: fit.draws for name, fit in fits.items()}, prepared.drawn)
    return figures_at(world, "treated", metrics)


def agree(found: Mapping[str, Any], wanted: Mapping[str, Any]) -> None:
    for name, value in wanted.items():
        if isinstance(value, float):
            # Money is a difference of sums of about 1e5.
            scale = 1e5 if name.startswith(("npv", "peak_funding", "revenue")) else 1.0
            assert found[name] == pytest.approx(value, rel=1e-12, abs=1e-12 * scale), name
        else:
            assert found[name] == value, name


@pytest.mark.parametrize("key", KEYS)
def test_every_setting_is_the_forecast_with_that_setting(config: Path, key: str) -> None:
    study = Study(config, store=config.parent / "none")
    rows = simulate(study, [(key, KEYS[key])], METRICS)
    for row, value in zip(rows, KEYS[key], strict=True):
        assert row[key] == value
        agree(row, separate(config, {key: value}))
    assert len({row["npv_mean"] for row in rows}) > 1 or key.startswith("decision.")


@pytest.mark.parametrize(
    "pair",
    [
        ("volumes.contacts", "costs.licence.monthly"),
        ("programme.horizon", "outcomes.checkout.value.price"),
        ("rollout.ends", "costs.training.at"),
        ("costs.development", "outcomes.deflection.treated"),
    ],
)
def test_so_is_every_point_of_a_grid(config: Path, pair: tuple[str, str]) -> None:
    study = Study(config, store=config.parent / "none")
    grid = [(key, KEYS[key]) for key in pair]
    rows = simulate(study, grid, ("npv", "payback_months"))
    points = list(itertools.product(*(values for _, values in grid)))
    assert [tuple(row[key] for key in pair) for row in rows] == points
    for row, point in zip(rows, points, strict=True):
        agree(row, separate(config, dict(zip(pair, point, strict=True)), ("npv", "payback_months")))


def test_a_study_keeps_telling_the_truth_in_any_order(config: Path) -> None:
    """Parts are taken over from whatever was simulated before; none of it may linger."""
    study = Study(config, store=config.parent / "none")
    rng = np.random.default_rng(3)
    for _ in range(40):
        keys = rng.choice(list(KEYS), size=2, replace=False)
        if keys[0].split(".")[:2] == keys[1].split(".")[:2]:
            continue  # one may contain the other
        setting = {str(key): KEYS[key][rng.integers(3)] for key in keys}
        if "rollout.ends" in setting or "costs.training.at" in setting:
            setting.pop("programme.horizon", None)
        agree(figures_at(study.at(setting), "treated", METRICS), separate(config, setting))


def test_threads_give_the_same(config: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    grid = [("rollout.transfer", (0.5, 0.6, 0.7, 0.8)), ("outcomes.checkout.value.price", (40, 60, 90))]
    study = Study(config, store=config.parent / "none")
    one = simulate(study, grid, METRICS)
    monkeypatch.setattr("sim.engine.grid._THREADS_PAY", 0.0)
    monkeypatch.setattr("os.sched_getaffinity", lambda _: {0, 1}, raising=False)
    for row, other in zip(simulate(study, grid, METRICS), one, strict=True):
        agree(row, other)


def test_what_a_key_does_not_touch_is_not_simulated_again(
    config: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    projected = []
    kind = type(models()["conversion"])
    project = kind.project
    monkeypatch.setattr(kind, "project", lambda *args, **kw: projected.append(1) or project(*args, **kw))

    def count(key: str, values: tuple[float, ...]) -> int:
        study = Study(config, store=config.parent / "none")
        study.world.strategy("treated")
        projected.clear()
        simulate(study, [(key, values)], ("npv",))
        return len(projected)

    many = tuple(range(1_000, 3_000, 100))
    assert count("costs.licence.monthly", many) == 0
    assert count("outcomes.checkout.value.price", many) == 0
    assert count("costs.licence.from", (1, 2, 3, 4)) == 0
    # Of two conversions the one on that volume: a month with its effect, and one without.
    assert count("volumes.contacts", many) == 2 * len(many)


def test_only_the_metrics_that_are_asked_for_are_computed(
    config: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_: object) -> None:
        raise AssertionError("not asked for")

    for name in ("irr", "mirr", "payback"):
        monkeypatch.setattr(f"sim.finance.metrics.{name}", refuse)
    study = Study(config, ["decision={}"], store=config.parent / "none")
    row = simulate(study, [("costs.licence.monthly", (1.0, 2.0))], ("npv", "roi"))[0]
    assert {"npv_mean", "roi_expected", "p_loss"} <= row.keys()
    assert "irr_mean" not in row
    with pytest.raises(AssertionError, match="not asked for"):
        simulate(study, [("costs.licence.monthly", (1.0, 2.0))], ("irr",))


LINEAR = """
[programme]
currency = "EUR"
horizon = 12
discount_rate = 0
[outcomes.x]
model = "conversion"
control = 0.1
treated = 0.2
volume = 1_000
value = 10
[costs]
once = { once = 5_000 }
licence.monthly = 400
"""
# NPV = 12 · (1000 · 0.1 · value − licence) − 5000


@pytest.fixture(scope="module")
def linear(tmp_path_factory: pytest.TempPathFactory) -> Path:
    file = tmp_path_factory.mktemp("linear") / "linear.toml"
    file.write_text(LINEAR, "utf-8")
    return file


def swept(file: Path, *vary: str, **options: Any) -> Found:
    """Sweep beside the config, where its forecast is made once."""
    return sweep(file, vary=vary, out=file.parent / "results", **options)


def test_break_even_is_where_arithmetic_has_it(linear: Path) -> None:
    found = swept(linear, "costs.licence.monthly=200:800:4")
    (crossing,) = found.result["break_even"]
    assert crossing["value"] == pytest.approx(1_000 - 5_000 / 12, rel=1e-9)
    assert crossing["mcse"] == 0
    assert crossing["rises"] is False
    assert crossing["between"] == [400, 600]
    assert found.sentence.startswith("Investing pays on average where costs.licence.monthly is below 583.33")
    value = swept(linear, "outcomes.x.value=2:30:8").result["break_even"]
    assert [one["value"] for one in value] == [pytest.approx((400 + 5_000 / 12) / 100, rel=1e-9)]


def test_a_hurdle_moves_the_break_even(linear: Path) -> None:
    sets = ["decision.hurdle=1_200"]
    found = swept(linear, "costs.licence.monthly=200:800:4", sets=sets)
    assert found.result["break_even"][0]["value"] == pytest.approx(900 - 5_000 / 12, rel=1e-9)
    assert "1,200 EUR" in found.sentence


def test_no_break_even_in_the_range_is_said(linear: Path) -> None:
    found = swept(linear, "costs.licence.monthly=100:300:3")
    assert found.result["break_even"] == []
    assert found.sentence == (
        "No break-even for costs.licence.monthly from 100 to 300: mean NPV runs from 5,800 to 3,400 EUR and "
        "is above 0 EUR throughout."
    )


def test_a_key_that_counts_breaks_even_at_one_of_its_values(linear: Path) -> None:
    found = swept(linear, "programme.horizon=6,8,9,10")  # 600 a month against 5,000
    (crossing,) = found.result["break_even"]
    assert (crossing["value"], crossing["mcse"], crossing["between"]) == (9, None, [8, 9])
    assert "from programme.horizon = 9 (at 8 it does not)" in found.sentence


def test_crossings_of_a_curve_are_closed_in_on() -> None:
    def curve(x: float) -> float:
        return float(np.exp(x) - 5) * (x - 2.7)

    points = [(x, curve(x)) for x in (0.0, 1.0, 2.0, 3.0)]
    found = crossings(points, lambda x: (curve(x), 0.3), dict.fromkeys((0.0, 1.0, 2.0, 3.0), 0.3))
    assert [one.value for one in found] == [pytest.approx(np.log(5), abs=1e-8), pytest.approx(2.7, abs=1e-8)]
    assert [one.rises for one in found] == [False, True]


def test_tables_and_plot_are_there_and_agree(config: Path, tmp_path: Path) -> None:
    vary = {
        "costs.licence.monthly": [1_000.0, 3_000.0],
        "programme.horizon": [24, 30],
        "rollout.transfer": [0.8],
    }
    found = sweep(config, vary=vary, metrics=["irr", "npv"], out=tmp_path)
    table = pyarrow.parquet.read_table(found.path / "sweep.parquet").to_pylist()
    assert len(table) == 4
    assert table == found.result["rows"]
    plain = pyarrow.csv.read_csv(found.path / "sweep.csv").to_pylist()
    assert plain[3]["npv_mean"] == pytest.approx(table[3]["npv_mean"], rel=1e-12)
    for part in ("mean", "median", "low", "high", "mcse"):
        assert f"irr_{part}" in table[0]
    assert 0 < table[0]["p_loss"] < 1
    assert table[0]["p_loss_mcse"] > 0
    assert (found.path / "sweep.png").read_bytes().startswith(b"\x89PNG")
    assert found.result["notes"] == [
        "the plot shows costs.licence.monthly and programme.horizon; rollout.transfer as in the config"
    ]
    assert sweep(config, vary=vary, metrics=["irr", "npv"], out=tmp_path).path == found.path


def test_values_of_an_axis() -> None:
    assert parse_axis("a.b=1:3:3").values == (1, 2, 3)
    assert all(isinstance(value, int) for value in parse_axis("a=12:60:5").values)
    assert parse_axis("a=0.1:0.3:3").values == (0.1, 0.2, 0.3)
    assert parse_axis('costs."a=b".monthly=4_000,3_000,4e3').values == (3_000, 4_000)


@pytest.mark.parametrize(
    ("vary", "told"),
    [
        ("costs.licence.monthy=1:2:3", 'unknown key "monthy"'),
        ("costs.license.monthly=1:2:3", '[costs] has no "license"'),
        ("nonsense.x=1,2", 'unknown key "nonsense"'),
        ("costs.licence.monthly=-1:2:3", "monthly is -1"),
        ("outcomes.x.treated=0.5:1.5:3", "treated is 1.5"),
        ("programme.horizon=1:4:3", "horizon is 2.5"),
        ("programme.name=1,2", "name is 1"),
        ("costs.licence.monthly=", "is no number"),
        ("costs.licence.monthly=1:1:3", "is no range"),
        ("costs.licence.monthly=1:2:1", "1 values"),
        ("costs.licence.monthly=1:2", "neither lo:hi:n nor a list"),
        ("costs.licence.monthly=1,nan", '"nan" is no number'),
        ("costs.licence.monthly", "has no ="),
        ("costs.licence.monthly=1:2:100_001", "100_001 values"),
    ],
)
def test_what_cannot_be_swept_is_told_before_anything_is_done(
    linear: Path, tmp_path: Path, vary: str, told: str
) -> None:
    with pytest.raises(ProblemsError) as raised:
        sweep(linear, vary=[vary], metrics=["npv", "nvp"], out=tmp_path / "out")
    text = str(raised.value)
    assert told in text
    assert '"nvp" is no metric' in text
    assert not (tmp_path / "out").exists()


def test_impossible_corners_and_repeated_keys_are_told(config: Path, tmp_path: Path) -> None:
    with pytest.raises(ProblemsError, match="lies beyond the horizon"):
        sweep(config, vary=["programme.horizon=12,36", "costs.training.at=0,20"], out=tmp_path / "out")
    with pytest.raises(ProblemsError, match="varied twice"):
        sweep(config, vary=["programme.horizon=12,36", "programme.horizon=24"], out=tmp_path / "out")
    with pytest.raises(ProblemsError, match="0 settings"):
        sweep(config, vary=[], out=tmp_path / "out")
    with pytest.raises(ProblemsError, match="no treated arm"):
        sweep(config, vary=["programme.horizon=24,36"], strategy="b", out=tmp_path / "out")
    assert not (tmp_path / "out").exists()


def test_a_setting_that_cannot_be_trusted_has_no_figures(
    config: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    study = Study(config, store=config.parent / "none")
    monkeypatch.setattr(study, "failed", lambda setting: ("x",) if setting["programme.horizon"] > 24 else ())
    grid = [("programme.horizon", (24, 30))]
    good, bad = simulate(study, grid, ("npv",))
    assert good["trusted"] is True
    assert good["npv_mean"] is not None
    assert (bad["trusted"], bad["failed"], bad["npv_mean"]) == (False, "x", None)
    assert simulate(study, grid, ("npv",), allow_untrusted=True)[1]["npv_mean"] is not None


def test_command_line(sim: Sim, linear: Path) -> None:
    ran = sim("sweep", linear, "--vary", "costs.licence.monthly=200:800:4", "--metric", "roi", "--json")
    assert (ran.code, ran.err) == (0, "")
    assert ran.json["command"] == "sweep"
    assert ran.json["trusted"] is True
    assert "583.33" in ran.json["sentence"]
    rows = ran.json["result"]["rows"]
    one = sim("forecast", linear, "--set", "costs.licence.monthly=400", "--json").json["result"]
    assert rows[1]["roi_expected"] == pytest.approx(one["metrics"]["roi"]["expected"], rel=1e-12)
    assert rows[1]["npv_mean"] == pytest.approx(one["metrics"]["npv"]["mean"], rel=1e-12)
    assert Path(ran.json["result"]["path"]).parent == Path(ran.json["run"])
    refused = sim("sweep", linear, "--vary", "costs.licence.monthly=a", "--json")
    assert refused.code == 2
    assert json.dumps(refused.json["problems"]).count("is no number") == 1


FITTED = """
[programme]
currency = "EUR"
horizon = 12
[outcomes.a]
model = "conversion"
control = { trials = 20_000, successes = 600 }
treated = { trials = 20_000, successes = 720 }
volume = 10_000
value = 12
[outcomes.b]
model = "conversion"
control = { trials = 9_000, successes = 900 }
treated = { trials = 9_000, successes = 1_000 }
volume = 5_000
value = { low = 2, high = 4 }
[costs]
all = { low = 30_000, high = 40_000 }
[[correlations]]
of = ["outcomes.a.effect", "costs.all"]
rho = -0.5
"""


@pytest.mark.slow
def test_fitted_outcomes_are_swept_from_stored_fits_and_only_what_changes_is_fitted(tmp_path: Path) -> None:
    """Nothing here is drawn anew, so it cannot fail by chance."""
    file, store = tmp_path / "fitted.toml", tmp_path / "results" / ".fits"
    file.write_text(FITTED, "utf-8")
    study = Study(file, store=store)
    assert len(list(store.glob("*/fit.json"))) == 2
    for key, values in {
        "outcomes.b.value": (1.0, 2.5, 4.0),
        "costs.all": (20_000.0, 33_333.0, 40_000.0),  # takes the correlation with the fit away
        "programme.horizon": (6, 18),
        "outcomes.a.effect": (-0.1, 0.1, 0.3),  # in place of the fitted one: the control arm alone is fitted
    }.items():
        for row in simulate(study, [(key, values)], METRICS):
            agree(row, separate_fitted(file, {key: row[key]}, store))
        assert len(list(store.glob("*/fit.json"))) == (3 if key.endswith("effect") else 2)
    rows = simulate(study, [("outcomes.b.treated.successes", (1_000, 1_100))], ("npv",))
    assert len(list(store.glob("*/fit.json"))) == 4  # b at 1,100; the others were there
    assert rows[1]["npv_mean"] > rows[0]["npv_mean"]
    for row in rows:
        setting = {"outcomes.b.treated.successes": row["outcomes.b.treated.successes"]}
        agree(row, separate_fitted(file, setting, store, ("npv",)))


def separate_fitted(
    file: Path, setting: Mapping[str, float], store: Path, metrics: tuple[str, ...] = METRICS
) -> dict[str, Any]:
    prepared = prepare(file, [f"{key}={written(value)}" for key, value in setting.items()])
    fits = fit_all(prepared, store)
    world = World(prepared, {name: fit.draws for name, fit in fits.items()}, prepared.drawn)
    return figures_at(world, "treated", metrics)


ASKED = {
    "sweep": (["--vary", "costs.all=20_000,30_000"], "rows"),
    "target": (["--solve", "costs.all", "--goal", "npv=0"], "value"),
    "sensitivity": ([], "inputs"),
    "pilot": (["--set", "decision.pilot.cost_per_month=500", "--set", "decision.pilot.ran=3"], "lengths"),
    "compare": (["other.toml"], "choices"),
}


@pytest.mark.slow
def test_no_command_builds_on_an_untrusted_forecast(sim: Sim, tmp_path: Path) -> None:
    """The arms' sizes cannot come from an even split, which no fit can change."""
    text = FITTED.replace("trials = 20_000, successes = 720", "trials = 16_000, successes = 580")
    for name in ("split.toml", "other.toml"):
        (tmp_path / name).write_text(text, "utf-8")
    for command, (words, figures) in ASKED.items():
        told = ["--json", "--set", "outcomes.a.split=0.5"]
        ran = sim(command, tmp_path / "split.toml", *words, *told)
        assert (ran.code, ran.json["trusted"]) == (3, False), command
        assert figures not in ran.json["result"], command
        ran = sim(command, tmp_path / "split.toml", *words, *told, "--allow-untrusted")
        assert ran.code == 3, command
        assert ran.json["sentence"].startswith("Not to be trusted"), command
        assert ran.json["result"][figures] is not None, command
