"""``report.html``: one file that needs no network and executes nothing."""

from __future__ import annotations

import base64
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from jinja2 import Environment, FileSystemLoader, StrictUndefined

from sim.report.assumptions import assumptions
from sim.report.names import clean
from sim.report.stored import Stored
from sim.report.words import (
    METRIC_NAMES,
    MONTHS,
    NONE,
    behind,
    better,
    chance,
    interval,
    level,
    median_error,
    metric,
    money,
    percent,
    spread,
)

_ALT = {
    "npv": "Distribution of the net present value",
    "roi": "Distribution of the return on investment",
    "payback": "Chance of having paid back, by month",
    "cash_flow": "Cumulative cash flow with its uncertainty",
    "effects": "Effects by outcome and segment",
    "effect_by_period": "Effects by period of the pilot",
}
_DESIGNS = {
    "randomised": "From a randomised pilot.",
    "difference-in-differences": "By difference in differences: what changed more than in the control arm.",
    "before-after": "From before and after the launch, without a control group: not all of it need be the "
    "treatment's doing.",
    None: "Stated, not fitted to data.",
}


def render(run: Path, manifest: Mapping[str, Any] | None = None) -> Path:
    """Write ``report.html`` from the files of a run.

    Parameters
    ----------
    run : Path
        A directory with ``summary.json`` and whatever plots were drawn.
    manifest : mapping, optional
        Contents of the manifest while it is not written yet.

    Returns
    -------
    Path
        The page: plots embedded, styles inline, no script, every name escaped.
    """
    stored = Stored(run)
    known = stored.manifest if manifest is None else manifest
    environment = Environment(
        loader=FileSystemLoader(Path(__file__).parent / "templates"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters["name"] = clean
    text = environment.get_template("report.html.jinja").render(**contents(stored, known))
    target = run / "report.html"
    target.write_text(text, encoding="utf-8")
    return target


def contents(stored: Stored, manifest: Mapping[str, Any]) -> dict[str, Any]:
    """Return everything that the template prints, already in words."""
    summary = stored.summary
    checks = summary["checks"]
    order = {"fail": 0, "warn": 1, "note": 2, "ok": 3}
    return {
        "programme": summary["programme"],
        "currency": clean(summary["programme"]["currency"], 12),
        "headline": summary["headline"],
        "trusted": summary["trusted"],
        "samples": behind(summary) if stored.has_money else int(summary["samples"]),
        "has_money": stored.has_money,
        "best": summary["best"],
        "tiles": _tiles(stored) if stored.has_money else [],
        "metrics": _metrics(stored) if stored.has_money else [],
        "strategies": _strategies(stored) if len(summary["strategies"]) > 1 and stored.has_money else [],
        "outcomes": [_outcome(name, block, stored) for name, block in summary["outcomes"].items()],
        "flows": _flows(stored),
        "evidence": _evidence(summary["evidence"]) if stored.has_money else [],
        "checks": sorted(checks, key=lambda check: order.get(check["status"], 0)),
        "plots": [
            (name, _ALT[name], _embedded(stored.path, name)) for name in _ALT if _drawn(stored.path, name)
        ],
        "posteriors": [
            (file.stem.removeprefix("posterior_"), _embedded(stored.path, file.stem))
            for file in sorted((stored.path / "plots").glob("posterior_*.png"))
        ],
        "assumptions": assumptions(manifest.get("config", {})),
        "manifest": manifest,
        "seed": summary["seed"],
    }


def _drawn(run: Path, name: str) -> bool:
    return (run / "plots" / f"{name}.png").is_file()


def _embedded(run: Path, name: str) -> str:
    """Return a plot as a data address."""
    image = (run / "plots" / f"{name}.png").read_bytes()
    return f"data:image/png;base64,{base64.b64encode(image).decode('ascii')}"


def _tiles(stored: Stored) -> list[tuple[str, str, str]]:
    """Return the four figures that stand on top: name, figure, what goes with it."""
    summary = stored.summary
    metrics, samples = summary["metrics"], behind(summary)
    currency, horizon = clean(summary["programme"]["currency"], 12), summary["programme"]["horizon"]
    months = metrics["payback_months"]
    median = metric("payback_months", months, "median", samples)
    expected = percent(metrics["roi"]["expected"], metrics["roi"]["mcse"])
    return [
        (
            "Net present value, mean",
            f"{metric('npv', metrics['npv'], 'mean', samples)} {currency}",
            f"90 % interval {interval('npv', metrics['npv'], samples)}",
        ),
        (
            "Return on investment",
            expected,
            f"mean gain over mean cost; 90 % interval {interval('roi', metrics['roi'], samples)}",
        ),
        (
            "Payback, median",
            f"{median} months" if median != NONE else f"beyond month {horizon}",
            f"never within {horizon} months: {chance(months['never'], samples)}",
        ),
        (
            "Chance of a loss",
            chance(summary["probability"]["loss"], samples),
            "net present value below zero",
        ),
    ]


def _metrics(stored: Stored) -> list[dict[str, str]]:
    """Return a row per metric that has a value."""
    summary, rows = stored.summary, []
    samples = behind(summary)
    for name, title in METRIC_NAMES.items():
        block = summary["metrics"][name]
        if block["median"] is None and block["mean"] is None and block["low"] is None and name not in MONTHS:
            continue
        notes = []
        if name == "roi":
            notes.append(f"ratio of means {percent(block['expected'], block['mcse'])}")
        if name in MONTHS:
            notes.append(f"never: {chance(block['never'], samples)}")
        elif block["undefined"]:
            notes.append(f"no value in {chance(block['undefined'], samples)} of the samples")
        rows.append(
            {
                "title": title,
                "mean": metric(name, block, "mean", samples),
                "median": metric(name, block, "median", samples),
                "interval": interval(name, block, samples),
                "note": "; ".join(notes),
            }
        )
    return rows


def _strategies(stored: Stored) -> list[dict[str, str]]:
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
    rows.append({"name": "do nothing", "npv": "0", "interval": "0", "roi": NONE, "loss": NONE})
    return rows


def _outcome(name: str, block: Mapping[str, Any], stored: Stored) -> dict[str, Any]:
    """Return one outcome: pooled row first, then its segments."""
    samples, share = int(stored.summary["samples"]), block["level"] == "share"
    places = [("all", block["pooled"]), *block["segments"].items()]
    if len(block["segments"]) < 2:
        places = places[:1]
    worth = block["money"]
    return {
        "name": name,
        "model": block["model"],
        "unit": block["unit"],
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
    told = [_DESIGNS[block.get("design")]]
    if block.get("minimum_detectable_effect") is not None:
        least = percent(block["minimum_detectable_effect"], 0.001)
        if block["level"] == "real":
            least = f"{level(block['minimum_detectable_effect'])} points"
        told.append(f"A pilot like this finds an effect of {least} with a probability of 80 %.")
    if block.get("sign_error") is not None and block["pooled"]["difference"]["low"] is not None:
        wrong = chance(block["sign_error"], samples)
        told.append(f"The chance that the effect has the other sign is {wrong}.")
    if block.get("clv") is not None:
        control, treated = (level(block["clv"][arm]["mean"]) for arm in ("control", "treated"))
        told.append(
            f"A new customer is worth {control} without and {treated} with the treatment, discounted."
        )
    if block.get("share_beyond_tenure") is not None:
        share = percent(block["share_beyond_tenure"], 0.005)
        told.append(f"{share} of its money lies at tenures that the pilot did not observe.")
    return told


def _difference(block: Mapping[str, Any], share: bool) -> str:
    mean, ends = spread(block, scale=100 if share else 1, sign=True)
    return NONE if mean == NONE else f"{mean}{' points' if share else ''} ({ends})"


def _relative(block: Mapping[str, Any]) -> str:
    mean, ends = spread(block, scale=100, sign=True)
    return NONE if mean == NONE else f"{mean} % ({ends} %)"


def _flows(stored: Stored) -> list[dict[str, str]]:
    """Return a row per benefit and cost: undiscounted total, interval, present value."""
    summary = stored.summary
    samples = int(summary["samples"])
    learnt = (
        (name, block["money"], "outcome") for name, block in summary["outcomes"].items() if block["money"]
    )
    known = ((name, block, "benefit") for name, block in summary["benefits"].items())
    paid = ((name, block, "cost") for name, block in summary["costs"].items())
    return [
        {
            "name": name,
            "kind": kind if kind != "cost" else f"cost · {block.get('category') or 'other'}",
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
    return low if block["low"] == block["high"] else f"{low} to {high}"


def _evidence(block: Mapping[str, Any]) -> list[str]:
    """Say what the pilot did not show."""
    told = []
    if block["share_of_npv_beyond_pilot"] is not None:
        told.append(
            f"{percent(block['share_of_npv_beyond_pilot'], 0.005)} of the discounted benefits lie in months, "
            "customer tenures or segments that the pilot did not observe."
        )
    if block["pilot_months"]:
        told.append(f"The pilot ran for {block['pilot_months']:,.1f} months.")
    shares = [
        (block[key], source)
        for key, source in (
            ("from_pilot", "what the pilot left uncertain"),
            ("from_priors", "stated levels and effects"),
            ("from_elicited", "other estimates made by people"),
        )
        if block[key] is not None
    ]
    if shares:
        parts = ", ".join(f"{percent(share, 0.005)} from {source}" for share, source in shares)
        told.append(f"Of the spread of the net present value, {parts}.")
    return told
