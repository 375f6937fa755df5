"""One column of numbers, as it stands: samples that somebody else drew."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from sim.errors import Problem, ProblemsError
from sim.pilot.findings import row_problems, tally
from sim.pilot.layout import Field, Layout
from sim.pilot.source import open_source
from sim.pilot.values import numbers
from sim.records.arrays import FloatArray


def read_column(file: Path, shown: str, column: str, key: str) -> FloatArray:
    """Return a column of numbers in the order of the file.

    Parameters
    ----------
    file : Path
        Resolved path or glob pattern.
    shown : str
        How the user wrote it.
    column : str
        Header.
    key : str
        Config key, for messages.

    Returns
    -------
    (rows,) array

    Raises
    ------
    ProblemsError
        For a missing file or column, blank cells, and text that is not a finite number.
    """
    source = open_source(file, shown, key)
    problems = [problem for part in source.parts if (problem := part.missing(column, f"{key}.column"))]
    if problems:
        raise ProblemsError(*problems)
    layout = (
        Layout(source.parts, (Field(column, "number", "value"),), None, None, (), {}, whole=True)
        .known()
        .styled(source)
    )
    table = layout.typed(source)
    count = tally(source, layout, table, (), 1)
    problems = row_problems(source, layout, (), count)
    if count.used != count.rows:
        found = f"{count.rows[0] - count.used[0]} of {count.rows[0]} rows have an empty cell"
        problems.append(Problem(found, "a number in each row", "fill in or delete them", shown, None, column))
    if not count.rows[0]:
        problems.append(Problem("the table has no rows", "a header and rows", file=shown, key=column))
    if problems:
        raise ProblemsError(*problems)
    values: FloatArray = numbers(source.run(table.select("value"), repeatable=True)["value"])
    return np.array(values, dtype=np.float64)
