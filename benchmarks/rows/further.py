"""Several datasets in one process: what a further origin of a backtest costs."""

from __future__ import annotations

from pathlib import Path

from benchmarks.bench import Bench, answer, gate
from benchmarks.jobs import OUTCOMES
from benchmarks.result import Measure, Result, Target, measured
from benchmarks.timing import Run, alternate

NAME, JOB = "further", "several datasets in one process (origins of a backtest)"
_FEW, _MANY = 1, 9


def measure(bench: Bench) -> Result:
    """Measure the row."""
    job, fits = bench.job, []
    many = bench.size(_MANY, 3)

    def backtest(origins: int, turn: int) -> Run:
        out: Path = job.out.with_name(f"backtest-{origins}-{turn}")
        run = bench.sim("backtest", job.config, "--holdout", "1", "--origins", str(origins), "--out", out)
        answer(run)
        fits.append(out / ".fits")
        return run

    ways = {"few": lambda turn: backtest(_FEW, turn), "many": lambda turn: backtest(many, turn)}
    runs = alternate(ways, bench.size(3, 1))
    count = (many - _FEW) * OUTCOMES
    each = [b.seconds - a.seconds for a, b in zip(runs["few"], runs["many"], strict=True)]
    slope = Measure("sim", "difference, per dataset and outcome", [value / count for value in each])
    return Result(
        NAME,
        JOB,
        asked={
            "sim": f"`sim backtest` of three outcomes with {_FEW} and with {many} origins: every origin is "
            "another dataset, compiled for once; the difference is what further ones cost, reading, judging "
            "and storing included",
        },
        measures=[
            measured("sim", f"whole process, {_FEW} origin", runs["few"]),
            measured("sim", f"whole process, {many} origins", runs["many"]),
            slope,
        ],
        targets=[
            Target(
                "per further dataset and outcome",
                slope.median,
                0.6,
                low=min(slope.seconds),
                high=max(slope.seconds),
            )
        ],
        gates=[gate("sim", fits)],
    )
