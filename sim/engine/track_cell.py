"""One measured value, and what the forecast said of it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from sim.records.arrays import FloatArray

QUANTILES = {"p05": 0.05, "p25": 0.25, "p50": 0.5, "p75": 0.75, "p95": 0.95}
CHANCE = 0.1
"""Chance with which a value leaves its 90 % band where the forecast is right."""
SLACK = 1e-3
"""Part of a forecast by which an actual may differ without leaving the band: books are rounded."""

type Row = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Cell:
    """One measured value and its forecast.

    Parameters
    ----------
    stream : str
        What was measured, by its config path.
    kind : str
        ``money``, ``volume``, ``data``; or ``sum`` for what was added up from others.
    month : int
    actual : float
        Of data, the total (such as successes).
    drawn : (sample or 1,) array
        The same in every state of the world.
    per : float
        What both are divided by to be shown: the units observed.
    """

    stream: str
    kind: str
    month: int
    actual: float
    drawn: FloatArray
    per: float = 1.0

    @property
    def band(self) -> dict[str, float]:
        """Quantiles of the forecast, as shown."""
        values = np.quantile(self.drawn / self.per, list(QUANTILES.values()))
        return dict(zip(QUANTILES, map(float, values), strict=True))

    @property
    def probability(self) -> float:
        """Probability that the forecast gave to a value at most as large."""
        return float((self.drawn <= self.actual + _slack(self.drawn)).mean())

    @property
    def outside(self) -> bool:
        """Whether the value left the 90 % band."""
        low, high = np.quantile(self.drawn, [CHANCE / 2, 1 - CHANCE / 2])
        slack = _slack(self.drawn)
        return bool(self.actual < low - slack or self.actual > high + slack)

    @property
    def above(self) -> bool:
        """Whether the value lies above the middle of its forecast."""
        return self.actual > float(np.median(self.drawn))

    def row(self) -> Row:
        """Return the row of the table."""
        shown = {"month": self.month, "stream": self.stream, "kind": self.kind}
        told = {"actual": self.actual / self.per, **self.band}
        return {**shown, **told, "probability": self.probability, "outside": self.outside}


def _slack(drawn: FloatArray) -> float:
    """Return what rounding of books may add; it matters only where the forecast is as good as certain."""
    return SLACK * abs(float(np.median(drawn)))


def total(cells: Sequence[Cell]) -> Cell:
    """Return the sum of one stream's months, its forecast summed state by state; of data, over all units."""
    per = sum(cell.per for cell in cells) if any(cell.per != 1.0 for cell in cells) else 1.0
    drawn = sum((cell.drawn for cell in cells), start=np.zeros(1))
    last = cells[-1]
    return Cell(last.stream, last.kind, last.month, sum(cell.actual for cell in cells), drawn, per)
