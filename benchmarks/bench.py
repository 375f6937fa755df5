"""What every row is given: a scratch folder, sizes, and ways to run the command and the peers."""

from __future__ import annotations

import json
import shutil
import statistics
import subprocess
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

from benchmarks.result import Gate
from benchmarks.timing import ROOT, FailedRunError, Run, environment, process

SEED = 20260101
QUIET = "--no-plots"


@dataclass(frozen=True, slots=True)
class Job:
    """A config, where its results go, and its run where there is one."""

    config: Path
    out: Path
    run: Path | None = None

    @property
    def fits(self) -> Path:
        """Folder of its stored fits."""
        return self.out / ".fits"


@dataclass(frozen=True)
class Bench:
    """Where and how large to measure.

    Parameters
    ----------
    scratch : Path
        Removed at the end.
    quick : bool
        Small sizes and two repeats: whether every row works, not how fast it is.
    large : bool
        10⁸ rows of pilot as well.
    """

    scratch: Path
    quick: bool = False
    large: bool = False

    def size(self, full: int, quick: int) -> int:
        """Return a size, or the small one of a quick run."""
        return quick if self.quick else full

    @property
    def repeats(self) -> int:
        """How often whole processes are run."""
        return self.size(5, 2)

    @cached_property
    def program(self) -> Path:
        """The installed command."""
        return Path(sys.executable).parent / "sim"

    @cached_property
    def job(self) -> Job:
        """The job with its fits stored and its run written: what people have when they change a price."""
        found = self.new_job("stored", SEED)
        told = answer(self.sim("forecast", found.config, "--out", found.out))
        return Job(found.config, found.out, Path(told["run"]))

    def new_job(self, name: str, seed: int) -> Job:
        """Write the job's config and tables; nothing is fitted."""
        folder = self.scratch / name
        self.call("jobs:pilot", folder=str(folder), seed=seed)
        return Job(folder / "config.toml", folder / "out")

    def sim(
        self, *arguments: str | Path, env: Mapping[str, str] | None = None, allowed: Sequence[int] = (0,)
    ) -> Run:
        """Run the installed command with ``--json``."""
        argv = [self.program, *arguments, "--json"]
        return process(argv, cwd=self.scratch, env=env, allowed=allowed)

    def environment(self, *requirements: str) -> str:
        """Return the interpreter of a new environment, for packages that do not go with those of `sim`.

        Raises
        ------
        FailedRunError
            When there is no uv, or it cannot make one.
        """
        uv = shutil.which("uv")
        if uv is None:
            raise FailedRunError(f"{requirements[0]} needs an environment of its own, and there is no uv")
        place = self.scratch / "environments" / requirements[0].partition(">")[0]
        python = place / "bin" / "python"
        for command in (
            [uv, "venv", "--quiet", "--python", sys.executable, place],
            [uv, "pip", "install", "--quiet", "--compile-bytecode", "--python", python, *requirements],
        ):
            made = subprocess.run(  # noqa: S603  # uv with arguments of our own
                list(map(str, command)), check=False, capture_output=True, text=True, cwd=ROOT
            )
            if made.returncode:
                raise FailedRunError(f"no environment with {requirements[0]}: {made.stderr[-1000:]}")
        return str(python)

    def call(
        self,
        function: str,
        *,
        env: Mapping[str, str] | None = None,
        python: str | Path = sys.executable,
        **given: Any,
    ) -> tuple[Any, Run]:
        """Call ``module:function`` of this package in a process of its own; return its result and the run.

        Parameters
        ----------
        function : str
            Such as ``rows.irr:pyxirr``.
        env : mapping, optional
        python : str or Path
            The interpreter.
        given
            Arguments that JSON can hold.
        """
        module, name = function.split(":")
        argv = [python, "-m", "benchmarks.call", f"benchmarks.{module}", name]
        known = {**environment(), **(env or {}), "PYTHONPATH": str(ROOT)}
        run = process([*argv, json.dumps(given)], cwd=self.scratch, env=known)
        return json.loads(run.out.strip().splitlines()[-1]), run


def answer(run: Run) -> dict[str, Any]:
    """Return the object that a command with ``--json`` printed.

    Raises
    ------
    FailedRunError
        When its result is not trusted.
    """
    told: dict[str, Any] = json.loads(run.out)
    if told["trusted"] is False:
        raise FailedRunError(f"not trusted: {told['sentence']}")
    return told


def gate(who: str, folders: Sequence[Path]) -> Gate:
    """Return the worst diagnostics of the fits stored in some folders of fits.

    Parameters
    ----------
    who : str
    folders : sequence of Path
    """
    files = [file for folder in folders for file in folder.glob("*/fit.json")]
    told = [json.loads(file.read_text("utf-8"))["body"]["diagnostics"] for file in files]
    if not told:
        raise FailedRunError(f"no fit is stored in {', '.join(map(str, folders))}")
    return Gate(
        who,
        len(told),
        max(one["rhat_max"] for one in told),
        min(min(one["ess_bulk_min"], one["ess_tail_min"]) for one in told),
        int(sum(one["divergences"] for one in told)),
    )


def median(values: Sequence[float]) -> float:
    """Return the median of a few figures."""
    return statistics.median(values)
