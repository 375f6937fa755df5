"""The answer of `sim track` on one screen."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from sim.report.answer_screen import Lines
from sim.report.names import clean
from sim.report.track_words import short
from sim.report.words import NONE, chance, digits, interval, metric, money, number

_SHOWN = (("npv", "NPV"), ("roi", "ROI"), ("payback_months", "Payback, months"))
_MOST = 9


def track_lines(result: Mapping[str, Any]) -> Lines:
    """Return the table of `sim track`: each stream over its months, and the forecast before and after."""
    rows: list[Sequence[str]] = []
    streams = sorted(result.get("streams", ()), key=lambda row: (row["first"] is None, row["first"] or 0))
    n = int(result.get("samples", 0))
    # Streams that left their band come first: they are what there is to look at.
    for row in streams[:_MOST]:
        certain = row["p05"] == row["p95"]
        band = shown(row["p50"]) if certain else f"{shown(row['p05'])} to {shown(row['p95'])}"
        left = NONE if row["first"] is None else f"{row['first']}, {row['side']}"
        told = chance(row["probability"], 1 if certain else n)
        rows.append((short(row["stream"]), str(row["months"]), shown(row["actual"]), band, told, left))
    captions = [f"Amounts in {clean(result.get('currency', ''), 12)}; each stream over all its months"]
    if len(streams) > len(rows):
        captions.append(f"{len(rows)} of {len(streams)} streams; track.csv has all, month by month")
    captions += _forecasts(result, n)
    return ("", "months", "actual", "90 % band", "P(≤)", "left in"), rows, captions


def shown(value: float) -> str:
    """Print a value of any size to four significant digits, large ones whole.

    Examples
    --------
    >>> shown(1234567.8), shown(0.0123456), shown(0.0)
    ('1,234,568', '0.01235', '0')
    """
    return number(value, 0 if abs(value) >= 1000 or not value else digits(value, None) + 1, most=8)


def _forecasts(result: Mapping[str, Any], n: int) -> list[str]:
    if not result.get("revised"):
        return []
    lines = []
    for name, label in _SHOWN:
        before, after = (result[word]["metrics"][name] for word in ("original", "revised"))
        part = "mean" if after["mean"] is not None and before["mean"] is not None else "median"
        told = [f"{metric(name, block, part, n)} ({interval(name, block, n)})" for block in (before, after)]
        lines.append(f"{label}: {told[0]} → {told[1]}")
    for word, label in (("sunk", "NPV until then, sunk"), ("to_come", "NPV still to come")):
        before, after = (result[forecast][word] for forecast in ("original", "revised"))
        loss = f", chance of loss {chance(after['loss'], 1 if after['mcse'] == 0 else n)}"
        told = [money(block["mean"], block["mcse"]) for block in (before, after)]
        lines.append(f"{label}: {told[0]} → {told[1]}{loss if word == 'to_come' else ''}")
    return [line.replace(f"({NONE})", "") for line in lines]
