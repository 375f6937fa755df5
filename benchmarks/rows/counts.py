"""A fit of 64,000 rows: on rows, as they come, and on the counts that say the same."""

from __future__ import annotations

import time
from dataclasses import asdict
from typing import Any

from benchmarks.bench import SEED, Bench
from benchmarks.call import done
from benchmarks.result import Gate, Measure, Result, Table, Target
from benchmarks.timing import FailedRunError

NAME, JOB = "counts", "fit of 64,000 rows"
_AGREE = 4.0  # Monte Carlo standard errors
_TUNE, _DRAWS = 500, 750  # a minute on rows, not two


def measure(bench: Bench) -> Result:
    """Measure the row."""
    rows = bench.size(64_000, 2_000)
    found: dict[str, dict[str, Any]] = {}
    # One fit on rows takes minutes; both are run once.
    for who in ("counts", "rows"):
        found[who], _ = bench.call("rows.counts:fitted", on_rows=who == "rows", rows=rows)
    ratio = found["rows"]["gradient"] / found["counts"]["gradient"]
    off = max(
        abs(a["mean"] - b["mean"]) / (a["mcse"] ** 2 + b["mcse"] ** 2) ** 0.5
        for a, b in zip(found["counts"]["levels"], found["rows"]["levels"], strict=True)
    )
    if off > _AGREE:
        raise FailedRunError(f"the two posteriors differ by {off:.1f} standard errors")
    more, _ = bench.call("rows.counts:fitted", on_rows=False, rows=100 * rows)
    flat = more["sampling"] / found["counts"]["sampling"]
    measures = [
        Measure("counts", f"sampling, {rows:,} rows as 12 cells", [found["counts"]["sampling"]]),
        Measure("counts", f"sampling, {100 * rows:,} rows as 12 cells", [more["sampling"]]),
        Measure("rows", f"sampling, {rows:,} rows in the likelihood", [found["rows"]["sampling"]]),
    ]
    head = ("", "gradients", "processor time a gradient", "sampling", "compiling", "R-hat", "least ESS")
    table = [
        (
            name,
            f"{told['gradients']:,}",
            f"{told['gradient'] * 1e6:,.1f} µs",
            f"{told['sampling']:.2f} s",
            f"{told['compiling']:.1f} s",
            f"{told['gate']['rhat']:.4f}",
            f"{told['gate']['ess']:,.0f}",
        )
        for name, told in (
            (f"{rows:,} rows as counts", found["counts"]),
            (f"{100 * rows:,} rows as counts", more),
            (f"{rows:,} rows as rows", found["rows"]),
        )
    ]
    return Result(
        NAME,
        JOB,
        asked={
            "counts": "the conversion model of `sim` on trials and successes by arm and segment (2 × 6)",
            "rows": "the same PyMC model, same priors and coordinates, with `pm.Bernoulli` over the rows",
        },
        measures=measures,
        targets=[
            Target(f"sampling of {100 * rows:,} rows over that of {rows:,}", flat, 1.5, "×"),
            Target("gradient on rows over gradient on counts", ratio, None, "×"),
        ],
        gates=[
            Gate(**found["counts"]["gate"]),
            Gate(**more["gate"]),
            Gate(**found["rows"]["gate"]),
        ],
        tables=[Table(f"Fits, 4 × ({_TUNE} + {_DRAWS}), one run each", head, table)],
        notes=[
            f"posterior means of the 12 levels differ by at most {off:.1f} Monte Carlo standard errors",
        ],
    )


def fitted(on_rows: bool, rows: int) -> dict[str, Any]:
    """Fit a constructed pilot of so many rows, on its rows or on its counts, by nutpie."""
    import arviz as az
    import numpy as np
    import nutpie

    from benchmarks.plain import CHAINS, TARGET, judged

    rng = np.random.default_rng(SEED)
    arm, segment = rng.integers(2, size=rows), rng.integers(6, size=rows)
    success = rng.random(rows) < (0.10 + 0.01 * segment) * (1 + 0.1 * arm)
    started = time.perf_counter()
    compiled = nutpie.compile_pymc_model(_model(arm, segment, success, on_rows))
    compiling = time.perf_counter() - started
    # Processor time of all threads: chains run side by side.
    worked, started = time.process_time(), time.perf_counter()
    tree = nutpie.sample(
        compiled,
        draws=_DRAWS,
        tune=_TUNE,
        chains=CHAINS,
        target_accept=TARGET,
        seed=1,
        progress_bar=False,
        save_warmup=True,
    )
    cpu, sampling = time.process_time() - worked, time.perf_counter() - started
    done()
    steps = [tree[group]["n_steps"].values.sum() for group in ("sample_stats", "warmup_sample_stats")]
    level = tree["posterior"]["level"]
    mcse = az.mcse(tree["posterior"].to_dataset(), var_names=["level"])["level"].values.ravel()
    means = level.mean(dim=("chain", "draw")).values.ravel()
    return {
        "compiling": compiling,
        "sampling": sampling,
        "gradients": int(sum(steps)),
        "gradient": cpu / float(sum(steps)),
        "levels": [{"mean": float(a), "mcse": float(b)} for a, b in zip(means, mcse, strict=True)],
        "gate": asdict(Gate(**judged("rows" if on_rows else f"counts of {rows:,} rows", [tree]))),
    }


def _model(arm: Any, segment: Any, success: Any, on_rows: bool) -> Any:
    """Return the conversion model of `sim`; with `on_rows` its likelihood is taken over the rows."""
    import numpy as np
    import pymc as pm

    from models import _predictor
    from models.conversion import MODEL
    from sim.contract import Priors
    from sim.records.summary import PilotSummary

    shape = (2, 6)
    trials, successes = np.zeros(shape), np.zeros(shape)
    np.add.at(trials, (arm, segment), 1)
    np.add.at(successes, (arm, segment), success)
    summary = PilotSummary(
        arms=("human", "bot"),
        segments=tuple("ABCDEF"),
        statistics={"trials": trials, "successes": successes},
        size=trials,
    )
    if not on_rows:
        return MODEL.build(summary, Priors())
    arrays = MODEL.data(summary, Priors())
    arrays = {name: values for name, values in arrays.items() if name not in ("trials", "successes")}
    opened, data = _predictor.model(summary, arrays)
    with opened:
        eta = _predictor.predict(data, summary)
        pm.Bernoulli("outcome", logit_p=eta.cells[arm, segment], observed=success)
        pm.Deterministic("level", pm.math.sigmoid(eta.arms), dims=("arm", "segment"))
    return opened
