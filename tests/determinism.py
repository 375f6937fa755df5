"""Runs the command line in other surroundings and compares what it wrote, bit for bit."""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

THREADS = ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS", "RAYON_NUM_THREADS")
# What the surroundings may not touch; the manifest tells when and how long, and posteriors are NetCDF.
FIGURES = ("summary.json", "samples.parquet", "cash_flow.parquet")


@dataclass(frozen=True)
class Surroundings:
    """How a process is started.

    Parameters
    ----------
    threads : int
        For every library that asks, and the number of processors that Python tells.
    one_processor : bool
        Bound to a single processor by the system.
    variables : mapping
        Of the environment.
    host : bool
        Started by a program that has taken over the system's locale, decimal comma and all.
    """

    threads: int = 2
    one_processor: bool = False
    variables: Mapping[str, str] = field(default_factory=dict)
    host: bool = False


def process(arguments: list[object], cwd: Path, how: Surroundings, *, codes: tuple[int, ...] = (0,)) -> bytes:
    """Run Python in these surroundings and return what it printed."""
    words = [sys.executable, *map(str, arguments)]
    if how.one_processor:
        words = ["taskset", "-c", "0", *words]
    own = dict.fromkeys(THREADS, str(how.threads)) | {
        "PYTHON_CPU_COUNT": str(how.threads),
        "LOKY_MAX_CPU_COUNT": str(how.threads),
    }
    done = subprocess.run(
        words,
        cwd=cwd,
        env=os.environ | own | dict(how.variables),
        capture_output=True,
        timeout=280,
        check=False,
    )
    assert done.returncode in codes, (done.stderr + done.stdout).decode("utf-8", "replace")
    return done.stdout


def run(
    command: list[object], cwd: Path, how: Surroundings, *, codes: tuple[int, ...] = (0,)
) -> dict[str, Any]:
    """Run ``sim … --json`` and return its object."""
    start = "import sys; from sim.cli import main; sys.exit(main())"
    if how.host:
        start = "import locale; locale.setlocale(locale.LC_ALL, ''); " + start
    answer: dict[str, Any] = json.loads(process(["-c", start, *command, "--json"], cwd, how, codes=codes))
    return answer


def figures(answer: Mapping[str, Any], cwd: Path) -> dict[str, str]:
    """Return the digests of a run's files of figures, and the run's name."""
    folder = cwd / answer["run"]
    found = {name: hashlib.sha256((folder / name).read_bytes()).hexdigest() for name in FIGURES}
    return found | {"run": folder.name, "slug": folder.parent.name}


def locale_of(name: str, folder: Path) -> dict[str, str]:
    """Return the variables of a locale, made for this run where the system does not have it."""
    maker = shutil.which("localedef")
    if maker is not None:
        language = name.split(".", maxsplit=1)[0]
        command = [maker, "-i", language, "-f", "UTF-8", str(folder / name)]
        subprocess.run(command, capture_output=True, check=False)
    return {"LC_ALL": name, "LANG": name, "LOCPATH": str(folder)}
