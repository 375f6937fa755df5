"""From what a user wrote of a pilot table to the sufficient statistics of one outcome."""

from __future__ import annotations

import datetime as dt
from collections.abc import Sequence
from dataclasses import dataclass, replace

from sim.contract import OutcomeModel
from sim.errors import Problem, Problems, ProblemsError
from sim.language import N_, phrase
from sim.pilot.checks import missing_rows, totals_row
from sim.pilot.columns import Choice, choose
from sim.pilot.connect import open_reading
from sim.pilot.designs import summarise
from sim.pilot.findings import (
    MOST_SEGMENTS,
    Labels,
    Tally,
    blank_arms,
    find_arms,
    row_problems,
    rules_of,
    tally,
)
from sim.pilot.grouping import Grouping
from sim.pilot.inline import ARM, arm_key, open_inline
from sim.pilot.layout import BLANK, Field, Layout
from sim.pilot.part import listed
from sim.pilot.period import Periods, find_periods
from sim.pilot.pilot import Pilot
from sim.pilot.source import Source
from sim.records.check import Check
from sim.records.reading import Reading
from sim.records.summary import PilotSummary


@dataclass(frozen=True, slots=True)
class Opened:
    """A table that was found to be right, ready to be grouped.

    Parameters
    ----------
    grouping : Grouping
    periods : Periods or None
        Those that are read, where the table tells the time.
    arms : tuple of str
        Arms that have rows of their own.
    labels : Labels
    count : Tally
    """

    grouping: Grouping
    periods: Periods | None
    arms: tuple[str, ...]
    labels: Labels
    count: Tally


def read(reading: Reading, model: OutcomeModel) -> Pilot:
    """Read, check and group a pilot table; the rows stay in the engine.

    Parameters
    ----------
    reading : Reading
    model : OutcomeModel
        Says which columns it reads, how they are grouped and what the statistics are.

    Returns
    -------
    Pilot

    Raises
    ------
    ProblemsError
        With every problem of the table at once: file, columns, labels, cells, impossible rows.
    """
    table = opened(reading, model)
    summary, checks = summarise(table.grouping, table.periods)
    return Pilot(summary, (*_checks(table, summary), *checks), table.grouping.choice.column_set)


def opened(reading: Reading, model: OutcomeModel) -> Opened:
    """Open and check a pilot table; takes and raises what `read` does."""
    source = _source(reading)
    shown = source.parts[0].shown
    inline = reading.inline is not None
    if inline:  # figures in the config have no such columns, whatever [pilot] says of its table
        reading = replace(reading, segment=None, period=None, cluster=None)
    arm = ARM if inline else reading.arm
    headers = [header for header in source.parts[0].headers if header != ARM]
    named = {header: header for header in headers} if inline else reading.columns
    place = f"{reading.key}.columns"
    if inline:
        place = arm_key(reading.arms[0], reading.arms, reading.has_control, reading.key)
    choice = choose(model.column_sets, named, headers, place=place, file=shown)
    layout = _layout(reading, source, choice, arm)
    _phased(reading, choice)
    problems = Problems()
    labels = Labels({}, {}, 0)
    if arm is not None:
        labels = find_arms(source, layout, reading.arms, key=reading.key, problems=problems)
        if labels.blank and not choice.column_set.rows:
            _take(problems, blank_arms(source, layout))
        if not labels.positions:
            problems.raise_if_any()
        layout = replace(layout, labels=labels.positions)
    periods = None
    if reading.period is not None:
        launch = reading.launch if reading.design != "randomised" else None
        periods = find_periods(source, layout, reading.period, launch, reading.key)
    if periods is not None:
        turns = reading.design != "randomised" and reading.launch is not None
        layout = replace(layout, position=periods.position, launch=periods.launch if turns else None)
        if reading.until is not None and model.counts != "customers":
            layout, periods = replace(layout, until=reading.until), periods.first(reading.until)
    layout = layout.styled(source)
    rules = rules_of(choice.column_set, layout)
    # Without arm and period columns the phases of a row are in its own dates.
    arms = reading.arms if arm is not None or layout.launch is not None else reading.arms[-1:]
    typed = layout.typed(source)
    count = tally(source, layout, typed, rules, len(arms))
    _take(problems, row_problems(source, layout, rules, count))
    _judge(reading, arms, choice, count, shown, problems)
    problems.raise_if_any()
    return Opened(Grouping(source, layout, typed, choice, model, reading), periods, arms, labels, count)


def _take(problems: Problems, found: Sequence[Problem]) -> None:
    with problems.gather():
        if found:
            raise ProblemsError(*found)


def _source(reading: Reading) -> Source:
    if reading.inline is not None:
        return open_inline(
            reading.inline, arms=reading.arms, has_control=reading.has_control, key=reading.key
        )
    if reading.arm is None and len(reading.arms) > 1 and reading.design != "before-after":
        raise ProblemsError(
            Problem(
                f"there are the arms {listed(reading.arms)}, but no column that tells them apart",
                'arm = { column = "…", control = "…", treated = "…" }',
                "name the column of the table that holds the arm",
                key=f"{reading.key}.arm",
            )
        )
    return open_reading(reading)


def _layout(reading: Reading, source: Source, choice: Choice, arm: str | None) -> Layout:
    """Return which columns are read, once all of them are known to be there."""
    key = reading.key
    named = bool(reading.columns)
    asked = [
        (header, f"{key}.columns.{role}" if named else header) for role, header in choice.headers.items()
    ]
    asked += [(header, f"{key}.after") for header in reading.failed]
    grouped = "panel_unit" if reading.panel else "cluster"
    single = {"arm": arm, "segment": reading.segment, "period": reading.period, grouped: reading.cluster}
    asked += [(header, f"{key}.{what}") for what, header in single.items() if header is not None]
    problems = Problems()
    for part in source.parts:
        for header, where in asked:
            if problem := part.missing(header, where):
                _take(problems, [problem])
    if reading.failed and not choice.column_set.rows:
        problems.add(
            "totals cannot be restricted to the rows where the earlier outcome failed",
            allowed="a table of rows; or `remaining = true` if the totals are of those rows already",
            file=reading.shown,
            key=f"{key}.after",
        )
    problems.raise_if_any()
    fields = [
        Field(choice.headers[column.role], column.kind, column.role, column.blank)
        for column in choice.columns
    ]
    # A blank flag is a unit that the earlier outcome never met, so it is left over as a failure is.
    fields += [Field(header, "flag", None, blank=True) for header in reading.failed]
    layout = Layout(source.parts, tuple(fields), arm, reading.segment, tuple(reading.missing), {})
    return replace(layout, period=reading.period, cluster=reading.cluster).known()


def _phased(reading: Reading, choice: Choice) -> None:
    """Refuse a design that turns on the time of rows which do not tell it."""
    by_time = reading.design == "difference-in-differences" or (
        reading.design == "before-after" and reading.arm is None and reading.inline is None
    )
    dated = choice.column_set.dated and isinstance(reading.launch, dt.date)
    if by_time and reading.period is None and not dated:
        raise ProblemsError(
            Problem(
                f"the design is {reading.design}, but no column tells the time of a row",
                'period = "month" and launch = 2025-06-01',
                "name the column that tells before from after",
                file=reading.shown,
                key=f"{reading.key}.period",
            )
        )


def _judge(
    reading: Reading,
    arms: Sequence[str],
    choice: Choice,
    count: Tally,
    shown: str | None,
    problems: Problems,
) -> None:
    """Note what keeps the counted rows from being a pilot."""
    for arm, rows, passed, used in zip(arms, count.rows, count.passed, count.used, strict=True):
        if used or (not rows and reading.arm is not None):
            continue  # an arm that the column does not hold has been told already
        if not rows:
            problems.add("the table has no rows", allowed="a header and rows", file=shown)
        elif not passed:
            found = f'no row of "{arm}" is left: all ({rows}) succeeded earlier'
            problems.add(found, file=shown, key=f"{reading.key}.after")
        else:
            found = f'every row of "{arm}" ({passed}) lacks a value'
            remedy = "look at the columns and at `missing`"
            problems.add(
                found, allowed="rows with values in each arm", remedy=remedy, file=shown, key=reading.key
            )
    if count.blank and not choice.column_set.rows:
        problems.add(
            f"rows of totals without a segment: {count.blank}",
            allowed="a segment in each row of a table of totals",
            remedy="a row that adds up the others must be deleted; else fill in its segment",
            file=shown,
            key=reading.segment,
        )
    if count.segments > MOST_SEGMENTS:
        problems.add(
            f"there are {count.segments} segments",
            allowed=f"at most {MOST_SEGMENTS}",
            remedy="name a column of few groups as `segment`",
            file=shown,
            key=reading.segment,
        )


def _checks(table: Opened, summary: PilotSummary) -> tuple[Check, ...]:
    arms, choice, labels, count = table.arms, table.grouping.choice, table.labels, table.count
    checks = [missing_rows(arms, count.passed, count.used, labels.blank)]
    if labels.others:
        rows, others = sum(labels.others.values()), listed(list(labels.others))
        whole = rows + sum(count.rows) + labels.blank
        checks.append(
            Check(
                "other-arms",
                "note",
                phrase(
                    "{rows} of {whole} rows belong to other arms and are left out: {others}",
                    rows=rows,
                    whole=whole,
                    others=others,
                ),
            )
        )
    if succeeded := sum(count.rows) - sum(count.passed):
        checks.append(
            Check(
                "after",
                "note",
                phrase(
                    "{succeeded} of {rows} rows succeeded earlier and are left out",
                    succeeded=succeeded,
                    rows=sum(count.rows),
                ),
            )
        )
    if count.blank:
        found = phrase(
            '{blank} of {rows} rows have no segment; they make up the segment "{segment}"',
            blank=count.blank,
            rows=sum(count.used),
            segment=BLANK,
        )
        checks.append(Check("blank-segment", "warn", found, N_("fill in the segment, if it is known")))
    if not choice.column_set.rows and (totals := totals_row(summary)):
        checks.append(totals)
    return tuple(checks)
