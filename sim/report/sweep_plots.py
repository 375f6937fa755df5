"""The plot of `sim sweep`: a line with its 90 % band for one key, a heat map with break-even for two."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import matplotlib as mpl
import numpy as np
from matplotlib.axes import Axes
from matplotlib.axis import Axis
from matplotlib.colors import LinearSegmentedColormap, Normalize, TwoSlopeNorm
from matplotlib.lines import Line2D
from matplotlib.patches import Patch
from matplotlib.patheffects import withStroke
from matplotlib.ticker import MaxNLocator

from sim.records.arrays import FloatArray
from sim.report import style
from sim.report.names import clean
from sim.report.solved import solved
from sim.report.words import METRIC_NAMES, MONEY, MONTHS, SHARES, money, number

_MOST_LABELS = 8

type Row = Mapping[str, Any]


def draw(folder: Path, found: Mapping[str, Any]) -> Path | None:
    """Draw the first metric asked for over the first key, or the first two.

    Parameters
    ----------
    folder : Path
    found : mapping
        The answer of the command, with the rows to draw under ``drawn``.

    Returns
    -------
    Path or None
        None where no setting has a value to draw.
    """
    rows = found["drawn"]
    if all(row[centre(found["metrics"][0])] is None or row["npv_mean"] is None for row in rows):
        return None
    with style.theme():
        return _line(folder, found, rows) if len(found["keys"]) == 1 else _map(folder, found, rows)


def centre(metric: str) -> str:
    """Return the column that stands for a metric: its mean, the ratio of means, or a median."""
    if metric == "roi":
        return "roi_expected"
    finite = metric in MONEY and metric not in ("cpa", "revenue")
    return f"{metric}_mean" if finite else f"{metric}_median"


def _scaled(metric: str, found: Mapping[str, Any], largest: float) -> tuple[float, str]:
    """Return a divisor and the label of a metric's axis."""
    name = METRIC_NAMES[metric]
    if metric in MONEY:
        scale, unit = style.money_scale(largest, found["currency"])
        return scale, f"{name}, {unit}"
    return (0.01, f"{name}, %") if metric in SHARES else (1.0, name)


def _line(folder: Path, found: Mapping[str, Any], rows: Sequence[Row]) -> Path:
    key, metric = found["keys"][0], found["metrics"][0]
    x = np.array([row[key] for row in rows], dtype=float)
    middle = _column(rows, centre(metric))
    low, high = _column(rows, f"{metric}_low"), _column(rows, f"{metric}_high")
    largest = float(np.nanmax(np.abs([middle, low, high])))
    scale, label = _scaled(metric, found, largest)
    fig = style.figure()
    axes = fig.add_subplot()
    word = {"roi_expected": "ratio of means"}.get(centre(metric), centre(metric).rsplit("_", 1)[-1])
    # A payback whose upper quantile lies beyond the horizon has no upper edge there: the band stays open.
    if metric in MONTHS:
        horizon = np.array([row.get("programme.horizon", found["horizon"]) for row in rows], dtype=float)
        high = np.where(np.isnan(high) & ~np.isnan(low), horizon, high)
    axes.fill_between(x, low / scale, high / scale, color=style.PALE, linewidth=0)
    marker = "o" if len(rows) <= 25 else ""
    axes.plot(x, middle / scale, color=style.MAIN, marker=marker, markersize=4.5)
    handles: list[Any] = [
        Line2D([], [], color=style.MAIN, marker=marker, markersize=4.5, label=word),
        Patch(facecolor=style.PALE, label="90 % interval"),
    ]
    if metric == "npv":
        axes.axhline(found["hurdle"] / scale, color=style.INK, linewidth=1.2)
    elif np.nanmin(low) < 0 < np.nanmax(high):
        axes.axhline(0, color=style.INK, linewidth=1.0)
    for crossing in found["break_even"]:
        axes.axvline(crossing["value"], color=style.LOSS, linewidth=1.6, linestyle=(0, (4, 2)))
    if found["break_even"]:
        at = ", ".join(solved(one["value"], one["mcse"]) for one in found["break_even"][:4])
        told = f"break-even of mean NPV: {at}"
        handles.append(Line2D([], [], color=style.LOSS, linewidth=1.6, linestyle=(0, (4, 2)), label=told))
    axes.set_xlabel(clean(key, 70))
    axes.set_ylabel(label)
    _ticks(axes.xaxis, x)
    axes.yaxis.set_major_formatter(style.ticks())
    axes.set_xlim(x.min() - 0.01 * (np.ptp(x) or 1.0), x.max() + 0.01 * (np.ptp(x) or 1.0))
    axes.grid(axis="y")
    style.legend(axes, handles, columns=3)
    return style.save(
        fig,
        folder / "sweep.png",
        title=_title(found, rows),
        subtitle=f"{METRIC_NAMES[metric]}{_span(found)}, by {clean(key, 60)}",
        below=_foot(found),
        names=[key],
    )


def _map(folder: Path, found: Mapping[str, Any], rows: Sequence[Row]) -> Path:
    (across, up), metric = found["keys"][:2], found["metrics"][0]
    x, y = (np.unique([float(row[key]) for row in rows]) for key in (across, up))
    values, npv = (_table(rows, across, up, x, y, column) for column in (centre(metric), "npv_mean"))
    scale, label = _scaled(metric, found, float(np.nanmax(np.abs(values))))
    fig = style.figure((9.0, 6.2))
    axes = fig.add_subplot()
    middle = found["hurdle"] / scale if metric == "npv" else 0.0
    shades, norm = _shades(values / scale, middle)
    mesh = axes.pcolormesh(_edges(x), _edges(y), values / scale, cmap=shades, norm=norm)
    bar = fig.colorbar(mesh, ax=axes, label=label, format=style.ticks(), aspect=30)
    bar.outline.set_visible(False)
    handles = _break_even(axes, x, y, npv - found["hurdle"])
    if values.size <= _MOST_LABELS**2:
        _figures(axes, x, y, values / scale)
    axes.set_xlabel(clean(across, 70))
    axes.set_ylabel(clean(up, 50))
    _ticks(axes.xaxis, x)
    _ticks(axes.yaxis, y)
    if handles:
        style.legend(axes, handles, columns=3)
    others = found["keys"][2:]
    kept = f"; {', '.join(clean(key, 40) for key in others)} as in the config" if others else ""
    word = centre(metric).replace("roi_expected", "ratio of means").rsplit("_", 1)[-1]
    return style.save(
        fig,
        folder / "sweep.png",
        title=_title(found, rows),
        subtitle=f"{METRIC_NAMES[metric]}, {word}{_span(found)}{kept}",
        below=_foot(found),
        names=[across, up],
    )


def _shades(values: FloatArray, middle: float) -> tuple[LinearSegmentedColormap, Normalize]:
    """Return colours that turn at `middle`, dark at both ends with unlike hues; of one hue on one side."""
    low, high = float(np.nanmin(values)), float(np.nanmax(values))
    if low < middle < high:
        shades = LinearSegmentedColormap.from_list(
            "sides", [style.LOSS, "#ecc3b8", "#fbfbfb", "#bdd3ea", style.MAIN]
        )
        return shades, TwoSlopeNorm(middle, low, high)
    ends = ["#f7ece8", style.LOSS] if high <= middle else ["#eef3f8", style.MAIN]
    colours = ends[::-1] if high <= middle else ends
    pad = 0.0 if high > low else max(abs(high), 1.0)
    return LinearSegmentedColormap.from_list("side", colours), Normalize(low - pad, high + pad)


def _break_even(axes: Axes, x: FloatArray, y: FloatArray, gap: FloatArray) -> list[Any]:
    """Draw where the mean NPV crosses the hurdle, and hatch the side on which it does not pay."""
    if min(x.size, y.size) < 2 or not np.nanmin(gap) < 0 < np.nanmax(gap):
        return []
    whole = _to_edges(x, _to_edges(y, gap).T).T
    at = (_edges(x)[[0, -1]], _edges(y)[[0, -1]])
    x, y = (np.concatenate([ends[:1], inner, ends[1:]]) for ends, inner in zip(at, (x, y), strict=True))
    with mpl.rc_context({"hatch.color": "#00000059"}):
        axes.contourf(x, y, whole, levels=[-np.inf, 0.0], colors="none", hatches=["///"])
    axes.contour(x, y, whole, levels=[0.0], colors=style.INK, linewidths=2.2)
    return [
        Line2D([], [], color=style.INK, linewidth=2.2, label="break-even of mean NPV"),
        Patch(facecolor="none", edgecolor=style.INK, hatch="///", label="does not pay on average"),
    ]


def _to_edges(points: FloatArray, values: FloatArray) -> FloatArray:
    """Extend values along their first axis by half a cell at either end, in a straight line."""
    slopes = np.diff(values, axis=0) / np.diff(points)[:, None]
    edges = _edges(points)
    below = values[0] + slopes[0] * (edges[0] - points[0])
    above = values[-1] + slopes[-1] * (edges[-1] - points[-1])
    return np.concatenate([below[None], values, above[None]])


def _figures(axes: Axes, x: FloatArray, y: FloatArray, values: FloatArray) -> None:
    decimals = 0 if np.nanmax(np.abs(values)) >= 20 else 1
    for i, j in np.ndindex(values.shape):
        if np.isfinite(values[i, j]):
            told = number(float(values[i, j]), decimals)
            text = axes.text(float(x[j]), float(y[i]), told, ha="center", va="center", fontsize=10.5)
            text.set_path_effects([withStroke(linewidth=2.6, foreground="white")])


def _table(
    rows: Sequence[Row], across: str, up: str, x: FloatArray, y: FloatArray, column: str
) -> FloatArray:
    """Return one column as a table, (up, across); NaN for no value."""
    table = np.full((y.size, x.size), np.nan)
    for row in rows:
        at = np.searchsorted(y, float(row[up])), np.searchsorted(x, float(row[across]))
        table[at] = np.nan if row[column] is None else row[column]
    return table


def _column(rows: Sequence[Row], name: str) -> FloatArray:
    return np.array([np.nan if row[name] is None else row[name] for row in rows], dtype=float)


def _edges(points: FloatArray) -> FloatArray:
    """Return the borders of cells around points."""
    if points.size == 1:
        return np.array([points[0] - 0.5, points[0] + 0.5])
    inner = (points[1:] + points[:-1]) / 2
    return np.concatenate([[2 * points[0] - inner[0]], inner, [2 * points[-1] - inner[-1]]])


def _ticks(axis: Axis, values: FloatArray) -> None:
    axis.set_major_formatter(style.ticks())
    whole = bool((values == np.round(values)).all())
    axis.set_major_locator(MaxNLocator(nbins="auto", integer=whole, steps=[1, 2, 2.5, 5, 10]))


def _span(found: Mapping[str, Any]) -> str:
    return "" if "programme.horizon" in found["keys"] else f" over {found['horizon']} months"


def _title(found: Mapping[str, Any], rows: Sequence[Row]) -> str:
    """Say the finding: where it pays, or that it does so everywhere or nowhere."""
    above = [row["npv_mean"] > found["hurdle"] for row in rows if row["npv_mean"] is not None]
    bar = f"{money(found['hurdle'], 0.0)} {clean(found['currency'], 12)}"
    if all(above) or not any(above):
        return f"No break-even here: mean NPV is {'above' if all(above) else 'not above'} {bar} throughout"
    if len(found["keys"]) > 1:
        return f"Investing pays on average in {sum(above):,} of {len(above):,} settings"
    where, key = found["break_even"], clean(found["keys"][0], 46)
    if len(where) != 1:
        return f"Mean NPV crosses {bar} {len(where)} times as {key} varies"
    at = solved(where[0]["value"], where[0]["mcse"])
    if where[0]["mcse"] is None:
        return f"Investing pays on average {'from' if where[0]['rises'] else 'up to'} {key} = {at}"
    return f"Investing pays on average where {key} is {'above' if where[0]['rises'] else 'below'} {at}"


def _foot(found: Mapping[str, Any]) -> str:
    marks = [] if found["trusted"] else ["NOT TRUSTED: a check failed"]
    arm = [f"arm: {clean(found['strategy'])}"] if found["strategy"] != "treated" else []
    states = f"the same {found['samples']:,} joint samples in every setting"
    return " · ".join([*marks, *arm, "key replaced by a certain value", states, "before tax"])
