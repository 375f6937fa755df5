"""``sim init --from`` and ``--interactive``: a first config from a look at a table, or from six answers."""

from __future__ import annotations

import json
import os
from pathlib import Path

from sim.commands.catalogue import schema, write_new
from sim.config.draft import Figures, draft
from sim.config.guess import Guess
from sim.config.guess_outcomes import guess
from sim.errors import Problem, ProblemsError
from sim.pilot.look import beside, look
from sim.records.look import Look

NO_TABLE = """\
#:schema config.schema.json
# A forecast before any pilot: the level of today and what the tool will change are stated, nothing is
# fitted, and the result says so. Numbers marked FILL IN are placeholders; `sim init --from pilot.csv`
# starts from data.

[programme]
currency = "{currency}"
horizon = 36                   # months
discount_rate = 0.10           # per year; 10 % is 0.10

[outcomes.success]
model = "conversion"           # see `sim models`
control = 0.03                 # FILL IN: share that succeeds today
effect = {{ low = 0.0, high = 0.20 }} # FILL IN: relative change that the tool brings, 5 % and 95 %
volume = {volume}              # a month
value = {value}                # what one more success is worth

[rollout]
ramp = {{ months = 6 }}          # FILL IN: months until the full effect is there

[costs]
development = {once}           # once, in month 0
operations.monthly = {monthly}
"""


def understand(table: str | Path) -> Guess:
    """Look at a table and guess what it is about.

    Parameters
    ----------
    table : path
        In any format that sim reads.

    Raises
    ------
    ProblemsError
        When it cannot be read, or no column says what happened.
    """
    file = Path(table)
    seen = look(file, str(table))
    found = guess(seen, lambda header: beside(file, str(table), header))
    if not found.outcomes:
        raise ProblemsError(_unclear(seen, found, str(table)))
    return found


def _unclear(seen: Look, found: Guess, shown: str) -> Problem:
    """Say in one message what was understood of a table, and what was not."""
    kinds = []
    for column in list(seen.columns.values())[:12]:
        kind = (
            "arms" if found.arm is not None and column.header == found.arm.header
            else "yes or no" if column.is_flag
            else "counts" if column.is_count
            else "numbers" if column.is_number
            else "months" if column.months
            else "days" if column.is_date
            else "text"
        )  # fmt: skip
        kinds.append(f'"{column.header}" ({kind})')
    if len(seen.columns) > 12:
        kinds.append(f"{len(seen.columns) - 12} more")
    remedy = (
        "rename the columns to the roles of `sim models`, or start from `sim init` and put `data`, `arm` "
        "and `columns` there by hand"
    )
    if len(seen.columns) == 1:
        remedy = (
            "separate the cells by commas, semicolons or tabs, if the table has more columns; else " + remedy
        )
    return Problem(
        f"no column says clearly what happened; the table has {', '.join(kinds)}",
        "counts of which one is part of another (sessions, orders), a yes or no, an amount, a time, a score, "
        "or first and last days",
        remedy,
        shown,
    )


def write_from(table: str | Path, folder: str | Path, figures: Figures = Figures()) -> list[Path]:  # noqa: B008
    """Write the config that fits a table; the table stays where it is.

    Parameters
    ----------
    table : path
    folder : path
        Where the config shall stand; nothing there is overwritten.
    figures : Figures
        What no table tells.

    Returns
    -------
    list of Path
        ``config.toml`` and ``config.schema.json``.
    """
    found = understand(table)
    return write_config(folder, draft(found, _relative(Path(table), Path(folder)), figures))


def write_asked(folder: str | Path, figures: Figures) -> list[Path]:
    """Write a config without a table, from what was answered; None leaves a placeholder."""
    numbers = {
        "volume": 10_000 if figures.volume is None else figures.volume,
        "value": 10 if figures.value is None else figures.value,
        "once": 50_000 if figures.once is None else figures.once,
        "monthly": 2_000 if figures.monthly is None else figures.monthly,
    }
    return write_config(folder, NO_TABLE.format(currency=figures.currency or "EUR", **numbers))


def write_config(folder: str | Path, text: str) -> list[Path]:
    """Write a config and its schema into a folder; a schema that is there already and the same will do."""
    target, described = Path(folder), (json.dumps(schema(), indent=2) + "\n").encode()
    wanted = {target / "config.toml": text.encode()}
    schema_file = target / "config.schema.json"
    if not (schema_file.is_file() and schema_file.read_bytes() == described):
        wanted[schema_file] = described
    return write_new(target, wanted)


def _relative(table: Path, folder: Path) -> str:
    """Return a table's path as a config in that folder names it, with forward slashes."""
    try:
        return Path(os.path.relpath(table.absolute(), folder.absolute())).as_posix()
    except ValueError:  # another drive
        return table.absolute().as_posix()
