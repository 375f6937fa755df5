"""Tables of `sim sweep` and `sim target` on one screen."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from sim.report.answer_screen import Lines
from sim.report.names import clean
from sim.report.solved import plain, units
from sim.report.words import MONTHS, chance, metric, money

_SHOWN = 15
_SHORT = {"roi": "ROI", "payback_months": "payback, months", "irr": "IRR, a year"}

type Row = Mapping[str, Any]


def sweep_lines(result: Row) -> Lines:
    """Return the table of `sim sweep`: of many rows some, evenly spaced; the file has all."""
    keys, n = list(result.get("keys", ())), int(result.get("samples", 0))
    further = [name for name in result.get("metrics", ()) if name != "npv"][:2]
    mine = [row for row in result.get("rows", ()) if row["strategy"] == result["strategy"]]
    places = (
        range(len(mine))
        if len(mine) <= _SHOWN
        else [round(i * (len(mine) - 1) / (_SHOWN - 1)) for i in range(_SHOWN)]
    )
    names = [key.rsplit(".", 1)[-1] for key in keys]
    short = [key if names.count(name) > 1 else str(name) for key, name in zip(keys, names, strict=True)]
    header = (
        *short,
        "NPV",
        "90 % interval",
        "P(above hurdle)",
        *(_SHORT.get(name, name) for name in further),
    )
    rows = []
    for row in (mine[place] for place in places):
        mean, low, high = (
            money(row[f"npv_{end}"], row["npv_mcse"], row["npv_mean"]) for end in ("mean", "low", "high")
        )
        told = (mean, low if low == high else f"{low} to {high}", chance(row["p_npv_above_hurdle"], n))
        rows.append((*(plain(row[key]) for key in keys), *told, *(_metric(name, row, n) for name in further)))
    captions = [f"Amounts in {clean(result.get('currency', ''), 12)}, by {', '.join(keys)}"]
    if len(mine) > len(rows):
        captions.append(f"{len(rows)} of {len(mine)} settings; sweep.csv has all")
    return header, rows, captions


def _metric(name: str, row: Row, samples: int) -> str:
    part = "expected" if name == "roi" else "median" if name in MONTHS else "mean"
    block = {end: row[f"{name}_{end}"] for end in ("mean", "median", "low", "high", "mcse")}
    return metric(name, {**block, "expected": row.get("roi_expected")}, part, samples)


def target_lines(result: Row) -> Lines:
    """Return the table of `sim target`: what the stages of a funnel must deliver; else none."""
    stages = result.get("pipeline") or ()
    header = ("Units needed in all", "to enter", "90 % interval", "to leave", "rate", "gross: to enter")
    rows: list[Sequence[str]] = []
    for row in stages:
        ends = [units(row, f"entering_{end}") for end in ("low", "high")]
        rows.append(
            (
                str(row["stage"]),
                units(row, "entering_median"),
                ends[0] if ends[0] == ends[1] else f"{ends[0]} to {ends[1]}",
                units(row, "leaving_median"),
                f"{100 * row['rate_mean']:.3g} %",
                units(row, "gross_entering_median"),
            )
        )
    return header, rows, ()
