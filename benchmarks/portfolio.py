"""``python -m benchmarks.portfolio``: programmes a minute on processes and on Dask, overhead and memory."""

from __future__ import annotations

import argparse
import json
import resource
import sys
import time
from pathlib import Path
from tempfile import TemporaryDirectory

import sim
from sim.engine.workers import Workers, at_work

CONFIG = """\
[programme]
name = "Programme {number}"
currency = "EUR"
[volumes]
market = {{ low = 9_000, high = 12_000 }}
[outcomes.sale]
model = "conversion"
control = {{ trials = {trials}, successes = {before} }}
treated = {{ trials = {trials}, successes = {after} }}
volume = "market"
value = 12
[costs]
build.once = {{ low = {low}, high = {high} }}
"""
WAYS: dict[str, Workers] = {
    "1 process": Workers(processes=1),
    "2 processes": Workers(processes=2),
    "Dask, 2 workers": Workers(dask=True, processes=2),
}


def write(folder: Path, count: int) -> None:
    """Write so many configs, each with data of its own, so that each is fitted."""
    for number in range(count):
        trials, before = 4_000 + 7 * number, 200 + number % 40
        text = CONFIG.format(
            number=number,
            trials=trials,
            before=before,
            after=before + 20 + number % 30,
            low=20_000 + 100 * (number % 50),
            high=60_000 + 100 * (number % 50),
        )
        (folder / f"p{number:05d}.toml").write_text(text, "utf-8")


def measure(folder: Path, out: Path, workers: Workers) -> dict[str, float]:
    """Return seconds of a portfolio from nothing, and again from its finished runs."""
    found = {}
    for name in ("cold", "warm"):
        started = time.perf_counter()
        sim.portfolio([folder], budget=1e6, out=out, dask=workers.dask, processes=workers.processes)
        found[name] = time.perf_counter() - started
    return found


def overhead(workers: Workers, count: int = 2_000) -> float:
    """Return seconds that a task costs which does nothing."""
    with at_work(workers) as each:
        each(_nothing, range(4))  # the workers are there now
        started = time.perf_counter()
        each(_nothing, range(count))
        return (time.perf_counter() - started) / count


def _nothing(task: int) -> int:
    return task


def main() -> int:
    """Measure every way and print one JSON object."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--programmes", type=int, default=200)
    count = parser.parse_args().programmes
    told: dict[str, object] = {"programmes": count}
    with TemporaryDirectory() as place:
        folder = Path(place) / "configs"
        folder.mkdir()
        write(folder, count)
        for name, workers in WAYS.items():
            seconds = measure(folder, Path(place) / name, workers)
            told[name] = {
                **{f"{part}_seconds": seconds[part] for part in seconds},
                **{f"{part}_programmes_a_minute": 60 * count / seconds[part] for part in seconds},
                "overhead_a_task_seconds": overhead(workers),
                # Of children that have ended: the largest so far.
                "largest_worker_mb": resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss / 1024,
            }
    sys.stdout.write(json.dumps(told, indent=2) + "\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
