"""The calibration harness: its judge against simulation and ArviZ, its likelihoods against the models'."""

from __future__ import annotations

import csv
import datetime as dt
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from scipy.stats import binom

from calibration import report, run, verdict
from calibration.__main__ import main
from calibration.cells import OUTCOME, SAMPLES, Cell, cells
from calibration.judge import band, coverage_p, covered, inside, limits, noticed, p_value, surprise
from calibration.quantities import log_likelihood
from calibration.run import Bench, Ranks, calibrate
from sim.contract import Priors
from sim.registry import models

LEVEL = 1e-5
"""About the false alarm that one of several hundred tests has."""


def ranked(truth: np.ndarray[Any, Any], draws: np.ndarray[Any, Any]) -> np.ndarray[Any, Any]:
    return (draws < truth[:, None]).sum(axis=1)


def normal(noise: float, believed: float, seed: int, n: int = 500) -> tuple[Any, Any]:
    """Ranks of theta ~ N(0, 1) and of the log-likelihood of one y ~ N(theta, noise²) in closed form.

    The posterior is that under the prior N(0, believed²); 0 drops the likelihood instead.
    """
    rng = np.random.default_rng(seed)
    theta = rng.standard_normal(n)
    y = theta + noise * rng.standard_normal(n)
    variance = 1 / (1 / believed**2 + 1 / noise**2) if believed else 1.0
    centre = variance / noise**2 * y if believed else 0 * y
    draws = centre[:, None] + np.sqrt(variance) * rng.standard_normal((n, SAMPLES - 1))
    likelihood = -((y[:, None] - draws) ** 2)
    return ranked(theta, draws), ranked(-((y - theta) ** 2), likelihood)


def test_a_right_posterior_passes() -> None:
    """Two quantities, four tests each, at 1e-5: 8e-5 false alarms; the seed is fixed."""
    for rank in normal(1.0, 1.0, seed=1):
        assert p_value(rank, SAMPLES) > LEVEL
        for width in (0.5, 0.8, 0.95):
            assert coverage_p(covered(rank, SAMPLES, width), len(rank), width) > LEVEL


@pytest.mark.parametrize(("noise", "believed"), [(4.0, 3.0), (1.0, 1 / 3)])
def test_a_wrong_prior_scale_is_caught(noise: float, believed: float) -> None:
    assert p_value(normal(noise, believed, seed=2)[0], SAMPLES) < LEVEL


def test_a_dropped_likelihood_shows_in_the_log_likelihood_alone() -> None:
    parameter, likelihood = normal(1.0, 0.0, seed=3)
    assert p_value(parameter, SAMPLES) > LEVEL
    assert p_value(likelihood, SAMPLES) < LEVEL


def test_p_values_of_uniform_ranks_are_uniform() -> None:
    """Shares below five points, each within limits left with a probability of 1e-4: 1e-3; fixed seed."""
    rng = np.random.default_rng(4)
    p = np.array([p_value(rng.integers(0, 40, 80), 40) for _ in range(800)])
    for level in (0.01, 0.05, 0.2, 0.5, 0.8):
        # Few counts are possible, so that a p-value may lie a little above what is said, never below.
        assert (p <= level).sum() <= binom.ppf(1 - 5e-5, 800, level)
        assert (p <= level).sum() >= binom.ppf(5e-5, 800, 0.9 * level)


def test_the_chance_of_staying_inside_is_that_of_simulated_ranks() -> None:
    """2,000 simulations, 4 standard errors: 6e-5 false alarms each."""
    rng = np.random.default_rng(5)
    least = np.array([surprise(rng.integers(0, 20, 50), 20) for _ in range(2000)])
    for level in (0.001, 0.01, 0.1):
        share = inside(level, 50, 20)
        assert (least > level).mean() == pytest.approx(share, abs=4 * np.sqrt(share * (1 - share) / 2000))


def test_what_is_noticed_is_noticed_nine_times_in_ten() -> None:
    """20,000 simulated coverages judged as `coverage_p` judges, 4 standard errors: 6e-5 false alarms."""
    true, rng = noticed(0.001, 300, 0.95), np.random.default_rng(6)
    counts, often = np.unique(rng.binomial(300, true, 20_000), return_counts=True)
    caught = np.array([coverage_p(int(count), 300, 0.95) < 0.001 for count in counts])
    assert often[caught].sum() / 20_000 == pytest.approx(0.9, abs=4 * 0.3 / np.sqrt(20_000))


def test_limits_hold_the_counts_that_surprise_less() -> None:
    for k, (low, high) in enumerate(zip(*limits(0.02, 30, 10), strict=True), start=1):
        count = np.arange(31)
        two = 2 * np.minimum(binom.cdf(count, 30, k / 10), binom.sf(count - 1, 30, k / 10))
        assert np.array_equal(count[two > 0.02], np.arange(low, high + 1)), k


def test_bands_are_those_of_arviz() -> None:
    """ArviZ simulates the band: within one count of 100 nearly everywhere, two at most."""
    from arviz_stats.ecdf_utils import ecdf_pit

    points, _, lower, upper = ecdf_pit(np.linspace(0, 1, 100), 0.95, 2000, rng=np.random.default_rng(6))
    low, high = band(0.05, 100, 100)
    np.testing.assert_allclose(points[1:-1], np.arange(1, 100) / 100)
    for ours, theirs in ((low, lower[1:-1]), (high, upper[1:-1])):
        apart = np.rint(100 * np.abs(ours - theirs))
        assert apart.max() <= 2
        assert (apart <= 1).mean() > 0.9


def test_central_intervals_hold_their_share_of_the_ranks_exactly() -> None:
    for width in (0.5, 0.8, 0.95):
        assert covered(np.arange(SAMPLES), SAMPLES, width) == width * SAMPLES
    with pytest.raises(ValueError, match="whole number"):
        covered(np.arange(7), 7, 0.5)


def test_every_model_has_every_design() -> None:
    assert {cell.name for cell in cells()} == set(models())
    assert len({cell.slug for cell in cells()}) == 3 * len(models())


@pytest.mark.parametrize("name", sorted(models()))
def test_the_log_likelihood_is_that_of_the_model(name: str, tmp_path: Path) -> None:
    """At five random points, up to the same constant, on the example as it is read from its table."""
    cell = Cell(name, "difference-in-differences")
    pilot = Bench(cell, tmp_path).example
    built = cell.model.build(pilot, Priors())
    parts = [one for one in built.potentials if one.name in ("likelihood", "paying", "amounts")]
    shown = [one for one in (*built.deterministics, *built.free_RVs) if not one.name.startswith("_")]
    both = built.replace_rvs_by_values([*parts, *shown])
    evaluate = built.compile_fn(both, inputs=built.value_vars, mode="FAST_COMPILE", on_unused_input="ignore")
    rng, start = np.random.default_rng(7), built.initial_point()
    found = [
        evaluate({key: value + 0.5 * rng.standard_normal(np.shape(value)) for key, value in start.items()})
        for _ in range(5)
    ]
    told = np.array([sum(float(value) for value in values[: len(parts)]) for values in found])
    draws = {
        variable.name: np.stack([values[len(parts) + i] for values in found])
        for i, variable in enumerate(shown)
    }
    apart = log_likelihood(name, draws, pilot.statistics) - told
    assert np.ptp(told) > 0.1
    assert np.ptp(apart) < 1e-9 * np.ptp(told)


@pytest.mark.parametrize("name", sorted(models()))
def test_a_table_is_read_back_as_it_was_simulated(name: str, tmp_path: Path) -> None:
    cell = Cell(name, "before-after")
    bench = Bench(cell, tmp_path)
    rng = np.random.default_rng(8)
    truth = cell.model.prior(bench.example, Priors(), 1, rng=rng)
    made = [cell.model.simulate(truth, part, rng=rng) for part in bench._parts()]
    parts = [{key: values[0] for key, values in part.items()} for part in made]
    read = bench.read(parts).summaries[OUTCOME]
    if name == "count":
        whole = sum(part["histogram"] @ part["value"] for part in parts)
        np.testing.assert_allclose(read.statistics["histogram"] @ read.statistics["value"], whole)
        for key in ("units", "events"):
            np.testing.assert_allclose(read.statistics[key], sum(part[key] for part in parts))
        return
    for key in set(read.statistics) & set(parts[0]) - {"reference", "alive"}:
        due = parts[0][key]
        # A table of tenures ends with an empty one.
        got = read.statistics[key][tuple(map(slice, due.shape))]
        np.testing.assert_allclose(got, due, rtol=1e-9, atol=1e-9)
        assert got.sum() == pytest.approx(read.statistics[key].sum())
    key = {"cost": "mean", "rating": "counts"}.get(name) or cell.model.totals[1]
    with pytest.raises(AssertionError):
        bench._same([{**made[0], key: made[0][key] + 1}], read)


class Counted:
    """Stands in for a cell's bench: ranks straight from the generator, and a stop at one dataset."""

    stop = -1
    calls = 0

    def __init__(self, *_: object) -> None: ...

    def rank(self, rng: np.random.Generator) -> dict[str, Any] | None:
        Counted.calls += 1
        if Counted.calls == Counted.stop:
            raise KeyboardInterrupt
        rank = rng.integers(0, SAMPLES, 2)
        if rank[0] < 60:
            return None
        row = {"name": np.array(["one", "two"]), "rank": rank, "divergences": 0.0}
        return row | {key: rng.standard_normal(2) for key in ("truth", "variance", "repeat")}


def test_an_interrupted_run_goes_on_with_the_same_figures(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(run, "Bench", Counted)
    cell = Cell("conversion", "randomised")
    whole = calibrate(cell, 60, seed=9)
    monkeypatch.setattr(Counted, "calls", 0)
    monkeypatch.setattr(Counted, "stop", 45)
    with pytest.raises(KeyboardInterrupt):
        calibrate(cell, 60, seed=9, store=tmp_path)
    monkeypatch.setattr(Counted, "stop", -1)
    again = calibrate(cell, 60, seed=9, store=tmp_path)
    assert 60 < Counted.calls < whole.tried + 45  # some of the first run were kept
    assert again.tried == whole.tried > 60
    np.testing.assert_array_equal(again.rank, whole.rank)
    np.testing.assert_array_equal(again.truth, whole.truth)
    fewer = calibrate(cell, 40, seed=9, store=tmp_path)
    np.testing.assert_array_equal(fewer.rank, whole.rank[:40])


def made_up(skewed: bool, n: int = 300) -> Ranks:
    rng = np.random.default_rng(10)
    rank = rng.integers(0, SAMPLES, (n, 4))
    if skewed:
        rank[:, 1] = rank[:, 1] // 2
    names = ("delta[a]", "effect[a, Nord]", "log-likelihood", "NPV[a]")
    truth = rng.standard_normal((n, 4))
    return Ranks(names, rank, truth, np.full((n, 4), 0.25), np.zeros((n, 4)), np.zeros(n), n + 2)


def test_the_page_shows_what_failed_and_its_rerun(tmp_path: Path) -> None:
    good, bad = Cell("cost", "randomised"), Cell("cost", "before-after")
    results = {good: made_up(skewed=False), bad: made_up(skewed=True)}
    assert verdict.tests(results) == 2 * 4 * 4
    level = verdict.FALSE_ALARM / 32
    verdicts = {cell: verdict.judge(ranks, level) for cell, ranks in results.items()}
    assert all(one.passed for one in verdicts[good])
    assert [one.name for one in verdicts[bad] if not one.passed] == ["effect[a, Nord]"]
    assert verdicts[good][0].contraction == pytest.approx(0.75, abs=0.1)
    assert report.outcome(verdicts, {}) == [bad]
    page = tmp_path / "calibration.md"

    def written(again: dict[Cell, Any]) -> str:
        report.write(
            page, results, verdicts, again, level=level, command="poe calibrate", today=dt.date(2026, 1, 2)
        )
        return page.read_text("utf-8")

    failing = {bad: (made_up(skewed=True), verdict.judge(made_up(skewed=True), level))}
    text = written(failing)
    assert "sees gross faults only" in text
    assert "**FAIL: cost-before-after**" in text
    assert "**FAIL** effect[a, Nord]" in text
    assert "rerun of the failed cell" in text
    assert "2026-01-02" in text
    mended = {bad: (made_up(skewed=False), verdict.judge(made_up(skewed=False), level))}
    assert report.outcome(verdicts, mended) == []
    assert "**every cell passes**" in written(mended)
    plot = tmp_path / "calibration" / "cost.png"
    assert 10_000 < plot.stat().st_size < 150_000
    with (tmp_path / "calibration" / "ranks.csv").open(encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    assert len(rows) == 3 * 4
    assert [row["quantity"] for row in rows if row["passed"] == "False"] == ["effect[a, Nord]"]


def test_the_command_runs_a_failed_cell_again_and_says_so(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(run, "Bench", Counted)
    monkeypatch.setattr(Counted, "calls", 0)
    page = tmp_path / "calibration.md"

    def command(*more: str) -> int:
        where = ["--store", str(tmp_path / "store"), "--page", str(page)]
        return main(["--n", "120", "--again", "150", "--cells", "cost-randomised", *where, *more])

    # Ranks of the first below 60 are refused, so that only the second quantity is uniform.
    assert command() == 1
    text = page.read_text("utf-8")
    assert "uv run poe calibrate --n 120 --again 150 --cells cost-randomised" in text
    assert "N = 120" in text
    assert "N = 150" in text
    assert "**FAIL** one" in text
    assert "0 of 1 cells pass" in capsys.readouterr().err
    calls = Counted.calls
    assert command() == 1
    assert Counted.calls == calls, "what was kept is not run again"
    with pytest.raises(SystemExit):
        main(["--cells", "nonsense"])
    assert "no such cell" in capsys.readouterr().err
