"""What is asked of a pilot table."""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from types import MappingProxyType
from typing import Any

from sim.records.summary import Kind

_NOTHING: Mapping[str, Any] = MappingProxyType({})


@dataclass(frozen=True, slots=True)
class Reading:
    """What to read, all of it explicit.

    Parameters
    ----------
    file : Path or None
        Resolved path or glob pattern; None for inline figures and for a warehouse.
    shown : str
        How the user wrote the file, for messages.
    key : str
        Config key of the outcome, e.g. ``outcomes.checkout``.
    columns : mapping of str to str
        Role to header; may be empty, and then roles equal headers.
    table, sheet, query : str or None
        Table of a database file or warehouse, sheet of a workbook, SQL on a database file or warehouse.
    inline : mapping or None
        Arm label to ``{role: number or list of numbers}``.
    arm : str or None
        Header of the arm column; its labels are compared as text.
    control : str or None
        Label; None when the control level is elicited or there is no arm column.
    treated : tuple of str
        Labels; empty when there are only control data.
    segment : str or None
        Header of the segment column.
    period : str or None
        Header of the column that tells the time of a row.
    design : str
        How control and treatment were kept apart.
    launch : date, int, str or None
        First treated value of `period`; None in a randomised pilot.
    bias : (float, float) or None
        Elicited 90 % range of the relative drift of a before-after pilot.
    cluster : str or None
        Header of the column whose rows of one value are not independent.
    panel : bool
        Whether `cluster` is the unit of a panel, seen before and after.
    missing : tuple of float or str
        Codes for "no value".
    failed : tuple of str
        Headers of flag columns; rows are left out where one of them is true. A blank flag is no success.
    options : mapping of str to Any
        The outcome's own settings that bear on reading, e.g. ``as_of``.
    until : int or None
        How many periods are read, from the first one; of tenure where the outcome follows customers. None for
        all. Nothing of what comes later reaches the statistics.
    dsn : str or None
        Address of a warehouse as it stands in the config, the names of the environment not filled in.
    timeout : int or None
        Seconds that a statement may take there.
    """

    file: Path | None
    shown: str
    key: str
    columns: Mapping[str, str]
    table: str | None = None
    sheet: str | None = None
    query: str | None = None
    inline: Mapping[str, Mapping[str, object]] | None = None
    arm: str | None = None
    control: str | None = None
    treated: tuple[str, ...] = ()
    segment: str | None = None
    period: str | None = None
    design: Kind = "randomised"
    launch: dt.date | int | str | None = None
    bias: tuple[float, float] | None = None
    cluster: str | None = None
    panel: bool = False
    missing: tuple[float | str, ...] = ()
    failed: tuple[str, ...] = ()
    options: Mapping[str, Any] = field(default_factory=lambda: _NOTHING)
    until: int | None = None
    dsn: str | None = None
    timeout: int | None = None

    @property
    def noted(self) -> str:
        """Name under which a run notes the hash of what was read: of all of a file, of one answer else."""
        return self.shown if self.file is not None else f"{self.shown}: {self.key}"

    @property
    def arms(self) -> tuple[str, ...]:
        """Labels of the arms, control first; without any label there are control data only."""
        labels = (() if self.control is None else (self.control,)) + self.treated
        return labels or ("control",)

    @property
    def has_control(self) -> bool:
        """Whether the first arm is the control."""
        return self.control is not None or not self.treated
