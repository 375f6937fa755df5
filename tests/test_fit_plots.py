"""Prior against posterior and predictive checks: drawn from what a posterior holds, and kept with its fit."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import arviz as az
import numpy as np
import pytest
from PIL import Image

from sim.report import fit_plots as module
from sim.report import style
from sim.report.fit_plots import fit_plots
from sim.report.stored import Stored
from tests.synthetic_run import write_run


def posterior(path: Path, off: float, groups: tuple[str, ...] = ("prior", "predictive")) -> None:
    """Two cells: one as the model expects it, one `off` times its standard deviation away."""
    rng = np.random.default_rng(1)
    data: dict[str, Any] = {"posterior": {"delta": rng.normal(0.2, 0.1, (2, 200, 1))}}
    if "prior" in groups:
        data["prior"] = {"delta": rng.normal(0, 0.5, (1, 200, 1))}
    if "predictive" in groups:
        data["posterior_predictive"] = {"successes": rng.normal(100, 10, (1, 400, 2))}
        data["observed_data"] = {"successes": np.array([100.0, 100 + 10 * off])}
    dims = {"delta": ["treated"], "successes": ["cell"]}
    tree = az.from_dict(data, dims=dims, coords={"treated": ["bot"], "cell": ["人, Å", "bot, ไทย"]})
    path.parent.mkdir(exist_ok=True)
    tree.to_netcdf(path, engine="h5netcdf")


def drawn(folder: Path, monkeypatch: pytest.MonkeyPatch, **options: Any) -> tuple[list[str], list[str]]:
    write_run(folder, outcomes={"checkout": ("conversion", "success", 0.02, 0.1, False)})
    posterior(folder / "posterior" / "checkout.nc", **options)
    titles: list[str] = []
    save = style.save

    def noted(fig: Any, path: Path, *, title: str, **rest: Any) -> Path:
        titles.append(title)
        return save(fig, path, title=title, **rest)

    monkeypatch.setattr(module.style, "save", noted)
    with style.theme():
        found = fit_plots(Stored(folder), folder / "plots")
        again = [path.stat().st_mtime_ns for path in found]
        assert fit_plots(Stored(folder), folder / "plots") == found
    assert [path.stat().st_mtime_ns for path in found] == again  # a picture that is there stays
    for path in found:
        with Image.open(path) as picture:
            assert picture.convert("L").getextrema() != (255, 255)
    return [path.name for path in found], titles


def test_titles_say_what_the_data_did(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    names, titles = drawn(tmp_path, monkeypatch, off=4.0)
    assert names == ["posterior_checkout.png", "prior_checkout.png", "predictive_checkout.png"]
    _, prior, predictive = titles
    share = int(prior.split("leave ")[1].split(" %")[0])
    assert share == pytest.approx(20, abs=3)  # 0.1 of 0.5
    assert "1 of 2 cells" in predictive


def test_cells_as_expected_are_counted_so(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    _, titles = drawn(tmp_path, monkeypatch, off=0.5)
    assert "2 of 2 cells" in titles[2]


def test_what_a_posterior_does_not_hold_is_not_drawn(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    names, titles = drawn(tmp_path, monkeypatch, off=0.0, groups=())
    assert names == ["posterior_checkout.png"]
    assert len(titles) == 1
