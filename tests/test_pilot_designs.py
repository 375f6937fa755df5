"""Pilots whose arms differ in time as well: phases, launches, periods, clusters and panels."""

from __future__ import annotations

import datetime as dt
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from sim.contract import Ratio
from sim.pilot.clusters import contrasts, design_effect, parallel_trends
from sim.pilot.summary import read
from sim.records.reading import Reading
from sim.records.summary import Series
from sim.registry import models
from tests.pilot_models import reading, refused, table, take

DID: dict[str, Any] = {"design": "difference-in-differences", "period": "month"}
BEFORE_AFTER: dict[str, Any] = {
    "design": "before-after",
    "period": "month",
    "arm": None,
    "control": "before",
    "treated": ("treated",),
}
MONTHS = [f"2025-{month:02d}-01" for month in range(1, 13)]


def panel(folder: Path, months: list[Any], launch: int, name: str = "pilot.csv") -> Path:
    rows = ["arm,month,trials,successes"]
    for i, month in enumerate(months):
        rows += [f"human,{month},100,{10 + i}", f"bot,{month},200,{30 + 3 * i + 20 * (i >= launch)}"]
    return table(folder, "\n".join(rows) + "\n", name)


def test_cells_of_a_difference_in_differences(tmp_path: Path) -> None:
    found = take(panel(tmp_path, MONTHS, 8), launch=dt.date(2025, 9, 1), **DID)
    summary = found.summary
    assert summary.arms == ("human", "bot")
    assert summary.cells == ("human before", "human after", "bot before", "bot after")
    trials = summary.statistics["trials"][:, 0]
    assert trials.tolist() == [800, 400, 1600, 800]
    before = sum(10 + i for i in range(8))
    assert summary.statistics["successes"][0, 0] == before
    assert summary.months == 4
    assert summary.series is not None
    assert summary.series.launch == 8
    assert summary.series.numerator.shape == (2, 1, 12)
    np.testing.assert_array_equal(summary.series.denominator[1, 0], 200)
    assert summary.series.calendar == tuple(range(1, 13))


@pytest.mark.parametrize(
    ("months", "launch"),
    [
        (MONTHS, dt.date(2025, 9, 1)),
        (MONTHS, "2025-09"),
        ([m[:7] for m in MONTHS], dt.date(2025, 9, 1)),
        ([m[:7] for m in MONTHS], "2025-09"),
        (list(range(1, 13)), 9),
        ([f"week {i}" for i in range(1, 13)], "week 9"),
        (
            [f"{m[8:]}.{m[5:7]}.{m[:4]}" for m in [*MONTHS[:7], "2025-08-13", *MONTHS[8:]]],
            dt.date(2025, 9, 1),
        ),
        ([(dt.date(2025, 1, 6) + dt.timedelta(weeks=i)).isoformat() for i in range(12)], dt.date(2025, 3, 3)),
    ],
)
def test_a_launch_in_every_way_of_telling_the_time(tmp_path: Path, months: list[Any], launch: Any) -> None:
    rows = "\n".join(f"{month},{100 + i},{i}" for i, month in enumerate(months))
    file = table(tmp_path, f"month,trials,successes\n{rows}\n")
    summary = take(file, launch=launch, **BEFORE_AFTER).summary
    assert summary.arms == summary.cells == ("before", "treated")
    assert summary.statistics["successes"][:, 0].tolist() == [sum(range(8)), sum(range(8, 12))]
    assert summary.series is not None
    assert summary.series.numerator[0, 0].sum() == sum(range(12))
    assert summary.series.numerator[0, 0, : summary.series.launch].sum() == sum(range(8))


def test_two_labels_need_no_order(tmp_path: Path) -> None:
    file = table(tmp_path, "month,trials,successes\npre,100,5\npost,100,9\n")
    stated = BEFORE_AFTER | {"bias": (-0.05, 0.05), "launch": "post"}
    summary = take(file, **stated).summary
    assert summary.statistics["successes"][:, 0].tolist() == [5, 9]


def test_arms_may_be_the_phases(tmp_path: Path) -> None:
    rows = "\n".join(f"{'old' if i < 8 else 'new'},{m},100,{i}" for i, m in enumerate(MONTHS))
    file = table(tmp_path, f"arm,month,trials,successes\n{rows}\n")
    summary = take(file, design="before-after", period="month", control="old", treated=("new",)).summary
    assert summary.arms == ("old", "new")
    assert summary.series is not None
    assert summary.series.launch == 8
    assert summary.series.numerator.shape[0] == 1


@pytest.mark.parametrize(
    ("change", "key", "words"),
    [
        ({"launch": dt.date(2024, 1, 1)}, "outcomes.x.launch", "runs from 2025-01-01 to 2025-12-01"),
        ({"launch": dt.date(2025, 1, 1)}, "outcomes.x.launch", "runs from"),
        ({"launch": 7}, "outcomes.x.launch", "launch is 7"),
        ({"launch": dt.date(2025, 5, 1)}, "outcomes.x.bias", "4 periods before the launch"),
        ({"launch": dt.date(2025, 9, 1), "period": None}, "outcomes.x.period", "no column tells the time"),
        ({"launch": dt.date(2025, 9, 1), "period": "mnth"}, "outcomes.x.period", 'no column "mnth"'),
    ],
)
def test_a_before_after_pilot_that_cannot_be_read(
    tmp_path: Path, change: dict[str, Any], key: str, words: str
) -> None:
    rows = "\n".join(f"{m},100,{i}" for i, m in enumerate(MONTHS))
    file = table(tmp_path, f"month,trials,successes\n{rows}\n")
    (problem,) = refused(file, **(BEFORE_AFTER | change))
    assert problem.key == key
    assert words in problem.found


def test_labels_without_an_order_are_refused(tmp_path: Path) -> None:
    file = table(tmp_path, "month,trials,successes\nspring,100,5\nsummer,100,9\nautumn,100,9\n")
    (problem,) = refused(file, **(BEFORE_AFTER | {"launch": "autumn", "bias": (-0.1, 0.1)}))
    assert "cannot be put in order" in problem.found


def repeated(folder: Path, copies: int, clusters: int, *, crossed: bool = False) -> Path:
    """Every row is there `copies` times, and the copies share a cluster."""
    rng = np.random.default_rng(1)
    rows = ["arm,agent,outcome"]
    for arm in ("human", "bot"):
        for cluster in range(clusters):
            outcome = int(rng.random() < 0.4)
            rows += [f"{arm},{'' if crossed else arm}{cluster},{outcome}"] * copies
    return table(folder, "\n".join(rows) + "\n")


def conversion(file: Path, **options: Any) -> Any:
    arms = {"arm": "arm", "control": "human", "treated": ("bot",)}
    return read(reading(file, **(arms | options)), models()["conversion"])


@pytest.mark.parametrize("copies", [1, 5])
def test_copies_of_a_row_count_once(tmp_path: Path, copies: int) -> None:
    """Design effect of exact copies is their number, widened by T/(T - 4) for the estimated spread."""
    found = conversion(repeated(tmp_path, copies, 150), cluster="agent")
    effect = found.summary.design.effect
    assert effect == pytest.approx(copies * 300 / 296, rel=0.02)
    np.testing.assert_allclose(found.summary.weight, 1 / effect)
    assert any(check.name == "clusters" and check.status == "note" for check in found.checks)


def test_clusters_that_are_in_both_arms_cancel_what_they_share(tmp_path: Path) -> None:
    rng = np.random.default_rng(2)
    rows = ["arm,agent,trials,successes"]
    for agent in range(40):
        p = rng.uniform(0.2, 0.8)
        rows += [f"{arm},{agent},100,{rng.binomial(100, p)}" for arm in ("human", "bot")]
    shared = conversion(table(tmp_path, "\n".join(rows) + "\n"), cluster="agent").summary.design.effect
    apart = [row.replace("human,", "human,h") for row in rows]
    nested = conversion(
        table(tmp_path, "\n".join(apart) + "\n", "b.csv"), cluster="agent"
    ).summary.design.effect
    assert shared < 1.6
    assert nested > 10


def test_few_clusters_warn_and_very_few_are_refused(tmp_path: Path) -> None:
    found = conversion(repeated(tmp_path, 20, 8), cluster="agent")
    assert any(check.name == "clusters" and check.status == "warn" for check in found.checks)
    (problem,) = refused(repeated(tmp_path, 20, 2), models()["conversion"], cluster="agent")
    assert problem.key == "outcomes.x.cluster"


def test_totals_without_the_cluster_column_are_refused(tmp_path: Path) -> None:
    (problem,) = refused(panel(tmp_path, MONTHS, 3), cluster="agent")
    assert problem.key == "outcomes.x.cluster"


def test_a_panel_takes_out_what_stays_with_its_units(tmp_path: Path) -> None:
    """Stores of very different levels, each moving by the same factor: the change is known well."""
    rng = np.random.default_rng(3)
    rows = ["arm,store,month,amount"]
    for store in range(40):
        arm = "bot" if store % 2 else "human"
        level = np.exp(rng.normal(3, 1))
        for month in range(1, 9):
            lift = 1.2 if store % 2 and month > 4 else 1.0
            rows.append(f"{arm},s{store},{month},{level * lift * np.exp(rng.normal(0, 0.02)):.6f}")
    file = table(tmp_path, "\n".join(rows) + "\n")
    options = {**DID, "arm": "arm", "control": "human", "treated": ("bot",), "launch": 5}
    cost = models()["cost"]
    plain = read(Reading(file, "p", "outcomes.x", {"amount": "amount"}, **options), cost)
    held = Reading(file, "p", "outcomes.x", {"amount": "amount"}, cluster="store", panel=True, **options)
    unit = read(held, cost)
    assert plain.summary.design.effect >= 1
    assert unit.summary.design.effect < 0.01
    told = next(check for check in unit.checks if check.name == "clusters")
    assert "its own control" in told.message


def test_contrasts_by_design() -> None:
    assert contrasts("randomised", 3, has_control=True).tolist() == [[-1, 1, 0], [-1, 0, 1]]
    assert contrasts("difference-in-differences", 4, has_control=True).tolist() == [[1, -1, -1, 1]]
    assert contrasts("randomised", 1, has_control=True).tolist() == [[1]]
    assert contrasts("randomised", 2, has_control=False).tolist() == [[1, 0], [0, 1]]


def test_a_design_effect_keeps_its_promise() -> None:
    """Variance by linearisation against that over 4,000 simulated pilots, within 10 % (4 standard errors)."""
    rng = np.random.default_rng(4)
    clusters, rows, repeats = 30, 25, 4000
    p = rng.beta(2, 6, (repeats, 2, clusters))
    y = rng.binomial(rows, p)
    logs = np.log(y.sum(axis=2) / (rows * clusters))
    truth = np.var(logs[:, 1] - logs[:, 0])
    effects, naive = [], []
    for one in y[:300].astype(float):
        mean = one.sum(axis=1) / (rows * clusters)
        variance = (mean * (1 - mean))[:, None]
        whole = Ratio(one.sum(axis=1)[:, None], np.full((2, 1), rows * clusters * 1.0), variance)
        parts = np.zeros((2, 2 * clusters))
        parts[0, :clusters], parts[1, clusters:] = one
        den = np.where(np.arange(2 * clusters) < clusters, [[rows], [0]], [[0], [rows]]).astype(float)
        zero = np.zeros(2 * clusters, dtype=np.int64)
        found = design_effect(
            whole,
            Ratio(parts, den, np.ones_like(den)),
            zero,
            np.arange(2 * clusters),
            kind="randomised",
            has_control=True,
            mix=np.ones(1),
        )
        assert found.counts == (clusters, clusters)
        effects.append(found.effect)
        naive.append(((1 - mean) / mean / (rows * clusters)).sum())
    widened = 60 / 56 / (60 / 58)  # of T/(T - 4), the part T/(T - 2) makes the variance unbiased
    assert np.mean(np.multiply(effects, naive)) == pytest.approx(truth * widened, rel=0.1)


def series(logs: np.ndarray[Any, Any], launch: int) -> Series:
    n = 1e6
    mean = 0.2 * np.exp(logs)[:, None, :]
    ones = np.ones_like(mean)
    return Series(tuple(f"p{i}" for i in range(logs.shape[1])), n * mean, n * ones, mean * (1 - mean), launch)


def test_arms_that_drift_apart_before_the_launch_are_told() -> None:
    drifting = np.stack([np.zeros(12), 0.01 * np.arange(12)])
    found = parallel_trends(series(drifting, 8), ("a", "b"), 1.0)
    assert found.status == "warn"
    assert "+1.01%" in found.message
    assert parallel_trends(series(0 * drifting, 8), ("a", "b"), 1.0).status == "ok"
    assert parallel_trends(series(drifting, 2), ("a", "b"), 1.0).status == "warn"


def test_windows_of_placebo_launches() -> None:
    flat = np.zeros((1, 30))
    assert series(flat[:, :18], 12).windows == ((4, 6), (6, 8), (8, 10), (10, 12))
    assert series(flat[:, :13], 12).windows[0] == (3, 4)
    assert len(series(flat, 6).windows) == 3


def test_clusters_of_a_score_below_zero_count_as_well(tmp_path: Path) -> None:
    """Ten answers of each customer, all alike: the design effect is near 10, though NPS is negative."""
    rng = np.random.default_rng(6)
    rows = ["arm,customer,nps"]
    for i in range(120):
        rows += [f"{'human' if i % 2 else 'bot'},{i},{rng.integers(0, 9)}"] * 10
    file = table(tmp_path, "\n".join(rows) + "\n")
    held = Reading(
        file,
        "p",
        "outcomes.x",
        {"rating": "nps"},
        arm="arm",
        control="human",
        treated=("bot",),
        cluster="customer",
        options={"scale": (0, 10), "summary": "nps"},
    )
    found = read(held, models()["rating"]).summary
    assert (models()["rating"].ratio(found.statistics).mean < 0).all()
    assert found.design.effect == pytest.approx(10 * 120 / 116, rel=0.05)
