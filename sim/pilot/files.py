"""Which files a path or a pattern means, and what is in them as a hash."""

from __future__ import annotations

import hashlib
import os
import re
import stat
from functools import lru_cache
from glob import glob
from pathlib import Path

from sim.errors import Problem, Problems, ProblemsError

_SCHEME = re.compile(r"[A-Za-z][A-Za-z0-9+.-]+:/")


def locate(file: Path, shown: str) -> tuple[tuple[Path, str], ...]:
    """Return the files meant by a path or glob pattern, in order, with the names to show.

    Raises
    ------
    ProblemsError
        When there is none, or one is a folder, a device, a pipe, an address, unreadable or empty.
    """
    if scheme := _SCHEME.match(shown):
        # What follows may hold a password, so it is not repeated.
        told = f"{scheme[0]}…"
        remedy = "export the table and name its file"
        raise ProblemsError(Problem("this is an address, and nothing is fetched", "a file", remedy, told))
    try:
        there = file.exists()
    except OSError as error:
        raise _unreachable(error, shown) from None
    if not there and any(char in str(file) for char in "*?["):
        paths = [Path(name) for name in sorted(glob(str(file), recursive=True))]
        # "~$…" is what Excel leaves beside a workbook that is open.
        paths = [path for path in paths if not path.is_dir() and not path.name.startswith("~$")]
        prefix = str(file)[: -len(shown)] if str(file).endswith(shown) else ""
        found = [(path, str(path).removeprefix(prefix)) for path in paths]
        if not found:
            raise ProblemsError(
                Problem("no file matches the pattern", "at least one file", "check the folder", shown)
            )
    else:
        found = [(file, shown)]
    problems = Problems()
    for path, name in found:
        with problems.gather():
            _regular(path, name)
    problems.raise_if_any()
    return tuple(found)


def _regular(path: Path, shown: str) -> None:
    """Refuse what is not a readable file with something in it."""
    try:
        status = path.stat()
    except (FileNotFoundError, NotADirectoryError):
        folder = path.parent
        remedy = "check its name" if folder.is_dir() else f"the folder {folder} does not exist either"
        problem = Problem("the file does not exist", "a file, relative to the config", remedy, shown)
        raise ProblemsError(problem) from None
    except (OSError, ValueError) as error:
        raise _unreachable(error, shown) from None
    if stat.S_ISDIR(status.st_mode):
        remedy = f'for all files of the folder write "{shown.rstrip("/")}/*.csv"'
        raise ProblemsError(Problem("this is a folder", "a file or a glob pattern", remedy, shown))
    if not stat.S_ISREG(status.st_mode):
        raise ProblemsError(Problem("this is a device, pipe or socket", "a regular file", file=shown))
    if not os.access(path, os.R_OK):
        raise ProblemsError(
            Problem("the file may not be read", "a readable file", "change its permissions", shown)
        )
    if not status.st_size:
        raise ProblemsError(Problem("the file is empty", "a header line and rows", file=shown))


def _unreachable(error: Exception, shown: str) -> ProblemsError:
    reason = getattr(error, "strerror", None) or str(error)
    name = shown if len(shown) <= 120 else f"{shown[:119]}…"
    return ProblemsError(Problem(f"the file cannot be reached: {reason}", file=name))


def fingerprint(file: Path) -> dict[str, str]:
    """Return the SHA-256 of each file that a path or pattern means.

    Parameters
    ----------
    file : Path
        Resolved path or glob pattern.

    Returns
    -------
    dict of str to str
        Resolved file name to hexadecimal digest; files are streamed.
    """
    digests = {}
    for path, _ in locate(file, str(file)):
        status = path.stat()
        digests[str(path)] = _digest(
            path, status.st_ino, status.st_size, status.st_mtime_ns, status.st_ctime_ns
        )
    return digests


@lru_cache(maxsize=4096)
def _digest(path: Path, *_: int) -> str:
    """Hash a file once for each state of it: several outcomes read one table, each before and after."""
    with path.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()
