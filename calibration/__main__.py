"""``poe calibrate``: runs every cell in two processes, judges them, and writes the page."""

from __future__ import annotations

import argparse
import datetime as dt
import sys
from collections.abc import Mapping, Sequence
from functools import partial
from pathlib import Path

from calibration import report
from calibration.cells import Cell, cells
from calibration.run import Ranks, calibrate
from calibration.verdict import FALSE_ALARM, judge, tests
from sim.engine.workers import Workers, all_done, at_work

AGAIN = 2000
"""Datasets of the rerun of a failed cell."""


def main(arguments: Sequence[str] | None = None) -> int:
    """Calibrate; return 0 when every cell passes and 1 when one fails."""
    root = Path(__file__).resolve().parent.parent
    parser = argparse.ArgumentParser(prog="poe calibrate", description=__doc__)
    parser.add_argument("--n", type=int, default=500, help="datasets a cell (500)")
    parser.add_argument("--again", type=int, default=AGAIN, help="datasets of the rerun of a failed cell")
    parser.add_argument("--seed", type=int, default=20260101)
    parser.add_argument("--processes", type=int, default=2)
    parser.add_argument(
        "--scheduler", help="Dask scheduler whose workers see the same files, tcp://HOST:PORT"
    )
    parser.add_argument("--cells", nargs="*", default=[], help="names such as churn or churn-randomised")
    parser.add_argument("--page", type=Path, default=root / "docs" / "calibration.md")
    parser.add_argument("--store", type=Path, default=root / "results" / ".calibration")
    options = parser.parse_args(arguments)
    chosen = [cell for cell in cells() if not options.cells or {cell.name, cell.slug} & set(options.cells)]
    if not chosen:
        parser.error(f"no such cell; there are {', '.join(cell.slug for cell in cells())}")

    results = _run(chosen, options.n, options.seed, options)
    level = FALSE_ALARM / tests(results)
    verdicts = {cell: judge(ranks, level) for cell, ranks in results.items()}
    failed = report.outcome(verdicts, {})
    # Other datasets: the first run's would fail again because they did.
    more = _run(failed, options.again, options.seed + 1, options) if options.again else {}
    again = {cell: (ranks, judge(ranks, level)) for cell, ranks in more.items()}
    # What bears on the figures, as it would be typed.
    own = {name: getattr(options, name) for name in ("n", "again", "seed")}
    told = [f"--{name} {value}" for name, value in own.items() if value != parser.get_default(name)]
    told += ["--cells", *options.cells] if options.cells else []
    command = " ".join(["uv run poe calibrate", *told])
    today = dt.datetime.now(tz=dt.UTC).date()
    report.write(options.page, results, verdicts, again, level=level, command=command, today=today)
    bad = report.outcome(verdicts, again)
    sys.stderr.write(f"{options.page}: {len(chosen) - len(bad)} of {len(chosen)} cells pass\n")
    return 1 if bad else 0


def _run(chosen: Sequence[Cell], n: int, seed: int, options: argparse.Namespace) -> Mapping[Cell, Ranks]:
    """Calibrate cells side by side; each keeps its ranks as they come."""
    if not chosen:
        return {}
    do = partial(calibrate, n=n, seed=seed, store=options.store.resolve())
    with at_work(Workers(options.scheduler, processes=options.processes)) as each:
        return dict(zip(chosen, all_done(each(do, chosen)), strict=True))


if __name__ == "__main__":
    sys.exit(main())
