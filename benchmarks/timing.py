"""Whole processes in turn: how they are started, interleaved and compared."""

from __future__ import annotations

import json
import os
import statistics
import subprocess
import sys
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
_SPAWN = Path(__file__).with_name("spawn.py")
_DROPPED = ("PYTHONDONTWRITEBYTECODE", "PYTHONUNBUFFERED", "PYTHONPROFILEIMPORTTIME")


class FailedRunError(Exception):
    """A measured process did not do what it was to do, so that its time means nothing."""


@dataclass(frozen=True, slots=True)
class Run:
    """One process that was run.

    Parameters
    ----------
    seconds : float
        From the start of the process to its end, or to the moment at which it said that it was done.
    cpu : float [s]
        Processor time of the process and of those it waited for.
    peak : float [byte]
        Largest resident memory of any of them.
    out, err : str
        What it printed.
    """

    seconds: float
    cpu: float
    peak: float
    out: str = ""
    err: str = ""


def environment(**extra: str) -> dict[str, str]:
    """Return the variables that measured processes see.

    Variables of `sim` that would point it to other stores are left out. Bytecode may be written, as an
    install does: where it may not be, every start of a checkout compiles the sources of `sim` anew.
    """
    kept = {name: value for name, value in os.environ.items() if not name.startswith("SIM_")}
    return {name: value for name, value in kept.items() if name not in _DROPPED} | extra


def process(
    argv: Sequence[str | Path],
    *,
    cwd: Path,
    env: Mapping[str, str] | None = None,
    allowed: Sequence[int] = (0,),
) -> Run:
    """Run one program to its end.

    Parameters
    ----------
    argv : sequence of str or Path
        The first is a path.
    cwd : Path
        Two files of what it printed are left there.
    env : mapping, optional
        By default `environment`.
    allowed : sequence of int
        Exit codes that are no failure.

    Raises
    ------
    FailedRunError
        For any other exit code, with the end of what was printed.
    """
    cwd.mkdir(parents=True, exist_ok=True)
    out, err = cwd / "stdout.txt", cwd / "stderr.txt"
    asked = {
        "argv": [str(part) for part in argv],
        "env": dict(environment() if env is None else env),
        "cwd": str(cwd),
        "out": str(out),
        "err": str(err),
    }
    spawned = subprocess.run(  # noqa: S603  # our own file, and what the rows ask for
        [sys.executable, "-I", "-S", str(_SPAWN)],
        check=False,
        input=json.dumps(asked),
        capture_output=True,
        text=True,
    )
    if spawned.returncode:
        raise FailedRunError(spawned.stderr[-2000:])
    told = json.loads(spawned.stdout)
    printed, complained = (path.read_text("utf-8", errors="replace") for path in (out, err))
    if told["code"] not in allowed:
        shown = (complained.strip() or printed.strip())[-2000:]
        raise FailedRunError(f"{' '.join(asked['argv'])} left with {told['code']}: {shown}")
    seconds = told["seconds"]
    if printed.startswith(DONE):
        seconds = float(printed.partition("\n")[0].removeprefix(DONE)) - told["started"]
    return Run(seconds, told["cpu"], told["peak"], printed, complained)


DONE = "done at "
"""What a process prints first with its clock where what comes after is not to be counted."""


def alternate[T](jobs: Mapping[str, Callable[[int], T]], repeats: int) -> dict[str, list[T]]:
    """Run jobs in turn, A B C A B C …, so that what else the machine does meets all of them.

    Parameters
    ----------
    jobs : mapping of str to callable
        Called with the number of the round.
    repeats : int

    Examples
    --------
    >>> alternate({"a": lambda i: i, "b": lambda i: -i}, 3)
    {'a': [0, 1, 2], 'b': [0, -1, -2]}
    """
    done: dict[str, list[T]] = {name: [] for name in jobs}
    for turn in range(repeats):
        for name, job in jobs.items():
            done[name].append(job(turn))
    return done


def ratios(above: Iterable[float], below: Iterable[float]) -> tuple[float, float, float]:
    """Return the median, least and greatest ratio of what was measured in the same round.

    Examples
    --------
    >>> ratios([2.0, 9.0, 4.0], [1.0, 3.0, 1.0])
    (3.0, 2.0, 4.0)
    """
    each = [a / b for a, b in zip(above, below, strict=True)]
    return statistics.median(each), min(each), max(each)
