"""Which configs are meant where many may be named: files, folders, patterns."""

from __future__ import annotations

import glob
import tomllib
from collections.abc import Iterable, Sequence
from pathlib import Path

from sim.errors import Problems

CONFIG = "config.toml"


def configs_in(places: Sequence[str | Path], problems: Problems) -> list[Path]:
    """Return the configs that are meant, in the order of the places and within one by name, each once.

    Parameters
    ----------
    places : sequence of path
        A file; a folder, which stands for its ``config.toml``, or else for every config in it:
        ``*.toml`` with a ``[programme]``, and ``*/config.toml``; or a pattern with ``*``, ``?``, ``[…]`` or
        ``**`` for files and folders.
    problems : Problems
        Takes the places where there is none.
    """
    found: dict[Path, Path] = {}
    for place in map(Path, places):
        here = list(_at(place))
        if not here:
            told = "no config here" if place.is_dir() else "there is no such file or folder"
            allowed = "a config, a folder with configs, or a pattern such as pilots/*.toml"
            problems.add(told, allowed=allowed, file=str(place))
        for path in here:
            found.setdefault(path.resolve(), path)
    return list(found.values())


def _at(place: Path) -> Iterable[Path]:
    if place.is_dir():
        return _inside(place)
    if place.exists():
        return [place]
    if not glob.has_magic(str(place)):
        return []
    matches = sorted(map(Path, glob.glob(str(place), recursive=True)))
    folders = [path for path in matches if path.is_dir()]
    return [
        config
        for path in matches
        for config in (_inside(path) if path in folders else [path] if path.suffix == ".toml" else [])
    ]


def _inside(folder: Path) -> list[Path]:
    if (folder / CONFIG).is_file():
        return [folder / CONFIG]
    return sorted([*filter(_is_config, folder.glob("*.toml")), *folder.glob(f"*/{CONFIG}")])


def _is_config(path: Path) -> bool:
    """Whether a TOML file is a config; one that cannot be read is, so that its trouble is told."""
    try:
        return "programme" in tomllib.loads(path.read_text("utf-8"))
    except (OSError, ValueError):
        return True
