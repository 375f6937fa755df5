"""Checks of many kinds, on data whose names have no Latin letter."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np

from models.conversion import MODEL
from models.cost import MODEL as COST
from sim.contract import Predictive
from sim.engine.findings import findings
from sim.engine.novelty import Course, novelty
from sim.engine.prepare import prepare
from sim.engine.world import World
from sim.inference.gates import check_prediction, check_sampling
from sim.language import N_
from sim.pilot.checks import missing_rows, mix_shift, sample_ratio, totals_row
from sim.pilot.clusters import Clustering, cluster_check
from sim.records.check import Check
from sim.records.summary import PilotSummary


def conversion(trials: Any, successes: Any) -> PilotSummary:
    arrays = {"trials": np.array(trials, dtype=float), "successes": np.array(successes, dtype=float)}
    return PilotSummary(("客服", "机器人"), ("东", "西"), arrays, arrays["trials"])


NOTES = """\
[programme]
currency = "EUR"
start = 2011-06-01
[pilot]
data = "pilot.csv"
arm = { column = "组", control = "客服", treated = "机器人" }
segment = "地区"
cluster = "店"
[volumes."话"]
history = { data = "history.csv" }
[outcomes."单"]
model = "conversion"
columns = { trials = "n", successes = "k" }
volume = "话"
value = 10
looks = 3
prior = { effect = { low = -0.1, high = 0.3, source = "—" } }
[outcomes."时"]
model = "cost"
control = 12
treated = 9
unit = "minute"
value = { amount = 30, per = "hour" }
volume = { monthly = { by = { "东" = 1000, "北" = 20 } }, seasonality = [2, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1] }
[costs]
"全" = 0
"""
HISTORY = "month,units\n" + "".join(
    f"{2010 + i // 12}-{i % 12 + 1:02d},{1000 + i}\n" for i in range(20) if i != 4
)


def pilot_table() -> str:
    rows = [
        f"{arm},{place},{i},{100 + i},{lift + i}\n"
        for arm, lift in (("客服", 3), ("机器人", 1))
        for place in ("东", "西")
        for i in range(3)
    ]
    return "组,地区,店,n,k\n" + "".join(rows) + "另,东,1,5,1\n机器人,西,9,,\n"


def config(folder: Path) -> Path:
    """Write a config with its tables."""
    (folder / "pilot.csv").write_text(pilot_table(), encoding="utf-8")
    (folder / "history.csv").write_text(HISTORY, encoding="utf-8")
    (folder / "plan.toml").write_text(NOTES, encoding="utf-8")
    return folder / "plan.toml"


def made(folder: Path) -> Iterator[Check]:
    """Yield them; files are written to the folder."""
    yield from prepare(config(folder)).checks
    even = conversion([[500, 500], [500, 500]], [[9, 9], [7, 7]])
    for split, known in ((0.5, False), (None, False), (0.2, True), (0.2, False)):
        for summary in (even, conversion([[500, 500], [900, 900]], [[9, 9], [7, 7]])):
            yield sample_ratio(summary, split, known)
    for used, blank in (((100, 100), 0), ((99, 100), 2), ((90, 92), 0), ((30, 100), 1)):
        yield missing_rows(even.arms, (100, 100), used, blank)
    yield from MODEL.check(even, stock=False)
    yield from MODEL.check(conversion([[0, 0], [50, 50]], [[0, 0], [49, 48]]), stock=False)
    shift = conversion([[1000, 9000], [9000, 1000]], [[100, 4500], [1080, 530]])
    told = mix_shift(shift, MODEL.ratio(shift.statistics)), totals_row(shift)
    yield from (check for check in told if check is not None)
    for effect, counts in ((4.5, (3, 4)), (0.25, (12, 13))):
        yield cluster_check(Clustering(effect, counts), "店", effect)
    n = np.array([[5.0], [30.0]])
    cells = {"n": n, "mean": np.array([[1.0], [0.0]]), "sd": np.array([[0.0], [0.0]])}
    yield from COST.check(PilotSummary(("客服", "机器人"), ("all",), cells, n), stock=False)
    rng = np.random.default_rng(1)
    plan: Any = type("plan", (), {"better": "higher", "rollout": type("r", (), {"half_life_path": None})})
    for slope in (0.0, 0.1, 0.5):
        run = Course(tuple("1234"), np.arange(4.0), 0.3 - slope * np.arange(4), np.full(4, 0.02))
        told = (novelty(plan, run, "机器人"),)
        yield from (check for check in told if check is not None)
    draws, energy = {"θ": rng.standard_normal((4, 100))}, rng.standard_normal((4, 100))
    for moved, divergent in ((0.0, 0), (3.0, 1)):
        posterior = {"θ": draws["θ"] + moved * np.arange(4)[:, None]}
        yield from check_sampling(posterior, np.full((4, 100), divergent), energy.cumsum(1))[0]
    yield from check_sampling(
        {"θ": rng.standard_normal((4, 500))}, np.zeros((4, 500)), rng.standard_normal((4, 500))
    )[0]
    yield from check_sampling({"θ": np.full((4, 9), np.nan)}, np.zeros((4, 9)), np.ones((4, 9)))[0]
    for distance in (0.0, 9.0):
        seen = Predictive(np.full(3, distance), rng.standard_normal((500, 3)), (), N_("answers"))
        yield check_prediction(seen)[0]
    yield from of_money(folder)


def of_money(folder: Path) -> Iterator[Check]:
    """Return what a simulated strategy with two outcomes before and after a launch is told of."""
    rows = "".join(f"2024-{m:02d},1000,{200 if m < 10 else 220}\n" for m in range(1, 13))
    (folder / "after.csv").write_text(f"month,trials,successes\n{rows}", encoding="utf-8")
    outcome = """\
model = "conversion"
data = "after.csv"
design = "before-after"
period = "month"
launch = "2024-10"
volume = 1000
value = 1
"""
    head = '[programme]\ncurrency = "EUR"\n[costs]\n"全" = 1\n'
    text = f'{head}[outcomes."甲"]\n{outcome}[outcomes."乙"]\n{outcome}'
    (folder / "after.toml").write_text(text, encoding="utf-8")
    ready = prepare(folder / "after.toml")
    yield from ready.checks
    rng = np.random.default_rng(1)
    level = 0.2 + 0.01 * rng.standard_normal((ready.plan.samples, 2, 1))
    fit = {"level": level, "fitted": level}
    world = World(ready, {"甲": fit, "乙": fit}, ready.drawn)
    yield from findings(world, world.strategy("treated"))
