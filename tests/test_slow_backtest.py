"""Backtests that fit many times: coverage over simulated pilots, published cohorts, command line."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from scipy.stats import binom

import sim as library
from sim.cli.answer import UNTRUSTED, found_answer
from sim.engine.backtest import score, splits
from sim.engine.fit import fit_each
from sim.engine.hindcast import hindcast
from sim.registry import models
from sim.report.backtest_screen import backtest_lines
from tests.conftest import Sim
from tests.test_backtest import CHURN, CONVERSION, cohorts, configured, keys_of, pilot, totals

pytestmark = pytest.mark.slow


@pytest.mark.parametrize("case", ["cost", "revenue", "count", "rating"])
def test_the_training_data_of_other_models_end_at_the_origin(case: str, tmp_path: Path) -> None:
    assert len(set(keys_of(case, tmp_path))) == 1


def test_published_cohorts_are_forecast_as_they_went_on(tmp_path: Path) -> None:
    """Fader & Hardie (2007), fitted on years 1-7; each cohort by itself, so that no effect ties them."""
    unarmed = "\n".join(line for line in CHURN.split("\n") if not line.startswith("arm")) + "\neffect = 0.0"
    for arm, year_12 in (("a", 0.173), ("b", 0.394)):
        lines = [line for line in cohorts(12).split("\n") if f",{arm}," in line or "year" in line]
        config = configured(tmp_path / arm, unarmed, "\n".join(lines))
        result = library.backtest(config, holdout=5, out=tmp_path / "out").result
        assert result["inside"]["95"] == 5
        last = result["rows"][-1]
        assert last["observed"] == pytest.approx(year_12)
        assert abs(last["mean"] - year_12) < 0.015


def test_intervals_hold_as_often_as_they_say(tmp_path: Path) -> None:
    """40 pilots drawn from rates that stay what they are; 1 of 4 held-out values of each, so independent.

    With a right model the number inside the 80 % interval is binomial(40, 0.8 or a little more, as counts are
    whole): outside 25 ... 39 with a probability below 0.4 %. Seeds are fixed.
    """
    inside = {"50": 0, "80": 0, "95": 0}
    for seed in range(40):
        prepared = pilot(tmp_path / str(seed), CONVERSION, totals(5, seed=100 + seed))
        (split,), _ = splits(prepared, 1, 1)
        (fit,) = fit_each(prepared.plan, {"x": [split.training]}, tmp_path / "fits")["x"]
        seen = hindcast(split, models()["conversion"], fit.draws, np.random.default_rng(seed))
        rows = score(split, seen, prepared.plan)
        row = rows[seed % len(rows)]
        for level in inside:
            inside[level] += row[f"inside_{level}"]
    for level, (low, high) in {"50": (11, 31), "80": (25, 39), "95": (33, 40)}.items():
        assert low <= inside[level] <= high, inside
        alarm = 1 - (binom(40, float(level) / 100).cdf(high) - binom(40, float(level) / 100).cdf(low - 1))
        assert alarm < 0.005


def test_a_forecast_of_what_changed_is_told_to_be_bad(tmp_path: Path) -> None:
    config = configured(tmp_path, CONVERSION, totals(6, late=9))
    result = library.backtest(config, holdout=2, out=tmp_path / "out").result
    assert result["inside"]["95"] == 0
    assert result["outcomes"]["x"]["bias"] < -0.25


def test_a_fit_that_fails_gives_no_scores_and_exit_3(tmp_path: Path) -> None:
    """A hundred draws are too few for the effective sample size that is asked for."""
    config = configured(tmp_path, CONVERSION, totals(5))
    few = ["sampling.draws=100", "sampling.tune=100", "sampling.chains=2"]
    found = library.backtest(config, holdout=1, sets=few, out=tmp_path)
    assert (found.result["trusted"], found.result["rows"]) == (False, [])
    assert found.sentence.startswith("No forecast can be scored: x, fitted before 5: ")
    assert found_answer("backtest", backtest_lines, found, quiet=True).code == UNTRUSTED
    told = library.backtest(config, holdout=1, sets=few, out=tmp_path, allow_untrusted=True)
    assert told.sentence.startswith("Not to be trusted: Of 4 held-out values ")
    assert found_answer("backtest", backtest_lines, told, quiet=True).code == UNTRUSTED


def test_command_line_tells_the_sentence_the_table_and_the_place(sim: Sim, tmp_path: Path) -> None:
    configured(tmp_path, CONVERSION, totals(6))
    ran = sim("backtest", "config.toml", "--holdout", 2, "--origins", 2)
    assert ran.code == 0, ran.err
    flat = " ".join(ran.out.split())
    assert flat.startswith("Of 16 held-out values ")
    assert "The last 2 periods held out, from 2 origins" in flat
    document: dict[str, Any] = sim("backtest", "config.toml", "--holdout", 2, "--origins", 2, "--json").json
    assert (document["exit"], document["command"], document["trusted"]) == (0, "backtest", True)
    assert document["result"]["values"] == 16
    assert np.isfinite(document["result"]["skill"])
