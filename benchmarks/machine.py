"""On what, with what and when it was measured."""

from __future__ import annotations

import os
import platform
import sys
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

PACKAGES = ("sim", "numpy", "scipy", "pymc", "pytensor", "numba", "nutpie", "arviz", "duckdb", "typer")
PEERS = ("pandas", "pyxirr", "SALib", "monaco")


def machine() -> str:
    """Return processor, cores, memory and system in one line."""
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30
    python = f"{platform.python_implementation()} {platform.python_version()}"
    return (
        f"{_processor()}, {cores} cores, {memory:.0f} GB, {platform.system()} {platform.release()}, {python}"
    )


def _processor() -> str:
    known = Path("/proc/cpuinfo")
    told: dict[str, str] = {}
    if known.is_file():
        for line in known.read_text("utf-8").splitlines():
            name, _, value = line.partition(":")
            told.setdefault(name.strip(), value.strip())
    name = told.get("model name") or platform.processor() or platform.machine()
    code = [told[key] for key in ("cpu family", "model", "stepping") if key in told]
    speed = f" {float(told['cpu MHz']) / 1000:.1f} GHz" if "cpu MHz" in told else ""
    cache = f", cache {told['cache size']}" if "cache size" in told else ""
    return f"{name}{speed}{f' (family-model-stepping {"-".join(code)})' if code else ''}{cache}"


def versions(names: tuple[str, ...]) -> str:
    """Return packages with their versions in one line."""
    return ", ".join(f"{name} {_version(name)}" for name in names)


def _version(name: str) -> str:
    try:
        return version(name)
    except PackageNotFoundError:
        return "(not installed)"


def load() -> float | None:
    """Return how many processes wanted a core over the last minute; None where the system does not say."""
    return os.getloadavg()[0] if hasattr(os, "getloadavg") and sys.platform != "win32" else None
