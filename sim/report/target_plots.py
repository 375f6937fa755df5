"""The plot of `sim target`: the metric over the number that is solved for, with goal and solution."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from matplotlib.lines import Line2D
from matplotlib.patches import Patch
from matplotlib.ticker import MaxNLocator

from sim.records.arrays import FloatArray
from sim.report import style
from sim.report.names import clean
from sim.report.solved import solved
from sim.report.words import METRIC_NAMES, MONEY, MONTHS, SHARES, opening


def draw(folder: Path, found: Mapping[str, Any]) -> Path | None:
    """Draw the curve of an answer.

    Parameters
    ----------
    folder : Path
    found : mapping
        The answer of the command.

    Returns
    -------
    Path or None
        None where the metric has a value nowhere.
    """
    key, metric, told = found["key"], found["goal"]["metric"], found["told"]
    rows = found["curve"]
    column = next((name for name in rows[0] if name != key), "") if rows else ""
    if all(row[column] is None for row in rows):
        return None
    x = np.array([row[key] for row in rows], dtype=float)
    middle, low, high = (_column(rows, name) for name in (column, "low", "high"))
    if metric in MONTHS:  # beyond the horizon the band has no upper edge
        high = np.where(np.isnan(high) & ~np.isnan(low), found["horizon"], high)
    goal = found["goal"]["value"]
    scale, label = _scale(metric, found["currency"], float(np.nanmax(np.abs([middle, low, high]))))
    with style.theme():
        fig = style.figure()
        axes = fig.add_subplot()
        axes.fill_between(x, low / scale, high / scale, color=style.PALE, linewidth=0)
        axes.plot(x, middle / scale, color=style.MAIN)
        axes.axhline(goal / scale, color=style.INK, linewidth=1.4)
        handles: list[Any] = [
            Line2D([], [], color=style.MAIN, label=told),
            Patch(facecolor=style.PALE, label="90 % interval"),
            Line2D([], [], color=style.INK, linewidth=1.4, label="goal"),
        ]
        if found["now"] is not None and x.min() <= found["now"] <= x.max():
            axes.axvline(found["now"], color=style.MUTED, linewidth=1.6, linestyle=(0, (1, 1.5)))
            handles.append(
                Line2D([], [], color=style.MUTED, linewidth=1.6, linestyle=(0, (1, 1.5)), label="now")
            )
        if found["value"] is not None:
            at = solved(found["value"], found["mcse"])
            axes.axvline(found["value"], color=style.LOSS, linewidth=1.6, linestyle=(0, (4, 2)))
            axes.plot(found["value"], found["reached"] / scale, "o", color=style.LOSS, markersize=8)
            handles.append(
                Line2D([], [], color=style.LOSS, marker="o", linestyle=(0, (4, 2)), label=f"solution: {at}")
            )
        axes.set_xlabel(clean(key, 70))
        axes.set_ylabel(label)
        axes.xaxis.set_major_formatter(style.ticks())
        axes.yaxis.set_major_formatter(style.ticks())
        axes.xaxis.set_major_locator(MaxNLocator(integer=isinstance(rows[0][key], int)))
        axes.margins(x=0.01)
        axes.grid(axis="y")
        style.legend(axes, handles, columns=3)
        return style.save(
            fig,
            folder / "target.png",
            title=_title(found),
            subtitle=f"{opening(told)} over {found['horizon']} months, by {clean(key, 60)}",
            below=_foot(found),
            names=[key],
        )


def _title(found: Mapping[str, Any]) -> str:
    key = clean(found["key"], 50)
    if found["value"] is None:
        return f"No value of {key} reaches the goal"
    return f"{key} = {solved(found['value'], found['mcse'])} reaches the goal"


def _scale(metric: str, currency: str, largest: float) -> tuple[float, str]:
    name = METRIC_NAMES[metric]
    if metric in MONEY:
        scale, unit = style.money_scale(largest, currency)
        return scale, f"{name}, {unit}"
    return (0.01, f"{name}, %") if metric in SHARES else (1.0, name)


def _column(rows: list[Mapping[str, Any]], name: str) -> FloatArray:
    return np.array([np.nan if row[name] is None else row[name] for row in rows], dtype=float)


def _foot(found: Mapping[str, Any]) -> str:
    marks = [] if found["trusted"] else ["NOT TRUSTED: a check failed"]
    arm = [f"arm: {clean(found['strategy'])}"] if found["strategy"] != "treated" else []
    states = f"the same {found['samples']:,} joint samples at every value"
    return " · ".join([*marks, *arm, "key replaced by a certain value", states, "before tax"])
