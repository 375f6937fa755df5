"""``sim backtest``: has the pilot's model forecast what came next."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from sim.commands.answers import Found, answer
from sim.commands.forecast import DEFAULT_OUT, run
from sim.commands.place import fit_store
from sim.config.plan import OutcomePlan, Plan
from sim.engine.backtest import condensed, overall, score, splits
from sim.engine.fit import Progress, fit_each
from sim.engine.hindcast import Hindcast, Split, hindcast
from sim.engine.prepare import prepare
from sim.engine.workers import Workers
from sim.errors import Problems
from sim.records.fit import Fit
from sim.report.rows import write_rows
from sim.report.words import number
from sim.simulation.draws import child

NAIVE = (
    "nothing changes: the last value of the control arm, with its sampling noise and no effect "
    "(before-after: the last before the launch; difference-in-differences: moved by how far the arm was from "
    "it before; customers: the last chance of leaving; without a control arm: the arm's own last value)"
)
SHOWS = (
    "this tests level and effect within the pilot's time, for the units that were there; ramp, fade, "
    "transfer, volumes and money of the rollout are not tested"
)
_CLEAR = 0.005
_FEW = 20  # held-out values below which the sentence says that they prove little

type Row = dict[str, Any]


def backtest(
    config: str | Path,
    *,
    holdout: int,
    origins: int = 1,
    scheduler: str | None = None,
    sets: Sequence[str] = (),
    out: str | Path = DEFAULT_OUT,
    seed: int | None = None,
    refit: bool = False,
    allow_untrusted: bool = False,
    progress: Progress | None = None,
) -> Found:
    """Fit without the last periods of the pilot, forecast them, and score the forecast.

    The tables are cut before anything is fitted: the fit is that of a forecast made when the last period
    before the origin was over. Each mean or rate of a held-out period, arm and segment is then forecast for
    the units that were there, and scored by CRPS, interval score and coverage (`sim.decision.scores`) beside
    a naive forecast, `NAIVE`. Customers' periods are those of their tenure, and their value the share of
    joiners who are still there after it.

    Parameters
    ----------
    config : path
    holdout : int
        How many of the last periods are held out.
    origins : int
        How many times: the last `holdout` periods, then as many one period earlier, and so on.
    scheduler : str, optional
        Address of a Dask scheduler whose workers see the same files: each fit is a task there.
    sets, out, seed, refit, allow_untrusted
        As for `sim.forecast`.
    progress : callable, optional
        Called with (outcome, share done) while sampling.

    Returns
    -------
    Found
        Its ``result`` has ``values``, ``inside`` (how many fell in the central 50, 80 and 95 % interval),
        ``skill`` (1 − CRPS / naive CRPS), the same by ``outcomes`` with mean scores in the outcome's unit,
        ``rows`` (one per origin, outcome, arm, segment and period, as in ``scores.csv``), ``naive``,
        ``left_out`` and ``notes``. A fit that fails its diagnostics makes it untrusted; its values are left
        out unless that is allowed.

    Raises
    ------
    ProblemsError
        As for `sim.forecast`; and when no outcome has periods enough, with the holdout that is possible.
    """
    _counts(holdout, origins)
    prepared = prepare(Path(config), sets, seed=seed, store=fit_store(out))
    made, left_out = splits(prepared, holdout, origins)
    forecast = run(prepared, Path(out), refit=refit, allow_untrusted=allow_untrusted, progress=progress)
    plan = prepared.plan

    def build(folder: Path) -> Mapping[str, Any]:
        trainings = {name: [s.training for s in made if s.outcome == name] for name in plan.outcomes}
        fits = fit_each(
            plan,
            {name: of for name, of in trainings.items() if of},
            fit_store(out) if scheduler is None else fit_store(out).resolve(),
            refit=refit,
            progress=progress,
            workers=None if scheduler is None else Workers(scheduler),
        )
        found = _scored(plan, made, fits, allow_untrusted)
        found |= {"holdout": holdout, "origins": origins, "left_out": left_out}
        notes = [*found["notes"], *_few(found["values"]), *left_out, *_notes(plan, made, origins)]
        if not forecast.trusted:
            notes.append("the forecast of this run itself cannot be trusted: see its checks")
        found["notes"] = [*notes, SHOWS]
        if found["rows"]:
            write_rows(folder, "scores", found["rows"])
            from sim.report.backtest_plots import draw

            draw(folder, found)
        return {name: value for name, value in found.items() if name != "drawn"}

    return answer(forecast, "backtest", {"holdout": holdout, "origins": origins}, build)


def _counts(holdout: int, origins: int) -> None:
    problems = Problems()
    for key, value in (("--holdout", holdout), ("--origins", origins)):
        if isinstance(value, bool) or not isinstance(value, int) or value < 1:
            problems.add(f"{value!r}", allowed="a whole number from 1", remedy=f"{key} 1", key=key)
    problems.raise_if_any()


def _scored(
    plan: Plan, made: Sequence[Split], fits: Mapping[str, Sequence[Fit]], allow_untrusted: bool
) -> Row:
    """Return the answer without what the command knows, and under ``drawn`` the panels of the plot."""
    rows: dict[str, list[Row]] = {}
    drawn: list[Row] = []
    failed: list[str] = []
    turn = dict.fromkeys(fits, 0)
    for split in made:
        fit = fits[split.outcome][turn[split.outcome]]
        turn[split.outcome] += 1
        reasons = [*split.failing, *(check.message for check in fit.checks if check.status == "fail")]
        before = split.course.periods[split.origin]
        if reasons:
            failed.append(f"{split.outcome}, fitted before {before}: {'; '.join(reasons)}")
            if not allow_untrusted:
                continue
        outcome = plan.outcomes[split.outcome]
        rng = child(plan.seed, f"backtest:{split.outcome}:{split.origin}")
        seen = hindcast(split, outcome.model, fit.draws, rng)
        new = score(split, seen, plan)
        if new and not rows.get(split.outcome):
            period = None if outcome.data is None else outcome.data.period
            drawn += _panels(split, seen, new, _measure(outcome, plan), period)
        rows.setdefault(split.outcome, []).extend(new)
    outcomes = {
        name: _measure(plan.outcomes[name], plan)
        | condensed(of)
        | {"arms": {arm: condensed([row for row in of if row["arm"] == arm]) for arm in _names(of, "arm")}}
        for name, of in rows.items()
        if of
    }
    whole = overall(outcomes)
    listed = [row for of in rows.values() for row in of]
    sentence = _sentence(whole, failed)
    if failed and listed:
        sentence = f"Not to be trusted: {sentence}" if allow_untrusted else sentence
    return {
        "sentence": sentence,
        "trusted": not failed,
        **whole,
        "outcomes": outcomes,
        "naive": NAIVE,
        "notes": [f"cannot be trusted: {one}" for one in failed],
        "rows": listed,
        "drawn": drawn,
    }


def _names(rows: Sequence[Row], key: str) -> list[str]:
    return list(dict.fromkeys(row[key] for row in rows))


def _measure(outcome: OutcomePlan, plan: Plan) -> Row:
    """Return what is forecast, the unit of its axis, and by what it is multiplied there."""
    if outcome.model.counts == "customers":
        return {"measure": "still there", "unit": "%", "scale": 100.0}
    if outcome.model.level == "share":
        return {"measure": "rate", "unit": "%", "scale": 100.0}
    unit = {"currency unit": plan.currency, "unit less per item": ""}.get(outcome.unit, outcome.unit)
    return {"measure": "mean", "unit": unit, "scale": 1.0}


def _panels(split: Split, seen: Hindcast, rows: Sequence[Row], measure: Row, period: str | None) -> list[Row]:
    """Return what the plot shows of one split: the past and the held-out values of each arm and segment."""
    customers = measure["measure"] == "still there"
    places = {arm: cell for cell, arm in split.cells(customers).items()}
    past = seen.past
    if not customers and split.training.design.kind != "randomised":
        # The time before the launch stands in the cell before.
        past = np.where(np.isnan(past), np.roll(past, 1, axis=0), past)
    axis = "period of tenure" if customers else period
    panels = []
    for s, segment in enumerate(split.training.segments):
        for arm, cell in places.items():
            mine = [row for row in rows if (row["arm"], row["segment"]) == (arm, segment)]
            if mine:
                panels.append(
                    {
                        "outcome": split.outcome,
                        "arm": arm,
                        "segment": segment,
                        "segments": len(split.training.segments),
                        "periods": split.course.periods[: split.stop],
                        "axis": axis,
                        "past": past[cell, s].tolist(),
                        "rows": mine,
                        **measure,
                    }
                )
    return panels


def _few(values: int) -> list[str]:
    """Return what a small number of values cannot tell."""
    if not 0 < values < _FEW:
        return []
    count = f"{values} values" if values > 1 else "1 value"
    told = f"{100 * 0.8**values:.0f} %"
    return [f"{count}: intervals that hold only 80 % in truth would hold all of them with probability {told}"]


def _notes(plan: Plan, made: Sequence[Split], origins: int) -> list[str]:
    notes = []
    if origins > 1 and made:
        notes.append("the origins forecast some periods more than once, so their values are not independent")
    clustered = [
        name
        for name in dict.fromkeys(split.outcome for split in made)
        if (data := plan.outcomes[name].data) is not None and data.cluster is not None
    ]
    if clustered:
        told = ", ".join(clustered)
        notes.append(f"{told}: rows of one cluster count as independent within a held-out period")
    customers = [
        name
        for name in dict.fromkeys(split.outcome for split in made)
        if plan.outcomes[name].model.counts == "customers"
    ]
    if customers:
        notes.append(f"{', '.join(customers)}: the periods are those of tenure, not of the calendar")
    return notes


def _sentence(whole: Row, failed: Sequence[str]) -> str:
    if not whole["values"]:
        told = f": {failed[0]}" if failed else ", as nothing was observed in the held-out periods"
        return f"No forecast can be scored{told}."
    count = f"{whole['values']:,}"
    value = "value" if whole["values"] == 1 else "values"
    told = f"Of {count} held-out {value} {whole['inside']['95']:,} fell in the 95 % interval"
    skill = whole["skill"]
    if skill is None:
        return f"{told}; there is no naive forecast to compare with."
    few = "; so few prove little" if whole["values"] < _FEW else ""
    share = number(100 * abs(skill), 0)
    if abs(skill) < _CLEAR:
        return f"{told}; the forecast is no better than 'nothing changes' (CRPS){few}."
    if skill > 0:
        return f"{told}; the forecast beats 'nothing changes' by {share} % (CRPS){few}."
    return f"{told}; the forecast is worse than 'nothing changes' by {share} % (CRPS){few}."
