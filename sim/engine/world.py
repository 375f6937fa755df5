"""One strategy in every state of the world: levels, exposures, projections and cash."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from sim.config.plan import FlowPlan, OutcomePlan, Plan, Reference
from sim.engine.prepare import Prepared
from sim.finance.discount import factors, nominal_rate, real_rate
from sim.records.arrays import Draws, FloatArray
from sim.records.projection import ArmState, Exposure, Projection, Reach
from sim.records.summary import ALL
from sim.simulation.cashflow import Ledger, flow
from sim.simulation.draws import Drawn
from sim.simulation.timeline import DAYS_PER_MONTH, growth, reach, season


@dataclass(frozen=True, slots=True)
class OutcomeState:
    """One outcome of one strategy.

    Parameters
    ----------
    control, treated : ArmState
    weights : (sample or 1, segment) array
        Share of each segment in the pooled figures.
    projection : Projection or None
        None for an outcome without a volume.
    cash : (sample, month 0 … horizon) array or None
        None for a KPI.
    revenue : (sample,) array or None
        Undiscounted revenue, where the value has a price.
    """

    plan: OutcomePlan
    segments: tuple[str, ...]
    control: ArmState
    treated: ArmState
    weights: FloatArray
    projection: Projection | None
    cash: FloatArray | None
    revenue: FloatArray | None


@dataclass(frozen=True, slots=True)
class Strategy:
    """Everything that investing in one treated arm brings and costs."""

    name: str
    outcomes: Mapping[str, OutcomeState]
    ledger: Ledger
    benefit: FloatArray
    cost: FloatArray
    factors: FloatArray


def reordered(draws: Draws, ranks: FloatArray) -> Draws:
    """Return whole posterior rows in the order of `ranks`, the row of least relative effect at the lowest.

    Parameters
    ----------
    draws : Draws
        Of an outcome with a control arm; the effect is the mean of its treated over its control levels.
    ranks : (sample,) array
    """
    level = draws["level"]
    control = level[:, 0].mean(axis=1)
    rows = np.argsort(level[:, 1:].mean(axis=(1, 2)) / np.where(control == 0, 1.0, control))
    order = rows[np.argsort(np.argsort(ranks))]
    return {name: values[order] for name, values in draws.items()}


class World:
    """Joint states of the world, from which every strategy is simulated.

    Parameters
    ----------
    prepared : Prepared
    fits : mapping of str to Draws
        Posterior draws of the fitted outcomes; row i belongs to state i.
    drawn : Drawn
        Elicited quantities.
    """

    def __init__(self, prepared: Prepared, fits: Mapping[str, Draws], drawn: Drawn) -> None:
        self.prepared = prepared
        self.plan: Plan = prepared.plan
        self.drawn = drawn
        self.n = self.plan.samples
        self.fits = {
            name: reordered(draws, drawn.ranks[path])
            if (path := f"{self.plan.outcomes[name].path}.effect") in drawn.ranks
            else draws
            for name, draws in fits.items()
        }
        self.factors = factors(self._discount_rate()[:, 0], self.plan.horizon, self.plan.timing)

    def _discount_rate(self) -> FloatArray:
        rate = self.drawn.scalar(self.plan.discount_path, 0.0)
        inflation = self.drawn.scalar(self.plan.inflation_path, 0.0)
        if self.plan.convert == "to-nominal":
            return nominal_rate(rate, inflation)
        return real_rate(rate, inflation) if self.plan.convert == "to-real" else rate

    @property
    def discount_rate(self) -> float:
        """Mean annual rate in the basis of the cash flows."""
        return float(self._discount_rate().mean())

    def strategy(self, name: str) -> Strategy:
        """Simulate investing in the treated arm `name`."""
        states: dict[str, OutcomeState] = {}
        for outcome in self.plan.outcomes:
            self._outcome(outcome, name, states)
        benefits = {s.plan.path: s.cash for s in states.values() if s.cash is not None}
        for item in self.plan.benefits.values():
            if item.arm in (None, name):
                benefits[item.path] = self._flow(item, states)
        costs = {
            item.path: self._flow(item, states)
            for item in self.plan.costs.values()
            if item.arm in (None, name)
        }
        ledger = Ledger(benefits, costs)
        shape = (self.n, self.plan.horizon + 1)
        ordered = {outcome: states[outcome] for outcome in self.plan.outcomes}
        return Strategy(
            name, ordered, ledger, ledger.total("benefit", shape), ledger.total("cost", shape), self.factors
        )

    def _outcome(self, name: str, strategy: str, states: dict[str, OutcomeState]) -> OutcomeState:
        """Simulate an outcome after those it builds on."""
        if name in states:
            return states[name]
        plan = self.plan.outcomes[name]
        segments = self.prepared.segments[name]
        control, treated = self._arms(plan, strategy, segments)
        if plan.volume is None:
            states[name] = OutcomeState(
                plan, segments, control, treated, self._mix(name)[None, :], None, None, None
            )
            return states[name]
        exposure = self._exposure(plan, strategy, segments, states)
        projection = plan.model.project(
            control,
            treated,
            exposure,
            self._reach(plan),
            better=plan.better,
            summary=self.prepared.summaries.get(name),
            options=self._options(plan),
        )
        cash = self._cash(plan, projection, segments)
        revenue = None
        if plan.price_path is not None:
            price = self.drawn.by(plan.price_path, segments)
            revenue = self._rows((projection.units.sum(axis=2) * price).sum(axis=1))
        weights = self._mix(name)[None, :] if plan.kpi else self._weights(exposure, name)
        states[name] = OutcomeState(plan, segments, control, treated, weights, projection, cash, revenue)
        return states[name]

    def _options(self, plan: OutcomePlan) -> Mapping[str, Any]:
        options = dict(plan.data.options) if plan.data else {}
        mix = self.prepared.mixes.get(plan.name)
        return options if mix is None else {**options, "tenure_mix": mix}

    def _rows(self, values: FloatArray) -> FloatArray:
        """Return one value per sample also where all are the same."""
        return np.broadcast_to(values, (self.n, *values.shape[1:]))

    def _arms(self, plan: OutcomePlan, strategy: str, segments: Sequence[str]) -> tuple[ArmState, ArmState]:
        """Return control and treated state from the fit, from elicited levels, or from both."""
        draws = self.fits.get(plan.name)
        summary = self.prepared.summaries.get(plan.name)
        if plan.control_path is not None:
            control = ArmState(self.drawn.by(plan.control_path, segments))
        else:
            assert draws is not None  # noqa: S101  # resolve() leaves no other source
            control = ArmState(draws["level"][:, 0, :], draws, 0)
        if plan.treated_path is not None:
            return control, ArmState(self.drawn.by(plan.treated_path, segments))
        if plan.effect_path is not None:
            effect = self.drawn.by(plan.effect_path, segments)
            level = control.level * (1 + effect)
            if plan.model.level == "share":
                level = np.clip(level, 0.0, 1.0)
            return control, ArmState(level, control.draws, control.arm, effect)
        assert draws is not None  # noqa: S101
        assert summary is not None  # noqa: S101
        arm = summary.arms.index(strategy) if strategy in summary.arms else len(summary.arms) - 1
        return control, ArmState(draws["level"][:, arm, :], draws, arm)

    def _mix(self, name: str) -> FloatArray:
        """Return the pilot's mix of segments; an `after` outcome has that of the outcome before it."""
        plan = self.plan.outcomes[name]
        if plan.after is not None and self.prepared.segments[plan.after] == self.prepared.segments[name]:
            return self._mix(plan.after)
        summary = self.prepared.summaries.get(name)
        count = len(self.prepared.segments[name])
        return summary.mix if summary is not None else np.full(count, 1 / count)

    def _weights(self, exposure: Exposure, name: str) -> FloatArray:
        """Return each segment's share of the discounted rollout volume."""
        volume = np.asarray(np.einsum("ist,it->is", *self._same_rows(exposure.control)))
        if exposure.stock is not None:
            volume = volume + exposure.stock
        total = volume.sum(axis=1, keepdims=True)
        return np.where(total > 0, volume / np.where(total > 0, total, 1.0), self._mix(name)[None, :])

    def _same_rows(self, volume: FloatArray) -> tuple[FloatArray, FloatArray]:
        rows = max(volume.shape[0], self.factors.shape[0])
        by_month = self.factors[:, 1:]
        return (
            np.broadcast_to(volume, (rows, *volume.shape[1:])),
            np.broadcast_to(by_month, (rows, by_month.shape[1])),
        )

    def _reach(self, plan: OutcomePlan) -> Reach:
        rollout = plan.rollout
        return reach(
            self.plan.horizon,
            delay=self.drawn.scalar(rollout.delay_path, 0.0),
            ramp=self.drawn.scalar(rollout.ramp_path, 0.0),
            shape=rollout.ramp_shape,
            half_life=None
            if rollout.half_life_path is None
            else self.drawn.scalar(rollout.half_life_path, 1.0),
            transfer=self.drawn.scalar(rollout.transfer_path, 1.0),
            ends=rollout.ends,
        )

    def _exposure(
        self, plan: OutcomePlan, strategy: str, segments: tuple[str, ...], states: dict[str, OutcomeState]
    ) -> Exposure:
        """Return the units that meet the outcome: a driver, a funnel's last stage, or what is left over."""
        assert plan.volume is not None  # noqa: S101  # the caller has looked
        if plan.after is not None:
            earlier = self._outcome(plan.after, strategy, states)
            assert earlier.projection is not None  # noqa: S101  # same volume as this one
            before = self._exposure(earlier.plan, strategy, earlier.segments, states)
            left = before.treated - earlier.projection.treated_total
            left = self._aligned(left, earlier.segments, segments, plan.name)
            return Exposure(left, left)
        if plan.volume.kind == "successes":
            stage = self._outcome(plan.volume.name, strategy, states)
            assert stage.projection is not None  # noqa: S101  # a stage has a volume
            return Exposure(
                self._aligned(stage.projection.control_total, stage.segments, segments, plan.name),
                self._aligned(stage.projection.treated_total, stage.segments, segments, plan.name),
            )
        mix = self._mix(plan.name)
        units = self._driver(plan.volume.name, segments, mix)
        stock_path = self.plan.volumes[plan.volume.name].stock_path
        stock = None if stock_path is None else self._spread(stock_path, segments, mix)
        return Exposure(units, units, stock)

    def _aligned(
        self, values: FloatArray, given: tuple[str, ...], wanted: tuple[str, ...], name: str
    ) -> FloatArray:
        if given == wanted:
            return values
        if wanted == (ALL,):
            return values.sum(axis=1, keepdims=True)
        return values * self._mix(name)[None, :, None]

    def _spread(self, path: str, segments: tuple[str, ...], mix: FloatArray) -> FloatArray:
        """Return a volume for each segment, (sample or 1, segment): as given, or by the mix."""
        names = self.drawn.segments(path)
        if not names:
            return self.drawn.scalar(path, 0.0) * mix[None, :]
        if segments == (ALL,):
            return self.drawn.by(path, names).sum(axis=1, keepdims=True)
        columns = [self.drawn.by(path, (s,)) if s in names else np.zeros((self.n, 1)) for s in segments]
        return np.concatenate(columns, axis=1)

    def _driver(self, name: str, segments: tuple[str, ...], mix: FloatArray) -> FloatArray:
        """Return a driver's units, (sample or 1, segment, month)."""
        driver = self.plan.volumes[name]
        horizon = self.plan.horizon
        if driver.of is not None and driver.share_path is not None:
            given = self.drawn.segments(driver.share_path)
            if given and segments == (ALL,):
                return self._driver(name, given, np.ones(len(given))).sum(axis=1, keepdims=True)
            share = self.drawn.by(driver.share_path, segments)
            base = self._driver(driver.of, segments, mix) * share[:, :, None]
        elif driver.history is not None:  # season and growth are in it
            return self.prepared.volumes[name][:, None, :] * mix[None, :, None]
        elif driver.monthly_path is not None:
            monthly = self._spread(driver.monthly_path, segments, mix)
            if driver.daily:
                monthly = monthly * self.drawn.scalar(driver.days_path, DAYS_PER_MONTH)
            base = np.repeat(monthly[:, :, None], horizon, axis=2)
        else:
            return np.zeros((1, len(segments), horizon))
        month = self.plan.start.month if self.plan.start else 1
        factor = season(driver.seasonality, month, horizon)
        if driver.growth_path is not None:
            factor = factor * growth(self.drawn.scalar(driver.growth_path, 0.0), horizon)
        return base * factor[:, None, :]

    def _cash(
        self, plan: OutcomePlan, projection: Projection, segments: tuple[str, ...]
    ) -> FloatArray | None:
        if plan.kpi:
            return None
        value = np.full((1, len(segments)), plan.value_factor)
        for path in plan.value_paths:
            value = value * self.drawn.by(path, segments)
        if plan.realisation_path is not None:
            value = value * self.drawn.by(plan.realisation_path, segments)
        cash = np.zeros((self.n, self.plan.horizon + 1))
        cash[:, 1:] = (projection.units * value[:, :, None]).sum(axis=1)
        return cash

    def _flow(self, item: FlowPlan, states: Mapping[str, OutcomeState]) -> FloatArray:
        horizon = self.plan.horizon
        monthly = None
        if item.monthly_path is not None:
            monthly = self.drawn.scalar(item.monthly_path, 0.0)
            if item.daily:
                monthly = monthly * self.drawn.scalar(item.days_path, DAYS_PER_MONTH)
        listed = [self.drawn.scalar(path, 0.0) for path in item.month_paths]
        return flow(
            self.n,
            horizon,
            once=None if item.once_path is None else self.drawn.scalar(item.once_path, 0.0),
            at=item.at,
            monthly=monthly,
            listed=np.concatenate(listed, axis=1) if listed else None,
            counted=None if item.per is None else self._counted(item.per, states),
            amount=None if item.amount_path is None else self.drawn.scalar(item.amount_path, 0.0),
            first=item.first,
            last=item.last,
            growth=None
            if item.growth_path is None
            else growth(self.drawn.scalar(item.growth_path, 0.0), horizon),
        )

    def _counted(self, per: Reference, states: Mapping[str, OutcomeState]) -> FloatArray:
        """Return the units that a per-unit price counts, (sample or 1, month)."""
        if per.kind == "volume":
            return self._driver(per.name, (ALL,), np.ones(1)).sum(axis=1)
        if per.kind == "successes":
            projection = states[per.name].projection
            assert projection is not None  # noqa: S101  # resolve() refuses successes without a volume
            return projection.served.sum(axis=1)
        living = [
            state.projection.living
            for state in states.values()
            if state.plan.volume == Reference("volume", per.name) and state.projection is not None
        ]
        return next(values.sum(axis=1) for values in living if values is not None)
