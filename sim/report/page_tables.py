"""Tables and sentences of the page: figures of a run in words."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from sim.language import N_, _
from sim.report.names import clean
from sim.report.stored import Stored
from sim.report.words import (
    METRIC_NAMES,
    MONTHS,
    NONE,
    amount,
    behind,
    better,
    chance,
    hundredths,
    interval,
    level,
    median_error,
    metric,
    money,
    number,
    percent,
    spread,
)

_YEAR = 12
_LEAST = 0.005  # share that is told
_LENGTH = "pilot-length:"  # check of an outcome whose pilot's length nothing tells
_DESIGNS = {
    "randomised": N_("From a randomised pilot."),
    "difference-in-differences": N_(
        "By difference in differences: what changed more than in the control arm."
    ),
    "before-after": N_(
        "From before and after the launch, without a control group: not all of it need be the treatment's "
        "doing."
    ),
    None: N_("Stated, not fitted to data."),
}


def tiles(stored: Stored) -> list[tuple[str, str, str]]:
    """Return the four figures that stand on top: name, figure, what goes with it."""
    summary = stored.summary
    metrics, samples = summary["metrics"], behind(summary)
    currency, horizon = clean(summary["programme"]["currency"], 12), summary["programme"]["horizon"]
    months = metrics["payback_months"]
    median = metric("payback_months", months, "median", samples)
    expected = percent(metrics["roi"]["expected"], metrics["roi"]["mcse"])
    return [
        (
            _("Net present value, mean"),
            amount(metric("npv", metrics["npv"], "mean", samples), currency),
            _("90 % interval {ends}").format(ends=interval("npv", metrics["npv"], samples)),
        ),
        (
            _("Return on investment"),
            expected,
            _("Mean gain over mean cost; 90 % interval {ends}").format(
                ends=interval("roi", metrics["roi"], samples)
            ),
        ),
        (
            _("Payback, median"),
            _("{months} months").format(months=median)
            if median != NONE
            else _("beyond month {month}").format(month=horizon),
            _("Never within {months} months: {share}").format(
                months=horizon, share=chance(months["never"], samples)
            ),
        ),
        (
            _("Chance of a loss"),
            chance(summary["probability"]["loss"], samples),
            _("Net present value below zero"),
        ),
    ]


def metrics(stored: Stored) -> list[dict[str, str]]:
    """Return a row per metric that has a value."""
    summary, rows = stored.summary, []
    samples = behind(summary)
    for name, title in METRIC_NAMES.items():
        block = summary["metrics"][name]
        if block["median"] is None and block["mean"] is None and block["low"] is None and name not in MONTHS:
            continue
        notes = []
        if name == "roi":
            notes.append(_("ratio of means {share}").format(share=percent(block["expected"], block["mcse"])))
        if name in MONTHS:
            notes.append(_("never: {share}").format(share=chance(block["never"], samples)))
        elif block["undefined"]:
            notes.append(
                _("no value in {share} of the samples").format(share=chance(block["undefined"], samples))
            )
        rows.append(
            {
                "title": _(title),
                "mean": metric(name, block, "mean", samples),
                "median": metric(name, block, "median", samples),
                "interval": interval(name, block, samples),
                "note": "; ".join(notes),
            }
        )
    return rows


def strategies(stored: Stored) -> list[dict[str, str]]:
    """Return a row per strategy, and not investing."""
    samples, rows = behind(stored.summary), []
    for name, block in stored.summary["strategies"].items():
        npv = block["metrics"]["npv"]
        rows.append(
            {
                "name": name,
                "npv": metric("npv", npv, "mean", samples),
                "interval": interval("npv", npv, samples),
                "roi": percent(block["metrics"]["roi"]["expected"], block["metrics"]["roi"]["mcse"]),
                "loss": chance(block["probability"]["loss"], samples),
            }
        )
    rows.append({"name": _("do nothing"), "npv": "0", "interval": "0", "roi": NONE, "loss": NONE})
    return rows


def outcome(name: str, block: Mapping[str, Any], stored: Stored) -> dict[str, Any]:
    """Return one outcome: pooled row first, then its segments."""
    samples, share = int(stored.summary["samples"]), block["level"] == "share"
    places = [(_("all"), block["pooled"]), *block["segments"].items()]
    if len(block["segments"]) < 2:
        places = places[:1]
    worth = block["money"]
    return {
        "name": name,
        "model": block["model"],
        "unit": _(block["unit"]),
        "better": block.get("better"),
        "kpi": block["kpi"],
        "p_better": better(block, samples),
        "money": None if worth is None else money(worth["mean"], _error(worth, samples)),
        "facts": _facts(block, samples),
        "rows": [
            {
                "segment": segment,
                "control": level(levels["control"]["mean"], share),
                "treated": level(levels["treated"]["mean"], share),
                "difference": _difference(levels["difference"], share),
                "relative": _relative(levels["relative"]),
            }
            for segment, levels in places
        ],
    }


def _facts(block: Mapping[str, Any], samples: int) -> list[str]:
    """Say where an effect comes from, what its pilot could have seen, and what a customer is worth."""
    told = [_(_DESIGNS[block.get("design")])]
    if block.get("minimum_detectable_effect") is not None:
        least = percent(block["minimum_detectable_effect"], 0.001)
        if block["level"] == "real":
            least = _("{size} points").format(size=level(block["minimum_detectable_effect"]))
        told.append(
            _("A pilot like this finds an effect of {least} with a probability of 80 %.").format(least=least)
        )
    if block.get("sign_error") is not None and block["pooled"]["difference"]["low"] is not None:
        wrong = chance(block["sign_error"], samples)
        told.append(_("The chance that the effect has the other sign is {share}.").format(share=wrong))
    if block.get("clv") is not None:
        control, treated = (level(block["clv"][arm]["mean"]) for arm in ("control", "treated"))
        told.append(
            _(
                "A new customer is worth {control} without and {treated} with the treatment, discounted."
            ).format(control=control, treated=treated)
        )
    if block.get("share_beyond_tenure") is not None:
        share = percent(block["share_beyond_tenure"], 0.005)
        told.append(
            _("{share} of its money lies at tenures that the pilot did not observe.").format(share=share)
        )
    return told


def _difference(block: Mapping[str, Any], share: bool) -> str:
    mean, ends = spread(block, scale=100 if share else 1, sign=True)
    if mean == NONE:
        return NONE
    told = _("{size} points ({ends})") if share else "{size} ({ends})"
    return told.format(size=mean, ends=ends)


def _relative(block: Mapping[str, Any]) -> str:
    mean, ends = spread(block, scale=100, sign=True)
    return NONE if mean == NONE else f"{hundredths(mean)} ({hundredths(ends)})"


def flows(stored: Stored) -> list[dict[str, str]]:
    """Return a row per benefit and cost: undiscounted total, interval, present value."""
    summary = stored.summary
    samples = int(summary["samples"])
    learnt = (
        (name, block["money"], _("outcome")) for name, block in summary["outcomes"].items() if block["money"]
    )
    known = ((name, block, _("benefit")) for name, block in summary["benefits"].items())
    paid = ((name, block, "cost") for name, block in summary["costs"].items())
    return [
        {
            "name": name,
            "kind": kind
            if kind != "cost"
            else _("cost · {category}").format(category=block.get("category") or _("other")),
            "mean": money(block["mean"], _error(block, samples)),
            "interval": _ends(block, samples),
            "pv": money(block["pv"], _error(block, samples)),
        }
        for name, block, kind in (*learnt, *known, *paid)
        if block["mean"] is not None
    ]


def _error(block: Mapping[str, Any], samples: int) -> float:
    """Return a rough Monte Carlo error for a total whose own is not stored; 0 when it is certain."""
    return median_error(block["low"], block["high"], samples) or 0.0


def _ends(block: Mapping[str, Any], samples: int) -> str:
    error = _error(block, samples)
    low, high = (money(block[end], error, block["mean"]) for end in ("low", "high"))
    return low if block["low"] == block["high"] else _("{low} to {high}").format(low=low, high=high)


def evidence(summary: Mapping[str, Any]) -> list[str]:
    """Say what the pilot did not show."""
    told, block = [], summary["evidence"]
    names = [check["name"] for check in summary["checks"] if check["name"].startswith(_LENGTH)]
    if names:
        told.append(
            _(
                "Nothing says how long the pilot of {names} ran, so nobody can say how much of the money "
                "lies in months that it never saw: state decision.pilot.ran in the config."
            ).format(names=", ".join(clean(name.removeprefix(_LENGTH), 40) for name in names))
        )
    if block["share_of_npv_beyond_pilot"] is not None:
        told.append(
            _(
                "{share} of the discounted benefits lie in months, customer tenures or segments that the "
                "pilot did not observe."
            ).format(share=percent(block["share_of_npv_beyond_pilot"], 0.005))
        )
    if block["pilot_months"]:
        told.append(_("The pilot ran for {months} months.").format(months=number(block["pilot_months"], 1)))
    shares = [
        (block[key], source)
        for key, source in (
            ("from_pilot", _("what the pilot left uncertain")),
            ("from_priors", _("stated levels and effects")),
            ("from_elicited", _("other estimates made by people")),
        )
        if block[key] is not None and block[key] >= _LEAST
    ]
    if shares:
        parts = ", ".join(
            _("{share} from {source}").format(share=percent(share, 0.005), source=source)
            for share, source in shares
        )
        told.append(_("Of the spread of the net present value, {parts}.").format(parts=parts))
    return told


def months(stored: Stored) -> list[dict[str, str]]:
    """Return a row per month of the cumulative cash flow, every month of a year and then every third."""
    rows = stored.cash("cumulative")
    horizon = len(rows["month"]) - 1
    error = median_error(float(rows["p05"][-1]), float(rows["p95"][-1]), behind(stored.summary)) or 0.0
    return [
        {
            "month": str(month),
            "date": "" if rows["date"][month] is None else f"{rows['date'][month]:%Y-%m}",
            **{name: money(float(rows[name][month]), error) for name in ("p05", "p25", "p50", "p75", "p95")},
        }
        for month in range(horizon + 1)
        if month <= _YEAR or month % 3 == 0 or month == horizon
    ]


def bars(block: Mapping[str, Any]) -> list[tuple[str, list[tuple[str, str, float, int]]]]:
    """Return shares that make up a whole, as bars: title; name, figure, share and place of each part."""
    found = []
    beyond = block["share_of_npv_beyond_pilot"]
    if beyond is not None:
        parts = [(_("as the pilot observed it"), 1 - beyond), (_("beyond the pilot"), beyond)]
        found.append((_("Where the benefits lie"), parts))
    sources = [
        (_("what the pilot left uncertain"), block["from_pilot"]),
        (_("stated levels and effects"), block["from_priors"]),
        (_("other estimates made by people"), block["from_elicited"]),
    ]
    known = [(name, share) for name, share in sources if share is not None]
    if sum(share for _name, share in known) > _LEAST:
        found.append((_("Where the spread of the result comes from"), known))
    return [
        (
            title,
            [
                (name, percent(share, 0.005), 100 * share, place)
                for place, (name, share) in enumerate(parts, 1)
                if share >= _LEAST
            ],
        )
        for title, parts in found
    ]
