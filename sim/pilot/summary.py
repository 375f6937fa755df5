"""From what a user wrote of a pilot table to the sufficient statistics of one outcome."""

from __future__ import annotations

import unicodedata
from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from sim.contract import ColumnSet, OutcomeModel
from sim.errors import Problem, Problems, ProblemsError
from sim.pilot.checks import missing_rows, totals_row
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
from sim.pilot.inline import ARM, arm_key, open_inline
from sim.pilot.layout import BLANK, Field, Layout, kept
from sim.pilot.part import listed
from sim.pilot.period import months
from sim.pilot.source import Source, open_source
from sim.records.check import Check
from sim.records.reading import Reading
from sim.records.summary import PilotSummary


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
        reading = replace(reading, segment=None, period=None)
    arm = ARM if inline else reading.arm
    headers = [header for header in source.parts[0].headers if header != ARM]
    named = {header: header for header in headers} if inline else reading.columns
    place = f"{reading.key}.columns"
    if inline:
        place = arm_key(reading.arms[0], reading.arms, reading.has_control, reading.key)
    choice = choose(model.column_sets, named, headers, place=place, file=shown)
    layout = _layout(reading, source, choice, arm)
    problems = Problems()
    labels = Labels({}, {}, 0)
    if arm is not None:
        labels = find_arms(source, layout, reading.arms, key=reading.key, problems=problems)
        if labels.blank and not choice.column_set.rows:
            _take(problems, blank_arms(source, layout))
        if not labels.positions:
            problems.raise_if_any()
        layout = replace(layout, labels=labels.positions)
    layout = layout.styled(source)
    rules = rules_of(choice.column_set, layout)
    count = tally(source, layout, rules, len(reading.arms))
    _take(problems, row_problems(source, layout, rules, count))
    _judge(reading, choice, count, shown, problems)
    problems.raise_if_any()
    summary = _summary(reading, source, layout, choice, model)
    return Pilot(summary, _checks(reading, choice, labels, count, summary), choice.column_set)


def _take(problems: Problems, found: Sequence[Problem]) -> None:
    with problems.gather():
        if found:
            raise ProblemsError(*found)


def _source(reading: Reading) -> Source:
    if reading.inline is not None:
        return open_inline(
            reading.inline, arms=reading.arms, has_control=reading.has_control, key=reading.key
        )
    if reading.arm is None and len(reading.arms) > 1:
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
    single = {"arm": arm, "segment": reading.segment, "period": reading.period}
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
    return Layout(source.parts, tuple(fields), arm, reading.segment, tuple(reading.missing), {}).known()


def _judge(
    reading: Reading,
    choice: Choice,
    count: Tally,
    shown: str | None,
    problems: Problems,
) -> None:
    """Note what keeps the counted rows from being a pilot."""
    for arm, rows, passed, used in zip(reading.arms, count.rows, count.passed, count.used, strict=True):
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
    reading: Reading, source: Source, layout: Layout, choice: Choice, model: OutcomeModel
) -> PilotSummary:
    table = layout.typed(source)
    typed = table.filter(kept(table)).select("arm", "segment", *choice.headers)
    grouped = choice.column_set.aggregate(typed, ["arm", "segment"], reading.options)
    rows = source.run(grouped, repeatable=True)
    labels = rows["segment"].to_pylist()
    names = sorted(set(labels))
    groups = {name: rows[name].to_numpy() for name in rows.column_names if name != "segment"}
    groups["segment"] = np.array([names.index(label) for label in labels], dtype=np.int64)
    for name, values in groups.items():
        if values.dtype.kind == "f" and np.isposinf(values).any():
            found = f"the numbers are too large to be added up ({name})"
            raise ProblemsError(Problem(found, file=reading.shown, key=reading.key))
    shape = (len(reading.arms), len(names))
    statistics = choice.column_set.condense(groups, shape, reading.options)
    return PilotSummary(
        arms=reading.arms,
        segments=_composed(names),
        statistics=statistics,
        size=np.asarray(model.size(statistics), dtype=np.float64),
        has_control=reading.has_control,
        months=None if reading.period is None else months(source, layout, reading.period),
        origin="inline" if reading.inline is not None else reading.shown,
    )


def _composed(names: Sequence[str]) -> tuple[str, ...]:
    """Return the names with accents in the form that keyboards give, unless two would become one."""
    composed = tuple(unicodedata.normalize("NFC", name) for name in names)
    return composed if len(set(composed)) == len(names) else tuple(names)


def _checks(
    reading: Reading, choice: Choice, labels: Labels, count: Tally, summary: PilotSummary
) -> tuple[Check, ...]:
    checks = [missing_rows(reading.arms, count.passed, count.used, labels.blank)]
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
