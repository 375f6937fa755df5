"""``--format``: what is written besides the files that every run has."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path

from sim.errors import Problem, ProblemsError
from sim.report.write import MANIFEST, amend

WORKBOOK, VECTORS = "xlsx", "svg"
FORMATS = (WORKBOOK, VECTORS)


def check_formats(formats: Sequence[str], *, plots: bool = True) -> None:
    """Refuse formats that are not written, before time is spent.

    Raises
    ------
    ProblemsError
    """
    problems = [
        Problem(f'"{name}" is no format that sim writes', ", ".join(FORMATS), key="--format")
        for name in formats
        if name not in FORMATS
    ]
    if VECTORS in formats and not plots:
        found = "plots are wanted as SVG, and no plots are wanted"
        problems.append(
            Problem(found, "--format svg or --no-plots", "Leave out one of them.", key="--format")
        )
    if problems:
        raise ProblemsError(*problems)


def put_workbook(target: Path) -> None:
    """Write ``forecast.xlsx`` into a whole run, unless it is there."""
    from sim.report.workbook import FILE, write_workbook

    if FILE not in json.loads((target / MANIFEST).read_text("utf-8"))["files"]:
        amend(target, write_workbook)
