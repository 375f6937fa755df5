"""Files and folders that are there whole or not at all.

Whatever sim keeps is made in a hidden folder beside its place and moved there by one rename. The maker
holds a lock on that folder, which the system releases when the process dies, however it dies. So whoever
makes something there next can tell what is being made from what was left, and clears the latter.
"""

from __future__ import annotations

import os
import secrets
import shutil
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from sim.errors import Problem, ProblemsError

_BUILDING = ".building"


@contextmanager
def workplace(place: Path) -> Iterator[Path]:
    """Make a hidden folder beside `place`, in which what belongs there can be made; it is gone afterwards.

    Parameters
    ----------
    place : Path
        Where the work shall go, by a rename. Its parents are made.
    """
    new = [parent for parent in place.parents if not parent.exists()]
    folder = place.with_name(f".{place.name}.{secrets.token_hex(4)}{_BUILDING}")
    lock: int | None = None
    try:
        place.parent.mkdir(parents=True, exist_ok=True)
        with alone(place.parent):  # else another could clear it in the moment before it is locked
            _clear(place.parent)
            folder.mkdir()
            lock = _lock(folder)
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)
        _release(lock)
        for parent in new:
            with suppress(OSError):  # something is in it
                parent.rmdir()


@contextmanager
def alone(folder: Path) -> Iterator[None]:
    """Wait until no other process is about to begin or end its work in `folder`; for a moment only."""
    lock = _lock(folder, wait=True)
    try:
        yield
    finally:
        _release(lock)


def write_whole(place: Path, write: Callable[[Path], object]) -> None:
    """Put a file in its place in one step, over what was there.

    Parameters
    ----------
    place : Path
    write : callable
        Writes the file to the path that it is given.
    """
    with workplace(place) as folder:
        new = folder / place.name
        write(new)
        new.replace(place)


def flush(path: Path) -> None:
    """Have a file, or the names in a folder, written to the disk itself."""
    if sys.platform == "win32" and path.is_dir():
        return
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


@contextmanager
def told(what: str, place: Path, *, missing: bool = False) -> Iterator[None]:
    """Tell trouble with the disk as a problem of one line.

    Parameters
    ----------
    what : str
        What could not be written.
    place : Path
    missing : bool
        Whether a missing file is such trouble; inside sim it is a bug.
    """
    try:
        yield
    except OSError as error:
        if isinstance(error, FileNotFoundError) and not missing:
            raise
        found = f"{what} could not be written and nothing was left behind: {error.strerror or error}"
        raise ProblemsError(Problem(found, file=str(place))) from error


def _clear(parent: Path) -> None:
    """Remove what killed processes left in a folder."""
    for folder in parent.glob(f".*{_BUILDING}"):
        with suppress(OSError):  # of a living maker, or already gone
            lock = _lock(folder, sure=True)
            shutil.rmtree(folder, ignore_errors=True)
            _release(lock)


def _lock(folder: Path, *, wait: bool = False, sure: bool = False) -> int | None:
    """Lock a folder; return None where the file system has no locks, unless one must be `sure`."""
    if sys.platform == "win32":
        if sure:
            raise OSError("cannot tell whether its maker lives")
        return None
    import fcntl

    handle = os.open(folder, os.O_RDONLY)
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | (0 if wait else fcntl.LOCK_NB))
    except BaseException as error:
        os.close(handle)
        if sure or not isinstance(error, OSError):
            raise
        return None
    return handle


def _release(lock: int | None) -> None:
    if lock is not None:
        os.close(lock)
