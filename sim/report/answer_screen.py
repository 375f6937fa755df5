"""The answer of a command on one screen: the finding, a table, where it lies."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from string import ascii_uppercase
from typing import Any

from rich.console import Console
from rich.table import Table
from rich.text import Text

from sim.report.answer_words import share_of, with_error
from sim.report.names import clean
from sim.report.words import MONTHS, NONE, chance, metric, money, percent

SHOWN = 15
"""Rows of a table that are printed."""

type Row = Mapping[str, Any]
type Lines = tuple[Sequence[str], Sequence[Sequence[str]], Sequence[str]]
"""Header and rows of a table, and lines that explain it."""


def show(sentence: str, lines: Lines, path: Path, console: Console, notes: Sequence[str] = ()) -> None:
    """Print an answer.

    Parameters
    ----------
    sentence : str
        The finding.
    lines : (header, rows, captions)
        Text of a table, names in its first column, and lines above it; no table without rows.
    path : Path
        Where the answer lies.
    console : rich.console.Console
    notes : sequence of str
        What to mind, a line each.
    """
    header, rows, captions = lines
    width = min(console.width, 100)
    console.print(Text(clean(sentence, 900), style="bold"), width=width)
    if rows:
        table = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0), header_style="dim")
        table.add_column(Text(header[0]), overflow="fold")
        for title in header[1:]:
            table.add_column(Text(title), justify="right", no_wrap=True)
        for row in rows[:SHOWN]:
            table.add_row(*(Text(clean(cell, 44)) for cell in row))
        console.print()
        for caption in captions:
            console.print(Text(clean(caption, width)), width=width)
        console.print(table, width=width)
        if len(rows) > SHOWN:
            console.print(Text(f"… and {len(rows) - SHOWN} more in the table", "dim"))
    for note in notes:
        console.print(Text(f"note  {clean(note, 400)}", "dim"), width=width)
    console.print()
    # The path must stay whole to be copied, however long it is.
    console.print(Text(f"Results: {path}"), soft_wrap=True)


def sensitivity_lines(result: Row) -> Lines:
    """Return the table of `sim sensitivity`: single inputs, then groups."""
    currency = clean(result.get("currency", ""), 12)
    header = (f"Amounts in {currency}", "NPV at q10", "at q90", "of variance", "worth knowing")
    rows: list[Sequence[str]] = []
    for kind, share in (("inputs", "first_order"), ("groups", "shapley")):
        for row in result.get(kind, ())[: SHOWN // 2]:
            ends = (
                money(row[f"conditional_{end}"], row[f"conditional_{end}_mcse"]) for end in ("low", "high")
            )
            part = share_of(row, share)
            name = row["name"] if kind == "inputs" else f"all of {row['name']}"
            rows.append((name, *ends, part, with_error(row["evppi"], row["evppi_mcse"])))
    more = len(result.get("inputs", ())) - SHOWN // 2
    return header, rows, [f"{more} smaller inputs are in sensitivity.csv"] if more > 0 else []


def returns(row: Row, samples: int) -> tuple[str, str, str, str]:
    """Return mean NPV, its interval, ROI and median payback of a choice as cells of a table."""
    mean, low, high = (
        money(row[f"npv_{part}"], row["npv_mcse"], row["npv_mean"]) for part in ("mean", "low", "high")
    )
    payback = {part: row[f"payback_{part}"] for part in ("median", "low", "high")}
    return (
        mean,
        low if low == high else f"{low} to {high}",
        NONE if row["roi"] is None else percent(row["roi"], row["roi_mcse"]),
        metric(MONTHS[0], payback, "median", samples),
    )


def compare_lines(result: Row) -> Lines:
    """Return the table of `sim compare`, the best choice on average first."""
    currency = clean(result.get("currency", ""), 12)
    header = ("", "NPV", "90 % interval", "ROI", "payback", "P(loss)", "P(best)", "exp. loss")
    captions = [f"Amounts in {currency}, payback in months"]
    rows: list[Sequence[str]] = []
    for letter, row in zip(ascii_uppercase, result.get("choices", ()), strict=False):
        captions.append(f"{letter}  {row['choice']}")
        n = 1 if row["npv_low"] == row["npv_high"] else int(result["samples"])
        rows.append(
            (
                letter,
                *returns(row, n),
                chance(row["p_loss"], n, row["p_loss_mcse"]),
                chance(row["p_best"], int(result["samples"]), row["p_best_mcse"]),
                money(row["expected_loss"], row["expected_loss_mcse"]),
            )
        )
    return header, rows, captions
