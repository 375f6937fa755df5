"""Keeps what was read of a pilot table, so that the same table is not read twice.

One archive of arrays a table, ``<store>/pilots/<key>.npz``, with everything else as JSON in ``record``. A
damaged one is not believed, and nothing in it is ever run: the table is read again.
"""

from __future__ import annotations

import hashlib
import json
import zipfile
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np

from sim.pilot.pilot import Pilot
from sim.records.check import Check
from sim.records.columns import ColumnSet
from sim.records.summary import Design, PilotSummary, Series
from sim.whole import write_whole

_SERIES = ("numerator", "denominator", "variance")


def key_of(asked: str, files: Mapping[str, str], source: bytes) -> str:
    """Hash everything that determines what is read.

    Parameters
    ----------
    asked : str
        The model's name and all of the reading.
    files : mapping of str to str
        Resolved file name to digest.
    source : bytes
        The model's source text; that of this room is added.
    """
    digest = hashlib.sha256(json.dumps([asked, dict(sorted(files.items()))]).encode())
    digest.update(source)
    for path in sorted(Path(__file__).parent.glob("*.py")):
        digest.update(path.read_bytes())
    return digest.hexdigest()


def load(store: Path, key: str, column_sets: Sequence[ColumnSet]) -> Pilot | None:
    """Return what is kept under `key`, None without it or where it is damaged."""
    try:
        with _place(store, key).open("rb") as file, np.load(file, allow_pickle=False) as archive:
            arrays = {name: archive[name] for name in archive.files}
        record = json.loads(arrays.pop("record").tobytes())
        return _unpacked(record, arrays, column_sets)
    except (OSError, ValueError, KeyError, TypeError, IndexError, EOFError, zipfile.BadZipFile):
        return None


def save(store: Path, key: str, pilot: Pilot, column_sets: Sequence[ColumnSet]) -> None:
    """Keep a pilot whole; where that cannot be done, the table is read again next time."""
    record, arrays = _packed(pilot, column_sets)
    arrays["record"] = np.frombuffer(json.dumps(record).encode(), dtype=np.uint8)
    place = _place(store, key)
    with suppress(OSError):
        write_whole(place, lambda path: np.savez(path, allow_pickle=False, **arrays))


def digest(pilot: Pilot, column_sets: Sequence[ColumnSet]) -> str:
    """Hash everything that was read: what stands for the table where it lies in a warehouse."""
    record, arrays = _packed(pilot, column_sets)
    found = hashlib.sha256(json.dumps(record).encode())
    for name, values in sorted(arrays.items()):
        whole = np.ascontiguousarray(values)
        found.update(f"{name} {whole.dtype} {whole.shape}".encode())
        found.update(whole.tobytes())
    return found.hexdigest()


def _place(store: Path, key: str) -> Path:
    return store / "pilots" / f"{key}.npz"


def _packed(pilot: Pilot, column_sets: Sequence[ColumnSet]) -> tuple[dict[str, Any], dict[str, Any]]:
    summary, series = pilot.summary, pilot.summary.series
    arrays = {f"statistics.{name}": values for name, values in summary.statistics.items()}
    arrays["size"] = summary.size
    record: dict[str, Any] = {
        "checks": [check.packed() for check in pilot.checks],
        "column_set": list(column_sets).index(pilot.column_set),
        "arms": summary.arms,
        "segments": summary.segments,
        "has_control": summary.has_control,
        "months": summary.months,
        "origin": summary.origin,
        "design": asdict(summary.design),
        "series": None,
    }
    if series is not None:
        arrays |= {f"series.{name}": getattr(series, name) for name in _SERIES}
        record["series"] = {
            name: getattr(series, name) for name in ("periods", "launch", "months", "calendar")
        }
    return record, arrays


def _unpacked(
    record: Mapping[str, Any], arrays: Mapping[str, Any], column_sets: Sequence[ColumnSet]
) -> Pilot:
    design, series = dict(record["design"]), None
    if design["bias"] is not None:
        design["bias"] = tuple(design["bias"])
    if record["series"] is not None:
        told = dict(record["series"])
        for name in ("periods", "calendar"):
            told[name] = tuple(told[name])
        series = Series(**told, **{name: arrays[f"series.{name}"] for name in _SERIES})
    summary = PilotSummary(
        tuple(record["arms"]),
        tuple(record["segments"]),
        {
            name.removeprefix("statistics."): values
            for name, values in arrays.items()
            if name.startswith("statistics.")
        },
        arrays["size"],
        has_control=record["has_control"],
        months=record["months"],
        origin=record["origin"],
        design=Design(**design),
        series=series,
    )
    return Pilot(
        summary, tuple(Check.unpacked(check) for check in record["checks"]), column_sets[record["column_set"]]
    )
