"""Both shipped examples end to end, through the real command line, and the library call."""

from __future__ import annotations

import json
import os
import re
import runpy
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow.parquet as pq
import pytest

from tests.conftest import ROOT, Ran, Sim

KEYS = {
    "programme", "samples", "seed", "trusted", "interval", "headline", "best", "strategies", "metrics",
    "probability", "risk", "evidence", "outcomes", "costs", "benefits", "checks",
}  # fmt: skip
METRICS = {
    "npv", "roi", "roi_discounted", "irr", "irr_monthly", "mirr", "payback_months", "payback_first_months",
    "payback_discounted_months", "benefit", "cost", "peak_funding", "revenue", "cpa", "ltv_cac",
}  # fmt: skip


@pytest.fixture(scope="module")
def out(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """One results folder for the module, so that stored fits are shared."""
    return tmp_path_factory.mktemp("results")


def run(sim: Sim, out: Path, name: str, *more: str) -> tuple[Ran, dict[str, Any], Path]:
    ran = sim("forecast", ROOT / "configs" / name / "config.toml", "--out", out, "--json", *more)
    assert ran.code == 0, ran.err + ran.out[:2000]
    return ran, ran.json["result"], Path(ran.json["run"])


def numbers(tree: Any) -> list[float]:
    if isinstance(tree, dict):
        return [number for value in tree.values() for number in numbers(value)]
    if isinstance(tree, list):
        return [number for value in tree for number in numbers(value)]
    return [tree] if isinstance(tree, float) else []


def test_email_campaign(sim: Sim, out: Path) -> None:
    ran, summary, folder = run(sim, out, "email-campaign")
    assert set(summary) == KEYS
    assert set(summary["metrics"]) == METRICS
    assert np.isfinite(numbers(summary)).all()
    assert json.loads((folder / "summary.json").read_text("utf-8")) == summary
    purchases = summary["outcomes"]["purchases"]["pooled"]
    # The published rates: 122 of 21,306 and 267 of 21,307 customers bought.
    assert purchases["control"]["mean"] == pytest.approx(0.00573, abs=0.0002)
    assert purchases["treated"]["mean"] == pytest.approx(0.01253, abs=0.0003)
    assert purchases["difference"]["low"] < 0.0068 < purchases["difference"]["high"]
    assert summary["outcomes"]["visits"]["kpi"] is True
    assert summary["outcomes"]["visits"]["money"] is None
    assert summary["best"] == "Mens E-Mail"
    assert summary["strategies"]["Mens E-Mail"]["metrics"] == summary["metrics"]
    assert not ran.err

    samples = pq.read_table(folder / "samples.parquet")
    assert samples.num_rows == summary["samples"] == 4000
    npv = samples["metrics.npv"].to_numpy()
    assert npv.mean() == pytest.approx(summary["metrics"]["npv"]["mean"], rel=1e-12)
    assert np.quantile(npv, 0.05) == pytest.approx(summary["metrics"]["npv"]["low"], rel=1e-9)
    assert (npv < 0).mean() == summary["probability"]["loss"]
    cash = pq.read_table(folder / "cash_flow.parquet").to_pylist()
    assert {row["month"] for row in cash} == set(range(25))
    net = {row["month"]: row["mean"] for row in cash if row["kind"] == "net"}
    parts = dict.fromkeys(net, 0.0)
    for row in cash:
        if row["kind"] in ("benefit", "cost"):
            parts[row["month"]] += row["mean"] * (1 if row["kind"] == "benefit" else -1)
    assert parts == pytest.approx(net, rel=1e-9, abs=1e-6)
    last = next(r for r in cash if r["kind"] == "cumulative_discounted" and r["month"] == 24)
    assert last["mean"] == pytest.approx(summary["metrics"]["npv"]["mean"], rel=1e-9)


def test_another_price_samples_nothing(sim: Sim, out: Path) -> None:
    run(sim, out, "email-campaign")
    fits = sorted((out / ".fits").iterdir())
    again = sim(
        "forecast", ROOT / "configs/email-campaign/config.toml", "--out", out, "--json",
        "--set", "costs.platform.monthly=1_200", "--set", "programme.horizon=36",
    )  # fmt: skip
    assert again.code == 0, again.err
    manifest = json.loads((Path(again.json["run"]) / "manifest.json").read_text("utf-8"))
    assert all(fit["reused"] for fit in manifest["fits"].values())
    assert sorted((out / ".fits").iterdir()) == fits
    assert manifest["config"]["programme"]["horizon"] == 36


@pytest.mark.slow  # four models to compile: a minute on two cores
def test_support_chatbot_finds_its_documented_truth(sim: Sim, out: Path) -> None:
    _, summary, folder = run(sim, out, "support-chatbot")
    truth = runpy.run_path(str(ROOT / "configs/support-chatbot/generate.py"))["TRUTH"]
    outcomes = summary["outcomes"]
    assert outcomes["checkout"]["money"]["mean"] > 0
    # 15 intervals of 90 %: fewer than 11 hold the truth with a probability of 0.2 %.
    held = []
    for country in ("Deutschland", "France", "Norge"):
        for name in ("checkout", "handling", "retention"):
            interval = outcomes[name]["segments"][country]["relative"]
            held.append(interval["low"] <= truth[name][country][1] <= interval["high"])
        deflected = outcomes["deflection"]["segments"][country]
        assert deflected["relative"]["mean"] is None
        held.append(
            deflected["treated"]["low"] <= truth["deflection"][country] <= deflected["treated"]["high"]
        )
        level = outcomes["handling"]["segments"][country]["control"]
        held.append(level["low"] <= truth["handling"][country][0] <= level["high"])
    assert sum(held) >= 11, held
    money = sum(outcomes[name]["money"]["mean"] for name in outcomes)
    assert money == pytest.approx(summary["metrics"]["benefit"]["mean"], rel=1e-9)
    costs = sum(cost["mean"] for cost in summary["costs"].values())
    assert costs == pytest.approx(summary["metrics"]["cost"]["mean"], rel=1e-9)
    assert "constructed" in summary["programme"]["name"]
    assert "constructed" in (folder / "report.html").read_text("utf-8")
    names = {path.name for path in (folder / "plots").iterdir()}
    assert {"npv.png", "roi.png", "payback.png", "cash_flow.png", "effects.png"} <= names
    assert {path.stem for path in (folder / "posterior").iterdir()} == set(outcomes)


def test_the_constructed_data_come_out_of_their_generator(tmp_path: Path) -> None:
    home = ROOT / "configs" / "support-chatbot"
    shutil.copy(home / "generate.py", tmp_path)
    subprocess.run([sys.executable, tmp_path / "generate.py"], check=True)
    for made in tmp_path.glob("*.csv"):
        assert made.read_bytes() == (home / made.name).read_bytes()
    assert len(list(tmp_path.glob("*.csv"))) == 3


def test_the_library_call(out: Path, sim: Sim) -> None:
    import sim as library

    run(sim, out, "email-campaign")
    result = library.forecast(ROOT / "configs/email-campaign/config.toml", out=out)
    assert result.reused
    assert result.trusted
    assert len(result.samples) == 4000
    posterior = result.posterior["purchases"]
    assert set(posterior["posterior"]["level"].dims) == {"chain", "draw", "arm", "segment"}
    with pytest.raises(library.ProblemsError):
        library.forecast(ROOT / "none.toml", out=out)


def test_the_readmes_library_example_runs(out: Path, sim: Sim, tmp_path: Path) -> None:
    run(sim, out, "email-campaign")
    block = re.search(r"```python\n(.*?)```", (ROOT / "README.md").read_text("utf-8"), re.DOTALL)
    assert block is not None
    (tmp_path / "configs").symlink_to(ROOT / "configs")
    environment = {**os.environ, "SIM_FITS": str(out / ".fits")}
    done = subprocess.run(
        [sys.executable, "-c", block[1]],
        cwd=tmp_path,
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert "NPV" in done.stdout
