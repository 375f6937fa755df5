"""The vendor's calculator turned round: from a revenue target to what every stage must deliver."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike

from sim.decision.arguments import checked
from sim.records.arrays import FloatArray
from sim.records.estimate import Estimate, quantile_error, standard_error

LEVELS = {"median": 0.5, "low": 0.05, "high": 0.95}
"""Quantiles told of what is needed."""


@dataclass(frozen=True, slots=True)
class Need:
    """How much is needed.

    Parameters
    ----------
    expected : Estimate or None
        With so much the goal is reached on average.
    median, low, high : Estimate or None
        50, 5 and 95 % quantiles of what turns out to be needed: with `high` the goal is reached with
        probability 0.95. None where no amount suffices (a rate of 0).
    """

    expected: Estimate | None
    median: Estimate | None
    low: Estimate | None
    high: Estimate | None


@dataclass(frozen=True, slots=True)
class Stage:
    """One stage of a funnel.

    Parameters
    ----------
    name : str
    entering : Need
        Units that must enter the stage.
    leaving : Need
        Conversions that it must deliver, which enter the next stage (or are the customers).
    rate : Need or None
        The rate that this stage would need, the others as they are, if `pipeline` units entered the
        funnel; None where no pipeline was given. More than 1 cannot be had.
    attainable : float or None
        Probability that the needed rate is at most 1.
    """

    name: str
    entering: Need
    leaving: Need
    rate: Need | None
    attainable: float | None


@dataclass(frozen=True, slots=True)
class Funnel:
    """What a revenue target asks for.

    Parameters
    ----------
    customers : Need
        Sales needed.
    stages : tuple of Stage
        In the order of the funnel.
    """

    customers: Need
    stages: tuple[Stage, ...]


def funnel(
    goal_revenue: float,
    price: ArrayLike,
    rates: Mapping[str, ArrayLike],
    *,
    pipeline: float | None = None,
) -> Funnel:
    """Compute customers, and units at every earlier stage, that a revenue target needs.

    With price p and rates r_1, …, r_S in the order of the funnel, stage s must be entered by
    N_s = goal / (p · r_s ⋯ r_S) units in each sample; quantiles are over samples. On average the goal
    is reached with goal / E[p · r_s ⋯ r_S], which is less than E[N_s].

    Parameters
    ----------
    goal_revenue : float [currency]
    price : scalar or (sample,) array [currency per customer]
        Average revenue of a customer.
    rates : mapping of str to scalar or (sample,) array
        Share that passes each stage, first stage first; row i is one joint state.
    pipeline : float, optional [unit of the first stage]
        What enters the funnel today: then the rates needed are told too.

    Raises
    ------
    ValueError
        Shapes that do not fit, no stage, a rate outside 0…1, or a target, price or pipeline that is
        not positive.

    Examples
    --------
    >>> found = funnel(100_000, 500, {"lead": 0.05, "customer": 0.2})
    >>> found.customers.median.value, [(s.name, round(s.entering.median.value)) for s in found.stages]
    (200.0, [('lead', 20000), ('customer', 1000)])
    """
    if not rates:
        raise ValueError("a funnel has at least one stage")
    samples = max(np.size(part) for part in (price, *rates.values()))
    amount = _by_sample(price, "price", samples)
    passing = {name: _by_sample(rate, name, samples) for name, rate in rates.items()}
    for name, rate in passing.items():
        if (rate < 0).any() or (rate > 1).any():
            raise ValueError(f"rates must lie within 0 and 1, but {name} does not")
    if not goal_revenue > 0 or (amount <= 0).any() or (pipeline is not None and not pipeline > 0):
        raise ValueError("target, price and pipeline must be positive")

    worth = amount  # revenue per unit that enters what follows
    leaving = customers = _need(goal_revenue, worth)
    stages = []
    for name in reversed(passing):
        rate = passing[name]
        worth = worth * rate
        entering = _need(goal_revenue, worth)
        needed, attainable = None, None
        if pipeline is not None:
            # Not all over this rate: one of 0 today says nothing of the one needed.
            others = [other for label, other in passing.items() if label != name]
            by_rate = pipeline * amount * np.prod(np.array(others).reshape(-1, samples), axis=0)
            needed = _need(goal_revenue, by_rate)
            attainable = float((by_rate >= goal_revenue).mean())
        stages.append(Stage(name, entering, leaving, needed, attainable))
        leaving = entering
    return Funnel(customers, tuple(reversed(stages)))


def _by_sample(values: ArrayLike, name: str, samples: int) -> FloatArray:
    array = np.asarray(values, dtype=np.float64)
    return checked(np.full(samples, array) if array.size == 1 else array, name, axes=1, samples=samples)


def _need(goal: float, worth: FloatArray) -> Need:
    """Return how many units are needed when each brings `worth`, by sample."""
    average = float(worth.mean())
    expected = None
    if average > 0:
        # d(goal / m) = −goal / m² dm
        expected = Estimate(goal / average, goal / average**2 * float(standard_error(worth)))
    return Need(expected, *(_needed(goal, worth, 1 - level) for level in LEVELS.values()))


def _needed(goal: float, worth: FloatArray, level: float) -> Estimate | None:
    """Return the need of what a unit brings at a quantile: nothing infinite is ever interpolated."""
    brings, mcse = float(np.quantile(worth, level)), quantile_error(worth, level)
    if brings <= 0:
        return None
    return Estimate(goal / brings, goal / brings**2 * (mcse or 0.0))
