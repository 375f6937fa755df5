"""What an outcome model is: everything the rest of sim knows of one.

A model is one file in ``models/`` with a module-level ``MODEL`` that satisfies `OutcomeModel`.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Literal, Protocol, Self

import numpy as np
from pydantic import BaseModel, ConfigDict, Field, model_validator

from sim.records.arrays import Draws, FloatArray
from sim.records.check import Check
from sim.records.columns import ColumnSet
from sim.records.projection import ArmState, Exposure, Projection, Reach
from sim.records.summary import PilotSummary

if TYPE_CHECKING:
    import pymc


@dataclass(frozen=True, slots=True)
class Ratio:
    """A model's mean as a ratio of totals, each (cell, segment).

    Parameters
    ----------
    numerator, denominator : array
        mean = numerator / denominator; both 0 where nothing was observed.
    variance : array
        Sampling variance of one unit of the denominator when rows are independent, so that the mean
        has variance / denominator.
    """

    numerator: FloatArray
    denominator: FloatArray
    variance: FloatArray

    @property
    def mean(self) -> FloatArray:
        """The mean, (cell, segment); 0 where nothing was observed."""
        some = np.where(self.denominator > 0, self.denominator, 1.0)
        mean: FloatArray = np.where(self.denominator > 0, self.numerator / some, 0.0)
        return mean


class EffectPrior(BaseModel):
    """90 % range of the relative effect believed before the pilot (churn: of the hazard).

    The log ratio is normal with 5 and 95 % points at log(1 + low) and log(1 + high);
    `discount` multiplies its centre by (1 - discount).
    """

    model_config = ConfigDict(strict=True, frozen=True, extra="forbid", allow_inf_nan=False)
    low: float = Field(gt=-1)
    high: float = Field(gt=-1)
    source: str = ""
    discount: float = Field(default=0.0, ge=0, le=1)

    @model_validator(mode="after")
    def _ordered(self) -> Self:
        if self.low >= self.high:
            raise ValueError("low must lie below high: a certain effect is no prior, give it as `effect`")
        return self

    @property
    def log_ratio(self) -> tuple[float, float]:
        """Mean and standard deviation of the log ratio."""
        low, high = np.log1p(self.low), np.log1p(self.high)
        return float((low + high) / 2 * (1 - self.discount)), float((high - low) / (2 * 1.6448536269514722))


class Priors(BaseModel):
    """Priors that every model takes; a model may subclass it with more of its own."""

    model_config = ConfigDict(strict=True, frozen=True, extra="forbid", allow_inf_nan=False)
    effect: EffectPrior | None = None


@dataclass(frozen=True, slots=True)
class Predictive:
    """Replicated statistics for a posterior predictive check.

    Parameters
    ----------
    observed : (k,) array
        Statistic per cell as observed.
    replicated : (sample, k) array
        The same statistic in datasets simulated from the draws.
    labels : tuple of str
        A name per cell.
    name : str
        What the statistic is, for axes.
    """

    observed: FloatArray
    replicated: FloatArray
    labels: tuple[str, ...] = field(default=())
    name: str = ""


class OutcomeModel(Protocol):
    """One measurable outcome: its columns, its likelihood, and how an effect becomes units."""

    name: str
    """The config's ``model = ...``."""
    title: str
    """One line for ``sim models``."""
    unit: str
    """Word for one unit of improvement, e.g. ``success``."""
    better: Literal["higher", "lower"]
    """Direction that counts as improvement unless the config flips it."""
    units: tuple[str, ...]
    """Words that the config's ``unit`` may be; empty for any."""
    level: Literal["share", "positive", "real"]
    """Limits of an elicited level."""
    counts: Literal["successes", "customers", "amounts"]
    """What the totals of its projection are: successes may be the volume of a next outcome or be paid
    for one by one, customers live in a stock, amounts are neither."""
    saves: bool
    """Whether its money is something saved, which another outcome might count a second time."""
    effect_scale: str
    """What the relative effect is relative to, for prior messages."""
    column_sets: tuple[ColumnSet, ...]
    totals: tuple[str, ...]
    """Statistics that grow with the size of a pilot; the others are means, spreads and grids."""
    priors: type[Priors]

    def size(self, statistics: Mapping[str, FloatArray]) -> FloatArray:
        """Observed units per (cell, segment)."""
        ...

    def ratio(self, statistics: Mapping[str, FloatArray]) -> Ratio:
        """Return the mean as a ratio of totals: for design effects, effects by period and power.

        It is also called with many small cells on the second axis (segment by cluster or period).
        """
        ...

    def joined(
        self, statistics: Mapping[str, FloatArray], more: Mapping[str, FloatArray]
    ) -> dict[str, FloatArray]:
        """Return the statistics of two sets of observations together, as far as both tell them.

        Both have the same cells and segments; `more` may come from another form of table, and where grids
        or anchors differ, those of `statistics` are kept or extended.
        """
        ...

    def check(self, summary: PilotSummary, *, stock: bool) -> tuple[Check, ...]:
        """Return findings on the statistics that need no fit (an empty arm, no events, short follow-up).

        `stock` tells whether the outcome acts on customers who are there already.
        """
        ...

    def data(self, summary: PilotSummary, priors: Priors) -> dict[str, FloatArray]:
        """Return the arrays that `build` holds as ``pm.Data``, so that a compiled model can take others."""
        ...

    def build(self, summary: PilotSummary, priors: Priors) -> pymc.Model:
        """Return the PyMC model. It must define ``level`` with dims (arm, segment); data are ``pm.Data``."""
        ...

    def prior(self, summary: PilotSummary, priors: Priors, n: int, *, rng: np.random.Generator) -> Draws:
        """Draws from the prior that `build` states, with the same names that `simulate` reads."""
        ...

    def simulate(
        self, draws: Draws, summary: PilotSummary, *, rng: np.random.Generator
    ) -> dict[str, FloatArray]:
        """One dataset per draw of the summary's size: statistics (sample, cell, segment, ...)."""
        ...

    def means(self, draws: Draws, summary: PilotSummary, *, rng: np.random.Generator) -> FloatArray:
        """Return the observed mean of each cell in one dataset per draw, (sample, cell, segment).

        As `ratio` has it, of customers the share of those at risk who leave; 0 where nothing is observed.
        """
        ...

    def predictive(self, draws: Draws, summary: PilotSummary, *, rng: np.random.Generator) -> Predictive:
        """Observed against replicated statistic, for the posterior predictive check."""
        ...

    def project(
        self,
        control: ArmState,
        treated: ArmState,
        exposure: Exposure,
        reach: Reach,
        *,
        better: Literal["higher", "lower"],
        summary: PilotSummary | None,
        options: Mapping[str, Any],
    ) -> Projection:
        """Units of improvement per sample, segment and month."""
        ...


def counted(model: OutcomeModel, statistics: Mapping[str, FloatArray]) -> tuple[FloatArray, FloatArray]:
    """Return totals and the units they are of, (cell, segment): of customers those who left, and all."""
    ratio = model.ratio(statistics)
    return ratio.numerator, model.size(statistics) if model.counts == "customers" else ratio.denominator
