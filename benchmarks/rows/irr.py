"""IRR of 100,000 samples against pyxirr."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

from benchmarks.bench import Bench
from benchmarks.result import Measure, Result, Target
from benchmarks.timing import alternate, ratios

NAME, JOB = "irr", "IRR over 100,000 samples"
_DIGITS = 1e-9


def measure(bench: Bench) -> Result:
    """Measure the row."""
    rows = bench.size(100_000, 2_000)
    found, _ = bench.call("rows.irr:both", rows=rows, repeats=bench.repeats)
    faster, low, high = ratios(found["pyxirr"], found["sim"])
    return Result(
        NAME,
        JOB,
        asked={
            "sim": "count the roots of every row, solve those with one, flag the others",
            "pyxirr": "`pyxirr.irr` row by row on NumPy rows, which it takes faster than lists",
        },
        measures=[
            Measure("sim", f"{rows:,} rows of 37 months, in one process", found["sim"]),
            Measure("pyxirr", "the same rows, same process, in turn", found["pyxirr"]),
        ],
        targets=[
            Target("times as fast as pyxirr", faster, 10, "×", least=True, low=low, high=high),
            Target("largest difference of the rates per month", found["difference"], _DIGITS, ""),
        ],
        notes=[
            "{:.2f} µs a row against {:.2f} µs".format(
                *(min(found[who]) / rows * 1e6 for who in ("sim", "pyxirr"))
            ),
            f"{found['neither']:,} rows have no rate by both, {found['several']:,} have several by sim, "
            f"{found['only']:,} have one by pyxirr alone",
        ],
    )


def both(rows: int, repeats: int) -> dict[str, Any]:
    """Time both on the cash flows of the ROI model, in turn, and compare what they find."""
    import numpy as np
    import pyxirr

    from benchmarks import roi
    from sim.finance.irr import Status, irr

    rng = np.random.default_rng(1)
    cash = roi.net_cash({name: roi.quantiles(name, rng.uniform(size=rows)) for name in roi.INPUTS})

    def peer() -> Any:
        return np.array([pyxirr.irr(row, silent=True) for row in cash], dtype=float)

    def timed(job: Callable[[], Any]) -> Callable[[int], float]:
        def run(_turn: int) -> float:
            started = time.perf_counter()
            job()
            return time.perf_counter() - started

        return run

    ours, theirs = irr(cash), peer()
    seconds = alternate({"sim": timed(lambda: irr(cash)), "pyxirr": timed(peer)}, repeats)
    shared = np.isfinite(ours.monthly) & np.isfinite(theirs)
    one = ours.status == Status.UNIQUE
    return {
        **seconds,
        "difference": float(np.abs(ours.monthly - theirs)[shared].max()),
        "neither": int((~one & ~np.isfinite(theirs)).sum()),
        "several": int((ours.status == Status.SEVERAL).sum()),
        "only": int((~one & np.isfinite(theirs)).sum()),
    }
