"""``sim report``: rebuilds the plots and the page of a stored run."""

from __future__ import annotations

from pathlib import Path

from sim.commands.forecast import DEFAULT_OUT, Result, fit_store
from sim.commands.pages import redraw
from sim.errors import Problem, ProblemsError
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


def report(run: str | Path, *, out: str | Path = DEFAULT_OUT) -> Result:
    """Rebuild plots and ``report.html`` of a stored run; its figures stay as they are.

    Parameters
    ----------
    run : path or str
        The run's directory, its id, or ``"latest"`` under `out`.
    out : path
        Folder of the results.
    """
    target = find(str(run), Path(out))
    redraw(target, fit_store(out))
    return Result(target)
