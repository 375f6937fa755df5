"""Figures depend on no thread, processor, time zone, locale, folder or hash seed, nor on who fitted when.

Everything is compared bit for bit, so there are no false alarms: a difference is one. Fits are too short to
be trusted, which does not matter here.
"""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tests.determinism import Surroundings, figures, locale_of, process, run
from tests.test_determinism import written

pytestmark = pytest.mark.slow

ELSEWHERE = {
    "two threads": Surroundings(2),
    "four threads": Surroundings(4),
    "one processor": Surroundings(1, one_processor=True),
    "New Zealand": Surroundings(variables={"TZ": "Pacific/Auckland"}),
    "hash seed": Surroundings(variables={"PYTHONHASHSEED": "12345"}),
    "no locale": Surroundings(variables={"LC_ALL": "C"}),
    "tr_TR.UTF-8": Surroundings(host=True),
    "de_DE.UTF-8": Surroundings(host=True),
}

FITTED = """\
[programme]
name = "Two outcomes"
currency = "EUR"
horizon = 12
[pilot]
data = "pilot.csv"
segment = "land"
arm = { column = "arm", control = "a", treated = "b" }
[outcomes.sale]
model = "conversion"
columns = { outcome = "sold" }
volume = { low = 900, high = 1_100 }
value = 30
[outcomes.time]
model = "cost"
columns = { amount = "minutes" }
unit = "minute"
volume = { low = 900, high = 1_100 }
value = { amount = 32, per = "hour" }
realisation = 0.5
[costs]
all = { low = 4_000, high = 6_000 }
[sampling]
draws = 250
tune = 250
"""
UNTRUSTED = (0, 3)


def elsewhere(name: str, folder: Path) -> Surroundings:
    how = ELSEWHERE[name]
    if "UTF-8" in name:
        return Surroundings(how.threads, variables=locale_of(name, folder), host=True)
    return how


def pilot(folder: Path, rows: int = 3000) -> Path:
    """Rows with fractions whose sum hangs on the order in which they are added up."""
    folder.mkdir(parents=True)
    rng = np.random.default_rng(4)
    arm, land = rng.integers(0, 2, rows), rng.integers(0, 3, rows)
    sold, minutes = rng.random(rows) < 0.1 + 0.03 * arm, rng.gamma(2.0, 5.0 - arm, rows)
    lines = [
        f"{'ab'[a]},{'xyz'[s]},{int(y)},{m!r}"
        for a, s, y, m in zip(arm, land, sold, minutes.tolist(), strict=True)
    ]
    (folder / "pilot.csv").write_text("\n".join(["arm,land,sold,minutes", *lines]) + "\n", encoding="utf-8")
    (folder / "c.toml").write_text(FITTED, encoding="utf-8")
    return folder / "c.toml"


def posterior(cwd: Path, answer: dict[str, Any]) -> dict[str, np.ndarray[Any, Any]]:
    """Draws of every outcome of a run, from the files that ArviZ reads."""
    import xarray

    found = {}
    for file in sorted((cwd / answer["run"] / "posterior").glob("*.nc")):
        with xarray.open_datatree(file, engine="h5netcdf") as tree:
            draws = tree["posterior"].to_dataset()
            found |= {f"{file.stem} {name}": draws[name].values for name in draws.data_vars}
    assert found
    return found


def same(one: dict[str, Any], other: dict[str, Any]) -> None:
    assert one.keys() == other.keys()
    for name, values in one.items():
        np.testing.assert_array_equal(other[name], values, err_msg=name)


@pytest.mark.parametrize("name", sorted(ELSEWHERE))
def test_a_forecast_without_a_fit(name: str, tmp_path: Path) -> None:
    config = written(tmp_path / "here")
    first = run(["forecast", config], tmp_path, Surroundings(1))
    again = run(["forecast", config, "--out", "ut"], tmp_path, elsewhere(name, tmp_path))
    assert figures(again, tmp_path) == figures(first, tmp_path)
    assert {**again, "run": ""} == {**first, "run": ""}


@pytest.fixture(scope="module")
def fitted(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, dict[str, Any]]:
    """Return the folder of a forecast whose outcomes were fitted with two threads, and its answer."""
    folder = tmp_path_factory.mktemp("fitted")
    config = pilot(folder / "here")
    command = ["forecast", config, "--allow-untrusted"]
    return folder, run(command, folder, Surroundings(2), codes=UNTRUSTED)


@pytest.mark.parametrize("name", ["four threads", "one processor", "hash seed", "de_DE.UTF-8"])
def test_a_forecast_that_fits(name: str, fitted: tuple[Path, dict[str, Any]], tmp_path: Path) -> None:
    folder, first = fitted
    config = pilot(tmp_path / "there")
    command = ["forecast", config, "--allow-untrusted"]
    again = run(command, tmp_path, elsewhere(name, tmp_path), codes=UNTRUSTED)
    assert figures(again, tmp_path) == figures(first, folder)
    same(posterior(folder, first), posterior(tmp_path, again))


def test_stored_fits_and_new_ones_are_the_same(fitted: tuple[Path, dict[str, Any]], tmp_path: Path) -> None:
    """From the store, sampled again on top of it, and with one outcome stored and the other one new."""
    folder, first = fitted
    config = folder / "here" / "c.toml"
    shutil.copytree(folder / "results" / ".fits", tmp_path / "all" / ".fits")
    command = ["forecast", config, "--allow-untrusted", "--out"]
    stored = run([*command, tmp_path / "all"], tmp_path, Surroundings(2), codes=UNTRUSTED)
    anew = run([*command, tmp_path / "all", "--refit"], tmp_path, Surroundings(2), codes=UNTRUSTED)
    for answer in (stored, anew):
        assert figures(answer, tmp_path) == figures(first, folder)
    # One after the other: first the sale alone, then both, of which one is there already.
    alone = pilot(tmp_path / "alone")
    text = alone.read_text("utf-8")
    alone.write_text(text[: text.index("[outcomes.time]")] + text[text.index("[costs]") :], encoding="utf-8")
    sale = run(["forecast", alone, "--allow-untrusted"], alone.parent, Surroundings(2), codes=UNTRUSTED)
    alone.write_text(text, encoding="utf-8")
    both = run(["forecast", alone, "--allow-untrusted"], alone.parent, Surroundings(2), codes=UNTRUSTED)
    assert figures(both, alone.parent) == figures(first, folder)
    draws = posterior(folder, first)
    only = posterior(alone.parent, sale)
    assert 0 < len(only) < len(draws)
    same(only, {name: draws[name] for name in only})


@pytest.mark.parametrize(
    "command",
    [
        ("sensitivity",),
        ("sweep", "--vary", "costs.build=4000:9000:12", "--vary", "rollout.delay=0,1,2"),
        ("target", "--solve", "outcomes.stay.value", "--goal", "npv=0"),
    ],
    ids=lambda words: words[0],
)
def test_what_stands_on_a_forecast(command: tuple[str, ...], tmp_path: Path) -> None:
    """Regressions, grids over threads and searches: the whole answer, with one thread and with four."""
    config = written(tmp_path / "here")
    answers = []
    for where, how in (("one", Surroundings(1, one_processor=True)), ("four", Surroundings(4))):
        (tmp_path / where).mkdir()
        answers.append(run([command[0], config, *command[1:]], tmp_path / where, how))
    assert answers[0] == answers[1]


def test_many_rows_are_added_up_alike(tmp_path: Path) -> None:
    """The database may split 300,000 rows between threads; the last digits of sums must not show it."""
    config = pilot(tmp_path / "many", rows=300_000)
    code = (
        "import sys; from pathlib import Path; from sim.engine.prepare import prepare; "
        "found = prepare(Path(sys.argv[1])).summaries; "
        "print({name: summary.fingerprint() for name, summary in found.items()})"
    )
    found = {
        process(["-c", code, config], tmp_path, how)
        for how in (Surroundings(1, one_processor=True), Surroundings(2), Surroundings(4))
    }
    assert len(found) == 1
    assert found.pop().count(b"'") == 8
