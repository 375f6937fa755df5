"""Reading the files of a run back, with whatever is missing told as missing."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from sim.records.arrays import FloatArray


def language_of(manifest: Mapping[str, Any]) -> str:
    """Return the language of a run; those of earlier versions are in English."""
    return str(manifest.get("config", {}).get("programme", {}).get("language", "en"))


@dataclass(frozen=True)
class Stored:
    """A run as its files tell it.

    Parameters
    ----------
    path : Path
        The run's directory.
    """

    path: Path

    @cached_property
    def summary(self) -> dict[str, Any]:
        """Contents of ``summary.json``."""
        loaded: dict[str, Any] = json.loads((self.path / "summary.json").read_text(encoding="utf-8"))
        return loaded

    @cached_property
    def manifest(self) -> Mapping[str, Any]:
        """Contents of ``manifest.json``; empty before it is written."""
        file = self.path / "manifest.json"
        loaded: dict[str, Any] = json.loads(file.read_text(encoding="utf-8")) if file.is_file() else {}
        return loaded

    @property
    def has_money(self) -> bool:
        """Whether there are figures of money: neither withheld nor a run of KPIs only."""
        metrics = self.summary["metrics"]
        return any(
            bool(metrics[name][part]) for name in ("benefit", "cost") for part in ("low", "mean", "high")
        )

    @property
    def best(self) -> str | None:
        """Name of the strategy whose figures stand at the top."""
        name: str | None = self.summary["best"]
        return name

    def samples(self, column: str) -> dict[str, FloatArray]:
        """Return one column of ``samples.parquet`` by strategy, NaN where it has no value.

        Parameters
        ----------
        column : str
            E.g. ``metrics.npv``. Empty if the file or the column is missing.
        """
        table = _read(self.path / "samples.parquet", ["strategy", column])
        if column not in table:
            return {}
        strategy, values = table["strategy"], table[column].astype(np.float64)
        return {name: values[strategy == name] for name in dict.fromkeys(strategy)}

    def cash(self, kind: str) -> dict[str, Any]:
        """Return the rows of one kind of total of the best strategy, column by column.

        Parameters
        ----------
        kind : str
            ``net``, ``cumulative`` or ``cumulative_discounted``. Empty if the file is missing.
        """
        names = ["date", "month", "mean", "p05", "p25", "p50", "p75", "p95"]
        table = _read(self.path / "cash_flow.parquet", ["kind", "strategy", *names])
        if not table or self.best is None:
            return {}
        rows = (table["kind"] == kind) & (table["strategy"] == self.best)
        return {name: table[name][rows] for name in names}

    def posteriors(self) -> dict[str, Path]:
        """Return the stored posteriors by file stem."""
        return {file.stem: file for file in sorted((self.path / "posterior").glob("*.nc"))}


def _read(file: Path, columns: Sequence[str]) -> dict[str, Any]:
    """Return those of the columns that a Parquet file has, as arrays; empty without the file.

    Numbers are taken as their bytes: asked for arrays, Arrow would load pandas.
    """
    if not file.is_file():
        return {}
    import pyarrow.parquet as pq

    with pq.ParquetFile(file) as opened:
        table = opened.read(columns=list(columns))
    return {name: _array(table[name].combine_chunks()) for name in table.column_names}


def _array(column: Any) -> NDArray[Any]:
    """Return an Arrow array as an array; numbers without a value are NaN."""
    kind = str(column.type)
    if kind not in ("int32", "int64", "double"):
        return np.array(column.to_pylist(), dtype=object)
    known, content = column.buffers()
    place = slice(column.offset, column.offset + len(column))
    values = np.frombuffer(content, np.dtype(kind))[place]
    if known is None:
        return values
    bits = np.unpackbits(np.frombuffer(known, np.uint8), bitorder="little")[place]
    return np.where(bits == 1, values, np.nan)
