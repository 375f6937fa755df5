"""Python values as columns of the engine: what spreadsheets, SQLite and the config hand over."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import date, datetime
from typing import TYPE_CHECKING, Any

import numpy as np

from sim.pilot.engine import Engine, Stored
from sim.pilot.part import Part

if TYPE_CHECKING:
    import pyarrow


def publish_values(
    engine: Engine,
    shown: str | None,
    headers: Sequence[str],
    columns: Sequence[Sequence[Any]],
    places: Any = None,
    word: str = "row",
    keys: Mapping[str, str] | None = None,
) -> Part:
    """Publish columns of Python values; mixed columns become text."""
    import pyarrow as pa

    kinds = tuple(_storage_of(column) for column in columns)
    schema = pa.schema([(f"c{i}", arrow_type(kind)) for i, kind in enumerate(kinds)])
    rows = pa.Table.from_batches([batch(columns, kinds, schema)])
    view = engine.publish(engine.hold(rows), kinds)
    extra = {} if places is None else {"places": places}
    return Part(shown, tuple(headers), kinds, view, word=word, keys=keys, **extra)


def _storage_of(values: Sequence[Any]) -> Stored:
    kind = storage({type(value) for value in values})
    huge = kind == "integer" and any(value is not None and abs(value) >= 1 << 63 for value in values)
    return "real" if huge else kind


def storage(types: set[type]) -> Stored:
    """Return how a column of values of these types is stored; what is mixed becomes text."""
    types = types - {type(None)}
    if not types:
        return "text"
    if types == {bool}:
        return "flag"
    if types <= {int, float}:
        return "real" if float in types else "integer"
    if all(issubclass(kind, date) for kind in types):
        return "date"
    return "other" if types == {bytes} else "text"


def arrow_type(kind: Stored) -> Any:
    """Return the PyArrow type of a storage class."""
    import pyarrow as pa

    types = {"integer": pa.int64(), "real": pa.float64(), "flag": pa.bool_(), "date": pa.date32()}
    return types.get(kind, pa.string())


def numbers(column: Any) -> Any:
    """Return a PyArrow column of numbers as an array; where one is missing it is NaN, which takes pandas."""
    import pyarrow as pa

    plain = not column.null_count and column.type in (pa.int64(), pa.float64())
    return np.from_dlpack(column.combine_chunks()) if plain else column.to_numpy()


def batch(columns: Sequence[Sequence[Any]], kinds: Sequence[Stored], schema: pyarrow.Schema) -> Any:
    """Return columns of values as a PyArrow record batch."""
    import pyarrow as pa

    arrays = [
        pa.array([_value(value, kind) for value in column], arrow_type(kind))
        for column, kind in zip(columns, kinds, strict=True)
    ]
    return pa.record_batch(arrays, schema=schema)


def _value(value: Any, kind: Stored) -> Any:
    if value is None:
        return None
    if kind in ("text", "other"):
        return text(value)
    if kind == "date":
        return value.date() if isinstance(value, datetime) else value
    if kind == "real":
        try:
            return float(value)
        except OverflowError:  # an integer of more than 308 digits, told as too large later
            return float("inf")
    return value


def text(value: object) -> str:
    """Return a value as it would stand in a text file."""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, bytes):
        return "(binary)"
    if isinstance(value, float) and value.is_integer() and abs(value) < 1e15:
        return str(int(value))
    return value.isoformat() if isinstance(value, date) else str(value)
