"""Keeps fits on disk, each under a key of everything that determines it.

``<store>/<key>/`` holds ``draws.npz`` (what the simulation reads), ``posterior.nc`` (what ArviZ reads) and
``fit.json`` (checks, diagnostics, and the hashes of the other two). A folder is written under another name
and renamed whole; what is found damaged is not believed. Reading a stored fit imports no sampler.
"""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import tempfile
import zipfile
from collections.abc import Callable, Mapping
from dataclasses import asdict
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

FORMAT = 1
_LIBRARIES = ("pymc", "pytensor", "nutpie", "numpy", "arviz")
_DRAWS, _POSTERIOR, _RECORD = "draws.npz", "posterior.nc", "fit.json"


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
    """
    parts = {
        "format": FORMAT,
        "model": name,
        "data": summary.fingerprint(),
        "source": hashlib.sha256(source).hexdigest(),
        "priors": priors.model_dump(mode="json"),
        "settings": dict(settings),
        "versions": {library: version(library) for library in _LIBRARIES},
    }
    return hashlib.sha256(json.dumps(parts, sort_keys=True).encode()).hexdigest()


def prepare(store: Path) -> None:
    """Make sure that fits can be kept in `store`, before time is spent on one.

    Raises
    ------
    ProblemsError
        When the folder cannot be made or written to.
    """
    try:
        store.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=store):
            pass
    except OSError as error:
        raise ProblemsError(
            Problem(
                f"fits cannot be stored in {store}: {error.strerror}",
                "a folder that can be written to",
                "choose another one with --out or the variable SIM_FITS",
            )
        ) from error


def load(store: Path, key: str) -> Fit | None:
    """Return the fit stored under `key`, None without one.

    Raises
    ------
    ValueError
        When what is stored there is damaged.
    """
    folder = store / key
    if not folder.is_dir():
        return None
    try:
        record = json.loads((folder / _RECORD).read_text(encoding="utf-8"))
        body = record["body"]
        if record["sha256"] != _digest_json(body) or body["key"] != key or body["format"] != FORMAT:
            raise ValueError("the record was changed")
        for name, digest in body["files"].items():
            if _digest_file(folder / name) != digest:
                raise ValueError(f"{name} was changed")
        with np.load(folder / _DRAWS, allow_pickle=False) as archive:
            draws = {name: archive[name] for name in archive.files}
        checks = tuple(Check(**check) for check in body["checks"])
        return Fit(draws, checks, body["diagnostics"], folder / _POSTERIOR, key, reused=True)
    except (OSError, ValueError, KeyError, TypeError, AttributeError, EOFError, zipfile.BadZipFile) as error:
        raise ValueError(str(error) or type(error).__name__) from error


def save(
    store: Path,
    key: str,
    draws: Draws,
    checks: tuple[Check, ...],
    diagnostics: Mapping[str, float],
    write_posterior: Callable[[Path], None],
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
    new = Path(tempfile.mkdtemp(prefix=".new-", dir=store))
    try:
        arrays: dict[str, Any] = dict(draws)
        np.savez(new / _DRAWS, allow_pickle=False, **arrays)
        write_posterior(new / _POSTERIOR)
        body = {
            "format": FORMAT,
            "key": key,
            "checks": [asdict(check) for check in checks],
            "diagnostics": dict(diagnostics),
            "files": {name: _digest_file(new / name) for name in (_DRAWS, _POSTERIOR)},
        }
        text = json.dumps({"sha256": _digest_json(body), "body": body}, indent=1, ensure_ascii=False)
        (new / _RECORD).write_text(text, encoding="utf-8")
        new.chmod(0o755)
        if replace:
            discard(store, key)
        try:
            new.rename(store / key)
        except OSError:
            if not (store / key).is_dir():
                raise
    finally:
        shutil.rmtree(new, ignore_errors=True)
    return Fit(draws, checks, diagnostics, store / key / _POSTERIOR, key, reused=False)


def discard(store: Path, key: str) -> None:
    """Take a stored fit away in one step, so that nobody reads half of it."""
    old = Path(tempfile.mkdtemp(prefix=".old-", dir=store))
    try:
        os.rename(store / key, old / key)
    except FileNotFoundError:
        pass
    finally:
        shutil.rmtree(old, ignore_errors=True)


def _digest_file(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _digest_json(body: Mapping[str, Any]) -> str:
    return hashlib.sha256(json.dumps(body, sort_keys=True).encode()).hexdigest()
