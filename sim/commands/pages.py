"""Plots and page of a run: drawn while it is made, or put into it later."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

from sim.commands.what_if import WHAT_IF, write_what_if
from sim.engine.world import World
from sim.language import spoken_in
from sim.report.pictures import fetch, keep, picture
from sim.report.stored import language_of
from sim.report.write import MANIFEST, amend

PAGE = "report.html"
_DRAWING = threading.Lock()
"""Matplotlib draws for one thread at a time."""


def has_page(target: Path) -> bool:
    """Tell whether a whole run has its plots and page."""
    return PAGE in json.loads((target / MANIFEST).read_text("utf-8"))["files"]


def has_vectors(target: Path) -> bool:
    """Tell whether a whole run has its plots as SVG too."""
    files = json.loads((target / MANIFEST).read_text("utf-8"))["files"]
    return any(name.startswith("plots/") and name.endswith(".svg") for name in files)


def redraw(
    target: Path, store: Path, world: Callable[[], World] | None = None, *, vectors: bool = False
) -> None:
    """Put newly drawn plots and page into a published run; all else in it stays as it is.

    Parameters
    ----------
    target : Path
        A whole run.
    store : Path
        Folder of the stored fits, where pictures of posteriors may be kept.
    world : callable, optional
        Makes the run's world again, for what the page tells beyond the summary where that is not there yet.
    vectors : bool
        Draw the plots as SVG too; a run that has them keeps them anyway.
    """
    vectors = vectors or has_vectors(target)

    def change(folder: Path, manifest: Mapping[str, Any]) -> None:
        best = json.loads((folder / "summary.json").read_text("utf-8"))["best"]
        lacks = world is not None and best is not None and not (folder / WHAT_IF).is_file()
        told = (world(), best) if world is not None and lacks else None
        draw_pages(folder, manifest, store, told, vectors=vectors)

    amend(target, change, without=("plots", PAGE))


def draw_pages(
    folder: Path,
    manifest: Mapping[str, Any],
    store: Path,
    told: tuple[World, str] | None = None,
    *,
    vectors: bool = False,
) -> None:
    """Draw the plots and the page of a run from the files in its folder; see `redraw`.

    Parameters
    ----------
    folder : Path
    manifest : mapping
    store : Path
    told : pair of World and str, optional
        The run's world and best strategy: what the page tells beyond the summary is simulated too.
    vectors : bool
        Draw the plots as SVG too.
    """
    from sim.report.fit_plots import KINDS
    from sim.report.page import render
    from sim.report.plots import draw as draw_plots

    pictures = {
        folder / "plots" / picture(name, kind, ending): (store / fit["key"], f"{kind}:{name}")
        for name, fit in manifest["fits"].items()
        for kind in KINDS
        for ending in ((".png", ".svg") if vectors else (".png",))
    }
    with spoken_in(language_of(manifest)):
        for path, (fit, name) in pictures.items():
            fetch(fit, name, path)
        with _DRAWING, ThreadPoolExecutor(1) as pool:
            # Simulating is compiled code for the most part, and leaves the interpreter to the drawing.
            beside = None if told is None else pool.submit(write_what_if, folder, *told)
            draw_plots(folder, vectors=vectors)
            if beside is not None:
                beside.result()
            render(folder, manifest)
        for path, (fit, name) in pictures.items():
            if path.is_file():
                keep(fit, name, path)
