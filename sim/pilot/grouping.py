"""Groups the rows of a checked table in the engine: by cell and segment, and by cluster or period within."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np

from sim.contract import OutcomeModel, Ratio
from sim.errors import Problem, ProblemsError
from sim.pilot.columns import Choice
from sim.pilot.engine import Expr
from sim.pilot.inline import ARM
from sim.pilot.layout import Layout, kept
from sim.pilot.source import Source
from sim.pilot.values import numbers
from sim.records.arrays import FloatArray, IntArray
from sim.records.reading import Reading


@dataclass(frozen=True, slots=True)
class Parts:
    """The mean by cell and pair of segment and cluster (or period).

    Parameters
    ----------
    ratio : Ratio
        Each (cell, pair).
    segment, label : (pair,) array of int
        Position of the segment; of the cluster among `labels`, or of the period itself.
    labels : tuple of str
        Clusters; empty for periods.
    statistics : mapping of str to array
        What the mean is of, (cell, pair, ...), with grids that all cells share.
    """

    ratio: Ratio
    segment: IntArray
    label: IntArray
    labels: tuple[str, ...]
    statistics: Mapping[str, FloatArray]


@dataclass(frozen=True, slots=True)
class Grouping:
    """A table ready to be grouped.

    Parameters
    ----------
    source : Source
    layout : Layout
    typed : Ibis table
        Of the layout.
    choice : Choice
    model : OutcomeModel
    reading : Reading
    """

    source: Source
    layout: Layout
    typed: Expr
    choice: Choice
    model: OutcomeModel
    reading: Reading

    @property
    def cells(self) -> int:
        """Number of cells: arms, or arms by phase."""
        return len(self.reading.arms) * (2 if self.reading.design == "difference-in-differences" else 1)

    def statistics(self) -> tuple[dict[str, FloatArray], list[str]]:
        """Return the statistics (cell, segment, ...) and the labels of the segments."""
        groups, names = self._by_segment()
        return self._condensed(groups, len(names)), names

    def tenures(self) -> tuple[list[dict[str, FloatArray]], list[str]]:
        """Return the statistics of each period of tenure with anyone at risk, and the segments."""
        groups, names = self._by_segment()
        whole = self._condensed(groups, len(names))
        longest = max(values.shape[2] for values in whole.values() if values.ndim > 2)
        found = [self._condensed(groups, len(names), (t, t + 1)) for t in range(longest)]
        while found and not self.model.size(found[-1]).any():
            found.pop()
        return found, names

    def _by_segment(self) -> tuple[dict[str, Any], list[str]]:
        groups, _ = self._rows([])
        names = sorted(set(groups["segment"]))
        place = {name: i for i, name in enumerate(names)}
        groups["segment"] = np.array([place[label] for label in groups["segment"]], dtype=np.int64)
        return groups, names

    def parts(self, by: Literal["_cluster", "_period"], segments: list[str]) -> Parts:
        """Return the mean by segment and cluster or period; rows without a period are left out."""
        groups, labels = self._rows([by])
        kinds: tuple[str, ...] = ()
        if by == "_period":
            used = ~np.isnan(labels)
            groups = {name: values[used] for name, values in groups.items()}
            place = labels[used].astype(np.int64)
        else:
            kinds = tuple(sorted(set(labels)))
            order = {name: i for i, name in enumerate(kinds)}
            place = np.array([order[name] for name in labels], dtype=np.int64)
        at = {name: i for i, name in enumerate(segments)}
        segment = np.array([at[label] for label in groups["segment"]], dtype=np.int64)
        pairs, where = np.unique(np.stack([segment, place]), axis=1, return_inverse=True)
        groups["segment"] = where.ravel()
        statistics = self._condensed(groups, pairs.shape[1])
        return Parts(self.model.ratio(statistics), pairs[0], pairs[1], kinds, statistics)

    def _rows(self, extra: list[str]) -> tuple[dict[str, Any], Any]:
        """Return the grouped rows, cells in ``arm``, and the column that was asked for besides."""
        reading, layout = self.reading, self.layout
        used = self.typed.filter(kept(self.typed))
        phased = reading.design == "difference-in-differences"
        by = ["arm", "segment", *extra]
        options = dict(reading.options)
        dated = reading.design != "randomised" and layout.position is None and layout.arm != ARM
        dated = dated and self.choice.column_set.dated and (phased or layout.arm is None)
        if dated:
            by.append("phase")
            options["launch"] = reading.launch
        elif phased:
            after = (used["_period"] >= layout.launch).cast("int64")
            used = used.mutate(arm=used["arm"] * 2 + after)
        chosen = used.select("arm", "segment", *extra, *self.choice.headers)
        rows = self.source.run(self.choice.column_set.aggregate(chosen, by, options), repeatable=True)
        texts = {"segment", "_cluster"}
        groups = {
            name: np.array(rows[name].to_pylist(), dtype=object) if name in texts else numbers(rows[name])
            for name in rows.column_names
        }
        for name, values in groups.items():
            if values.dtype.kind == "f" and name != "_period" and np.isposinf(values).any():
                found = f"the numbers are too large to be added up ({name})"
                raise ProblemsError(Problem(found, file=reading.shown, key=reading.key))
        if dated:
            phase = groups.pop("phase")
            groups["arm"] = groups["arm"] * 2 + phase if phased else phase
        other = groups.pop(extra[0]).astype(float if extra[0] == "_period" else object) if extra else None
        return groups, other

    def _condensed(
        self, groups: dict[str, Any], width: int, tenures: tuple[int | None, int] | None = None
    ) -> dict[str, FloatArray]:
        options = dict(self.reading.options)
        if tenures is None and self.reading.until is not None and self.model.counts == "customers":
            tenures = None, self.reading.until
        if tenures is not None:
            options["tenures"] = tenures
        return self.choice.column_set.condense(groups, (self.cells, width), options)
