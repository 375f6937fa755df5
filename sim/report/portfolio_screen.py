"""The table that `sim portfolio` prints."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from string import ascii_uppercase
from typing import Any

from sim.report.answer_screen import SHOWN, Lines, returns
from sim.report.names import clean
from sim.report.portfolio_words import NEEDS
from sim.report.words import chance, money


def portfolio_lines(result: Mapping[str, Any]) -> Lines:
    """Return the table of programmes: what is taken first, then what would bring most on average."""
    need = result["need"]
    header = ("", "take", "NPV", "90 % interval", "ROI", "payback", "P(loss)", NEEDS[need])
    currency = clean(result["currency"] or "", 12)
    captions = [f"Amounts in {currency}, payback in months; a size in brackets is not taken"]
    known = [row for row in result["programmes"] if row["npv_mean"] is not None]
    known.sort(key=lambda row: (not row["chosen"], -row["npv_mean"]))
    arms: dict[str, set[str]] = {}
    for row in known:
        arms.setdefault(row["programme"], set()).add(row["arm"])
    rows, letters = list[Sequence[str]](), dict[str, str]()
    for row in known:
        name = row["programme"] if len(arms[row["programme"]]) == 1 else f"{row['programme']}: {row['arm']}"
        if name not in letters and len(letters) < len(ascii_uppercase):
            letters[name] = ascii_uppercase[len(letters)]
            if len(rows) < SHOWN:
                captions.append(f"{letters[name]}  {name}")
        n = 1 if row["npv_low"] == row["npv_high"] else int(result["samples"])
        rows.append(
            (
                letters.get(name, name),
                _taken(row),
                *returns(row, n),
                chance(row["p_loss"], n),
                money(row[need], row[f"{need}_mcse"]),
            )
        )
    return header, rows, captions


def _taken(row: Mapping[str, Any]) -> str:
    if row["chosen"]:
        return "yes" if row["size"] == 1 else f"× {row['size']:g}"
    return "" if row["size"] == 1 else f"(× {row['size']:g})"
