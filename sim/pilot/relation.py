"""Relations of the engine as parts: Parquet, and what databases and workbooks share with it."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from sim.errors import Problem, ProblemsError
from sim.pilot.engine import Engine, stored_as
from sim.pilot.part import Part, did_you_mean, heading, listed


def open_parquet(engine: Engine, file: Path, shown: str) -> Part:
    """Publish a Parquet file; it is read where it lies."""
    import duckdb

    try:
        relation = engine.duckdb.read_parquet(engine.allow(file))
    except duckdb.Error as error:
        raise ProblemsError(damaged(shown, "Parquet", error)) from None
    return published(engine, relation, shown)


def published(engine: Engine, relation: Any, shown: str) -> Part:
    """Publish a relation under the names of its columns."""
    headers = tuple(relation.columns)
    if len({name.casefold() for name in headers}) < len(headers):
        raise ProblemsError(
            Problem(
                f"two columns have the same name among {listed(headers)}",
                "one name per column, capitals and small letters counted as the same",
                "rename one with AS in the query",
                shown,
            )
        )
    stored = tuple(stored_as(str(kind)) for kind in relation.types)
    return Part(shown, tuple(map(heading, headers)), stored, engine.publish(relation, stored))


def chosen(what: str, wanted: str | None, names: Sequence[str], shown: str) -> str:
    """Return the table or sheet asked for, or the only one."""
    if wanted in names:
        return str(wanted)
    if wanted is None and len(names) == 1:
        return names[0]
    found = f'there is no {what} "{wanted}"' if wanted is not None else f"the file has {len(names)} {what}s"
    remedy = (
        did_you_mean(wanted, names)
        if wanted is not None
        else f'say which: data = {{ file = "…", {what} = "…" }}'
    )
    raise ProblemsError(
        Problem(found, listed(names) or f"a file with a {what}", remedy, shown, None, f"data.{what}")
    )


def damaged(shown: str, form: str, error: Exception) -> Problem:
    """Return the problem of a file that its reader refuses."""
    reason = str(error).splitlines()[0] if str(error) else type(error).__name__
    return Problem(f"the {form} file cannot be read: {reason}", remedy="write the file anew", file=shown)
