"""Count: events per unit of exposure, such as contacts per customer and month or repeat purchases.

Unit i of cell c and segment s has exposure x[i] and events v[i]; with the linear predictor of `_predictor`
on the log scale::

    v[i] ~ NegativeBinomial(mean = x[i] * exp(eta[c, s]), variance = mean + kappa[c] * mean²)

    kappa[c] = sd² * exp(sum_k column[k, c] * ratio[k])     sd ~ HalfNormal(1)     ratio[k] ~ N(0, 0.6)

kappa is the squared coefficient of variation of the rate between units; `_spread` tells the columns. `level`
is the rate per unit of exposure, `effect` its log ratio, `dispersion` is kappa. The likelihood and the
statistics are those of `_counts`; the negative binomial with exposure is that of Cameron & Trivedi (2013,
Regression Analysis of Count Data, doi:10.1017/CBO9781139013567).

**Totals.** Where nearly every cell is a single row of totals nothing tells how much units differ. kappa is 0
then (the Poisson), with a warning: the interval is too narrow if few units make many of the events.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Literal

import numpy as np

from sim.contract import Predictive, Priors, Ratio
from sim.language import N_, phrase
from sim.records.arrays import Draws, FloatArray
from sim.records.check import Check
from sim.records.columns import Column, ColumnSet, Rule
from sim.records.summary import PilotSummary

from . import _predictor, _spread
from ._counts import (
    TINY,
    aggregate,
    condense,
    freedom,
    joined,
    log_likelihood,
    overdispersion,
    replay,
    tails,
    thinned,
)
from ._groups import labels
from ._rate import RateLike

if TYPE_CHECKING:
    import pymc

FEW = 5
"""Events in an arm below which its rate is hardly known."""
LEAST_FREEDOM = 10
"""Units beyond the first of each cell from which overdispersion is fitted."""
RATIO_SD = 0.6
_REPLAYS = 400


class Count(RateLike):
    """The `OutcomeModel` of events per exposure; see the module for its likelihood and prior."""

    name = "count"
    title = "events per unit of exposure: contacts per customer, repeat purchases, sessions"
    unit = N_("event per exposure")
    better: Literal["higher", "lower"] = "higher"
    units: tuple[str, ...] = ()
    level: Literal["share", "positive", "real"] = "positive"
    counts: Literal["successes", "customers", "amounts"] = "amounts"
    saves = False
    effect_scale = "the rate per exposure"
    priors = Priors
    totals: tuple[str, ...] = ("units", "events", "histogram")
    column_sets: tuple[ColumnSet, ...] = (
        ColumnSet(
            columns=(Column("events", "count", "how many events this unit had; zero is allowed"),),
            aggregate=aggregate,
            condense=condense,
            rows=True,
        ),
        ColumnSet(
            columns=(
                Column("events", "count", "how many events this unit, or all units of the row, had"),
                Column("exposure", "amount", "its exposure: customer-months, visits, hours"),
            ),
            aggregate=aggregate,
            condense=condense,
            rows=False,
            rules=(
                Rule(
                    lambda table: (table.exposure == 0) & (table.events > 0),
                    ("events", "exposure"),
                    "events without exposure",
                    "an exposure above 0 wherever there are events",
                ),
            ),
        ),
    )

    def size(self, statistics: Mapping[str, FloatArray]) -> FloatArray:
        """Units per (cell, segment), shared out by exposure: the mix of a rollout is one of exposure."""
        exposure = statistics["units"] @ statistics["exposure"]
        whole = exposure.sum()
        return exposure * (statistics["units"].sum() / whole if whole > 0 else 0.0)

    def ratio(self, statistics: Mapping[str, FloatArray]) -> Ratio:
        """Events over exposure; a unit of exposure varies by rate + kappa rate² Σx²/Σx."""
        x, units = statistics["exposure"], statistics["units"]
        events, exposure = statistics["events"].sum(axis=-1), units @ x
        pooled = (events.sum() + 0.5) / max(exposure.sum(), TINY)
        rate = (events + 0.5) / (exposure + 0.5 / pooled)
        uneven = (units @ x**2) / np.where(exposure > 0, exposure, 1.0)
        return Ratio(events, exposure, rate + overdispersion(statistics) * rate**2 * uneven)

    def joined(
        self, statistics: Mapping[str, FloatArray], more: Mapping[str, FloatArray]
    ) -> dict[str, FloatArray]:
        """Add units; where rows of units tell overdispersion, totals join with the weight it leaves them."""
        if freedom(statistics["units"]) < LEAST_FREEDOM:
            return joined(statistics, more)
        found = self.ratio(statistics)
        rate = np.where(found.mean > 0, found.mean, 1.0)
        excess = np.maximum(np.where(found.mean > 0, found.variance / rate, 1.0), 1.0)
        return joined(statistics, thinned(more, excess, float(statistics["exposure"][0])))

    def check(self, summary: PilotSummary, *, stock: bool) -> tuple[Check, ...]:
        """Warn of arms that say little, and of totals that hide how much units differ."""
        statistics = summary.statistics
        events = statistics["events"].sum(axis=(1, 2))
        exposure = (statistics["units"] @ statistics["exposure"]).sum(axis=1)
        found = []
        for arm, v, x in zip(summary.cells, events, exposure, strict=True):
            if x == 0:
                message = phrase("arm '{arm}' has no exposure", arm=arm)
                found.append(Check("empty-arm", "fail", message, N_("check the labels under `arm`")))
            elif v < FEW:
                message = phrase(
                    "arm '{arm}' has only {v:g} events in {x:g} of exposure; the prior weighs in",
                    arm=arm,
                    v=float(v),
                    x=float(x),
                )
                remedy = N_("run the pilot longer, or state what is believed under `prior.effect`")
                found.append(Check("few-events", "warn", message, remedy))
        if not self._learnt(summary):
            message = phrase(
                "{rows:g} rows cannot tell how much units differ, so events are taken as Poisson: "
                "the interval is too narrow if few units make many of the events",
                rows=float(statistics["units"].sum()),
            )
            remedy = N_("give one row per unit (customer, agent), with its events and exposure")
            found.append(Check("totals-only", "warn", message, remedy))
        return tuple(found)

    def _learnt(self, summary: PilotSummary) -> bool:
        """Whether the rows can tell overdispersion."""
        return freedom(summary.statistics["units"]) >= LEAST_FREEDOM

    def data(self, summary: PilotSummary, priors: Priors) -> dict[str, FloatArray]:
        """Arrays that `build` reads as ``pm.Data``; half an event at the pooled rate goes to rough rates."""
        statistics = summary.statistics
        units, events, histogram = (
            statistics[name] * summary.weight[:, :, None] for name in ("units", "events", "histogram")
        )
        x = statistics["exposure"]
        total, exposure = events.sum(axis=2), units @ x
        pooled = (total.sum() + 0.5) / max(exposure.sum(), TINY)
        more = exposure + 0.5 / pooled
        learnt = self._learnt(summary)
        kappa = overdispersion(statistics) if learnt else 0.0
        variance = 1 / (total + 0.5) + kappa * (units @ x**2) / more**2
        effect = _predictor.EFFECT_PRIOR if priors.effect is None else priors.effect.log_ratio
        arrays = _predictor.coordinates(
            summary,
            np.log((total + 0.5) / more),
            variance,
            exposure,
            float(np.log(pooled)),
            effect,
            link=_predictor.LOG,
        )
        tail, beyond, value = tails(histogram.sum(axis=1), statistics["value"])
        arrays |= {"tail": tail, "beyond": beyond, "value": value, "units": units, "events": events}
        arrays |= {"exposure": x, "learnt": np.asarray(float(learnt))}
        if len(summary.arms) > 1:
            arrays["column"] = _spread.columns(summary, exposure)[0]
        return arrays

    def build(self, summary: PilotSummary, priors: Priors) -> pymc.Model:
        """Return the PyMC model: ``level`` is the rate (arm, segment), ``effect`` the log ratio."""
        import pymc as pm

        opened, data = _predictor.model(summary, self.data(summary, priors))
        with opened:
            eta = _predictor.predict(data, summary)
            # Of either sign: the square has no edge at 0, where near-Poisson pilots end up.
            sd = pm.Normal("_sd", 0.0, 1.0)
            if "column" in data:
                ratio = pm.Normal("_ratio", 0.0, RATIO_SD, dims="treated")
                spread = _spread.logs(0.0, ratio, data["column"])
            else:
                spread = np.zeros(1)
            kappa = data["learnt"] * sd**2 * pm.math.exp(spread) + TINY
            pm.Potential("likelihood", log_likelihood(data, eta.cells, kappa))
            pm.Deterministic("level", pm.math.exp(eta.arms), dims=("arm", "segment"))
            pm.Deterministic("dispersion", kappa, dims=_cells(summary))
            _predictor.keep_fitted(summary, "fitted", pm.math.exp(eta.cells))
        return opened

    def prior(self, summary: PilotSummary, priors: Priors, n: int, *, rng: np.random.Generator) -> Draws:
        """Draws of rate, effect and dispersion from the prior that `build` states."""
        arrays = self.data(summary, priors)
        draws = _predictor.prior(arrays, summary, n, rng)
        cells, arms = draws.pop("cells"), draws.pop("arms")
        spread = np.zeros((n, 1))
        variance = rng.standard_normal(n)[:, None] ** 2
        if "column" in arrays:
            ratio = RATIO_SD * rng.standard_normal((n, len(summary.arms) - 1))
            spread = _spread.logs(spread, ratio, arrays["column"])
        draws["dispersion"] = arrays["learnt"] * variance * np.exp(spread) + TINY
        return _predictor.with_fitted(summary, {"level": np.exp(arms), **draws}, "fitted", np.exp(cells))

    def simulate(
        self, draws: Draws, summary: PilotSummary, *, rng: np.random.Generator
    ) -> dict[str, FloatArray]:
        """One pilot per draw with the units and exposures of `summary`."""
        return replay(_predictor.fitted(draws), draws["dispersion"], summary.statistics, rng=rng)

    def means(self, draws: Draws, summary: PilotSummary, *, rng: np.random.Generator) -> FloatArray:
        """Events per exposure in one pilot per draw: units of one exposure make a gamma-Poisson total."""
        units, x = summary.statistics["units"], summary.statistics["exposure"]
        kappa = draws["dispersion"][:, :, None, None]
        rate = kappa * rng.standard_gamma(units / kappa) * _predictor.fitted(draws)[..., None] * x
        exposure = units @ x
        means: FloatArray = rng.poisson(rate).sum(axis=-1) / np.where(exposure > 0, exposure, 1.0)
        return means

    def predictive(self, draws: Draws, summary: PilotSummary, *, rng: np.random.Generator) -> Predictive:
        """Events of each cell, and units without any, against those of up to 400 replays."""
        thin = {name: values[:: max(1, len(values) // _REPLAYS)] for name, values in draws.items()}
        made = self.simulate(thin, summary, rng=rng)

        def shown(statistics: Mapping[str, FloatArray]) -> FloatArray:
            zeros = statistics["histogram"] * (statistics["value"] == 0)[..., None, None, :]
            parts = statistics["events"].sum(axis=-1), zeros.sum(axis=-1)
            return np.concatenate([part.reshape(*part.shape[:-2], -1) for part in parts], axis=-1)

        named = labels(summary.cells, summary.segments)
        words = (*named, *(f"{name}, without" for name in named))
        if not self._learnt(summary):
            words = named
        kept = slice(len(words))
        return Predictive(
            shown(summary.statistics)[kept], shown(made)[:, kept], words, N_("events, and units without any")
        )


def _cells(summary: PilotSummary) -> tuple[str, ...]:
    return ("cell",) if _predictor.differ(summary) else ("arm",)


MODEL = Count()
