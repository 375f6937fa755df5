"""``poe bench``: measures every row and its peers in one run, prints them, and writes the page."""

from __future__ import annotations

import argparse
import compileall
import datetime as dt
import shutil
import signal
import sys
import tempfile
import time
import traceback
from collections.abc import Sequence
from pathlib import Path

from benchmarks import machine, page, profile
from benchmarks.bench import Bench
from benchmarks.result import Result, Table
from benchmarks.rows import NAMES, row
from benchmarks.timing import ROOT, FailedRunError

PAGE = ROOT / "docs" / "performance.md"
PROFILE = "profile"


def main(arguments: Sequence[str] | None = None) -> int:
    """Measure; return 0 when every row could be measured and every timed fit passes its gates."""
    parser = argparse.ArgumentParser(prog="poe bench", description=__doc__)
    parser.add_argument("--only", nargs="+", default=[], metavar="ROW", choices=[*NAMES, PROFILE])
    parser.add_argument("--quick", action="store_true", help="small sizes: whether it works, not how fast")
    parser.add_argument("--large", action="store_true", help="10⁸ rows of pilot as well (some 3 GB of disk)")
    parser.add_argument("--page", type=Path, help=f"written here; by default {PAGE} after a whole run only")
    parser.add_argument("--scratch", type=Path, help="folder for inputs and results; it is removed")
    options = parser.parse_args(arguments)
    whole = not (options.only or options.quick)
    target = options.page or (PAGE if whole else None)
    chosen = [*NAMES, PROFILE] if not options.only else options.only

    started, load = time.monotonic(), machine.load()
    for package in ("sim", "models", "benchmarks"):  # as an install does
        compileall.compile_dir(ROOT / package, quiet=2)
    scratch = Path(tempfile.mkdtemp(prefix="sim-bench-", dir=options.scratch))
    bench = Bench(scratch, quick=options.quick, large=options.large)
    results: list[Result] = []
    where: list[Table] = []
    failed = False
    try:
        for name in NAMES:
            if name in chosen:
                results.append(_measured(name, bench))
                say(page.printed(results[-1]))
        if PROFILE in chosen:
            try:
                where = profile.measure(bench)
            except FailedRunError as error:
                failed = True
                say(f"profile: FAILED {error}")
    finally:
        shutil.rmtree(scratch, ignore_errors=True)
    if target is not None:
        typed = [f"--only {' '.join(options.only)}"] if options.only else []
        typed += [f"--{name}" for name in ("quick", "large") if getattr(options, name)]
        told = page.Told(
            " ".join(["uv run poe bench", *typed]),
            dt.datetime.now(tz=dt.UTC).date(),
            (load, machine.load()),
            (time.monotonic() - started) / 60,
        )
        page.write(target, results, where, told)
        say(f"{target} is written")
    return 1 if failed or not all(result.trusted for result in results) else 0


def _measured(name: str, bench: Bench) -> Result:
    """Measure one row; a failure is told in its place and leaves the others."""
    job, measure = row(name)
    try:
        return measure(bench)
    except Exception as error:  # noqa: BLE001  # twenty minutes of other rows must not be lost
        if not isinstance(error, FailedRunError):
            traceback.print_exc()
        return Result(name, job, error=f"{type(error).__name__}: {error}")


def say(text: str) -> None:
    """Print to a person who waits."""
    sys.stderr.write(f"{text}\n")
    sys.stderr.flush()


if __name__ == "__main__":
    # Stopped from outside, it removes its inputs as after Ctrl-C.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    sys.exit(main())
