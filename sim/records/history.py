"""A driver's own past: units by calendar month."""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass

import numpy as np

from sim.records.arrays import FloatArray


def month_number(day: dt.date) -> int:
    """Return the months since year 0, so that months can be counted; ``month_name`` goes back."""
    return day.year * 12 + day.month - 1


def month_name(number: int) -> str:
    """Return a month as it is written in tables.

    >>> month_name(month_number(dt.date(2025, 3, 17)))
    '2025-03'
    """
    return f"{number // 12}-{number % 12 + 1:02d}"


@dataclass(frozen=True, slots=True)
class History:
    """Units per calendar month, without holes in the months.

    Parameters
    ----------
    first : int
        `month_number` of the first month.
    units : (month,) array
        Units, ≥ 0; NaN in months that the table leaves out.
    """

    first: int
    units: FloatArray

    @property
    def last(self) -> int:
        """`month_number` of the last month."""
        return self.first + self.units.size - 1

    @property
    def observed(self) -> int:
        """How many months have a figure."""
        return int(np.isfinite(self.units).sum())

    @property
    def gaps(self) -> tuple[str, ...]:
        """Names of the months without one."""
        return tuple(month_name(self.first + int(i)) for i in np.flatnonzero(np.isnan(self.units)))
