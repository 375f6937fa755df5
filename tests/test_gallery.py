"""The gallery: every example config is ready to run, and finds the truth that its data were made from."""

from __future__ import annotations

import runpy
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import sim as library
from sim.engine.fit import fit_all
from sim.engine.prepare import prepare
from sim.records.quantity import quoted
from tests.conftest import ROOT, Sim

HOME = ROOT / "configs"
FOLDERS = sorted(path.parent.name for path in HOME.glob("*/config.toml"))
MADE = runpy.run_path(str(HOME / "generate_gallery.py"))
GALLERY = [*MADE["TRUTH"], "prior-only"]
INLINE = {("cart-recovery", "unsubscribed"), ("satisfaction-kpi", "session")}
"""Fitted outcomes whose figures stand in the config: no truth is known of them."""
NO_MONEY = {"satisfaction-kpi"}


def config(name: str) -> Path:
    return HOME / name / "config.toml"


@pytest.mark.parametrize("name", FOLDERS)
def test_every_example_passes_check_and_says_what_it_teaches(name: str) -> None:
    found = library.check(config(name))
    assert not [check for check in found["checks"] if check["status"] == "fail"]
    schema, first, *_ = lines = config(name).read_text("utf-8").splitlines()
    assert schema == "#:schema ../config.schema.json"
    assert first.startswith("# ")
    words = " ".join(line for line in lines if line.startswith("# "))
    assert any(word in words for word in ("CONSTRUCTED DATA", "Source:", "No data"))
    if "CONSTRUCTED DATA" in words:
        assert "constructed data" in found["programme"]["name"]
    else:
        assert name in ("email-campaign", "prior-only")
    if name in GALLERY:
        assert {(name, outcome) for outcome in found["pilots"]} - INLINE == {
            (name, outcome) for outcome in MADE["TRUTH"].get(name, {})
        }


def test_the_tables_come_out_of_their_generator(tmp_path: Path) -> None:
    subprocess.run([sys.executable, HOME / "generate_gallery.py", tmp_path], check=True)
    made = {str(path.relative_to(tmp_path)) for path in tmp_path.glob("*/*")}
    assert made == {f"{name}/{path.name}" for name in GALLERY for path in (HOME / name).glob("*.csv")}
    for table in made:
        assert (tmp_path / table).read_bytes() == (HOME / table).read_bytes()
        assert len((HOME / table).read_text("utf-8").splitlines()) <= 401


def test_stated_levels_alone_make_a_forecast(sim: Sim) -> None:
    ran = sim("forecast", config("prior-only"), "--json")
    assert ran.code == 0, ran.err
    summary = ran.json["result"]
    assert "prior-only" in {check["name"] for check in summary["checks"] if check["status"] == "warn"}
    assert summary["evidence"]["from_pilot"] == 0
    assert not (Path(ran.json["run"]) / "posterior").exists()
    npv = summary["metrics"]["npv"]
    assert npv["low"] < 0 < npv["high"]  # the example that says: run a pilot first
    parts = [summary["outcomes"], summary["benefits"]]
    money = sum(flow["pv"] for part in parts for flow in (o.get("money") or o for o in part.values()))
    assert money - sum(cost["pv"] for cost in summary["costs"].values()) == pytest.approx(npv["mean"], abs=1)


@pytest.mark.slow
@pytest.mark.timeout(1800)
def test_every_example_runs_and_finds_its_truth(tmp_path: Path) -> None:
    """Run each example; fitted one by one in this process, outcomes share compiled models.

    Each of 15 intervals of 99 % must hold its truth, and of those of 90 % at least 11 (on the committed
    tables 14: South of the stores misses). Over fresh seeds that would fail for 14 % and 1.3 %.
    """
    held = []
    for name in GALLERY:
        prepared = prepare(config(name))
        for outcome, pilot in prepared.summaries.items():  # one at a time stays in this process
            fit_all(replace(prepared, summaries={outcome: pilot}), tmp_path / ".fits")
        result = library.forecast(config(name), out=tmp_path)
        assert result.trusted
        assert not result.reused
        summary = result.summary
        assert (result.run / "report.html").is_file()
        assert summary["headline"].startswith("No money") == (name in NO_MONEY)
        assert np.isfinite(summary["metrics"]["npv"]["mean"])
        for outcome, segments in MADE["TRUTH"].get(name, {}).items():
            for segment, truth in segments.items():
                found = effect(result, outcome, segment, truth)
                low, high = np.quantile(found, [0.005, 0.995])
                assert low <= truth[1] <= high, (name, outcome, segment, low, high)
                held.append(bool(np.quantile(found, 0.05) <= truth[1] <= np.quantile(found, 0.95)))
        at_work(name, summary)
    assert len(held) == 15
    assert sum(held) >= 11, held


def effect(result: library.Result, outcome: str, segment: str, truth: tuple[float, float]) -> Any:
    """Return samples of the relative change; of the treated level where nothing was there before."""
    path = f"outcomes.{quoted(outcome)}.segments.{quoted(segment)}"
    table = result.samples
    control, treated = (table[f"{path}.{side}"].to_numpy() for side in ("control", "treated"))
    return treated if truth[0] == 0 else treated / control - 1


def at_work(name: str, summary: dict[str, Any]) -> None:
    """Check that what the example teaches shows in its result."""
    outcomes, metrics = summary["outcomes"], summary["metrics"]
    checks = {check["name"] for check in summary["checks"]}
    if name == "lead-generation":
        assert metrics["cpa"]["mean"] > 0
        assert set(outcomes["customer"]["segments"]) == {"hot", "warm", "cold"}
        assert "history:visitors" in checks
        assert outcomes["lead"]["kpi"]
    elif name == "cart-recovery":
        assert "prior:revenue" in checks
        assert outcomes["unsubscribed"]["p_better"] < 0.05
        assert outcomes["unsubscribed"]["money"] is outcomes["recovered"]["money"] is None
    elif name == "per-resolution-chatbot":
        assert outcomes["deflection"]["pooled"]["relative"]["mean"] is None
        assert summary["costs"]["resolutions"]["mean"] > 0
        assert "clusters:handling" in checks
    elif name == "churn-programme":
        assert outcomes["retention"]["clv"]["difference"]["mean"] > 0
        assert not any(check.startswith("tenure-mix") for check in checks)
    elif name == "satisfaction-kpi":
        assert metrics["npv"]["sd"] == 0
        assert all(outcome["kpi"] and outcome["p_better"] > 0.5 for outcome in outcomes.values())
    elif name == "before-after":
        assert "no control group" in summary["headline"]
    elif name == "difference-in-differences":
        spans = {
            s: b["relative"]["high"] - b["relative"]["low"]
            for s, b in outcomes["purchases"]["segments"].items()
        }
        assert spans["East"] > 2 * max(spans["North"], spans["South"])
