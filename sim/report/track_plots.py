"""The plot of `sim track`: actual months on the bands of the forecast, and both forecasts of the total."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Literal

import numpy as np
from matplotlib.axes import Axes
from matplotlib.lines import Line2D
from matplotlib.ticker import MaxNLocator

from sim.report import style
from sim.report.names import clean
from sim.report.track_words import short
from sim.report.words import chance, money

_PANELS = 3

type Row = Mapping[str, Any]


def draw(folder: Path, found: Mapping[str, Any]) -> Path:
    """Draw up to three streams with their bands, and the cumulative net before and after the revision.

    Parameters
    ----------
    folder : Path
    found : mapping
        The answer of the command.
    """
    streams = _chosen(found)
    with style.theme():
        course = found["course"]
        fig = style.figure((9.0, 7.4 if course else 4.6))
        grid = fig.add_gridspec(
            2 if course else 1, max(len(streams), 1), height_ratios=[1, 1.15][: 1 + bool(course)]
        )
        for place, (name, rows) in enumerate(streams):
            _stream(fig.add_subplot(grid[0, place]), name, rows, found)
        if course:
            _course(fig.add_subplot(grid[1, :]), found)
        return style.save(
            fig,
            folder / "track.png",
            title=_title(found),
            subtitle=f"Actual months (points) on the bands of the forecast, until month {found['last']}",
            below=_foot(found),
            names=[name for name, _ in streams],
        )


def _chosen(found: Mapping[str, Any]) -> list[tuple[str, list[Row]]]:
    """Return the streams to draw: those that left their band, then those that tell most."""
    rows: dict[str, list[Row]] = {}
    for row in found["rows"]:
        rows.setdefault(row["stream"], []).append(row)
    rows.pop("cumulative", None)
    left = {row["stream"]: row["outside"] for row in found["streams"]}
    unsure = {name: any(row["p05"] < row["p95"] for row in part) for name, part in rows.items()}
    order = sorted(
        rows,
        key=lambda name: (
            -left.get(name, 0),
            not unsure[name],
            rows[name][0]["kind"] == "sum",
            -len(rows[name]),
        ),
    )
    return [(name, rows[name]) for name in order[:_PANELS]]


def _stream(axes: Axes, name: str, rows: Sequence[Row], found: Mapping[str, Any]) -> None:
    month = np.array([row["month"] for row in rows], dtype=float)
    values = {
        key: np.array([row[key] for row in rows]) for key in ("actual", "p05", "p25", "p50", "p75", "p95")
    }
    scale, unit = 1.0, ""
    if rows[0]["kind"] in ("money", "sum") and not name.endswith(".treated"):
        largest = float(max(np.abs(part).max() for part in values.values()))
        scale, unit = style.money_scale(largest, found["currency"])
    for low, high, width, colour in (("p05", "p95", 7, style.PALE), ("p25", "p75", 7, style.MIDDLE)):
        axes.vlines(month, values[low] / scale, values[high] / scale, color=colour, linewidth=width)
    axes.plot(month, values["p50"] / scale, color=style.MAIN, linestyle="", marker="_", markersize=8)
    out = np.array([row["outside"] for row in rows], dtype=bool)
    for use, marker, colour in ((~out, "o", style.INK), (out, "D", style.LOSS)):
        axes.plot(month[use], values["actual"][use] / scale, marker, color=colour, markersize=5)
    axes.set_title(clean(short(name), 30), fontsize=11)
    axes.set_xlabel("month")
    words = {"volume": "units in the month", "data": "level of the treated"}
    axes.set_ylabel(unit or words.get(rows[0]["kind"], words["data"]))
    axes.set_xlim(month.min() - 0.8, month.max() + 0.8)
    axes.xaxis.set_major_locator(MaxNLocator(nbins=5, integer=True, min_n_ticks=1))
    axes.yaxis.set_major_locator(MaxNLocator(nbins=5))
    if scale != 1.0 or float(np.abs(values["actual"]).max()) >= 1000:
        axes.yaxis.set_major_formatter(style.ticks())
    axes.grid(axis="y")


def _course(axes: Axes, found: Mapping[str, Any]) -> None:
    course = found["course"]
    month = np.array([row["month"] for row in course], dtype=float)
    columns = {key: np.array([row[key] for row in course]) for key in course[0]}
    scale, unit = style.money_scale(
        float(max(np.abs(part).max() for key, part in columns.items() if key != "month")), found["currency"]
    )
    handles: list[Any] = []
    looks: tuple[tuple[str, str, str, Literal["--", "-"]], ...] = (
        ("original", style.MUTED, style.GRID, "--"),
        ("revised", style.MAIN, style.PALE, "-"),
    )
    for word, colour, pale, dashes in looks:
        low, middle, high = (columns[f"{word}_{part}"] / scale for part in ("p05", "p50", "p95"))
        axes.fill_between(month, low, high, color=pale, alpha=0.75, linewidth=0)
        axes.plot(month, middle, color=colour, linestyle=dashes)
        handles.append(Line2D([], [], color=colour, linestyle=dashes, label=f"{word} (median, 90 %)"))
    nets = [row for row in found["rows"] if row["stream"] == "cumulative"]
    # A sum that leaves out months is no point of a cumulative course.
    whole = [row for i, row in enumerate(nets) if row["month"] == i]
    if whole:
        points = [row["actual"] / scale for row in whole]
        axes.plot([row["month"] for row in whole], points, "o", color=style.INK, markersize=4.5)
        handles.append(Line2D([], [], color=style.INK, marker="o", linestyle="", label="actual"))
    axes.axhline(0, color=style.INK, linewidth=1.0)
    axes.axvline(found["last"], color=style.MUTED, linewidth=1.0, linestyle=(0, (1, 2)))
    axes.set_xlabel("month")
    axes.set_ylabel(f"Cumulative net, {unit}")
    axes.yaxis.set_major_formatter(style.ticks())
    axes.xaxis.set_major_locator(MaxNLocator(integer=True))
    axes.set_xlim(0, month.max())
    axes.grid(axis="y")
    style.legend(axes, handles, columns=3)


def _title(found: Mapping[str, Any]) -> str:
    block, so_far = found["outside"], found["so_far"]
    if found["revised"] is not None:
        before, after = (found[word]["metrics"]["npv"] for word in ("original", "revised"))
        told = [money(npv["mean"], npv["mcse"]) for npv in (before, after)]
        return f"NPV is revised from {told[0]} to {told[1]} {clean(found['currency'], 12)}"
    if so_far is not None and so_far["outside"]:
        return "The money so far lies outside the 90 % range of the forecast"
    return f"{block['outside']} of {block['values']} values left their 90 % band"


def _foot(found: Mapping[str, Any]) -> str:
    marks = [] if found["trusted"] else ["NOT TRUSTED: a check failed"]
    block = found["outside"]
    told = f"{block['outside']} of {block['values']} values outside (diamonds)"
    if block["probability"] is not None:
        told += f", in {chance(block['probability'], int(found['samples']))} of the forecast's states as many"
    bands = "bands 50 % and 90 %"
    return " · ".join([*marks, told, bands, f"{found['samples']:,} joint samples", "before tax"])
