"""Published effects on the screen."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from rich.console import Console
from rich.table import Table
from rich.text import Text

from sim.report.words import NONE

_WIDTH = 100


def show_benchmarks(found: Sequence[Mapping[str, Any]], console: Console) -> None:
    """Print a table of the priors, and below it what each figure is and where it comes from.

    Parameters
    ----------
    found : sequence of mapping
        As ``sim benchmarks --json`` gives them.
    console : rich.console.Console
    """
    width = min(console.width, _WIDTH)
    table = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0), header_style="dim")
    table.add_column("benchmark", no_wrap=True)
    table.add_column("model")
    for title in ("90 % range", "discount"):
        table.add_column(title, justify="right", no_wrap=True)
    table.add_column("trust")
    for item in found:
        usable = item["low"] is not None
        span = f"{100 * item['low']:+.0f} to {100 * item['high']:+.0f} %" if usable else NONE
        discount = f"{100 * item['discount']:.0f} %" if usable else NONE
        table.add_row(item["key"], item["model"] or NONE, span.replace("+0 ", "0 "), discount, item["trust"])
    console.print(table, width=width)
    for item in found:
        console.print()
        console.print(Text.assemble((f"{item['key']}: ", "bold"), item["measure"]), width=width)
        console.print(Text(f"{item['source']}. Measured on: {item['population']}."), width=width)
        told = f"Trust {item['trust']}: {item['why']}."
        if item["unusable"] and item["unusable"] != item["why"]:
            told += f" No prior: {item['unusable']}."
        console.print(Text(told, "dim"), width=width)
