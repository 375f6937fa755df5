"""The very first forecast on a machine: nothing of this kind was ever compiled."""

from __future__ import annotations

import os
import pty
import shutil
import subprocess
import time
from itertools import pairwise
from pathlib import Path

from benchmarks.bench import QUIET, SEED, Bench, answer, gate
from benchmarks.result import Gate, Result, Target, measured, within
from benchmarks.timing import ROOT, FailedRunError, Run, alternate, environment, ratios

NAME, JOB = "cold", "very first forecast on a machine, empty caches, 3 outcomes"
_PEERS = 2
_SHARE = 0.56
"""Of the time that plain sampling takes, which was 27 s where the aim of 15 s was set."""


def measure(bench: Bench) -> Result:
    """Measure the row."""
    fits: list[Path] = []
    gates: list[Gate] = []
    job = bench.new_job("cold", SEED)
    file = job.config.with_name("statistics.pickle")
    bench.call("plain:statistics", config=str(job.config), file=str(file))

    def sim(turn: int) -> Run:
        out = job.out / str(turn)
        run = bench.sim("forecast", job.config, "--out", out, QUIET, env=empty_caches(bench.scratch))
        answer(run)
        fits.append(out / ".fits")
        return run

    def plain(_turn: int) -> Run:
        told, run = bench.call("plain:pymc", env=empty_caches(bench.scratch), file=str(file))
        gates.append(Gate(**told))
        return run

    pairs = bench.size(_PEERS, 1)
    runs = alternate({"sim": sim, "pymc": plain}, pairs)
    runs["sim"] += [sim(turn) for turn in range(pairs, bench.repeats)]
    share, low, high = ratios(
        (run.seconds for run in runs["sim"][:pairs]), (run.seconds for run in runs["pymc"])
    )
    first, silent = _progress(bench, job.config, job.out / "shown")
    own = measured("sim", "whole process, no plots", runs["sim"])
    return Result(
        NAME,
        JOB,
        asked={
            "sim": "the whole forecast with empty caches of numba, PyTensor, matplotlib and its own; "
            "libraries are installed with their bytecode, and the system may hold their files in memory",
            "pm.sample": "the three models as in the row `warm`, with empty caches",
        },
        measures=[own, measured("pm.sample", "three models one after the other", runs["pymc"])],
        targets=[
            within("whole process", own, 15.0),
            Target("share of pm.sample's time", share, _SHARE, "×", low=low, high=high),
            Target("first progress on a terminal", first, 5.0),
        ],
        gates=[gate("sim", fits), *gates],
        notes=[
            f"longest time without a change on the terminal: {silent:.1f} s",
        ],
    )


def empty_caches(scratch: Path) -> dict[str, str]:
    """Return an environment in which nothing was ever kept."""
    home = scratch / "home"
    shutil.rmtree(home, ignore_errors=True)
    home.mkdir(parents=True)
    return environment(
        HOME=str(home),
        XDG_CACHE_HOME=str(home / "cache"),
        XDG_CONFIG_HOME=str(home / "config"),
        NUMBA_CACHE_DIR=str(home / "numba"),
        MPLCONFIGDIR=str(home / "matplotlib"),
        PYTENSOR_FLAGS=f"base_compiledir={home / 'pytensor'}",
    )


def _progress(bench: Bench, config: Path, out: Path) -> tuple[float | None, float]:
    """Return when a person first sees something on a terminal, and the longest wait between two changes."""
    master, slave = pty.openpty()
    argv = [str(bench.program), "forecast", str(config), "--out", str(out), QUIET]
    started = time.monotonic()
    with subprocess.Popen(  # noqa: S603  # the command that is measured
        argv,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=slave,
        env=empty_caches(bench.scratch) | {"TERM": "xterm"},
        cwd=ROOT,
    ) as shown:
        os.close(slave)
        seen = [started]
        while _heard(master):
            seen.append(time.monotonic())
    os.close(master)
    if shown.returncode:
        raise FailedRunError(f"the forecast on a terminal left with {shown.returncode}")
    waits = [after - before for before, after in pairwise([*seen, time.monotonic()])]
    return (seen[1] - started if len(seen) > 1 else None), max(waits)


def _heard(terminal: int) -> bool:
    """Wait for output; False where the other side was closed, which Linux tells as an error."""
    try:
        return bool(os.read(terminal, 65_536))
    except OSError:
        return False
