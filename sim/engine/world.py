"""One strategy in every state of the world: levels, exposures, projections and cash."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace

import numpy as np

from sim.config.plan import FlowPlan, OutcomePlan
from sim.engine.units import Term, Units
from sim.records.arrays import FloatArray, IntArray
from sim.records.projection import ArmState, Projection
from sim.simulation.cashflow import Ledger, blank, flow, total
from sim.simulation.timeline import DAYS_PER_MONTH


@dataclass(frozen=True, slots=True)
class OutcomeState:
    """One outcome of one strategy.

    Parameters
    ----------
    control, treated : ArmState
    project : callable or None
        Computes `projection`, which money can often do without; None for an outcome without a volume.
    cash : (sample, month 0 … horizon) array or None
        None for a KPI.
    earn : callable
        Computes `revenue`, which few metrics need.
    weigh : callable
        Computes `weights`, which only summaries need.
    """

    plan: OutcomePlan
    segments: tuple[str, ...]
    control: ArmState
    treated: ArmState
    project: Callable[[], Projection] | None
    cash: FloatArray | None
    earn: Callable[[], FloatArray | None]
    weigh: Callable[[], FloatArray]

    @property
    def projection(self) -> Projection | None:
        """Units by segment and month; None for an outcome without a volume."""
        return None if self.project is None else self.project()

    @property
    def revenue(self) -> FloatArray | None:
        """Undiscounted revenue, (sample,), where the value has a price and there is a volume."""
        return self.earn()

    @property
    def weights(self) -> FloatArray:
        """Share of each segment in the pooled figures, (sample or 1, segment)."""
        return self.weigh()


@dataclass(frozen=True, slots=True)
class Strategy:
    """Everything that investing in one treated arm brings and costs."""

    name: str
    outcomes: Mapping[str, OutcomeState]
    ledger: Ledger
    benefit: FloatArray
    cost: FloatArray
    factors: FloatArray


class World(Units):
    """Joint states of the world, from which every strategy is simulated."""

    def run(self, start: int, length: int) -> World:
        """Return the world of some of the states: `length` from `start` on, or as many as there are.

        Parameters
        ----------
        start, length : int
        """
        return self.some(slice(start, min(start + length, self.n)))

    def some(self, rows: slice | IntArray) -> World:
        """Return the world of the states in these rows."""

        def taken(values: FloatArray) -> FloatArray:
            return values[rows] if len(values) == self.n else values

        plan = replace(self.plan, draws=len(np.arange(self.n)[rows]), chains=1)
        volumes = {name: taken(paths) for name, paths in self.prepared.volumes.items()}
        fits = {name: {k: taken(values) for k, values in d.items()} for name, d in self.fits.items()}
        drawn = self.drawn.replaced({path: taken(column) for path, column in self.drawn.columns.items()})
        return World(replace(self.prepared, plan=plan, volumes=volumes), fits, drawn)

    def strategy(self, name: str) -> Strategy:
        """Simulate investing in the treated arm `name`."""
        benefits, benefit = self.part(("benefits", name), lambda: self._benefits(name))
        costs, cost = self.part(("costs", name), lambda: self._flows("costs", name))
        outcomes = {outcome: self._outcome(outcome, name) for outcome in self.plan.outcomes}
        return Strategy(name, outcomes, Ledger(benefits, costs), benefit, cost, self.factors)

    def _benefits(self, strategy: str) -> tuple[Mapping[str, FloatArray], FloatArray]:
        """Return the streams of benefits by path, and their sum."""
        states = (self._outcome(name, strategy) for name in self.read("plan", "outcomes"))
        streams = {state.plan.path: state.cash for state in states if state.cash is not None}
        return self._flows("benefits", strategy, streams)

    def _flows(
        self, section: str, strategy: str, streams: Mapping[str, FloatArray] | None = None
    ) -> tuple[Mapping[str, FloatArray], FloatArray]:
        """Return the streams of costs or known benefits by path after those given, and the sum of all."""
        whole = dict(streams or {})
        for name, item in self.read("plan", section).items():
            if item.arm in (None, strategy):
                whole[item.path] = self._flow(section, name, strategy)
        shape = (self.samples, self.horizon + 1)
        return whole, total(whole.values(), shape)

    def _outcome(self, name: str, strategy: str) -> OutcomeState:
        """Return one outcome of a strategy; only its parts are shared, since it weighs by this world."""
        plan, key = self.outcome_plan(name), (name, strategy)
        control, treated = self.arms(name, strategy)
        acts = plan.volume is not None
        return OutcomeState(
            plan,
            self.segments(name),
            control,
            treated,
            (lambda: self.projection(name, strategy)) if acts else None,
            None if plan.kpi else self.part(("cash", *key), lambda: self._cash(name, strategy)),
            lambda: self.part(("revenue", *key), lambda: self._revenue(name, strategy)) if acts else None,
            lambda: self.part(("weights", *key), lambda: self._weights(name, strategy)),
        )

    def _weights(self, name: str, strategy: str) -> FloatArray:
        """Return each segment's share of the discounted rollout volume; a KPI has the pilot's mix."""
        plan = self.outcome_plan(name)
        if plan.kpi or plan.volume is None:
            return self.mix(name)[None, :]
        by_month = self.discounting()[:, 1:]
        if self.in_terms(name):
            each = self.volume(name, strategy)
            first, *more = (units * (course * by_month).sum(axis=1, keepdims=True) for units, course in each)
            volume = sum(more, start=first)
            stock = self.stock(name)
            if stock is not None:
                volume = volume + stock
        else:
            volume = (self.exposure(name, strategy).control * by_month[:, None, :]).sum(axis=2)
        whole = volume.sum(axis=1, keepdims=True)
        return np.where(whole > 0, volume / np.where(whole > 0, whole, 1.0), self.mix(name)[None, :])

    def _cash(self, name: str, strategy: str) -> FloatArray:
        """Return an outcome's money by month, (sample, month 0 … horizon)."""
        plan = self.outcome_plan(name)
        # What is the same in all segments stays out of the sum over them, so that another price costs little.
        common = np.full((1, 1), plan.value_factor)
        for path in self._money_paths(plan, by_segment=False):
            common = common * self.scalar(path, 1.0)
        cash = blank(self.samples, self.horizon)
        terms = self.part(("units", name, strategy), lambda: self._valued_units(name, strategy))
        for index, (scale, units) in enumerate(terms):
            if index == 0:
                np.multiply(units, scale * common, out=cash[:, 1:])
            else:
                cash[:, 1:] += units * (scale * common)
        return cash

    def _money_paths(self, plan: OutcomePlan, *, by_segment: bool) -> list[str]:
        """Return the factors of an outcome's money that are given by segment, or those that are not."""
        paths = (
            plan.value_paths if plan.realisation_path is None else (*plan.value_paths, plan.realisation_path)
        )
        return [path for path in paths if bool(self.read("segments of", path)) is by_segment]

    def _valued_units(self, name: str, strategy: str) -> tuple[Term, ...]:
        """Return the units times the factors of their money that are given by segment, as `gained`."""
        paths = self._money_paths(self.outcome_plan(name), by_segment=True)
        return self.gained(name, strategy, [self.by(path, self.segments(name)) for path in paths])

    def _revenue(self, name: str, strategy: str) -> FloatArray | None:
        """Return an outcome's undiscounted revenue; None where its value has no price."""
        path = self.outcome_plan(name).price_path
        if path is None:
            return None
        price = self.by(path, self.segments(name))
        units = self.part(("all units", name, strategy), lambda: self.gained_by_segment(name, strategy))
        return np.broadcast_to((units * price).sum(axis=1), (self.samples,))

    def _flow(self, section: str, name: str, strategy: str) -> FloatArray:
        return self.part(("flow", section, name, strategy), lambda: self._stream(section, name, strategy))

    def _stream(self, section: str, name: str, strategy: str) -> FloatArray:
        item: FlowPlan = self.read(section, name)
        horizon, per = self.horizon, item.per
        monthly = None
        if item.monthly_path is not None:
            monthly = self.scalar(item.monthly_path, 0.0)
            if item.daily:
                monthly = monthly * self.scalar(item.days_path, DAYS_PER_MONTH)
        listed = [self.scalar(path, 0.0) for path in item.month_paths]
        counted = None
        if per is not None:
            counted = self.part(("counted", per, strategy), lambda: self.counted(per, strategy))
        return flow(
            self.samples,
            horizon,
            once=None if item.once_path is None else self.scalar(item.once_path, 0.0),
            at=item.at,
            monthly=monthly,
            listed=np.concatenate(np.broadcast_arrays(*listed), axis=1) if listed else None,
            counted=counted,
            amount=None if item.amount_path is None else self.scalar(item.amount_path, 0.0),
            first=item.first,
            last=item.last,
            growth=None if item.growth_path is None else self.grown(item.growth_path),
        )
