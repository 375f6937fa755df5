"""The plot of `sim backtest`: forecast bands against what happened, with the naive forecast."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.lines import Line2D
from matplotlib.patches import Patch
from matplotlib.ticker import MaxNLocator

from sim.records.arrays import FloatArray
from sim.report import style
from sim.report.names import clean, columns

_ROWS, _ACROSS = 4, 3
_PAST = 3
"""Periods of the past that are shown for each held-out one, and no fewer than four times as many as that."""

type Row = Mapping[str, Any]


def draw(folder: Path, found: Mapping[str, Any]) -> Path:
    """Draw the newest origin of each outcome: a row of panels per outcome and segment, a panel per arm.

    Parameters
    ----------
    folder : Path
    found : mapping
        The answer of the command, with the panels under ``drawn``; at least one.
    """
    groups: dict[tuple[str, str], list[Row]] = {}
    for panel in found["drawn"]:
        groups.setdefault((panel["outcome"], panel["segment"]), []).append(panel)
    # Every outcome gets a row before any gets a second one; the segments that say most first.
    turn: dict[str, int] = {}
    order = []
    for key in sorted(groups, key=lambda key: -sum(row["units"] for p in groups[key] for row in p["rows"])):
        order.append((turn.get(key[0], 0), key))
        turn[key[0]] = turn.get(key[0], 0) + 1
    names = list(dict.fromkeys(panel["outcome"] for panel in found["drawn"]))
    kept = [key for _, key in sorted(order, key=lambda item: item[0])[:_ROWS]]
    kept.sort(key=lambda key: (names.index(key[0]), turn[key[0]]))
    across = min(max(len(groups[key]) for key in kept), _ACROSS)
    with style.theme():
        fig = style.figure((9.0, 2.4 + 2.3 * len(kept)))
        # The first row holds the key.
        grid = fig.add_gridspec(len(kept) + 1, across, height_ratios=[0.18, *[1.0] * len(kept)])
        key_axes = fig.add_subplot(grid[0, :])
        key_axes.axis("off")
        key_axes.legend(handles=_handles(), loc="center left", ncols=4, borderaxespad=0.0, handlelength=1.8)
        table = [[fig.add_subplot(grid[place + 1, k]) for k in range(across)] for place in range(len(kept))]
        for row in table:
            for axes in row[1:]:
                axes.sharey(row[0])
        for place, key in enumerate(kept):
            for axes, panel in zip(table[place], groups[key][:across], strict=False):
                _panel(axes, panel)
            for axes in table[place][len(groups[key]) :]:
                axes.axis("off")
            first = groups[key][0]
            unit = f", {clean(first['unit'], 22)}" if first["unit"] else ""
            table[place][0].set_ylabel(f"{first['measure']}{unit}")
        shown = sum(min(len(groups[key]), across) for key in kept)
        return style.save(
            fig,
            folder / "backtest.png",
            title=_title(found),
            subtitle=_subtitle(found),
            below=_foot(found, shown),
            names=[text for p in found["drawn"] for text in (p["outcome"], p["arm"], p["segment"])],
        )


def _handles() -> list[Any]:
    return [
        Line2D([], [], color=style.INK, marker="o", markersize=6, linewidth=0, label="observed"),
        Patch(facecolor=style.MIDDLE, label="forecast: 50 %"),
        Patch(facecolor=style.PALE, label="95 %"),
        Line2D([], [], color=style.LOSS, linewidth=2, linestyle=(0, (3, 1.5)), label="nothing changes"),
    ]


def _panel(axes: Axes, panel: Row) -> None:
    scale, rows, periods = panel["scale"], panel["rows"], panel["periods"]
    at = {period: place for place, period in enumerate(periods)}
    origin = len(panel["past"])
    start = max(0, origin - max(_PAST * len(rows), 4))
    past = scale * np.array(panel["past"], dtype=float)[start:]
    axes.plot(
        range(start, origin),
        past,
        color=style.MUTED,
        linewidth=1.0,
        marker="o",
        markersize=4.5,
        markerfacecolor="white",
    )
    x = np.array([at[row["period"]] for row in rows], dtype=float)

    def column(name: str) -> FloatArray:
        return np.array([np.nan if row[name] is None else scale * row[name] for row in rows], dtype=float)

    half = 0.43
    for low, high, colour in (("low_95", "high_95", style.PALE), ("low_50", "high_50", style.MIDDLE)):
        bars = axes.bar(
            x, column(high) - column(low), 2 * half, bottom=column(low), color=colour, linewidth=0
        )
        for bar in bars:
            bar.sticky_edges.y.clear()  # else the axis ends where the lowest band does
    axes.hlines(column("median"), x - half, x + half, color=style.MAIN, linewidth=1.6)
    axes.hlines(
        column("naive_mean"), x - half, x + half, color=style.LOSS, linewidth=2.0, linestyle=(0, (3, 1.5))
    )
    axes.plot(x, column("observed"), "o", color=style.INK, markersize=6, zorder=4)
    axes.axvline(origin - 0.5, color=style.INK, linewidth=0.9, linestyle=":")
    last = len(periods) - 1
    axes.set_xlim(start - 0.6, last + 0.6)
    axes.grid(axis="y")
    axes.yaxis.set_major_formatter(style.ticks())
    axes.yaxis.set_major_locator(MaxNLocator(nbins=5))
    _labels(axes, periods, start)
    axes.set_xlabel(clean(panel["axis"], 40))
    parts = [panel["outcome"], panel["arm"], *([panel["segment"]] if panel["segments"] > 1 else [])]
    axes.set_title(" · ".join(clean(part, 18) for part in parts), fontsize=11)


def _labels(axes: Axes, periods: Sequence[str], start: int) -> None:
    """Label as many periods as fit, the last one among them."""
    labels = [clean(period, 12) for period in periods]
    width = max(columns(label) for label in labels) + 2
    room = 84 // axes.get_subplotspec().get_gridspec().ncols  # type: ignore[union-attr]
    step = -(-(len(periods) - start) * width // room)
    places = list(range(len(periods) - 1, start - 1, -max(step, 1)))
    axes.set_xticks(places, [labels[place] for place in places])


def _title(found: Row) -> str:
    inside, values, skill = found["inside"]["95"], found["values"], found["skill"]
    told = f"{inside:,} of {values:,} held-out values fell in the 95 % interval"
    if skill is None:
        return told
    if abs(skill) < 0.005:
        return f"{told}; no better than 'nothing changes'"
    word = "better" if skill > 0 else "worse"
    return f"{told}; {100 * abs(skill):.0f} % {word} than 'nothing changes'"


def _subtitle(found: Row) -> str:
    count = found["holdout"]
    told = "the last period" if count == 1 else f"the last {count} periods"
    newest = f"; of {found['origins']} origins the newest is shown" if found["origins"] > 1 else ""
    return f"Fitted without {told}, and forecast for the units that were there{newest}"


def _foot(found: Row, shown: int) -> str:
    marks = [] if found["trusted"] else ["NOT TRUSTED: a fit failed its checks"]
    count = len(found["drawn"])
    some = [f"{shown} of {count} series; scores.csv has all"] if shown < count else []
    read = "hollow dots: fitted; line in the band: median of the forecast; better or worse by CRPS"
    return " · ".join([*marks, *some, read, "level and effect within the pilot's time, not the rollout"])
