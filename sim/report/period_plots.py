"""How the effect ran over the periods of the pilot, as observed."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from matplotlib.axes import Axes

from sim.language import _
from sim.report import page_words as words
from sim.report import style
from sim.report.names import clean
from sim.report.stored import Stored

_MOST_PANELS = 6
_LABEL_COLUMNS = 84


def effect_by_period(stored: Stored, folder: Path) -> Path | None:
    """Draw the unpooled relative effect of each period; None where no table tells the time."""
    outcomes = {
        name: block
        for name, block in stored.summary["outcomes"].items()
        if block.get("periods") and sum(row["relative"] is not None for row in block["periods"]) > 1
    }
    if not outcomes:
        return None
    shown = dict(list(outcomes.items())[:_MOST_PANELS])
    fig = style.figure((9.0, 1.9 + 2.4 * len(shown)))
    for axes, (name, block) in zip(
        fig.subplots(len(shown), 1, squeeze=False)[:, 0], shown.items(), strict=True
    ):
        _panel(axes, name, block)
    said = words.periods(stored.summary)
    subtitle, below = style.of(stored, said["note"]), style.foot(stored, _("intervals are equal-tailed"))
    names = [clean(name) for name in shown]
    path = folder / "effect_by_period.png"
    return style.save(fig, path, title=said["title"], subtitle=subtitle, below=below, names=names)


def _panel(axes: Axes, name: str, block: Mapping[str, Any]) -> None:
    rows = block["periods"]
    known = [(place, row) for place, row in enumerate(rows) if row["relative"] is not None]
    for place, row in known:
        axes.plot([place] * 2, [100 * row["low"], 100 * row["high"]], color=style.MIDDLE, linewidth=3)
        axes.plot(place, 100 * row["relative"], "o", color=style.INK, markersize=6, zorder=4)
    pooled = block["pooled"]["relative"]["mean"]
    if pooled is not None:
        axes.axhline(100 * pooled, color=style.MAIN, linewidth=2.0)
    axes.axhline(0, color=style.INK, linewidth=1.0)
    labels = [clean(row["period"], 12) for row in rows]
    most = max(_LABEL_COLUMNS // (max(map(len, labels)) + 2), 2)
    places = range(0, len(rows), -(-len(rows) // most))
    axes.set_xticks(places, [labels[place] for place in places])
    axes.set_xlim(-0.6, len(rows) - 0.4)
    axes.grid(axis="y")
    axes.yaxis.set_major_formatter(style.ticks())
    axes.set_ylabel(_("Change, {unit}").format(unit="%"))
    axes.set_title(clean(name))
