"""Which of a model's column sets a table fits, and which header plays which role."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from sim.errors import Problem, ProblemsError
from sim.pilot.part import did_you_mean, listed
from sim.records.columns import Column, ColumnSet


@dataclass(frozen=True, slots=True)
class Choice:
    """A column set and the header of each role it reads."""

    column_set: ColumnSet
    headers: Mapping[str, str]

    @property
    def columns(self) -> tuple[Column, ...]:
        """The columns that are there, in the set's order."""
        return tuple(column for column in self.column_set.columns if column.role in self.headers)


def choose(
    sets: Sequence[ColumnSet],
    named: Mapping[str, str],
    headers: Sequence[str],
    *,
    place: str,
    file: str | None,
) -> Choice:
    """Return the one column set that fits.

    Parameters
    ----------
    sets : sequence of ColumnSet
        What the model reads.
    named : mapping of str to str
        Role to header as the user named them; when empty, headers are roles.
    headers : sequence of str
        The table's columns.
    place : str
        Config key under which the roles stand, for messages.
    file : str or None
        The table, for messages.

    Raises
    ------
    ProblemsError
        For an unknown role, and when no set fits or several do.
    """
    known = list(dict.fromkeys(role for column_set in sets for role in column_set.roles))
    unknown = [role for role in named if role not in known]
    if unknown:
        raise ProblemsError(
            *(
                Problem(
                    f'the model has no column "{role}"',
                    f"one of {listed(known)}",
                    did_you_mean(role, known),
                    None,
                    None,
                    f"{place}.{role}",
                )
                for role in unknown
            )
        )
    roles = dict(named) if named else {role: role for role in known if role in headers}
    fitting = [
        (column_set, used)
        for column_set in sets
        if set(column_set.required) <= (used := set(column_set.roles) & set(roles))
        and (not named or used == set(roles))
    ]
    # Columns that say more win over a form that would ignore some of them.
    best = [fit for fit in fitting if not any(fit[1] < other[1] for other in fitting)]
    if len(best) == 1:
        column_set, used = best[0]
        return Choice(column_set, {role: roles[role] for role in column_set.roles if role in used})
    what = f"the columns {listed(list(roles))}" if named else "the table's columns"
    found = f"{what} fit {'more than one form' if best else 'no form'} of the model's data"
    if not named:
        found += f"; the table has {listed(headers)}"
    raise ProblemsError(
        Problem(found, forms(sets), _remedy(named, headers, known, bool(best)), file, None, place)
    )


def forms(sets: Sequence[ColumnSet]) -> str:
    """Return the column sets in words: ``trials + successes, or outcome``."""
    told = []
    for column_set in sets:
        optional = [role for role in column_set.roles if role not in column_set.required]
        told.append(" + ".join(column_set.required) + (f" (and {', '.join(optional)})" if optional else ""))
    return ", or ".join(told)


def _remedy(named: Mapping[str, str], headers: Sequence[str], known: Sequence[str], several: bool) -> str:
    if several:
        return 'say which by `columns = { role = "header" }`'
    if named:
        return "name the columns of exactly one form"
    for role in (role for role in known if role not in headers):
        if hint := did_you_mean(role, headers):
            return f'for "{role}", {hint} Say so by `columns = {{ role = "header" }}`'
    return 'say which header is which by `columns = { role = "header" }`'
