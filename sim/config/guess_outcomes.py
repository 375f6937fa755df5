"""What happened, by the columns of a table that nobody has described: which outcome model reads which."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from sim.config.guess import (
    Guess,
    Outcome,
    find_arm,
    find_cluster,
    find_dates,
    find_period,
    find_segment,
    named,
)
from sim.config.vocabulary import WORDS
from sim.records.look import ColumnLook, Look, Value


def guess(look: Look, beside: Callable[[str], Sequence[Value]]) -> Guess:
    """Return what a table seems to be about.

    Parameters
    ----------
    look : Look
    beside : callable
        Header of the arms to its values, with what the other columns hold beside each.

    Returns
    -------
    Guess
        Without outcomes where no column says what happened.
    """
    arm = find_arm(look)
    found = Guess(arm)
    values = beside(arm.header) if arm else ()
    dates = find_dates(look)
    if dates is None:
        found.period = find_period(look)
    elif "entry" in dates:
        found.period = dates["entry"]
    found.cluster = find_cluster(look, arm, values, found.taken)
    found.segment, others = find_segment(look, found.taken)
    if others:
        listed = ", ".join(f'"{name}"' for name in others[:6])
        found.notes.append(f"it could also be split by {listed}")
    outcomes = _outcomes(look, found, dates)
    for outcome in outcomes:
        arms = _arms_of(outcome, found, values)
        if arms is not None:
            found.outcomes.append(_with(outcome, arms))
    return found


def _with(outcome: Outcome, arms: str) -> Outcome:
    return Outcome(
        outcome.name, outcome.model, outcome.columns, outcome.reason, arms, outcome.size, outcome.extra
    )


def _arms_of(outcome: Outcome, found: Guess, values: Sequence[Value]) -> str | None:
    """Return of which arms a table tells an outcome; None where of no arm."""
    if found.arm is None:
        return (
            "treated" if outcome.model == "conversion" and named(outcome.name, WORDS["TOOLS"]) else "control"
        )
    # Only a column that may be blank because it asks something of one arm alone tells so.
    measured = [header for role, header in outcome.columns if role != "end"]
    filled = {value.text: min(value.filled.get(h, 0) for h in measured) for value in values}
    control = filled.get(found.arm.control, 0) > 0
    treated = all(filled.get(text, 0) > 0 for text in found.arm.treated)
    return {(True, True): "both", (True, False): "control", (False, True): "treated"}.get((control, treated))


def _outcomes(look: Look, found: Guess, dates: dict[str, str] | None) -> list[Outcome]:
    """Return the outcomes of a table, the one that carries money first."""
    left = [c for c in look.columns.values() if c.header not in found.taken and c.filled and not c.months]
    left = [c for c in left if not (c.different == look.rows > 1 and WORDS["IDS"] & {c.header.casefold()})]
    by_role = {c.header.casefold(): c for c in left}
    if dates is not None:
        last = max(c.last for c in look.columns.values() if c.last is not None and c.is_date)
        extra = (("as_of", last.isoformat()), ("unit", '"month"'))
        reason = f'"{dates["start"]}" and "{dates["end"]}" are first and last days'
        return [Outcome("retention", "churn", tuple(dates.items()), reason, size=look.rows, extra=extra)]
    return (
        _by_roles(by_role)
        or _tenures(left, look)
        or _means(left)
        or _answers(left, look)
        or _exposed(left)
        or _totals(left, look, arms=found.arm is not None)
        or _rows(left, look)
    )


_TIME = ("second", "minute", "hour", "day")
_EXACT = (
    ("revenue", ("trials", "payers", "log_total", "log_squared_total")),
    ("churn", ("period", "at_risk", "churned")),
    ("churn", ("tenure", "churned")),
    ("cost", ("n", "log_mean", "log_sd")),
    ("conversion", ("trials", "successes")),
    ("count", ("events", "exposure")),
)


def _by_roles(columns: dict[str, ColumnLook]) -> list[Outcome]:
    """Return what headers say that are the roles of a model themselves."""
    for model, roles in _EXACT:
        if all(role in columns for role in roles):
            extra_roles = tuple(r for r in ("total", "squared_total") if model == "revenue" and r in columns)
            pairs = tuple((role, columns[role].header) for role in (*roles, *extra_roles))
            extra = (("unit", '"month"'),) if model == "churn" else ()
            first = columns[roles[0] if model != "churn" else roles[-1]]
            size = first.total or 0.0
            return [
                Outcome(
                    model,
                    model,
                    pairs,
                    f"The headers are those of the model `{model}`",
                    size=size,
                    extra=extra,
                )
            ]
    return []


def _tenures(left: Sequence[ColumnLook], look: Look) -> list[Outcome]:
    tenure = next((c for c in left if named(c.header, WORDS["TENURE"]) and c.is_count), None)
    gone = next((c for c in left if named(c.header, WORDS["LEFT"]) and c.is_flag), None)
    if tenure is None or gone is None:
        return []
    reason = f'"{tenure.header}" is how long each stayed, "{gone.header}" whether they left'
    pairs = (("tenure", tenure.header), ("churned", gone.header))
    return [Outcome("retention", "churn", pairs, reason, size=look.rows, extra=(("unit", '"month"'),))]


def _means(left: Sequence[ColumnLook]) -> list[Outcome]:
    """Return totals given as number, mean and standard deviation."""
    mean = next((c for c in left if named(c.header, WORDS["MEAN"])), None)
    sd = next((c for c in left if named(c.header, WORDS["SD"])), None)
    n = next((c for c in left if c.is_count and c not in (mean, sd)), None)
    if mean is None or sd is None or n is None:
        return []
    name = mean.header.casefold().replace("mean", "").replace("average", "").replace("avg", "").strip("_ ")
    reason = f'"{mean.header}" and "{sd.header}" are mean and standard deviation over "{n.header}"'
    pairs = (("n", n.header), ("mean", mean.header), ("sd", sd.header))
    return [Outcome(name or "cost", "cost", pairs, reason, size=n.total or 0.0, extra=_unit(mean.header))]


def _unit(header: str) -> tuple[tuple[str, str], ...]:
    unit = next((unit for unit in _TIME if named(header, WORDS[unit.upper()])), None)
    return (("unit", f'"{unit}"'),) if unit else ()


def _answers(left: Sequence[ColumnLook], look: Look) -> list[Outcome]:
    """Return answers on a scale, one row each or counted."""
    for column in left:
        if not (column.is_count and 3 <= column.different <= 11 and named(column.header, WORDS["ANSWERS"])):
            continue
        least, most = column.least or 0.0, column.most or 0.0
        if most > 10:
            continue
        scale = (1, 5) if least >= 1 and most <= 5 else (1, 7) if least >= 1 and most <= 7 else (0, 10)
        count = next((c for c in left if c is not column and c.is_count and not c.is_flag), None)
        aggregated = count is not None and look.rows <= 400
        pairs = (("rating", column.header),) + ((("count", count.header),) if aggregated and count else ())
        extra = [("scale", f"[{scale[0]}, {scale[1]}]")]
        if scale == (0, 10):
            extra.append(("summary", '"nps"'))
        size = (count.total or 0.0) if aggregated and count else look.rows
        reason = f'"{column.header}" holds answers from {least:.0f} to {most:.0f}'
        return [Outcome(column.header, "rating", pairs, reason, size=size, extra=tuple(extra))]
    return []


def _exposed(left: Sequence[ColumnLook]) -> list[Outcome]:
    """Return events over the time that each was watched."""
    time = next((c for c in left if c.is_number and named(c.header, WORDS["EXPOSURE"])), None)
    events = next(
        (c for c in left if c is not time and c.is_count and named(c.header, WORDS["COUNTED"])), None
    )
    if time is None or events is None:
        return []
    reason = f'"{events.header}" are counted over "{time.header}"'
    extra = (("better", '"lower"'),) if named(events.header, WORDS["BURDEN"]) else ()
    pairs = (("events", events.header), ("exposure", time.header))
    return [Outcome(events.header, "count", pairs, reason, size=time.total or 0.0, extra=extra)]


def _totals(left: Sequence[ColumnLook], look: Look, *, arms: bool) -> list[Outcome]:
    """Return counts of which each is a part of the largest; the rarest carries money."""
    counts = [c for c in left if c.is_count and not c.is_flag and not named(c.header, WORDS["IDS"])]
    best: list[ColumnLook] = []
    trials: ColumnLook | None = None
    for whole in counts:
        parts = [c for c in counts if c is not whole and (c.header, whole.header) in look.within]
        if len(parts) > len(best) or (parts and len(parts) == len(best) and trials is None):
            best, trials = parts, whole
    # Rows of single units have numbers, too: totals come in few rows, and say of how many they are part.
    if trials is None or look.rows > 5000 or (trials.most or 0) < 10:
        return []
    # Ages are never more than postcodes either: a name must speak for it, or there is nothing else to take.
    if not named(trials.header, WORDS["TRIALS"]) or not arms:
        plain = arms and len(counts) == 2
        best = best if plain else [part for part in best if named(part.header, WORDS["EVENTS"])]
    rarest_first = sorted(best, key=lambda c: c.total or 0.0)
    return [
        Outcome(
            part.header,
            "conversion",
            (("trials", trials.header), ("successes", part.header)),
            f'"{part.header}" is never more than "{trials.header}"',
            size=trials.total or 0.0,
        )
        for part in rarest_first
    ]


def _rows(left: Sequence[ColumnLook], look: Look) -> list[Outcome]:
    """Return what rows of single units say: amounts, times, and whether something happened."""
    found: list[Outcome] = []
    for column in left:
        name, amount = column.header, column.is_number and not column.is_flag and (column.least or 0) >= 0
        if amount and named(name, WORDS["MONEY"]) and not named(name, WORDS["COSTS"]):
            reason = f'"{name}" is an amount of money by row, zeros in'
            found.append(Outcome(name, "revenue", (("amount", name),), reason, size=look.rows))
        elif amount and (named(name, WORDS["COSTS"]) or _unit(name)) and column.different > 8:
            reason = f'"{name}" is a time or a cost by row'
            found.append(
                Outcome(name, "cost", (("amount", name),), reason, size=look.rows, extra=_unit(name))
            )
        elif column.is_flag and named(name, WORDS["EVENTS"] | WORDS["LEFT"]):
            better = (("better", '"lower"'),) if named(name, WORDS["LEFT"]) else ()
            reason = f'"{name}" says by row whether it happened'
            found.append(
                Outcome(name, "conversion", (("outcome", name),), reason, size=look.rows, extra=better)
            )
    flags = [c for c in left if c.is_flag]
    if not found and len(flags) == 1:
        reason = f'"{flags[0].header}" is the only column that says yes or no'
        pairs = (("outcome", flags[0].header),)
        found.append(Outcome(flags[0].header, "conversion", pairs, reason, size=look.rows))
    order = ("revenue", "conversion", "cost")
    return sorted(found, key=lambda one: order.index(one.model))


def in_time(outcome: Outcome) -> bool:
    """Tell whether an outcome counts time by its unit."""
    return dict(outcome.extra).get("unit", "").strip('"') in _TIME and outcome.model == "cost"
