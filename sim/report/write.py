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
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

from sim.errors import Problem, ProblemsError
from sim.report.tables import write_json

MANIFEST = "manifest.json"
_BUILDING, _RETIRED = ".building", ".retired"
# A directory is made a moment before it is locked; leave young ones alone.
_GRACE_SECONDS = 60.0

type Manifest = Mapping[str, Any]
type Build = Callable[[Path], Manifest]


def file_name(name: str) -> str:
    """Return any text as a file name that stays in its folder; different texts stay different.

    Examples
    --------
    >>> file_name("checkout"), file_name("客服"), file_name("../a b")
    ('checkout', '客服', 'a_b-2c2c79')
    """
    kept = "".join(char if char.isalnum() or char in "-_" else "_" for char in name).strip("_")[:60]
    if kept == name:
        return name
    return f"{kept or 'outcome'}-{hashlib.sha256(name.encode()).hexdigest()[:6]}"


def is_whole(path: Path) -> bool:
    """Tell whether a directory is a finished run: its manifest is there and every hash is right.

    Files that the manifest does not name (results of other commands) are not looked at.
    """
    try:
        files = json.loads((path / MANIFEST).read_text(encoding="utf-8"))["files"]
        return all(_sha256(path / name) == digest for name, digest in files.items())
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
    with _disk_problems(target):
        target.parent.mkdir(parents=True, exist_ok=True)
        _clean(target)
        if _occupied(target) and not replace:
            return False
        folder = target.with_name(f".{target.name}.{secrets.token_hex(4)}{_BUILDING}")
        folder.mkdir()
        try:
            with _locked(folder, fresh=True):
                manifest = build(folder)
                _seal(folder, manifest)
                return _move(folder, target, replace)
        finally:
            shutil.rmtree(folder, ignore_errors=True)


def _occupied(target: Path) -> bool:
    """Tell whether a whole run is at the target; refuse anything else that is there."""
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
        list(pool.map(_fsync, [*everything, folder / MANIFEST, folder]))


def _move(folder: Path, target: Path, replace: bool) -> bool:
    retired: Path | None = None
    if replace and _occupied(target):
        retired = target.with_name(f".{target.name}.{secrets.token_hex(4)}{_RETIRED}")
        target.rename(retired)
    try:
        # A directory cannot be renamed onto one that holds anything: whoever comes first stays.
        folder.rename(target)
    except OSError:
        if retired is not None and not os.path.lexists(target):
            retired.rename(target)
        elif _occupied(target):
            return False
        raise
    _fsync(target.parent)
    if retired is not None:
        shutil.rmtree(retired, ignore_errors=True)
    return True


def _clean(target: Path) -> None:
    """Remove what killed processes left beside the target; bring back a run retired by one."""
    for retired in target.parent.glob(f".{target.name}.*{_RETIRED}"):
        if os.path.lexists(target):
            shutil.rmtree(retired, ignore_errors=True)
        elif is_whole(retired):
            with contextlib.suppress(OSError):
                retired.rename(target)
    for folder in target.parent.glob(f".*{_BUILDING}"):
        with contextlib.suppress(OSError):
            if time.time() - folder.stat().st_mtime > _GRACE_SECONDS:
                with _locked(folder, fresh=False):  # raises while its builder lives
                    shutil.rmtree(folder, ignore_errors=True)


@contextlib.contextmanager
def _locked(folder: Path, *, fresh: bool) -> Iterator[None]:
    """Hold a lock that the system releases when the process dies, however it dies."""
    if sys.platform == "win32":
        # No such locks there, so nothing may be taken for abandoned.
        if not fresh:
            raise OSError("cannot tell whether the builder lives")
        yield
        return
    import fcntl

    handle = os.open(folder, os.O_RDONLY)
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        yield
    finally:
        os.close(handle)


@contextlib.contextmanager
def _disk_problems(target: Path) -> Iterator[None]:
    """Tell trouble with the disk in one line; a file missing inside sim stays a bug."""
    try:
        yield
    except FileNotFoundError:
        raise
    except OSError as error:
        raise ProblemsError(
            Problem(
                found=f"the result could not be written: {error.strerror or error}",
                remedy="Free the disk or choose a writable place with --out; nothing was left behind.",
                file=str(target),
            )
        ) from error


def _sha256(path: Path) -> str:
    with path.open("rb") as handle:
        return hashlib.file_digest(handle, "sha256").hexdigest()


def _fsync(path: Path) -> None:
    """Flush a file or a directory's entries to the disk."""
    if sys.platform == "win32" and path.is_dir():
        return
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
