"""What a forecast is to reach: a mean, a median, or a value that is kept with some probability."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from sim.engine.grid import figures_at
from sim.engine.study import metrics_of
from sim.engine.world import World
from sim.finance.spread import quantile
from sim.records.estimate import quantile_error

_MEDIAN = 0.5


@dataclass(frozen=True, slots=True)
class Goal:
    """A metric and the value that it is to have.

    Parameters
    ----------
    metric : str
        ``npv``, ``roi``, ``payback_months`` or ``revenue``.
    value : float
    probability : float or None
        With which it is to be at least that (a payback: at most). None: its mean is to be that; of the ROI
        the ratio of means, of the payback the median.
    """

    metric: str
    value: float
    probability: float | None = None

    @property
    def level(self) -> float | None:
        """The quantile that is to have the value: NPV ≥ x with probability p where its (1 − p) quantile is x.

        It moves smoothly with what is sought, a share of samples moves in steps.
        """
        if self.metric == "payback_months":
            return self.probability or _MEDIAN
        return None if self.probability is None else 1 - self.probability

    @property
    def column(self) -> str:
        """Name of the figure in tables."""
        if self.level is None:
            return "roi_expected" if self.metric == "roi" else f"{self.metric}_mean"
        return f"{self.metric}_median" if self.level == _MEDIAN else f"{self.metric}_q{100 * self.level:g}"

    def is_met(self, figure: float) -> bool:
        """Tell whether a figure is on the good side of the value."""
        return figure <= self.value if self.metric == "payback_months" else figure >= self.value

    def name(self) -> str:
        """Return what the figure is, in words."""
        metric = {"npv": "NPV", "roi": "ROI", "payback_months": "payback", "revenue": "extra revenue"}[
            self.metric
        ]
        if self.level is None:
            return {"roi": "expected ROI"}.get(self.metric, f"mean {metric}")
        if self.probability is None:
            return f"median {metric}"
        side = "not exceeded" if self.metric == "payback_months" else "exceeded"
        return f"{metric} that is {side} with probability {100 * self.probability:g} %"

    def words(self, amount: str) -> str:
        """Return the goal in words."""
        if self.probability is None:
            return f"{'an' if self.metric == 'roi' else 'a'} {self.name()} of {amount}"
        metric = {"npv": "an NPV", "roi": "an ROI", "payback_months": "a payback", "revenue": "extra revenue"}
        side = "within" if self.metric == "payback_months" else "of at least"
        return f"{metric[self.metric]} {side} {amount} with probability {100 * self.probability:g} %"


@dataclass(frozen=True, slots=True)
class Figure:
    """A figure with its Monte Carlo error and the 90 % interval of the metric; None for no value."""

    value: float | None
    mcse: float | None
    low: float | None
    high: float | None


def metric_at(world: World, strategy: str, goal: Goal) -> Figure:
    """Return the figure that a goal is about, in one world."""
    name = goal.metric
    if goal.level is None:
        row = figures_at(world, strategy, (name,))
        part = "expected" if name == "roi" else "mean"
        mcse = row["roi_expected_mcse"] if name == "roi" else row[f"{name}_mcse"]
        return Figure(row[f"{name}_{part}"], mcse, row[f"{name}_low"], row[f"{name}_high"])
    samples, blocks = metrics_of(world, strategy, ("npv", name))
    values = samples[name][~np.isnan(samples[name])]
    block = blocks["metrics"][name]
    return Figure(
        quantile(values, goal.level), quantile_error(values, goal.level), block["low"], block["high"]
    )
