"""Value of information: EVPPI of the uncertain inputs, EVSI of longer pilots."""

from __future__ import annotations

import json
import shutil

from benchmarks.bench import Bench, answer, gate
from benchmarks.result import Result, Target, measured, within
from benchmarks.timing import Run, alternate

NAME, JOB = "information", "EVPPI for 20 quantities; EVSI for 5 pilot lengths; 4,000 samples"


def measure(bench: Bench) -> Result:
    """Measure the row."""
    job = bench.job
    assert job.run is not None  # noqa: S101  # it was forecast
    place = job.run

    def command(name: str) -> Run:
        for old in place.glob(f"{name}-*"):
            shutil.rmtree(old)  # an answer that is there is not made again
        run = bench.sim(name, job.config, "--out", job.out)
        answer(run)
        return run

    ways = {name: lambda _turn, name=name: command(name) for name in ("sensitivity", "pilot")}
    runs = alternate(ways, bench.size(5, 1))
    results = {name: json.loads(runs[name][-1].out)["result"] for name in ways}
    inputs, lengths = len(results["sensitivity"]["inputs"]), len(results["pilot"]["lengths"])
    measures = {
        "sensitivity": measured("sim", f"`sim sensitivity`: EVPPI of {inputs} inputs", runs["sensitivity"]),
        "pilot": measured("sim", f"`sim pilot`: EVSI of {lengths} lengths", runs["pilot"]),
    }
    return Result(
        NAME,
        JOB,
        asked={
            "sim": "stored fits, whole processes. `sim sensitivity`: EVPPI by cross-fitted regression of "
            "every input and every group, with tornado, Sobol and Shapley, table and plot. `sim pilot`: EVSI "
            "and net benefit of 1, 2, 3, 6 and 12 further months from simulated datasets, table and plot"
        },
        measures=list(measures.values()),
        targets=[
            within("EVPPI", measures["sensitivity"], 10.0),
            Target("inputs with EVPPI", float(inputs), 20, "", least=True),
            within("EVSI", measures["pilot"], 10.0),
            Target("lengths with EVSI", float(lengths), 5, "", least=True),
        ],
        gates=[gate("sim", [job.fits])],
    )
