"""Pilots and fits that several tests of models and inference share."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from sim.contract import OutcomeModel, Priors
from sim.inference.fit import Sampler, fit
from sim.records.fit import Fit
from sim.records.summary import PilotSummary
from sim.registry import models, source

# MineThatData e-mail challenge (Hillstrom 2008): customers and buyers by channel, no e-mail and men's.
HILLSTROM = {
    "customers": [[2606, 9327, 9373], [2577, 9240, 9490]],
    "buyers": [[18, 50, 54], [44, 100, 123]],
}
# Pennsylvania re-employment bonus (Bilias 2000), weeks unemployed: control and treatment 4.
PENN = {
    "n": [[3354], [1745]],
    "mean": [[13.337805605247466], [12.505444126074499]],
    "sd": [[10.598891194690637], [10.4826253769768]],
}
# Rossi, Berk & Lenihan (1980): week of first arrest after release, without and with financial aid; 52 weeks.
ROSSI_CONTROL = """1 2 3 4 5 6 7 8 8 8 8 9 10 11 11 12 13 14 14 15 16 16 17 17 18 18 19 20 20 20 20 21 22 23
24 24 25 26 26 27 27 28 30 32 33 34 35 36 37 37 37 38 39 39 40 40 42 43 43 44 45 46 46 47 49 50"""


def summary(
    model: OutcomeModel,
    statistics: Mapping[str, Any],
    *,
    arms: tuple[str, ...] | None = None,
    segments: tuple[str, ...] | None = None,
    has_control: bool = True,
) -> PilotSummary:
    """Wrap statistics (arm, segment, ...) as a pilot with plain labels."""
    arrays = {name: np.asarray(values, dtype=float) for name, values in statistics.items()}
    count, width = next(iter(arrays.values())).shape[:2]
    arms = arms or ("control", *(f"t{k}" for k in range(1, count)))
    segments = segments or (("all",) if width == 1 else tuple(f"s{k:02d}" for k in range(width)))
    return PilotSummary(arms, segments, arrays, model.size(arrays), has_control)
