"""Where a run and its fits lie, and whether they can: asked before time is spent on them."""

from __future__ import annotations

import os
from pathlib import Path

from sim.engine.prepare import Prepared
from sim.engine.size import check_disk
from sim.errors import Problem, ProblemsError
from sim.report.write import occupied
from sim.whole import workplace


def slug(name: str) -> str:
    """Return a folder name: lower-cased letters and digits of any script, else ``-``.

    >>> slug("Støtte-chatbot (客服) 2026")
    'støtte-chatbot-客服-2026'
    """
    kept = "".join(char if char.isalpha() or char.isdigit() else " " for char in name.lower())
    return "-".join(kept.split())[:60] or "programme"


def fit_store(out: str | Path) -> Path:
    """Return the folder of stored fits that belongs to a folder of results."""
    return Path(os.environ.get("SIM_FITS") or Path(out) / ".fits")


def check_place(prepared: Prepared, out: Path, *, allow_untrusted: bool = False) -> None:
    """Refuse a place where the result cannot be put, before time is spent on it."""
    target = place_of(prepared, out, allow_untrusted=allow_untrusted)
    if occupied(target):  # raises where anything else stands there
        return
    here = next(folder for folder in target.parents if os.path.lexists(folder))
    try:
        with workplace(here / "run") as folder:
            (folder / "tried").write_bytes(b"tried")
    except OSError as error:
        found = f"{here} cannot be written to ({error.strerror}); choose another --out"
        raise ProblemsError(Problem(found, file=str(out))) from error
    check_disk(prepared.plan, {name: len(each) for name, each in prepared.segments.items()}, here)


def place_of(prepared: Prepared, out: Path, *, allow_untrusted: bool) -> Path:
    """Return the folder of a run, ``<out>/<slug>/<run>``."""
    return out / slug(prepared.plan.name) / prepared.run_id(allow_untrusted=allow_untrusted)
