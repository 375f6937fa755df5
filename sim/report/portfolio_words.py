"""The answer of `sim portfolio` in words."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from sim.report.words import chance, money

NEEDS = {"peak_funding": "peak funding", "cost": "cost"}


def portfolio_sentence(found: Mapping[str, Any], programmes: int) -> str:
    """Return which set is best, what it is worth and what more budget would bring.

    Parameters
    ----------
    found : mapping
        The answer.
    programmes : int
        How many there are to choose from.
    """
    chosen, whole, currency = found["chosen"], found["portfolio"], found["currency"]
    of = f"of {programmes} programme{'s' if programmes != 1 else ''}"
    if not chosen:
        told = f"Take none {of}: no set within the limits is worth more than doing nothing"
        return f"{told}{_more(found)}."
    names = "" if len(chosen) > 5 else f" ({taken([_name(row, found) for row in chosen], 5)})"
    mean, low, high = (
        money(whole[f"npv_{part}"], whole["npv_mcse"], whole["npv_mean"]) for part in ("mean", "low", "high")
    )
    span = "" if low == high else f" (90 % interval {low} to {high})"
    odds = chance(whole["p_loss"], 1 if low == high else found["samples"])
    need = money(whole["need_mean"], whole["need_mcse"])
    budget = "" if found["budget"] is None else f" of {money(found['budget'], 0.0)}"
    return (
        f"Take {len(chosen)} {of}{names}: together {mean} {currency} of NPV on average{span}, a loss with a "
        f"probability of {odds}, for {need}{budget} {currency} of {NEEDS[found['need']]}{_more(found)}."
    )


def _more(found: Mapping[str, Any]) -> str:
    """Return what the next step of the budget brings."""
    price, currency = found["shadow_price"], found["currency"]
    if price is None:
        return ""
    step = price["next"]
    if step is None:
        return "; more budget would buy nothing better"
    amounts = [money(step[name], None) for name in ("budget_more", "gain")]
    return f"; {amounts[0]} {currency} more of budget would add {amounts[1]} {currency}"


def _name(row: Mapping[str, Any], found: Mapping[str, Any]) -> str:
    """Return a chosen programme with its size where it has several."""
    mine = [each for each in found["programmes"] if each["programme"] == row["programme"]]
    arm = f": {row['arm']}" if len({each["arm"] for each in mine}) > 1 else ""
    size = f" × {row['size']:g}" if {each["size"] for each in mine} != {1.0} else ""
    return f"{row['programme']}{arm}{size}"


def taken(names: Sequence[str], most: int) -> str:
    """Return names in a row, at most so many.

    Examples
    --------
    >>> taken(["a", "b", "c"], 2)
    'a, b and 1 more'
    """
    more = len(names) - most
    return ", ".join(names[:most]) + (f" and {more} more" if more > 0 else "")
