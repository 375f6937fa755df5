"""Ranks against uniform ones: the difference of their distributions, one figure a model."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from calibration.cells import SAMPLES, Cell
from calibration.judge import band
from calibration.quantities import LIKELIHOOD, NPV, kind_of
from calibration.run import Ranks
from calibration.verdict import Verdict
from sim.report.style import INK, LOSS, MAIN, MUTED, PALE, figure, theme

_DPI = 100
_SHOWN = {LIKELIHOOD: ("#d98a2b", "-"), NPV: (MAIN, "-"), "delta": ("#4c8c5b", "--")}


def draw(
    path: Path,
    model: str,
    results: Mapping[Cell, Ranks],
    verdicts: Mapping[Cell, list[Verdict]],
    level: float,
) -> Path:
    """Draw the cells of one model.

    Parameters
    ----------
    path : Path
        A PNG file.
    model : str
    results, verdicts : mapping
        Of the model's cells.
    level : float
        False alarm of one test.
    """
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.lines import Line2D
    from PIL import Image

    share = np.arange(SAMPLES + 1) / SAMPLES
    with theme():
        fig = figure((9.0, 3.8))
        axes = fig.subplots(1, len(results), sharey=True, squeeze=False)[0]
        for ax, (cell, ranks) in zip(axes, results.items(), strict=True):
            n = len(ranks.rank)
            for alarm, colour in ((level, PALE), (0.05, "#b9d0e8")):
                low, high = (
                    np.pad(edge, 1, constant_values=(0, 1)) - share for edge in band(alarm, n, SAMPLES)
                )
                ax.fill_between(share, low, high, color=colour, linewidth=0)
            failed = {verdict.name for verdict in verdicts[cell] if not verdict.passed}
            for name, rank in zip(ranks.names, ranks.rank.T, strict=True):
                below = np.searchsorted(np.sort(rank), np.arange(SAMPLES + 1)) / n - share
                if name in failed:
                    style: tuple[str, str, float] = (LOSS, "-", 2.0)
                elif kind_of(name) in _SHOWN:
                    style = (*_SHOWN[kind_of(name)], 1.5)
                else:
                    style = (MUTED, "-", 0.5)
                ax.plot(share, below, color=style[0], linestyle=style[1], linewidth=style[2])
            ax.axhline(0, color=INK, linewidth=0.6)
            ax.set_title(f"{cell.design}, N = {n:,}", fontsize=10)
            ax.set_xlim(0, 1)
            ax.set_xticks([0, 0.5, 1], ["0", "½", "1"])
        axes[0].set_ylabel("share of ranks below,\nless that of uniform ranks", fontsize=10)
        axes[len(axes) // 2].set_xlabel("rank of the truth among 199 draws of the posterior", fontsize=10.5)
        shown = {**_SHOWN, "other quantities": (MUTED, "-"), "outside": (LOSS, "-")}
        handles = [Line2D([], [], color=c, ls=line, label=name) for name, (c, line) in shown.items()]
        fig.legend(handles=handles, loc="outside lower center", ncols=5, fontsize=10, frameon=False)
        bad = sum(not verdict.passed for found in verdicts.values() for verdict in found)
        whole = sum(len(found) for found in verdicts.values())
        said = "all inside their bands" if not bad else f"{bad} outside"
        fig.suptitle(f"{model}: {whole} quantities, {said}", x=0.01, ha="left", fontsize=13)
        fig.set_dpi(_DPI)
        canvas: Any = FigureCanvasAgg(fig)
        canvas.draw()
        # Few colours are used; a palette makes the file a third as large, and this one keeps the rare ones.
        drawn = Image.fromarray(np.asarray(canvas.buffer_rgba())).convert("RGB")
        drawn.quantize(200, Image.Quantize.MAXCOVERAGE).save(path, optimize=True)
    return path
