"""Simulates a world a run of states at a time, on the cores that there are."""

from __future__ import annotations

import os
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

from sim.engine.world import World


def cores() -> int:
    """Return how many threads have work: two, where there are two cores."""
    return min(2, all_cores())


def in_runs[T](world: World, length: int, do: Callable[[World], T]) -> list[T]:
    """Return what is found in each run of states, in their order.

    A run's arrays are small: memory does not grow with the samples, and they stay near the processor.

    Parameters
    ----------
    world : World
    length : int
        States in a run; the last may have fewer.
    do : callable
        Takes the world of a run.
    """
    with ThreadPoolExecutor(cores()) as pool:
        starts = range(0, world.n, length)
        return list(pool.map(lambda start: do(world.run(start, length)), starts))


def all_cores() -> int:
    """Return how many cores this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
