"""Monte Carlo of one ROI model beside the packages made for that."""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Callable
from typing import Any

from benchmarks import roi
from benchmarks.bench import QUIET, Bench, answer, median
from benchmarks.call import done
from benchmarks.result import Measure, Result, Table, Target, measured
from benchmarks.timing import FailedRunError, Run, alternate, ratios

NAME, JOB = "montecarlo", "Monte Carlo of an ROI model without a pilot, 4,000 samples × 36 months"
SQUIGGLEPY = "squigglepy>=0.30,<0.31"
"""Not in the project's environment: it would hold back a library that `sim` rests on (msgspec)."""
_PEERS = ("squigglepy", "monaco")
_SHOWN = ("mean", "5 %", "50 %", "95 %")
_AGREE = 5.0  # standard errors of a mean


def measure(bench: Bench) -> Result:
    """Measure the row."""
    samples = bench.size(4_000, 400)
    pythons = {"squigglepy": bench.environment(SQUIGGLEPY), "monaco": sys.executable}
    figures: dict[str, list[float]] = {}
    versions: dict[str, str] = {}
    inside: dict[str, list[float]] = {who: [] for who in ("sim", *_PEERS)}

    def sim(turn: int) -> Run:
        folder = bench.scratch / f"roi-{turn}"
        config = roi.write(folder, samples=samples, seed=turn + 1)
        run = bench.sim("forecast", config, "--out", folder / "out", QUIET)
        place = answer(run)["run"]
        with open(f"{place}/summary.json", encoding="utf-8") as file:
            npv = json.load(file)["metrics"]["npv"]
        figures["sim"] = [npv["mean"], npv["low"], npv["median"], npv["high"]]
        seconds, _ = bench.call("rows.montecarlo:library", config=str(config), out=str(folder / "again"))
        inside["sim"].append(seconds)
        return run

    def peer(who: str) -> Callable[[int], Run]:
        def run(turn: int) -> Run:
            told, own = bench.call(
                f"rows.montecarlo:{who}", python=pythons[who], samples=samples, seed=turn + 1
            )
            figures[who], seconds = told["npv"], told["seconds"]
            versions[who] = told["version"]
            inside[who].append(seconds)
            return own

        return run

    ways: dict[str, Callable[[int], Run]] = {"sim": sim} | {who: peer(who) for who in _PEERS}
    runs = {who: found[1:] for who, found in alternate(ways, bench.repeats + 1).items()}
    # Between the 5 and the 95 % point lie 3.29 standard deviations of a normal.
    error = (figures["sim"][3] - figures["sim"][1]) / 3.29 / samples**0.5
    for who in _PEERS:
        if abs(figures[who][0] - figures["sim"][0]) > _AGREE * error:
            raise FailedRunError(
                f"mean NPV is {figures[who][0]:,.0f} by {who}, {figures['sim'][0]:,.0f} by sim"
            )
    seconds = {who: [run.seconds for run in found] for who, found in runs.items()}
    versus = {who: ratios(seconds[who], seconds["sim"]) for who in _PEERS}
    how = "whole process, no plots"
    return Result(
        NAME,
        JOB,
        asked={
            "sim": "read the config, draw eight inputs by Latin hypercube, simulate, all 15 metrics with "
            "IRR and paybacks, write all files",
            "squigglepy": "draw the same eight distributions by `sq.sample(…, n)` as arrays, the model in "
            "NumPy, mean and quantiles of the NPV; no files; in an environment of its own",
            "monaco": "the same eight inputs as SciPy distributions, the model case by case as it is made "
            "for, in one thread without logging, mean and quantiles of the NPV; no files",
        },
        measures=[measured(who, how if who == "sim" else "whole process", runs[who]) for who in ways]
        + [Measure(who, "inside, libraries imported", inside[who][1:]) for who in ways],
        targets=[
            Target(f"time of {who} over that of sim", versus[who][0], None, "×", True, *versus[who][1:])
            for who in _PEERS
        ],
        tables=[
            Table(
                "NPV by each, last repeat",
                ("", *_SHOWN),
                [(who, *(f"{value:,.0f}" for value in values)) for who, values in figures.items()],
            )
        ],
        notes=[
            ", ".join(f"{who} {number}" for who, number in versions.items()),
            "inside, sim takes {:.2f} s, squigglepy {:.3f} s and monaco {:.2f} s".format(
                *(median(inside[who][1:]) for who in ways)
            ),
        ],
    )


def library(config: str, out: str) -> float:
    """Return the seconds of `sim.forecast` in a process that has forecast something else before."""
    import sim

    sim.forecast(config, sets=["programme.horizon=12"], out=out, plots=False)
    started = time.perf_counter()
    sim.forecast(config, out=out, plots=False)
    return time.perf_counter() - started


def squigglepy(samples: int, seed: int) -> dict[str, Any]:
    """Simulate by squigglepy."""
    from importlib.metadata import version

    import squigglepy as sq

    started = time.perf_counter()
    sq.set_seed(seed)
    make = {roi.LOGNORMAL: sq.lognorm, roi.NORMAL: sq.norm, roi.PERT: sq.pert}
    drawn = {name: sq.sample(make[shape](*values), n=samples) for name, (shape, values) in roi.INPUTS.items()}
    npv = _told(roi.net_present_value(roi.net_cash(drawn)))
    seconds = time.perf_counter() - started
    done()
    return {"npv": npv, "seconds": seconds, "version": version("squigglepy")}


def monaco(samples: int, seed: int) -> dict[str, Any]:
    """Simulate by monaco."""
    from importlib.metadata import version

    import numpy as np
    from monaco import Sim, SimFunctions
    from scipy import stats

    def prepared(case: Any) -> tuple[dict[str, Any]]:
        return ({name: np.array([case.invals[name].val]) for name in roi.INPUTS},)

    def run(inputs: dict[str, Any]) -> tuple[float]:
        return (float(roi.net_present_value(roi.net_cash(inputs))[0]),)

    def keep(case: Any, npv: float) -> None:
        case.addOutVal("npv", npv)

    started = time.perf_counter()
    functions = {SimFunctions.PREPROCESS: prepared, SimFunctions.RUN: run, SimFunctions.POSTPROCESS: keep}
    simulated = Sim("roi", samples, functions, seed=seed, verbose=False)
    z = float(stats.norm.ppf(0.95))
    for name, (shape, values) in roi.INPUTS.items():
        if shape == roi.PERT:
            low, mode, high = values
            a, b = (1 + 4 * (end / (high - low)) for end in (mode - low, high - mode))
            simulated.addInVar(name, stats.beta, {"a": a, "b": b, "loc": low, "scale": high - low})
            continue
        low, high = np.log(values) if shape == roi.LOGNORMAL else values
        mean, sd = (low + high) / 2, (high - low) / (2 * z)
        if shape == roi.LOGNORMAL:
            simulated.addInVar(name, stats.lognorm, {"s": sd, "scale": np.exp(mean)})
        else:
            simulated.addInVar(name, stats.norm, {"loc": mean, "scale": sd})
    simulated.runSim()
    npv = _told(np.array(simulated.outvars["npv"].nums))
    seconds = time.perf_counter() - started
    done()
    return {"npv": npv, "seconds": seconds, "version": version("monaco")}


def _told(npv: Any) -> list[float]:
    import numpy as np

    return [float(npv.mean()), *(float(value) for value in np.quantile(npv, [0.05, 0.5, 0.95]))]
