"""Joint states of several programmes: what they share moves together, and nothing else does.

With one seed, streams of draws are named by paths alone: two programmes with ``costs.build`` would rise and
fall together, though their ranges have nothing to do with each other. So every source of uncertainty has its
states put in an order of its own, drawn from what it *is*: its name and its definition. Two programmes with
the same source get the same order, and so the same values state by state; other sources get other orders.

A source is a fitted outcome (the same if name, data, model, priors and sampler are), a volume forecast from
its history (name, table, months), the rows of a table of samples (its name and content), or a quantity (name
and definition). What a config correlates is one source, with its correlations.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from sim.engine.prepare import Prepared
from sim.engine.world import World
from sim.records.arrays import FloatArray, IntArray
from sim.records.fit import Fit
from sim.records.quantity import Certain, Samples, Scalar, scalars
from sim.simulation.draws import child


@dataclass(frozen=True, slots=True)
class Joint:
    """A world in joint states, and what it rests on.

    Parameters
    ----------
    world : World
    sources : mapping of str to str
        Of every uncertain input its source, by its path: programmes share an input whose sources are equal.
    """

    world: World
    sources: Mapping[str, str]


def joint(prepared: Prepared, fits: Mapping[str, Fit]) -> Joint:
    """Return the world of a programme in the joint states of all programmes with its seed.

    Every input keeps its values; only which of them meet in a state is drawn anew.

    Parameters
    ----------
    prepared : Prepared
    fits : mapping of str to Fit
        By outcome.
    """
    plan = prepared.plan
    world = World(prepared, {name: fit.draws for name, fit in fits.items()}, prepared.drawn)
    sources = _sources(prepared, fits)
    orders = {source: _order(plan.samples, plan.seed, source) for source in set(sources.values())}

    def taken(path: str, values: FloatArray) -> FloatArray:
        source = sources.get(path)
        return values if source is None or len(values) != plan.samples else values[orders[source]]

    columns = {path: taken(path, column) for path, column in world.drawn.columns.items()}
    posteriors = {
        name: {part: taken(plan.outcomes[name].path, values) for part, values in draws.items()}
        for name, draws in world.fits.items()
    }
    volumes = {name: taken(_history(prepared, name), paths) for name, paths in prepared.volumes.items()}
    moved = World(replace(prepared, volumes=volumes), posteriors, world.drawn.replaced(columns))
    return Joint(moved, sources)


def _order(n: int, seed: int, source: str) -> IntArray:
    """Return the order of a source's states.

    Rows that follow one another in a chain stay together in the batches by which Monte Carlo errors are told
    (`sim.records.estimate.standard_error`); where the rows begin, and the order of the batches, are drawn.
    """
    rng = child(seed, f"joint:{source}")
    rows = np.roll(np.arange(n), int(rng.integers(n)))
    size = max(n // int(np.sqrt(n)), 1)
    batches = [rows[start : start + size] for start in range(0, n, size)]
    return np.concatenate([batches[i] for i in rng.permutation(len(batches))])


def _sources(prepared: Prepared, fits: Mapping[str, Fit]) -> dict[str, str]:
    """Return by path the source of every uncertain input."""
    plan = prepared.plan
    told: dict[str, Any] = {}
    for path, quantity in plan.quantities.items():
        for name, scalar in scalars(path, quantity):
            if not isinstance(scalar, Certain):
                told[name] = _definition(prepared, name, scalar)
    for name, fit in fits.items():
        told[plan.outcomes[name].path] = ["fit", plan.outcomes[name].path, fit.key]
    for name in prepared.volumes:
        told[_history(prepared, name)] = _of_history(prepared, name)
    for group in _correlated(prepared):
        whole = ["correlated", [told[path] for path in sorted(group)], _pairs(prepared, group)]
        told |= dict.fromkeys(group, whole)
    return {path: _digest(what) for path, what in told.items()}


def _definition(prepared: Prepared, name: str, scalar: Scalar) -> list[Any]:
    if isinstance(scalar, Samples):  # its rows, whichever of its columns are taken
        return ["table", scalar.file, prepared.data[scalar.file]]
    return ["quantity", name, repr(scalar)]


def _history(prepared: Prepared, volume: str) -> str:
    history = prepared.plan.volumes[volume].history
    assert history is not None  # noqa: S101  # only such volumes are forecast
    return history.key


def _of_history(prepared: Prepared, volume: str) -> list[Any]:
    plan = prepared.plan
    history = plan.volumes[volume].history
    assert history is not None  # noqa: S101  # only such volumes are forecast
    which = [dict(history.columns), history.table, history.sheet, history.query]
    months = [str(plan.start), plan.horizon, plan.volumes[volume].seasonality]
    return ["history", history.key, prepared.data[history.noted], which, months]


def _correlated(prepared: Prepared) -> list[set[str]]:
    """Return the paths that the config correlates, in sets that hang together."""
    plan = prepared.plan
    effects = _effects(prepared)
    found: list[set[str]] = []
    for a, b, _ in plan.correlations:
        pair = {effects.get(a, a), effects.get(b, b)}
        touched = [group for group in found if group & pair]
        found = [group for group in found if not group & pair] + [pair.union(*touched)]
    return found


def _pairs(prepared: Prepared, group: set[str]) -> list[Any]:
    """Return the correlations within a group, as the config states them."""
    effects = _effects(prepared)
    return [
        list(pair) for pair in sorted(prepared.plan.correlations) if effects.get(pair[0], pair[0]) in group
    ]


def _effects(prepared: Prepared) -> dict[str, str]:
    """Return the paths of fitted outcomes by the names under which their effects are correlated."""
    paths = [prepared.plan.outcomes[name].path for name in prepared.summaries]
    return {f"{path}.effect": path for path in paths}


def _digest(what: Any) -> str:
    text = json.dumps(what, sort_keys=True, ensure_ascii=False, default=str)
    return hashlib.sha256(text.encode()).hexdigest()[:16]
