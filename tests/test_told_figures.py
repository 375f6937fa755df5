"""What is told is what was meant: intervals, headlines, arms, seeds, and where evidence ends."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow.parquet
import pytest

from sim.engine import evidence
from sim.engine import fit as fitting
from sim.engine.learning import Source, signals
from sim.engine.prepare import Prepared, prepare
from sim.engine.summary import effect_block
from sim.engine.world import World
from sim.finance.discount import factors
from sim.finance.metrics import measure
from sim.finance.spread import distribution
from sim.records.summary import PilotSummary
from sim.registry import models
from sim.report.tables import write_cash_flow
from tests.test_models_contract import example

HEAD = '[programme]\ncurrency = "EUR"\nhorizon = 12\ndiscount_rate = 0.0\n[costs]\nall = 100\n'
OUTCOME = """\
[outcomes.x]
model = "conversion"
data = "pilot.csv"
arm = { column = "arm", control = "a", treated = ["b", "c"] }
volume = 1000
value = 1
"""


def ready(folder: Path, table: str, outcome: str = OUTCOME) -> Prepared:
    (folder / "pilot.csv").write_text(table, encoding="utf-8")
    (folder / "c.toml").write_text(HEAD + outcome, encoding="utf-8")
    return prepare(folder / "c.toml")


def test_intervals_are_those_that_are_told() -> None:
    values = np.random.default_rng(1).permutation(np.arange(1001.0))
    for block in (distribution(values), effect_block(values)):
        assert (block["low"], block["median"], block["high"]) == pytest.approx((50, 500, 950))


def test_quantiles_of_the_cash_flow_are_in_order(tmp_path: Path) -> None:
    flows = np.random.default_rng(1).permutation(np.arange(1001.0))[:, None] * [[1.0, 2.0]]
    write_cash_flow(tmp_path / "c.parquet", {"a": {"x": ("benefit", flows)}}, None, np.ones((1, 2)))
    rows = pyarrow.parquet.read_table(tmp_path / "c.parquet").to_pylist()
    told = [[row[name] for name in ("p05", "p25", "p50", "p75", "p95")] for row in rows[:2]]
    np.testing.assert_allclose(told, np.outer([1, 2], [50, 250, 500, 750, 950]))


def test_the_headline_roi_is_a_ratio_of_means() -> None:
    """Gains of 10 for 1 and for 9: (10 − 5)/5, not the mean of 9 and 1/9."""
    benefit, cost = np.array([[0.0, 10.0], [0.0, 10.0]]), np.array([[1.0, 0.0], [9.0, 0.0]])
    _, metrics, _, _ = measure(
        benefit, cost, factors(0.1, 1), discount_rate=0.1, payback_within=None, hurdle=0.0
    )
    assert metrics["roi"]["expected"] == pytest.approx(1.0, rel=1e-15)
    assert metrics["roi"]["mean"] == pytest.approx((9 + 1 / 9) / 2, rel=1e-15)


def test_each_arm_has_its_own_draws(tmp_path: Path) -> None:
    prepared = ready(tmp_path, "arm,trials,successes\na,500,50\nb,500,100\nc,500,200\n")
    level = np.broadcast_to(np.array([0.1, 0.2, 0.4])[:, None], (prepared.plan.samples, 3, 1))
    world = World(prepared, {"x": {"level": level}}, prepared.drawn)
    for name, treated in (("b", 0.2), ("c", 0.4)):
        strategy = world.strategy(name)
        assert strategy.outcomes["x"].control.level[0, 0] == 0.1
        assert strategy.outcomes["x"].treated.level[0, 0] == treated
        assert strategy.benefit[0, 1] == pytest.approx(1000 * (treated - 0.1), rel=1e-12)


def test_outcomes_are_fitted_with_seeds_of_their_own(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Two outcomes of the very same data: with one seed their posteriors would be one and the same."""
    again = OUTCOME.replace("outcomes.x", "outcomes.y")
    prepared = ready(tmp_path, "arm,trials,successes\na,500,50\nb,500,100\nc,500,200\n", OUTCOME + again)
    seeds: dict[int, list[int]] = {}

    def noted(*_model: Any, **job: Any) -> Callable[[], None]:
        seeds.setdefault(prepared.plan.seed, []).append(job["seed"])
        return lambda: None

    monkeypatch.setattr(fitting, "is_stored", lambda *_model, **_job: True)
    monkeypatch.setattr(fitting, "begin", noted)
    fitting.fit_all(prepared, tmp_path)
    fitting.fit_all(prepared, tmp_path)
    first = seeds[prepared.plan.seed][:2]
    assert len(set(first)) == 2
    assert seeds[prepared.plan.seed][2:] == first
    prepared = prepare(tmp_path / "c.toml", seed=5)
    fitting.fit_all(prepared, tmp_path)
    assert not set(seeds[5]) & set(first)


def test_outcomes_of_a_longer_pilot_err_independently() -> None:
    """Two outcomes with the very same posterior: what their data would show differs by chance alone."""
    model = models()["conversion"]
    pilot = example("conversion", (2, 1))
    level = np.full((4000, 2, 1), 0.04) + 1e-9 * np.arange(4000)[:, None, None]
    sources = [Source(name, model, pilot, {"level": level}, 1.0) for name in ("x", "y")]
    shown = signals(level[:, 1, 0], sources, {"x": 1.0, "y": 1.0}, seed=3, stream="pilot")
    half = shown.shape[1] // 2
    # 4,000 pairs: four standard errors are 0.063.
    assert abs(np.corrcoef(shown[:, 0], shown[:, half])[0, 1]) < 0.063


def test_months_beyond_the_pilot_begin_after_it(tmp_path: Path) -> None:
    rows = [
        f"{arm},2025-{month:02d},1000,{y}"
        for month in (1, 2, 3)
        for arm, y in (("a", 100), ("b", 200), ("c", 300))
    ]
    table = "arm,month,trials,successes\n" + "\n".join(rows) + "\n"
    prepared = ready(tmp_path, table, OUTCOME + 'period = "month"\n')
    summary: PilotSummary = prepared.summaries["x"]
    assert summary.months == pytest.approx(3)
    level = np.broadcast_to(np.array([0.1, 0.2, 0.3])[:, None], (prepared.plan.samples, 3, 1))
    world = World(prepared, {"x": {"level": level}}, prepared.drawn)
    assert evidence.beyond_pilot(world, world.strategy("b")) == pytest.approx(9 / 12, rel=1e-12)
