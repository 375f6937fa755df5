"""Reading the files of a run back, with whatever is missing told as missing."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np

from sim.records.arrays import FloatArray


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
        import pyarrow.parquet as pq

        file = self.path / "samples.parquet"
        if not file.is_file() or column not in pq.read_schema(file).names:
            return {}
        table = pq.read_table(file, columns=["strategy", column])
        strategy = np.asarray(table["strategy"].to_pylist(), dtype=object)
        values = table[column].to_numpy().astype(np.float64)
        return {name: values[strategy == name] for name in dict.fromkeys(strategy)}

    def cash(self, kind: str) -> dict[str, Any]:
        """Return the rows of one kind of total of the best strategy, column by column.

        Parameters
        ----------
        kind : str
            ``net``, ``cumulative`` or ``cumulative_discounted``. Empty if the file is missing.
        """
        import pyarrow.parquet as pq

        file = self.path / "cash_flow.parquet"
        if not file.is_file() or self.best is None:
            return {}
        table = pq.read_table(file, filters=[("kind", "=", kind), ("strategy", "=", self.best)])
        columns: dict[str, Any] = {"date": table["date"].to_pylist()}
        for name in ("month", "mean", "p05", "p25", "p50", "p75", "p95"):
            columns[name] = table[name].to_numpy()
        return columns

    def posteriors(self) -> dict[str, Path]:
        """Return the stored posteriors by file stem."""
        return {file.stem: file for file in sorted((self.path / "posterior").glob("*.nc"))}
