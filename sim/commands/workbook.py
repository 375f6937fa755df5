"""``--format xlsx``: a workbook beside the Parquet files of a run."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path

from sim.errors import Problem, ProblemsError
from sim.report.write import MANIFEST, amend

FORMATS = ("xlsx",)


def check_formats(formats: Sequence[str]) -> None:
    """Refuse formats that are not written, before time is spent.

    Raises
    ------
    ProblemsError
    """
    unknown = [name for name in formats if name not in FORMATS]
    if unknown:
        raise ProblemsError(
            *(
                Problem(f'"{name}" is no format of tables', ", ".join(FORMATS), key="--format")
                for name in unknown
            )
        )


def put_workbook(target: Path) -> None:
    """Write ``forecast.xlsx`` into a whole run, unless it is there."""
    from sim.report.workbook import FILE, write_workbook

    if FILE not in json.loads((target / MANIFEST).read_text("utf-8"))["files"]:
        amend(target, write_workbook)
