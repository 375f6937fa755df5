"""What a longer pilot is worth and costs, by its length."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.lines import Line2D
from matplotlib.patches import Patch

from sim.report import style
from sim.report.names import clean
from sim.report.words import money

_Z90 = 1.6448536269514722
_WIDTH = 0.56
_COST, _WAIT = "#e6b8ae", "#f6e3de"


def draw(folder: Path, found: Mapping[str, Any]) -> Path:
    """Draw, for each length, what the data are worth against what they cost, and the net of both.

    Parameters
    ----------
    folder : Path
    found : mapping
        The answer of `sim pilot`, with at least one length.
    """
    rows, currency = found["lengths"], clean(found["currency"], 12)
    largest = max(abs(row[name]) for row in rows for name in ("evsi", "cost", "waiting", "enbs"))
    with style.theme():
        fig = style.figure((9.0, 7.6))
        above, below = fig.subplots(2, 1, height_ratios=(1.0, 1.5))
        _worth(above, rows, found["evppi"], currency)
        _net(below, rows, largest, currency)
        for axes in (above, below):
            axes.set_xticks(range(len(rows)), [str(row["months"]) for row in rows])
            axes.set_xlim(-0.6, len(rows) - 0.4)
            axes.yaxis.set_major_formatter(style.ticks())
            axes.grid(axis="y")
            axes.margins(y=0.12)
        below.set_xlabel("Further months of pilot")
        wait = "the rollout waits" if found["delays_rollout"] else "the rollout goes on meanwhile"
        marks = () if found["trusted"] else ("NOT TRUSTED: a check failed",)
        limits = "bars of error: 90 % Monte Carlo"
        states = f"{found['samples']:,} joint samples"
        return style.save(
            fig,
            folder / "pilot.png",
            title=_title(found),
            subtitle=f"What the data of a longer pilot are worth and what they cost, {wait}",
            below=" · ".join([*marks, limits, states, "discounted", "before tax"]),
        )


def _title(found: Mapping[str, Any]) -> str:
    best, currency = found["best"], clean(found["currency"], 12)
    if best is None:
        return f"No longer pilot is worth its cost: decide now, and {_today(found)}"
    months = f"{best['months']} more month{'s' if best['months'] > 1 else ''} of pilot"
    return f"{months}: worth {money(best['enbs'], best['enbs_mcse'])} {currency} more than it costs"


def _today(found: Mapping[str, Any]) -> str:
    return "invest" if found["now"]["invest"] else "do not invest"


def _worth(axes: Axes, rows: list[Mapping[str, Any]], evppi: float, currency: str) -> None:
    """Draw what the data are worth, on a scale of its own: it is often far below the cost."""
    scale, unit = style.money_scale(max(evppi, *(row["evsi"] for row in rows)), currency)
    at = np.arange(len(rows))
    evsi, gaussian, mcse = (
        np.array([row[name] for row in rows]) / scale for name in ("evsi", "evsi_gaussian", "evsi_mcse")
    )
    axes.bar(at, evsi, _WIDTH, color=style.MIDDLE, edgecolor=style.MAIN)
    down = np.minimum(_Z90 * mcse, evsi)
    axes.errorbar(at, evsi, yerr=[down, _Z90 * mcse], fmt="none", color=style.INK, capsize=5, linewidth=1.6)
    axes.plot(at, gaussian, "D", color=style.INK, markerfacecolor="white", markersize=8, zorder=4)
    axes.axhline(evppi / scale, color=style.MAIN, linewidth=1.6, linestyle=(0, (5, 3)))
    axes.set_ylim(bottom=0)
    axes.set_ylabel(unit)
    handles: list[Any] = [
        Patch(facecolor=style.MIDDLE, edgecolor=style.MAIN, label="worth of the data"),
        Line2D(
            [], [], color=style.INK, marker="D", markerfacecolor="white", linestyle="", label="Gaussian check"
        ),
        Line2D(
            [], [], color=style.MAIN, linewidth=1.6, linestyle=(0, (5, 3)), label="of a pilot without end"
        ),
    ]
    style.legend(axes, handles, columns=3)


def _net(axes: Axes, rows: list[Mapping[str, Any]], largest: float, currency: str) -> None:
    """Draw worth upwards, cost and waiting downwards, and the net as a point with its error."""
    scale, unit = style.money_scale(largest, currency)
    at = np.arange(len(rows))
    evsi, cost, waiting, net = (
        np.array([row[name] for row in rows]) / scale for name in ("evsi", "cost", "waiting", "enbs")
    )
    # A launch that gains by waiting (a season, growing volumes) stands above the line, too.
    gained, lost = np.maximum(-waiting, 0.0), np.maximum(waiting, 0.0)
    axes.bar(at, evsi, _WIDTH, color=style.MIDDLE, edgecolor=style.MAIN)
    axes.bar(at, -cost, _WIDTH, color=_COST, edgecolor=style.LOSS)
    error = _Z90 * np.array([row["enbs_mcse"] for row in rows]) / scale
    axes.errorbar(
        at, net, yerr=error, fmt="o", color=style.INK, markersize=8, capsize=5, linewidth=1.6, zorder=4
    )
    axes.axhline(0, color=style.INK, linewidth=1.2)
    axes.use_sticky_edges = False
    axes.set_ylabel(unit)
    handles: list[Any] = [
        Line2D([], [], color=style.INK, marker="o", linestyle="", markersize=8, label="net worth"),
        Patch(facecolor=_COST, edgecolor=style.LOSS, label="cost of the pilot"),
    ]
    if lost.any():
        axes.bar(at, -lost, _WIDTH, bottom=-cost, color=_WAIT, edgecolor=style.LOSS, hatch="//")
        handles.append(Patch(facecolor=_WAIT, edgecolor=style.LOSS, hatch="//", label="cost of waiting"))
    if gained.any():
        axes.bar(at, gained, _WIDTH, bottom=evsi, color=style.PALE, edgecolor=style.MAIN, hatch="//")
        handles.append(Patch(facecolor=style.PALE, edgecolor=style.MAIN, hatch="//", label="gain of waiting"))
    style.legend(axes, handles, columns=4)
