"""``sim report``: rebuilds the plots and the page of a stored run."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from sim.commands.forecast import DEFAULT_OUT, Result, world_of
from sim.commands.formats import VECTORS, WORKBOOK, check_formats, put_workbook
from sim.commands.pages import redraw
from sim.commands.place import fit_store
from sim.commands.what_if import WHAT_IF
from sim.engine.fit import fit_all
from sim.engine.prepare import Prepared, prepare
from sim.errors import Problem, ProblemsError
from sim.report.reproduce import settings
from sim.report.write import MANIFEST, is_whole


def find(run: str, out: Path) -> Path:
    """Return the directory of a run named by folder, by id, or as ``latest``.

    Raises
    ------
    ProblemsError
        When no whole run goes by that name, or several do.
    """
    runs = [path.parent for path in out.glob(f"*/*/{MANIFEST}") if not path.parent.name.startswith(".")]
    whole = [path for path in runs if is_whole(path)]
    if run == "latest":
        found = sorted(whole, key=lambda path: (path / MANIFEST).stat().st_mtime)[-1:]
    elif Path(run).is_dir():
        found = [Path(run)] if is_whole(Path(run)) else []
    else:
        found = [path for path in whole if path.name == run]
    if len(found) == 1:
        return found[0]
    allowed = ", ".join(sorted(path.name for path in whole)) or f"a run under {out}"
    trouble = "names several runs" if found else "names no whole run"
    raise ProblemsError(Problem(f'"{run}" {trouble}', allowed, "sim forecast CONFIG makes one", str(out)))


def report(run: str | Path, *, out: str | Path = DEFAULT_OUT, formats: Sequence[str] = ()) -> Result:
    """Rebuild plots and ``report.html`` of a stored run; its figures stay as they are.

    Parameters
    ----------
    run : path or str
        The run's directory, its id, or ``"latest"`` under `out`.
    out : path
        Folder of the results.
    formats : sequence of {"xlsx", "svg"}
        As for `sim.forecast`.
    """
    check_formats(formats)
    target, store = find(str(run), Path(out)), fit_store(out)
    manifest = json.loads((target / MANIFEST).read_text("utf-8"))
    prepared = None if (target / WHAT_IF).is_file() else _again(target, manifest)
    world = None if prepared is None else lambda: world_of(prepared, fit_all(prepared, store))
    redraw(target, store, world, vectors=VECTORS in formats)
    if WORKBOOK in formats:
        put_workbook(target)
    return Result(target)


def _again(target: Path, manifest: Mapping[str, Any]) -> Prepared | None:
    """Return the config of a run, where it and its data are still what they were; None elsewhere."""
    sets = settings(manifest)
    if sets is None:
        return None
    try:
        prepared = prepare(Path(manifest["config_file"]), sets)
    except (ProblemsError, OSError):
        return None
    names = {prepared.run_id(allow_untrusted=allowed) for allowed in (False, True)}
    return prepared if target.name in names else None
