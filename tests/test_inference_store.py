"""Stored fits: whole or not at all, verified, and found again only where everything is the same."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from sim.contract import EffectPrior, Priors
from sim.errors import ProblemsError
from sim.inference import store
from sim.records.check import Check
from sim.records.fit import Fit
from sim.registry import models
from tests.fitting import PENN, summary

KEY = "f" * 64
DRAWS = {"level": np.arange(12.0).reshape(3, 2, 2), "tau": np.ones((3, 1))}
CHECKS = (Check("convergence", "ok", "R-hat 1.000"), Check("posterior-predictive", "warn", "fern", "Größe"))


def save(folder: Path, draws: dict[str, Any] = DRAWS, **other: Any) -> Fit:
    def write(path: Path) -> None:
        path.write_bytes(b"netcdf")

    return store.save(folder, KEY, draws, CHECKS, {"rhat_max": 1.001}, write, **other)


def test_what_was_stored_comes_back(tmp_path: Path) -> None:
    saved = save(tmp_path)
    assert not saved.reused
    loaded = store.load(tmp_path, KEY)
    assert loaded is not None
    assert loaded.reused
    assert loaded.checks == CHECKS
    assert loaded.diagnostics == {"rhat_max": 1.001}
    assert loaded.netcdf.read_bytes() == b"netcdf"
    assert set(loaded.draws) == set(DRAWS)
    for name, values in DRAWS.items():
        np.testing.assert_array_equal(loaded.draws[name], values)
    assert [path.name for path in tmp_path.iterdir()] == [KEY], "nothing else is left behind"


def test_nothing_stored_is_no_fit(tmp_path: Path) -> None:
    assert store.load(tmp_path, KEY) is None


@pytest.mark.parametrize("name", ["draws.npz", "posterior.nc", "fit.json"])
@pytest.mark.parametrize("damage", ["cut", "flipped", "gone", "empty"])
def test_damage_is_found(tmp_path: Path, name: str, damage: str) -> None:
    save(tmp_path)
    path = tmp_path / KEY / name
    content = path.read_bytes()
    if damage == "cut":
        path.write_bytes(content[: len(content) // 2])
    elif damage == "flipped":
        middle = len(content) // 2
        path.write_bytes(content[:middle] + bytes([content[middle] ^ 1]) + content[middle + 1 :])
    elif damage == "empty":
        path.write_bytes(b"")
    else:
        path.unlink()
    with pytest.raises(ValueError, match=r".+"):
        store.load(tmp_path, KEY)


def test_a_changed_check_is_found(tmp_path: Path) -> None:
    """Turning a failure into a pass by hand must not make a fit trusted."""
    save(tmp_path)
    path = tmp_path / KEY / "fit.json"
    record = json.loads(path.read_text(encoding="utf-8"))
    record["body"]["checks"][1]["status"] = "ok"
    path.write_text(json.dumps(record), encoding="utf-8")
    with pytest.raises(ValueError, match="changed"):
        store.load(tmp_path, KEY)


def test_pickles_are_refused(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=r"allow_pickle|[Oo]bject array"):
        save(tmp_path, {"level": np.array([{"a": 1}], dtype=object)})
    assert list(tmp_path.iterdir()) == []


def test_a_failed_write_leaves_nothing(tmp_path: Path) -> None:
    def write(path: Path) -> None:
        path.write_bytes(b"half")
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        store.save(tmp_path, KEY, DRAWS, CHECKS, {}, write)
    assert list(tmp_path.iterdir()) == []


def test_a_concurrent_winner_stays_and_a_replacement_replaces(tmp_path: Path) -> None:
    save(tmp_path)
    other = {"level": np.zeros((3, 2, 2))}
    save(tmp_path, other)
    kept = store.load(tmp_path, KEY)
    assert kept is not None
    np.testing.assert_array_equal(kept.draws["level"], DRAWS["level"])
    save(tmp_path, other, replace=True)
    replaced = store.load(tmp_path, KEY)
    assert replaced is not None
    np.testing.assert_array_equal(replaced.draws["level"], 0)
    assert [path.name for path in tmp_path.iterdir()] == [KEY]


def test_a_folder_that_cannot_hold_fits_is_a_problem(tmp_path: Path) -> None:
    file = tmp_path / "file"
    file.write_text("")
    with pytest.raises(ProblemsError) as raised:
        store.prepare(file / "fits")
    assert "SIM_FITS" in raised.value.problems[0].found


def test_reading_a_stored_fit_loads_no_sampler(tmp_path: Path) -> None:
    save(tmp_path)
    code = (
        "import sys; from pathlib import Path; import sim.inference.fit; "
        "from sim.inference.store import load; "
        f"assert load(Path({str(tmp_path)!r}), {KEY!r}).reused; "
        "print(sorted({'pymc', 'pytensor', 'nutpie', 'arviz', 'xarray'} & set(sys.modules)))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def test_the_key_knows_everything_that_determines_a_fit(monkeypatch: pytest.MonkeyPatch) -> None:
    model = models()["cost"]
    pilot = summary(model, PENN)
    changed = summary(model, {**PENN, "sd": [[10.0], [10.0]]})
    relabelled = summary(model, PENN, arms=("control", "bonus"))
    believed = Priors(effect=EffectPrior(low=-0.1, high=0.1))
    keys = [
        store.key_of("cost", pilot, b"source", Priors(), {"seed": 1}),
        store.key_of("other", pilot, b"source", Priors(), {"seed": 1}),
        store.key_of("cost", changed, b"source", Priors(), {"seed": 1}),
        store.key_of("cost", relabelled, b"source", Priors(), {"seed": 1}),
        store.key_of("cost", pilot, b"other", Priors(), {"seed": 1}),
        store.key_of("cost", pilot, b"source", believed, {"seed": 1}),
        store.key_of("cost", pilot, b"source", Priors(), {"seed": 2}),
    ]
    assert store.key_of("cost", summary(model, PENN), b"source", Priors(), {"seed": 1}) == keys[0]
    monkeypatch.setattr(store, "version", lambda library: f"{library} 0")
    keys.append(store.key_of("cost", pilot, b"source", Priors(), {"seed": 1}))
    monkeypatch.setattr(store, "FORMAT", store.FORMAT + 1)
    keys.append(store.key_of("cost", pilot, b"source", Priors(), {"seed": 1}))
    assert len(set(keys)) == len(keys)
