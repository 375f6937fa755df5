"""A forecast from stored fits: what it loads, and how plots and page may come later."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

import sim
from sim.commands.answers import answer
from sim.commands.pages import has_page
from sim.commands.report import report
from sim.inference import store
from sim.records.check import Check
from sim.report.write import MANIFEST, is_whole
from tests.conftest import Sim

STATED = """\
[programme]
currency = "EUR"
horizon = 8
[outcomes.deflection]
model = "conversion"
control = 0.1
treated = { low = 0.2, high = 0.3 }
volume = 1000
value = 4
[costs]
setup = { low = 300, high = 500 }
[sampling]
draws = 100
chains = 2
"""
PILOT = """\
[programme]
currency = "EUR"
[pilot]
data = "pilot.csv"
arm = { column = "arm", control = "gammel", treated = "ny" }
segment = "land"
[outcomes.sale]
model = "conversion"
columns = { trials = "n", successes = "k" }
volume = { low = 900, high = 1100 }
value = 10
[costs]
all = 100
"""
TABLE = "arm,land,n,k\ngammel,Å,1000,100\nny,Å,1000,120\ngammel,挪威,900,90\nny,挪威,900,80\n"
HEAVY = {
    "arviz", "duckdb", "ibis", "jinja2", "joblib", "matplotlib", "nutpie", "pandas", "pyarrow.compute",
    "pyarrow.dataset", "pymc", "pytensor", "rich.progress", "scipy.stats", "scipy.optimize", "sklearn",
    "xarray",
}  # fmt: skip


def written(folder: Path, text: str = STATED) -> Path:
    (folder / "plan.toml").write_text(text, encoding="utf-8")
    return folder / "plan.toml"


def files(run: Path) -> dict[str, bytes]:
    return {
        path.relative_to(run).as_posix(): path.read_bytes()
        for path in run.rglob("*")
        if path.is_file() and path.name != MANIFEST
    }


def hidden(run: Path) -> list[Path]:
    return list(run.parent.glob(".*"))


def test_plots_may_come_later_and_no_figure_changes(tmp_path: Path) -> None:
    config, out = written(tmp_path), tmp_path / "out"
    bare = sim.forecast(config, out=out, plots=False)
    assert set(files(bare.run)) == {"summary.json", "samples.parquet", "cash_flow.parquet"}
    assert is_whole(bare.run)
    assert not has_page(bare.run)
    figures = files(bare.run)
    stamps = {name: (bare.run / name).stat().st_mtime_ns for name in figures}
    again = sim.forecast(config, out=out, plots=False)
    assert (again.run, again.reused) == (bare.run, True)
    assert {name: (bare.run / name).stat().st_mtime_ns for name in figures} == stamps

    whole = sim.forecast(config, out=out)
    assert (whole.run, whole.reused) == (bare.run, True)
    assert is_whole(whole.run)
    assert has_page(whole.run)
    drawn = files(whole.run)
    assert {name: drawn[name] for name in figures} == figures
    assert {"report.html", "plots/npv.png", "plots/cash_flow.png"} <= set(drawn)
    # The same as if they had been drawn at once, and now nothing is drawn any more.
    assert files(sim.forecast(config, out=tmp_path / "other").run) == drawn
    before = (whole.run / "report.html").stat().st_mtime_ns
    for plots in (True, False):
        assert sim.forecast(config, out=out, plots=plots).run == whole.run
    assert (whole.run / "report.html").stat().st_mtime_ns == before
    assert not hidden(whole.run)


def test_a_run_stays_as_it_was_when_drawing_fails(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    config, out = written(tmp_path), tmp_path / "out"
    bare = sim.forecast(config, out=out, plots=False)
    figures = files(bare.run)
    with monkeypatch.context() as broken:

        def fail(folder: Path, **_more: object) -> None:
            (folder / "plots").mkdir()
            raise KeyboardInterrupt

        broken.setattr("sim.report.plots.draw", fail)
        with pytest.raises(KeyboardInterrupt):
            sim.forecast(config, out=out)
    assert files(bare.run) == figures
    assert is_whole(bare.run)
    assert not hidden(bare.run)
    assert has_page(sim.forecast(config, out=out).run)


@pytest.mark.parametrize("way", ["report", "forecast"])
def test_answers_inside_a_run_outlive_its_plots(tmp_path: Path, way: str) -> None:
    config, out = written(tmp_path), tmp_path / "out"
    bare = sim.forecast(config, out=out, plots=False)

    def build(folder: Path) -> dict[str, str]:
        (folder / "plots").mkdir()
        (folder / "plots" / "sweep.png").write_bytes(b"png")
        (folder / "report.html").write_text("own")
        return {"sentence": "s"}

    found = answer(bare, "sweep", {"a": 1}, build)
    kept = {path: path.read_bytes() for path in found.path.rglob("*") if path.is_file()}
    whole = report(bare.run, out=out) if way == "report" else sim.forecast(config, out=out)
    assert has_page(whole.run)
    assert is_whole(found.path)
    assert {path: path.read_bytes() for path in found.path.rglob("*") if path.is_file()} == kept
    named = json.loads((whole.run / MANIFEST).read_text("utf-8"))["files"]
    assert not [name for name in named if name.startswith(found.path.name)]


def test_the_option_and_what_it_says(sim: Sim, tmp_path: Path) -> None:
    config = written(tmp_path)
    ran = sim("forecast", config, "--no-plots")
    assert ran.code == 0, ran.err
    assert "report.html" not in ran.out
    assert "sim report" in ran.out
    told = sim("report", "latest")
    assert told.code == 0, told.err
    assert "details in report.html" in told.out


def test_a_warm_forecast_loads_only_what_it_needs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """With the table on the shelf and the fit stored, another price is arithmetic.

    The stored fit is made up: what is judged is which modules are loaded, not a figure.
    """
    config, out = written(tmp_path, PILOT), tmp_path / "out"
    (tmp_path / "pilot.csv").write_text(TABLE, encoding="utf-8")

    class AskedError(Exception):
        pass

    def ask(folder: Path, key: str) -> None:
        raise AskedError(folder, key)

    with monkeypatch.context() as looking:
        looking.setattr("sim.inference.store.load", ask)
        with pytest.raises(AskedError) as asked:
            sim.forecast(config, out=out, plots=False)
    folder, key = asked.value.args
    level = np.random.default_rng(1).uniform(0.1, 0.2, (4000, 2, 2))
    checks = (Check("made-up", "ok", "no fit"),)
    store.save(folder, key, {"level": level}, checks, {}, lambda path: path.write_bytes(b"made up") and None)

    program = (
        "import sys; from sim.cli import main\n"
        f"sys.argv = ['sim', 'forecast', {str(config)!r}, '--out', {str(out)!r}, '--no-plots', '--json']\n"
        "try: main()\n"
        "except SystemExit as left: assert left.code == 0, left.code\n"
        f"loaded = {HEAVY!r} & set(sys.modules)\n"
        "sys.exit(f'loaded {loaded}' if loaded else 0)"
    )
    done = subprocess.run([sys.executable, "-c", program], check=False, capture_output=True)
    assert done.returncode == 0, done.stderr
    told = json.loads(done.stdout)
    assert told["result"]["metrics"]["npv"]["sd"] > 0
    assert (Path(told["run"]) / "posterior" / "sale.nc").read_bytes() == b"made up"
