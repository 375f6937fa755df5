"""Effects by segment with the pooled effect."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from matplotlib.axes import Axes

from sim.language import _
from sim.report import chart_data, style
from sim.report import page_words as words
from sim.report.names import clean, wrap
from sim.report.stored import Stored
from sim.report.words import better, hundredths

_LINE = 72  # letters above a panel
_LABEL = 26  # letters beside a bar


def effects(stored: Stored, folder: Path) -> Path | None:
    """Draw the relative effect of each outcome, by segment and pooled; the difference where control is 0."""
    summary = stored.summary
    panels: dict[str, Any] = {}
    for name, block in summary["outcomes"].items():
        chart = chart_data.effects({**summary, "outcomes": {name: block}})
        if chart is not None:
            (panels[name],) = chart["panels"]
    if not panels:
        return None
    heights = [len(panel["rows"]) + 1.3 for panel in panels.values()]
    fig = style.figure((9.0, max(3.6, 1.9 + 0.36 * sum(heights))))
    grid = fig.subplots(len(panels), 1, squeeze=False, gridspec_kw={"height_ratios": heights})[:, 0]
    for axes, (name, panel) in zip(grid, panels.items(), strict=True):
        _forest(axes, panel)
        axes.set_title(wrap(_title(panel, summary["outcomes"][name]), _LINE))
    said = words.effects(summary)
    title = _only(summary, next(iter(panels.items()))) if len(panels) == 1 else said["title"]
    names = [
        clean(text) for text in [*(row["name"] for one in panels.values() for row in one["rows"]), *panels]
    ]
    subtitle, below = style.of(stored, said["note"]), style.foot(stored, _("intervals are equal-tailed"))
    return style.save(fig, folder / "effects.png", title=title, subtitle=subtitle, below=below, names=names)


def _only(summary: Mapping[str, Any], found: tuple[str, Mapping[str, Any]]) -> str:
    """Return the finding of a run with one outcome."""
    name, panel = found
    block, size = summary["outcomes"][name], _told(panel["rows"][0]["told"], panel["unit"])
    if panel["unit"] != "%":
        size = f"{size} {panel['unit']}"
    if block["p_better"] is None:
        return _("{name} changes by {change}").format(name=clean(name), change=size)
    return _("{name} changes by {change}; better with a chance of {odds}").format(
        name=clean(name), change=size, odds=better(block, int(summary["samples"]))
    )


def _title(panel: Mapping[str, Any], block: Mapping[str, Any]) -> str:
    """Return what stands above a panel: its finding, and what a reader must know to judge it."""
    parts = [panel["title"]]
    if block.get("better"):
        parts.append(_("higher is better") if block["better"] == "higher" else _("lower is better"))
    if block["kpi"]:
        parts.append(_("a KPI without money"))
    if (more := len(block["segments"]) - len(panel["rows"]) + 1) > 0 and len(panel["rows"]) > 1:
        parts.append(_("{count} more segments in summary.json").format(count=more))
    return " · ".join(parts)


def _told(figure: str, unit: str) -> str:
    return hundredths(figure) if unit == "%" else figure


def _forest(axes: Axes, panel: Mapping[str, Any]) -> None:
    """Draw one outcome: the pooled effect heavy and on top, segments below it."""
    rows, unit = panel["rows"], panel["unit"]
    for place, row in enumerate(rows):
        pooled = row["pooled"]
        colour = style.MAIN if pooled else style.MIDDLE
        axes.plot(
            [row["low"], row["high"]], [place, place], color=colour, linewidth=6 if pooled else 3,
            solid_capstyle="butt",
        )  # fmt: skip
        axes.plot(
            row["mean"],
            place,
            "D" if pooled else "o",
            color=style.INK,
            markersize=8 if pooled else 6,
            zorder=4,
        )
        axes.text(
            1.02, place, f"{_told(row['told'], unit)}   ({_told(row['ends'], unit)})",
            transform=axes.get_yaxis_transform(), va="center", fontsize=11,
            fontweight="bold" if pooled else "normal",
        )  # fmt: skip
    axes.axvline(0, color=style.INK, linewidth=1.0)
    axes.set_yticks(range(len(rows)), [wrap(row["name"], _LABEL) for row in rows])
    axes.get_yticklabels()[0].set_fontweight("bold")
    axes.tick_params(axis="y", length=0)
    axes.spines["left"].set_visible(False)
    axes.set_ylim(len(rows) - 0.4, -0.7)
    axes.margins(x=0.06)
    axes.grid(axis="x")
    axes.xaxis.set_major_formatter(style.ticks())
    axes.locator_params(axis="x", nbins=7)
