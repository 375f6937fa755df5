"""Compiled loops: they do what they say in Python, and are loaded without numba where they were kept."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from sim import cache, native
from sim.registry import models

models()
from sim.models import _cohorts  # type: ignore[import-not-found]  # noqa: E402  # mounted by the registry

SIZES = {"states": 6, "months": 5, "tenures": 9, "stocked": 4}


def doubled(values: Any, found: Any, size: int) -> int:
    """Write twice every value."""
    for i in range(size):
        found[i] = 2.0 * values[i]
    return 0


def run_doubled() -> list[float]:
    values, found = np.arange(3.0), np.empty(3)
    native.run(doubled, values, found, 3)
    return [float(value) for value in found]


@pytest.fixture
def empty(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A cache with nothing in it, and nothing loaded."""
    monkeypatch.setenv("SIM_CACHE", str(tmp_path))
    monkeypatch.setattr(native, "_loaded", {})
    return tmp_path / "loops"


@pytest.mark.parametrize("tenures", [1, 9])
@pytest.mark.parametrize("observed", [3, 99])
def test_compiled_cohorts_are_those_of_the_text(tenures: int, observed: int) -> None:
    rng = np.random.default_rng(20260101)
    n, months = SIZES["states"], SIZES["months"]
    stocked = 1 if tenures == 1 else SIZES["stocked"]
    given = [
        rng.uniform(0.8, 1.0, tenures * n),
        rng.uniform(0.0, 0.3, tenures * n),  # with some reach, more than all would stay
        rng.uniform(-0.2, 1.5, months * n),
        rng.uniform(0, 9, months * n),
    ]
    cohorts = rng.uniform(0, 9, (stocked if tenures == 1 else months - 1 + stocked) * n)
    found = []
    for runs in (_cohorts._survivors, lambda *all: native.run(_cohorts._survivors, *all)):
        made = [cohorts.copy(), np.empty(months * n), np.empty(months * n)]
        runs(*given, *made, n, months, tenures, stocked, observed)
        found.append(made[1:])
    np.testing.assert_array_equal(found[0], found[1])
    assert (found[0][0] >= found[0][1]).all()


def test_what_was_compiled_is_loaded_by_the_next_process_without_numba(empty: Path) -> None:
    assert run_doubled() == [0.0, 2.0, 4.0]
    (file,) = empty.iterdir()
    code = (
        "import sys; from tests.test_native import run_doubled; assert run_doubled() == [0, 2, 4];"
        "assert 'numba' not in sys.modules; assert 'llvmlite' in sys.modules"
    )
    subprocess.run([sys.executable, "-c", code], check=True, cwd=Path(__file__).parents[1])
    assert [*empty.iterdir()] == [file]


@pytest.mark.parametrize("harm", ["cut", "changed", "writable"])
def test_what_is_damaged_or_foreign_is_compiled_anew(
    empty: Path, monkeypatch: pytest.MonkeyPatch, harm: str
) -> None:
    run_doubled()
    (file,) = empty.iterdir()
    content = file.read_bytes()
    if harm == "cut":
        file.write_bytes(content[: len(content) // 2])
    elif harm == "changed":
        with np.load(file) as archive:
            arrays = dict(archive)
        arrays["object"] = arrays["object"].copy()
        arrays["object"][100] ^= 1
        np.savez(file, allow_pickle=False, **arrays)
    else:
        file.chmod(0o666)
    assert native._load(doubled, "ppi") is None
    monkeypatch.setattr(native, "_loaded", {})
    assert run_doubled() == [0.0, 2.0, 4.0]
    assert native._load(doubled, "ppi") is not None


def test_other_text_kinds_and_versions_are_other_code(monkeypatch: pytest.MonkeyPatch) -> None:
    first = native._key(doubled, "ppi")
    assert len({first, native._key(run_doubled, "ppi"), native._key(doubled, "pip")}) == 3
    monkeypatch.setattr(native, "version", lambda _library: "0")
    assert native._key(doubled, "ppi") != first


def test_nothing_is_kept_where_the_cache_is_off(empty: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SIM_CACHE", "")
    assert run_doubled() == [0.0, 2.0, 4.0]
    assert not empty.exists()
    assert cache.folder("loops") is None


@pytest.mark.parametrize("values", [np.arange(6.0)[::2], np.arange(3), np.arange(3.0, dtype=np.float32)])
def test_arrays_that_would_be_misread_are_refused(values: Any) -> None:
    with pytest.raises(TypeError, match="C-contiguous"):
        native.run(doubled, values, np.empty(3), 3)
