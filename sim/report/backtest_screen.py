"""The table that `sim backtest` prints."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from sim.report.answer_screen import Lines
from sim.report.words import NONE, digits, number

type Row = Mapping[str, Any]


def backtest_lines(result: Row) -> Lines:
    """Return the table of `sim backtest`: coverage and scores by outcome and arm."""
    header = ("Outcome", "values", "in 50 %", "in 80 %", "in 95 %", "CRPS", "naive", "skill")
    rows = []
    for name, block in result.get("outcomes", {}).items():
        rows.append(_line(_called(name, block), block, block))
        if len(block["arms"]) > 1:
            rows += [_line(f"  {arm}", of, block) for arm, of in block["arms"].items()]
    captions = [f"{_periods(result)}; naive: nothing changes"] if rows else []
    return header, rows, captions


def _periods(result: Row) -> str:
    count, origins = result["holdout"], result["origins"]
    told = f"The last {count} periods held out" if count > 1 else "The last period held out"
    return f"{told}, from {origins} origins" if origins > 1 else told


def _called(name: str, block: Row) -> str:
    return f"{name}, {block['unit']}" if block["unit"] else name


def _line(name: str, block: Row, outcome: Row) -> tuple[str, ...]:
    n = block["values"]
    inside = (
        f"{block['inside'][level]:,} = {100 * block['inside'][level] / n:.0f} %"
        for level in ("50", "80", "95")
    )
    scores = (_score(block[key], outcome["scale"]) for key in ("crps", "naive_crps"))
    skill = NONE if block["skill"] is None else f"{100 * block['skill']:+.0f} %"
    return (name, f"{n:,}", *inside, *scores, skill)


def _score(value: float | None, scale: float) -> str:
    if value is None:
        return NONE
    return number(scale * value, digits(scale * value, None), most=6)
