"""The sliders of the what-if panel: which number, in which unit, between which ends."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

from sim.report.page_words import is_share
from sim.report.path_words import label, parts

_STEPS = 150


def panel(what_if: Mapping[str, Any]) -> list[dict[str, Any]]:
    """Return the sliders in groups; an empty list where nothing can be changed.

    Parameters
    ----------
    what_if : mapping
        Contents of ``what_if.json``.

    Returns
    -------
    list of dict
        ``group`` (``worth``, ``volumes``, ``costs``, ``benefits`` or ``time``) and ``sliders``, each with
        ``key, name, low, high, step, scale, money``: what is shown is the number times ``scale`` (100 for
        percent), and whether it is money.
    """
    groups: dict[str, list[dict[str, Any]]] = {
        name: [] for name in ("worth", "volumes", "costs", "benefits", "time")
    }
    for one in what_if["keys"]:
        groups[_group(one["key"])].append(_slider(one))
    rate = what_if["rate"]
    highest = max(0.3, math.ceil(20 * 2 * rate["high"]) / 20)
    groups["time"] = [
        {"key": "programme.horizon", "name": label("programme.horizon"), "low": 1, "high": what_if["longest"],
         "step": 1, "scale": 1, "money": False},
        {"key": rate["key"], "name": label("programme.discount_rate"), "low": 0, "high": highest,
         "step": 0.005, "scale": 100, "money": False},
    ]  # fmt: skip
    return [{"group": name, "sliders": sliders} for name, sliders in groups.items() if sliders]


def _group(key: str) -> str:
    first, *rest = parts(key)
    if first in ("costs", "benefits", "volumes"):
        return first
    return "volumes" if rest[1:2] == ["volume"] else "worth"


def _slider(one: Mapping[str, Any]) -> dict[str, Any]:
    """Return a slider from nothing to twice the number, or from half its low to one and a half its high end.

    Examples
    --------
    >>> _slider({"key": "costs.x.monthly", "low": 4000.0, "high": 4000.0, "values": None})["high"]
    8000.0
    """
    certain = one["values"] is None
    low = 0.0 if certain else 0.5 * one["low"]
    high = 2 * one["high"] if certain else 1.5 * one["high"]
    share = is_share(one["key"]) and one["high"] <= 1
    if share:
        high = min(high, 1.0)
    raw = (high - low) / _STEPS
    power = 10.0 ** math.floor(math.log10(raw))
    step = next(size for size in (1.0, 2.0, 5.0, 10.0) if size * power >= raw) * power
    ends = (math.floor(low / step) * step, math.ceil(high / step - 1e-9) * step)
    return {
        "key": one["key"],
        "name": label(one["key"]),
        "low": float(f"{ends[0]:.12g}"),
        "high": float(f"{min(ends[1], 1.0) if share else ends[1]:.12g}"),
        "step": float(f"{step:.12g}"),
        "scale": 100 if share else 1,
        "money": _group(one["key"]) in ("costs", "benefits", "worth") and not share,
    }
