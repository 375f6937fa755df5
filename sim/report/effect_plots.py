"""Effects by segment with the pooled effect, and how the sampler found them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from matplotlib.axes import Axes

from sim.report import style
from sim.report.names import clean, wrap
from sim.report.stored import Stored
from sim.report.words import better, spread

_MOST_ROWS = 40


def effects(stored: Stored, folder: Path) -> Path | None:
    """Draw the relative effect of each outcome, by segment and pooled; the difference where control is 0."""
    outcomes = {
        name: block for name, block in stored.summary["outcomes"].items() if _scale(block) is not None
    }
    if not outcomes:
        return None
    rows = {name: _rows(block) for name, block in outcomes.items()}
    heights = [len(found) + 1.3 for found in rows.values()]
    size = (9.0, max(3.6, 1.9 + 0.36 * sum(heights)))
    fig = style.figure(size)
    panels = fig.subplots(len(rows), 1, squeeze=False, gridspec_kw={"height_ratios": heights})[:, 0]
    for axes, (name, block) in zip(panels, outcomes.items(), strict=True):
        _forest(axes, name, block, rows[name], int(stored.summary["samples"]))
    below = style.foot(stored, "mark: mean; bar: 90 % equal-tailed interval; pooled by roll-out volume")
    names = [clean(text) for text in [*(text for found in rows.values() for text, _ in found), *outcomes]]
    title = _finding(outcomes, int(stored.summary["samples"]))
    subtitle = f"{clean(stored.summary['programme']['name'])}: treated against control"
    return style.save(fig, folder / "effects.png", title=title, subtitle=subtitle, below=below, names=names)


def _scale(block: Mapping[str, Any]) -> str | None:
    """Name what to draw: relative where it exists, else the difference; of a score, which may be 0, that."""
    levels = block["pooled"]
    for name in ("difference",) if block["level"] == "real" else ("relative", "difference"):
        if levels[name] is not None and levels[name]["mean"] is not None:
            return name
    return None


def _rows(block: Mapping[str, Any]) -> list[tuple[str, Mapping[str, Any]]]:
    """List what is drawn: the pooled effect, then the segments from the largest effect to the smallest."""
    kind = _scale(block)
    assert kind is not None  # noqa: S101  (outcomes without an effect are left out before)
    segments = [
        (str(name), levels[kind])
        for name, levels in block["segments"].items()
        if levels[kind] is not None and levels[kind]["mean"] is not None
    ]
    if len(segments) < 2:
        segments = []
    segments.sort(key=lambda item: -item[1]["mean"])
    return [("all segments" if segments else "effect", block["pooled"][kind]), *segments[:_MOST_ROWS]]


def _finding(outcomes: Mapping[str, Any], samples: int) -> str:
    if len(outcomes) == 1:
        name, block = next(iter(outcomes.items()))
        kind = _scale(block)
        shown = block["pooled"][kind]
        relative = kind == "relative"
        size = spread(shown, scale=100 if relative else 1, sign=True)[0] + (" %" if relative else "")
        return f"{clean(name)} changes by {size}; better with a chance of {better(block, samples)}"
    sure = sum(block["p_better"] is not None and block["p_better"] > 0.95 for block in outcomes.values())
    return f"{sure} of {len(outcomes)} outcomes improve with a chance above 95 %"


def _forest(
    axes: Axes,
    name: str,
    block: Mapping[str, Any],
    rows: Sequence[tuple[str, Mapping[str, Any]]],
    samples: int,
) -> None:
    """Draw one outcome: the pooled effect heavy and on top, segments below it."""
    relative = _scale(block) == "relative"
    factor = 100.0 if relative else 1.0
    for place, (_, shown) in enumerate(rows):
        pooled = place == 0
        ends = [factor * shown["low"], factor * shown["high"]]
        colour = style.MAIN if pooled else style.MIDDLE
        axes.plot(ends, [place, place], color=colour, linewidth=6 if pooled else 3, solid_capstyle="butt")
        marker = "D" if pooled else "o"
        axes.plot(
            factor * shown["mean"], place, marker, color=style.INK, markersize=8 if pooled else 6, zorder=4
        )
        mean, ends_told = spread(shown, scale=factor, sign=True)
        unit = " %" if relative else ""
        told = f"{mean}{unit}   ({ends_told}{unit})"
        axes.text(
            1.02, place, told, transform=axes.get_yaxis_transform(), va="center", fontsize=11,
            fontweight="bold" if pooled else "normal",
        )  # fmt: skip
    axes.axvline(0, color=style.INK, linewidth=1.0)
    axes.set_yticks(range(len(rows)), [clean(text, 28) for text, _ in rows])
    axes.get_yticklabels()[0].set_fontweight("bold")
    axes.tick_params(axis="y", length=0)
    axes.spines["left"].set_visible(False)
    axes.set_ylim(len(rows) - 0.4, -0.7)
    axes.margins(x=0.06)
    axes.grid(axis="x")
    axes.xaxis.set_major_formatter(style.ticks())
    axes.locator_params(axis="x", nbins=7)
    parts = [f"change in {'%' if relative else clean(block['unit'], 24)}"]
    if block.get("better"):
        parts[0] += f", {block['better']} is better"
    if block["p_better"] is not None:
        parts.append(f"better with a chance of {better(block, samples)}")
    if block["kpi"]:
        parts.append("KPI")
    if len(block["segments"]) > _MOST_ROWS:
        parts.append(f"{len(block['segments']) - _MOST_ROWS} more segments in summary.json")
    axes.set_title(wrap(f"{clean(name, 40)}: {' · '.join(parts)}", 88))
