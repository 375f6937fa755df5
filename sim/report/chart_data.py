"""What the charts of the page show: a finding as title, and the numbers to draw."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

import numpy as np

from sim.language import _
from sim.records.arrays import FloatArray
from sim.report import page_words as words
from sim.report.names import clean
from sim.report.path_words import label
from sim.report.stored import Stored
from sim.report.words import MONTHS, behind, better, is_certain, spread

type Chart = dict[str, Any]

_TAIL = 0.002
_BINS = 40
_MOST_ROWS = 40
_MOST_BARS = 12
_STEPS = (1.0, 2.0, 2.5, 5.0, 10.0)


def charts(stored: Stored, what_if: Mapping[str, Any] | None) -> dict[str, Chart]:
    """Return every chart for which the run has figures, by name.

    Parameters
    ----------
    stored : Stored
    what_if : mapping or None
        Contents of ``what_if.json``.

    Returns
    -------
    dict
        Each with ``title`` (the finding), ``note`` (how to read it), ``alt`` (what it shows) and numbers.
    """
    found: dict[str, Chart | None] = {}
    if stored.has_money:
        found["npv"] = histogram(stored, "npv")
        found["payback"] = payback(stored)
        found["cash"] = cash(stored)
        found["roi"] = histogram(stored, "roi")
        found["waterfall"] = waterfall(stored)
        found["drivers"] = drivers(stored, what_if)
    found["effects"] = effects(stored.summary)
    found["periods"] = periods(stored.summary)
    return {name: chart for name, chart in found.items() if chart is not None}


def bins(values: FloatArray) -> tuple[float, float, int]:
    """Return the first edge, the width and the number of bins: round edges, of which 0 is one.

    Examples
    --------
    >>> bins(np.array([-30.0, 10.0, 95.0]))
    (-30.0, 5.0, 25)
    """
    low, high = np.quantile(values, [_TAIL, 1 - _TAIL])
    raw = max(float(high - low), abs(float(high)) * 1e-6, 1e-12) / _BINS
    power = 10.0 ** math.floor(math.log10(raw))
    width = next(step for step in _STEPS if step * power >= raw * 0.999) * power
    first = math.floor(round(float(low) / width, 6))
    return first * width, width, math.ceil(round(float(high) / width, 6)) - first


def histogram(stored: Stored, name: str) -> Chart | None:
    """Return the distribution of the NPV or the ROI over the samples."""
    values = stored.samples(f"metrics.{name}").get(stored.best or "", np.empty(0))
    values = values[np.isfinite(values)]
    block = stored.summary["metrics"][name]
    if values.size == 0 or block["median"] is None:
        return None
    certain = is_certain(block) or bool(values.min() == values.max())
    start, width, count = bins(values)
    edges = start + width * np.arange(count + 1)
    shares = np.histogram(values, edges)[0] / values.size
    return {
        **words.histogram(stored.summary, name, float((values < 0).mean())),
        "certain": float(values[0]) if certain else None,
        "start": start,
        "width": width,
        "shares": np.round(shares, 6).tolist(),
        "mean": block["expected"] if name == "roi" else block["mean"],
        "median": block["median"],
        "low": block["low"],
        "high": block["high"],
    }


def payback(stored: Stored) -> Chart | None:
    """Return the chance of having paid back by each month, for each kind of payback."""
    horizon, curves = int(stored.summary["programme"]["horizon"]), []
    for name in MONTHS:
        values = stored.samples(f"metrics.{name}").get(stored.best or "", np.empty(0))
        if values.size:
            known = np.sort(values[np.isfinite(values)])
            shares = np.searchsorted(known, np.arange(horizon + 1) + 1e-9, side="right") / values.size
            curves.append({"name": _(words.PAYBACKS[name]), "shares": np.round(shares, 6).tolist()})
    if not curves:
        return None
    never = stored.summary["metrics"]["payback_months"]["never"]
    return {**words.payback(stored.summary), "curves": curves, "never": never, "horizon": horizon}


def cash(stored: Stored) -> Chart | None:
    """Return the cumulative cash flow with its percentiles, and when its median breaks even."""
    rows = stored.cash("cumulative")
    if not rows or len(rows["month"]) < 2:
        return None
    names = ("mean", "p05", "p25", "p50", "p75", "p95")
    middle = rows["p50"]
    below = np.flatnonzero(middle < 0)
    crossing = None
    if below.size and below[-1] < len(middle) - 1:
        last = int(below[-1])
        crossing = last + float(-middle[last] / (middle[last + 1] - middle[last]))
    return {
        **words.cash(stored.summary, crossing, bool(below.size)),
        "months": [int(month) for month in rows["month"]],
        "dates": [None if date is None else f"{date:%Y-%m}" for date in rows["date"]],
        **{name: np.round(rows[name], 2).tolist() for name in names},
        "crossing": crossing,
        "certain": behind(stored.summary) == 1,
    }


def waterfall(stored: Stored) -> Chart | None:
    """Return the mean present value of each stream: what comes in, what goes out, what is left."""
    summary = stored.summary
    gains = {name: block["money"] for name, block in summary["outcomes"].items() if block["money"]}
    gains |= summary["benefits"]
    rows = [(name, block["pv"]) for name, block in gains.items() if block["pv"] is not None]
    paid = [(name, -block["pv"]) for name, block in summary["costs"].items() if block["pv"] is not None]
    if not rows and not paid:
        return None
    listed = [*sorted(rows, key=lambda row: -row[1]), *sorted(paid, key=lambda row: row[1])]
    steps, level = [], 0.0
    for name, value in listed:
        steps.append({"name": clean(name, 28), "from": level, "to": level + value, "value": value})
        level += value
    steps.append({"name": _("Net present value"), "from": 0.0, "to": level, "value": level, "net": True})
    return {**words.waterfall(summary, listed), "rows": steps}


def drivers(stored: Stored, what_if: Mapping[str, Any] | None) -> Chart | None:
    """Return the mean NPV where each uncertain input is low and where it is high, widest first."""
    if what_if is None or not what_if["drivers"]:
        return None
    blocks = stored.summary["outcomes"]
    shares = {name for name, block in blocks.items() if block["level"] == "share"}
    rows = [
        {
            "name": label(row["name"]),
            "key": clean(row["name"], 120),
            "at": [words.quantity(row["name"], row[end], shares) for end in ("at_low", "at_high")],
            "npv": [row["npv_low"], row["npv_high"]],
            "told": [words.about(row[end]) for end in ("npv_low", "npv_high")],
            "measured": words.is_measured(row["name"]),
        }
        for row in what_if["drivers"]
    ]
    chart = words.drivers(rows, len(rows) > _MOST_BARS)
    return {**chart, "rows": rows[:_MOST_BARS], "mean": stored.summary["metrics"]["npv"]["mean"]}


def effects(summary: Mapping[str, Any]) -> Chart | None:
    """Return the effect of each outcome, pooled and by segment."""
    panels = []
    for name, block in summary["outcomes"].items():
        kind = _kind(block)
        if kind is None:
            continue
        factor = 100.0 if kind == "relative" or block["level"] == "share" else 1.0
        segments = [
            (clean(segment, 30), levels[kind])
            for segment, levels in block["segments"].items()
            if levels[kind]["mean"] is not None
        ]
        segments = sorted(segments, key=lambda row: -row[1]["mean"]) if len(segments) > 1 else []
        rows = [
            (_("all segments") if segments else _("effect"), block["pooled"][kind]),
            *segments[:_MOST_ROWS],
        ]
        panels.append(
            {
                "title": words.effect(name, block, kind, better(block, int(summary["samples"]))),
                "unit": words.unit_of(block, kind),
                "rows": [
                    _effect(text, shown, factor, place == 0) for place, (text, shown) in enumerate(rows)
                ],
            }
        )
    return {**words.effects(summary), "panels": panels} if panels else None


def _effect(name: str, shown: Mapping[str, Any], factor: float, pooled: bool) -> dict[str, Any]:
    mean, ends = spread(shown, scale=factor, sign=True)
    values = {part: factor * shown[part] for part in ("mean", "low", "high")}
    return {"name": name, **values, "told": mean, "ends": ends, "pooled": pooled}


def _kind(block: Mapping[str, Any]) -> str | None:
    """Name what to draw: relative where it exists, else the difference; of a score, which may be 0, that."""
    for name in ("difference",) if block["level"] == "real" else ("relative", "difference"):
        if block["pooled"][name]["mean"] is not None:
            return name
    return None


def periods(summary: Mapping[str, Any]) -> Chart | None:
    """Return the effect of each period of the pilot by itself."""
    panels = [
        {
            "title": clean(name, 40),
            "rows": [
                {"name": clean(row["period"], 12), **{part: 100 * row[part] for part in ("low", "high")},
                 "mean": 100 * row["relative"]}
                for row in block["periods"] if row["relative"] is not None
            ],
            "pooled": _percent(block["pooled"]["relative"]["mean"]),
        }
        for name, block in summary["outcomes"].items()
        if block.get("periods") and sum(row["relative"] is not None for row in block["periods"]) > 1
    ]  # fmt: skip
    return {**words.periods(summary), "panels": panels} if panels else None


def _percent(value: float | None) -> float | None:
    return None if value is None else 100 * value
