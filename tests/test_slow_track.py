"""`sim track` with every outcome model: data of treated customers in the fit, and bands that hold."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from scipy.stats import kstest

from sim.engine.study import Study
from sim.engine.track import track
from sim.engine.track_data import data_cells
from sim.engine.track_table import Observed, read

pytestmark = pytest.mark.slow

HEAD = """
[programme]
name = "slow"
currency = "EUR"
horizon = 12
[costs]
development = 20_000
[outcomes.x]
volume = 4000
value = 3
"""

PILOTS = {
    "cost": (
        'model = "cost"\nsaves = "licence"\n'
        "control = { n = 400, mean = 10, sd = 5 }\ntreated = { n = 400, mean = 8, sd = 4 }\n",
        "n,mean,sd",
        ["20000,9.4,5", "20000,9.6,5"],
        9.5,
    ),
    "revenue": (
        'model = "revenue"\n'
        "control = { trials = 2000, payers = 200, log_total = 600, log_squared_total = 1900 }\n"
        "treated = { trials = 2000, payers = 260, log_total = 780, log_squared_total = 2470 }\n",
        "trials,payers,log_total,log_squared_total",
        ["100000,8000,24000,74000", "100000,8000,24000,74000"],
        0.08 * np.exp(3 + 0.25 / 2),
    ),
    "rating": (
        'model = "rating"\nscale = [1, 5]\n'
        "control = { rating = [1, 2, 3, 4, 5], count = [20, 30, 60, 80, 40] }\n"
        "treated = { rating = [1, 2, 3, 4, 5], count = [10, 20, 50, 90, 60] }\n",
        "rating,count",
        [
            f"{point},{count}"
            for point, count in zip(range(1, 6), (2400, 3200, 6000, 7600, 3800), strict=True)
        ],
        float(np.average(range(1, 6), weights=(2400, 3200, 6000, 7600, 3800))),
    ),
    "churn": (
        'model = "churn"\n'
        "control = { period = [1, 2, 3, 4], at_risk = [400, 368, 339, 312], churned = [32, 29, 27, 25] }\n"
        "treated = { period = [1, 2, 3, 4], at_risk = [400, 376, 354, 333], churned = [24, 22, 21, 20] }\n",
        "period,at_risk,churned",
        [f"{period},20000,1600" for period in range(1, 5)],
        0.08,
    ),
}


def revised(folder: Path, config: str, header: str, rows: list[str]) -> tuple[Study, Any, dict[str, Any]]:
    """Return the study, the actuals and the answer; rows are months 1, 2 … or, with ranks, all of month 1."""
    (folder / "config.toml").write_text(HEAD + config, "utf-8")
    ranked = header.startswith(("rating", "period"))
    lines = [f"{1 if ranked else i + 1},{row}" for i, row in enumerate(rows)]
    columns = ",".join(f"outcomes.x.{role}" for role in header.split(","))
    (folder / "actuals.csv").write_text("\n".join([f"month,{columns}", *lines]) + "\n", "utf-8")
    study = Study(folder / "config.toml", store=folder / ".fits")
    known = read(folder / "actuals.csv", "actuals.csv", study.world.prepared, "treated")
    return study, known, track(study, known, "treated")


@pytest.mark.parametrize("name", sorted(PILOTS))
def test_a_hundred_times_the_pilot_pulls_the_level_to_what_happens(tmp_path: Path, name: str) -> None:
    config, header, rows, level = PILOTS[name]
    study, _, found = revised(tmp_path, config, header, rows)
    assert study.trusted
    assert found["trusted"], found["failed"]
    levels = found["outcomes"]["x"]
    before, after = levels["original"]["treated"], levels["revised"]["treated"]
    assert abs(before["mean"] / level - 1) > 0.05, "the pilot said something else"
    assert after["mean"] == pytest.approx(level, rel=0.02)
    assert after["high"] - after["low"] < (before["high"] - before["low"]) / 3
    assert all(row["outside"] for row in found["rows"] if row["kind"] == "data")
    control = [levels[word]["control"]["mean"] for word in ("original", "revised")]
    assert control[1] == pytest.approx(control[0], rel=0.05)


def test_totals_move_a_rate_of_units_as_far_as_its_dispersion_lets_them(tmp_path: Path) -> None:
    """20,000 customer-months at 1.5 events against a pilot at 2; kappa 0.5 makes a total vary 1.75-fold."""
    rng = np.random.default_rng(5)
    lines = ["arm,events,exposure"]
    for arm, rate in (("a", 2.5), ("b", 2.0)):
        lines += [f"{arm},{v},1" for v in rng.negative_binomial(2, 2 / (2 + rate), 600)]
    (tmp_path / "rows.csv").write_text("\n".join(lines) + "\n", "utf-8")
    config = (
        'model = "count"\nbetter = "lower"\ndata = "rows.csv"\n'
        'arm = { column = "arm", control = "a", treated = "b" }\n'
    )
    (tmp_path / "config.toml").write_text(HEAD + config, "utf-8")
    (tmp_path / "actuals.csv").write_text(
        "month,outcomes.x.events,outcomes.x.exposure\n1,15000,10000\n2,15000,10000\n", "utf-8"
    )
    study = Study(tmp_path / "config.toml", store=tmp_path / ".fits")
    known = read(tmp_path / "actuals.csv", "actuals.csv", study.world.prepared, "b")
    found = track(study, known, "b")
    assert found["trusted"], found["failed"]
    after = found["outcomes"]["x"]["revised"]["treated"]
    pilot_rate = float(study.world.prepared.summaries["x"].statistics["events"][1].sum()) / 600
    # Weighed by what they tell: 20,000 customer-months and 600, equally dispersed but for a rate that moved.
    expected = (20_000 * 1.5 + 600 * pilot_rate) / 20_600
    assert after["mean"] == pytest.approx(expected, rel=0.02)
    excess = 1 + 0.5 * pilot_rate
    width = 2 * 1.645 * np.sqrt(expected * excess / 20_600)
    assert after["high"] - after["low"] == pytest.approx(width, rel=0.25)


def test_bands_of_data_hold_as_often_as_they_say(tmp_path: Path) -> None:
    """Datasets drawn from joint states of the fit rank uniformly in the band made of the others.

    40 states, two months each at 60 trials; the sum over both months is ranked, with ties broken at random.
    Kolmogorov-Smirnov at p < 0.001: false alarm 0.1 %, with the seed fixed.
    """
    config = (
        'model = "conversion"\n'
        "control = { trials = 200, successes = 60 }\ntreated = { trials = 200, successes = 80 }\n"
    )
    (tmp_path / "config.toml").write_text(HEAD + config, "utf-8")
    study = Study(tmp_path / "config.toml", store=tmp_path / ".fits")
    strategy = study.world.strategy("treated")
    rng = np.random.default_rng(11)
    levels = study.world.fits["x"]["level"][:, 1, 0]
    ranks = []
    for state in rng.choice(len(levels), 40, replace=False):
        successes = rng.binomial(60, levels[state], 2)

        def condense(cells: Any, count: int, successes: Any = successes) -> dict[str, Any]:
            statistics = {name: np.zeros((count, 1)) for name in ("trials", "successes")}
            for month, cell in cells.items():
                statistics["trials"][cell] += 60
                statistics["successes"][cell] += successes[month - 1]
            return statistics

        cells = data_cells(study.world, strategy, "x", Observed((1, 2), condense))
        drawn, actual = sum(cell.drawn for cell in cells), sum(cell.actual for cell in cells)
        below, equal = float(np.mean(drawn < actual)), float(np.mean(drawn == actual))
        ranks.append(below + rng.uniform() * equal)
    assert kstest(ranks, "uniform").pvalue > 0.001
