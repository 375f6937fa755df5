"""From simulated programmes to the answer of ``sim portfolio``: the set, its price, its frontier."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from sim.commands.portfolio_tasks import Checked, Simulated
from sim.decision.frontier import frontier
from sim.decision.portfolio import Chooser, Chosen, Limits
from sim.decision.risk import Options, cvar
from sim.engine.sized import Need, Option, figures_of
from sim.finance.spread import distribution
from sim.records.arrays import FloatArray
from sim.records.estimate import standard_error
from sim.report.portfolio_words import portfolio_sentence, taken

type Row = dict[str, Any]

_LISTED = 20
"""Names in a note."""


@dataclass(frozen=True, slots=True)
class Member:
    """A programme of the portfolio.

    Parameters
    ----------
    name : str
        Told apart from all others.
    config : Path
    checked : Checked
    simulated : Simulated
    """

    name: str
    config: Path
    checked: Checked
    simulated: Simulated


def found_of(members: Sequence[Member], limits: Limits, need: Need) -> tuple[Row, Mapping[str, Any]]:
    """Return the answer, and the columns of ``samples.parquet``; none where nothing can be trusted.

    Parameters
    ----------
    members : sequence of Member
    limits : Limits
    need : {"peak_funding", "cost"}
    """
    left_out = [
        {"programme": member.name, "config": str(member.config), "failed": list(member.simulated.failed)}
        for member in members
        if not member.simulated.options
    ]
    ways = [(member, option) for member in members for option in member.simulated.options]
    first = members[0].checked if members else None
    found: Row = {
        "sentence": "No portfolio: none of the forecasts can be trusted.",
        "currency": None if first is None else first.currency,
        "samples": None if first is None else first.samples,
        "budget": limits.budget,
        "need": need,
        "max_cvar": limits.max_cvar,
        "max_loss_probability": limits.max_loss,
        "chosen": [],
        "portfolio": None,
        "shadow_price": None,
        "frontier": [],
        "left_out": left_out,
        "notes": [],
    }
    if not ways:
        return found | {"programmes": _rows(members, (), ways)}, {}
    places = {member.name: place for place, member in enumerate(members)}
    options = Options(
        np.stack([option.npv for _, option in ways], axis=1),
        np.array([option.needs[need].mean() for _, option in ways]),
        np.array([places[member.name] for member, _ in ways]),
        np.array([member.checked.hurdle for member, _ in ways]),
    )
    chooser = Chooser(options)
    best = chooser.best(limits)
    feasible = best is not None
    best = best or Chosen((), 0.0, 0.0, optimal=True)
    labels = _labels(ways)
    total = options.total(best.picked)
    needed = [ways[i][1].needs[need] for i in best.picked]
    found |= {
        "programmes": _rows(members, best.picked, ways),
        "chosen": [_way(*ways[i]) for i in best.picked],
        "portfolio": _whole(total, sum(needed, start=np.zeros(len(total))), limits.budget),
        "feasible": feasible,
        "optimal": best.optimal,
        "gap": best.gap,
        "bound": best.bound,
        "shadow_price": _price(chooser, best, limits, labels) if feasible else None,
        "frontier": _frontier(options, limits.budget, labels),
        "shared": _shared(members),
    }
    found["sentence"] = portfolio_sentence(found, len(members) - len(left_out))
    if any(not member.simulated.trusted for member in members if member.simulated.options):
        found["sentence"] = f"Not to be trusted: {found['sentence']}"
    found["notes"] = _notes(found, members)
    samples = {"sample": np.arange(len(total)), "portfolio": total}
    return found, samples | {label: options.npv[:, i] for i, label in enumerate(labels)}


def _labels(ways: Sequence[tuple[Member, Option]]) -> list[str]:
    """Return a name for every option: the programme's, with arm and size where it has several."""
    labels: list[str] = []
    for member, option in ways:
        mine = member.simulated.options
        label = member.name
        if len({each.arm for each in mine}) > 1:
            label += f": {option.arm}"
        if {each.size for each in mine} != {1.0}:
            label += f" × {option.size:g}"
        while label in ("sample", "portfolio", *labels):
            label += "'"
        labels.append(label)
    return labels


def _way(member: Member, option: Option) -> Row:
    return {"programme": member.name, "arm": option.arm, "size": option.size}


def _rows(
    members: Sequence[Member], picked: Sequence[int], ways: Sequence[tuple[Member, Option]]
) -> list[Row]:
    """Return a row for each programme, arm and size, and one without figures for each that is left out."""
    chosen = {id(ways[i][1]) for i in picked}
    rows = []
    for member in members:
        simulated = member.simulated
        common: Row = {"programme": member.name, "config": str(member.config), "run": str(simulated.run)}
        told = {"trusted": simulated.trusted, "failed": " ".join(simulated.failed) or None}
        rows += [
            {**common, "arm": option.arm, "size": option.size, "chosen": id(option) in chosen}
            | option.figures
            | told
            for option in simulated.options
        ]
        if not simulated.options:
            nothing: Row = {"arm": None, "size": None, "chosen": False}
            rows.append(common | nothing | figures_of(None, 0, 0.0) | told)
    return rows


def _whole(total: FloatArray, need: FloatArray, budget: float | None) -> Row:
    """Return NPV and risk of the set, and what it takes of the budget."""
    told, needed = distribution(total), distribution(need)
    return {
        **{f"npv_{part}": told[part] for part in ("mean", "median", "low", "high", "sd", "mcse")},
        "p_loss": float((total < 0).mean()),
        "p_loss_mcse": float(standard_error((total < 0).astype(np.float64))),
        "cvar_95": cvar(total),
        **{f"need_{part}": needed[part] for part in ("mean", "low", "high", "mcse")},
        "p_need_above_budget": None if budget is None else float((need > budget * (1 + 1e-12)).mean()),
    }


def _price(chooser: Chooser, best: Chosen, limits: Limits, labels: Sequence[str]) -> Row | None:
    """Return what more budget is worth, in both meanings; None without a budget.

    ``lp``: what one more is worth where programmes can be taken in part, the usual shadow price. ``next``:
    the least addition that buys a better set, what that gains, and who comes and goes; None where none does.
    """
    if limits.budget is None:
        return None
    lp = None if limits.max_loss is not None else chooser.price(limits)
    dearer, options = chooser.dearer(best, limits), chooser.options
    if dearer is None:
        return {"lp": lp, "next": None}
    more = options.need_of(dearer) - limits.budget
    gain = options.worth_of(dearer) - best.worth
    step = {
        "budget_more": more,
        "gain": gain,
        "gain_per_unit": gain / more if more > 0 else None,
        "take": [labels[i] for i in dearer if i not in best.picked],
        "drop": [labels[i] for i in best.picked if i not in dearer],
    }
    return {"lp": lp, "next": step}


def _frontier(options: Options, budget: float | None, labels: Sequence[str]) -> list[Row]:
    return [
        {
            "cvar_95": point.cvar,
            "npv_mean": float(options.total(point.picked).mean()),
            "worth": point.worth,
            "p_loss": float((options.total(point.picked) < 0).mean()),
            "need": options.need_of(point.picked),
            "programmes": len(point.picked),
            "set": "; ".join(labels[i] for i in point.picked),
            "optimal": point.optimal,
        }
        for point in frontier(options, budget)
    ]


def _shared(members: Sequence[Member]) -> list[Row]:
    """Return the inputs that several programmes share, and which ones they are."""
    whose: dict[tuple[str, str], list[str]] = {}
    for member in members:
        for path, source in member.simulated.sources.items():
            whose.setdefault((path, source), []).append(member.name)
    shared = [{"input": path, "programmes": names} for (path, _), names in whose.items() if len(names) > 1]
    return sorted(shared, key=lambda row: (row["input"], row["programmes"]))


def _notes(found: Row, members: Sequence[Member]) -> list[str]:
    """Return what to mind when reading the answer."""
    notes = []
    left_out = [f"{row['programme']} ({', '.join(row['failed'])})" for row in found["left_out"]]
    if left_out:
        notes.append(f"left out, as they cannot be trusted: {taken(left_out, _LISTED)}")
    if not found["feasible"]:
        notes.append("no set keeps to the limits, not even the empty one")
    if not found["optimal"]:
        notes.append(
            f"the solver was stopped: a better set may be worth up to {100 * found['gap']:.2g} % more"
        )
    over = found["portfolio"]["p_need_above_budget"]
    if over:
        kind = "peak funding" if found["need"] == "peak_funding" else "cost"
        notes.append(
            f"the budget holds on average; the set's {kind} is above it with a chance of {100 * over:.0f} %"
        )
    for what, values in (
        ("horizon in months", [member.checked.horizon for member in members]),
        ("timing of cash", [member.checked.timing for member in members]),
        ("start", [member.checked.start or "not stated" for member in members]),
        ("discount rate", [member.simulated.rate for member in members if member.simulated.options]),
    ):
        different = list(dict.fromkeys(map(str, values)))
        if len(different) > 1:
            notes.append(f"the programmes differ in {what}: {taken(different, 6)}")
    return notes
