"""What one world is simulated from: plan, fits, elicited draws and volumes, each asked for by name."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from sim.config.plan import OutcomePlan, Plan, VolumePlan
from sim.engine.parts import Key, Parts
from sim.engine.prepare import Prepared
from sim.finance.discount import factors, nominal_rate, real_rate
from sim.records.arrays import Draws, FloatArray
from sim.records.quantity import quoted
from sim.records.summary import ALL
from sim.simulation.draws import Drawn
from sim.simulation.timeline import DAYS_PER_MONTH, growth, season


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


@dataclass(frozen=True, slots=True)
class _Inputs:
    """What a world is made from. It does not know the world, which so goes as soon as nobody needs it."""

    prepared: Prepared
    posteriors: Mapping[str, Draws]
    drawn: Drawn

    def look(self, key: Key) -> Any:
        """Return an input of the simulation; None where there is none of that name."""
        plan, prepared = self.prepared.plan, self.prepared
        match key:
            case ("column", path):
                return self.drawn.columns.get(str(path))
            case ("segments of", path):
                return self.drawn.segments(str(path))
            case ("ranks", path):
                return self.drawn.ranks.get(str(path))
            case ("posterior", name):
                return self.posteriors.get(str(name))
            case (("outcomes" | "volumes" | "benefits" | "costs") as section, name):
                return getattr(plan, str(section)).get(name)
            case (("summaries" | "segments" | "mixes" | "histories") as what, name):
                return getattr(prepared, "volumes" if what == "histories" else str(what)).get(name)
            case ("plan", name):
                return getattr(plan, str(name))
        raise KeyError(key)


class Given:
    """The inputs of one world, each noted where it is asked for (see `Parts`).

    Whatever a part of the simulation depends on is taken from these methods, never from the attributes.

    Parameters
    ----------
    prepared : Prepared
    fits : mapping of str to Draws
        Posterior draws of the fitted outcomes; row i belongs to state i.
    drawn : Drawn
        Elicited quantities.
    like : sequence of Given
        Worlds made before: what rests on the same inputs there is taken over.

    Attributes
    ----------
    steady : bool
        Whether a driver's months differ by one course that all its segments share: see `driver_units`.
    factors : (sample or 1, month 0 … horizon) array
        Discount factors.
    """

    steady = True

    def __init__(
        self, prepared: Prepared, fits: Mapping[str, Draws], drawn: Drawn, like: Sequence[Given] = ()
    ) -> None:
        self.prepared = prepared
        self.plan: Plan = prepared.plan
        self.drawn = drawn
        self.n = self.plan.samples
        inputs = _Inputs(prepared, fits, drawn)
        self.parts: Parts = Parts(inputs.look, [world.parts for world in like])
        self.read, self.part = self.parts.read, self.parts.make
        self.fits = {name: values for name in fits if (values := self.fit(name)) is not None}
        self.factors = self.discounting()

    def fit(self, name: str) -> Draws | None:
        """Return the draws of an outcome's fit, in the order of its correlations; None without one."""
        return self.part(("fit", name), lambda: self._ordered(name))

    def _ordered(self, name: str) -> Draws | None:
        draws: Draws | None = self.read("posterior", name)
        ranks = self.read("ranks", f"{self.outcome_plan(name).path}.effect")
        return draws if draws is None or ranks is None else reordered(draws, ranks)

    def outcome_plan(self, name: str) -> OutcomePlan:
        """Return the plan of one outcome."""
        plan: OutcomePlan = self.read("outcomes", name)
        return plan

    def segments(self, name: str) -> tuple[str, ...]:
        """Return the segments of one outcome."""
        segments: tuple[str, ...] = self.read("segments", name)
        return segments

    @property
    def horizon(self) -> int:
        """Months simulated."""
        return int(self.read("plan", "horizon"))

    @property
    def samples(self) -> int:
        """Joint states."""
        return int(self.read("plan", "samples"))

    def scalar(self, path: str | None, default: float) -> FloatArray:
        """Return the draws of one quantity, (sample, 1) to broadcast over months; default if None.

        What is certain has one row: months are then worked out once, not once for every sample.
        """
        if path is None:
            return np.array([[default]])
        column: FloatArray = self.read("column", path)
        return (column[:1] if column[0] == column[-1] and np.ptp(column) == 0 else column)[:, None]

    def by(self, path: str, segments: Sequence[str]) -> FloatArray:
        """Return a quantity for each of `segments`, (sample, segment)."""
        column = self.read("column", path)
        if column is not None:
            return np.repeat(column[:, None], len(segments), axis=1)
        return np.stack([self.read("column", f"{path}.by.{quoted(s)}") for s in segments], axis=1)

    def discounting(self) -> FloatArray:
        """Return the discount factors, (sample or 1, month 0 … horizon)."""
        return self.part(("discounting",), self._factors)

    def _factors(self) -> FloatArray:
        return factors(self.discount_rates()[:, 0], self.horizon, self.read("plan", "timing"))

    def discount_rates(self) -> FloatArray:
        """Return annual rates in the basis of the cash flows, (sample or 1, 1)."""
        rate = self.scalar(self.read("plan", "discount_path"), 0.0)
        inflation = self.scalar(self.read("plan", "inflation_path"), 0.0)
        convert = self.read("plan", "convert")
        if convert == "to-nominal":
            return nominal_rate(rate, inflation)
        return real_rate(rate, inflation) if convert == "to-real" else rate

    @property
    def discount_rate(self) -> float:
        """Mean annual rate in the basis of the cash flows."""
        return float(self.discount_rates().mean())

    def mix(self, name: str) -> FloatArray:
        """Return the pilot's mix of segments; an `after` outcome has that of the outcome before it."""
        plan, segments = self.outcome_plan(name), self.segments(name)
        if plan.after is not None and self.segments(plan.after) == segments:
            return self.mix(plan.after)
        summary = self.read("summaries", name)
        count = len(segments)
        mix: FloatArray = summary.mix if summary is not None else np.full(count, 1 / count)
        return mix

    def volume_plan(self, name: str) -> VolumePlan:
        """Return the plan of one driver."""
        plan: VolumePlan = self.read("volumes", name)
        return plan

    def spread(self, path: str, segments: tuple[str, ...], mix: FloatArray) -> FloatArray:
        """Return a volume for each segment, (sample or 1, segment): as given, or by the mix."""
        names: tuple[str, ...] = self.read("segments of", path)
        if not names:
            return self.scalar(path, 0.0) * mix[None, :]
        if segments == (ALL,):
            return self.by(path, names).sum(axis=1, keepdims=True)
        columns = [self.by(path, (s,)) if s in names else np.zeros((self.samples, 1)) for s in segments]
        return np.concatenate(columns, axis=1)

    def driver(self, name: str, segments: tuple[str, ...], mix: FloatArray) -> FloatArray:
        """Return a driver's units, (sample or 1, segment, month)."""
        driver = self.volume_plan(name)
        if driver.of is not None and driver.share_path is not None:
            given: tuple[str, ...] = self.read("segments of", driver.share_path)
            if given and segments == (ALL,):
                return self.driver(name, given, np.ones(len(given))).sum(axis=1, keepdims=True)
            base = self.driver(driver.of, segments, mix) * self.by(driver.share_path, segments)[:, :, None]
            return base * self._factor(name)[:, None, :]
        return self.driver_units(name, segments, mix)[:, :, None] * self.course(name)[:, None, :]

    def driver_units(self, name: str, segments: tuple[str, ...], mix: FloatArray) -> FloatArray:
        """Return the factor of a driver's units that its `course` multiplies, (sample or 1, segment)."""
        driver = self.volume_plan(name)
        if driver.of is not None and driver.share_path is not None:
            given: tuple[str, ...] = self.read("segments of", driver.share_path)
            if given and segments == (ALL,):
                return self.driver_units(name, given, np.ones(len(given))).sum(axis=1, keepdims=True)
            return self.driver_units(driver.of, segments, mix) * self.by(driver.share_path, segments)
        if driver.history is not None:
            return mix[None, :]
        if driver.monthly_path is None:
            return np.zeros((1, len(segments)))
        monthly = self.spread(driver.monthly_path, segments, mix)
        return monthly * self.scalar(driver.days_path, DAYS_PER_MONTH) if driver.daily else monthly

    def course(self, name: str) -> FloatArray:
        """Return a driver's course over the months, (sample or 1, month), by which all its units go."""
        return self.part(("course", name), lambda: self._course(self.volume_plan(name)))

    def _course(self, driver: VolumePlan) -> FloatArray:
        if driver.of is not None and driver.share_path is not None:
            return self.course(driver.of) * self._factor(driver.name)
        if driver.history is not None:  # season and growth are in it
            history: FloatArray = self.read("histories", driver.name)
            return history
        if driver.monthly_path is None:
            return np.zeros((1, self.horizon))
        return self._factor(driver.name)

    def _factor(self, name: str) -> FloatArray:
        """Return season and growth of a driver, (sample or 1, month)."""
        return self.part(("factor", name), lambda: self._season_and_growth(self.volume_plan(name)))

    def _season_and_growth(self, driver: VolumePlan) -> FloatArray:
        start = self.read("plan", "start")
        factor = season(driver.seasonality, start.month if start else 1, self.horizon)
        if driver.growth_path is None:
            return factor
        grown = self.grown(driver.growth_path)
        return factor * grown if driver.seasonality else grown

    def grown(self, path: str) -> FloatArray:
        """Return the factor by which something has grown, (sample or 1, month)."""
        return self.part(("growth", path), lambda: growth(self.scalar(path, 0.0), self.horizon))
