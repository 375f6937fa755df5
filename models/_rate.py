"""What all models share whose level is a mean per unit of volume."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Literal

import numpy as np

from sim.contract import OutcomeModel, Ratio, counted
from sim.records.arrays import Draws, FloatArray
from sim.records.projection import ArmState, Exposure, Projection, Reach
from sim.records.summary import PilotSummary


def simulated_means(
    model: OutcomeModel, draws: Draws, summary: PilotSummary, rng: np.random.Generator
) -> FloatArray:
    """Return the means of simulated datasets: the `means` of a model that simulates what its `ratio` takes.

    Returns
    -------
    (sample, cell, segment) array
        0 where nothing is observed.
    """
    cells, segments = summary.size.shape
    # One call for all: the datasets stand beside one another as further segments.
    beside = {
        name: np.moveaxis(values, 0, 1).reshape(cells, -1, *values.shape[3:])
        if values.shape[1:3] == (cells, segments)
        else values[0]
        for name, values in model.simulate(draws, summary, rng=rng).items()
    }
    means = Ratio(*counted(model, beside), np.empty(0)).mean
    return np.moveaxis(means.reshape(cells, -1, segments), 1, 0)


class RateLike:
    """The `means` and `project` of an `OutcomeModel` whose level is a mean per unit of volume."""

    def means(
        self: OutcomeModel, draws: Draws, summary: PilotSummary, *, rng: np.random.Generator
    ) -> FloatArray:
        """Observed mean of each cell in one dataset per draw; see `simulated_means`."""
        return simulated_means(self, draws, summary, rng)

    def project(
        self,
        control: ArmState,
        treated: ArmState,
        exposure: Exposure,
        reach: Reach,
        *,
        better: Literal["higher", "lower"],
        summary: PilotSummary | None,  # part of the contract
        options: Mapping[str, Any],
    ) -> Projection:
        """Units gained: volume times the difference of the means, as far as it reaches.

        units_t = ±(V'_t [c + r_t (t - c)] - V_t c), V' the volume under treatment (it differs from V
        only behind a funnel), c and t the arms' levels, r the reach.
        """
        c, t = control.level[:, :, None], treated.level[:, :, None]
        gap = t - c
        adopted, kept = reach.adopted[:, None, :], reach.kept[:, None, :]
        control_total = exposure.control * c
        lifted = (exposure.treated * gap) * (adopted * kept)
        treated_total = exposure.treated * c + lifted
        # Taking the difference of the volumes first keeps exact figures exact when they are equal.
        gained = (exposure.treated - exposure.control) * c + lifted
        return Projection(
            units=gained if better == "higher" else -gained,
            control_total=control_total,
            treated_total=treated_total,
            served=exposure.treated * adopted * (c + kept * gap),
        )
