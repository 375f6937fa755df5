"""The answer of `sim track` in one sentence."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from sim.report.names import clean
from sim.report.words import chance, level, money


def sentence(found: Mapping[str, Any]) -> str:
    """Return what was found after the launch, and what the forecast says now.

    Parameters
    ----------
    found : mapping
        The answer of the command.
    """
    parts = [part for part in (_so_far(found), _data(found), _outside(found), _revised(found)) if part]
    text = f"Month {found['last']} of {found['horizon']}: {'; '.join(parts)}."
    return text if found["trusted"] else f"Not to be trusted: {text}"


def _so_far(found: Mapping[str, Any]) -> str:
    """Say the verdict: where all that was measured ranks among the states of the forecast."""
    block = found["so_far"]
    if block is None:
        return ""
    actual, middle, low, high = (_rounded(block[key], block) for key in ("actual", "p50", "p05", "p95"))
    currency = clean(found["currency"], 12)
    if block["certain"]:
        return f"the money measured so far comes to {actual} {currency} against a certain {middle}"
    return (
        f"the money measured so far comes to {actual} {currency} against {middle} forecast "
        f"({low} to {high}), {verdict(block, int(found['samples']))}"
    )


def _data(found: Mapping[str, Any]) -> str:
    """Say the same of what treated customers did, where the forecast is furthest off."""
    totals = [row for row in found["streams"] if row["stream"].endswith(".treated")]
    if not totals:
        return ""
    row = min(totals, key=lambda one: min(one["probability"], 1 - one["probability"]))
    actual, middle, low, high = (level(row[key]) for key in ("actual", "p50", "p05", "p95"))
    told = verdict({**row, "outside": row["beyond"]}, int(found["samples"]))
    return f"{clean(short(row['stream']), 40)} is at {actual} against {middle} ({low} to {high}), {told}"


def short(stream: str) -> str:
    """Return what a stream is called where there is little room.

    Examples
    --------
    >>> short("outcomes.checkout.segments.DE.treated"), short("outcomes.checkout"), short("costs.licence")
    ('checkout: DE', 'outcomes.checkout', 'costs.licence')
    """
    if not stream.endswith(".treated"):
        return stream
    named = stream.removeprefix("outcomes.").removesuffix(".treated")
    return named.replace(".segments.", ": ").replace('"', "")


def verdict(block: Mapping[str, Any], samples: int) -> str:
    """Say how likely the forecast held so little, or so much.

    Examples
    --------
    >>> verdict({"probability": 0.03, "outside": True}, 4000)
    'to which or less the forecast gave 3 %: outside its 90 % range'
    """
    low = block["probability"] < 0.5
    share = block["probability"] if low else 1 - block["probability"]
    where = "outside" if block["outside"] else "inside"
    return (
        f"to which or {'less' if low else 'more'} the forecast gave {chance(share, samples)}: "
        f"{where} its 90 % range"
    )


def _outside(found: Mapping[str, Any]) -> str:
    block = found["outside"]
    expected = "none does by chance, as all were certain"
    if block["expected"]:
        expected = f"about {block['expected']:.2g} do by chance"
    text = f"{block['outside']} of {block['values']} values left their 90 % band ({expected})"
    left = [row for row in found["streams"] if row["first"] is not None]
    if left:
        first = min(left, key=lambda row: row["first"])
        text += f", first {clean(short(first['stream']), 60)} in month {first['first']}"
    return text


def _revised(found: Mapping[str, Any]) -> str:
    if found["revised"] is None:
        if not found["failed"]:
            return ""
        return f"revised figures are withheld, since {', '.join(found['failed'])} failed"
    currency = clean(found["currency"], 12)
    before, after = (found[word]["metrics"]["npv"] for word in ("original", "revised"))
    text = (
        f"NPV is revised from {money(before['mean'], before['mcse'])} to "
        f"{money(after['mean'], after['mcse'])} {currency}"
    )
    left = found["revised"]["to_come"]
    if found["last"] == found["horizon"]:
        return f"{text}, and nothing is still to come"
    n = 1 if left["low"] == left["high"] else int(found["samples"])
    return (
        f"{text}, of which going on brings {money(left['mean'], left['mcse'])} "
        f"(chance of loss {chance(left['loss'], n)})"
    )


def _rounded(value: float, block: Mapping[str, Any]) -> str:
    """Print money to a hundredth of the band's width, or whole where nothing is unsure."""
    width = block["p95"] - block["p05"]
    return money(value, width / 100 if width > 0 else 0.0)
