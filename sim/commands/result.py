"""A finished forecast, read from the files of its run."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from sim.errors import Problem, ProblemsError

if TYPE_CHECKING:
    import pandas
    import xarray

    from sim.report.notebook import Plots


@dataclass(frozen=True)
class Result:
    """A finished forecast, read from its files.

    Parameters
    ----------
    run : Path
        The run's directory, ``results/<slug>/<run>``.
    reused : bool
        Whether the run was there already and no figure was computed.
    """

    run: Path
    reused: bool = False

    @cached_property
    def summary(self) -> dict[str, Any]:
        """Contents of ``summary.json``."""
        loaded: dict[str, Any] = json.loads((self.run / "summary.json").read_text("utf-8"))
        return loaded

    @property
    def trusted(self) -> bool:
        """Whether every check passed."""
        return bool(self.summary["trusted"])

    @property
    def has_figures(self) -> bool:
        """Whether it says anything of money or effects; what cannot be trusted is left out."""
        return self.summary["best"] is not None

    @property
    def headline(self) -> str:
        """The result in one sentence."""
        return str(self.summary["headline"])

    @cached_property
    def samples(self) -> pandas.DataFrame:
        """Joint samples: a row per state of the world and strategy, a column per quantity and metric."""
        return self.frame()

    @cached_property
    def cash_flow(self) -> pandas.DataFrame:
        """Distribution of every cash stream by month."""
        return self.frame(table="cash_flow")

    @cached_property
    def posterior(self) -> Mapping[str, xarray.DataTree]:
        """Posterior of each fitted outcome, as ArviZ takes it."""
        import xarray

        files = sorted((self.run / "posterior").glob("*.nc"))
        return {file.stem: xarray.open_datatree(file, engine="h5netcdf") for file in files}

    def frame(
        self,
        backend: Literal["pandas", "polars"] = "pandas",
        table: Literal["samples", "cash_flow"] = "samples",
    ) -> Any:
        """Return `samples` or `cash_flow` as a data frame of either library.

        Parameters
        ----------
        backend : {"pandas", "polars"}
            Polars must be installed by the user.
        table : {"samples", "cash_flow"}

        Raises
        ------
        ProblemsError
            When the library is not there.
        """
        import narwhals
        import pyarrow.parquet

        stored = pyarrow.parquet.read_table(self.run / f"{table}.parquet")
        rows = narwhals.from_native(stored, eager_only=True)
        try:
            return rows.to_polars() if backend == "polars" else rows.to_pandas()
        except ModuleNotFoundError as error:
            found, remedy = f"{error.name} is not installed", f"uv pip install {error.name}"
            raise ProblemsError(Problem(found, "pandas or polars", remedy)) from None

    @property
    def plot(self) -> Plots:
        """Plots as Matplotlib figures: ``npv``, ``roi``, ``payback`` and ``cash_flow``, each a method."""
        from sim.report.notebook import Plots

        return Plots(self.run)

    def _repr_html_(self) -> str:
        from sim.report.notebook import summary_html

        return summary_html(self.run)
