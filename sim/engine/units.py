"""What an outcome brings in units, month by month, in every state of the world."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from sim.config.plan import Reference
from sim.engine.given import Given
from sim.records.arrays import FloatArray
from sim.records.projection import ArmState, Exposure, Projection, Reach
from sim.records.summary import ALL
from sim.simulation.timeline import reach

type Term = tuple[FloatArray, FloatArray]
"""Units by segment, (sample or 1, segment), and their course over the months, (sample or 1, month)."""


class Units(Given):
    """Levels, exposures and projections of outcomes.

    A projection holds every segment and month, which is a lot where both are many. Where the volume of an
    outcome is a sum of a few terms, each units by segment times one course over the months, and its model
    has no memory, money needs less: what a month at full reach brings, over all segments, times course and
    reach.
    """

    def projection(self, name: str, strategy: str) -> Projection:
        """Return the units of an outcome with a volume, by month, under one strategy."""
        return self.part(("projection", name, strategy), lambda: self._project(name, strategy))

    def _project(self, name: str, strategy: str) -> Projection:
        return self._projected(name, strategy, self.exposure(name, strategy), self.reach(name))

    def _projected(self, name: str, strategy: str, exposure: Exposure, reach: Reach) -> Projection:
        plan = self.outcome_plan(name)
        control, treated = self.arms(name, strategy)
        options = dict(plan.data.options) if plan.data else {}
        mix = self.read("mixes", name)
        return plan.model.project(
            control,
            treated,
            exposure,
            reach,
            better=plan.better,
            summary=self.read("summaries", name),
            options=options if mix is None else {**options, "tenure_mix": mix},
        )

    def gained(self, name: str, strategy: str, factors: Sequence[FloatArray] = ()) -> tuple[Term, ...]:
        """Return the units of improvement over all segments: the sum of terms (sample or 1, 1) × (…, month).

        Parameters
        ----------
        name, strategy : str
        factors : sequence of (sample or 1, segment) arrays
            By which each segment's units are multiplied first.
        """
        if not self._memoryless(name):
            units = self.projection(name, strategy).units
            for factor in factors:
                units = units * factor[:, :, None]
            return ((np.ones((1, 1)), units.sum(axis=1)),)
        found = []
        for month, shape in zip(self._months(name, strategy), self._shapes(name, strategy), strict=True):
            units = month.units[:, :, 0]
            for factor in factors:
                units = units * factor
            found.append((units.sum(axis=1, keepdims=True), shape))
        return tuple(found)

    def gained_by_segment(self, name: str, strategy: str) -> FloatArray:
        """Return the units of improvement over all months, (sample or 1, segment)."""
        if not self._memoryless(name):
            return self.projection(name, strategy).units.sum(axis=2)
        each = zip(self._months(name, strategy), self._shapes(name, strategy), strict=True)
        first, *more = (month.units[:, :, 0] * shape.sum(axis=1, keepdims=True) for month, shape in each)
        return sum(more, start=first)

    def _memoryless(self, name: str) -> bool:
        """Tell whether one month, times the volume's course, tells all that is needed of an outcome."""
        if not self.in_terms(name) or self.outcome_plan(name).model.counts == "customers":
            return False
        successes, others = Reference("successes", name), self.read("plan", "outcomes").values()
        return all(other.volume != successes for other in others)  # a funnel needs every month

    def in_terms(self, name: str) -> bool:
        """Tell whether the volume of an outcome is a sum of terms: see `volume`."""
        plan = self.outcome_plan(name)
        if not self.steady or plan.volume is None or plan.volume.kind == "successes":
            return False
        return plan.after is None or self._memoryless(plan.after)

    def volume(self, name: str, strategy: str) -> tuple[Term, ...]:
        """Return an outcome's volume as terms: its driver, or what the outcome before it leaves over."""
        return self.part(("volume", name, strategy), lambda: self._terms(name, strategy))

    def _terms(self, name: str, strategy: str) -> tuple[Term, ...]:
        plan, segments = self.outcome_plan(name), self.segments(name)
        assert plan.volume is not None  # noqa: S101  # the caller has looked
        if plan.after is None:
            driver = plan.volume.name
            return ((self.driver_units(driver, segments, self.mix(name)), self.course(driver)),)
        before, found = plan.after, []
        share = self.reach(before).share
        for term, none, whole in zip(
            self.volume(before, strategy),
            self._months(before, strategy, kept=0.0),
            self._months(before, strategy),
            strict=True,
        ):
            # What is taken is linear in the reach: without it as under control, and more with it.
            left = term[0][:, :, None] - none.treated_total
            taken = whole.treated_total - none.treated_total
            for units, course in ((left, term[1]), (-taken, term[1] * share)):
                found.append((self._aligned(units, self.segments(before), segments, name)[:, :, 0], course))
        return tuple(found)

    def _months(self, name: str, strategy: str, kept: float = 1.0) -> tuple[Projection, ...]:
        """Return what a month of each term brings, all of it reached and `kept` of the effect left."""

        def build() -> tuple[Projection, ...]:
            reach = Reach(np.ones((1, 1)), np.full((1, 1), kept))
            months = (units[:, :, None] for units, _ in self.volume(name, strategy))
            return tuple(self._projected(name, strategy, Exposure(u, u), reach) for u in months)

        return self.part(("months", name, strategy, kept), build)

    def _shapes(self, name: str, strategy: str) -> tuple[FloatArray, ...]:
        """Return course times reach for each term, (sample or 1, month)."""

        def build() -> tuple[FloatArray, ...]:
            plan, share = self.outcome_plan(name), self.reach(name).share
            if plan.volume is not None and plan.after is None:  # whatever its units are
                return (self.course(plan.volume.name) * share,)
            return tuple(course * share for _, course in self.volume(name, strategy))

        return self.part(("shapes", name, strategy), build)

    def counted(self, per: Reference, strategy: str) -> FloatArray:
        """Return the units that a per-unit price counts, (sample or 1, month)."""
        if per.kind == "volume":
            return self.driver(per.name, (ALL,), np.ones(1))[:, 0]
        if per.kind == "successes":
            return self._served(per.name, strategy)
        living = (
            self.projection(name, strategy).living
            for name, plan in self.read("plan", "outcomes").items()
            if plan.volume == Reference("volume", per.name)
        )
        return next(values.sum(axis=1) for values in living if values is not None)

    def _served(self, name: str, strategy: str) -> FloatArray:
        """Return the successes of the part of the volume under treatment, (sample or 1, month)."""
        if not self._memoryless(name):
            return self.projection(name, strategy).served.sum(axis=1)
        arrives, served = self.reach(name), np.zeros((1, self.horizon))
        for (_, course), none, whole in zip(
            self.volume(name, strategy),
            self._months(name, strategy, kept=0.0),
            self._months(name, strategy),
            strict=True,
        ):
            # Linear in what is kept of the effect: from none of it to all.
            least, most = none.served.sum(axis=1), whole.served.sum(axis=1)
            served = served + course * arrives.adopted * (least + arrives.kept * (most - least))
        return served

    def arms(self, name: str, strategy: str) -> tuple[ArmState, ArmState]:
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

    def reach(self, name: str) -> Reach:
        """Return how much of an outcome's effect arrives, month by month."""
        rollout = self.outcome_plan(name).rollout

        def build() -> Reach:
            fades = rollout.half_life_path is not None
            return reach(
                self.horizon,
                delay=self.scalar(rollout.delay_path, 0.0),
                ramp=self.scalar(rollout.ramp_path, 0.0),
                shape=rollout.ramp_shape,
                half_life=self.scalar(rollout.half_life_path, 1.0) if fades else None,
                transfer=self.scalar(rollout.transfer_path, 1.0),
                ends=rollout.ends,
            )

        return self.part(("reach", rollout), build)  # outcomes may share one

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
        units = self.driver(plan.volume.name, segments, self.mix(name))
        return Exposure(units, units, self.stock(name))

    def stock(self, name: str) -> FloatArray | None:
        """Return the customers that an outcome meets at the start, (sample or 1, segment)."""
        plan = self.outcome_plan(name)
        assert plan.volume is not None  # noqa: S101  # the caller has looked
        path = self.volume_plan(plan.volume.name).stock_path
        return None if path is None else self.spread(path, self.segments(name), self.mix(name))

    def _aligned(
        self, values: FloatArray, given: tuple[str, ...], wanted: tuple[str, ...], name: str
    ) -> FloatArray:
        if given == wanted:
            return values
        if wanted == (ALL,):
            return values.sum(axis=1, keepdims=True)
        return values * self.mix(name)[None, :, None]
