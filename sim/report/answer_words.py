"""The answers of `sim sensitivity` and `sim compare` in one sentence."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

from sim.report.rows import NOTHING
from sim.report.words import NONE, chance, money, number, opening

_CLEAR = 2.0
"""Standard errors from 0 from which a figure counts as seen."""

type Row = Mapping[str, Any]


def sensitivity_sentence(found: Row, now: str) -> dict[str, Any]:
    """Return the finding, and the names of the inputs of most variance and of most worth.

    Parameters
    ----------
    found : mapping
        The answer so far: ``inputs``, ``without_influence``, ``evpi``, ``currency``.
    now : str
        What is best with what is known now.

    Returns
    -------
    dict
        ``sentence``; ``spread``, the input of the largest first-order index; ``decisive``, the input
        most worth knowing, None where no single one is.
    """
    inputs, currency = found["inputs"], found["currency"]
    if not inputs:
        told = "Nothing uncertain moves the NPV" if found["without_influence"] else "Nothing is uncertain"
        sentence = f"{told}: {now} is best in every sample."
        return {"sentence": sentence, "spread": None, "decisive": None}
    wide = max(inputs, key=lambda row: row["first_order"] or 0.0)
    top = max(inputs, key=lambda row: row["evppi"])
    makes = f"moves the NPV most ({share_of(wide, 'first_order')} of its variance)"
    whole = f"{with_error(found['evpi'], found['evpi_mcse'])} {currency}"
    decisive = None
    if found["evpi"] == 0:
        told = (
            f"No uncertainty matters for the decision: {now} is best in every sample; {wide['name']} {makes}"
        )
    elif top["evppi"] <= _CLEAR * top["evppi_mcse"]:
        told = (
            f"No single uncertainty matters for the decision, which is {now}: knowing any one of them would "
            f"hardly change it, and knowing everything would be worth {whole}; {wide['name']} {makes}"
        )
    else:
        decisive = top["name"]
        told = (
            f"Knowing {decisive} before deciding would be worth "
            f"{with_error(top['evppi'], top['evppi_mcse'])} {currency}, more than any other single input "
            f"(knowing everything: {whole})"
        )
        other = f"{with_error(wide['evppi'], wide['evppi_mcse'])} {currency}"
        but = f"{wide['name']} {makes}, but knowing it would be worth {other}"
        told += f"; it also {makes}" if top is wide else f"; {but}"
    return {"sentence": f"{told}.", "spread": wide["name"], "decisive": decisive}


def share_of(row: Row, share: str) -> str:
    """Print a share of variance with its Monte Carlo error, which may exceed it.

    Examples
    --------
    >>> share_of({"first_order": 0.0312, "first_order_mcse": 0.0154}, "first_order")
    '3 ± 2 %'
    """
    if row[share] is None:
        return NONE
    error = max(math.ceil(100 * row[f"{share}_mcse"]), 1)
    return f"{100 * max(row[share], 0.0):.0f} ± {error} %"


def with_error(value: float, mcse: float) -> str:
    """Print an amount with its Monte Carlo error, both to the first digit of the error.

    Examples
    --------
    >>> with_error(33_412.0, 1_150.0), with_error(250.0, 0.0)
    ('33,000 ± 1,000', '250')
    """
    if mcse == 0:
        return money(value, mcse)
    decimals = min(-math.floor(math.log10(mcse)), 2)
    return f"{number(value, decimals)} ± {number(mcse, decimals)}"


def compare_sentence(rows: Sequence[Row], pairs: Sequence[Row], currency: str, samples: int) -> str:
    """Return which choice is best, how surely, and what choosing it may lose.

    Parameters
    ----------
    rows : sequence of mapping
        ``choices`` in the order of their mean NPV, the highest first.
    pairs : sequence of mapping
        Those of the first choice come first, in the same order.
    currency : str
    samples : int
        1 where every choice is certain.
    """
    best, second = rows[0], rows[1]
    ties = [row["second"] for row in pairs if row["first"] == best["choice"] and row["p_equal"] == 1]
    if ties:
        *head, last = map(quoted, [best["choice"], *ties])
        tied = f"{opening(', '.join(head))} and {last} return the same in every sample"
        rest = [row["choice"] for row in rows[1:] if row["choice"] not in ties]
        return f"{tied}, on average more than {quoted(rest[0])}." if rest else f"{tied}."
    loss = money(best["expected_loss"], best["expected_loss_mcse"])
    told = (
        f"{opening(quoted(best['choice']))} is the best choice on average, and is best with a probability of "
        f"{chance(best['p_best'], samples, best['p_best_mcse'])}; choosing it loses {loss} {currency} on "
        "average against what turns out best"
    )
    mean, mcse = pairs[0]["difference_mean"], pairs[0]["difference_mcse"]
    if mean < _CLEAR * mcse:
        return f"{told}; {quoted(second['choice'])} cannot be told from it on average with these samples."
    low, high = (money(pairs[0][f"difference_{end}"], mcse, mean) for end in ("low", "high"))
    ends = "" if low == high else f" (90 % interval {low} to {high})"
    more = f"{money(mean, mcse)} {currency}{ends}"
    return f"{told}; its NPV is {more} above that of {quoted(second['choice'])}."


def dominance_notes(pairs: Sequence[Row]) -> list[str]:
    """Return in words which choice stochastically dominates which."""
    meaning = {"first": "prefers more to less", "second": "prefers more to less and shuns risk"}
    return [
        f"{quoted(row[winner])} is better than {quoted(row[loser])} for everybody who {meaning[order]} "
        f"({order}-order stochastic dominance)"
        for row in pairs
        for winner, loser in (("first", "second"), ("second", "first"))
        if (order := row[f"{winner}_dominates"]) is not None
    ]


def quoted(name: str) -> str:
    """Return a choice as part of a sentence.

    Examples
    --------
    >>> quoted("Chatbot"), quoted("do nothing")
    ('"Chatbot"', 'doing nothing')
    """
    return "doing nothing" if name == NOTHING else f'"{name}"'
