"""Volumes forecast from their history: what is learnt, how surely, what is refused, what reaches money."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from sim.engine.prepare import Prepared, prepare
from sim.engine.summary import summarise
from sim.engine.world import World
from sim.errors import Problem, ProblemsError
from sim.local_level import smooth
from sim.pilot.history import read_history
from sim.records.arrays import FloatArray
from sim.records.history import History, month_name
from sim.records.reading import Reading
from sim.simulation import volume_forecast
from sim.simulation.volume_forecast import forecast_volume

JANUARY = 2023 * 12


def units_of(
    rng: np.random.Generator, months: int, *, growth: float = 0.1, season: float = 0.2, noise: float = 0.05
) -> FloatArray:
    """Units that grow by `growth` a year (log) with a yearly wave, a small walk and noise."""
    t = np.arange(months)
    level = np.log(10_000) + growth / 12 * t + np.cumsum(rng.normal(0, 0.01, months))
    wave = season * np.sin(2 * np.pi * t / 12)
    return np.asarray(np.exp(level + wave + rng.normal(0, noise, months)))


def write(folder: Path, units: FloatArray, *, first: int = JANUARY, leave_out: tuple[int, ...] = ()) -> None:
    rows = [
        f"{month_name(first + i)},{value!r}" for i, value in enumerate(units.tolist()) if i not in leave_out
    ]
    (folder / "history.csv").write_text("\n".join(["month,units", *rows]), encoding="utf-8")


CONFIG = """\
[programme]
currency = "EUR"
discount_rate = 0
horizon = 24
[volumes.sessions]
history = { data = "history.csv" }
[outcomes.checkout]
model = "conversion"
control = 0.10
treated = 0.15
volume = "sessions"
value = 20
[costs.fee]
per = "sessions"
amount = 1
"""


def prepared_of(folder: Path, text: str = CONFIG) -> Prepared:
    path = folder / "c.toml"
    path.write_text(text, encoding="utf-8")
    return prepare(path)


def problems_of(folder: Path, text: str = CONFIG) -> list[Problem]:
    with pytest.raises(ProblemsError) as caught:
        prepared_of(folder, text)
    return list(caught.value.problems)


def test_growth_and_season_are_recovered() -> None:
    rng = np.random.default_rng(1)
    units = units_of(rng, 72, growth=0.12, season=0.3, noise=0.02)
    found = forecast_volume(History(JANUARY, units[:60]), JANUARY + 60, 12, 4000, rng)
    assert found.seasonal
    months = np.median(found.units, axis=0)
    shape = np.log(months / months.mean())
    wave = 0.3 * np.sin(2 * np.pi * np.arange(12) / 12)
    assert np.corrcoef(shape, wave)[0, 1] > 0.98
    assert np.std(shape) == pytest.approx(np.std(wave), rel=0.15)
    growth = np.log(found.next_year.mean() / units[48:60].mean())
    assert growth == pytest.approx(0.12, abs=0.07)


@pytest.mark.slow
def test_intervals_cover_what_came_of_histories_of_the_usual_kind() -> None:
    """120 histories of 36 months; 90 % intervals of the mean of the year that followed.

    With a true coverage of 0.9 fewer than 95 hits have probability 2e-4. The growth is fixed and
    the prior is wider than the truth, so more than 90 % is fine; all 120 by far too wide intervals
    are ruled out by their width.
    """
    rng = np.random.default_rng(2)
    hits, widths = 0, []
    for _ in range(120):
        units = units_of(rng, 48)
        found = forecast_volume(History(JANUARY, units[:36]), JANUARY + 36, 12, 400, rng)
        low, high = np.quantile(found.next_year, [0.05, 0.95])
        hits += int(low <= units[36:].mean() <= high)
        widths.append(high / low - 1)
    assert hits >= 95
    assert np.median(widths) < 0.45


def test_a_forecast_s_mean_volume_reaches_money(tmp_path: Path) -> None:
    """Benefit and cost of each month are the mixture's own lognormal means, within 5 Monte Carlo errors."""
    units = units_of(np.random.default_rng(3), 30)
    write(tmp_path, units)
    prepared = prepared_of(tmp_path)
    world = World(prepared, {}, prepared.drawn)
    summary, strategies = summarise(world, prepared.plan, prepared.checks, trusted=True)
    strategy = strategies["treated"][0]
    mixture = smooth(
        np.log(units),
        np.zeros(30),
        24,
        seasons=np.arange(54) % 12,
        drift_sd=volume_forecast.DRIFT_SD,
        damping=volume_forecast.DAMPING,
        level_scale=volume_forecast.LEVEL_SCALE,
        noise=True,
    )
    spread = np.diagonal(mixture.covariances, axis1=1, axis2=2) + mixture.noise_sd[:, None] ** 2
    mean = (mixture.weights @ np.exp(mixture.means + spread / 2))[30:]
    paths = strategy.cost[:, 1:]
    error = paths.std(axis=0) / np.sqrt(prepared.plan.samples)
    assert np.all(abs(paths.mean(axis=0) - mean) < 5 * error)
    np.testing.assert_allclose(strategy.benefit[:, 1:], paths * 0.05 * 20, rtol=1e-12)
    assert summary["evidence"]["from_elicited"] == 1.0
    assert strategy.benefit.sum(axis=1).std() > 0


def test_a_history_is_shared_between_segments_by_the_pilot_s_mix(tmp_path: Path) -> None:
    write(tmp_path, units_of(np.random.default_rng(3), 12))
    body = CONFIG.replace("control = 0.10", "control = { by = { DE = 0.1, FR = 0.1 } }")
    prepared = prepared_of(tmp_path, body)
    world = World(prepared, {}, prepared.drawn)
    state = world.strategy("treated").outcomes["checkout"]
    assert state.projection is not None
    units = state.projection.control_total
    assert units.shape[1] == 2
    np.testing.assert_allclose(units.sum(axis=1), prepared.volumes["sessions"] * 0.1, rtol=1e-12)


def test_the_same_history_and_seed_give_the_same_paths_and_another_file_another_run(tmp_path: Path) -> None:
    units = units_of(np.random.default_rng(4), 12)
    write(tmp_path, units)
    one, two = prepared_of(tmp_path), prepared_of(tmp_path)
    assert np.array_equal(one.volumes["sessions"], two.volumes["sessions"])
    assert one.run_id(allow_untrusted=False) == two.run_id(allow_untrusted=False)
    units[0] *= 1.001
    write(tmp_path, units)
    assert prepared_of(tmp_path).run_id(allow_untrusted=False) != one.run_id(allow_untrusted=False)


def test_what_was_read_is_told(tmp_path: Path) -> None:
    write(tmp_path, np.full(14, 1000.0), leave_out=(3,))
    checks = {check.name: check for check in prepared_of(tmp_path).checks}
    told = checks["history:sessions"].message
    assert "13 months of history (2023-01 to 2024-02)" in told
    assert "month 1 is taken to be 2024-03" in told
    assert "against 1,000 over the last 12" in told
    assert "2023-04" in checks["history-gaps:sessions"].message
    assert checks["history-season:sessions"].status == "warn"


def test_the_months_between_history_and_start_are_forecast_too(tmp_path: Path) -> None:
    units = units_of(np.random.default_rng(5), 36)
    history = History(JANUARY, units)
    near = forecast_volume(history, JANUARY + 36, 12, 2000, np.random.default_rng(0)).units
    far = forecast_volume(history, JANUARY + 42, 12, 2000, np.random.default_rng(0)).units
    np.testing.assert_allclose(far[:, :6].mean(axis=0), near[:, 6:].mean(axis=0), rtol=0.03)
    assert np.log(far[:, 11]).std() > np.log(near[:, 11]).std()


def test_months_of_the_programme_that_have_passed_are_as_recorded(tmp_path: Path) -> None:
    units = units_of(np.random.default_rng(6), 30)
    write(tmp_path, units, leave_out=(26,))
    text = CONFIG.replace("horizon = 24", "horizon = 24\nstart = 2025-01-01")
    prepared = prepared_of(tmp_path, text)
    paths = prepared.volumes["sessions"]
    for month, held in enumerate((0.0, 0.0, 1.0, 0.0, 0.0, 0.0, 1.0)):
        assert (np.ptp(paths[:, month]) > 0) == bool(held)
    np.testing.assert_allclose(paths[0, [0, 1, 3, 4, 5]], units[[24, 25, 27, 28, 29]])
    assert any(check.name == "history-overlap:sessions" for check in prepared.checks)


def test_given_factors_are_taken_out_of_a_short_history_and_put_back(tmp_path: Path) -> None:
    factors = [1.0, 1.0, 1.0, 1.0, 1.0, 1.0, 1.0, 0.0, 1.0, 1.0, 1.5, 2.0]
    write(tmp_path, 1000.0 * np.array(factors))
    text = CONFIG.replace("[volumes.sessions]", f"[volumes.sessions]\nseasonality = {factors}")
    prepared = prepared_of(tmp_path, text)
    mean = np.median(prepared.volumes["sessions"], axis=0)
    assert mean[7] == mean[19] == 0
    assert mean[11] / mean[0] == pytest.approx(2.0, rel=0.05)
    assert mean[0] == pytest.approx(1000, rel=0.05)
    assert not any(check.name.startswith("history-season") for check in prepared.checks)


def test_a_month_of_the_year_that_is_always_closed_stays_closed() -> None:
    units = np.tile([100.0] * 6 + [0.0] + [100.0] * 5, 2)
    found = forecast_volume(History(JANUARY, units), JANUARY + 24, 12, 500, np.random.default_rng(0))
    assert np.all(found.units[:, 6] == 0)
    assert np.all(found.units[:, :6] > 50)


@pytest.mark.slow
def test_only_the_latest_ten_years_count() -> None:
    old, new = np.full(200, 10.0), np.full(120, 1000.0)
    rng = np.random.default_rng(0)
    long = forecast_volume(History(JANUARY, np.concatenate([old, new])), JANUARY + 320, 12, 500, rng)
    short = forecast_volume(History(JANUARY + 200, new), JANUARY + 320, 12, 500, np.random.default_rng(0))
    np.testing.assert_allclose(long.units, short.units)


@pytest.mark.parametrize("style", ["iso", "date", "slash", "semicolon"])
def test_months_are_read_in_the_usual_ways(tmp_path: Path, style: str) -> None:
    lines = {
        "iso": ["when,n", *(f"2024-{m:02d},{m}" for m in range(1, 9))],
        "date": ["when,n", *(f"2024-{m:02d}-15,{m}" for m in range(1, 9))],
        "slash": ["when,n", *(f"28/{m}/2024,{m}" for m in range(1, 9))],
        "semicolon": ["when;n", *(f"2024-{m:02d};{m},5" for m in range(1, 9))],
    }[style]
    file = tmp_path / "h.csv"
    file.write_text("\n".join(lines), encoding="utf-8")
    found = read_history(
        Reading(file, "h.csv", "volumes.a.history", {"month": "when", "units": "n"}),
    )
    assert month_name(found.first) == "2024-01"
    extra = 0.5 if style == "semicolon" else 0.0
    assert found.units.tolist() == [m + extra for m in range(1, 9)]


MONTHS = "".join(f"2024-{m:02d},10\n" for m in range(1, 10))


@pytest.mark.parametrize(
    ("table", "found", "line"),
    [
        ("month,units\n2024-01,10\n2024-02,11\n", "2 months with a figure", None),
        (f"month,units\n{MONTHS}2024-03,9\n", "already: 2024-03 (line 11)", 11),
        (f"month,units\n{MONTHS}2024-10,-4\n", '"-4" is negative (line 11)', 11),
        (f"month,units\n{MONTHS}2024-13,4\n", 'no month of the calendar: "2024-13"', 11),
        (f"month,units\n{MONTHS},90\n", "units without a month: 90", 11),
        (f"month,units\n{MONTHS}2024-10,0\n", "0 units in 2024-10", None),
        (f"month,visits\n{MONTHS}", 'no column "units"', None),
        ("month,units\nJan 24,5\nFeb 24,6\n", "is not a date", 2),
        ("month,units\n" + "2024-01,5\n" * 3000, "3000 rows", None),
    ],
)
def test_a_table_that_is_no_history_is_refused(
    tmp_path: Path, table: str, found: str, line: int | None
) -> None:
    (tmp_path / "history.csv").write_text(table, encoding="utf-8")
    problems = problems_of(tmp_path)
    assert any(found in problem.found for problem in problems), problems
    assert all(problem.allowed for problem in problems)
    assert any(problem.line == line for problem in problems)


@pytest.mark.parametrize(
    ("old", "new", "found"),
    [
        ("[volumes.sessions]", "[volumes.sessions]\nmonthly = 5", "monthly and history together"),
        ("[volumes.sessions]", "[volumes.sessions]\ngrowth = 0.1", "growth beside a history"),
        ("[volumes.sessions]", f"[volumes.sessions]\nseasonality = {[1] * 12}", "from which it is learnt"),
        ('"history.csv"', '"nowhere.csv"', "does not exist"),
        ('data = "history.csv"', 'data = "history.csv", columns = { units = "n" }', 'no column "n"'),
        ('data = "history.csv"', 'data = "history.csv", columns = { unit = "n" }', "unit is"),
        ("horizon = 24", "horizon = 24\nstart = 2080-01-01", "the history runs from"),
        ("horizon = 24", "horizon = 24\nstart = 2020-01-01", "the history runs from"),
    ],
)
def test_contradictions_are_told(tmp_path: Path, old: str, new: str, found: str) -> None:
    write(tmp_path, np.full(24, 1000.0))
    text = CONFIG.replace(old, new)
    assert text != CONFIG
    problems = problems_of(tmp_path, text)
    assert any(found in problem.found for problem in problems), problems


def test_a_history_may_stand_beside_a_stock(tmp_path: Path) -> None:
    write(tmp_path, np.full(12, 100.0))
    text = CONFIG.replace("[volumes.sessions]", "[volumes.sessions]\nstock = 5_000")
    assert prepared_of(tmp_path, text).volumes["sessions"].shape == (4000, 24)
