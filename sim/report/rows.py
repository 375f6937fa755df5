"""The table of an answer, for spreadsheets (CSV) and for programs (Parquet)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

NOTHING = "do nothing"
"""How tables name the choice not to invest."""

_FORMULAS = ("=", "+", "-", "@", "\t", "\r", "\n", "＝", "＋", "－", "＠")
"""Beginnings of a formula; spreadsheets in East Asia take the wide signs for the narrow ones."""


def write_rows(folder: Path, stem: str, rows: Sequence[Mapping[str, Any]]) -> None:
    """Write rows with the same keys as ``<stem>.csv`` and ``<stem>.parquet``.

    Parameters
    ----------
    folder : Path
    stem : str
    rows : sequence of mapping
        At least one; a column holds numbers or text, and None for no value.

    Raises
    ------
    ValueError
        Without rows, or where they have different keys.
    """
    import pyarrow as pa
    import pyarrow.parquet as pq
    from pyarrow import csv

    if not rows or any(row.keys() != rows[0].keys() for row in rows):
        raise ValueError("rows must be there and have the same keys")
    table = pa.table({name: pa.array([row[name] for row in rows]) for name in rows[0]})
    pq.write_table(table, folder / f"{stem}.parquet", compression="zstd")
    safe = {name: pa.array([plain(row[name]) for row in rows]) for name in rows[0]}
    csv.write_csv(pa.table({plain(name): column for name, column in safe.items()}), folder / f"{stem}.csv")


def plain(value: Any) -> Any:
    r"""Return text that no spreadsheet takes for a formula; anything else as it is.

    Examples
    --------
    >>> plain("=1+1"), plain("costs.x"), plain(-3.5)
    ("'=1+1", 'costs.x', -3.5)
    """
    return f"'{value}" if isinstance(value, str) and value.startswith(_FORMULAS) else value
