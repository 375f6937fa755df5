"""What the page says beside its template: findings as titles of charts, and the words of its script.

Every text is a whole sentence with named places, marked by `_`, so that a catalogue can stand in for it.
"""

from __future__ import annotations

from collections.abc import Container, Mapping, Sequence
from typing import Any

from sim.language import N_, _
from sim.report.names import clean
from sim.report.path_words import parts
from sim.report.words import (
    NONE,
    amount,
    behind,
    chance,
    digits,
    hundredths,
    level,
    metric,
    number,
    opening,
    percent,
)

type Block = Mapping[str, Any]


PAYBACKS = {
    "payback_months": N_("back for good"),
    "payback_first_months": N_("back for the first time"),
    "payback_discounted_months": N_("back for good, discounted"),
}
_SHARES = ("realisation", "share", "margin", "transfer")


def histogram(summary: Block, name: str, loss: float) -> dict[str, str]:
    """Return title, note and alternative text of the distribution of NPV or ROI."""
    block, count = summary["metrics"][name], behind(summary)
    programme = summary["programme"]
    currency = clean(programme["currency"], 12)
    if name == "npv":
        title = _("{chance} chance that it is worth more than it costs").format(
            chance=opening(chance(1 - loss, count))
        )
        if count <= 1:
            title = _("Worth more than it costs") if loss == 0 else _("Worth less than it costs")
        note = _("Net present value over {months} months at {rate} a year, {currency}").format(
            months=programme["horizon"], rate=percent(programme["discount_rate"], 0.0), currency=currency
        )
        median = amount(metric(name, block, "median", count), currency)
    else:
        title = _("Expected ROI {roi}").format(roi=percent(block["expected"], block["mcse"]))
        note = _(
            "Return on investment over {months} months: (benefits − costs) / costs, undiscounted"
        ).format(months=programme["horizon"])
        median = metric(name, block, "median", count)
    low, high = (metric(name, block, end, count) for end in ("low", "high"))
    alt = _(
        "Histogram over the samples: median {median}, 90 % interval {low} to {high}, chance of a loss {loss}."
    )
    told = alt.format(median=median, low=low, high=high, loss=chance(loss, count))
    return {"title": title, "note": note, "alt": told}


def payback(summary: Block) -> dict[str, str]:
    """Return title, note and alternative text of the payback curve."""
    block, count = summary["metrics"]["payback_months"], behind(summary)
    horizon, never = summary["programme"]["horizon"], block["never"]
    median = metric("payback_months", block, "median", count)
    if count <= 1:
        title = _("Pays back in month {month}").format(month=median)
        if never:
            title = _("Does not pay back within {months} months").format(months=horizon)
    else:
        title = _("{chance} chance of payback within {months} months").format(
            chance=opening(chance(1 - never, count)), months=horizon
        )
        if median != NONE:
            title += _("; even odds by month {month}").format(month=median)
    note = _("Share of samples that have paid back by each month; what never does is a share, not a month")
    within = ", ".join(
        _("{share} by month {month}").format(share=chance(back, count), month=mark)
        for mark, back in block["within"].items()
    )
    alt = _("Rising curve: {within}; never within {months} months: {never}.").format(
        within=within, months=horizon, never=chance(never, count)
    )
    return {"title": title, "note": note, "alt": alt}


def cash(summary: Block, crossing: float | None, ever_below: bool) -> dict[str, str]:
    """Return title, note and alternative text of the cash-flow fan."""
    horizon = summary["programme"]["horizon"]
    if not ever_below:
        title = _("The median case is never out of pocket")
    elif crossing is None:
        title = _("The median case is still out of pocket after {months} months").format(months=horizon)
    else:
        title = _("The median case is in the black from month {month}").format(month=number(crossing, 1))
    note = _("Cumulative cash flow, undiscounted; percentiles of each month on its own")
    alt = _("Fan chart. {title}.").format(title=title)
    return {"title": title, "note": note, "alt": alt}


def waterfall(summary: Block, rows: Sequence[tuple[str, float]]) -> dict[str, str]:
    """Return title, note and alternative text of the waterfall."""
    currency = clean(summary["programme"]["currency"], 12)
    gains = [row for row in rows if row[1] > 0]
    title = _("What comes in and what goes out, at present value")
    if gains:
        top = max(gains, key=lambda row: row[1])
        part = percent(top[1] / sum(value for _name, value in gains), 0.005)
        title = _("{name} brings {share} of what comes in").format(
            name=opening(clean(top[0], 40)), share=part
        )
        if len(gains) == 1:
            title = _("All of the benefit comes from {name}").format(name=clean(top[0], 40))
    note = _("Mean present value of each stream, {currency}; the bars add up to the mean NPV").format(
        currency=currency
    )
    told = "; ".join(f"{clean(name, 40)} {about(value)}" for name, value in rows)
    return {"title": title, "note": note, "alt": _("Waterfall: {rows}.").format(rows=told)}


def drivers(rows: Sequence[Block], cut: bool) -> dict[str, str]:
    """Return title, note and alternative text of the tornado."""
    names = [row["name"] for row in rows[:2]]
    title = _("The result hangs most on “{first}”").format(first=names[0])
    if len(names) > 1:
        title = _("The result hangs most on “{first}” and “{second}”").format(first=names[0], second=names[1])
    note = _(
        "Mean NPV where one input stands at the low or the high end of its 80 % interval; others follow it"
    )
    if cut:
        note += _("; the widest {count} bars").format(count=12)
    told = "; ".join(
        _("{name}: {low} to {high}").format(
            name=row["name"], low=about(row["npv"][0]), high=about(row["npv"][1])
        )
        for row in rows[:12]
    )
    return {"title": title, "note": note, "alt": _("Bars: {rows}.").format(rows=told)}


def effects(summary: Block) -> dict[str, str]:
    """Return title, note and alternative text of the effects."""
    blocks = summary["outcomes"].values()
    sure = sum(block["p_better"] is not None and block["p_better"] > 0.95 for block in blocks)
    title = _("{sure} of {all} outcomes improve with a chance above 95 %").format(sure=sure, all=len(blocks))
    note = _(
        "Treated against control. Mark: mean; bar: 90 % interval; pooled over segments by rollout volume"
    )
    return {
        "title": title,
        "note": note,
        "alt": _("Bars with marks; the table of each outcome has the figures."),
    }


def unit_of(block: Block, kind: str) -> str:
    """Return the unit of a change: percent, percentage points, or that of the outcome."""
    if kind == "relative":
        return "%"
    return _("percentage points") if block["level"] == "share" else clean(_(block["unit"]), 24)


def effect(name: str, block: Block, kind: str, odds: str) -> str:
    """Return the title of one outcome's panel."""
    unit = unit_of(block, kind)
    if block["p_better"] is None:
        return f"{clean(name, 40)}, {unit}"
    told = _("{name}, change in {unit}: better with a chance of {odds}")
    return told.format(name=clean(name, 40), unit=unit, odds=odds)


def periods(summary: Block) -> dict[str, str]:
    """Return title, note and alternative text of the effects by period."""
    falling = [
        check["name"].split(":")[1]
        for check in summary["checks"]
        if check["name"].startswith("novelty:") and check["status"] != "ok"
    ]
    title = _("No effect fades over the pilot's periods")
    if falling:
        which = ", ".join(clean(name, 30) for name in dict.fromkeys(falling))
        title = _("{which}: the effect falls over the pilot").format(which=which)
    note = _(
        "Relative effect of each period by itself, %; bar: 90 % interval; line: mean effect of the rollout"
    )
    return {"title": title, "note": note, "alt": _("Marks with bars by period of the pilot.")}


def is_measured(path: str) -> bool:
    """Tell whether an input is what the pilot measured, not what somebody stated."""
    steps = parts(path)
    return (
        len(steps) > 2
        and steps[0] == "outcomes"
        and steps[2] in ("control", "treated", "effect", "difference")
    )


def is_share(path: str) -> bool:
    """Tell whether a quantity is a share by its meaning."""
    return any(part in _SHARES for part in parts(path)[2:] + parts(path)[1:2])


def quantity(path: str, value: float, shares: Container[str] = ()) -> str:
    """Print a value of an input: changes, rates and shares as percent.

    Parameters
    ----------
    path : str
    value : float
    shares : container of str
        Outcomes whose levels are shares.
    """
    steps = parts(path)
    rate = steps[-1] in ("growth", "discount_rate", "inflation", "rate") or "effect" in steps[2:3]
    level_share = steps[0] == "outcomes" and steps[1] in shares and steps[2] in ("control", "treated")
    if rate or level_share or (is_share(path) and 0 <= value <= 1):
        return hundredths(number(100 * value, max(digits(100 * value, None), 0)))
    return level(value)


def line(file: str, at: int) -> str:
    """Say on which line of the config something stands."""
    return _("{file}, line {line}").format(
        file=clean(file.replace("\\", "/").rsplit("/", 1)[-1], 40), line=at
    )


def prior(given: Block) -> str:
    """Put a prior of an effect in words."""
    told = _("{low} to {high} (90 %)").format(
        low=percent(given["low"], None), high=percent(given["high"], None)
    )
    if given.get("discount"):
        told += _(", its centre discounted by {share}").format(share=percent(given["discount"], None))
    return told


def about(value: float) -> str:
    """Print an amount of money to three digits."""
    return number(value, digits(value, None), most=2)


def signed(value: float) -> str:
    """Print a change of money to three digits, gains with a plus."""
    text = about(value)
    return f"+{text}" if value > 0 and text.strip("0.,") else text


def worth(change: Sequence[float]) -> str:
    """Say what a setting is worth: from its low to its high end, or where it is 10 % less."""
    if len(change) == 1:
        return _("{change} if 10 % less").format(change=signed(change[0]))
    return _("{low} at its low end, {high} at its high end").format(
        low=signed(change[0]), high=signed(change[1])
    )


def year_less(change: float) -> str:
    """Say what the last twelve months are worth."""
    return _("{change} if 12 months less").format(change=signed(change))
