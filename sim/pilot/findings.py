"""What is wrong with, or notable about, the rows of a pilot table."""

from __future__ import annotations

import unicodedata
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from sim.errors import Problem, Problems
from sim.pilot.engine import Expr, Stored
from sim.pilot.faults import EXAMPLES, cell_problems, rest, told
from sim.pilot.layout import Layout, first_rows, kept
from sim.pilot.parse import counted, label
from sim.pilot.part import did_you_mean, listed
from sim.pilot.source import Source
from sim.records.columns import ColumnKind, ColumnSet, Rule

_SEEN = 1000
_PARSED: dict[ColumnKind, Stored] = {"flag": "flag", "date": "date", "integer": "integer"}
MOST_SEGMENTS = 1000


@dataclass(frozen=True, slots=True)
class Labels:
    """What the arm column holds.

    Parameters
    ----------
    positions : mapping of str to int
        Labels as they stand in the file to positions of the wanted arms.
    others : mapping of str to int
        Other labels and their rows.
    blank : int
        Rows without a label.
    """

    positions: Mapping[str, int]
    others: Mapping[str, int]
    blank: int


def plain(text: str) -> str:
    """Return a label in the form by which labels are compared: one encoding of accents, no blanks around."""
    return unicodedata.normalize("NFC", text).strip()


def find_arms(source: Source, layout: Layout, arms: Sequence[str], *, key: str, problems: Problems) -> Labels:
    """Match the labels of the arm column with the wanted arms; note those that do not occur."""
    cells = layout.cells(source)
    rows = source.run(cells.group_by("_arm").agg(n=cells.count()).order_by("_arm")).to_pylist()
    held: dict[str, int] = {row["_arm"]: row["n"] for row in rows if row["_arm"] is not None}
    wanted = {plain(arm): i for i, arm in enumerate(arms)}
    positions = {name: wanted[plain(name)] for name in held if plain(name) in wanted}
    shown = source.parts[0].shown
    if not held:
        problems.add("the table has no rows", allowed="a header and rows", file=shown, key=layout.arm)
    for i, arm in enumerate(arms):
        if held and i not in positions.values():
            problems.add(
                f'no row has "{arm}" in the column "{layout.arm}", which holds {listed(list(held))}',
                allowed=f"a label of the column; expected here: {listed(arms)}",
                remedy=did_you_mean(arm, list(held)) or "write the label as it stands in the table",
                file=shown,
                key=f"{key}.arm",
            )
    others = {name: n for name, n in held.items() if name not in positions}
    return Labels(positions, others, sum(row["n"] for row in rows if row["_arm"] is None))


def blank_arms(source: Source, layout: Layout) -> list[Problem]:
    """Return what is wrong with rows of totals that belong to no arm."""
    found = []
    for part in layout.parts:
        cells = layout.cells(source, part)
        rows = [row for (row,) in first_rows(source, cells, cells["_arm"].isnull(), (), EXAMPLES)]
        if rows:
            places = part.places(rows)
            found.append(
                Problem(
                    told(
                        part,
                        [(row, "an empty cell") for row in rows],
                        places,
                        "rows without an arm",
                        lead=True,
                    ),
                    "an arm in each row of a table of totals",
                    "a row that adds up the others must be deleted; else fill in its arm",
                    part.shown,
                    places[rows[0]] if part.word == "line" else None,
                    layout.arm,
                )
            )
    return found


@dataclass(frozen=True, slots=True)
class Tally:
    """Counts of rows by arm, and how many are wrong in each way.

    Parameters
    ----------
    rows, passed, used : tuple of int
        By arm: all rows, those of which no earlier outcome succeeded, those with every value there.
    blank : int
        Used rows without a segment.
    segments : int
        Distinct segments.
    bad : tuple of int
        Refused cells by field.
    broken : tuple of int
        Impossible rows by rule.
    """

    rows: tuple[int, ...]
    passed: tuple[int, ...]
    used: tuple[int, ...]
    blank: int
    segments: int
    bad: tuple[int, ...]
    broken: tuple[int, ...]


def rules_of(column_set: ColumnSet, layout: Layout) -> tuple[Rule, ...]:
    """Return the rules whose columns are there."""
    roles = {field.role for field in layout.fields}
    return tuple(rule for rule in column_set.rules if set(rule.roles) <= roles)


def tally(source: Source, layout: Layout, table: Expr, rules: Sequence[Rule], arms: int) -> Tally:
    """Count, in one pass, what there is to say about the rows of a `typed` table."""
    use = kept(table)
    asked = {
        "rows": table.count(),
        "passed": counted(table["_passed"]),
        "used": counted(use),
        "blank": counted(use & table["_blank"]),
        "segments": table["segment"].nunique(where=use),
        **{f"bad{i}": counted(layout.judged(i, table)) for i in range(len(layout.fields))},
        **{f"broken{i}": counted(use & rule.broken(table)) for i, rule in enumerate(rules)},
    }
    found = {row["arm"]: row for row in source.run(table.group_by("arm").agg(**asked)).to_pylist()}

    def by_arm(name: str) -> tuple[int, ...]:
        return tuple(found[arm][name] if arm in found else 0 for arm in range(arms))

    return Tally(
        rows=by_arm("rows"),
        passed=by_arm("passed"),
        used=by_arm("used"),
        blank=sum(by_arm("blank")),
        segments=max(by_arm("segments"), default=0),
        bad=tuple(sum(by_arm(f"bad{i}")) for i in range(len(layout.fields))),
        broken=tuple(sum(by_arm(f"broken{i}")) for i in range(len(rules))),
    )


def row_problems(source: Source, layout: Layout, rules: Sequence[Rule], count: Tally) -> list[Problem]:
    """Return every refused cell and impossible row, by file, with lines."""
    problems: list[Problem] = []
    if not any((*count.bad, *count.broken)):
        return problems
    for part in layout.parts:
        table = layout.typed(source, part)
        for i, field in enumerate(layout.fields):
            if count.bad[i]:
                bad = layout.judged(i, table)
                rows = first_rows(source, table, bad, (f"_x{i}",), _SEEN)
                total = source.run(table.aggregate(n=counted(bad))).to_pylist()[0]["n"]
                cells = [(row, str(text)) for row, text in rows]
                problems += cell_problems(part, field.header, field.kind, field.style, cells, total)
        headers = {field.role: field.header for field in layout.fields}
        shown_as = {field.role: _PARSED.get(field.kind, "real") for field in layout.fields}
        for number, rule in zip(count.broken, rules, strict=True):
            if number:
                roles = [headers[role] for role in rule.roles]
                shown = table.mutate(
                    **{f"_r{i}": label(table[r], shown_as[r]) for i, r in enumerate(rule.roles)}
                )
                values = [f"_r{i}" for i in range(len(roles))]
                wrong = kept(shown) & rule.broken(shown)
                rows = first_rows(source, shown, wrong, values, EXAMPLES + 1)
                total = source.run(shown.aggregate(n=counted(wrong))).to_pylist()[0]["n"]
                if rows:
                    told_rows = [(row, _row(roles, texts)) for row, *texts in rows[:EXAMPLES]]
                    places = part.places([row for row, _ in told_rows])
                    problems.append(
                        Problem(
                            told(part, told_rows, places, rule.found, lead=True)
                            + rest(total - part.rows([row for row, _ in told_rows])),
                            rule.allowed,
                            "correct the rows",
                            part.shown,
                            places[told_rows[0][0]] if part.word == "line" else None,
                            (part.keys or {}).get(roles[-1], ", ".join(roles)),
                        )
                    )
    return problems


def _row(headers: Sequence[str], texts: Sequence[object]) -> str:
    return ", ".join(f"{header} {text}" for header, text in zip(headers, texts, strict=True))
