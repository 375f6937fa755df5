"""Results in a notebook: the summary, the plots as figures, data frames, and the example that is shipped."""

from __future__ import annotations

import ast
import json
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow.parquet
import pytest
from matplotlib.figure import Figure

import sim
from sim.errors import ProblemsError
from tests.conftest import ROOT
from tests.test_workbook import PRIOR_ONLY, exact

NOTEBOOK = ROOT / "configs" / "prior-only" / "forecast.ipynb"
PNG = b"\x89PNG\r\n\x1a\n"


@pytest.fixture(scope="module")
def result(tmp_path_factory: pytest.TempPathFactory) -> sim.Result:
    return sim.forecast(PRIOR_ONLY, out=tmp_path_factory.mktemp("results"), plots=False)


def shown(code: str, names: dict[str, Any]) -> Any:
    """Run a cell as a notebook does; what its last line says is what is shown."""
    lines = ast.parse(code).body
    last = lines.pop() if lines and isinstance(lines[-1], ast.Expr) else None
    exec(compile(ast.Module(lines, []), "cell", "exec"), names)  # noqa: S102
    return None if last is None else eval(compile(ast.Expression(last.value), "cell", "eval"), names)  # noqa: S307


def test_the_notebook_runs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    shutil.copy(PRIOR_ONLY, tmp_path)
    monkeypatch.chdir(tmp_path)
    book = json.loads(NOTEBOOK.read_text("utf-8"))
    assert (book["nbformat"], book["nbformat_minor"]) == (4, 5)
    names: dict[str, Any] = {}
    cells = [cell for cell in book["cells"] if cell["cell_type"] == "code"]
    assert all(not cell["outputs"] for cell in cells)
    seen = [shown("".join(cell["source"]), names) for cell in cells]
    assert "<table>" in seen[0]._repr_html_()
    assert all(figure._repr_png_().startswith(PNG) for figure in seen[1:3])
    assert seen[3].shape == (3, 3)
    assert seen[4].startswith("chance of a gain")
    assert seen[5] > 0
    assert seen[6] == {}


def test_the_summary_tells_the_figures_of_the_run(result: sim.Result) -> None:
    html = result._repr_html_()
    assert result.headline.split(";", maxsplit=1)[0].split("<")[0][:40] in html
    assert "Net present value" in html
    assert str(result.run) in html
    assert len(html) < 4000


def test_names_are_inert(tmp_path: Path) -> None:
    config = tmp_path / "pilot.toml"
    name = "<script>alert(1)</script><img src=x onerror=y>"
    config.write_text(exact(name=name), encoding="utf-8")
    html = sim.forecast(config, out=tmp_path / "results", plots=False)._repr_html_()
    assert "<script" not in html
    assert "<img" not in html
    assert "&lt;script&gt;" in html


@pytest.mark.parametrize("name", ["npv", "roi", "payback", "cash_flow"])
def test_plots_are_figures_and_write_nothing(result: sim.Result, name: str) -> None:
    before = sorted(result.run.rglob("*"))
    figure = getattr(result.plot, name)()
    assert isinstance(figure, Figure)
    assert figure.axes[0].get_xlabel()
    assert figure._repr_png_().startswith(PNG)
    assert sorted(result.run.rglob("*")) == before


def test_frames_hold_the_samples(result: sim.Result) -> None:
    frame, table = result.samples, pyarrow.parquet.read_table(result.run / "samples.parquet")
    assert type(frame).__module__.startswith("pandas")
    assert list(frame.columns) == table.column_names
    assert frame["metrics.npv"].mean() == pytest.approx(result.summary["metrics"]["npv"]["mean"])
    assert np.array_equal(frame["metrics.npv"].to_numpy(), table["metrics.npv"].to_numpy())
    cash = result.cash_flow
    assert set(cash["kind"]) == {"benefit", "cost", "net", "cumulative", "cumulative_discounted"}


def test_a_missing_library_is_told(result: sim.Result, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(__import__("sys").modules, "polars", None)
    with pytest.raises(ProblemsError, match="polars"):
        result.frame("polars")


def test_without_money_there_is_nothing_to_draw(tmp_path: Path) -> None:
    config = tmp_path / "kpi.toml"
    config.write_text(
        '[programme]\ncurrency="EUR"\n[outcomes.csat]\nmodel="conversion"\ncontrol=0.5\ntreated=0.6\n',
        "utf-8",
    )
    kpi = sim.forecast(config, out=tmp_path / "results", plots=False)
    assert "<table>" not in kpi._repr_html_()
    with pytest.raises(ProblemsError, match="money"):
        kpi.plot.payback()
