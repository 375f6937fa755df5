"""Plots and page of a run: drawn while it is made, or put into it later."""

from __future__ import annotations

import json
import shutil
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from sim.report.pictures import fetch, keep, picture
from sim.report.write import MANIFEST, publish

PAGE = "report.html"


def has_page(target: Path) -> bool:
    """Tell whether a whole run has its plots and page."""
    return PAGE in json.loads((target / MANIFEST).read_text("utf-8"))["files"]


def redraw(target: Path, store: Path) -> None:
    """Put newly drawn plots and page into a published run; all else in it stays as it is.

    Parameters
    ----------
    target : Path
        A whole run.
    store : Path
        Folder of the stored fits, where pictures of posteriors may be kept.
    """
    manifest = json.loads((target / MANIFEST).read_text("utf-8"))
    del manifest["files"]

    def drawn(folder: str, names: Sequence[str]) -> set[str]:
        # Answers of other commands lie inside the run, with plots and manifests of their own.
        return {"plots", PAGE, MANIFEST} & set(names) if Path(folder) == target else set()

    def build(folder: Path) -> dict[str, Any]:
        shutil.copytree(target, folder, dirs_exist_ok=True, ignore=drawn)
        draw_pages(folder, manifest, store)
        return dict(manifest)

    publish(target, build, replace=True)


def draw_pages(folder: Path, manifest: Mapping[str, Any], store: Path) -> None:
    """Draw the plots and the page of a run from the files in its folder; see `redraw`."""
    from sim.report.page import render
    from sim.report.plots import draw as draw_plots

    pictures = {
        folder / "plots" / picture(name): (store / fit["key"], name) for name, fit in manifest["fits"].items()
    }
    for path, (fit, name) in pictures.items():
        fetch(fit, name, path)
    draw_plots(folder)
    render(folder, manifest)
    for path, (fit, name) in pictures.items():
        if path.is_file():
            keep(fit, name, path)
