"""A run directory that is there whole or not at all.

Files are made in a hidden directory beside the target, flushed to the disk, sealed by a manifest
with the hash of each, and moved into place by one rename, which never replaces anything.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import secrets
import shutil
from collections.abc import Callable, Collection, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

from sim.errors import Problem, ProblemsError
from sim.report.tables import write_json
from sim.whole import alone, flush, told, workplace

MANIFEST = "manifest.json"
_RETIRED = ".retired"

type Manifest = Mapping[str, Any]
type Build = Callable[[Path], Manifest]


_LONGEST_NAME = 180
"""Bytes; file systems allow 255, and letters have up to four."""


def file_name(name: str) -> str:
    """Return any text as a file name that stays in its folder; different texts stay different.

    Examples
    --------
    >>> file_name("checkout"), file_name("客服"), file_name("../a b")
    ('checkout', '客服', 'a_b-2c2c79')
    """
    kept = "".join(char if char.isalnum() or char in "-_" else "_" for char in name).strip("_")
    kept = kept.encode()[:_LONGEST_NAME].decode(errors="ignore")
    if kept == name:
        return name
    return f"{kept or 'outcome'}-{hashlib.sha256(name.encode()).hexdigest()[:6]}"


def is_whole(path: Path) -> bool:
    """Tell whether a directory is a finished run: its manifest is there and every hash is right.

    Files that the manifest does not name (results of other commands) are not looked at.
    """
    try:
        files = json.loads((path / MANIFEST).read_text(encoding="utf-8"))["files"]
        return all(_inside(name) and _sha256(path / name) == digest for name, digest in files.items())
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        return False


def publish(target: Path, build: Build, *, replace: bool = False) -> bool:
    """Build a run directory and move it into place, whole or not at all.

    Parameters
    ----------
    target : Path
        Where the run shall be. Parents are made.
    build : callable
        ``build(folder) -> manifest``: writes every file but the manifest into `folder` and returns
        the manifest's content; the hashes are added under ``files``.
    replace : bool
        Swap an existing whole run for the new one. Otherwise the existing one is kept, and `build`
        is not called.

    Returns
    -------
    bool
        True when this call's files are at `target`, False when a whole run was there already.

    Raises
    ------
    ProblemsError
        If something that is no whole run stands at `target` (it is left untouched), or the disk is
        full or not writable.
    """
    with told("the result", target), workplace(target) as folder:
        _recover(target)
        if occupied(target) and not replace:
            return False
        manifest = build(folder)
        _seal(folder, manifest)
        return _move(folder, target, replace)


def amend(target: Path, change: Callable[[Path, Manifest], object], without: Collection[str] = ()) -> None:
    """Change something in a whole run; all else in it stays as it is.

    The run is built anew beside itself and changes places with it.

    Parameters
    ----------
    target : Path
    change : callable
        ``change(folder, manifest)``: writes into the new folder.
    without : collection of str
        Names in the run that are not taken over.
    """
    manifest = json.loads((target / MANIFEST).read_text("utf-8"))
    del manifest["files"]

    def left_out(folder: str, names: Sequence[str]) -> set[str]:
        # Answers of other commands lie inside the run, with plots and manifests of their own.
        if Path(folder) != target:
            return set()
        # What a killed command left there, or a living one is making, is hidden.
        return {name for name in names if name.startswith(".")} | ({MANIFEST, *without} & set(names))

    def build(folder: Path) -> Manifest:
        shutil.copytree(target, folder, dirs_exist_ok=True, ignore=left_out)
        change(folder, manifest)
        return dict(manifest)

    publish(target, build, replace=True)


def occupied(target: Path) -> bool:
    """Tell whether a whole run is at the target; refuse anything else that is there.

    Raises
    ------
    ProblemsError
    """
    if not os.path.lexists(target):
        return False
    if is_whole(target):
        return True
    raise ProblemsError(
        Problem(
            found=f"{target} exists and is not a complete run",
            allowed="a free place, or a complete run of the same inputs",
            remedy="Move it away or delete it, or write elsewhere with --out.",
            file=str(target),
        )
    )


def _seal(folder: Path, manifest: Manifest) -> None:
    """Flush every file, then write the manifest that names them all."""
    everything = [path for path in folder.rglob("*") if not path.is_symlink()]
    # Results of other commands inside a run are sealed by manifests of their own.
    sealed = {path.parent for path in everything if path.name == MANIFEST}
    files = sorted(p for p in everything if p.is_file() and sealed.isdisjoint(p.parents))
    names = [path.relative_to(folder).as_posix() for path in files]
    with ThreadPoolExecutor(max_workers=8) as pool:
        hashes = dict(zip(names, pool.map(_sha256, files), strict=True))
        write_json(folder / MANIFEST, {**manifest, "files": hashes})
        # Waits for the disk once, not once for each file.
        list(pool.map(flush, [*everything, folder / MANIFEST, folder]))


def _move(folder: Path, target: Path, replace: bool) -> bool:
    """Rename the folder to the target, which must be free; tell whether it is there now."""
    retired: Path | None = None
    with alone(target.parent):
        if occupied(target):
            if not replace:
                return False  # whoever comes first stays
            retired = target.with_name(f".{target.name}.{secrets.token_hex(4)}{_RETIRED}")
            target.rename(retired)
        moved = False
        try:
            folder.rename(target)
            moved = True
            for parent in (target.parent, target.parent.parent):
                flush(parent)
        except OSError:
            if moved:
                target.rename(folder)
            if retired is not None and not os.path.lexists(target):
                retired.rename(target)
            elif occupied(target):
                return False
            raise
    if retired is not None:
        shutil.rmtree(retired, ignore_errors=True)
    return True


def _recover(target: Path) -> None:
    """Bring back a run that a killed process had set aside, or remove it where a newer one stands."""
    with alone(target.parent):
        for retired in target.parent.glob(f".{target.name}.*{_RETIRED}"):
            if os.path.lexists(target):
                shutil.rmtree(retired, ignore_errors=True)
            elif is_whole(retired):
                with contextlib.suppress(OSError):
                    retired.rename(target)


def _inside(name: str) -> bool:
    """Tell whether a manifest, which anybody may have written, names a file of its own folder."""
    return not (Path(name).is_absolute() or ".." in Path(name).parts)


def _sha256(path: Path) -> str:
    if not path.is_file():  # a pipe or a device would never end
        raise OSError(f"{path} is no file")
    with path.open("rb") as handle:
        return hashlib.file_digest(handle, "sha256").hexdigest()
