"""Compiled models kept on disk: the same draws without PyMC, and nothing that is not to be believed."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import xarray as xr

from sim import cache
from sim.contract import Priors
from sim.inference import density
from sim.inference.fit import Sampler
from sim.registry import models, source
from tests.fitting import fit, fitted, hillstrom

CONVERSION = models()["conversion"]
GIVEN = CONVERSION, hillstrom(), Priors(), source("conversion")

FRESH = """\
import sys
from pathlib import Path
from sim.contract import Priors
from sim.inference.fit import Sampler
from sim.registry import models, source
from tests.fitting import fit, hillstrom

fit(models()["conversion"], hillstrom(), Priors(), Sampler(), seed=1, source=source("conversion"),
    store=Path(sys.argv[1]))
print("pymc" in sys.modules)
"""


@pytest.fixture
def kept(kept_densities: Path) -> Path:
    """Return the file of the conversion model, compiled by this test run."""
    fitted("conversion")
    structure = density._structure(CONVERSION, hillstrom(), CONVERSION.data(*GIVEN[1:3]), GIVEN[3])
    file = cache.find("densities", structure)
    assert file is not None
    assert file.parent == kept_densities / "densities"
    return file


def test_a_new_process_takes_what_was_compiled_and_draws_the_same(kept: Path, tmp_path: Path) -> None:
    """And writes the same posterior for ArviZ, without PyMC."""
    done = subprocess.run(
        [sys.executable, "-c", FRESH, tmp_path / "new"],
        capture_output=True,
        text=True,
        check=True,
        cwd=Path(__file__).parent.parent,
    )
    assert done.stdout == "False\n"
    here = fit(CONVERSION, hillstrom(), Priors(), Sampler(), seed=1, source=GIVEN[3], store=tmp_path / "new")
    assert here.reused
    first = fitted("conversion")
    assert set(here.draws) == set(first.draws)
    for name, values in first.draws.items():
        np.testing.assert_array_equal(here.draws[name], values)
    assert here.diagnostics == first.diagnostics
    for group in ("posterior", "prior", "posterior_predictive", "observed_data"):
        trees = [xr.open_datatree(file, engine="h5netcdf")[group] for file in (here.netcdf, first.netcdf)]
        xr.testing.assert_equal(*(tree.to_dataset() for tree in trees))


def changed(file: Path, **arrays: Any) -> None:
    with np.load(file) as archive:
        whole = dict(archive) | arrays
    with file.open("wb") as stream:
        np.savez(stream, **whole)


@pytest.fixture
def copy(kept: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Return a copy of the kept file in a cache of its own."""
    monkeypatch.setenv("SIM_CACHE", str(tmp_path))
    (tmp_path / "densities").mkdir(mode=0o700)
    file = tmp_path / "densities" / kept.name
    file.write_bytes(kept.read_bytes())
    file.chmod(0o600)
    assert density._load(kept.stem) is not None
    return file


def test_what_is_damaged_or_foreign_is_not_taken(copy: Path) -> None:
    content = copy.read_bytes()
    copy.write_bytes(content[: len(content) // 2])
    assert density._load(copy.stem) is None
    broken = bytearray(content)
    broken[len(content) // 2] ^= 1
    copy.write_bytes(broken)
    assert density._load(copy.stem) is None
    copy.write_bytes(content)
    with np.load(copy) as archive:
        value, record = archive["value"], archive["record"]
    changed(copy, value=np.nextafter(value, np.inf))
    assert density._load(copy.stem) is None
    # LLVM would end the process at a function that is not there.
    text = record.tobytes().replace(b'"symbols": [', b'"symbols": ["no_such_function", ')
    changed(copy, value=value, record=np.frombuffer(text, np.uint8))
    assert density._load(copy.stem) is None
    changed(copy, value=value, record=record)
    assert density._load(copy.stem) is not None


@pytest.mark.parametrize("what", ["file", "folder", "link"])
def test_what_others_could_have_written_is_not_run(copy: Path, what: str) -> None:
    if what == "link":
        elsewhere = copy.with_name("elsewhere")
        copy.rename(elsewhere)
        copy.symlink_to(elsewhere)
    else:
        (copy if what == "file" else copy.parent).chmod(0o770)
    assert density._load(copy.stem) is None
    assert cache.find("densities", copy.stem) is None


def test_what_is_kept_is_private_and_bounded(
    kept: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert kept.stat().st_mode & 0o077 == 0
    assert kept.parent.stat().st_mode & 0o077 == 0
    monkeypatch.setenv("SIM_CACHE", str(tmp_path))
    monkeypatch.setattr(cache, "MOST", 2)
    for age, key in enumerate("abc"):
        cache.write("densities", key, {"x": np.zeros(1)})
        os.utime(tmp_path / "densities" / f"{key}.npz", (age, age))
    (tmp_path / "densities" / ".dead.npz.1a2b3c4d.building").mkdir()
    cache.write("densities", "d", {"x": np.zeros(1)})
    assert {file.name for file in (tmp_path / "densities").iterdir()} == {"c.npz", "d.npz"}
    monkeypatch.setenv("SIM_CACHE", "")
    assert cache.find("densities", "d") is None
    cache.write("densities", "e", {"x": np.zeros(1)})
    assert not (tmp_path / "densities" / "e.npz").exists()


def test_a_cache_that_cannot_be_written_is_gone_without(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "file").touch()
    monkeypatch.setenv("SIM_CACHE", str(tmp_path / "file"))
    monkeypatch.setattr(density, "apart", lambda *_: {"x": np.zeros(1)})
    monkeypatch.setattr("nutpie.compile_pymc_model", lambda *_, **__: "made")
    assert density._compile("key", *GIVEN[:3]) == "made"


def test_other_sizes_sources_and_versions_are_other_structures(monkeypatch: pytest.MonkeyPatch) -> None:
    model, pilot, priors, text = GIVEN
    data = model.data(pilot, priors)
    first = density._structure(model, pilot, data, text)
    assert (
        density._structure(model, pilot, {name: np.array(v) * 2 for name, v in data.items()}, text) == first
    )
    others = [density._structure(model, pilot, data, text + b" ")]
    others.append(density._structure(model, hillstrom(), {**data, "more": np.zeros(2)}, text))
    monkeypatch.setattr(density, "version", lambda _: "9")
    others.append(density._structure(model, pilot, data, text))
    assert len({first, *others}) == 4
