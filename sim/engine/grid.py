"""A forecast over a grid of settings, one row each."""

from __future__ import annotations

import itertools
import math
import time
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from sim.engine.runs import cores
from sim.engine.study import Setting, Study, metrics_of
from sim.engine.workers import Workers, all_done, at_work
from sim.engine.world import World
from sim.finance.metrics import PAYBACKS
from sim.records.arrays import FloatArray
from sim.records.estimate import quantile_error, standard_error

type Row = dict[str, Any]
type Grid = Sequence[tuple[str, Sequence[float]]]

_ALWAYS = ("npv", "benefit", "cost", "peak_funding", *PAYBACKS)
"""Metrics that have a value, or for a payback a rank, in every sample."""
_PARTS = ("mean", "median", "low", "high", "mcse")
_TOGETHER = 64
"""Points that one task simulates, since it reads config and fits first."""
_THREADS_PAY = 0.02
"""Seconds a setting from which two threads are faster than one: below it Python holds them up."""


def simulate(
    study: Study,
    grid: Grid,
    metrics: Sequence[str],
    *,
    allow_untrusted: bool = False,
    tell: Callable[[float], None] = lambda _share: None,
) -> list[Row]:
    """Return the figures at every point of a grid, a row per setting and strategy, in the order of the grid.

    Parameters
    ----------
    study : Study
    grid : sequence of (key, values)
        Values in rising order.
    metrics : sequence of str
    allow_untrusted : bool
        Give figures also where a check fails.
    tell : callable
        Called with the share done.
    """
    keys, points = _points(study, grid)
    weight = [_touched(study, key) if len(keys) > 1 else 0.0 for key in keys]
    outer = sorted(range(len(keys)), key=lambda i: -weight[i])
    order = sorted(range(len(points)), key=lambda i: [points[i][axis] for axis in outer])
    done = itertools.count(1)

    def row(index: int) -> tuple[int, list[Row]]:
        setting = dict(zip(keys, points[index], strict=True))
        found = _rows(study, setting, metrics, allow_untrusted)
        tell(next(done) / len(points))
        return index, found

    # The third setting tells what one costs: it can take over what the first two had to make.
    head = [row(index) for index in order[:2]]
    started = time.perf_counter()
    head += [row(index) for index in order[2:3]]
    each, rest = time.perf_counter() - started, order[3:]
    workers = cores()
    if each < _THREADS_PAY or workers < 2 or len(rest) < 4:
        tail: Iterable[tuple[int, list[Row]]] = (row(index) for index in rest)
        rows = dict([*head, *tail])
    else:
        half = (len(rest) + 1) // 2
        with ThreadPoolExecutor(workers) as pool:
            parts = pool.map(lambda part: [row(index) for index in part], (rest[:half], rest[half:]))
            rows = dict(itertools.chain(head, *parts))
    return [item for index in range(len(points)) for item in rows[index]]


def _points(study: Study, grid: Grid) -> tuple[list[str], list[tuple[float, ...]]]:
    """Return keys and points of a grid; between its corners every quantity may then be replaced."""
    keys = [key for key, _ in grid]
    points = list(itertools.product(*(values for _, values in grid)))
    for corner in (points[0], points[-1]):
        study.at(dict(zip(keys, corner, strict=True)))
    return keys, points


@dataclass(frozen=True, slots=True)
class Part:
    """Some points of a grid, with all that determines their figures.

    Parameters
    ----------
    config : Path
    sets, seed, store
        As for `Study`.
    grid, metrics, allow_untrusted
        As for `simulate`.
    first, beyond : int
        Which points, in the order of the grid.
    """

    config: Path
    sets: Sequence[str]
    seed: int | None
    store: Path
    grid: Grid
    metrics: Sequence[str]
    allow_untrusted: bool
    first: int
    beyond: int


def simulate_part(part: Part) -> list[Row]:
    """Return the rows of some points, from the stored fits; in whichever process."""
    study = Study(part.config, part.sets, part.seed, part.store)
    keys, points = _points(study, part.grid)
    return [
        row
        for point in points[part.first : part.beyond]
        for row in _rows(study, dict(zip(keys, point, strict=True)), part.metrics, part.allow_untrusted)
    ]


def simulate_on(
    workers: Workers,
    study: Study,
    grid: Grid,
    metrics: Sequence[str],
    *,
    allow_untrusted: bool = False,
    tell: Callable[[float], None] = lambda _share: None,
) -> list[Row]:
    """Return what `simulate` returns, from a cluster whose workers see the same files.

    Parameters
    ----------
    workers : Workers
    study, grid, metrics, allow_untrusted, tell
        As for `simulate`.
    """
    points = math.prod(len(values) for _, values in grid)
    config, store, sets = study.config.resolve(), study.store.resolve(), tuple(study.sets)
    tasks = [
        Part(config, sets, study.seed, store, grid, metrics, allow_untrusted, first, first + _TOGETHER)
        for first in range(0, points, _TOGETHER)
    ]
    with at_work(workers) as each:
        return [row for rows in all_done(each(simulate_part, tasks, tell)) for row in rows]


def _touched(study: Study, key: str) -> float:
    """Return how much a key touches: the more, the further out its loop, so that less is simulated anew."""
    if not study.is_quantity(key):
        return np.inf
    world = study.world
    world.strategy(world.plan.strategies[0])
    column = study.column(key)
    return 0.0 if column is None else world.parts.made_from("column", column)


def _rows(study: Study, setting: Setting, metrics: Sequence[str], allow_untrusted: bool) -> list[Row]:
    """Return the rows of one setting."""
    world = study.at(setting)
    failed = study.failed(setting)
    rows = []
    for strategy in world.plan.strategies:
        found = figures_at(world, strategy, metrics)
        if failed and not allow_untrusted:
            found = dict.fromkeys(found)
        told = {"strategy": strategy, "trusted": not failed, "failed": " ".join(failed) or None}
        rows.append({**setting, **told, **found})
    return rows


def figures_at(world: World, strategy: str, metrics: Sequence[str]) -> Row:
    """Return the figures of one strategy in one world, in the columns of the table.

    Parameters
    ----------
    world : World
    strategy : str
    metrics : sequence of str
        The NPV is always there.
    """
    plan = world.plan
    beside = ("benefit", "cost") if "roi" in metrics else ()
    samples, blocks = metrics_of(world, strategy, {"npv", *metrics}, beside=beside)
    row: Row = {}
    for name in dict.fromkeys(("npv", *metrics)):
        block = blocks["metrics"][name]
        row |= {f"{name}_{part}": block[part] for part in _PARTS}
        if name == "roi":
            row["roi_expected"] = block["expected"]
            row["roi_expected_mcse"] = _ratio_error(samples["benefit"], samples["cost"], block["expected"])
        if name in PAYBACKS:
            row[f"{name}_median_mcse"] = quantile_error(samples[name], 0.5)
            row |= _share(f"{name}_never", np.isinf(samples[name]))
        if name not in _ALWAYS:
            row |= _share(f"{name}_undefined", ~np.isfinite(samples[name]))
    row |= _share("p_loss", samples["npv"] < 0)
    row |= _share("p_npv_above_hurdle", samples["npv"] > plan.hurdle)
    if plan.payback_within is not None:
        share = blocks["probability"]["payback_within"]
        # Samples of a share are taken as independent here.
        error = None if share is None else float(np.sqrt(share * (1 - share) / world.n))
        row |= {"p_payback_within": share, "p_payback_within_mcse": error}
    return row


def _share(name: str, hit: Any) -> Row:
    values = np.asarray(hit, dtype=np.float64)
    return {name: float(values.mean()), f"{name}_mcse": float(standard_error(values))}


def _ratio_error(benefit: FloatArray, cost: FloatArray, expected: float | None) -> float | None:
    """Return the Monte Carlo error of (mean B − mean C)/mean C, linear in the means about them."""
    if expected is None:
        return None
    return float(standard_error(benefit - (1 + expected) * cost)) / float(cost.mean())
