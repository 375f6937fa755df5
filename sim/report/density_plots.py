"""Distributions of NPV and ROI: how likely a loss is, and how large the gain."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.lines import Line2D
from matplotlib.patches import Patch

from sim.language import _
from sim.records.arrays import FloatArray
from sim.report import page_words as words
from sim.report import style
from sim.report.names import clean
from sim.report.stored import Stored
from sim.report.words import amount, behind, chance, hundredths, interval, is_certain, metric, number

_TAIL = 0.002


def kernel_density(values: FloatArray, low: float, high: float) -> tuple[FloatArray, FloatArray]:
    """Gaussian kernel density on a grid, by binning and convolution (Silverman's bandwidth)."""
    quartiles = np.quantile(values, [0.25, 0.75])
    spread = min(values.std(), (quartiles[1] - quartiles[0]) / 1.349) or values.std()
    width = max(0.9 * spread * values.size**-0.2, (high - low) / 300)
    edges = np.linspace(low - 3 * width, high + 3 * width, 513)
    centres = 0.5 * (edges[:-1] + edges[1:])
    counts = np.histogram(values, edges)[0].astype(np.float64)
    step = centres[1] - centres[0]
    reach = int(np.ceil(4 * width / step))
    kernel = np.exp(-0.5 * (np.arange(-reach, reach + 1) * step / width) ** 2)
    heights = np.convolve(counts, kernel / kernel.sum(), mode="same") / (values.size * step)
    return centres, heights


def density(stored: Stored, name: str, folder: Path) -> Path | None:
    """Draw the distribution of NPV or ROI: median, 90 % interval, and the chance of a loss."""
    by_strategy = stored.samples(f"metrics.{name}")
    values = by_strategy.get(stored.best or "", np.empty(0))
    values = values[np.isfinite(values)]
    summary = stored.summary
    block, programme, count = summary["metrics"][name], summary["programme"], behind(summary)
    if values.size == 0 or block["median"] is None:
        return None
    loss = float((values < 0).mean())
    said = words.histogram(summary, name, loss)
    if name == "npv":
        scale, unit = style.money_scale(float(np.abs(values).max()), programme["currency"])
        label = _("Net present value, {unit}").format(unit=unit)
    else:
        scale, label = 0.01, _("Return on investment, %")
    fig = style.figure()
    axes = fig.add_subplot()
    low, high = np.quantile(values, [_TAIL, 1 - _TAIL])
    certain = is_certain(block) or low == high
    if certain:
        told = _told(name, metric(name, block, "mean", count), stored)
        handles = _spike(axes, float(values[0]) / scale, told)
    else:
        handles = _filled(axes, values, float(low), float(high), scale, loss, count)
        handles += _marked(axes, name, block, scale, stored)
        handles += _others(axes, by_strategy, stored.best, scale)
    axes.axvline(0, color=style.INK, linewidth=1.2)
    axes.set_xlabel(label)
    axes.set_yticks([])
    axes.set_ylim(bottom=0)
    axes.spines["left"].set_visible(False)
    axes.xaxis.set_major_formatter(style.ticks())
    style.legend(axes, handles)
    outside = _("outermost {share} on each side not drawn").format(share=hundredths(number(100 * _TAIL, 1)))
    below = style.foot(stored, *(() if certain else (outside,)))
    subtitle = style.of(stored, said["note"])
    path = folder / f"{name}.png"
    return style.save(fig, path, title=said["title"], subtitle=subtitle, below=below, names=by_strategy)


def _spike(axes: Axes, value: float, told: str) -> list[Any]:
    """Draw a certain value as the one line that it is."""
    axes.axvline(value, color=style.MAIN, linewidth=5)
    axes.set_xlim(min(0.0, 1.5 * value) - 0.02, max(0.0, 1.5 * value) + 0.02)
    return [Line2D([], [], color=style.MAIN, linewidth=5, label=_("certain: {value}").format(value=told))]


def _told(name: str, text: str, stored: Stored) -> str:
    """Print a figure with its currency; ROI has none."""
    return amount(text, clean(stored.summary["programme"]["currency"], 12)) if name == "npv" else text


def _filled(
    axes: Axes, values: FloatArray, low: float, high: float, scale: float, loss: float, count: int
) -> list[Any]:
    """Fill the density, hatched where money is lost."""
    grid, height = kernel_density(values, low, high)
    shown = (grid >= low) & (grid <= high)
    grid, height = grid[shown] / scale, height[shown]
    axes.plot(grid, height, color=style.MAIN)
    axes.fill_between(grid, height, where=grid >= 0, color=style.PALE, linewidth=0, interpolate=True)
    axes.fill_between(
        grid, height, where=grid <= 0, facecolor="#f0cfc7", edgecolor=style.LOSS, hatch="////", linewidth=0
    )
    pad = 0.02 * (grid[-1] - grid[0])
    axes.set_xlim(min(grid[0], 0.0) - pad, max(grid[-1], 0.0) + pad)
    label = _("loss: {share}").format(share=chance(loss, count))
    swatch = Patch(facecolor="#f0cfc7", edgecolor=style.LOSS, hatch="////", label=label)
    return [swatch] if loss > 0 else []


def _marked(axes: Axes, name: str, block: Any, scale: float, stored: Stored) -> list[Any]:
    """Mark the 90 % interval, the median and the mean (ROI: the ratio of means)."""
    curve = axes.lines[0]

    def height(place: float) -> float:
        return float(np.interp(place, np.asarray(curve.get_xdata()), np.asarray(curve.get_ydata())))

    low, high = block["low"] / scale, block["high"] / scale
    axes.plot(
        [low, high], [0, 0], color=style.MAIN, linewidth=7, solid_capstyle="butt", clip_on=False, zorder=4
    )
    axes.vlines(block["median"] / scale, 0, height(block["median"] / scale), color=style.INK, linewidth=2.2)
    part = "expected" if name == "roi" else "mean"

    def told(part: str) -> str:
        return _told(name, metric(name, block, part, behind(stored.summary)), stored)

    label = _("median {value}").format(value=told("median"))
    handles: list[Any] = [Line2D([], [], color=style.INK, linewidth=2.2, label=label)]
    if block[part] is not None:
        axes.vlines(
            block[part] / scale,
            0,
            height(block[part] / scale),
            color=style.INK,
            linewidth=1.8,
            linestyle=(0, (2, 2)),
        )
        label = _("mean {value}").format(value=told(part))
        if name == "roi":
            label = _("ratio of means {share}").format(share=told(part))
        handles.append(Line2D([], [], color=style.INK, linewidth=1.8, linestyle=(0, (2, 2)), label=label))
    ends = _told(name, interval(name, block, behind(stored.summary)), stored)
    label = _("90 % interval (equal-tailed) {ends}").format(ends=ends)
    handles.append(Line2D([], [], color=style.MAIN, linewidth=7, label=label))
    return handles


def _others(axes: Axes, by_strategy: dict[str, FloatArray], best: str | None, scale: float) -> list[Any]:
    """Outline the other strategies on the same axis."""
    handles: list[Any] = []
    for (name, values), dash in zip(
        ((name, values) for name, values in by_strategy.items() if name != best),
        ((0, (5, 2)), (0, (1, 1.5)), (0, (5, 2, 1, 2))),
        strict=False,
    ):
        finite = values[np.isfinite(values)]
        if finite.size < 2 or finite.min() == finite.max():
            continue
        ends = np.quantile(finite, [_TAIL, 1 - _TAIL])
        grid, height = kernel_density(finite, float(ends[0]), float(ends[1]))
        left, right = axes.get_xlim()
        axes.plot(grid / scale, height, color=style.MUTED, linewidth=1.5, linestyle=dash)
        axes.set_xlim(min(left, ends[0] / scale), max(right, ends[1] / scale))
        label = _("instead: {name}").format(name=clean(name, 30))
        handles.append(Line2D([], [], color=style.MUTED, linewidth=1.5, linestyle=dash, label=label))
    return handles
