"""Another price, another run: ``sim forecast`` where the fits are stored."""

from __future__ import annotations

from benchmarks.bench import QUIET, Bench, answer, gate
from benchmarks.result import Result, measured, within
from benchmarks.timing import Run, alternate

NAME, JOB = "stored", "`sim forecast` with stored fits (4,000 samples × 36 months × 6 segments × 3 outcomes)"


def measure(bench: Bench) -> Result:
    """Measure the row."""
    job = bench.job

    def again(options: tuple[str, ...], cents: int) -> Run:
        # Another price each time, so that no run is there already.
        price = f"costs.licence.monthly={1_800 + cents / 100}"
        run = bench.sim("forecast", job.config, "--set", price, "--out", job.out, *options)
        answer(run)
        return run

    ways = {
        "no plots": lambda turn: again((QUIET,), 50 + turn),
        "with plots": lambda turn: again((), turn),
    }
    runs = {what: found[1:] for what, found in alternate(ways, bench.repeats + 1).items()}
    measures = {what: measured("sim", f"whole process, {what}", found) for what, found in runs.items()}
    return Result(
        NAME,
        JOB,
        asked={
            "sim": "a price that was not asked before: read config and pilot, load the fits, simulate, "
            "measure, write summary, samples, cash flow, posteriors, manifest (and plots and page)",
        },
        measures=list(measures.values()),
        targets=[
            within("files and JSON, no plots", measures["no plots"], 0.6),
            within("with plots", measures["with plots"], 3.0),
        ],
        gates=[gate("sim", [job.fits])],
    )
