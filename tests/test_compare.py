"""`sim compare` on configs in which nothing is fitted, so that every difference is known."""

from __future__ import annotations

import csv
from io import StringIO
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
import pytest
from rich.console import Console
from scipy.stats import norm

from sim.commands.compare import compare
from sim.errors import ProblemsError
from sim.report.answer_screen import compare_lines, show
from sim.report.rows import NOTHING
from tests.conftest import Sim

BASE = """\
[programme]
name = "plain"
currency = "EUR"
horizon = 1
discount_rate = 0
[benefits]
gain.once = { dist = "normal", mean = 1000, sd = 100 }
[costs]
build.once = { dist = "normal", mean = 950, sd = 75 }
[sampling]
draws = 500
"""
MEAN, SD = 50.0, 125.0


def write(folder: Path, name: str, text: str = BASE) -> Path:
    path = folder / f"{name}.toml"
    path.write_text(text.replace('"plain"', f'"{name}"'), encoding="utf-8")
    return path


def by_name(rows: list[dict[str, object]]) -> dict[str, dict[str, object]]:
    return {str(row["choice"]): row for row in rows}


def test_a_config_with_itself_differs_by_exactly_nothing(tmp_path: Path) -> None:
    config = write(tmp_path, "plain")
    found = compare([config, config], out=tmp_path / "r")
    rows = by_name(found.result["choices"])
    assert set(rows) == {"plain #1", "plain #2", NOTHING}
    one, two = rows["plain #1"], rows["plain #2"]
    assert one["p_best"] == two["p_best"]  # ties are shared
    assert one["p_best"] == pytest.approx(norm.cdf(MEAN / SD) / 2, abs=4 * one["p_best_mcse"])
    assert sum(row["p_best"] for row in rows.values()) == pytest.approx(1, abs=1e-12)
    pair = next(
        row for row in found.result["pairs"] if {row["first"], row["second"]} == {"plain #1", "plain #2"}
    )
    for part in ("mean", "median", "low", "high", "sd", "mcse"):
        assert pair[f"difference_{part}"] == 0
    assert (pair["p_first_better"], pair["p_equal"]) == (0, 1)
    assert pair["first_dominates"] is pair["second_dominates"] is None
    assert found.sentence.startswith('"plain #1" and "plain #2" return the same in every sample')
    assert len(list((tmp_path / "r" / "plain").iterdir())) == 1  # one forecast, and the answer in it
    assert found.path.parent == found.forecast.run


def test_a_config_that_is_better_by_a_constant(tmp_path: Path) -> None:
    better = BASE + "[benefits.gift]\nonce = 30\n"
    configs = [write(tmp_path, "plain"), write(tmp_path, "better", better)]
    found = compare(configs, out=tmp_path / "r")
    result = found.result
    assert [row["choice"] for row in result["choices"]] == ["better", "plain", NOTHING]
    top, plain, nothing = result["choices"]
    pair = result["pairs"][0]
    assert (pair["first"], pair["second"]) == ("better", "plain")
    for part in ("mean", "median", "low", "high"):
        assert pair[f"difference_{part}"] == pytest.approx(30, abs=1e-9)
    assert pair["difference_mcse"] == pytest.approx(0, abs=1e-9)
    assert pair["p_first_better"] == 1
    assert (pair["first_dominates"], pair["second_dominates"]) == ("first", None)
    # Better by a constant is best wherever it beats doing nothing; the seed is fixed, 4 errors allowed.
    mean = MEAN + 30
    assert top["p_best"] == pytest.approx(norm.cdf(mean / SD), abs=4 * top["p_best_mcse"])
    assert plain["p_best"] == 0
    assert nothing["p_best"] == pytest.approx(1 - norm.cdf(mean / SD), abs=4 * nothing["p_best_mcse"])
    loss = SD * norm.pdf(mean / SD) - mean * norm.cdf(-mean / SD)  # E max(0, -N(mean, SD²))
    assert top["expected_loss"] == pytest.approx(loss, abs=4 * top["expected_loss_mcse"])
    assert plain["expected_loss"] == pytest.approx(top["expected_loss"] + 30, abs=1e-9)
    assert top["npv_mean"] == pytest.approx(mean, abs=4 * SD / np.sqrt(2000))
    assert top["roi"] == pytest.approx((1030 - 950) / 950, abs=0.02)
    assert nothing["npv_mean"] == nothing["p_loss"] == 0
    assert nothing["roi"] is None
    assert result["shared"]["quantities"] == ["benefits.gain.once", "costs.build.once"]
    assert any(note.startswith('"better" is better than "plain" for everybody') for note in result["notes"])
    assert found.sentence.startswith(
        '"better" is the best choice on average, and is best with a probability of 7'
    )
    assert "loses" in found.sentence
    assert "plain" in str(found.forecast.run)  # the answer lies with the first config

    for stem in ("choices", "pairs"):
        table = pq.read_table(found.path / f"{stem}.parquet").to_pylist()
        assert table == result[stem]
        with (found.path / f"{stem}.csv").open(encoding="utf-8") as file:
            assert len(list(csv.DictReader(file))) == len(table)
    console = Console(file=StringIO(), width=80)
    show(found.sentence, compare_lines(result), found.path, console, result["notes"])
    shown = console.file.getvalue()
    assert shown.startswith(found.sentence[:40])
    assert "A better" in shown
    assert max(len(line) for line in shown.splitlines()[:-1]) <= 80
    assert (found.path / "compare.png").stat().st_size > 10_000
    assert compare(configs, out=tmp_path / "r").path == found.path


def test_what_is_not_shared_is_independent_and_seeds_are_made_the_same(tmp_path: Path) -> None:
    other = BASE.replace("build.once", "buy.once").replace("draws = 500", "draws = 500\nseed = 7")
    other = other.replace("horizon = 1", "horizon = 12")
    found = compare([write(tmp_path, "plain"), write(tmp_path, "other", other)], out=tmp_path / "r").result
    pair = next(row for row in found["pairs"] if NOTHING not in {row["first"], row["second"]})
    # The gain cancels, the two costs do not: sd √2 · 75, of an estimate with error sd/√(2n).
    expected = np.sqrt(2) * 75
    assert pair["difference_sd"] == pytest.approx(expected, abs=4 * expected / np.sqrt(4000))
    assert found["shared"]["quantities"] == ["benefits.gain.once"]
    assert "the alternatives differ in horizon in months (plain: 1, other: 12)" in found["notes"]


def test_a_hurdle_is_what_doing_nothing_pays(tmp_path: Path) -> None:
    other = write(tmp_path, "do nothing", BASE.replace("mean = 950", "mean = 960"))
    configs = [write(tmp_path, "plain"), other]
    found = compare(configs, sets=["decision.hurdle=400"], out=tmp_path / "r")
    assert found.result["best"] == NOTHING
    assert "do nothing (as configured)" in by_name(found.result["choices"])
    assert found.sentence.startswith("Doing nothing is the best choice on average")
    assert by_name(found.result["choices"])[NOTHING]["npv_mean"] == 400
    assert found.result["shared"]["quantities_defined_differently"] == ["costs.build.once"]


def test_all_configs_are_checked_before_anything_runs(tmp_path: Path) -> None:
    bad = write(tmp_path, "bad", BASE.replace("horizon = 1", "horizon = 0"))
    worse = write(tmp_path, "worse", BASE.replace('"EUR"', '"EURO"'))
    with pytest.raises(ProblemsError) as error:
        compare([write(tmp_path, "plain"), bad, worse], out=tmp_path / "r")
    assert [Path(str(problem.file)).stem for problem in error.value.problems] == ["bad", "worse"]
    yen = write(tmp_path, "yen", BASE.replace('"EUR"', '"JPY"').replace("draws = 500", "draws = 600"))
    with pytest.raises(ProblemsError) as error:
        compare([write(tmp_path, "plain"), yen], sets=["decision.hurdle=1"], out=tmp_path / "r")
    told = {problem.key: problem for problem in error.value.problems}
    assert set(told) == {"programme.currency", "sampling.draws"}
    assert (told["programme.currency"].found, told["programme.currency"].line) == ("JPY", 3)
    assert "EUR" in told["programme.currency"].allowed
    with pytest.raises(ProblemsError, match="only one alternative"):
        compare([write(tmp_path, "plain")], out=tmp_path / "r")
    assert not (tmp_path / "r").exists()


def test_the_command_line(sim: Sim, tmp_path: Path) -> None:
    one, two = write(tmp_path, "plain"), write(tmp_path, "=cheap", BASE.replace("mean = 950", "mean = 900"))
    ran = sim("compare", one, two, "--json")
    assert ran.code == 0, ran.err
    assert ran.json["result"]["best"] == "=cheap"
    assert ran.json["sentence"] == ran.json["result"]["sentence"]
    with (tmp_path / ran.json["result"]["path"] / "choices.csv").open(encoding="utf-8") as file:
        assert next(csv.DictReader(file))["choice"] == "'=cheap"  # no spreadsheet takes it for a formula
    refused = sim("compare", one, two, tmp_path / "none.toml", "--json")
    assert (refused.code, refused.json["result"]) == (2, None)


FITTED = """\
[programme]
name = "plain"
currency = "EUR"
horizon = 12
[outcomes.sale]
model = "conversion"
data = "pilot.csv"
arm = { column = "arm", control = "old", treated = ["a", "b"] }
columns = { trials = "n", successes = "k" }
volume = 1000
value = 10
[costs]
all = 100
[sampling]
draws = 500
tune = 500
"""


@pytest.mark.slow  # one fit; the effects are 20 standard errors apart, so no run fails by chance
def test_the_arms_of_one_config_and_a_shared_fit(tmp_path: Path) -> None:
    (tmp_path / "pilot.csv").write_text("arm,n,k\nold,20000,2000\na,20000,2600\nb,20000,3200\n")
    config = write(tmp_path, "two arms", FITTED)
    result = compare([config], out=tmp_path / "r").result
    assert result["trusted"], result["sentence"]
    assert [row["choice"] for row in result["choices"]] == ["b", "a", NOTHING]
    assert result["choices"][0]["p_best"] == 1
    dear = write(tmp_path, "dear", FITTED.replace("all = 100", "all = 130"))
    both = compare([config, dear], out=tmp_path / "r").result
    assert both["shared"]["outcomes"] == ["outcomes.sale"]
    pair = next(row for row in both["pairs"] if row["first"] == "two arms: b" and row["second"] == "dear: b")
    assert pair["difference_mean"] == pytest.approx(30, abs=1e-6)
    assert pair["difference_sd"] == pytest.approx(0, abs=1e-6)
