"""The alternatives of `sim compare` side by side."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.lines import Line2D
from matplotlib.patches import Patch

from sim.records.arrays import FloatArray
from sim.report import style
from sim.report.answer_words import quoted
from sim.report.density_plots import kernel_density
from sim.report.names import clean, wrap
from sim.report.words import chance, money, opening

_TAIL = 0.002
_MOST = 10


def draw(folder: Path, found: Mapping[str, Any], npv: Mapping[str, FloatArray]) -> Path:
    """Draw the NPV of every choice with its chance of being the best.

    Parameters
    ----------
    folder : Path
    found : mapping
        The answer: ``choices``, ``sentence``, ``currency``, ``samples``, ``trusted``.
    npv : mapping of choice to (sample,) array
        Without doing nothing, which is certain.
    """
    rows = sorted(found["choices"], key=lambda row: -row["npv_mean"])[:_MOST]
    ends = [np.quantile(values, [_TAIL, 1 - _TAIL]) for values in npv.values()]
    low, high = min(e[0] for e in ends), max(e[1] for e in ends)
    low, high = min(low, found["hurdle"]), max(high, found["hurdle"])
    scale, unit = style.money_scale(max(abs(low), abs(high)), found["currency"])
    samples = 1 if all(np.ptp(values) == 0 for values in npv.values()) else found["samples"]
    with style.theme():
        fig = style.figure((10.0, 2.6 + 0.85 * len(rows)))
        panels = fig.subplot_mosaic(
            [["key", "key"], ["npv", "beside"]],
            width_ratios=(3.0, 1.7),
            height_ratios=(0.35, len(rows)),
        )
        axes, beside = panels["npv"], panels["beside"]
        for place, row in enumerate(rows):
            _choice(axes, -place, row, npv.get(row["choice"]), scale)
            texts = (
                (0.24, chance(row["p_best"], samples), row is rows[0]),
                (0.78, money(row["expected_loss"], row["expected_loss_mcse"]), False),
            )
            for x, text, strong in texts:
                weight = "bold" if strong else "normal"
                beside.text(x, -place, text, ha="center", va="center", fontweight=weight)
        axes.axvline(0, color=style.INK, linewidth=1.2)
        axes.set_yticks([-i for i in range(len(rows))], [wrap(clean(row["choice"], 52), 26) for row in rows])
        axes.tick_params(axis="y", length=0)
        for panel in (axes, beside):
            panel.set_ylim(-len(rows) + 0.6, 0.75)
        pad = 0.03 * (high - low) or 1.0
        axes.set_xlim((low - pad) / scale, (high + pad) / scale)
        axes.set_xlabel(f"Net present value, {unit}")
        axes.xaxis.set_major_formatter(style.ticks())
        axes.spines["left"].set_visible(False)
        axes.grid(axis="x")
        beside.set_axis_off()
        beside.set_xlim(0, 1)
        for x, text in (
            (0.24, "chance\nto be best"),
            (0.78, f"expected loss,\n{clean(found['currency'], 12)}"),
        ):
            beside.text(x, 0.62, text, ha="center", va="bottom", color=style.MUTED, fontsize=11)
        handles: list[Any] = [
            Patch(facecolor=style.PALE, edgecolor=style.MAIN, label="samples"),
            Line2D([], [], color=style.MAIN, linewidth=5, label="90 % interval"),
            Line2D([], [], color=style.INK, marker="o", linestyle="", label="mean"),
        ]
        panels["key"].set_axis_off()
        key = panels["key"].legend(
            handles=handles if samples > 1 else handles[2:], loc="center left", ncols=3
        )
        key.set_in_layout(False)
        below = "expected loss: what choosing it loses on average against what turns out best"
        marks = () if found["trusted"] else ("NOT TRUSTED: a check failed",)
        states = "all inputs certain" if samples == 1 else f"{samples:,} joint samples, the same for all"
        left_out = len(found["choices"]) - len(rows)
        more = (f"{left_out} more in choices.csv",) if left_out > 0 else ()
        return style.save(
            fig,
            folder / "compare.png",
            title=_title(rows, samples),
            subtitle="Alternatives by mean net present value, with doing nothing among them",
            below=" · ".join([*marks, below, *more, states, "before tax"]),
            names=[row["choice"] for row in rows],
        )


def _title(rows: list[Mapping[str, Any]], samples: int) -> str:
    best, second = (opening(clean(quoted(row["choice"]).strip('"'), 40)) for row in rows[:2])
    if rows[0]["npv_mean"] == rows[1]["npv_mean"]:
        return f"{best} and {second} are worth the same"
    if samples == 1:
        return f"{best} is worth most"
    return f"{best} is worth most on average; {chance(rows[0]['p_best'], samples)} chance that it is the best"


def _choice(axes: Axes, place: float, row: Mapping[str, Any], npv: FloatArray | None, scale: float) -> None:
    """Draw one choice: half a density above its line, the 90 % interval and the mean on it."""
    if npv is not None and np.ptp(npv) > 0:
        low, high = np.quantile(npv, [_TAIL, 1 - _TAIL])
        grid, height = kernel_density(npv, float(low), float(high))
        shown = (grid >= low) & (grid <= high)
        top = place + 0.62 * height[shown] / height.max()
        axes.fill_between(
            grid[shown] / scale, place, top, facecolor=style.PALE, edgecolor=style.MAIN, linewidth=1
        )
        ends = [row["npv_low"] / scale, row["npv_high"] / scale]
        axes.plot(ends, [place, place], color=style.MAIN, linewidth=5, solid_capstyle="butt", zorder=3)
    axes.plot(row["npv_mean"] / scale, place, "o", color=style.INK, markersize=8, zorder=4)
