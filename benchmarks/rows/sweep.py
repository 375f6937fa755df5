"""A thousand settings from the samples at hand."""

from __future__ import annotations

import time

from benchmarks.bench import Bench, answer, gate
from benchmarks.result import Curve, Result, measured, within
from benchmarks.timing import Run, alternate

NAME, JOB = "sweep", "`sim sweep`, 1,000 settings × 4,000 samples × 36 months, stored fits, whole process"


def measure(bench: Bench) -> Result:
    """Measure the row."""
    job, side = bench.job, bench.size(40, 4)
    other = bench.size(25, 3)
    count = side * other

    def sweep(turn: int, axes: tuple[str, ...], *options: str) -> Run:
        # Other ends each time, so that no answer is there already.
        vary = [part for axis in axes for part in ("--vary", axis.format(turn))]
        run = bench.sim("sweep", job.config, *vary, *options, "--out", job.out)
        answer(run)
        return run

    price = (f"costs.licence.monthly=1000:3{{}}00:{count}",)
    grid = (f"volumes.sessions=150000:21{{}}000:{side}", f"rollout.transfer=0.7:1.{{}}:{other}")
    ways = {
        "a price": lambda turn: sweep(turn, price),
        "a grid of a volume and the transfer": lambda turn: sweep(turn, grid),
        "a price, with IRR": lambda turn: sweep(turn, price, "--metric", "npv", "--metric", "irr"),
    }
    runs = alternate(ways, bench.repeats)
    measures = {what: measured("sim", f"{count:,} settings of {what}", found) for what, found in runs.items()}
    settings = [10, 30, 100] if bench.quick else [10, 30, 100, 300, 1000, 3000]
    seconds, _ = bench.call(
        "rows.sweep:by_count", config=str(job.config), out=str(job.out), settings=settings
    )
    return Result(
        NAME,
        JOB,
        asked={
            "sim": "every setting as `sim forecast --set` would give it, from the same samples; table as CSV "
            "and Parquet, and the plot; NPV and ROI unless said otherwise"
        },
        measures=list(measures.values()),
        targets=[within(what, measures[what], 4.0) for what in list(ways)[:2]],
        gates=[gate("sim", [job.fits])],
        curves=[Curve("settings", "`sim.sweep` of a grid, in one process", "s", settings, seconds)],
    )


def by_count(config: str, out: str, settings: list[int]) -> list[float]:
    """Return the seconds of grids of so many settings, libraries imported and fits loaded before."""
    import sim

    seconds = []
    for index, count in enumerate((settings[0], *settings)):
        # Two keys, each of which touches another part; other ends each time.
        side = count // 5
        vary = {
            "volumes.sessions": [150_000 + 60_000 * (k + 1) / (side + index) for k in range(side)],
            "rollout.transfer": [0.7, 0.75, 0.8, 0.85, 0.9 + index / 1000],
        }
        started = time.perf_counter()
        sim.sweep(config, vary=vary, out=out)
        seconds.append(time.perf_counter() - started)
    return seconds[1:]
