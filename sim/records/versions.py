"""Versions of installed packages."""

from __future__ import annotations

from functools import cache
from importlib import metadata


@cache
def version(package: str) -> str:
    """Return the version of a package; looked up on disk once."""
    return metadata.version(package)
