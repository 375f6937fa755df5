"""The six questions of ``sim init --interactive``; asked on stderr, so that ``--json`` stays one object."""

from __future__ import annotations

import math
from collections.abc import Callable
from functools import partial

import typer

from sim.config.draft import Figures


def ask(table: str | None, understand: Callable[[str], object]) -> tuple[str | None, Figures]:
    """Return the table and the figures that a person states.

    Parameters
    ----------
    table : str or None
        Proposed as the answer to the first question.
    understand : callable
        Looks at a table, so that one that cannot be read is told before the other questions.
    """
    prompt = partial(typer.prompt, err=True)
    named = prompt(
        "1/6 Pilot table (a file; empty: no pilot yet)", default=table or "", show_default=bool(table)
    )
    found = str(named).strip() or None
    if found is not None:
        understand(found)
    currency = prompt("2/6 Currency (ISO 4217)", default="EUR", value_proc=_currency)
    volume = prompt(
        "3/6 Units a month after rollout (visitors, contacts, customers …)",
        default="10000",
        value_proc=_positive,
    )
    value = prompt(
        "4/6 What one unit of success is worth (of revenue: the margin, e.g. 0.3)",
        default="10",
        value_proc=_positive,
    )
    once = prompt("5/6 One-off cost", default="50000", value_proc=_amount)
    monthly = prompt("6/6 Cost per month", default="2000", value_proc=_amount)
    return found, Figures(currency, volume, value, once, monthly)


def _currency(text: str) -> str:
    code = text.strip().upper()
    if not (len(code) == 3 and code.isascii() and code.isalpha()):
        raise typer.BadParameter("three letters are needed, e.g. EUR, USD, CNY")
    return code


def _amount(text: str) -> float:
    """Read a number as people type it: blanks and underscores between thousands."""
    try:
        number = float(text.replace("_", "").replace(" ", "").replace("\u00a0", ""))
    except ValueError:
        raise typer.BadParameter(f'"{text}" is not a number; write 40000 or 18.50') from None
    if not (math.isfinite(number) and number >= 0):
        raise typer.BadParameter("a number of at least 0 is needed")
    return number


def _positive(text: str) -> float:
    number = _amount(text)
    if number == 0:
        raise typer.BadParameter("a number above 0 is needed")
    return number
