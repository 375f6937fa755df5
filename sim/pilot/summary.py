"""From what a user wrote of a pilot table to the sufficient statistics of one outcome."""

from __future__ import annotations

import datetime as dt
import unicodedata
from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from sim.contract import ColumnSet, OutcomeModel
from sim.errors import Problem, Problems, ProblemsError
from sim.pilot.checks import missing_rows, totals_row
from sim.pilot.clusters import cluster_check, design_effect, parallel_trends, too_few
from sim.pilot.columns import Choice, choose
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
from sim.pilot.period import DAYS_PER_MONTH, Periods, find_periods
from sim.pilot.source import Source, open_source
from sim.records.check import Check
from sim.records.reading import Reading
from sim.records.summary import LEAST_PERIODS, Design, PilotSummary, Series


@dataclass(frozen=True, slots=True)
class Pilot:
    """What a table says of one outcome.

    Parameters
    ----------
    summary : PilotSummary
    checks : tuple of Check
        Rows left out and anything odd that did not keep the table from being read.
    column_set : ColumnSet
        The form in which the table came.
    """

    summary: PilotSummary
    checks: tuple[Check, ...]
    column_set: ColumnSet


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
    layout = layout.styled(source)
    rules = rules_of(choice.column_set, layout)
    # Without arm and period columns the phases of a row are in its own dates.
    arms = reading.arms if arm is not None or layout.launch is not None else reading.arms[-1:]
    count = tally(source, layout, rules, len(arms))
    _take(problems, row_problems(source, layout, rules, count))
    _judge(reading, arms, choice, count, shown, problems)
    problems.raise_if_any()
    summary, checks = _summary(reading, Grouping(source, layout, choice, model, reading), periods)
    return Pilot(summary, (*_checks(arms, choice, labels, count, summary), *checks), choice.column_set)


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
    if reading.file is None:
        raise ProblemsError(
            Problem("there are no data", "`data` or inline figures", key=f"{reading.key}.data")
        )
    return open_source(
        reading.file,
        reading.shown,
        reading.key,
        table=reading.table,
        sheet=reading.sheet,
        query=reading.query,
    )


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


def _summary(
    reading: Reading, grouping: Grouping, periods: Periods | None
) -> tuple[PilotSummary, tuple[Check, ...]]:
    statistics, names = grouping.statistics()
    size = np.asarray(grouping.model.size(statistics), dtype=np.float64)
    series = None
    # A row that spans a customer's time belongs to no one period.
    spans = grouping.model.counts == "customers" and grouping.choice.column_set.rows
    if periods is not None and len(periods.labels) > 1 and not spans:
        series = _series(reading, grouping, periods, names)
    _enough_past(reading, series)
    summary = PilotSummary(
        arms=reading.arms,
        segments=_composed(names),
        statistics=statistics,
        size=size,
        has_control=reading.has_control,
        months=periods.months if periods is not None else _dated_months(reading),
        origin="inline" if reading.inline is not None else reading.shown,
        design=Design(reading.design, reading.bias),
        series=series,
    )
    effect, checks = _clustered(reading, grouping, summary, names)
    if reading.design == "difference-in-differences" and series is not None:
        checks = (*checks, parallel_trends(series, reading.arms, effect))
    return replace(summary, design=replace(summary.design, effect=effect)), checks


def _dated_months(reading: Reading) -> float | None:
    last = reading.options.get("as_of")
    if reading.design == "randomised" or not isinstance(reading.launch, dt.date) or last is None:
        return None
    return float((last - reading.launch).days) / DAYS_PER_MONTH


def _series(reading: Reading, grouping: Grouping, periods: Periods, names: list[str]) -> Series:
    """Return the mean by period; the phases of a design are put together again."""
    parts = grouping.parts("_period", names)
    shape = (grouping.cells, len(names), len(periods.labels))
    cubes = []
    for values in (parts.ratio.numerator, parts.ratio.denominator, parts.ratio.variance):
        cube = np.zeros(shape)
        cube[:, parts.segment, parts.label] = values
        cubes.append(cube)
    num, den, var = cubes
    launch = periods.launch
    if reading.design == "before-after":
        if reading.launch is None:
            launch = int(np.flatnonzero(den[1:].sum(axis=(0, 1))).min(initial=len(periods.labels)))
        together = (1, shape[0])
    else:
        together = (len(reading.arms), shape[0] // len(reading.arms))
    num, den, weighed = (part.reshape(*together, *shape[1:]).sum(axis=1) for part in (num, den, den * var))
    return Series(
        periods.labels,
        num,
        den,
        weighed / np.where(den > 0, den, 1.0),
        launch,
        periods.length,
        periods.calendar,
    )


def _enough_past(reading: Reading, series: Series | None) -> None:
    """Refuse a before-after pilot that tells nothing of how its baseline drifts."""
    past = 0 if series is None else series.launch
    if reading.design != "before-after" or reading.bias is not None or past >= LEAST_PERIODS:
        return
    raise ProblemsError(
        Problem(
            f"a before-after pilot with {past} periods before the launch",
            f"at least {LEAST_PERIODS} periods before the launch, or a stated bias",
            "bias = { low = -0.05, high = 0.05 }: how far the measure may have drifted anyway; "
            "better, bring more of the past, or a control group",
            file=reading.shown,
            key=f"{reading.key}.bias",
        )
    )


def _clustered(
    reading: Reading, grouping: Grouping, summary: PilotSummary, names: list[str]
) -> tuple[float, tuple[Check, ...]]:
    """Return the design effect that is applied, and what there is to say about it."""
    kind = reading.design
    if reading.cluster is None:
        if kind != "difference-in-differences" or summary.series is None:
            return 1.0, ()
        after = len(summary.series.periods) - summary.series.launch
        if min(after, summary.series.launch) < 3:
            message = "only the sampling noise of rows is counted: shocks to one arm alone are not"
            remedy = "name who is observed over the periods as `panel_unit`, or bring more periods"
            return 1.0, (Check("shocks", "warn", message, remedy),)
        parts, what = grouping.parts("_period", names), "period"
    else:
        parts, what = grouping.parts("_cluster", names), reading.cluster
    if not parts.label.size:
        return 1.0, ()
    whole = grouping.model.ratio(summary.statistics)
    found = design_effect(
        whole,
        parts.ratio,
        parts.segment,
        parts.label,
        kind=kind,
        has_control=reading.has_control,
        mix=summary.mix,
    )
    if too_few(found):
        shown = " and ".join(str(count) for count in found.counts)
        raise ProblemsError(
            Problem(
                f"the clusters in {what} are too few to tell how alike their rows are ({shown} by arm)",
                "at least 2 an arm and 5 in all; 10 an arm to be told well",
                "with so few, the pilot cannot separate the treatment from who happened to get it",
                file=reading.shown,
                key=f"{reading.key}.{'panel_unit' if reading.panel else 'cluster'}",
            )
        )
    # Only a panel tells that its units are their own controls; else fewer rows than there are never help.
    effect = max(found.effect, 1e-3 if reading.panel else 1.0)
    return effect, (cluster_check(found, what, effect),)


def _composed(names: Sequence[str]) -> tuple[str, ...]:
    """Return the names with accents in the form that keyboards give, unless two would become one."""
    composed = tuple(unicodedata.normalize("NFC", name) for name in names)
    return composed if len(set(composed)) == len(names) else tuple(names)


def _checks(
    arms: Sequence[str], choice: Choice, labels: Labels, count: Tally, summary: PilotSummary
) -> tuple[Check, ...]:
    checks = [missing_rows(arms, count.passed, count.used, labels.blank)]
    if labels.others:
        rows, others = sum(labels.others.values()), listed(list(labels.others))
        whole = rows + sum(count.rows) + labels.blank
        checks.append(
            Check(
                "other-arms",
                "note",
                f"{rows} of {whole} rows belong to other arms and are left out: {others}",
            )
        )
    if succeeded := sum(count.rows) - sum(count.passed):
        checks.append(
            Check(
                "after", "note", f"{succeeded} of {sum(count.rows)} rows succeeded earlier and are left out"
            )
        )
    if count.blank:
        found = f'{count.blank} of {sum(count.used)} rows have no segment; they make up the segment "{BLANK}"'
        checks.append(Check("blank-segment", "warn", found, "fill in the segment, if it is known"))
    if not choice.column_set.rows and (totals := totals_row(summary)):
        checks.append(totals)
    return tuple(checks)
