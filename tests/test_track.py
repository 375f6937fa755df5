"""`sim track`: actual months against the forecast, and the forecast with them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.csv
import pyarrow.parquet
import pytest
from scipy.stats import nbinom

import sim
from sim.engine.fit import fit_all
from sim.engine.study import Study
from sim.engine.track import outside, track
from sim.engine.track_cell import Cell, total
from sim.engine.track_revise import with_money
from sim.engine.track_table import read
from sim.engine.world import Strategy
from sim.errors import Problem
from sim.registry import models
from sim.report import track_plots
from sim.report.track_screen import track_lines
from sim.report.track_words import sentence
from sim.simulation.cashflow import Ledger
from tests.conftest import ROOT, Sim

CONFIG = """
[programme]
name = "støtte 客服"
currency = "NOK"
start = 2026-01-01
horizon = 8
discount_rate = 0.12
[volumes]
sessions = { low = 9_000, high = 11_000 }
abandoned = { of = "sessions", share = 0.7 }
[outcomes.checkout]
model = "conversion"
control = 0.03
effect = { low = 0.05, high = 0.3 }
volume = "sessions"
value = 20
[outcomes.recovery]
model = "conversion"
control = 0.10
treated = { low = 0.11, high = 0.13 }
volume = "abandoned"
value = 2
[rollout]
ramp.months = 3
[costs]
development = { low = 8_000, high = 12_000 }
"lønn".monthly = { low = 300, high = 500 }
licence.monthly = 200
[benefits]
"旧许可".monthly = 100
[sampling]
draws = 300
chains = 2
"""
STREAMS = (
    "costs.development",
    'costs."lønn"',
    "costs.licence",
    'benefits."旧许可"',
    "outcomes.checkout",
    "outcomes.recovery",
)

type Cells = Mapping[str, Mapping[int, float]]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    place = tmp_path_factory.mktemp("track")
    (place / "config.toml").write_text(CONFIG, "utf-8")
    return place


def table(folder: Path, cells: Cells, name: str = "actuals.csv") -> Path:
    """Write actual values, by column and month."""
    months = sorted({month for column in cells.values() for month in column})
    lines = [",".join(("month", *('"' + column.replace('"', '""') + '"' for column in cells)))]
    for month in months:
        values = (column.get(month, "") for column in cells.values())
        lines.append(",".join([str(month), *(repr(v) if v != "" else "" for v in values)]))
    (folder / name).write_text("\n".join(lines) + "\n", "utf-8")
    return folder / name


def tracked(folder: Path, cells: Cells) -> dict[str, Any]:
    """Return what `sim track` finds, without the pages that it draws."""
    known = read(table(folder, cells), "actuals.csv", study(folder).world.prepared, "treated")
    found = track(study(folder), known, "treated")
    return {"sentence": sentence(found), **found}


@cache
def study(folder: Path) -> Study:
    return Study(folder / "config.toml", store=folder / ".fits")


def refused(folder: Path, text: str, config: str = "config.toml", **options: Any) -> tuple[Problem, ...]:
    (folder / "wrong.csv").write_text(text, "utf-8")
    with pytest.raises(sim.ProblemsError) as caught:
        sim.track(folder / config, folder / "wrong.csv", out=folder / "results", **options)
    return caught.value.problems


def medians(folder: Path) -> dict[str, dict[int, float]]:
    """Return the medians of every stream of the forecast, where it has one."""
    ledger = study(folder).world.strategy("treated").ledger
    streams = {**ledger.benefits, **ledger.costs}
    assert set(streams) == set(STREAMS)
    middle = {path: np.median(cash, axis=0) for path, cash in streams.items()}
    return {path: {m: float(v) for m, v in enumerate(cash) if v} for path, cash in middle.items()}


def test_actuals_at_the_medians_leave_nothing_outside(folder: Path) -> None:
    cells = {path: {m: v for m, v in by.items() if m <= 4} for path, by in medians(folder).items()}
    found = tracked(folder, cells)
    assert found["outside"]["outside"] == 0
    assert found["outside"]["values"] == sum(map(len, cells.values()))
    assert not any(row["outside"] for row in found["rows"])
    uncertain = [row for row in found["rows"] if row["kind"] != "sum" and row["p05"] < row["p95"]]
    assert uncertain
    assert all(row["probability"] == pytest.approx(0.5, abs=0.02) for row in uncertain)
    assert all(row["first"] is None for row in found["streams"])
    assert 0.3 < found["so_far"]["probability"] < 0.7
    assert "inside its 90 % range" in found["sentence"]


def test_a_doubled_cost_is_flagged_in_the_month_when_it_happens(folder: Path) -> None:
    paid = {1: 400.0, 2: 390.0, 3: 800.0, 4: 810.0}
    found = tracked(folder, {'costs."lønn"': paid, "costs.licence": {1: 200.0, 2: 400.0}})
    first = {row["stream"]: (row["first"], row["side"], row["outside"]) for row in found["streams"]}
    assert first == {'costs."lønn"': (3, "above", 2), "costs.licence": (2, "above", 1)}
    assert [row["month"] for row in found["rows"] if row["outside"]] == [2, 3, 4]
    assert found["outside"] | {"probability": None} == {
        "values": 6,
        "outside": 3,
        "certain": 2,
        "expected": pytest.approx(0.4),
        "probability": None,
    }
    assert "costs.licence in month 2" in found["sentence"]


def test_everything_known_leaves_a_certain_npv(folder: Path) -> None:
    rng = np.random.default_rng(3)
    cells: dict[str, dict[int, float]] = {"costs.development": {0: 10_123.45}}
    cells |= {path: {m: float(rng.uniform(50, 900)) for m in range(1, 9)} for path in STREAMS[1:]}
    found = tracked(folder, cells)
    factors = 1.12 ** (-np.arange(9) / 12)
    signs = [-1 if path.startswith("costs.") else 1 for path in cells]
    npv = sum(
        sign * amount * factors[month]
        for sign, by_month in zip(signs, cells.values(), strict=True)
        for month, amount in by_month.items()
    )
    block = found["revised"]["metrics"]["npv"]
    assert block["mean"] == pytest.approx(npv, abs=1e-9 * abs(npv))
    assert block["low"] == block["high"] == block["median"]
    assert block["mcse"] == 0
    assert found["revised"]["sunk"]["mean"] == pytest.approx(npv, abs=1e-9 * abs(npv))
    assert found["revised"]["to_come"]["high"] == 0
    assert found["original"]["metrics"]["npv"]["mcse"] > 0
    assert "nothing is still to come" in found["sentence"]
    last = [row for row in found["rows"] if row["stream"] == "cumulative"][-1]
    undiscounted = sum(s * sum(by.values()) for s, by in zip(signs, cells.values(), strict=True))
    assert last["actual"] == pytest.approx(undiscounted)


def test_sunk_and_to_come_add_up_and_the_rest_keeps_the_same_samples(folder: Path) -> None:
    found = tracked(folder, {"costs.licence": {1: 900.0, 2: 900.0}})
    for word in ("original", "revised"):
        block = found[word]
        whole = block["sunk"]["mean"] + block["to_come"]["mean"]
        assert whole == pytest.approx(block["metrics"]["npv"]["mean"], rel=1e-12)
    assert found["revised"]["to_come"] == found["original"]["to_come"]
    paid = 700 * (1.12 ** (-1 / 12) + 1.12 ** (-2 / 12))
    assert found["change"]["npv"] == pytest.approx(-paid, rel=1e-12)
    assert found["change"]["npv_mcse"] == pytest.approx(0, abs=1e-9)
    assert any("month 0" in note for note in found["notes"])


def test_an_actual_volume_counts_in_its_month_alone(folder: Path) -> None:
    from sim.engine.prepare import prepare
    from sim.engine.track_revise import Tracked
    from sim.engine.world import World

    prepared = prepare(folder / "config.toml")
    plain = World(prepared, {}, prepared.drawn).strategy("treated")
    known = Tracked(prepared, {}, {"sessions": {5: 5_000.0}}).strategy("treated")
    for path in ("outcomes.checkout", "outcomes.recovery"):  # abandoned carts follow the sessions
        before, after = plain.ledger.benefits[path], known.ledger.benefits[path]
        # The factors come in another order there: the last digit may differ.
        others = [np.delete(months, 5, axis=1) for months in (before, after)]
        np.testing.assert_allclose(*others, rtol=1e-14)
        sessions = prepared.drawn.columns["volumes.sessions"]
        np.testing.assert_allclose(after[:, 5], before[:, 5] * 5_000 / sessions, rtol=1e-12)
    own = Tracked(prepared, {}, {"abandoned": {5: 700.0}}).strategy("treated")
    checkout = [ledger.benefits["outcomes.checkout"] for ledger in (own.ledger, plain.ledger)]
    np.testing.assert_allclose(*checkout, rtol=1e-14)
    carts = 0.7 * prepared.drawn.columns["volumes.sessions"]
    expected = plain.ledger.benefits["outcomes.recovery"][:, 5] * 700 / carts
    np.testing.assert_allclose(own.ledger.benefits["outcomes.recovery"][:, 5], expected, rtol=1e-12)
    found = tracked(folder, {"volumes.sessions": {1: 9_950.0, 2: 14_000.0}})
    assert [(row["kind"], row["outside"]) for row in found["rows"]] == [("volume", False), ("volume", True)]


def simple() -> Strategy:
    """One benefit of 10, 20, 30 and two costs, in two states of the world."""
    benefit = np.array([[0.0, 10, 20, 30], [0, 12, 22, 32]])
    one, two = np.array([[5.0, 1, 1, 1], [6, 1, 1, 1]]), np.array([[0.0, 2, 3, 4], [0, 3, 4, 5]])
    ledger = Ledger({"outcomes.a": benefit}, {"costs.one": one, "costs.two": two})
    return Strategy("treated", {}, ledger, benefit, one + two, np.ones((1, 4)))


@pytest.mark.parametrize(
    ("money", "benefit", "cost"),
    [
        ({"costs.one": {1: 7.0}}, [0, 10, 20, 30], [5, 9, 4, 5]),
        ({"cost": {1: 7.0}}, [0, 10, 20, 30], [5, 7, 4, 5]),
        ({"cost": {1: 7.0}, "costs.one": {1: 6.9}}, [0, 10, 20, 30], [5, 7, 4, 5]),
        ({"net": {2: 1.0}}, [0, 10, 5, 30], [5, 3, 4, 5]),  # nothing else: the cost is the forecast's
        ({"net": {2: 1.0}, "outcomes.a": {2: 9.0}}, [0, 10, 9, 30], [5, 3, 8, 5]),
        ({"net": {2: 1.0}, "cost": {2: 9.0}}, [0, 10, 10, 30], [5, 3, 9, 5]),
        ({"net": {0: -8.0}}, [0, 10, 20, 30], [8, 3, 4, 5]),  # no benefit can be there in month 0
    ],
)
def test_what_stands_in_place_of_the_forecast(
    money: Mapping[str, Mapping[int, float]], benefit: Sequence[float], cost: Sequence[float]
) -> None:
    before = simple()
    after = with_money(before, money)
    assert after.benefit[0].tolist() == benefit
    assert after.cost[0].tolist() == cost
    assert before.cost[0].tolist() == [5, 3, 4, 5], "the forecast's own arrays stay as they are"


def test_how_many_leave_their_bands_is_judged_jointly() -> None:
    shared = np.random.default_rng(1).standard_normal(4_000)
    months = [Cell("costs.x", "money", m, 5.0, shared + m) for m in range(1, 11)]
    found = outside([*months, Cell("costs.y", "money", 1, 3.0, np.full(1, 3.0))])
    # One unknown moves all ten months: all of them leave in a tenth of the states, not in one of 10¹⁰.
    assert found == {
        "values": 11,
        "outside": 7,
        "certain": 1,
        "expected": pytest.approx(1.0),
        "probability": pytest.approx(0.1, abs=0.001),
    }
    verdict = total(months)
    assert verdict.actual == 50
    assert verdict.probability == pytest.approx(float((10 * shared + 55 <= 50).mean()), abs=0.01)


def test_rounded_books_do_not_leave_a_certain_forecast() -> None:
    certain = np.full(1, 4_009.8765)
    assert not Cell("costs.x", "money", 1, 4_010.0, certain).outside
    assert Cell("costs.x", "money", 1, 4_020.0, certain).outside


def test_every_problem_is_told_at_once_with_its_line(folder: Path) -> None:
    told = refused(
        folder,
        "month,costs.licence,volumes.sessions,outcomes.checkot\n"
        "1,200,9000,\n2,two hundred,-4,2\nspring,1,1,\n,3,4,\n9,1,1,\n1,5,,\n",
    )
    assert {(p.line, p.key) for p in told} == {
        (1, "outcomes.checkot"),
        (3, "costs.licence"),
        (3, "volumes.sessions"),
        (4, "month"),
        (5, "month"),
        (6, "month"),
        (7, "costs.licence"),
    }
    unknown = next(p for p in told if p.line == 1)
    assert "outcomes.checkout" in unknown.remedy
    later = refused(
        folder,
        "month,costs.licence,volumes.sessions,costs.lønn,costs.development,cost\n"
        "1,200,9000,,,\n1,210,,,,\n9,200,,,,\n0,,9000,,,\n3,1,,2,3,60\n",
    )
    assert [(p.line, p.key) for p in later] == [
        (4, "month"),
        (5, "volumes.sessions"),
        (3, "costs.licence"),
        (6, "cost"),
    ]
    assert "months 0 to 8" in later[0].allowed
    assert "line 2" in later[2].found
    assert "add up to 6" in later[3].found


@pytest.mark.parametrize("text", ["month,costs.licence\n", "month,costs.licence\n1,\n2,\n", "month\n1\n"])
def test_a_table_without_actuals_is_refused(folder: Path, text: str) -> None:
    problems = refused(folder, text)
    assert len(problems) == 1
    assert "no rows" in problems[0].found or "no actual value" in problems[0].found


def test_data_need_a_fit_and_a_random_pilot(folder: Path) -> None:
    columns = "month,outcomes.checkout.trials,outcomes.checkout.successes\n"
    (problem,) = refused(folder, columns + "1,100,4\n")
    assert "nothing of the treated level of checkout was fitted" in problem.found
    config = ROOT / "configs" / "before-after" / "config.toml"
    actuals = folder / "before.csv"
    plan = config.read_text("utf-8")
    name = plan.split("[outcomes.")[1].split("]")[0]
    role = {"count": "events,exposure", "conversion": "trials,successes", "cost": "n,mean,sd"}
    kind = plan.split("model = ")[1].split('"')[1]
    headers = [f"outcomes.{name}.{part}" for part in role[kind].split(",")]
    actuals.write_text(f"month,{','.join(headers)}\n1{',50' * len(headers)}\n", "utf-8")
    with pytest.raises(sim.ProblemsError) as caught:
        sim.track(config, actuals, out=folder / "results")
    assert "before-after" in str(caught.value)


def test_dates_formats_and_marks_mean_the_same(folder: Path) -> None:
    from openpyxl import Workbook

    (folder / "a.csv").write_text("month,costs.lønn\n1,\n2,350.5\n3,360\n", "utf-8")
    (folder / "b.csv").write_text('﻿month;"costs.""lønn"""\n2026-02;350,5\n2026-03;360,0\n', "utf-8")
    (folder / "c.csv").write_text("costs.lønn,month\n350.5,2026-02-28\n360,2026-03-31\n", "utf-8")
    book = Workbook()
    book.active.append(["month", 'costs."lønn"'])
    book.active.append([2, 350.5])
    book.active.append([3, 360])
    book.save(folder / "d.xlsx")
    pyarrow.parquet.write_table(
        pa.table({"month": [2, 3], "costs.lønn": [350.5, 360.0]}), folder / "e.parquet"
    )
    for name in ("c.csv", "d.xlsx", "e.parquet"):
        known = read(folder / name, name, study(folder).world.prepared, "treated")
        assert known.money == {'costs."lønn"': {2: 350.5, 3: 360.0}}
    answers = [
        sim.track(folder / "config.toml", folder / name, out=folder / "results")
        for name in ("a.csv", "b.csv")
    ]
    assert answers[0].path != answers[1].path, "other bytes are another answer"
    first = answers[0].result
    assert [row["month"] for row in first["rows"]] == [2, 3]
    assert [row["date"] for row in first["rows"]] == ["2026-02-01", "2026-03-01"]
    assert answers[1].result == first
    files = {file.name for file in answers[0].path.iterdir()}
    assert files == {"answer.json", "manifest.json", "track.csv", "track.parquet", "track.png"}
    rows = pyarrow.parquet.read_table(answers[0].path / "track.parquet").to_pylist()
    assert rows == first["rows"]
    told = pyarrow.csv.read_csv(answers[0].path / "track.csv").to_pylist()
    assert [row["stream"] for row in told] == ['costs."lønn"'] * 2
    again = sim.track(folder / "config.toml", folder / "a.csv", out=folder / "results")
    assert again.path == answers[0].path


def test_dates_need_a_start(folder: Path) -> None:
    (folder / "numbered.toml").write_text(CONFIG.replace("start = 2026-01-01\n", ""), "utf-8")
    (problem,) = refused(folder, "month,costs.licence\n2026-02,200\n", config="numbered.toml")
    assert "programme.start" in problem.remedy


def test_on_the_command_line(folder: Path, sim: Sim) -> None:
    actuals = table(folder, {"costs.licence": {1: 200.0, 2: 400.0}, "net": {1: -300.0}}, "cli.csv")
    ran = sim("track", folder / "config.toml", actuals, "--json", "--out", folder / "results")
    assert ran.code == 0, ran.err
    answer = ran.json
    assert answer["command"] == "track"
    assert answer["sentence"] == answer["result"]["sentence"]
    assert "Month 2 of 8" in answer["sentence"]
    empty = folder / "none.csv"
    empty.write_text("month,costs.licence\n", "utf-8")
    header, rows, captions = track_lines(answer["result"])
    assert rows[0][0] == "costs.licence"
    assert len(rows[0]) == len(header)
    assert any("NPV still to come" in line for line in captions)
    wrong = sim("track", folder / "config.toml", empty, "--json", "--out", folder / "results")
    assert wrong.code == 2
    assert wrong.json["problems"][0]["file"].endswith("none.csv")


FITTED = """
[programme]
name = "fitted"
currency = "EUR"
horizon = 12
[pilot]
data = "pilot.csv"
arm = { column = "arm", control = "a", treated = "b" }
segment = "land"
[outcomes.checkout]
model = "conversion"
columns = { trials = "trials", successes = "successes" }
volume = 4000
value = 30
[costs]
development = 20_000
licence.monthly = 500
[sampling]
draws = 600
tune = 600
"""


def test_indicators_without_money_are_compared(tmp_path: Path) -> None:
    (tmp_path / "config.toml").write_text(
        CONFIG.split("[outcomes.recovery]", maxsplit=1)[0].replace("value = 20\n", ""), "utf-8"
    )
    found = tracked(tmp_path, {"volumes.sessions": {1: 14_000.0}})
    assert found["revised"] is None
    assert found["course"] == []
    assert found["sentence"] == (
        "Month 1 of 8: 1 of 1 values left their 90 % band (about 0.1 do by chance), "
        "first volumes.sessions in month 1."
    )
    track_plots.draw(tmp_path, found)
    assert (tmp_path / "track.png").stat().st_size > 10_000


DATA = "month,segment,outcomes.checkout.trials,outcomes.checkout.successes"


@pytest.fixture(scope="module")
def pilot(tmp_path_factory: pytest.TempPathFactory) -> Path:
    place = tmp_path_factory.mktemp("fitted")
    (place / "config.toml").write_text(FITTED, "utf-8")
    rows = "a,Ærø,1000,50\nb,Ærø,1000,65\na,客服,1000,40\nb,客服,1000,60\n"
    (place / "pilot.csv").write_text("arm,land,trials,successes\n" + rows, "utf-8")
    return place


def studied(pilot: Path, text: str, *sets: str) -> tuple[Study, dict[str, Any]]:
    """Return a study and what `sim track` finds with it; drawing its pages would take longer than this."""
    (pilot / "actuals.csv").write_text(text, "utf-8")
    made = Study(pilot / "config.toml", sets, store=pilot / ".fits")
    known = read(pilot / "actuals.csv", "actuals.csv", made.world.prepared, "b")
    return made, track(made, known, "b")


def test_data_of_treated_customers_join_the_fit(pilot: Path) -> None:
    made, untouched = studied(pilot, "month,costs.licence\n1,500\n")
    key = fit_all(made.world.prepared, made.store)["checkout"].key
    assert untouched["fits"] == {"checkout": {"key": key, "months": []}}
    assert untouched["change"] == {"npv": 0.0, "npv_mcse": 0.0}
    rows = "1,Ærø,60000,2700,500\n1,客服,60000,2400,\n2,Ærø,60000,2600,500\n2,客服,60000,2500,\n"
    _, found = studied(pilot, DATA + ",costs.licence\n" + rows)
    assert found["trusted"]
    assert found["fits"]["checkout"]["months"] == [1, 2]
    assert found["fits"]["checkout"]["key"] != key
    levels = found["outcomes"]["checkout"]
    assert levels["revised"]["treated"]["mean"] == pytest.approx(10_200 / 240_000, rel=0.01)
    assert levels["original"]["treated"]["mean"] > 0.055
    # Nobody is in a control group any more: what it was stays what the pilot said.
    before, after = (levels[word]["control"]["mean"] for word in ("original", "revised"))
    assert after == pytest.approx(before, rel=0.05)
    assert found["revised"]["metrics"]["npv"]["mean"] < found["original"]["metrics"]["npv"]["mean"]
    data = [row for row in found["rows"] if row["kind"] == "data"]
    assert [row["actual"] for row in data] == pytest.approx([0.045, 0.04, 2600 / 60000, 2500 / 60000])
    assert all(row["outside"] for row in data)
    assert [row["stream"].split(".")[-2] for row in data] == ['"Ærø"', '"客服"'] * 2
    # The band holds the level's own spread and, at so many trials, next to nothing else.
    low, high = np.quantile(made.world.fits["checkout"]["level"][:, 1, 1], [0.05, 0.95])
    assert (data[1]["p05"], data[1]["p95"]) == pytest.approx((low, high), rel=0.02)


def test_data_under_a_partial_transfer_are_compared_only(pilot: Path) -> None:
    _, whole = studied(pilot, DATA + "\n1,Ærø,40,2\n")
    _, part = studied(pilot, DATA + "\n1,Ærø,40,2\n", "rollout.transfer=0.5")
    assert whole["fits"]["checkout"]["months"] == [1]
    assert part["fits"]["checkout"]["months"] == []
    assert any("compared only" in note for note in part["notes"])
    # Half of the effect is expected to arrive; of 40 trials, the chance of the sample decides the band.
    assert part["rows"][0]["p50"] < whole["rows"][0]["p50"]
    assert part["rows"][0]["p95"] - part["rows"][0]["p05"] > 0.08


def test_of_several_arms_the_launched_one_must_be_told(pilot: Path) -> None:
    text = FITTED.replace('treated = "b"', 'treated = ["b", "c"]')
    text = text.replace("[sampling]", 'campaign = { months = [9], arm = "c" }\n[sampling]')
    (pilot / "arms.toml").write_text(text.replace("pilot.csv", "arms.csv"), "utf-8")
    rows = (pilot / "pilot.csv").read_text("utf-8") + "c,Ærø,1000,55\nc,客服,1000,50\n"
    (pilot / "arms.csv").write_text(rows, "utf-8")
    (problem,) = refused(pilot, "month,costs.licence\n1,500\n", "arms.toml")
    assert problem.key == "--strategy"
    assert problem.allowed == "b, c"
    (problem,) = refused(pilot, "month,costs.campaign\n1,9\n", "arms.toml", strategy="b")
    assert "costs.campaign" in problem.found
    (problem,) = refused(pilot, "month,costs.campaign\n1,9\n", "arms.toml", strategy="d")
    assert '"d" is no treated arm' in problem.found


@pytest.mark.parametrize(
    ("text", "key", "word"),
    [
        ("1,Ærø,100,200\n", "outcomes.checkout.successes", "more successes than trials"),
        ("1,Ærø,100,\n", "outcomes.checkout.trials", "without"),
        ("1,Mars,100,4\n", "segment", "Mars"),
        ("1,,100,4\n", "segment", "no segment"),
        ("1,Ærø,100,4\n1,Ærø,100,5\n", "outcomes.checkout.trials", "already"),
        ("1,Ærø,100.5,4\n", "outcomes.checkout.trials", "whole number"),
    ],
)
def test_impossible_data_are_refused(pilot: Path, text: str, key: str, word: str) -> None:
    (problem,) = refused(pilot, f"{DATA}\n{text}")
    assert word in problem.found
    assert problem.key is not None
    assert key in problem.key
    assert problem.line in (2, 3)


# Four rows of totals of each model, as its group-by hands them on; counts tell events and exposure apart.
GROUPS: dict[str, tuple[str, list[list[float]]]] = {
    "conversion": ("trials successes", [[100, 7], [50, 4], [80, 3], [60, 6]]),
    "cost": (
        "n mean sd log_mean log_sd",
        [[40, 9, 4, 2.1, 0.4], [30, 8, 3, 2, 0.3], [9, 7, 5, 1.7, 0.6], [2, 5, 1, 1.6, 0.2]],
    ),
    "revenue": (
        "trials payers log_total log_squared_total total squared_total",
        [
            [90, 9, 20, 50, 110, 1500],
            [80, 8, 19, 49, 100, 1400],
            [70, 5, 10, 22, 40, 360],
            [60, 6, 13, 30, 60, 700],
        ],
    ),
    "count": ("kind rows total events", [[0, 1, 4, 4], [1, 1, 1, 4], [0, 1, 300, 300], [1, 1, 3, 300]]),
    "rating": ("rating answers", [[1, 5], [3, 9], [5, 20], [4, 11]]),
    "churn": ("period at_risk churned", [[1, 90, 9], [2, 81, 5], [1, 50, 4], [5, 20, 1]]),
}


@pytest.mark.parametrize("name", sorted(GROUPS))
def test_joined_statistics_are_those_of_one_table(name: str) -> None:
    header, rows = GROUPS[name]
    model = models()[name]
    form = next(columns for columns in model.column_sets if not columns.rows)

    def statistics(part: Sequence[Sequence[float]]) -> dict[str, Any]:
        groups = dict(zip(header.split(), np.array(part, dtype=float).T, strict=True))
        at = {axis: np.zeros(len(part), dtype=int) for axis in ("arm", "segment")}
        return form.condense(groups | at, (1, 1), {"scale": (1, 5)})

    one, two, whole = (statistics(part) for part in (rows[:2], rows[2:], rows))
    joined = model.joined(one, two)
    assert set(joined) == set(whole)
    # An anchor that stays; what depends on the next row; a histogram on other points of its grid.
    for key in joined.keys() - {"reference", "alive", "histogram", "value"}:
        np.testing.assert_allclose(joined[key], whole[key], rtol=1e-9, atol=1e-9, err_msg=key)
    np.testing.assert_allclose(model.ratio(joined).mean, model.ratio(whole).mean, rtol=1e-9)
    if name == "count":
        assert (joined["histogram"] @ joined["value"]).sum() == pytest.approx(304)


@pytest.mark.parametrize("kappa", [0.05, 1.0, 6.0])
def test_totals_beside_units_say_what_they_can_of_the_rate_and_nothing_of_the_dispersion(
    kappa: float,
) -> None:
    from sim.models import _counts  # type: ignore[import-not-found]

    totals = {"units": np.array([[[1.0]]]), "events": np.array([[[500.0]]]), "exposure": np.array([250.0])}
    found = _counts.thinned(totals, np.array([[4.0]]), 1.0)
    n, events = found["units"].sum(), found["events"].sum()
    assert (n * found["exposure"][0], events) == pytest.approx((62.5, 125.0))

    def log_likelihood(rate: float, k: float) -> float:
        mu, size = rate * found["exposure"][0], 1 / k
        one, none = (nbinom.logpmf(v, size, size / (size + mu)) for v in (1, 0))
        return float(events * one + (n - events) * none)

    poisson = (125 * np.log(2.2 / 2.0)) - 62.5 * 0.2
    assert log_likelihood(2.2, kappa) - log_likelihood(2.0, kappa) == pytest.approx(poisson, abs=0.02)
    assert log_likelihood(2.0, kappa) - log_likelihood(2.0, 0.01) == pytest.approx(0, abs=0.8)
