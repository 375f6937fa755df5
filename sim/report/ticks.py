"""Numbers beside the axes of a plot."""

from __future__ import annotations

from typing import Any

import numpy as np
from matplotlib.ticker import Formatter

from sim.language import language, spoken_in
from sim.report.words import number

_MOST_DECIMALS = 8


def ticks(divisor: float = 1.0) -> Formatter:
    """Write ticks as their readers write numbers, all of an axis to the same place."""
    return _Ticks(divisor)


class _Ticks(Formatter):
    def __init__(self, divisor: float) -> None:
        self._divisor, self._decimals = divisor, 2
        self._language = language()  # a figure in a notebook is drawn later

    def set_locs(self, locs: Any) -> None:
        """Count the decimals that the ticks of the axis need."""
        super().set_locs(locs)
        shown = np.asarray(locs, float) / self._divisor

        def off(decimals: int) -> float:
            return float(np.abs(np.round(shown, decimals) - shown).max(initial=0.0))

        near = 1e-9 * float(np.abs(shown).max(initial=0.0))
        enough = (decimals for decimals in range(_MOST_DECIMALS) if off(decimals) <= near)
        self._decimals = next(enough, _MOST_DECIMALS)

    def __call__(self, x: float, pos: int | None = None) -> str:  # noqa: ARG002  # as Matplotlib asks
        """Return the text of one tick."""
        with spoken_in(self._language):
            return number(x / self._divisor, self._decimals, _MOST_DECIMALS)
