"""Amounts of money within findings, which are told in any language later."""

from __future__ import annotations

import math

from sim.language import phrase, spoken_in
from sim.report.words import money


def amount(value: float, scale: float | None = None) -> str:
    """Return an amount in three digits, as `sim.report.words.money` has it, that can be told later.

    Parameters
    ----------
    value : float
    scale : float, optional
        Value that decides the digits; give the estimate when telling its interval.

    Examples
    --------
    >>> from sim.language import spoken
    >>> told = amount(1_234_567.8)
    >>> told
    '1,230,000'
    >>> with spoken_in("es"):
    ...     spoken(told)
    '1.230.000'
    """
    with spoken_in("en"):
        english = money(value, None, scale)
    if not math.isfinite(value):
        return english
    form = ".2e" if "e" in english else f",.{len(english.partition('.')[2])}f"
    return phrase(f"{{amount:{form}}}", amount=float(english.replace(",", "")))
