"""Fixtures that several test files share."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).resolve().parent.parent


@dataclass(frozen=True)
class Ran:
    """A finished `sim` process."""

    code: int
    out: str
    err: str

    @property
    def json(self) -> dict[str, Any]:
        loaded: dict[str, Any] = json.loads(self.out)
        return loaded


@pytest.fixture(autouse=True, scope="session")
def kept_densities(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """Keep compiled models in a folder that the workers of one test run share, not in the user's cache."""
    base = tmp_path_factory.getbasetemp()
    folder = (base.parent if "PYTEST_XDIST_WORKER" in os.environ else base) / "cache"
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("SIM_CACHE", str(folder))
        yield folder


type Sim = Callable[..., Ran]


@pytest.fixture
def sim(tmp_path: Path) -> Sim:
    """Run the real command line in a process of its own, in an empty working directory."""

    def run(*arguments: object, cwd: Path | None = None, env: Mapping[str, str] | None = None) -> Ran:
        command = [Path(sys.executable).with_name("sim"), *map(str, arguments)]
        done = subprocess.run(
            command,
            cwd=cwd or tmp_path,
            env={**os.environ, **(env or {})},
            capture_output=True,
            text=True,
            encoding="utf-8",
            timeout=280,
            check=False,
        )
        assert "Traceback" not in done.stderr, done.stderr
        return Ran(done.returncode, done.stdout, done.stderr)

    return run
