"""One strategy in every state of the world: levels, exposures, projections and cash."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

import numpy as np

from sim.config.plan import FlowPlan, OutcomePlan, Reference
from sim.engine.given import Given
from sim.records.arrays import FloatArray
from sim.records.projection import ArmState, Exposure, Projection, Reach
from sim.records.summary import ALL
from sim.simulation.cashflow import Ledger, flow, total
from sim.simulation.timeline import DAYS_PER_MONTH, growth, reach


@dataclass(frozen=True, slots=True)
class OutcomeState:
    """One outcome of one strategy.

    Parameters
    ----------
    control, treated : ArmState
    projection : Projection or None
        None for an outcome without a volume.
    cash : (sample, month 0 … horizon) array or None
        None for a KPI.
    revenue : (sample,) array or None
        Undiscounted revenue, where the value has a price.
    weigh : callable
        Computes `weights`, which only summaries need.
    """

    plan: OutcomePlan
    segments: tuple[str, ...]
    control: ArmState
    treated: ArmState
    projection: Projection | None
    cash: FloatArray | None
    revenue: FloatArray | None
    weigh: Callable[[], FloatArray]

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


class World(Given):
    """Joint states of the world, from which every strategy is simulated."""

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
        control, treated = self._arms(name, strategy)
        acts = plan.volume is not None
        return OutcomeState(
            plan,
            self.segments(name),
            control,
            treated,
            self.projection(name, strategy) if acts else None,
            None if plan.kpi else self.part(("cash", *key), lambda: self._cash(name, strategy)),
            self.part(("revenue", *key), lambda: self._revenue(name, strategy)) if acts else None,
            lambda: self.part(("weights", *key), lambda: self._weights(name, strategy)),
        )

    def projection(self, name: str, strategy: str) -> Projection:
        """Return the units of an outcome with a volume, by month, under one strategy."""
        return self.part(("projection", name, strategy), lambda: self._project(name, strategy))

    def _project(self, name: str, strategy: str) -> Projection:
        plan = self.outcome_plan(name)
        control, treated = self._arms(name, strategy)
        options = dict(plan.data.options) if plan.data else {}
        mix = self.read("mixes", name)
        return plan.model.project(
            control,
            treated,
            self.exposure(name, strategy),
            self.reach(name),
            better=plan.better,
            summary=self.read("summaries", name),
            options=options if mix is None else {**options, "tenure_mix": mix},
        )

    def _arms(self, name: str, strategy: str) -> tuple[ArmState, ArmState]:
        """Return control and treated state from the fit, from elicited levels, or from both."""
        return self.part(("arms", name, strategy), lambda: self._levels(name, strategy))

    def _levels(self, name: str, strategy: str) -> tuple[ArmState, ArmState]:
        plan, segments = self.outcome_plan(name), self.segments(name)
        draws = self.fit(name)
        summary = self.read("summaries", name)
        if plan.control_path is not None:
            control = ArmState(self.by(plan.control_path, segments))
        else:
            assert draws is not None  # noqa: S101  # resolve() leaves no other source
            control = ArmState(draws["level"][:, 0, :], draws, 0)
        if plan.treated_path is not None:
            return control, ArmState(self.by(plan.treated_path, segments))
        if plan.effect_path is not None:
            effect = self.by(plan.effect_path, segments)
            level = control.level * (1 + effect)
            if plan.model.level == "share":
                level = np.clip(level, 0.0, 1.0)
            return control, ArmState(level, control.draws, control.arm, effect)
        assert draws is not None  # noqa: S101
        assert summary is not None  # noqa: S101
        arm = summary.arms.index(strategy) if strategy in summary.arms else len(summary.arms) - 1
        return control, ArmState(draws["level"][:, arm, :], draws, arm)

    def _weights(self, name: str, strategy: str) -> FloatArray:
        """Return each segment's share of the discounted rollout volume; a KPI has the pilot's mix."""
        plan = self.outcome_plan(name)
        if plan.kpi or plan.volume is None:
            return self.mix(name)[None, :]
        exposure = self.exposure(name, strategy)
        volume = np.asarray(np.einsum("ist,it->is", *self._same_rows(exposure.control)))
        if exposure.stock is not None:
            volume = volume + exposure.stock
        whole = volume.sum(axis=1, keepdims=True)
        return np.where(whole > 0, volume / np.where(whole > 0, whole, 1.0), self.mix(name)[None, :])

    def _same_rows(self, volume: FloatArray) -> tuple[FloatArray, FloatArray]:
        by_month: FloatArray = self.read("factors")[:, 1:]
        rows = max(volume.shape[0], by_month.shape[0])
        return (
            np.broadcast_to(volume, (rows, *volume.shape[1:])),
            np.broadcast_to(by_month, (rows, by_month.shape[1])),
        )

    def reach(self, name: str) -> Reach:
        """Return how much of an outcome's effect arrives, month by month."""
        rollout = self.outcome_plan(name).rollout
        return reach(
            self.horizon,
            delay=self.scalar(rollout.delay_path, 0.0),
            ramp=self.scalar(rollout.ramp_path, 0.0),
            shape=rollout.ramp_shape,
            half_life=None if rollout.half_life_path is None else self.scalar(rollout.half_life_path, 1.0),
            transfer=self.scalar(rollout.transfer_path, 1.0),
            ends=rollout.ends,
        )

    def exposure(self, name: str, strategy: str) -> Exposure:
        """Return the units that meet an outcome: a driver, a funnel's last stage, or what is left over."""
        return self.part(("exposure", name, strategy), lambda: self._exposed(name, strategy))

    def _exposed(self, name: str, strategy: str) -> Exposure:
        plan, segments = self.outcome_plan(name), self.segments(name)
        assert plan.volume is not None  # noqa: S101  # the caller has looked
        if plan.after is not None:
            before, taken = self.exposure(plan.after, strategy), self.projection(plan.after, strategy)
            left = before.treated - taken.treated_total
            left = self._aligned(left, self.segments(plan.after), segments, name)
            return Exposure(left, left)
        if plan.volume.kind == "successes":
            stage, given = self.projection(plan.volume.name, strategy), self.segments(plan.volume.name)
            return Exposure(
                self._aligned(stage.control_total, given, segments, name),
                self._aligned(stage.treated_total, given, segments, name),
            )
        mix = self.mix(name)
        units = self.driver(plan.volume.name, segments, mix)
        stock_path = self.volume_plan(plan.volume.name).stock_path
        stock = None if stock_path is None else self.spread(stock_path, segments, mix)
        return Exposure(units, units, stock)

    def _aligned(
        self, values: FloatArray, given: tuple[str, ...], wanted: tuple[str, ...], name: str
    ) -> FloatArray:
        if given == wanted:
            return values
        if wanted == (ALL,):
            return values.sum(axis=1, keepdims=True)
        return values * self.mix(name)[None, :, None]

    def _cash(self, name: str, strategy: str) -> FloatArray:
        """Return an outcome's money by month, (sample, month 0 … horizon)."""
        plan = self.outcome_plan(name)
        # What is the same in all segments stays out of the sum over them, so that another price costs little.
        common = np.full((1, 1), plan.value_factor)
        for path in self._money_paths(plan, by_segment=False):
            common = common * self.scalar(path, 1.0)
        units = self.part(("units", name, strategy), lambda: self._valued_units(name, strategy))
        cash = np.zeros((self.samples, self.horizon + 1))
        cash[:, 1:] = units * common
        return cash

    def _money_paths(self, plan: OutcomePlan, *, by_segment: bool) -> list[str]:
        """Return the factors of an outcome's money that are given by segment, or those that are not."""
        paths = (
            plan.value_paths if plan.realisation_path is None else (*plan.value_paths, plan.realisation_path)
        )
        return [path for path in paths if bool(self.read("segments of", path)) is by_segment]

    def _valued_units(self, name: str, strategy: str) -> FloatArray:
        """Return the units times the factors of their money that are given by segment, (sample, month)."""
        units = self.projection(name, strategy).units
        for path in self._money_paths(self.outcome_plan(name), by_segment=True):
            units = units * self.by(path, self.segments(name))[:, :, None]
        return units.sum(axis=1)

    def _revenue(self, name: str, strategy: str) -> FloatArray | None:
        """Return an outcome's undiscounted revenue; None where its value has no price."""
        path = self.outcome_plan(name).price_path
        if path is None:
            return None
        price = self.by(path, self.segments(name))
        units = self.part(
            ("all units", name, strategy), lambda: self.projection(name, strategy).units.sum(axis=2)
        )
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
            counted = self.part(("counted", per, strategy), lambda: self._counted(per, strategy))
        return flow(
            self.samples,
            horizon,
            once=None if item.once_path is None else self.scalar(item.once_path, 0.0),
            at=item.at,
            monthly=monthly,
            listed=np.concatenate(listed, axis=1) if listed else None,
            counted=counted,
            amount=None if item.amount_path is None else self.scalar(item.amount_path, 0.0),
            first=item.first,
            last=item.last,
            growth=None if item.growth_path is None else growth(self.scalar(item.growth_path, 0.0), horizon),
        )

    def _counted(self, per: Reference, strategy: str) -> FloatArray:
        """Return the units that a per-unit price counts, (sample or 1, month)."""
        if per.kind == "volume":
            return self.driver(per.name, (ALL,), np.ones(1)).sum(axis=1)
        if per.kind == "successes":
            return self.projection(per.name, strategy).served.sum(axis=1)
        living = (
            self.projection(name, strategy).living
            for name, plan in self.read("plan", "outcomes").items()
            if plan.volume == Reference("volume", per.name)
        )
        return next(values.sum(axis=1) for values in living if values is not None)
