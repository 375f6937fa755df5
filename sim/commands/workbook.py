"""``--format xlsx``: puts a workbook into a published run, whose figures stay as they are."""

from __future__ import annotations

import json
import shutil
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from sim.errors import Problem, ProblemsError
from sim.report.write import MANIFEST, publish

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
    """Write ``forecast.xlsx`` into a whole run, unless it is there.

    The run is built anew beside itself and changes places with it: there is no moment without a whole run.
    """
    from sim.report.workbook import FILE, write_workbook

    manifest = json.loads((target / MANIFEST).read_text("utf-8"))
    if FILE in manifest.pop("files"):
        return

    def left_out(folder: str, names: Sequence[str]) -> set[str]:
        # What another command is making there, or left when it was killed, is hidden.
        hidden = {name for name in names if name.startswith(".")}
        return hidden | ({MANIFEST} & set(names)) if Path(folder) == target else set()

    def build(folder: Path) -> dict[str, Any]:
        shutil.copytree(target, folder, dirs_exist_ok=True, ignore=left_out)
        write_workbook(folder, manifest)
        return dict(manifest)

    publish(target, build, replace=True)
