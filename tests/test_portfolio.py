"""`sim portfolio` where nothing is fitted, so that every figure is known; and what moves together."""

from __future__ import annotations

import os
import signal
import threading
import time
from pathlib import Path
from typing import Any

import numpy as np
import psutil
import pyarrow.parquet as pq
import pytest

import sim as library
from sim.commands import portfolio as command
from sim.commands.portfolio import portfolio
from sim.commands.portfolio_tasks import Simulated, simulate
from sim.config.several import configs_in
from sim.engine.joint import joint
from sim.engine.prepare import Prepared, prepare
from sim.errors import Problems, ProblemsError
from sim.records.fit import Fit
from tests.conftest import ROOT, Sim

CERTAIN = """\
[programme]
currency = "EUR"
horizon = 2
discount_rate = 0
[benefits]
gain.monthly = {gain}
[costs]
build.once = {build}
[sampling]
draws = 100
chains = 2
"""
UNCERTAIN = """\
[programme]
currency = "EUR"
horizon = 1
discount_rate = 0
[volumes]
market.monthly = {market}
[outcomes.sale]
model = "conversion"
control = 0
treated = 1
volume = "market"
value = 1
[costs]
build.once = {build}
[sampling]
draws = 1000
{more}
"""
RANGE = "{ low = 90, high = 110 }"


def certain(folder: Path, name: str, gain: float, build: float, more: str = "") -> Path:
    path = folder / f"{name}.toml"
    path.write_text(CERTAIN.format(gain=gain, build=build) + more, "utf-8")
    return path


def uncertain(folder: Path, name: str, market: str, build: str = RANGE, more: str = "") -> Path:
    path = folder / f"{name}.toml"
    path.write_text(UNCERTAIN.format(market=market, build=build, more=more), "utf-8")
    return path


def rows_of(found: Any) -> dict[tuple[str, float], dict[str, Any]]:
    return {(row["programme"], row["size"]): row for row in found.result["programmes"]}


def correlation(found: Any, a: str, b: str) -> float:
    table = pq.read_table(found.path / "samples.parquet")
    return float(np.corrcoef(table[a].to_numpy(), table[b].to_numpy())[0, 1])


def test_files_folders_and_patterns_each_once_in_order(tmp_path: Path) -> None:
    for name in ("b", "a"):
        (tmp_path / name).mkdir()
        certain(tmp_path / name, "config", 1, 1)
        (tmp_path / name / "other.toml").write_text("x = 1")
    (tmp_path / "loose").mkdir()
    first, last = (certain(tmp_path / "loose", name, 1, 1) for name in ("k", "z"))
    (tmp_path / "loose" / "ruff.toml").write_text("line-length = 110")
    (tmp_path / "loose" / "mended.toml").write_text("[programme")
    problems = Problems()
    found = configs_in([last, tmp_path / "*", tmp_path / "b", tmp_path / "none", tmp_path / "x*"], problems)
    assert found == [
        last,
        tmp_path / "a" / "config.toml",
        tmp_path / "b" / "config.toml",
        first,
        tmp_path / "loose" / "mended.toml",
    ]
    assert [problem.file for problem in problems.found] == [str(tmp_path / "none"), str(tmp_path / "x*")]
    assert configs_in([tmp_path], Problems()) == [tmp_path / n / "config.toml" for n in ("a", "b")]


def test_the_best_set_and_size_under_a_budget(tmp_path: Path) -> None:
    # NPV 40, 60 and 35 for 60, 100 and 50; at size 2 the third is worth 2 ** 0.5 · 85 − 100 less.
    certain(tmp_path, "one", 50, 60)
    certain(tmp_path, "two", 80, 100)
    certain(tmp_path, "three", 42.5, 50, "[decision]\nscale = [2, 1]\nreturns = 0.5\n")
    certain(tmp_path, "poor", 10, 50)
    found = portfolio([tmp_path], budget=150, out=tmp_path / "r", processes=1)
    result = found.result
    assert result["chosen"] == [
        {"programme": "three", "arm": "treated", "size": 1.0},
        {"programme": "two", "arm": "treated", "size": 1.0},
    ]
    assert (result["portfolio"]["npv_mean"], result["portfolio"]["need_mean"]) == (95, 150)
    assert (result["optimal"], result["gap"], result["trusted"]) == (True, 0, True)
    table = rows_of(found)
    assert set(table) == {("one", 1), ("two", 1), ("three", 1), ("three", 2), ("poor", 1)}
    twice = table["three", 2]
    assert twice["npv_mean"] == pytest.approx(2**0.5 * 85 - 100, abs=1e-9)
    assert twice["peak_funding"] == 100
    assert table["two", 1]["roi"] == pytest.approx(0.6)
    assert (table["two", 1]["payback_median"], table["two", 1]["p_loss"]) == (1.25, 0)
    assert table["poor", 1]["cvar_95"] == 30
    # 10 more buy the first one in place of the third; in parts the next euro goes into the second.
    step = result["shadow_price"]["next"]
    assert (step["budget_more"], step["gain"], step["take"], step["drop"]) == (10, 5, ["one"], ["three × 1"])
    assert result["shadow_price"]["lp"] == pytest.approx(0.6)
    assert result["sentence"].startswith(
        "Take 2 of 4 programmes (three × 1, two): together 95 EUR of NPV on average, a loss with a "
    )
    assert (found.path / "portfolio.png").stat().st_size > 10_000
    assert pq.read_table(found.path / "programmes.parquet").to_pylist() == result["programmes"]
    again = portfolio([tmp_path], budget=210, out=tmp_path / "r", processes=1).result
    assert {row["programme"] for row in again["chosen"]} == {"one", "two", "three"}
    nothing = portfolio([tmp_path], budget=10, out=tmp_path / "r", processes=1)
    assert nothing.sentence.startswith("Take none of 4 programmes")


def test_what_a_programme_takes_of_the_budget(tmp_path: Path) -> None:
    """A channel pays for itself from the first month: it needs no funding, and costs all the same."""
    more = "[costs.spend]\nmonthly = 30\n"
    certain(tmp_path, "channel", 50, 0, more)
    funding = portfolio([tmp_path], budget=1, out=tmp_path / "r", processes=1).result
    assert (funding["portfolio"]["need_mean"], len(funding["chosen"])) == (0, 1)
    cost = portfolio([tmp_path], budget=1, need="cost", out=tmp_path / "r", processes=1).result
    assert cost["chosen"] == []
    assert cost["shadow_price"]["next"]["budget_more"] == 59


def test_what_is_stated_alike_moves_together_and_nothing_else(tmp_path: Path) -> None:
    uncertain(tmp_path, "a", RANGE, "{ low = 10, high = 20 }")
    uncertain(tmp_path, "b", RANGE, "{ low = 10, high = 20.001 }")  # the same market, another cost
    uncertain(tmp_path, "c", "{ low = 90, high = 110.001 }", "{ low = 10, high = 20.002 }")  # the same name
    found = portfolio([tmp_path], out=tmp_path / "r", processes=1)
    assert found.result["shared"] == [{"input": "volumes.market.monthly", "programmes": ["a", "b"]}]
    apart = 4 / np.sqrt(4000)  # four standard errors of no correlation
    market, cost = 6.1**2, 3.07**2  # variances of the ranges
    assert correlation(found, "a", "b") == pytest.approx(market / (market + cost), abs=0.06)
    assert abs(correlation(found, "a", "c")) < apart
    assert abs(correlation(found, "b", "c")) < apart


def test_each_programme_keeps_its_own_distribution(tmp_path: Path) -> None:
    path = uncertain(tmp_path, "a", RANGE, "50")
    found = portfolio([path], out=tmp_path / "r", processes=1)
    own = library.forecast(path, out=tmp_path / "r", plots=False)
    mine = np.sort(pq.read_table(found.path / "samples.parquet")["a"].to_numpy())
    assert (mine == np.sort(own.samples["metrics.npv"].to_numpy())).all()
    assert found.result["programmes"][0]["run"] == str(own.run)


def test_rows_of_a_table_stay_together_between_programmes(tmp_path: Path) -> None:
    rng = np.random.default_rng(3)
    both = rng.normal(100, 10, (300, 2))
    (tmp_path / "f.csv").write_text("x,y\n" + "\n".join(f"{x},{y}" for x, y in both))
    x, y = (f'{{ samples = "f.csv", column = "{name}" }}' for name in "xy")
    uncertain(tmp_path, "a", x, "1")
    uncertain(tmp_path, "b", y, "1")
    found = portfolio([tmp_path], out=tmp_path / "r", processes=1)
    expected = float(np.corrcoef(both.T)[0, 1])
    assert correlation(found, "a", "b") == pytest.approx(expected, abs=0.02)
    both_at_once = 'correlations = [{ of = ["volumes.market.monthly", "costs.build.once"], rho = 0.8 }]\n'
    (tmp_path / "two").mkdir()
    for name in ("c", "d"):
        path = uncertain(tmp_path / "two", name, RANGE)
        path.write_text(both_at_once + path.read_text())
    again = portfolio([tmp_path / "two"], out=tmp_path / "r", processes=1)
    assert correlation(again, "c", "d") == pytest.approx(1, abs=1e-12)  # one source, with its correlation
    assert rows_of(again)["c", 1]["npv_sd"] < 0.6 * np.sqrt(2) * 6.1


PILOT = """\
[programme]
currency = "EUR"
horizon = 2
[outcomes.sale]
model = "conversion"
control = { trials = 900, successes = 90 }
treated = { trials = 900, successes = %d }
volume = 10
value = 1
[costs]
all = 1
"""


def fitted(folder: Path, successes: int, key: str) -> Prepared | Any:
    """A world whose posterior is numbered, so that one sees where its rows went."""
    path = folder / f"{key}.toml"
    path.write_text(PILOT % successes)
    prepared = prepare(path)
    n = prepared.plan.samples
    level = np.stack([np.arange(n) / n, 1 - np.arange(n) / n], axis=1)[:, :, None]
    fit = Fit({"level": level}, (), {}, Path("none.nc"), key, reused=True)
    return joint(prepared, {"sale": fit}).world.fits["sale"]["level"][:, 0, 0] * n


def test_a_fit_of_the_same_data_keeps_its_rows_and_another_does_not(tmp_path: Path) -> None:
    one, same, other = fitted(tmp_path, 120, "k"), fitted(tmp_path, 120, "k"), fitted(tmp_path, 121, "l")
    assert (one == same).all()
    assert abs(np.corrcoef(one, other)[0, 1]) < 4 / np.sqrt(len(one))
    assert (np.sort(other) == np.sort(one)).all()
    # Chains keep their neighbours, as Monte Carlo errors are told by batches.
    assert (np.diff(one) == 1).mean() > 0.95


def test_one_bad_config_does_not_sink_the_rest(sim: Sim, tmp_path: Path) -> None:
    certain(tmp_path, "one", 50, 60)
    certain(tmp_path, "=two", 80, 100)
    certain(tmp_path, "wrong", 80, -1)
    (tmp_path / "yen.toml").write_text(CERTAIN.format(gain=1, build=1).replace("EUR", "JPY"))
    ran = sim("portfolio", ".", "none.toml", "--budget", 200, "--json", "--processes", 1)
    assert ran.code == 2
    assert ran.json["sentence"].startswith("Take 2 of 2 programmes")
    told = {problem["file"]: problem for problem in ran.json["problems"]}
    assert set(told) == {"none.toml", "wrong.toml", "yen.toml"}
    assert told["wrong.toml"]["key"] == "costs.build.once"
    assert told["yen.toml"]["allowed"].startswith("EUR, as in")
    assert ran.json["result"]["problems"] == ran.json["problems"]
    table = (tmp_path / ran.json["run"] / "programmes.csv").read_text("utf-8")
    assert '"\'=two"' in table  # no spreadsheet takes it for a formula
    shown = sim("portfolio", "one.toml", "=two.toml", "--processes", 1)
    assert shown.code == 0
    assert "90 % interval" in shown.out
    refused = sim("portfolio", "wrong.toml", "--json")
    assert (refused.code, refused.json["result"], len(refused.json["problems"])) == (2, None, 1)


def test_what_is_asked_is_checked_before_anything_runs(tmp_path: Path) -> None:
    with pytest.raises(ProblemsError) as error:
        portfolio(
            [tmp_path],
            budget=-1,
            need="money",  # type: ignore[arg-type]
            max_loss_probability=20,
            max_cvar=float("nan"),
            out=tmp_path / "r",
        )
    assert [problem.key for problem in error.value.problems] == [
        "--need",
        "--budget",
        "--max-loss-probability",
        "--max-cvar",
    ]
    twice = certain(tmp_path, "one", 50, 60, "[decision]\nscale = [1, 1]\n")
    alone = certain(tmp_path, "two", 50, 60, "[decision]\nreturns = 0.5\n")
    with pytest.raises(ProblemsError) as error:
        portfolio([twice, alone], out=tmp_path / "r")
    assert {problem.key for problem in error.value.problems} == {"decision.scale", "decision.returns"}
    assert not (tmp_path / "r").exists()


def test_what_cannot_be_trusted_is_left_out(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def doubted(task: Any) -> Simulated:
        found = simulate(task)
        if task.config.stem == "two":
            return Simulated(found.run, False, ("r-hat:sale",), (), {}, None)
        return found

    monkeypatch.setattr(command, "simulate", doubted)
    certain(tmp_path, "one", 50, 60)
    certain(tmp_path, "two", 80, 100)
    found = portfolio([tmp_path], out=tmp_path / "r", processes=1)
    assert not found.result["trusted"]
    assert found.sentence.startswith("Take 1 of 1 programme (one)")
    assert found.result["left_out"][0]["failed"] == ["r-hat:sale"]
    assert rows_of(found)["two", None]["npv_mean"] is None  # type: ignore[index]
    only = portfolio([tmp_path / "two.toml"], out=tmp_path / "r", processes=1)
    assert only.sentence == "No portfolio: none of the forecasts can be trusted."


def test_a_killed_process_changes_nothing_and_what_was_done_is_taken(tmp_path: Path) -> None:
    for number in range(6):
        uncertain(tmp_path, f"p{number}", RANGE, f"{{ low = {50 + number}, high = 100 }}")
    alone = portfolio([tmp_path], budget=300, out=tmp_path / "one", processes=1)
    out = tmp_path / "two"

    def kill() -> None:
        deadline = time.monotonic() + 60
        while time.monotonic() < deadline:
            workers = [
                each for each in psutil.Process().children() if "LokyProcess" in " ".join(each.cmdline())
            ]
            if workers and any(out.glob("p[0-9]/*/summary.json")):
                os.kill(workers[0].pid, signal.SIGKILL)
                killed.set()
                return
            time.sleep(0.005)

    killed = threading.Event()
    killer = threading.Thread(target=kill)
    killer.start()
    found = portfolio([tmp_path], budget=300, out=out, processes=2)
    killer.join()
    assert killed.is_set()
    mine, theirs = (pq.read_table(each.path / "samples.parquet") for each in (found, alone))
    assert mine.equals(theirs)
    assert found.path.name == alone.path.name
    manifests = {path: path.stat().st_mtime_ns for path in out.glob("p[0-9]/*/manifest.json")}
    assert len(manifests) == 6
    portfolio([tmp_path], budget=100, out=out, processes=1)
    assert {path: path.stat().st_mtime_ns for path in manifests} == manifests


@pytest.mark.filterwarnings("default")  # of the cluster's own threads and sockets
def test_a_cluster_gives_the_same_to_the_last_digit(tmp_path: Path) -> None:
    for number in range(3):
        uncertain(tmp_path, f"p{number}", RANGE, f"{{ low = {50 + number}, high = 100 }}")
    alone = portfolio([tmp_path], budget=300, out=tmp_path / "one", processes=1)
    found = portfolio([tmp_path], budget=300, out=tmp_path / "two", processes=2, dask=True)
    mine, theirs = (pq.read_table(each.path / "samples.parquet") for each in (found, alone))
    assert mine.equals(theirs)


@pytest.mark.slow  # three fits; no figure is near the edge of what is asserted
def test_a_marketing_budget_is_split_between_channels(tmp_path: Path) -> None:
    folder = ROOT / "configs" / "portfolio"
    small, large = (
        portfolio([folder], budget=budget, need="cost", out=tmp_path, processes=2).result
        for budget in (150_000.0, 400_000.0)
    )
    assert small["trusted"]
    for result in (small, large):
        assert result["portfolio"]["need_mean"] <= result["budget"]
        assert len(result["chosen"]) >= 2
    assert large["portfolio"]["npv_mean"] > small["portfolio"]["npv_mean"]
    assert {row["input"] for row in small["shared"]} == {"outcomes.order.value.margin"}


@pytest.mark.slow  # three fits, twice
@pytest.mark.filterwarnings("default")  # of the cluster's own threads and sockets
def test_fits_on_a_cluster_are_those_of_one_process(tmp_path: Path) -> None:
    folder = ROOT / "configs" / "portfolio"
    alone = portfolio([folder], budget=120_000, need="cost", out=tmp_path / "one", processes=1)
    found = portfolio([folder], budget=120_000, need="cost", out=tmp_path / "two", processes=2, dask=True)
    mine, theirs = (pq.read_table(each.path / "samples.parquet") for each in (found, alone))
    assert mine.equals(theirs)
