"""The forms in which a pilot table may come, as an outcome model states them."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np

from sim.records.arrays import FloatArray

ColumnKind = Literal["count", "amount", "number", "flag", "date", "integer"]
"""count: number >= 0 (may be fractional only where stated); amount: number >= 0;
number: any finite number; flag: 0/1, true/false, yes/no; date: a day; integer: whole number >= 0."""

type Table = Any
"""An Ibis table whose columns carry role names and are already typed."""


@dataclass(frozen=True, slots=True)
class Column:
    """One column a model reads, by its role.

    Parameters
    ----------
    role : str
        The name that stands on the left in ``columns = { role = "header" }``.
    kind : ColumnKind
        How its text is parsed.
    meaning : str
        One line for ``sim models``.
    optional : bool
        Whether it may be left out.
    blank : bool
        Whether empty cells are meaningful (an open end date); otherwise such rows are left out
        as missing, counted and noted.
    """

    role: str
    kind: ColumnKind
    meaning: str
    optional: bool = False
    blank: bool = False


@dataclass(frozen=True, slots=True)
class Rule:
    """A row that cannot be true, e.g. more successes than trials.

    Parameters
    ----------
    broken : callable
        Table (role-named columns) to a boolean Ibis expression, true where the row is wrong.
    roles : tuple of str
        Columns to show in the message.
    found, allowed : str
        The words of the message.
    """

    broken: Callable[[Table], Any]
    roles: tuple[str, ...]
    found: str
    allowed: str


@dataclass(frozen=True, slots=True)
class ColumnSet:
    """One form in which a pilot table may come.

    Parameters
    ----------
    columns : tuple of Column
        Optional ones last.
    aggregate : callable
        ``(table, by, options) -> table``: an Ibis group-by over the columns `by` (``arm``,
        ``segment``) and any further keys of the model's own; runs in the database. `options`
        holds the outcome's own settings that bear on reading (churn: ``as_of``, ``unit``).
    condense : callable
        ``(groups, shape, options) -> statistics``: the grouped rows, each column a NumPy array,
        with integer columns ``arm`` (the cell) and ``segment`` (positions), into arrays
        ``(cell, segment, ...)``; `shape` is ``(cells, segments)``.
    rows : bool
        True when one row is one unit, False when rows are already totals.
    rules : tuple of Rule
    dated : bool
        Whether a row spans time by its own dates. Asked to group by ``phase``, `aggregate` then splits
        each row at ``options["launch"]`` into 0 (before) and 1 (after).
    """

    columns: tuple[Column, ...]
    aggregate: Callable[[Table, Sequence[str], Mapping[str, Any]], Table]
    condense: Callable[
        [Mapping[str, np.ndarray[Any, Any]], tuple[int, int], Mapping[str, Any]],
        dict[str, FloatArray],
    ]
    rows: bool
    rules: tuple[Rule, ...] = ()
    dated: bool = False

    @property
    def required(self) -> tuple[str, ...]:
        """Roles that must be there."""
        return tuple(column.role for column in self.columns if not column.optional)

    @property
    def roles(self) -> tuple[str, ...]:
        """All roles of the set."""
        return tuple(column.role for column in self.columns)
