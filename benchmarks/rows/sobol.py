"""Sobol indices: from the samples at hand, and from a plan of runs of its own."""

from __future__ import annotations

import time
from typing import Any

from benchmarks import roi
from benchmarks.bench import Bench, median
from benchmarks.result import Measure, Result, Table, Target
from benchmarks.timing import FailedRunError

NAME, JOB = "sobol", "first-order Sobol indices of eight inputs"
_AGREE = 4.0  # standard errors
_POINTS = 1024
_ESTIMATES = ("ours", "error", "theirs", "spread")


def measure(bench: Bench) -> Result:
    """Measure the row."""
    samples, points = bench.size(4_000, 1_000), bench.size(_POINTS, 256)
    config = roi.write(bench.scratch / "sobol", samples=samples)
    found, _ = bench.call(
        "rows.sobol:both", config=str(config), points=points, repeats=bench.repeats, samples=samples
    )
    off = [
        abs(ours - theirs) / (a**2 + b**2) ** 0.5
        for ours, a, theirs, b in zip(
            *(found[key] for key in ("ours", "error", "theirs", "spread")), strict=True
        )
    ]
    if max(off) > _AGREE:
        raise FailedRunError(f"the indices differ by {max(off):.1f} standard errors")
    rows = [
        (f"`{name}`", f"{ours:.3f} ± {a:.3f}", f"{theirs:.3f} ± {b:.3f}", f"{z:.1f}")
        for name, ours, a, theirs, b, z in zip(
            roi.INPUTS, found["ours"], found["error"], found["theirs"], found["spread"], off, strict=True
        )
    ]
    planned = [a + b + c for a, b, c in zip(found["plan"], found["runs"], found["analysis"], strict=True)]
    runs = points * (len(roi.INPUTS) + 2)
    worse = median(found["spread"]) / median(found["error"])
    faster = median(planned) / median(found["given"])
    return Result(
        NAME,
        JOB,
        asked={
            "sim": f"rank estimator with its standard error on {samples:,} samples that a forecast has "
            "anyway, no run of the model, dependent inputs allowed",
            "SALib": f"Saltelli's plan of {points:,} base points by scrambled Sobol numbers without second "
            f"order, {runs:,} runs of the model in vectorised NumPy, `analyze` with its 100 resamples; gives "
            "total indices as well, inputs must be independent",
        },
        measures=[
            Measure("sim", f"indices of {samples:,} samples at hand", found["given"]),
            Measure("SALib", f"plan, {runs:,} runs of the ROI model, indices", planned),
            Measure("SALib", "of that the plan", found["plan"]),
            Measure("SALib", "of that the model", found["runs"]),
            Measure("SALib", "of that the indices", found["analysis"]),
        ],
        targets=[
            Target("time of SALib with its runs over that of sim", faster, None, "×", least=True),
            # Errors fall with the root of the runs, or somewhat faster for Sobol numbers.
            Target("the same at equal median error", faster * worse**2, None, "×", least=True),
        ],
        tables=[
            Table(
                "First-order indices ± standard error, and their difference in standard errors",
                ("input", f"sim, {samples:,} samples", f"SALib, {runs:,} runs", "difference"),
                rows,
            )
        ],
        notes=[
            f"errors of sim's indices are {median(found['error']):.3f} in the median, those of SALib "
            f"{median(found['spread']):.3f}"
        ],
    )


def both(config: str, points: int, repeats: int, samples: int) -> dict[str, Any]:
    """Estimate the indices of the NPV both ways and time each part."""
    from pathlib import Path

    import numpy as np
    from SALib.analyze import sobol as analysis
    from SALib.sample import sobol as plan

    from sim.decision.sobol import first_order
    from sim.engine.prepare import prepare
    from sim.engine.study import metrics_of
    from sim.engine.world import World

    prepared = prepare(Path(config))
    npv = metrics_of(World(prepared, {}, prepared.drawn), prepared.plan.strategies[0], ["npv"])[0]["npv"]
    columns = np.stack([prepared.drawn.columns[name] for name in roi.INPUTS], axis=1)
    by_hand = roi.net_present_value(roi.net_cash(dict(zip(roi.INPUTS, columns.T, strict=True))))
    if len(npv) != samples or np.abs(by_hand - npv).max() > 1e-6:
        raise FailedRunError("the model by hand is not that of sim")
    problem = {
        "num_vars": len(roi.INPUTS),
        "names": list(roi.INPUTS),
        "bounds": [[0.0, 1.0]] * len(roi.INPUTS),
    }
    told: dict[str, Any] = {key: [] for key in ("given", "plan", "runs", "analysis")}
    clock = time.perf_counter
    for _ in range(repeats):
        started = clock()
        ours = first_order(npv, columns)
        told["given"].append(clock() - started)
        started = clock()
        u = plan.sample(problem, points, calc_second_order=False, seed=1)
        told["plan"].append(clock() - started)
        started = clock()
        x = {name: roi.quantiles(name, u[:, j]) for j, name in enumerate(roi.INPUTS)}
        y = roi.net_present_value(roi.net_cash(x))
        told["runs"].append(clock() - started)
        started = clock()
        theirs = analysis.analyze(problem, y, calc_second_order=False, seed=1)
        told["analysis"].append(clock() - started)
    z = 1.959963984540054
    return {
        **told,
        "ours": ours.values.tolist(),
        "error": ours.mcse.tolist(),
        "theirs": theirs["S1"].tolist(),
        "spread": (theirs["S1_conf"] / z).tolist(),
    }
