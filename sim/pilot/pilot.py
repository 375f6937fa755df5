"""What a table says of one outcome."""

from __future__ import annotations

from dataclasses import dataclass

from sim.records.check import Check
from sim.records.columns import ColumnSet
from sim.records.summary import PilotSummary


@dataclass(frozen=True, slots=True)
class Pilot:
    """What a table says of one outcome.

    Parameters
    ----------
    summary : PilotSummary
    checks : tuple of Check
        Rows left out and anything odd that did not keep the table from being read.
    column_set : ColumnSet
        The form in which the table came.
    """

    summary: PilotSummary
    checks: tuple[Check, ...]
    column_set: ColumnSet
