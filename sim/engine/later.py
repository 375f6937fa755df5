"""The same states of the world with the programme launched some months later, or ended early."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace

import numpy as np

from sim.config.plan import FlowPlan, OutcomePlan
from sim.engine.world import World
from sim.records.arrays import FloatArray

_DELAY = "later.delay"
_NOTHING = "later.nothing"


def later(world: World, months: int) -> World:
    """Return the world in which the programme starts `months` later; the last month stays where it is.

    Months that the config counts from the start (delay, ramp, ends, the months of costs and known benefits)
    move with it. Volumes, their season and growth, the growth of prices, and the customers of a stock
    belong to the calendar and go on meanwhile; what would fall beyond the horizon is lost. `discounting`
    has the factors that belong to it.

    Parameters
    ----------
    world : World
    months : int
        0 or more, below the horizon.
    """
    if months == 0:
        return world
    columns, horizon = dict(world.drawn.columns), world.plan.horizon
    columns[_DELAY], columns[_NOTHING] = np.full(world.n, float(months)), np.zeros(world.n)
    for path in {outcome.rollout.delay_path for outcome in world.plan.outcomes.values()}:
        if path is not None:
            columns[path] = columns[path] + months

    def moved(item: FlowPlan) -> FlowPlan:
        return replace(
            item,
            once_path=item.once_path if item.at + months <= horizon else None,
            at=item.at + months,
            month_paths=((_NOTHING,) * months + item.month_paths)[:horizon] if item.month_paths else (),
            first=item.first + months,
            last=None if item.last is None else item.last + months,
        )

    def rolled(outcome: OutcomePlan) -> OutcomePlan:
        rollout = outcome.rollout
        ends = None if rollout.ends is None else rollout.ends + months
        return replace(outcome, rollout=replace(rollout, delay_path=rollout.delay_path or _DELAY, ends=ends))

    return _with(world, columns, moved, rolled)


def discounting(world: World, months: int = 0) -> FloatArray:
    """Return the discount factors of a programme launched `months` later, (sample, month 0 … horizon).

    They are today's, but for the month of the launch, in which the new month 0 is paid at the launch
    itself: (1 + r)^(−months/12), whenever in a month other cash moves.
    """
    by_month = world.factors
    if months:
        by_month = by_month.copy()
        by_month[:, months] = by_month[:, months + 1] / by_month[:, 1]
    return by_month


def ended(world: World, months: int) -> World:
    """Return the world in which the programme is stopped after `months`: no effect and no cost from then on.

    Customers whom it has kept until then leave as untreated customers do.
    """

    def cut(item: FlowPlan) -> FlowPlan:
        return replace(
            item,
            once_path=item.once_path if item.at <= months else None,
            month_paths=item.month_paths[:months],
            last=months if item.last is None else min(item.last, months),
        )

    def stopped(outcome: OutcomePlan) -> OutcomePlan:
        rollout = outcome.rollout
        ends = months if rollout.ends is None else min(rollout.ends, months)
        return replace(outcome, rollout=replace(rollout, ends=ends))

    return _with(world, world.drawn.columns, cut, stopped)


def _with(
    world: World,
    columns: Mapping[str, FloatArray],
    flow: Callable[[FlowPlan], FlowPlan],
    outcome: Callable[[OutcomePlan], OutcomePlan],
) -> World:
    """Return the world of a changed plan."""
    plan = world.plan
    altered = replace(
        plan,
        outcomes={name: outcome(item) for name, item in plan.outcomes.items()},
        costs={name: flow(item) for name, item in plan.costs.items()},
        benefits={name: flow(item) for name, item in plan.benefits.items()},
    )
    # Fits are in the order of their correlations already, and `replaced` leaves them there.
    return World(replace(world.prepared, plan=altered), world.fits, world.drawn.replaced(columns), [world])
