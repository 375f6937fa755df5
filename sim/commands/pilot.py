"""``sim pilot``: whether it is worth learning more before deciding, and from how long a pilot."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from sim.commands.answers import Found, answer, begin, marked
from sim.commands.forecast import DEFAULT_OUT
from sim.commands.settings import check_strategy
from sim.config.resolve import read
from sim.engine.acceptability import acceptability
from sim.engine.extension import by_length, in_stages, value_now, value_of_knowing
from sim.engine.fit import Progress, part_of
from sim.engine.learning import sources
from sim.engine.world import World
from sim.errors import Problem, Problems, ProblemsError
from sim.report.rows import write_rows
from sim.report.words import chance, money

_HOW = "[decision]\npilot = { cost_per_month = 6_000, months = [1, 2, 3, 6, 12] }"
_CLEAR = 2.0  # standard errors from which a net benefit counts as seen

type Row = dict[str, Any]


def pilot(
    config: str | Path,
    *,
    months: Sequence[int] = (),
    strategy: str | None = None,
    sets: Sequence[str] = (),
    out: str | Path = DEFAULT_OUT,
    seed: int | None = None,
    refit: bool = False,
    allow_untrusted: bool = False,
    progress: Progress | None = None,
) -> Found:
    """Say whether a longer pilot is worth its cost, and how long it should be.

    ENBS(n) = E[max(h, E(NPV_n | D_n))] − K_n − max(h, E NPV_0): for n further months of pilot, D_n is what
    they show, NPV_n the programme launched when they are over with the same last month (or going on
    meanwhile, where ``decision.pilot.delays_rollout`` is false), K_n their cost, all discounted to today, and
    h the hurdle, which not investing pays. The data are simulated from the fitted models. Further sections:
    starting with a first stage (``decision.stage``), and the worth per point of outcomes without a value.

    Parameters
    ----------
    config : path
    months : sequence of int
        Lengths to weigh; those of ``decision.pilot.months`` where empty.
    strategy : str, optional
        Treated arm; by default the best on average.
    sets, out, seed, refit, allow_untrusted, progress
        As for `sim.forecast`.

    Returns
    -------
    Found
        Its ``result`` has ``now`` (what deciding now pays), ``evpi``, ``evppi`` (of what a pilot of this
        kind can show), ``lengths`` (rows of `sim.engine.extension.by_length`), ``best`` (``months``,
        ``enbs``, ``enbs_mcse``, ``low``, ``high``: lengths within 5 % of the best), ``decide_now``,
        ``staged``, ``acceptability`` and ``notes``; where the run is untrusted and that is not allowed,
        ``sentence`` and ``trusted`` only.

    Raises
    ------
    ProblemsError
        As for `sim.forecast`, and when nothing says what a month of pilot costs or, after the fit, how
        much one observes.
    """
    lengths = _check(config, months, strategy, sets, seed)
    forecast, study = begin(
        config, sets=sets, out=out, seed=seed, refit=refit, allow_untrusted=allow_untrusted, progress=progress
    )

    def build(folder: Path) -> Mapping[str, Any]:
        arm = strategy or str(forecast.summary["best"])
        found = marked(weigh(study.world, arm, lengths, progress), trusted=forecast.trusted)
        if found["lengths"]:
            write_rows(folder, "pilot", found["lengths"])
            from sim.report.pilot_plots import draw

            draw(folder, found)
        return found

    withheld = not (forecast.trusted or allow_untrusted)
    return answer(forecast, "pilot", {"months": lengths, "strategy": strategy}, build, withheld=withheld)


longer_pilot = pilot
"""The name under which `sim` has it, since ``sim.pilot`` are the modules that read pilot tables."""


def parse_months(text: str | None) -> tuple[int, ...]:
    """Return the lengths of ``--months 1,2,3``; none for None.

    Raises
    ------
    ProblemsError
        When one is no whole number.

    Examples
    --------
    >>> parse_months("1, 2,6")
    (1, 2, 6)
    """
    if text is None:
        return ()
    parts = [part.strip() for part in text.split(",")]
    if not all(part.isascii() and part.isdigit() for part in parts):
        raise ProblemsError(
            Problem(f'"{text}"', "whole numbers of months", "--months 1,2,3,6", key="--months")
        )
    return tuple(int(part) for part in parts)


def _check(
    config: str | Path, months: Sequence[int], strategy: str | None, sets: Sequence[str], seed: int | None
) -> tuple[int, ...]:
    """Refuse what cannot be answered, before any table is read; return the lengths to weigh."""
    plan, source = read(Path(config), sets, seed)
    problems = Problems()
    key = ("decision", "pilot")
    lengths = tuple(sorted(set(months))) or (plan.pilot.months if plan.pilot else ())
    if plan.pilot is None:
        problems.found.append(source.problem(key, "nothing says what a month of pilot costs", _HOW, "add it"))
    elif not lengths:
        told = f"a horizon of {plan.horizon} month"
        problems.found.append(
            source.problem(("programme", "horizon"), told, "room for a pilot and a rollout")
        )
    outside = [n for n in lengths if not 1 <= n < plan.horizon]
    if outside:
        found = f"{', '.join(map(str, outside))} months of pilot"
        remedy = f"the horizon is {plan.horizon} months"
        problems.add(found, allowed=f"1 to {plan.horizon - 1}", remedy=remedy, key="--months")
    with problems.gather():
        check_strategy(plan, strategy)
    problems.raise_if_any()
    return lengths


def weigh(world: World, name: str, lengths: Sequence[int], progress: Progress | None = None) -> Row:
    """Return the whole answer for one treated arm.

    Parameters
    ----------
    world : World
        Its config has ``decision.pilot``.
    name : str
    lengths : sequence of int
        Months of further pilot.
    progress : callable, optional

    Raises
    ------
    ProblemsError
        When nothing tells how much a month of pilot observes.
    """
    plan, strategy = world.plan, world.strategy(name)
    given, notes = sources(world, strategy, world.prepared.source.file)
    now = value_now(world, strategy)
    assert plan.pilot is not None  # noqa: S101  # refused before
    found: Row = {
        "sentence": "",
        "strategy": name,
        "currency": plan.currency,
        "hurdle": plan.hurdle,
        "horizon": plan.horizon,
        "samples": plan.samples,
        "delays_rollout": plan.pilot.delays_rollout,
        "now": now,
        **value_of_knowing(world, strategy, given),
        "lengths": [],
        "best": None,
        "decide_now": None,
        "staged": in_stages(world, strategy, given),
        "acceptability": acceptability(world, strategy),
    }
    if found["evpi"] == 0:
        found["decide_now"] = True
    if given:
        rows, best = by_length(world, strategy, given, lengths, part_of(progress, "lengths of pilot"))
        found["lengths"], found["decide_now"] = rows, best.decide_now
        if not best.decide_now:
            found["best"] = {
                "months": int(best.length),
                "enbs": best.value,
                "enbs_mcse": best.mcse,
                "low": None if best.low is None else int(best.low),
                "high": None if best.high is None else int(best.high),
            }
    at_stake = bool(plan.benefits) or any(not outcome.kpi for outcome in plan.outcomes.values())
    found["sentence"] = _sentence(found, money_at_stake=at_stake)
    found["notes"] = [*notes, *_notes(found)]
    return found


def _sentence(found: Row, *, money_at_stake: bool) -> str:
    now, currency = found["now"], found["currency"]
    today = "invest" if now["invest"] else "do not invest"
    worth = f"{money(found['evpi'], found['evpi_mcse'])} {currency}"
    if not money_at_stake:
        return (
            "No outcome has a value, so no pilot can be worth money; see what a point would have to be worth."
        )
    if found["evpi"] == 0:
        return f"Decide now, and {today}: nothing that is uncertain could change the decision."
    if not found["lengths"]:
        return (
            "What a longer pilot would show cannot be said, as nothing that makes money is fitted to data; "
            f"knowing everything before deciding would be worth {worth}, and as things stand: {today}."
        )
    best = found["best"]
    if best is None:
        first, last = found["lengths"][0], found["lengths"][-1]
        span = _months(last["months"]) if first is last else f"{first['months']} to {_months(last['months'])}"
        least = max(found["lengths"], key=lambda row: row["enbs"])
        lost = "as far as these samples can tell"
        if -least["enbs"] > _CLEAR * least["enbs_mcse"]:
            lost = f"at {_months(least['months'])} by {money(-least['enbs'], least['enbs_mcse'])} {currency}"
        return (
            f"Decide now, and {today}: extending the pilot by {span} costs more than it is worth, {lost}; "
            f"knowing everything would be worth {worth}."
        )
    row = next(row for row in found["lengths"] if row["months"] == best["months"])
    gain = f"{money(best['enbs'], best['enbs_mcse'])} {currency}"
    beside = "" if found["delays_rollout"] else " while the rollout goes on"
    told = f"Extending the pilot by {_months(best['months'])}{beside} is worth {gain} more than it costs"
    if best["enbs"] < _CLEAR * best["enbs_mcse"]:
        return f"{told}, which cannot be told from nothing with these samples; as things stand: {today}."
    if best["low"] != best["high"]:
        told += f", and {best['low']} to {_months(best['high'])} do about as well"
    if not found["delays_rollout"]:
        stops = chance(1 - row["assurance"], found["samples"])
        return f"{told}; with a probability of {stops} the rollout is stopped then."
    change = chance(row["p_changes"], found["samples"])
    return f"{told}; with a probability of {change} it changes today's decision, which is: {today}."


def _notes(found: Row) -> list[str]:
    """Return what to mind besides the sentence."""
    notes, currency = [], found["currency"]
    staged, best = found["staged"], found["best"]
    if staged is not None:
        against = "over_all_in" if found["now"]["invest"] else "over_nothing"
        gain = money(abs(staged[against]), staged[f"{against}_mcse"])
        word = "more" if staged[against] > 0 else "less"
        than = "all at once" if found["now"]["invest"] else "not investing"
        notes.append(
            f"starting with {100 * staged['share']:.3g} % of the volume for {_months(staged['months'])}, and "
            f"stopping where its data disappoint, is worth {gain} {currency} {word} than {than}; it goes on "
            f"with a probability of {chance(staged['goes_on'], found['samples'])}"
        )
    if best is not None:
        row = next(row for row in found["lengths"] if row["months"] == best["months"])
        if row["waiting"] < -_CLEAR * row["waiting_mcse"]:
            gain = money(-row["waiting"], row["waiting_mcse"])
            notes.append(f"{gain} {currency} of it come from launching later alone, whatever the pilot shows")
    for name, told in found["acceptability"].items():
        at = [f"{_worth(one, currency)} for {100 * one['probability']:.0f} %" for one in told["worth"]]
        notes.append(f"{name}: worth per {told['unit']} from which investing is right: {', '.join(at)}")
    return notes


def _worth(one: Mapping[str, Any], currency: str) -> str:
    if one["value"] is None:
        return "none"
    return f"{money(one['value'], one['mcse'])} {currency}"


def _months(count: int) -> str:
    return f"{count} month" if count == 1 else f"{count} months"
