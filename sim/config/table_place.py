"""Where a table lies: in a file, or in a warehouse; the keys of `data` that go together."""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING, Any

from sim.config.locate import Path as Key
from sim.config.schema_pilot import Data

if TYPE_CHECKING:
    from sim.config.resolver import Resolver


def place_of(found: Resolver, key: Key, data: Data, example: str) -> dict[str, Any] | None:
    """Return the fields of a `Reading` that say where its table lies; None where the config does not.

    Parameters
    ----------
    found : Resolver
        Takes what is wrong.
    key : tuple
        Of ``data``.
    data : Data
    example : str
        What might stand there.
    """
    if data.dsn is None:
        if data.timeout is not None:
            found.problem((*key, "timeout"), "a timeout without a warehouse", "with dsn only")
        if data.file is None:
            found.problem(key, "data names no file", example)
            return None
        place = {"table": data.table, "sheet": data.sheet, "query": data.query}
        return {"file": found.source.folder / data.file, "shown": data.file, **place}
    if data.file is not None:
        found.problem(key, "data names a file and a warehouse", "file or dsn")
        return None
    if data.sheet is not None:
        found.problem((*key, "sheet"), "a sheet of a warehouse", "table or query")
        return None
    if (data.table is None) == (data.query is None):
        told = "neither table nor query" if data.table is None else "both table and query"
        found.problem(key, f"data in a warehouse with {told}", 'dsn = "${PILOT_DSN}", table = "pilot"')
        return None
    what = data.table
    if what is None:
        what = f"query {hashlib.sha256((data.query or '').encode()).hexdigest()[:8]}"
    place = {"dsn": data.dsn, "table": data.table, "query": data.query}
    return {"file": None, "shown": f"{data.dsn} {what}", "timeout": data.timeout, **place}
