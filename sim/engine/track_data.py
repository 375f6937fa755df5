"""What treated customers did in a month, against data simulated from the fit for as many of them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

import numpy as np

from sim.contract import OutcomeModel
from sim.engine.track_cell import Cell
from sim.engine.track_table import Observed, treated_arm
from sim.engine.world import Strategy, World
from sim.records.arrays import FloatArray
from sim.records.quantity import quoted
from sim.simulation.draws import child


def data_cells(world: World, strategy: Strategy, name: str, seen: Observed) -> list[Cell]:
    """Return an outcome's data by month, and by segment where there are several.

    Each joint state of the world simulates one dataset of the observed size, so that the band holds both what
    is unsure of the level and the chance of a sample. Where transfer or fading lets a part of the effect
    arrive, c + k (t - c) takes the place of the treated level t; c is the control's, k the part.

    Parameters
    ----------
    world : World
    strategy : Strategy
    name : str
        A fitted outcome of a randomised pilot.
    seen : Observed
    """
    outcome, state = world.plan.outcomes[name], strategy.outcomes[name]
    summary, model = world.prepared.summaries[name], outcome.model
    arm, arms = treated_arm(summary, strategy.name), len(summary.arms)
    part = world.reach(name).kept
    cells = []
    for month in seen.months:
        statistics = seen.condense({month: arm}, arms)
        size = model.size(statistics)
        pilot = replace(summary, statistics=statistics, size=size)
        rng = child(world.plan.seed, f"track:{outcome.path}:{month}")
        made = model.simulate(world.fits[name], pilot, rng=rng)
        actual, drawn, units = _totals(model, statistics, made, arm, (arms, len(summary.segments)))
        arrived = part[:, [month - 1]]
        if not np.allclose(arrived, 1.0, rtol=0, atol=1e-12):
            control, treated = state.control.level, state.treated.level
            shifted = control + arrived * (treated - control)
            # A level below 0 has no ratio, and one of a rate keeps its totals above 0.
            drawn = (
                drawn + units * (shifted - treated) if model.level == "real" else drawn * shifted / treated
            )
        there = np.flatnonzero(size[arm] > 0)
        # Customers at risk are no units of a rate: who left is told as a number.
        per = np.ones_like(units) if model.counts == "customers" else units
        if len(summary.segments) > 1:
            cells += [
                Cell(
                    f"{outcome.path}.segments.{quoted(summary.segments[s])}.treated",
                    "data",
                    month,
                    float(actual[s]),
                    drawn[:, s],
                    float(per[s]),
                )
                for s in there
            ]
        kind = "sum" if len(summary.segments) > 1 else "data"
        whole = float(per[there].sum()) if model.counts != "customers" else 1.0
        path = f"{outcome.path}.treated"
        cells.append(Cell(path, kind, month, float(actual[there].sum()), drawn[:, there].sum(axis=1), whole))
    return cells


def _totals(
    model: OutcomeModel,
    observed: Mapping[str, FloatArray],
    made: Mapping[str, FloatArray],
    arm: int,
    shape: tuple[int, int],
) -> tuple[FloatArray, FloatArray, FloatArray]:
    """Return the total of one arm as observed (segment,), as simulated (sample, segment), and its units.

    What was observed stands beside the simulated datasets in one call, so that both go through the same
    estimate, from what both tell.
    """
    arms, segments = shape
    beside = {}
    for name, values in made.items():
        if name not in observed:
            continue
        beside[name] = observed[name]
        if values.shape[1:3] == shape:
            every = np.concatenate([observed[name][None], values])
            beside[name] = np.moveaxis(every, 0, 1).reshape(arms, -1, *values.shape[3:])
    found = model.ratio(beside)
    total, units = (
        values.reshape(arms, -1, segments)[arm] for values in (found.numerator, found.denominator)
    )
    return total[0], total[1:], units[0]
