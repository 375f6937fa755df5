"""Sweeps, backtests and calibrations on a Dask scheduler: the same as here, to the last digit."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

import sim as library
from calibration.__main__ import main
from tests.conftest import ROOT

pytestmark = pytest.mark.filterwarnings("default")  # of the cluster's own threads and sockets


@pytest.fixture(scope="module")
def scheduler() -> Iterator[str]:
    """A scheduler with two workers on this machine."""
    from distributed import LocalCluster

    with LocalCluster(
        n_workers=2, threads_per_worker=1, dashboard_address="127.0.0.1:0", silence_logs=60
    ) as cluster:
        yield cluster.scheduler_address


def test_a_sweep(scheduler: str, tmp_path: Path) -> None:
    config = ROOT / "configs" / "prior-only" / "config.toml"
    vary = {
        "costs.licence.monthly": list(np.linspace(2000, 5000, 14)),
        "programme.horizon": list(range(12, 24)),
    }
    here = library.sweep(config, vary=vary, out=tmp_path / "here")
    there = library.sweep(config, vary=vary, out=tmp_path / "there", scheduler=scheduler)
    assert len(here.result["rows"]) == 168
    assert there.result == here.result


PILOT = """\
[programme]
currency = "EUR"
[outcomes.sale]
model = "conversion"
data = "pilot.csv"
arm = { column = "arm", control = "old", treated = "new" }
columns = { trials = "n", successes = "k" }
period = "month"
volume = 1000
value = 10
[costs]
all = 100
[sampling]
draws = 250
tune = 250
"""


@pytest.mark.slow  # seven fits
def test_a_backtest(scheduler: str, tmp_path: Path) -> None:
    rows = [
        f"{arm},{month},2000,{k + 5 * month}" for arm, k in (("old", 200), ("new", 260)) for month in range(6)
    ]
    (tmp_path / "pilot.csv").write_text("\n".join(["arm,month,n,k", *rows]))
    (tmp_path / "config.toml").write_text(PILOT)
    here, there = (
        library.backtest(
            tmp_path / "config.toml",
            holdout=1,
            origins=3,
            out=tmp_path / name,
            scheduler=where,
            allow_untrusted=True,
        )
        for name, where in (("here", None), ("there", scheduler))
    )
    assert len(here.result["rows"]) == 6
    assert there.result == here.result


@pytest.mark.slow  # a few fits, twice
def test_a_calibration(scheduler: str, tmp_path: Path) -> None:
    for name, more in (("here", ["--processes", "2"]), ("there", ["--scheduler", scheduler])):
        page = tmp_path / name / "page.md"
        page.parent.mkdir()
        common = ["--n", "3", "--again", "0", "--cells", "cost-randomised", "--page", str(page)]
        main([*common, "--store", str(tmp_path / name / "store"), *more])
    here, there = (sorted((tmp_path / name / "store").glob("*.npz")) for name in ("here", "there"))
    assert [path.name for path in here] == [path.name for path in there]
    assert here
    for one, other in zip(here, there, strict=True):
        with np.load(one) as a, np.load(other) as b:
            assert set(a.files) == set(b.files)
            assert all((a[name] == b[name]).all() for name in a.files)
