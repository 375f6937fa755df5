"""`sim target`: the value found, put back into the forecast, gives the goal; or it says there is none."""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow.parquet
import pytest

from sim.commands.target import target
from sim.engine.fit import fit_all
from sim.engine.goal import Goal
from sim.engine.prepare import prepare
from sim.engine.study import metrics_of, written
from sim.engine.world import World
from sim.errors import ProblemsError
from sim.report.solved import units
from tests.conftest import Sim
from tests.test_sweep import EVERYTHING, LINEAR

FUNNEL = """
[programme]
currency = "EUR"
horizon = 12
discount_rate = 0
[volumes]
visitors = 10_000
[outcomes.lead]
model = "conversion"
control = CONTROL
treated = { low = 0.04, high = 0.06 }
volume = "visitors"
[outcomes.customer]
model = "conversion"
control = 0.1
treated = { low = 0.15, high = 0.25 }
volume = "lead.successes"
value = { price = 500, margin = 0.4 }
[costs]
once = 10_000
[sampling]
draws = 500
tune = 100
chains = 2
"""


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return one folder for all, so that each forecast is made once."""
    return tmp_path_factory.mktemp("target")


def config(folder: Path, text: str) -> Path:
    file = folder / f"{hashlib.sha256(text.encode()).hexdigest()[:8]}.toml"
    file.write_text(text, "utf-8")
    return file


def forecast_at(file: Path, key: str, value: float) -> tuple[dict[str, Any], dict[str, Any]]:
    """Return the samples and the blocks of a forecast of its own."""
    prepared = prepare(file, [f"{key}={written(value)}"])
    fits = fit_all(prepared, file.parent / "none")
    world = World(prepared, {name: fit.draws for name, fit in fits.items()}, prepared.drawn)
    samples, blocks = metrics_of(world, "treated")
    return samples, blocks


@pytest.mark.parametrize(
    ("key", "goal"),
    [
        ("costs.licence.monthly", "npv=0"),
        ("costs.development", "npv=5_000"),  # correlated with the volume
        ("volumes.contacts", "npv=-5e3"),
        ("outcomes.checkout.value.price", "roi=0.25"),
        ("outcomes.checkout.effect", "roi=0.1"),
        ("outcomes.checkout.value.margin.by.DE", "payback=14"),
        ("outcomes.deflection.value", "payback=12.5"),
        ("outcomes.checkout.value.price", "revenue=1_000_000"),
        ("rollout.transfer", "npv=0"),
    ],
)
def test_the_value_put_back_gives_the_goal(folder: Path, key: str, goal: str) -> None:
    file = config(folder, EVERYTHING)
    found = target(file, key=key, goal=goal, out=folder).result
    wanted = float(goal.split("=")[1])
    assert found["value"] is not None, found["reason"]
    metrics = forecast_at(file, key, found["value"])[1]["metrics"]
    metric = found["goal"]["metric"]
    part = {"roi": "expected", "payback_months": "median"}.get(metric, "mean")
    assert metrics[metric][part] == pytest.approx(wanted, rel=1e-6, abs=1e-3)
    assert found["reached"] == pytest.approx(metrics[metric][part], rel=1e-12, abs=1e-6)
    assert found["mcse"] > 0


@pytest.mark.parametrize(
    ("goal", "probability"),
    [("npv=0", 0.9), ("npv=0", 0.25), ("roi=0.2", 0.75), ("payback=18", 0.8), ("revenue=400_000", 0.6)],
)
def test_with_a_probability_it_holds_in_that_share_of_samples(
    folder: Path, goal: str, probability: float
) -> None:
    file = config(folder, EVERYTHING)
    key = "outcomes.checkout.value.price"
    found = target(file, key=key, goal=goal, probability=probability, out=folder).result
    samples = forecast_at(file, key, found["value"])[0][found["goal"]["metric"]]
    wanted = float(goal.split("=")[1])
    edge = 1e-9 * max(1.0, abs(wanted))
    met = samples <= wanted + edge if goal.startswith("payback") else samples >= wanted - edge
    # A quantile lies between two samples, so the share is right to one of them.
    assert met.mean() == pytest.approx(probability, abs=1.5 / samples.size)


def test_certain_numbers_are_solved_exactly(folder: Path) -> None:
    file = config(folder, LINEAR)  # NPV = 12 · (1000 · 0.1 · value − licence) − 5000
    licence = target(file, key="costs.licence.monthly", goal="npv=1_000", out=folder)
    assert licence.result["value"] == pytest.approx(500, rel=1e-9)
    assert licence.result["now"] == 400
    assert licence.sentence == "costs.licence.monthly = 500, against 400 now, gives a mean NPV of 1,000 EUR."
    payback = target(file, key="costs.licence.monthly", goal="payback=10", out=folder).result
    assert payback["value"] == pytest.approx(500, rel=1e-9)
    roi = target(file, key="outcomes.x.value", goal="roi=1", between="1:100", out=folder).result
    assert roi["value"] == pytest.approx(2 * 9_800 / 1_200, rel=1e-9)


def test_no_solution_is_said_and_is_no_error(folder: Path, sim: Sim) -> None:
    file = config(folder, LINEAR)
    ran = sim("target", file, "--solve", "costs.licence.monthly", "--goal", "npv=8_000", "--json")
    assert ran.code == 0
    assert ran.json["result"]["value"] is None
    assert ran.json["result"]["reason"]
    assert ran.json["sentence"].startswith("No value of costs.licence.monthly from 0 up, however large")
    assert "mean NPV comes nearest at 0, with 7,000 EUR" in ran.json["sentence"]
    narrow = target(file, key="costs.licence.monthly", goal="npv=0", between="600:900", out=folder)
    assert narrow.result["value"] is None
    assert "from 600 to 900" in narrow.sentence
    assert len(narrow.result["curve"]) == 25
    never = target(file, key="costs.once.once", goal="payback=2", between="9_000:9_900", out=folder)
    assert never.result["value"] is None


def test_a_key_that_counts_is_solved_in_whole_numbers(folder: Path) -> None:
    file = config(folder, LINEAR)  # 600 a month against 5,000
    found = target(file, key="programme.horizon", goal="npv=0", out=folder)
    assert (found.result["value"], found.result["mcse"]) == (9, None)
    assert isinstance(found.result["value"], int)
    assert forecast_at(file, "programme.horizon", 9)[1]["metrics"]["npv"]["mean"] == pytest.approx(400)
    assert "programme.horizon = 9, against 12 now, is the first to give" in found.sentence
    ends = target(file, key="rollout.ends", goal="npv=-2_000", out=folder).result
    assert ends["value"] == 8  # 1000 · ends − 4800 − 5000 ≥ −2000
    throughout = target(file, key="programme.horizon", goal="npv=0", between="10:20", out=folder)
    assert throughout.result["value"] is None
    assert "Every value" in throughout.sentence


def test_curve_table_and_plot_are_there(folder: Path) -> None:
    file = config(folder, EVERYTHING)
    found = target(file, key="costs.licence.monthly", goal="npv=0", between=(1_000, 9_000), out=folder)
    table = pyarrow.parquet.read_table(found.path / "target.parquet").to_pylist()
    assert table == found.result["curve"]
    assert [table[0]["costs.licence.monthly"], table[-1]["costs.licence.monthly"]] == [1_000, 9_000]
    assert table[0].keys() == {"costs.licence.monthly", "npv_mean", "npv_mean_mcse", "low", "high"}
    assert np.all(np.diff([row["npv_mean"] for row in table]) < 0)
    assert (found.path / "target.csv").is_file()
    assert (found.path / "target.png").read_bytes().startswith(b"\x89PNG")


def test_the_calculator_turned_round(folder: Path) -> None:
    """Without a control the extra revenue is all revenue, and the sales calculator's arithmetic holds."""
    file = config(folder, FUNNEL.replace("CONTROL", "0"))
    found = target(file, key="volumes.visitors", goal="revenue=600_000", out=folder)
    lead, customer = found.result["pipeline"]
    assert [lead["stage"], customer["stage"]] == ["lead", "customer"]
    assert customer["leaving_median"] == pytest.approx(600_000 / 500)
    samples, _ = forecast_at(file, "volumes.visitors", found.result["value"])
    assert samples["revenue"].mean() == pytest.approx(600_000, rel=1e-9)
    # In every sample: visitors · lead rate · customer rate · 500 = 600,000.
    rates = pyarrow.parquet.read_table(found.forecast.run / "samples.parquet").to_pydict()
    per_visitor = np.array(rates["outcomes.lead.pooled.treated"]) * rates["outcomes.customer.pooled.treated"]
    needed = 1_200 / per_visitor
    for part, level in (("median", 0.5), ("low", 0.05), ("high", 0.95)):
        assert lead[f"entering_{part}"] == pytest.approx(np.quantile(needed, level), rel=1e-9)
        assert lead[f"gross_entering_{part}"] == pytest.approx(np.quantile(needed, level), rel=1e-3)
    assert lead["entering_median_mcse"] > 0
    assert lead["leaving_median"] == customer["entering_median"]
    assert (found.path / "pipeline.csv").is_file()
    assert f"{units(lead, 'entering_median')} units entering lead" in found.sentence


def test_extra_revenue_needs_more_than_all_revenue(folder: Path) -> None:
    file = config(folder, FUNNEL.replace("CONTROL", "0.03"))
    lead, customer = target(file, key="volumes.visitors", goal="revenue=6e5", out=folder).result["pipeline"]
    rates = prepare(file).drawn.columns
    p, q = rates["outcomes.lead.treated"], rates["outcomes.customer.treated"]
    extra = 1_200 / (p * q - 0.03 * 0.1)
    assert lead["entering_median"] == pytest.approx(np.median(extra), rel=1e-9)
    assert lead["entering_high"] == pytest.approx(np.quantile(extra, 0.95), rel=1e-9)
    assert lead["gross_entering_median"] < lead["entering_median"]
    assert customer["gross_leaving_median"] == pytest.approx(1_200)


@pytest.mark.parametrize(
    ("options", "told"),
    [
        ({"key": "costs.licence.monthy"}, 'unknown key "monthy"'),
        ({"key": "costs.license.monthly"}, 'did you mean "licence"'),
        ({"key": "programme.name"}, "name is"),
        ({"goal": "profit=3"}, '"profit=3" is no goal'),
        ({"goal": "npv"}, '"npv" is no goal'),
        ({"goal": "npv=a"}, '"npv=a" is no goal'),
        ({"goal": "payback=0"}, "a payback of 0"),
        ({"goal": "revenue=10"}, "no outcome has a price"),
        ({"probability": 90.0}, "a probability of 90"),
        ({"between": "5:3"}, "is no range"),
        ({"between": "5"}, "is no range"),
        ({"between": "-5:3"}, "monthly is -5"),
        ({"strategy": "b"}, "is no treated arm"),
    ],
)
def test_what_cannot_be_solved_is_told_before_anything_is_done(
    folder: Path, options: dict[str, Any], told: str
) -> None:
    asked = {"key": "costs.licence.monthly", "goal": "npv=0"} | options
    with pytest.raises(ProblemsError) as raised:
        target(config(folder, LINEAR), out=folder / "out", **asked)
    assert told in str(raised.value)
    assert not (folder / "out").exists()


def test_goals_in_words() -> None:
    assert Goal("roi", 0.2).words("20 %") == "an expected ROI of 20 %"
    assert Goal("payback_months", 18, 0.9).words("18 months") == (
        "a payback within 18 months with probability 90 %"
    )
    assert (Goal("npv", 0, 0.9).level, Goal("payback_months", 18, 0.9).level) == (pytest.approx(0.1), 0.9)
