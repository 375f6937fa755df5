"""Data of treated customers in the table of actual months, grouped by month and segment in the engine."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from sim.contract import OutcomeModel
from sim.errors import ProblemsError
from sim.pilot.actuals import MONTH, SEGMENT, Table
from sim.pilot.columns import choose
from sim.pilot.findings import plain, row_problems, rules_of, tally
from sim.pilot.layout import Field, Layout, kept
from sim.pilot.values import numbers
from sim.records.arrays import FloatArray


@dataclass(frozen=True, slots=True)
class Groups:
    """Data of one outcome's treated customers, grouped by month and segment.

    Parameters
    ----------
    months : tuple of int
        Months of the programme that have data.
    condense : callable
        ``condense(places, cells)`` makes statistics (cell, segment, ...) of the months that `places` maps
        to cells; segments are in the order that was asked for.
    """

    months: tuple[int, ...]
    condense: Callable[[Mapping[int, int], int], dict[str, FloatArray]]


def grouped(
    table: Table,
    columns: Mapping[str, str],
    model: OutcomeModel,
    segments: Sequence[str],
    options: Mapping[str, Any],
    key: str,
) -> Groups:
    """Group the data of one outcome by month and segment; the rows stay in the engine.

    Parameters
    ----------
    table : Table
        Its rows have been checked: months and segments are right.
    columns : mapping of str to str
        Role to column.
    model : OutcomeModel
    segments : sequence of str
        The outcome's segments; a single one needs no segment column.
    options : mapping
        The outcome's own settings that bear on reading.
    key : str
        Config key of the outcome, for messages.

    Raises
    ------
    ProblemsError
        When the columns fit no form of aggregated data, and with every impossible row.
    """
    headers = {role: table.headers[name] for role, name in columns.items()}
    forms = [columns for columns in model.column_sets if not columns.rows]
    choice = choose(forms, headers, list(headers.values()), place=key, file=table.shown)
    texts = {row.text: row.month for row in table.rows}
    months = sorted(set(texts.values()))
    fields = tuple(Field(choice.headers[c.role], c.kind, c.role, c.blank) for c in choice.columns)
    layout = Layout(
        table.source.parts,
        fields,
        table.headers[MONTH],
        table.headers[SEGMENT] if table.segmented and len(segments) > 1 else None,
        (),
        {text: months.index(month) for text, month in texts.items()},
    )
    layout = layout.known().styled(table.source)
    rules = rules_of(choice.column_set, layout)
    typed = layout.typed(table.source)
    count = tally(table.source, layout, typed, rules, len(months))
    if found := row_problems(table.source, layout, rules, count):
        raise ProblemsError(*found)
    chosen = typed.filter(kept(typed)).select("arm", "segment", *choice.headers)
    rows = table.source.run(
        choice.column_set.aggregate(chosen, ["arm", "segment"], dict(options)), repeatable=True
    )
    groups: dict[str, Any] = {name: numbers(rows[name]) for name in rows.column_names if name != "segment"}
    places = {plain(name): i for i, name in enumerate(segments)}
    labels = [plain(text) for text in rows["segment"].to_pylist()]
    groups["segment"] = np.array([places[t] if len(segments) > 1 else 0 for t in labels], dtype=np.int64)
    month = np.array(months, dtype=np.int64)[groups["arm"].astype(np.int64)]

    def condense(cells: Mapping[int, int], count: int) -> dict[str, FloatArray]:
        use = np.isin(month, list(cells))
        part = {name: values[use] for name, values in groups.items()}
        part["arm"] = np.array([cells[int(m)] for m in month[use]], dtype=np.int64)
        return choice.column_set.condense(part, (count, len(segments)), dict(options))

    return Groups(tuple(sorted({int(m) for m in month})), condense)
