"""``sim target``: the value of one config number at which a goal is met, or that there is none."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from sim.commands.answers import Found, answer, begin, marked
from sim.commands.forecast import DEFAULT_OUT
from sim.commands.settings import check_key, check_money, check_strategy, read_plan, value_now
from sim.config.load import parse_value
from sim.config.plan import Plan
from sim.engine.fit import Progress, part_of
from sim.engine.goal import Goal
from sim.engine.pipeline import pipeline
from sim.engine.seek import Seek, seek
from sim.engine.study import Study, certain_path
from sim.errors import Problem, ProblemsError
from sim.report.rows import write_rows
from sim.report.solved import error, plain, solved, units
from sim.report.words import money, percent

_GOALS = {"npv": "npv", "roi": "roi", "payback": "payback_months", "revenue": "revenue"}


def target(
    config: str | Path,
    *,
    key: str,
    goal: str,
    between: str | tuple[float, float] | None = None,
    probability: float | None = None,
    strategy: str | None = None,
    sets: Sequence[str] = (),
    out: str | Path = DEFAULT_OUT,
    seed: int | None = None,
    refit: bool = False,
    allow_untrusted: bool = False,
    progress: Progress | None = None,
) -> Found:
    """Find the value of one number of the config at which the forecast meets a goal.

    Parameters
    ----------
    config : path
    key : str
        Any number in the config. A quantity is replaced by the certain number that is sought.
    goal : str
        ``npv=N``, ``roi=R`` (a fraction), ``payback=T`` (months) or ``revenue=N`` (extra revenue within the
        horizon, undiscounted). Without `probability` the mean meets it; for the ROI the ratio of means, for
        the payback the median.
    between : (low, high) or "low:high", optional
        Where to look; by default ever further away from the value in the config.
    probability : float, optional
        Chance with which the goal is to be met: NPV, ROI or revenue of at least that much, payback within
        that time.
    strategy : str, optional
        Treated arm; by default the best on average.
    sets, out, seed, refit, allow_untrusted, progress
        As for `sim.forecast`.

    Returns
    -------
    Found
        Its ``result`` has ``value`` (None where the goal is not met), ``mcse`` (that of the metric over its
        slope), ``reason``, ``reached`` (the metric there), ``crossings``, ``curve`` (the rows of
        ``target.csv``) and, for a revenue, ``pipeline``: what every stage of the funnel must deliver. Where
        the run is untrusted and that is not allowed, ``sentence`` and ``trusted`` only.

    Raises
    ------
    ProblemsError
        As for `sim.forecast`; and for a key, goal or range that there is not, before anything is fitted.
    """
    sought = _goal(goal, probability)
    plan = read_plan(Path(config), sets, seed)
    check_key(plan, key)
    check_money(plan)
    check_strategy(plan, strategy)
    if sought.metric == "revenue" and not any(outcome.price_path for outcome in plan.outcomes.values()):
        told = Problem("no outcome has a price", "value = { price = … } on an outcome", key="--goal")
        raise ProblemsError(told)
    search = _limits(Path(config), sets, seed, plan, key, _range(between))
    forecast, study = begin(
        config, sets=sets, out=out, seed=seed, refit=refit, allow_untrusted=allow_untrusted, progress=progress
    )

    def build(folder: Path) -> Mapping[str, Any]:
        arm = strategy or str(forecast.summary["best"])
        found = marked(_answered(study, search, sought, arm, progress), trusted=forecast.trusted)
        if found["curve"]:
            write_rows(folder, "target", found["curve"])
        if found.get("pipeline"):
            write_rows(folder, "pipeline", found["pipeline"])
        from sim.report.target_plots import draw

        draw(folder, found)
        return found

    options = {
        "key": key,
        "goal": goal,
        "between": None if search.between is None else list(search.between),
        "probability": probability,
        "strategy": strategy,
    }
    withheld = not (forecast.trusted or allow_untrusted)
    return answer(forecast, "target", options, build, withheld=withheld)


def _goal(text: str, probability: float | None) -> Goal:
    name, equals, given = text.partition("=")
    value = parse_value(given.strip()) if given.strip() else None
    number = isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value)
    allowed = "npv=N, roi=R, payback=T or revenue=N"
    if not equals or name.strip() not in _GOALS or not number:
        remedy = "e.g. --goal npv=0, --goal roi=0.5, --goal payback=18, --goal revenue=1_000_000"
        raise ProblemsError(Problem(f'"{text}" is no goal', allowed, remedy, key="--goal"))
    assert isinstance(value, int | float)  # noqa: S101  # `number` has seen to it
    metric = _GOALS[name.strip()]
    if metric in ("payback_months", "revenue") and value <= 0:
        told = Problem(f"a {name.strip()} of {given.strip()}", "a number above 0", key="--goal")
        raise ProblemsError(told)
    if probability is not None and not 0 < probability < 1:
        remedy = "90 % is written 0.9"
        told = Problem(f"a probability of {probability:g}", "between 0 and 1", remedy, key="--probability")
        raise ProblemsError(told)
    return Goal(metric, float(value), probability)


def _range(between: str | tuple[float, float] | None) -> tuple[float, float] | None:
    if between is None:
        return None
    ends = between.split(":") if isinstance(between, str) else list(between)
    parsed = [parse_value(end.strip()) if isinstance(end, str) else end for end in ends]
    numbers = all(isinstance(end, int | float) and not isinstance(end, bool) for end in parsed)
    if len(parsed) != 2 or not numbers or not parsed[0] < parsed[1]:
        told = Problem(f'"{between}" is no range', "low:high with low < high", key="--between")
        raise ProblemsError(told)
    return parsed[0], parsed[1]


def _limits(
    config: Path,
    sets: Sequence[str],
    seed: int | None,
    plan: Plan,
    key: str,
    between: tuple[float, float] | None,
) -> Seek:
    """Find out what a key may be, by asking the config.

    Raises
    ------
    ProblemsError
        When it may be no number at all, or not the ends that were asked for.
    """

    def allowed(value: float) -> bool:
        try:
            read_plan(config, sets, seed, {key: value})
        except ProblemsError:
            return False
        return True

    now = value_now(plan, key)
    tries = [value for value in (*(between or ()), now, 1, 0.5, 0) if value is not None]
    first = next((value for value in tries if allowed(value)), None)
    if first is None or between is not None:
        for value in between or (tries[0],):
            read_plan(config, sets, seed, {key: value})  # tells what is wrong
    assert first is not None  # noqa: S101  # the line above has raised
    quantity = certain_path(read_plan(config, sets, seed, {key: first}), key) is not None
    whole = not quantity and not allowed(first + 0.5) and not allowed(first - 0.5)
    low = next((float(end) for end in (-math.inf, -1, 0) if allowed(_inside(end, 1.0))), 0.0)
    high = math.inf if allowed(2.0 if not whole else 2) else 1.0
    return Seek(key, now, between, (low, high), whole)


def _inside(low: float, step: float) -> float:
    """Return a value a little above a limit, or far below without one."""
    return -2.0 if low == -math.inf else low + step / 2


def _answered(
    study: Study, search: Seek, goal: Goal, strategy: str, progress: Progress | None
) -> dict[str, Any]:
    """Return the answer."""
    found = seek(study, search, goal, strategy, part_of(progress, "settings"))
    notes = []
    if goal.metric == "revenue" and found["value"] is not None:
        found["pipeline"] = pipeline(study.at({search.key: found["value"]}), strategy, goal.value)
        notes.append(
            "the goal is extra revenue, undiscounted; `gross` counts all revenue of the treated arm, as a "
            "sales calculator does"
        )
    plan = study.plan
    found |= {
        "goal": {"metric": goal.metric, "value": goal.value, "probability": goal.probability},
        "told": goal.name(),
        "strategy": strategy,
        "currency": plan.currency,
        "horizon": plan.horizon,
        "samples": plan.samples,
        "notes": notes,
    }
    return {"sentence": _sentence(found, goal), **found}


_ENDLESS = 1e9


def _amount(goal: Goal, value: float | None, mcse: float | None, currency: str) -> str:
    if goal.metric == "roi":
        return percent(value, mcse)
    if goal.metric == "payback_months":
        return "never" if value is None else f"{plain(round(value, 1))} months"
    return f"{money(value, mcse)} {currency}"


def _sentence(found: Mapping[str, Any], goal: Goal) -> str:
    key, currency = found["key"], found["currency"]
    wanted = goal.words(_amount(goal, goal.value, 0.0, currency))
    if found["value"] is None:
        low, high = found["between"]
        # Where it looks by itself it ends at a trillion times today's value, which nobody reads as a number.
        endless = found["now"] is not None and high > _ENDLESS * abs(found["now"]) > 0
        span = f"from {plain(low)} " + ("up, however large," if endless else f"to {plain(high)}")
        told = f"No value of {key} {span} gives {wanted}"
        if found["met_throughout"]:
            return f"{told.replace('No value', 'Every value').replace('gives', 'does better than')}."
        if found["nearest"] is None:
            return f"{told}: {goal.name()} has no value there."
        at, metric = found["nearest"]
        there = _amount(goal, metric, None, currency)
        if endless and at == high:
            return f"{told}; {goal.name()} comes ever nearer to {there}."
        return f"{told}; {goal.name()} comes nearest at {plain(at)}, with {there}."
    at = solved(found["value"], found["mcse"])
    more = f" (Monte Carlo error {error(found['mcse'])})" if found["mcse"] else ""
    now = ""
    if found["now"] is not None:
        now = f", against {plain(float(f'{found["now"]:.4g}'))} now"
        now += "" if found["now_certain"] else " on average"
    sentence = f"{key} = {at}{more}{now}, gives {wanted}"
    if found["counts"]:
        sentence = f"{key} = {at}{now}, is the first to give {wanted}"
    if len(found["crossings"]) > 1:
        others = ", ".join(plain(float(f"{value:.4g}")) for value in found["crossings"])
        sentence += f"; it is crossed {len(found['crossings'])} times, at {others}"
    return f"{sentence}{_stages(found.get('pipeline') or ())}."


def _stages(rows: Sequence[Mapping[str, Any]]) -> str:
    if not rows or rows[0]["entering_median"] is None:
        return ""
    parts = [f"{units(row, 'entering_median')} units entering {row['stage']}" for row in rows]
    last = rows[-1]
    return f"; that takes {', '.join(parts)} and {units(last, 'leaving_median')} leaving it (medians)"
