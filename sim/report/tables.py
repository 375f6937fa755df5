"""Tables and JSON of a run, written for other programs to read.

Columns are handed to Arrow as their bytes: given lists or arrays it would load pandas, which takes longer
than everything that is written here.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from datetime import date
from pathlib import Path
from typing import Any, Literal

import numpy as np
from numpy.typing import ArrayLike, NDArray

from sim.records.arrays import FloatArray

type Kind = Literal["benefit", "cost"]
type Streams = Mapping[str, tuple[Kind, FloatArray]]

TOTAL = "total"
_QUANTILES = {"p05": 0.05, "p25": 0.25, "p50": 0.50, "p75": 0.75, "p95": 0.95}


def write_json(path: Path, content: Mapping[str, Any]) -> None:
    """Write JSON as UTF-8, keys in their order; a NaN or an infinity is refused.

    Raises
    ------
    ValueError
        If a number is not finite.
    """
    text = json.dumps(content, allow_nan=False, ensure_ascii=False, indent=2, sort_keys=False)
    path.write_text(text + "\n", encoding="utf-8")


def write_samples(path: Path, columns: Mapping[str, ArrayLike]) -> None:
    """Write the joint samples, one row per sample and strategy, as Parquet.

    Parameters
    ----------
    path : Path
    columns : mapping of str to (row,) array
        In the order of the file: ``sample``, ``strategy``, then paths of the config or the summary.
        A single value stands for all rows. What is not finite (no value; never paid back) becomes null.
    """
    import pyarrow as pa
    import pyarrow.parquet as pq

    arrays = {name: np.atleast_1d(np.asarray(values)) for name, values in columns.items()}
    rows = max(values.size for values in arrays.values())
    table = pa.table({name: _column(np.broadcast_to(values, (rows,))) for name, values in arrays.items()})
    # Draws hardly ever repeat: a dictionary of them would cost more than writing them, and take more room.
    texts = [name for name, values in arrays.items() if values.dtype.kind in "UO"]
    pq.write_table(table, path, compression="zstd", use_dictionary=texts)


def _column(values: NDArray[Any]) -> Any:
    """Turn an array into an Arrow column; text by its different values, without NaN or infinity."""
    import pyarrow as pa

    if values.dtype.kind in "UO":
        names = list(dict.fromkeys(values.tolist()))
        codes = {name: code for code, name in enumerate(names)}
        return pa.DictionaryArray.from_arrays(
            _plain(np.array([codes[name] for name in values], dtype=np.int32)), _text(names)
        )
    if values.dtype.kind == "f" and not (known := np.isfinite(values)).all():
        return _plain(values, np.packbits(known, bitorder="little"))
    return _plain(values)


def _plain(values: NDArray[Any], known: NDArray[np.uint8] | None = None, kind: Any = None) -> Any:
    """Return numbers as an Arrow array, null where no bit of `known` is set."""
    import pyarrow as pa

    buffers = [None if known is None else pa.py_buffer(known), pa.py_buffer(np.ascontiguousarray(values))]
    return pa.Array.from_buffers(kind or pa.from_numpy_dtype(values.dtype), values.size, buffers)


def _text(names: Sequence[str]) -> Any:
    """Return texts as an Arrow array."""
    import pyarrow as pa

    encoded = [name.encode() for name in names]
    ends = np.cumsum([0, *map(len, encoded)], dtype=np.int32)
    return pa.Array.from_buffers(
        pa.string(), len(names), [None, pa.py_buffer(ends), pa.py_buffer(b"".join(encoded))]
    )


def write_cash_flow(
    path: Path, strategies: Mapping[str, Streams], start: date | None, factors: FloatArray
) -> None:
    """Write the monthly cash by stream, in money of its month, as a long Parquet table.

    Parameters
    ----------
    path : Path
    strategies : mapping of strategy to mapping of stream to (kind, flows)
        `flows` is (sample or 1, H + 1) [currency], month 0 first; costs are positive.
    start : date or None
        Month 1. Each month is dated by the first day of its calendar month; month 0, the
        investment, by the day on which month 1 starts. Without it the dates are null.
    factors : (sample or 1, H + 1) array
        Discount factors.

    Notes
    -----
    ``kind`` is benefit, cost, and for the stream ``total`` net, cumulative and cumulative_discounted;
    ``mean, sd, p05 … p95`` are over the samples, month by month.
    """
    import pyarrow as pa
    import pyarrow.parquet as pq

    parts: list[Any] = []
    for strategy, streams in strategies.items():
        net = np.zeros((1, factors.shape[1]))
        for stream, (kind, flows) in streams.items():
            parts.append(_rows(strategy, stream, kind, flows, start))
            net = net + flows if kind == "benefit" else net - flows
        totals = {
            "net": net,
            "cumulative": net.cumsum(axis=1),
            "cumulative_discounted": (net * factors).cumsum(axis=1),
        }
        parts += [_rows(strategy, TOTAL, kind, flows, start) for kind, flows in totals.items()]
    pq.write_table(pa.concat_tables(parts), path, compression="zstd")


def _rows(strategy: str, stream: str, kind: str, flows: FloatArray, start: date | None) -> Any:
    """Rows of one stream, one per month."""
    import pyarrow as pa

    months = flows.shape[1]
    labels = {"strategy": strategy, "stream": stream, "kind": kind}
    columns: dict[str, Any] = {name: _text([text] * months) for name, text in labels.items()}
    columns["month"] = _plain(np.arange(months, dtype=np.int32))
    columns["date"] = _dates(start, months)
    columns["mean"] = _column(flows.mean(axis=0))
    columns["sd"] = _column(flows.std(axis=0, ddof=1) if flows.shape[0] > 1 else np.zeros(months))
    for name, values in zip(_QUANTILES, np.quantile(flows, list(_QUANTILES.values()), axis=0), strict=True):
        columns[name] = _column(values)
    return pa.table(columns)


def _dates(start: date | None, months: int) -> Any:
    """Return the first day of each month as an Arrow array; nulls without a start."""
    import pyarrow as pa

    if start is None:
        return pa.nulls(months, pa.date32())
    days = np.array([month_start(start, month) for month in range(months)], dtype="datetime64[D]")
    return _plain(days.astype(np.int32), kind=pa.date32())


def month_start(start: date | None, month: int) -> date | None:
    """Return the first day of month `month` when month 1 is that of `start`.

    Examples
    --------
    >>> from datetime import date
    >>> month_start(date(2026, 11, 1), 3)
    datetime.date(2027, 1, 1)
    """
    if start is None:
        return None
    count = start.year * 12 + start.month - 1 + max(month - 1, 0)
    return date(count // 12, count % 12 + 1, 1)
