"""What an outcome model is: everything the rest of sim knows of one.

A model is one file in ``models/`` with a module-level ``MODEL`` that satisfies `OutcomeModel`.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Literal, Protocol, Self

import numpy as np
from pydantic import BaseModel, ConfigDict, Field, model_validator

from sim.records.arrays import Draws, FloatArray
from sim.records.check import Check
from sim.records.projection import ArmState, Exposure, Projection, Reach
from sim.records.summary import PilotSummary

if TYPE_CHECKING:
    import pymc

ColumnKind = Literal["count", "amount", "number", "flag", "date", "integer"]
"""count: number >= 0 (may be fractional only where stated); amount: number >= 0;
number: any finite number; flag: 0/1, true/false, yes/no; date: a day; integer: whole number >= 0."""

type Table = Any
"""An Ibis table whose columns carry role names and are already typed."""


@dataclass(frozen=True, slots=True)
class Column:
    """One column a model reads, by its role.

    Parameters
    ----------
    role : str
        The name that stands on the left in ``columns = { role = "header" }``.
    kind : ColumnKind
        How its text is parsed.
    meaning : str
        One line for ``sim models``.
    optional : bool
        Whether it may be left out.
    blank : bool
        Whether empty cells are meaningful (an open end date); otherwise such rows are left out
        as missing, counted and noted.
    """

    role: str
    kind: ColumnKind
    meaning: str
    optional: bool = False
    blank: bool = False


@dataclass(frozen=True, slots=True)
class Rule:
    """A row that cannot be true, e.g. more successes than trials.

    Parameters
    ----------
    broken : callable
        Table (role-named columns) to a boolean Ibis expression, true where the row is wrong.
    roles : tuple of str
        Columns to show in the message.
    found, allowed : str
        The words of the message.
    """

    broken: Callable[[Table], Any]
    roles: tuple[str, ...]
    found: str
    allowed: str


@dataclass(frozen=True, slots=True)
class ColumnSet:
    """One form in which a pilot table may come.

    Parameters
    ----------
    columns : tuple of Column
        Optional ones last.
    aggregate : callable
        ``(table, by, options) -> table``: an Ibis group-by over the columns `by` (``arm``,
        ``segment``) and any further keys of the model's own; runs in the database. `options`
        holds the outcome's own settings that bear on reading (churn: ``as_of``, ``unit``).
    condense : callable
        ``(groups, shape, options) -> statistics``: the grouped rows, each column a NumPy array,
        with integer columns ``arm`` (the cell) and ``segment`` (positions), into arrays
        ``(cell, segment, ...)``; `shape` is ``(cells, segments)``.
    rows : bool
        True when one row is one unit, False when rows are already totals.
    rules : tuple of Rule
    dated : bool
        Whether a row spans time by its own dates. Asked to group by ``phase``, `aggregate` then splits
        each row at ``options["launch"]`` into 0 (before) and 1 (after).
    """

    columns: tuple[Column, ...]
    aggregate: Callable[[Table, Sequence[str], Mapping[str, Any]], Table]
    condense: Callable[
        [Mapping[str, np.ndarray[Any, Any]], tuple[int, int], Mapping[str, Any]],
        dict[str, FloatArray],
    ]
    rows: bool
    rules: tuple[Rule, ...] = ()
    dated: bool = False

    @property
    def required(self) -> tuple[str, ...]:
        """Roles that must be there."""
        return tuple(column.role for column in self.columns if not column.optional)

    @property
    def roles(self) -> tuple[str, ...]:
        """All roles of the set."""
        return tuple(column.role for column in self.columns)


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


class Replays(Protocol):
    """The part of an outcome model that replays pilots."""

    counts: Literal["successes", "customers", "amounts"]

    def size(self, statistics: Mapping[str, FloatArray]) -> FloatArray: ...  # noqa: D102
    def ratio(self, statistics: Mapping[str, FloatArray]) -> Ratio: ...  # noqa: D102
    def simulate(  # noqa: D102
        self, draws: Draws, summary: PilotSummary, *, rng: np.random.Generator
    ) -> dict[str, FloatArray]: ...


def simulated_means(
    model: Replays, draws: Draws, summary: PilotSummary, rng: np.random.Generator
) -> FloatArray:
    """Return the means of simulated datasets: the `means` of a model that simulates what its `ratio` takes.

    Returns
    -------
    (sample, cell, segment) array
        0 where nothing is observed.
    """
    cells, segments = summary.size.shape
    # One call for all: the datasets stand beside one another as further segments.
    beside = {
        name: np.moveaxis(values, 0, 1).reshape(cells, -1, *values.shape[3:])
        if values.shape[1:3] == (cells, segments)
        else values[0]
        for name, values in model.simulate(draws, summary, rng=rng).items()
    }
    means = Ratio(*counted(model, beside), np.empty(0)).mean
    return np.moveaxis(means.reshape(cells, -1, segments), 1, 0)


def counted(model: Replays, statistics: Mapping[str, FloatArray]) -> tuple[FloatArray, FloatArray]:
    """Return totals and the units they are of, (cell, segment): of customers those who left, and all."""
    ratio = model.ratio(statistics)
    return ratio.numerator, model.size(statistics) if model.counts == "customers" else ratio.denominator


class RateLike:
    """Gives a model whose level is a mean per unit of volume what all such models share."""

    def means(self: Replays, draws: Draws, summary: PilotSummary, *, rng: np.random.Generator) -> FloatArray:
        """Observed mean of each cell in one dataset per draw; see `simulated_means`."""
        return simulated_means(self, draws, summary, rng)

    def project(
        self,
        control: ArmState,
        treated: ArmState,
        exposure: Exposure,
        reach: Reach,
        *,
        better: Literal["higher", "lower"],
        summary: PilotSummary | None,  # noqa: ARG002  # part of the contract
        options: Mapping[str, Any],  # noqa: ARG002
    ) -> Projection:
        """Units gained: volume times the difference of the means, as far as it reaches."""
        return project_rate(control, treated, exposure, reach, better=better)


def project_rate(
    control: ArmState,
    treated: ArmState,
    exposure: Exposure,
    reach: Reach,
    *,
    better: Literal["higher", "lower"],
) -> Projection:
    """Project a mean per unit of volume: the `project` of every rate-like model.

    units_t = ±(V'_t [c + r_t (t - c)] - V_t c), V' the volume under treatment (it differs from V
    only behind a funnel), c and t the arms' levels, r the reach.
    """
    c, t = control.level[:, :, None], treated.level[:, :, None]
    gap = t - c
    adopted, kept = reach.adopted[:, None, :], reach.kept[:, None, :]
    control_total = exposure.control * c
    lifted = (exposure.treated * gap) * (adopted * kept)
    treated_total = exposure.treated * c + lifted
    # Taking the difference of the volumes first keeps exact figures exact when they are equal.
    gained = (exposure.treated - exposure.control) * c + lifted
    return Projection(
        units=gained if better == "higher" else -gained,
        control_total=control_total,
        treated_total=treated_total,
        served=exposure.treated * adopted * (c + kept * gap),
    )
