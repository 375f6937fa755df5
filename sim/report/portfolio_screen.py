"""The table that `sim portfolio` prints."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from sim.report.answer_screen import Lines
from sim.report.names import clean
from sim.report.portfolio_words import NEEDS
from sim.report.words import MONTHS, NONE, chance, metric, money, percent


def portfolio_lines(result: Mapping[str, Any]) -> Lines:
    """Return the table of programmes: what is taken first, then what would bring most on average."""
    need = result["need"]
    header = ("", "take", "NPV", "90 % interval", "ROI", "payback", "P(loss)", NEEDS[need])
    rows = []
    known = [row for row in result["programmes"] if row["npv_mean"] is not None]
    for row in sorted(known, key=lambda row: (not row["chosen"], -row["npv_mean"])):
        n = 1 if row["npv_low"] == row["npv_high"] else int(result["samples"])
        mean, low, high = (
            money(row[f"npv_{part}"], row["npv_mcse"], row["npv_mean"]) for part in ("mean", "low", "high")
        )
        payback = {part: row[f"payback_{part}"] for part in ("median", "low", "high")}
        several = [each["arm"] for each in known if each["programme"] == row["programme"]]
        name = clean(row["programme"], 24)
        rows.append(
            (
                f"{name}: {clean(row['arm'], 14)}" if len(set(several)) > 1 else name,
                ("yes" if row["size"] == 1 else f"× {row['size']:g}") if row["chosen"] else
                ("" if row["size"] == 1 else f"(× {row['size']:g})"),
                mean,
                low if low == high else f"{low} to {high}",
                NONE if row["roi"] is None else percent(row["roi"], row["roi_mcse"]),
                metric(MONTHS[0], payback, "median", n),
                chance(row["p_loss"], n),
                money(row[need], row[f"{need}_mcse"]),
            )
        )  # fmt: skip
    currency = clean(result["currency"] or "", 12)
    return header, rows, [f"Amounts in {currency}, payback in months; a size in brackets is not taken"]
