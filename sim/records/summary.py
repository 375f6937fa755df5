"""What a pilot says, as sufficient statistics: the only form in which a model sees data."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from sim.records.arrays import FloatArray

ALL = "all"
"""Name of the single segment of a pilot without a segment column."""


@dataclass(frozen=True, slots=True)
class PilotSummary:
    """Sufficient statistics of one outcome by arm and segment.

    Parameters
    ----------
    arms : tuple of str
        Labels, control first when it was observed.
    segments : tuple of str
        Labels, sorted; ``("all",)`` without a segment column.
    statistics : mapping of str to (arm, segment, ...) array
        Named by the outcome model (e.g. ``trials``, ``successes``); further axes are the
        model's own (churn: tenure).
    size : (arm, segment) array
        Observed units (trials, rows, customers): the pilot's mix and the sample-ratio check.
    has_control : bool
        Whether ``arms[0]`` is the control.
    months : float or None
        How long the pilot ran, in months; None where the data do not say.
    origin : str
        File name or ``"inline"``, for messages.
    """

    arms: tuple[str, ...]
    segments: tuple[str, ...]
    statistics: Mapping[str, FloatArray]
    size: FloatArray
    has_control: bool = True
    months: float | None = None
    origin: str = "inline"

    @property
    def mix(self) -> FloatArray:
        """Share of each segment among the observed units of all arms, (segment,)."""
        total = self.size.sum(axis=0)
        whole = total.sum()
        return total / whole if whole > 0 else np.full(total.shape, 1.0 / total.size)

    def fingerprint(self) -> str:
        """Hash of everything that a fit depends on."""
        digest = hashlib.sha256(repr((self.arms, self.segments, self.has_control)).encode())
        for name in sorted(self.statistics):
            values = np.ascontiguousarray(self.statistics[name], dtype=np.float64)
            digest.update(f"{name}{values.shape}".encode())
            digest.update(values.tobytes())
        return digest.hexdigest()
