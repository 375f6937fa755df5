"""How long the customers of a stock have been there, read from a table of their own."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from sim.contract import Ratio
from sim.pilot.summary import read
from sim.records.arrays import FloatArray
from sim.records.columns import Column, ColumnSet, Rule, Table
from sim.records.reading import Reading


def _rows(table: Table, by: Sequence[str], _options: Mapping[str, Any]) -> Table:
    counted = table.mutate(tenure=table.tenure.floor().cast("int64"))
    return counted.group_by([*by, "tenure"]).agg(customers=counted.count())


def _totals(table: Table, by: Sequence[str], _options: Mapping[str, Any]) -> Table:
    counted = table.mutate(tenure=table.tenure.floor().cast("int64"))
    return counted.group_by([*by, "tenure"]).agg(customers=counted.customers.sum())


def _condense(
    groups: Mapping[str, np.ndarray[Any, Any]], shape: tuple[int, int], _options: Mapping[str, Any]
) -> dict[str, FloatArray]:
    tenure = groups["tenure"].astype(int)
    counts = np.zeros((*shape, int(tenure.max(initial=0)) + 1))
    np.add.at(counts, (groups["arm"], groups["segment"], tenure), groups["customers"].astype(float))
    return {"customers": counts}


_LONGEST = 20_000
_RULES = (
    Rule(
        lambda table: table.tenure > _LONGEST,
        ("tenure",),
        "longer than anybody stays",
        f"at most {_LONGEST:,} periods",
    ),
)
"""Arrays are as long as the longest tenure."""


class _Stock:
    """The part of an outcome model that reading needs."""

    name = "tenure mix"
    counts = "customers"
    column_sets = (
        ColumnSet(
            (Column("tenure", "amount", "completed periods of tenure"),),
            _rows,
            _condense,
            rows=True,
            rules=_RULES,
        ),
        ColumnSet(
            (
                Column("tenure", "amount", "completed periods of tenure"),
                Column("customers", "count", "customers of that tenure"),
            ),
            _totals,
            _condense,
            rows=False,
            rules=_RULES,
        ),
    )

    def size(self, statistics: Mapping[str, FloatArray]) -> FloatArray:
        customers: FloatArray = statistics["customers"].sum(axis=2)
        return customers

    def ratio(self, statistics: Mapping[str, FloatArray]) -> Ratio:
        size = self.size(statistics)
        return Ratio(size, size, np.ones_like(size))


def read_tenure_mix(reading: Reading, segments: Sequence[str]) -> FloatArray:
    """Return customers by completed period of tenure, (tenure, segment).

    Parameters
    ----------
    reading : Reading
        Columns ``tenure`` (in the outcome's unit) and, for rows that are totals, ``customers``.
    segments : sequence of str
        Segments of the outcome; without a segment column every one has the same mix.

    Raises
    ------
    ProblemsError
        As in reading a pilot table.
    """
    stock = read(reading, _Stock()).summary  # type: ignore[arg-type]  # the part that reading needs
    counts = stock.statistics["customers"][0]
    if reading.segment is None:
        return np.repeat(counts.sum(axis=0)[:, None], len(segments), axis=1)
    by = dict(zip(stock.segments, counts, strict=True))
    nothing = np.zeros(counts.shape[1])
    return np.stack([by.get(segment, nothing) for segment in segments], axis=1)
