"""Runs tests in a copy of the tree, with or without a planted bug."""

from __future__ import annotations

import compileall
import json
import os
import shutil
import subprocess
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from py_compile import PycInvalidationMode

from tests.mutants.mutant import Mutant

ROOT = Path(__file__).resolve().parents[2]
PARTS = ("sim", "models", "configs", "tests", "pyproject.toml")
_LIMIT = 300
_PASSED, _FAILED = 0, 1


@dataclass(frozen=True)
class Verdict:
    """What the tests said.

    Parameters
    ----------
    killed : bool
        Whether a test failed.
    by : str
        The test that failed first; else what happened instead.
    seconds : float
    """

    killed: bool
    by: str
    seconds: float


def copied(target: Path, root: Path = ROOT) -> Path:
    """Copy what the tests need. The tree that is worked in is never touched."""
    target.mkdir(parents=True)
    for part in PARTS:
        source = root / part
        if source.is_dir():
            shutil.copytree(source, target / part, ignore=shutil.ignore_patterns("__pycache__", "results"))
        else:
            shutil.copy(source, target / part)
    # Byte code that is checked by content: a substitution within the same second is seen as well.
    for part in ("sim", "models"):
        compileall.compile_dir(target / part, quiet=2, invalidation_mode=PycInvalidationMode.CHECKED_HASH)
    return target


def run(tree: Path, tests: Sequence[str]) -> Verdict:
    """Run tests in `tree` up to the first failure."""
    note = tree / "verdict.json"
    note.unlink(missing_ok=True)
    options = ["-x", "-q", "-p", "no:xdist", "-p", "no:cacheprovider", "-p", "tests.mutants.inside"]
    own = {
        "PYTHONPATH": str(tree),
        "PYTHONDONTWRITEBYTECODE": "1",
        "OMP_NUM_THREADS": "1",
        "MUTANT_TREE": str(tree),
        "MUTANT_VERDICT": str(note),
    }
    started = time.perf_counter()
    try:
        done = subprocess.run(
            [sys.executable, "-m", "pytest", *options, *(f"tests/{test}" for test in tests)],
            cwd=tree,
            env=os.environ | own,
            capture_output=True,
            text=True,
            encoding="utf-8",
            timeout=_LIMIT,
            check=False,
        )
    except subprocess.TimeoutExpired:
        return Verdict(False, f"no answer within {_LIMIT} s", _LIMIT)
    seconds = time.perf_counter() - started
    if done.returncode == _PASSED:
        return Verdict(False, "all named tests passed", seconds)
    if done.returncode == _FAILED and note.is_file():
        first = json.loads(note.read_text("utf-8"))
        if first["when"] == "call":
            return Verdict(True, first["test"].removeprefix("tests/"), seconds)
    # A tree whose tests cannot even be collected is broken, and proves nothing.
    return Verdict(
        False, f"pytest ended with {done.returncode}: {(done.stdout + done.stderr)[-600:]}", seconds
    )


def judge(tree: Path, mutant: Mutant) -> Verdict:
    """Plant a bug in `tree`, run its tests, and take it out again."""
    file = tree / mutant.file
    sound = file.read_text("utf-8")
    file.write_text(mutant.planted(tree), encoding="utf-8")
    try:
        return run(tree, mutant.tests)
    finally:
        file.write_text(sound, encoding="utf-8")
