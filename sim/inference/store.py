"""Keeps fits on disk, each under a key of everything that determines it.

``<store>/<key>/`` holds ``draws.npz`` (what the simulation reads), ``posterior.nc`` (what ArviZ reads) and
``fit.json`` (checks, diagnostics, and the hashes of the other two). A folder is written under another name
and renamed whole; what is found damaged is not believed. Reading a stored fit imports no sampler.
"""

from __future__ import annotations

import hashlib
import json
import os
import stat
import zipfile
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np

from sim.contract import Priors
from sim.errors import Problem, ProblemsError
from sim.records.arrays import Draws
from sim.records.check import Check
from sim.records.fit import Fit
from sim.records.summary import PilotSummary
from sim.records.versions import version
from sim.whole import alone, told, workplace

FORMAT = 1
_LIBRARIES = ("pymc", "pytensor", "nutpie", "numpy", "arviz")
_HALF = 32
_FILES = _DRAWS, _POSTERIOR, _RECORD = "draws.npz", "posterior.nc", "fit.json"


def key_of(
    name: str, summary: PilotSummary, source: bytes, priors: Priors, settings: Mapping[str, Any]
) -> str:
    """Hash everything that determines a fit: data, model, priors, settings, library versions, format.

    Parameters
    ----------
    name : str
        The outcome model.
    summary, source, priors
        Data, the model's source text, and its priors.
    settings : mapping
        Sampler settings and seed; must be writable as JSON.

    Returns
    -------
    str
        What was asked, and by what it was answered; each is half of the key.
    """
    asked = {
        "model": name,
        "data": summary.fingerprint(),
        "priors": priors.model_dump(mode="json"),
        "settings": dict(settings),
    }
    by = {
        "format": FORMAT,
        "source": hashlib.sha256(source).hexdigest(),
        "versions": {library: version(library) for library in _LIBRARIES},
    }
    return "".join(_digest_json(part)[:_HALF] for part in (asked, by))


def prepare(store: Path) -> None:
    """Make sure that fits can be kept in `store`, before time is spent on one.

    Raises
    ------
    ProblemsError
        When the folder cannot be made or written to.
    """
    try:
        with workplace(store / "fit") as folder:
            (folder / "tried").write_bytes(b"tried")
    except OSError as error:
        found = f"fits cannot be stored in {store} ({error.strerror}); choose another --out, or set SIM_FITS"
        raise ProblemsError(Problem(found)) from error


def is_there(store: Path, key: str) -> bool:
    """Tell whether a fit is stored under `key`, damaged or not."""
    return os.path.lexists(store / key)


def has_other_version(store: Path, key: str) -> bool:
    """Tell whether the same was fitted by other versions of the model or of the libraries."""
    return any(folder.name != key for folder in store.glob(f"{key[:_HALF]}*"))


def load(store: Path, key: str) -> Fit | None:
    """Return the fit stored under `key`, None without one.

    Raises
    ------
    ValueError
        When what is stored there is damaged.
    """
    folder = store / key
    if not is_there(store, key):
        return None
    try:
        # What stands in its place may lead elsewhere, or never end when it is read.
        for path, kind in ((folder, stat.S_ISDIR), *((folder / name, stat.S_ISREG) for name in _FILES)):
            if not kind(path.lstat().st_mode):
                raise ValueError(f"{path.name} is something else")
        record = json.loads((folder / _RECORD).read_text(encoding="utf-8"))
        body = record["body"]
        if record["sha256"] != _digest_json(body) or body["key"] != key or body["format"] != FORMAT:
            raise ValueError("the record was changed")
        for name in (_DRAWS, _POSTERIOR):
            if _digest_file(folder / name) != body["files"][name]:
                raise ValueError(f"{name} was changed")
        with np.load(folder / _DRAWS, allow_pickle=False) as archive:
            draws = {name: archive[name] for name in archive.files}
        checks = tuple(Check.unpacked(check) for check in body["checks"])
        return Fit(draws, checks, body["diagnostics"], folder / _POSTERIOR, key, reused=True)
    except (OSError, ValueError, KeyError, TypeError, AttributeError, EOFError, zipfile.BadZipFile) as error:
        raise ValueError(str(error) or type(error).__name__) from error


def save(
    store: Path,
    key: str,
    draws: Draws,
    checks: tuple[Check, ...],
    diagnostics: Mapping[str, float],
    write_posterior: Callable[[Path], object],
    *,
    replace: bool = False,
) -> Fit:
    """Store a fit whole and return it as stored.

    Where another process stored the same fit meanwhile, its copy stays unless `replace` is set; both hold
    the same numbers.

    Parameters
    ----------
    store, key, draws, checks, diagnostics
    write_posterior : callable
        Writes the NetCDF file to the path it is given.
    replace : bool
        Put this fit in the place of a stored one.
    """
    with told("a fit", store / key), workplace(store / key) as folder:
        new = folder / key
        new.mkdir()
        arrays: dict[str, Any] = dict(draws)
        np.savez(new / _DRAWS, allow_pickle=False, **arrays)
        write_posterior(new / _POSTERIOR)
        body = {
            "format": FORMAT,
            "key": key,
            "checks": [check.packed() for check in checks],
            "diagnostics": dict(diagnostics),
            "files": {name: _digest_file(new / name) for name in (_DRAWS, _POSTERIOR)},
        }
        text = json.dumps({"sha256": _digest_json(body), "body": body}, indent=1, ensure_ascii=False)
        (new / _RECORD).write_text(text, encoding="utf-8")
        with alone(store):
            old = folder / "old"
            if replace and is_there(store, key):
                (store / key).rename(old)  # taken away in one step: nobody reads half of it
            if not is_there(store, key):
                try:
                    new.rename(store / key)
                except OSError:
                    if os.path.lexists(old):
                        old.rename(store / key)
                    raise
    return Fit(draws, checks, diagnostics, store / key / _POSTERIOR, key, reused=False)


def _digest_file(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _digest_json(body: Mapping[str, Any]) -> str:
    return hashlib.sha256(json.dumps(body, sort_keys=True).encode()).hexdigest()
