"""What a table that nobody has described yet looks like, column by column."""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping
from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True)
class Value:
    """One of the few different values of a column.

    Parameters
    ----------
    text : str
        As arms and segments are compared.
    rows : int
    filled, different : mapping of str to int
        Of each column, how many of these rows hold something, and how many different things.
    """

    text: str
    rows: int
    filled: Mapping[str, int] = field(default_factory=dict)
    different: Mapping[str, int] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class ColumnLook:
    """One column.

    Parameters
    ----------
    header : str
    filled, different : int
        Rows that hold something; different things that they hold.
    numbers, whole, flags, dates : int
        Rows that read as a number, a whole number >= 0, one of 0/1, true/false, yes/no, or a day.
    least, most, total : float or None
        Over the numbers.
    last : date or None
        Latest day.
    months : bool
        Whether every cell is a month such as ``2025-03``.
    values : tuple of Value
        All values, the most frequent first, where they are few; else empty.
    """

    header: str
    filled: int
    different: int
    numbers: int
    whole: int
    flags: int
    dates: int
    least: float | None
    most: float | None
    total: float | None
    last: dt.date | None
    months: bool
    values: tuple[Value, ...] = ()

    @property
    def is_number(self) -> bool:
        """Whether all that it holds are numbers."""
        return 0 < self.filled == self.numbers

    @property
    def is_count(self) -> bool:
        """Whether all that it holds are whole numbers of at least 0."""
        return 0 < self.filled == self.whole

    @property
    def is_flag(self) -> bool:
        """Whether it answers yes or no."""
        return 0 < self.filled == self.flags

    @property
    def is_date(self) -> bool:
        """Whether all that it holds are days."""
        return 0 < self.filled == self.dates


@dataclass(frozen=True, slots=True)
class Look:
    """A table.

    Parameters
    ----------
    rows : int
    columns : mapping of str to ColumnLook
        By header, in the order of the table; a header that stands twice is left out.
    within : frozenset of (str, str)
        Pairs of counts of which the first is nowhere larger than the second.
    """

    rows: int
    columns: Mapping[str, ColumnLook]
    within: frozenset[tuple[str, str]] = frozenset()
