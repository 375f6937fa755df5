"""A world in which some inputs stand still."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import numpy as np

from sim.engine.world import World
from sim.records.arrays import FloatArray


def put(world: World, chosen: Callable[[str], bool], to: Callable[[FloatArray], FloatArray]) -> World:
    """Return the world with the chosen inputs put to one value each.

    Parameters
    ----------
    world : World
    chosen : callable
        Path of an input to whether it is meant: of a quantity, of a fitted outcome (all its draws), or of
        a volume's history.
    to : callable
        Makes one row of an array by sample, such as `at_mean`.
    """
    plan = world.plan
    columns = {
        path: np.full(world.n, to(column)) for path, column in world.drawn.columns.items() if chosen(path)
    }
    fits = {
        name: {key: to(values) for key, values in draws.items()}
        if chosen(plan.outcomes[name].path)
        else draws
        for name, draws in world.fits.items()
    }
    volumes = {}
    for name, paths in world.prepared.volumes.items():
        history = plan.volumes[name].history
        assert history is not None  # noqa: S101  # only such volumes are forecast
        volumes[name] = to(paths) if chosen(history.key) else paths
    prepared = replace(world.prepared, volumes=volumes)
    return World(prepared, fits, world.drawn.replaced(columns), (world,))


def at_mean(values: FloatArray) -> FloatArray:
    """Return the mean over samples, as one row."""
    mean: FloatArray = values.mean(axis=0, keepdims=True)
    return mean
