"""`sim backtest`: tables are cut before anything is fitted, and forecasts score as the formulas say."""

from __future__ import annotations

import csv
import itertools
import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow.parquet
import pytest
from scipy.integrate import quad
from scipy.stats import binom, norm

import sim as library
from sim.config.load import load
from sim.config.resolve import resolve
from sim.contract import Priors
from sim.decision.scores import crps, interval_score
from sim.engine.backtest import condensed, overall, score, splits
from sim.engine.fit import fit_each
from sim.engine.hindcast import Split, hindcast
from sim.engine.prepare import Prepared, prepare
from sim.errors import ProblemsError
from sim.inference.store import key_of
from sim.pilot.holdout import Course
from sim.pilot.summary import read
from sim.records.summary import Design, PilotSummary
from sim.registry import models
from sim.report.backtest_screen import backtest_lines
from tests.conftest import Sim
from tests.fitting import COHORTS, summary

HEAD = '[programme]\ncurrency = "EUR"\n'


# The scores


def test_crps_is_the_integral_that_defines_it() -> None:
    samples = np.random.default_rng(1).gamma(2.0, 1.0, 40)
    for observed in (0.1, 1.7, 9.0):

        def squared(x: float, observed: float = observed) -> float:
            return float(((samples <= x).mean() - (x >= observed)) ** 2)

        ends = sorted([0.0, observed, *samples, 20.0])
        whole = sum(quad(squared, a, b)[0] for a, b in itertools.pairwise(ends))
        # The integral is over the empirical distribution; `crps` counts pairs of different samples.
        pairs = np.abs(samples[:, None] - samples[None, :]).sum()
        unbiased = whole - pairs / 2 * (1 / (40 * 39) - 1 / 40**2)
        assert crps(samples[:, None], np.array([observed]))[0] == pytest.approx(unbiased, abs=1e-10)


def test_crps_of_a_normal_is_that_of_its_closed_form() -> None:
    z = norm.ppf((np.arange(20_000) + 0.5) / 20_000)
    for y in (0.0, 1.3):
        closed = y * (2 * norm.cdf(y) - 1) + 2 * norm.pdf(y) - 1 / np.sqrt(np.pi)
        assert crps(z[:, None], np.array([y]))[0] == pytest.approx(closed, abs=2e-4)


def test_the_interval_score_is_least_at_the_quantiles() -> None:
    y = np.random.default_rng(2).normal(size=40_000)
    ends = norm.ppf([0.1, 0.9])
    best = interval_score(*np.broadcast_arrays(*ends, y)[:2], y, 0.8).mean()
    for factor in (0.8, 1.25):
        assert interval_score(*np.broadcast_arrays(*factor * ends, y)[:2], y, 0.8).mean() > best


# Where the table is cut


def configured(folder: Path, outcome: str, table: str, more: str = "") -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "pilot.csv").write_text(table)
    (folder / "config.toml").write_text(HEAD + f'[outcomes.x]\ndata = "pilot.csv"\n{outcome}\n{more}')
    return folder / "config.toml"


def pilot(folder: Path, outcome: str, table: str, more: str = "") -> Prepared:
    return prepare(configured(folder, outcome, table, more))


ARMS = 'arm = { column = "arm", control = "a", treated = "b" }\nperiod = "week"\n'
MONTHS = ARMS.replace("week", "month")
CONVERSION = f'model = "conversion"\n{ARMS}columns = {{ trials = "n", successes = "y" }}\nsegment = "s"'


def totals(weeks: int, *, late: int = 0, seed: int = 3, segments: str = "uv") -> str:
    """Trials and successes by week; those from week 5 on are drawn anew with another `late`."""
    lines = ["week,arm,s,n,y"]
    for week in range(1, weeks + 1):
        rng = np.random.default_rng([seed, week, late if week > 4 else 0])
        for arm, early in (("a", 0.10), ("b", 0.14)):
            rate = early + 0.3 * (late and week > 4)
            lines += [f"{week},{arm},{segment},400,{rng.binomial(400, rate)}" for segment in segments]
    return "\n".join(lines)


def rows(kind: str, weeks: int, late: int = 0) -> str:
    """Rows of single units; those from week 5 on are drawn anew with another `late`."""
    lines = ["week,arm,v,x"]
    for week in range(1, weeks + 1):
        rng = np.random.default_rng([week, late if week > 4 else 0])
        for arm in "ab":
            for _ in range(40):
                value: Any = {
                    "cost": round(rng.gamma(2, 100 + 900 * (late and week > 4)), 2),
                    "revenue": round(float(rng.lognormal(3, 1)) * (rng.random() < 0.5), 2),
                    "count": rng.poisson(2),
                    "rating": rng.integers(1, 6),
                }[kind]
                lines.append(f"{week},{arm},{value},{rng.integers(1, 4)}")
    return "\n".join(lines)


def dated(months: int, late: int = 0) -> str:
    """Totals by month in which the launch is 2025-08."""
    lines = ["month,arm,n,y"]
    for month in range(months):
        rng = np.random.default_rng([month, late if month > 9 else 0])
        label = f"2025-{month + 1:02d}"
        lines += [f"{label},{arm},500,{rng.binomial(500, 0.2 + 0.3 * (late and month > 9))}" for arm in "ab"]
    return "\n".join(lines)


def cohorts(years: int, late: int = 0) -> str:
    lines = ["year,arm,r,d"]
    for arm, left in zip("ab", COHORTS.values(), strict=True):
        for year in range(years):
            moved = late if year >= 7 else 0
            lines.append(f"{year + 1},{arm},{left[year] - moved},{left[year] - left[year + 1]}")
    return "\n".join(lines)


ROWS = {"cost": "amount", "revenue": "amount", "count": "events", "rating": "rating"}
DID = (
    f'model = "conversion"\n{MONTHS}columns = {{ trials = "n", successes = "y" }}\n'
    'design = "difference-in-differences"\nlaunch = "2025-08"'
)
CHURN = (
    'model = "churn"\narm = { column = "arm", control = "a", treated = "b" }\nunit = "year"\n'
    'columns = { period = "year", at_risk = "r", churned = "d" }'
)


def cases() -> dict[str, tuple[str, Any, int, int]]:
    """Outcome, table by (periods, late), periods in all, and how many are held out."""
    found: dict[str, tuple[str, Any, int, int]] = {
        "totals": (CONVERSION, lambda n, late: totals(n, late=late), 6, 2),
        "did": (DID, dated, 12, 2),
        "churn": (CHURN, cohorts, 12, 5),
    }
    for kind, role in ROWS.items():
        extra = "scale = [1, 5]" if kind == "rating" else ""
        columns = f'columns = {{ {role} = "v"{", exposure = 'x'" if kind == "count" else ""} }}'
        found[kind] = (
            f'model = "{kind}"\nsaves = "other"\n{ARMS}{columns}\n{extra}',
            lambda n, late, kind=kind: rows(kind, n, late),
            6,
            2,
        )
    return found


def keys_of(case: str, folder: Path) -> list[str]:
    """Keys of fits to a cut table, to one whose later rows differ, and to one without those rows."""
    outcome, table, periods, holdout = cases()[case]
    found = []
    for late, count in ((0, periods), (9, periods), (0, periods - holdout)):
        configured(folder, outcome, table(count, late))
        plan = resolve(*load(folder / "config.toml"), folder / "config.toml").outcomes["x"]
        assert plan.data is not None
        cut = read(replace(plan.data, until=periods - holdout if count == periods else None), plan.model)
        found.append(key_of(plan.model.name, cut.summary, b"", Priors(), {}))
    return found


@pytest.mark.parametrize("case", ["totals", "did", "churn"])
def test_the_training_data_are_those_of_a_table_that_ends_at_the_origin(case: str, tmp_path: Path) -> None:
    assert len(set(keys_of(case, tmp_path))) == 1


@pytest.fixture(scope="module")
def weekly(tmp_path_factory: pytest.TempPathFactory) -> Prepared:
    """Eight weeks, in the last of which there is a segment more, and a row without a week."""
    table = totals(8) + "\n8,a,new,400,40\n8,b,new,400,50\n,a,u,7,1"
    return pilot(tmp_path_factory.mktemp("weekly"), CONVERSION, table)


def test_each_origin_lies_a_period_before_the_last_one(weekly: Prepared) -> None:
    made, left_out = splits(weekly, 2, 3)
    assert [(split.origin, split.stop) for split in made] == [(6, 8), (5, 7), (4, 6)]
    assert [split.training.statistics["trials"].sum() for split in made] == [9600, 8000, 6400]
    assert left_out == ["x: rows without a period take no part (7 units)"]
    # What only the held-out week has cannot be forecast.
    assert made[0].training.segments == ("u", "v")
    draws = {"level": np.full((500, 2, 2), 0.1)}
    seen = hindcast(made[0], models()["conversion"], draws, np.random.default_rng(1))
    assert [(row["segment"], row["period"], row["ahead"]) for row in score(made[0], seen, weekly.plan)] == [
        ("u", "7", 1), ("u", "8", 2), ("v", "7", 1), ("v", "8", 2),
    ] * 2  # fmt: skip


def refused(*arguments: Any) -> Any:
    with pytest.raises(ProblemsError) as error:
        splits(*arguments)
    (problem,) = error.value.problems
    return problem


def test_what_cannot_be_cut_is_told_with_what_can(weekly: Prepared, tmp_path: Path) -> None:
    assert refused(weekly, 7, 1).allowed == "1 to 6"
    assert refused(weekly, 6, 2).allowed == "1 to 5 with 2 origins"
    assert refused(weekly, 1, 9).allowed == "at most 6 origins"
    launched = pilot(tmp_path / "b", DID, dated(12))
    problem = refused(launched, 5, 1)
    assert "7 lie before the launch" in problem.found
    assert problem.allowed == "1 to 4"


def test_an_outcome_without_a_period_is_left_out_or_refused(tmp_path: Path) -> None:
    other = '[outcomes.y]\nmodel = "conversion"\ncontrol = { trials = 9, successes = 3 }\n'
    other += "treated = { trials = 9, successes = 5 }"
    made, left_out = splits(pilot(tmp_path, CONVERSION, totals(5), other), 1, 1)
    assert [split.outcome for split in made] == ["x"]
    assert len(left_out) == 1
    assert "y has no period" in left_out[0]
    problem = refused(pilot(tmp_path, CONVERSION.replace('period = "week"\n', ""), totals(2)), 1, 1)
    assert "no period" in problem.found
    assert problem.key == "outcomes.x.period"


def test_command_line_refuses_before_anything_is_fitted(sim: Sim, tmp_path: Path) -> None:
    pilot(tmp_path, CONVERSION, totals(5))
    ran = sim("backtest", "config.toml", "--holdout", 4, "--json")
    assert ran.code == 2
    assert ran.json["problems"][0]["allowed"] == "1 to 3"
    assert not (tmp_path / "results").exists()


# Forecasts from posteriors that are known

N = 20_000


def cut(kind: str, weeks: list[dict[str, Any]], origin: int, *, design: str = "randomised") -> Split:
    """Return two arms, one segment, and statistics (cell,) by week; the first weeks' totals are fitted."""
    model = models()[kind]
    by_week = [{name: np.array(values, float)[:, None] for name, values in week.items()} for week in weeks]
    past = {
        name: sum(week[name] for week in by_week[:origin]) if name in model.totals else by_week[0][name]
        for name in by_week[0]
    }
    labels = tuple(str(week + 1) for week in range(len(weeks)))
    known = replace(summary(model, past, segments=("all",)), arms=("a", "b"), design=Design(design))  # type: ignore[arg-type]
    return Split("x", Course(labels, ("all",), tuple(by_week)), known, origin, len(weeks))


def test_a_known_rate_is_forecast_as_a_binomial_and_nothing_changes_as_the_last_control() -> None:
    weeks = [{"trials": [400, 400], "successes": [y, y + 20]} for y in (40, 44, 36, 50)]
    split = cut("conversion", weeks, 2)
    level = np.tile([[[0.10], [0.14]]], (N, 1, 1))
    seen = hindcast(split, models()["conversion"], {"level": level}, np.random.default_rng(1))
    for q in (0.05, 0.5, 0.95):
        got = 400 * np.quantile(seen.samples, q, axis=0)[:, 0]
        assert np.abs(got - binom(400, [[0.10], [0.14]]).ppf(q)).max() <= 1
    assert (seen.units == 400).all()
    assert seen.actual[:, 0] == pytest.approx(np.array([[0.09, 0.125], [0.14, 0.175]]))
    assert seen.past[:, 0] == pytest.approx(np.array([[0.10, 0.11], [0.15, 0.16]]))
    # 44 of 400 in week 2 of the control arm, for both arms, with the noise of that week and of the next.
    assert seen.naive.mean(axis=0) == pytest.approx(np.full((2, 1, 2), 0.11))
    rate = (44 + (44 + 64 + 0.5) / 801) / 401
    expected = np.sqrt(2 * rate * (1 - rate) / 400)
    assert seen.naive.std(axis=0) == pytest.approx(np.full((2, 1, 2), expected), rel=2e-3)


def test_a_known_mean_amount_is_forecast_with_the_spread_of_before() -> None:
    before = {"n": [40, 90], "mean": [100, 90], "sd": [60, 54]}
    after = {"n": [40, 10], "mean": [900, 9], "sd": [1, 1]}
    split = cut("cost", [before, before, after], 2)
    seen = hindcast(split, models()["cost"], {"level": np.full((N, 2, 1), 200.0)}, np.random.default_rng(1))
    assert seen.samples.mean(axis=0).ravel() == pytest.approx([200.0, 200.0], rel=0.01)
    expected = 200 * 0.6 / np.sqrt([40, 10])
    assert seen.samples.std(axis=0).ravel() == pytest.approx(expected, rel=0.03)
    assert seen.actual.ravel().tolist() == [900.0, 9.0]


def test_money_per_trial_is_the_mean_of_amounts_and_no_lognormals() -> None:
    model = models()["revenue"]
    one = {"trials": 50.0, "payers": 20.0, "log_mean": 3.0, "log_squares": 19.0, "mean": 33.0, "squares": 9e3}
    whole = summary(model, {name: [[value], [40 * value]] for name, value in one.items()})
    whole.statistics["log_mean"][:] = 3.0
    shape = (20_000, 2, 1)
    draws = {
        "pay": np.full(shape, 0.4),
        "sigma": np.ones(shape[:2]),
        "level": np.full(shape, 0.4 * np.exp(3.5)),
    }
    means = model.means(draws, whole, rng=np.random.default_rng(1))
    first, second = 0.4 * np.exp(3.5), 0.4 * np.exp(8.0)
    assert means.mean(axis=0) == pytest.approx(np.full((2, 1), first), rel=0.01)
    sd = np.sqrt((second - first**2) / np.array([[50.0], [2000.0]]))
    assert means.std(axis=0) == pytest.approx(sd, rel=0.05)


def test_events_vary_between_units_as_the_negative_binomial_does() -> None:
    model = models()["count"]
    grids = {"exposure": [1.0, 3.0], "value": [0.0, 1.0]}
    cells = {"units": [[[40.0, 20.0]], [[400.0, 0.0]]], "events": [[[9.0, 9.0]], [[9.0, 0.0]]]}
    statistics = {name: np.array(values) for name, values in (grids | cells).items()}
    statistics["histogram"] = statistics["units"]
    known = PilotSummary(("a", "b"), ("all",), statistics, model.size(statistics))
    for kappa in (1e-12, 0.8):
        draws = {"level": np.full((N, 2, 1), 2.0), "dispersion": np.full((N, 2), kappa)}
        means = model.means(draws, known, rng=np.random.default_rng(1))[..., 0]
        assert means.mean(axis=0) == pytest.approx([2.0, 2.0], rel=0.01)
        variance = [(200 + kappa * (40 * 4 + 20 * 36)) / 100**2, (800 + kappa * 400 * 4) / 400**2]
        assert means.var(axis=0) == pytest.approx(variance, rel=0.05)


def test_customers_are_followed_from_those_who_were_left(tmp_path: Path) -> None:
    split = splits(pilot(tmp_path, CHURN, cohorts(12)), 5, 1)[0][0]
    alpha, beta = 0.704, 1.182
    n = 20_000
    draws = {
        "log_odds": np.full(n, np.log(alpha / beta)),
        "k": np.full(n, 1 / beta),
        "log_c": np.zeros(n),
        "shift": np.zeros((n, 2, 1)),
    }
    seen = hindcast(split, models()["churn"], draws, np.random.default_rng(1))
    years = np.arange(8, 13)
    left = np.concatenate([[1.0], np.cumprod((beta + np.arange(12)) / (alpha + beta + np.arange(12)))])
    assert seen.samples[:, 0, 0].mean(axis=0) == pytest.approx(0.241 * left[years] / left[7], abs=5e-4)
    assert seen.actual[0, 0] == pytest.approx([COHORTS["regular"][year] / 1000 for year in years])
    assert seen.past[1, 0] == pytest.approx([COHORTS["high-end"][year] / 1000 for year in range(1, 8)])
    # Nothing changes: the chance of leaving in year 7 of the control arm, year after year.
    stays = 1 - (262 - 241 + 0.5) / (262 + 1)
    assert seen.naive[:, 1, 0].mean(axis=0)[0] == pytest.approx(0.491 * stays, abs=1e-3)


def test_no_effect_under_difference_in_differences_keeps_the_distance_from_before() -> None:
    early = {"trials": [100, 0, 100, 0], "successes": [20, 0, 30, 0]}
    late = {"trials": [0, 100, 0, 100], "successes": [0, 26, 0, 50]}
    split = cut("conversion", [early, early, late, late], 3, design="difference-in-differences")
    draws = {"fitted": np.full((500, 4, 1), 0.2), "level": np.full((500, 2, 1), 0.2)}
    seen = hindcast(split, models()["conversion"], draws, np.random.default_rng(1))
    assert split.cells(customers=False) == {1: "a", 3: "b"}
    assert seen.naive[:, [1, 3]].mean(axis=0).ravel() == pytest.approx([0.26, 0.36])
    # The last week of control, the two arms before, and the week to come.
    one = seen.naive[:, 1].var() * 100 / 2
    assert seen.naive[:, 3].var() * 100 == pytest.approx(2 * one + (0.16 + 0.21) / 2, rel=0.01)


def test_scores_are_counted_and_compared_in_one_unit() -> None:
    def row(own: float, naive: float | None, inside: bool) -> dict[str, Any]:
        parts = {
            f"{name}_{p}": value
            for p in (50, 80, 95)
            for name, value in (("inside", inside), ("interval_score", 1))
        }
        return {"crps": own, "naive_crps": naive, "mean": 2.0, "observed": 1.0} | parts

    block = condensed([row(1, 2, True), row(2, 4, False), row(50, None, True)])
    assert (block["skill"], block["inside"]["95"], block["values"], block["bias"]) == (0.5, 2, 3, 1.0)
    # Ratios 1/2 and 2 even out, whatever the units.
    assert overall({"x": block, "y": condensed([row(800, 400, True)])})["skill"] == pytest.approx(0.0)


# The command


ALONE = CONVERSION.replace('\nsegment = "s"', "")
"""One segment, so that a model compiled by another test of this process will do."""


def test_backtest_writes_scores_and_says_them_first(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sim.commands.forecast.draw_pages", lambda *_, **__: None)  # the forecast's own plots
    names = ("=HYPERLINK(1)", "客服 ลูกค้า")
    outcome = ALONE.replace('"a"', f'"{names[0]}"').replace('"b"', f'"{names[1]}"')
    text = totals(6).replace(",a,", f",{names[0]},").replace(",b,", f",{names[1]},")
    config, out = configured(tmp_path, outcome, text), tmp_path / "out"
    found = library.backtest(config, holdout=2, out=out)
    result = found.result
    assert result["trusted"]
    assert (result["values"], len(result["rows"])) == (4, 4)
    inside = sum(row["inside_95"] for row in result["rows"])
    assert found.sentence.startswith(
        f"Of 4 held-out values {inside} fell in the 95 % interval; the forecast "
    )
    assert found.sentence.endswith("(CRPS); so few prove little.")
    assert any("would hold all of them with probability 41 %" in note for note in result["notes"])
    assert all(row["low_95"] <= row["median"] <= row["high_95"] for row in result["rows"])
    own, naive = (sum(row[name] for row in result["rows"]) for name in ("crps", "naive_crps"))
    assert result["skill"] == pytest.approx(1 - own / naive)
    files = {file.name for file in found.path.iterdir()}
    assert files == {"answer.json", "backtest.png", "manifest.json", "scores.csv", "scores.parquet"}
    assert pyarrow.parquet.read_table(found.path / "scores.parquet").to_pylist() == result["rows"]
    with (found.path / "scores.csv").open(encoding="utf-8", newline="") as file:
        assert {row["arm"] for row in csv.DictReader(file)} == {f"'{names[0]}", names[1]}
    assert found.path.parent == found.forecast.run
    assert "rollout are not tested" in result["notes"][-1]
    header, lines, _ = backtest_lines(result)
    assert all(len(line) == len(header) for line in lines)
    json.dumps(result, allow_nan=False)
    again = library.backtest(config, holdout=2, out=out)
    assert again.path == found.path


def test_the_held_out_rows_do_not_touch_the_posterior(tmp_path: Path) -> None:
    draws = []
    for late in (0, 9):
        folder = tmp_path / str(late)
        prepared = pilot(folder, ALONE, totals(6, late=late))
        (fit,) = fit_each(prepared.plan, {"x": [splits(prepared, 2, 1)[0][0].training]}, folder)["x"]
        assert not fit.reused
        draws.append({name: values.tobytes() for name, values in fit.draws.items()})
    assert draws[0] == draws[1]


def test_course_gives_segments_in_the_order_asked_for() -> None:
    course = Course(("1",), ("u", "v"), ({"n": np.array([[1.0, 2.0]]), "grid": np.arange(3.0)},))
    held = course.of(0, ("v", "w", "u"))
    assert held["n"].tolist() == [[2.0, 0.0, 1.0]]
    assert held["grid"].tolist() == [0.0, 1.0, 2.0]
