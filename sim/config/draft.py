"""Writes a first config as text: what was guessed with its reason, and placeholders marked as such."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass

from sim.config.guess import Guess, Outcome, named
from sim.config.guess_outcomes import in_time
from sim.config.vocabulary import WORDS
from sim.errors import printable
from sim.records.quantity import quoted

FILL = "FILL IN"
_MONEY = ("revenue", "conversion", "churn", "cost", "count")


@dataclass(frozen=True, slots=True)
class Figures:
    """What no table says, and a person does; None leaves a placeholder that is marked.

    Parameters
    ----------
    currency : str or None
        ISO 4217.
    volume : float or None [units/month]
    value : float or None [currency/unit]
    once, monthly : float or None [currency], [currency/month]
        Costs.
    """

    currency: str | None = None
    volume: float | None = None
    value: float | None = None
    once: float | None = None
    monthly: float | None = None


def text(value: str) -> str:
    r"""Return a text as TOML writes it, whatever is in it.

    Examples
    --------
    >>> print(text('a"b\n'), text("客服"))
    "a\"b\n" "客服"
    """
    return json.dumps(value, ensure_ascii=False).replace("\x7f", "\\u007f")


def money_outcome(guess: Guess) -> Outcome | None:
    """Return the outcome that carries money in the draft: one, so that nothing is counted twice."""
    fitting = [one for one in guess.outcomes if one.model in _MONEY and one.arms != "control"]
    return next(iter(fitting or [one for one in guess.outcomes if one.model in _MONEY]), None)


def draft(guess: Guess, data: str, figures: Figures) -> str:
    """Return a config for a table, runnable as it stands.

    Parameters
    ----------
    guess : Guess
        With at least one outcome.
    data : str
        The table, relative to where the config will stand.
    figures : Figures
    """
    paid = money_outcome(guess)
    lines = [*_head(guess, data, figures), *_pilot(guess, data)]
    names: set[str] = set()
    for outcome in guess.outcomes:
        lines += _outcome(outcome, _unique(outcome.name, names), guess, figures, paid=outcome is paid)
    if paid is not None:
        lines += _money(figures)
    return "\n".join(lines) + "\n"


def _unique(name: str, names: set[str]) -> str:
    start = name.replace(".", "_").strip()[:60] or "outcome"
    free = next(n for n in (start, *(f"{start}_{i}" for i in range(2, 99))) if n.casefold() not in names)
    names.add(free.casefold())
    return free


def _head(guess: Guess, data: str, figures: Figures) -> Iterator[str]:
    yield "#:schema config.schema.json"
    yield f"# Written by `sim init --from` after a look at {printable(data)}."
    yield "# What it concluded, and why, stands beside each line. Numbers marked"
    yield f"# {FILL} no table tells: they are placeholders until you put yours."
    yield "# Look with `sim check`, run with `sim forecast`."
    for note in guess.notes:
        yield f"# Not used: {printable(note)}."
    yield ""
    yield "[programme]"
    yield _line("currency", text(figures.currency or "EUR"), figures.currency, "ISO 4217")
    yield "horizon = 36                   # months"
    yield "discount_rate = 0.10           # per year; 10 % is 0.10"


def _line(key: str, value: str, given: object, told: str) -> str:
    """Return a setting with its comment, marked where nobody stated it."""
    return f"{key} = {value}".ljust(30) + f" # {told if given is not None else f'{FILL}: {told}'}"


def _pilot(guess: Guess, data: str) -> Iterator[str]:
    yield ""
    yield "[pilot]"
    yield f"data = {text(data)}"
    if guess.arm is None:
        yield "# No column tells two groups apart. What the table lacks is then a belief: what the tool will"
        yield "# change (`effect`), or the level without it (`control`). If a column does tell the groups:"
        yield '# arm = { column = "…", control = "…", treated = "…" }'
        if guess.period is not None:
            yield "# And if the tool went live for all on one day, the past stands in for a control group:"
            yield '# design = "before-after"'
            yield "# launch = 2026-01-01           # first treated value of `period`"
    else:
        arm = guess.arm
        treated = text(arm.treated[0]) if len(arm.treated) == 1 else f"[{', '.join(map(text, arm.treated))}]"
        yield f"# {printable(arm.reason)}."
        if not arm.sure:
            yield f"# {FILL}: no name says which group is without the tool; the first in order was taken."
        yield f"arm = {{ column = {text(arm.header)}, control = {text(arm.control)}, treated = {treated} }}"
    if guess.segment is not None:
        yield (
            f"segment = {text(guess.segment)}".ljust(30)
            + " # few different values: effects by segment, pooled"
        )
    if guess.period is not None:
        yield f"period = {text(guess.period)}".ljust(30) + " # tells how long the pilot ran"
    if guess.cluster is not None:
        yield (
            f"cluster = {text(guess.cluster)}".ljust(30) + " # each in one arm: its rows are not independent"
        )
    if guess.cluster is not None and guess.period is not None:
        yield "# If some periods lie before the launch, compare with the past, in place of `cluster`:"
        yield '# design = "difference-in-differences"'
        yield f"# panel_unit = {printable(text(guess.cluster))}"
        yield "# launch = 2026-01-01           # first treated value of `period`"


def _outcome(outcome: Outcome, name: str, guess: Guess, figures: Figures, *, paid: bool) -> Iterator[str]:
    settings = dict(outcome.extra)
    lower = settings.get("better") == '"lower"' or (
        "better" not in settings and outcome.model in ("churn", "cost")
    )
    yield ""
    yield f"[outcomes.{quoted(name)}]"
    yield f"# {printable(outcome.reason)}."
    yield f'model = "{outcome.model}"'
    columns = ", ".join(f"{role} = {text(header)}" for role, header in outcome.columns)
    yield f"columns = {{ {columns} }}"
    for key, value in outcome.extra:
        told = "of tenure" if outcome.model == "churn" and key == "unit" else _EXTRA[key]
        yield f"{key} = {value}".ljust(30) + f" # {told}"
    if outcome.arms == "treated":
        yield (
            "control = 0".ljust(30)
            + f" # {FILL}: the table tells only the treated; the level without the tool"
        )
    elif outcome.arms == "control" or guess.arm is None:
        effect = "{ low = -0.20, high = 0.0 }" if lower else "{ low = 0.0, high = 0.20 }"
        yield _line("effect", effect, None, "relative change that the tool brings, 5 % and 95 %")
    if not paid:
        if outcome.model != "rating":
            yield "# No `value`: a KPI. Give it one where its money is not in another outcome already."
        return
    size = figures.volume if figures.volume is not None else _rounded(outcome.size)
    held = f"the pilot held {outcome.size:,.0f} in all"
    if outcome.model == "churn":
        yield _line("volume.stock", _number(size), figures.volume, f"customers at the start ({held})")
        yield _line("volume.monthly", "0", None, "customers who join each month")
    else:
        what = dict(outcome.columns)
        unit = what.get("trials") or what.get("n") or what.get("exposure")
        told = (
            f'"{printable(unit)}" a month after rollout' if unit else "rows like these a month after rollout"
        )
        yield _line("volume", _number(size), figures.volume, f"{told} ({held})")
    yield from _value(outcome, figures)


_EXTRA = {
    "as_of": "until when leavers were seen: the latest day in the table",
    "unit": "by the column's name",
    "better": "by the column's name",
    "scale": "lowest and highest answer",
    "summary": "share of 9 and 10 less share of 0 to 6; leave out for the mean",
}


def _value(outcome: Outcome, figures: Figures) -> Iterator[str]:
    """Yield what one unit is worth, and which saving it is."""
    given = figures.value
    labour = in_time(outcome) or (outcome.model == "conversion" and named(outcome.name, WORDS["RESOLVED"]))
    labour |= outcome.model == "count" and dict(outcome.extra).get("better") == '"lower"'
    if outcome.model == "cost" and in_time(outcome):
        amount = f'{{ amount = {_number(30 if given is None else given)}, per = "hour" }}'
        yield _line("value", amount, given, "what an hour costs")
    elif outcome.model == "cost":
        yield _line(
            "value", _number(1 if given is None else given), given, "money per unit less: 1 where it is money"
        )
        yield 'saves = "spending"'.ljust(30) + ' # "labour" where it is staff time'
    else:
        default, told = _WORTH[outcome.model]
        yield _line("value", _number(default if given is None else given), given, told)
    if labour:
        if outcome.model != "cost":
            yield 'saves = "labour"'
        yield _line("realisation", "{ low = 0.4, high = 0.8 }", None, "share of saved time that becomes cash")


_WORTH = {
    "revenue": (0.3, "margin: the share of an amount that stays"),
    "conversion": (10, "what one more success is worth: price times margin"),
    "churn": (10, "margin per customer and month"),
    "count": (5, "what one event more (or fewer, where lower is better) is worth"),
}


def _money(figures: Figures) -> Iterator[str]:
    yield ""
    yield "[rollout]"
    yield _line("ramp", "{ months = 6 }", None, "months until the full effect is there")
    yield _line("transfer", "{ low = 0.7, high = 1.0 }", None, "a rollout rarely works as well as its pilot")
    yield ""
    yield "[costs]"
    once, monthly = figures.once, figures.monthly
    yield _line("development", _number(50_000 if once is None else once), once, "once, in month 0")
    yield _line("operations.monthly", _number(2_000 if monthly is None else monthly), monthly, "each month")


def _rounded(size: float) -> float:
    """Return a size with two digits: a placeholder should not look measured."""
    return max(float(f"{size:.1e}"), 1.0)


def _number(value: float) -> str:
    """Return a number as TOML writes it.

    >>> _number(42000.0), _number(0.3)
    ('42_000', '0.3')
    """
    return f"{int(value):_}" if value == int(value) else repr(float(value))
