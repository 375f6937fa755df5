"""What a table says of each period by itself: what a forecast made before it is held against."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from sim.contract import OutcomeModel
from sim.pilot.designs import composed
from sim.pilot.summary import opened
from sim.records.arrays import FloatArray
from sim.records.reading import Reading

type Statistics = Mapping[str, FloatArray]


@dataclass(frozen=True, slots=True)
class Course:
    """The statistics of a table, period by period.

    Parameters
    ----------
    periods : tuple of str
        Labels in the order of time; of customers the periods of tenure, 1 the first.
    segments : tuple of str
    statistics : tuple of mapping of str to (cell, segment, ...) array
        One for each period; zeros where nothing was observed.
    """

    periods: tuple[str, ...]
    segments: tuple[str, ...]
    statistics: tuple[Statistics, ...]

    def of(self, period: int, segments: Sequence[str]) -> Statistics:
        """Return the statistics of one period for these segments in this order."""
        place = {name: i for i, name in enumerate(self.segments)}
        where = np.array([place.get(name, -1) for name in segments])

        def chosen(values: FloatArray) -> FloatArray:
            if values.ndim < 2:
                return values
            picked = values[:, where]
            picked[:, where < 0] = 0.0
            return picked

        return {name: chosen(values) for name, values in self.statistics[period].items()}


def course(reading: Reading, model: OutcomeModel) -> Course:
    """Read a table period by period.

    Parameters
    ----------
    reading : Reading
        With a period, but for customers, whose periods are those of their tenure.
    model : OutcomeModel

    Raises
    ------
    ProblemsError
        As for `sim.pilot.summary.read`.
    """
    table = opened(reading, model)
    if model.counts == "customers":
        found, names = table.grouping.tenures()
        return Course(tuple(str(t + 1) for t in range(len(found))), composed(names), tuple(found))
    assert table.periods is not None  # noqa: S101  # the caller has seen that the table tells the time
    names = table.grouping.statistics()[1]
    parts = table.grouping.parts("_period", names)
    shape, pairs = (table.grouping.cells, len(names)), len(parts.segment)

    def at(period: int) -> Statistics:
        here = parts.label == period
        alone = {}
        for name, values in parts.statistics.items():
            if values.ndim < 2 or values.shape[1] != pairs:
                alone[name] = values
                continue
            alone[name] = np.zeros((*shape, *values.shape[2:]))
            alone[name][:, parts.segment[here]] = values[:, here]
        return alone

    periods = table.periods.labels
    return Course(periods, composed(names), tuple(at(t) for t in range(len(periods))))
