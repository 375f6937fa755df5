"""Compiled code in a cache of the user's own, kept as arrays: loading it runs it.

It lies in ``$XDG_CACHE_HOME/sim`` (``~/.cache/sim``; the variable ``SIM_CACHE`` names another folder, or
turns it off if empty), never beside results, and is only taken from a folder that nobody else can write to.
"""

from __future__ import annotations

import os
import stat
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from sim.whole import write_whole

MOST = 100
"""Files kept of a kind; what was used longest ago goes first."""


def folder(kind: str) -> Path | None:
    """Return the folder of a kind of code, or None where nothing is to be kept."""
    named = os.environ.get("SIM_CACHE")
    if named is not None:
        return Path(named) / kind if named else None
    base = os.environ.get("XDG_CACHE_HOME") or os.environ.get("LOCALAPPDATA")
    try:
        return (Path(base) if base else Path.home() / ".cache") / "sim" / kind
    except RuntimeError:  # no home
        return None


def find(kind: str, key: str) -> Path | None:
    """Return the file of a key if it is there and nobody else can have written it."""
    place = folder(kind)
    if place is None:
        return None
    file = place / f"{key}.npz"
    try:
        states = [path.lstat() for path in (place, file)]
    except OSError:
        return None
    kinds = stat.S_ISDIR(states[0].st_mode) and stat.S_ISREG(states[1].st_mode)
    own = not hasattr(os, "getuid") or all(
        state.st_uid == os.getuid() and not state.st_mode & (stat.S_IWGRP | stat.S_IWOTH) for state in states
    )
    return file if kinds and own else None


def read(file: Path) -> dict[str, Any]:
    """Return the arrays of a file that `find` found, and note that they were used.

    Raises
    ------
    Exception
        Whatever NumPy raises where the file is damaged.
    """
    with file.open("rb") as stream, np.load(stream, allow_pickle=False) as archive:
        arrays = {name: archive[name] for name in archive.files}
    os.utime(file)
    return arrays


def write(kind: str, key: str, arrays: Mapping[str, Any]) -> None:
    """Keep arrays under a key, whole, and drop what was used longest ago.

    Raises
    ------
    OSError
        Where the cache cannot be written.
    """
    place = folder(kind)
    if place is None:
        return
    place.mkdir(mode=0o700, parents=True, exist_ok=True)

    def save(path: Path) -> None:
        path.touch(mode=0o600)
        np.savez(path, allow_pickle=False, **arrays)

    write_whole(place / f"{key}.npz", save)
    kept = sorted(place.glob("*.npz"), key=lambda file: file.stat().st_mtime, reverse=True)
    for old in kept[MOST:]:
        old.unlink(missing_ok=True)
