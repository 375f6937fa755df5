"""Churn: how the monthly risk of leaving depends on tenure, and what lowers it.

Discrete-time survival on counts. For r customers of cell c at risk in period t of tenure, d of whom leave::

    Λ[c, s, t] = exp(shift[c, s]) * (H0(t) - H0(t - 1))
    log-likelihood = sum d log(1 - exp(-Λ)) - (r - d) Λ

H0 is the cumulative hazard of a beta-discrete-Weibull (`_tail`), shared by all cells; `shift` moves it
proportionally through the complementary log-log link, so `effect` is a log hazard ratio as in Cox's model
(Prentice & Gloeckler 1978, doi:10.2307/2529588) whatever the tail. On top of the predictor of `_predictor`::

    log_odds ~ N(m0, 1.5)   k ~ HalfNormal(1)   log_c ~ N(0, 0.3)
    base[s] ~ N(mean log hazard of H0, base_sd)      (one segment: shift is the contrast alone)

m0 is the log odds of leaving in a period, pooled over the pilot. `level` is the monthly hazard averaged
over the tenures observed in the segment, with the same weights for every arm. `shift` is kept by arm, as
the rollout meets it; where cells are not arms, ``fitted`` holds that of the cells.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
from scipy.special import logit

from sim.contract import Predictive, Priors, Ratio
from sim.language import N_, phrase
from sim.records.arrays import Draws, FloatArray
from sim.records.check import Check
from sim.records.columns import ColumnSet
from sim.records.projection import ArmState, Exposure, Projection, Reach
from sim.records.summary import PilotSummary

from . import _lifetime, _predictor, _replicate
from ._cohorts import follow, stock_mix
from ._joined import added
from ._rate import simulated_means
from ._tail import gains, powered, rough_fit
from ._tenure import COLUMN_SETS, DAYS, unit

if TYPE_CHECKING:
    import pymc

K_SD, LOG_C_SD = 1.0, 0.3
FEW = 5


class Churn:
    """The `OutcomeModel` of customers who leave; see the module for its likelihood and prior."""

    name = "churn"
    title = "how long customers stay: churn, retention, lifetime"
    unit = N_("customer-month kept")
    better: Literal["higher", "lower"] = "lower"
    units: tuple[str, ...] = tuple(DAYS)
    level: Literal["share", "positive", "real"] = "share"
    counts: Literal["successes", "customers", "amounts"] = "customers"
    saves = False
    effect_scale = "the monthly hazard of leaving"
    priors = Priors
    totals: tuple[str, ...] = ("at_risk", "churned", "alive")
    column_sets: tuple[ColumnSet, ...] = COLUMN_SETS

    def size(self, statistics: Mapping[str, FloatArray]) -> FloatArray:
        """Count customers per (cell, segment): those who left and those still there."""
        customers: FloatArray = statistics["churned"].sum(axis=2) + statistics["alive"].sum(axis=2)
        return customers

    def ratio(self, statistics: Mapping[str, FloatArray]) -> Ratio:
        """Return leavers over those expected at the pooled hazard of each period of tenure.

        The mean is a standardised hazard ratio: 1 overall, and no different where only tenures differ.
        """
        at_risk, churned = statistics["at_risk"], statistics["churned"]
        whole = at_risk.sum(axis=(0, 1))
        hazard = churned.sum(axis=(0, 1)) / np.where(whole > 0, whole, 1.0)
        left, expected = churned.sum(axis=2), (at_risk * hazard).sum(axis=2)
        # Binomial, and so below the Poisson variance where many leave in one period.
        spread = (at_risk * (hazard * (1 - hazard))).sum(axis=2)
        pooled, some = spread.sum() / max(expected.sum(), 1e-300), np.where(expected > 0, expected, 1.0)
        variance = np.where(expected > 0, left * spread / some**2, pooled)
        return Ratio(left, expected, variance)

    def joined(
        self, statistics: Mapping[str, FloatArray], more: Mapping[str, FloatArray]
    ) -> dict[str, FloatArray]:
        """Totals of both are added; what is no total stays as it was."""
        return added(statistics, more, self.totals)

    def check(self, summary: PilotSummary, *, stock: bool) -> tuple[Check, ...]:
        """Warn of arms in which hardly anyone left and of a stock that was not seen; tell of other tails."""
        statistics = summary.statistics
        found = []
        for arm, left, at_risk in zip(
            summary.cells,
            statistics["churned"].sum(axis=(1, 2)),
            statistics["at_risk"].sum(axis=(1, 2)),
            strict=True,
        ):
            if at_risk == 0:
                message = phrase("arm '{arm}' has nobody at risk in a whole period of tenure", arm=arm)
                remedy = N_("choose a shorter `unit`, or observe longer")
                found.append(Check("empty-arm", "fail", message, remedy))
            elif left < FEW:
                message = phrase(
                    "only {left:g} customers of arm '{arm}' left; the prior weighs in",
                    left=float(left),
                    arm=arm,
                )
                remedy = N_("observe longer, or state `prior.effect`")
                found.append(Check("few-events", "warn", message, remedy))
        at_risk = statistics["at_risk"].sum(axis=(0, 1))
        alive = statistics["alive"].sum(axis=(0, 1))
        tenures = np.flatnonzero(alive)
        longest = float(tenures.max(initial=0)) * _lifetime.period_months(summary)
        joiners_only = tenures.size <= 1 and not (np.diff(at_risk) > 0).any()
        if stock and (joiners_only or (summary.months is not None and longest <= summary.months + 1)):
            found.append(
                Check(
                    "tenure-mix",
                    "warn",
                    phrase(
                        "the pilot followed joiners only (none for more than {longest:.3g} months), "
                        "so the tenure of the stock is assumed to be theirs",
                        longest=longest,
                    ),
                    N_("include customers of the stock with their `entry` into observation"),
                )
            )
        return (*found, *_lifetime.check(summary))

    def data(self, summary: PilotSummary, priors: Priors) -> dict[str, FloatArray]:
        """Arrays that `build` reads as ``pm.Data``, periods without anyone at risk cut off the end.

        The rough level of a cell compares its leavers with those expected from the pooled hazard by
        tenure, so that a different mix of tenures is no difference of level.
        """
        statistics = summary.statistics
        length = max(int(np.flatnonzero(statistics["at_risk"].sum(axis=(0, 1))).max(initial=0)) + 1, 1)
        seen, independent = statistics["at_risk"][..., :length], summary.weight[..., None]
        r, d = independent * seen, independent * statistics["churned"][..., :length]
        at_risk, left = r.sum(axis=(0, 1)), d.sum(axis=(0, 1))
        pooled = (left.sum() + 0.5) / (at_risk.sum() + 1)
        by_tenure = -np.log1p(-(left + 5 * pooled) / (at_risk + 5))
        expected = ((r - d / 2) * by_tenure).sum(axis=2)
        weight = at_risk / at_risk.sum() if at_risk.sum() > 0 else np.full(length, 1 / length)
        mean_log = float(np.log((weight * by_tenure).sum()))
        rough = mean_log + np.log((d.sum(axis=2) + 0.5) / (expected + 0.5))
        # A leaver tells little about a hazard at which nearly everyone leaves.
        told = (d * by_tenure**2 * np.exp(-by_tenure) / np.expm1(-by_tenure) ** 2).sum(axis=2)
        m0 = float(logit(pooled))
        effect = _predictor.EFFECT_PRIOR if priors.effect is None else priors.effect.log_ratio
        arrays = _predictor.coordinates(
            summary, rough, 1 / (told + 0.5), expected, m0, effect, link=_predictor.LOG
        )
        sds = (_predictor.BASE_SD, K_SD, LOG_C_SD)
        tail = rough_fit(at_risk, left, m0, sds, free_level=len(summary.segments) > 1)
        if len(summary.segments) == 1:
            del tail["tail_log_odds"]
        by_segment, whole = seen.sum(axis=0), seen.sum(axis=(0, 2))[:, None]
        return (
            arrays
            | tail
            | {
                "survived": r - d,
                "churned": d,
                "ends": np.arange(length + 1.0),
                "tenure_weight": weight,
                "level_weight": np.where(whole > 0, by_segment / np.where(whole > 0, whole, 1.0), weight),
                "period_months": np.asarray(_lifetime.period_months(summary)),
            }
        )

    def build(self, summary: PilotSummary, priors: Priors) -> pymc.Model:
        """Return the PyMC model: ``level`` is the mean monthly hazard, ``effect`` the log hazard ratio."""
        import pymc as pm
        import pytensor.tensor as pt

        opened, data = _predictor.model(summary, self.data(summary, priors))
        segments = len(summary.segments)
        with opened:
            k = pm.HalfNormal("k", K_SD)
            mode, of_c = data["tail_mode"], data["tail_log_c"]
            dx = pt.log1p(mode[4] * k) - mode[1]
            log_c = _predictor.members(
                "log_c", mode[2] + of_c[0] + pt.tanh(of_c[1] * dx), of_c[2], 0.0, LOG_C_SD
            )
            time = powered(data["ends"], pm.Deterministic("log_c", log_c), pt)
            # Where log_odds must lie for the mean hazard to be the observed one, given the shape.
            at_mode = pt.log((data["tenure_weight"] * gains(mode[0], k, time, pt)).sum())
            hat, variance = mode[0] + (data["base_hat"] - at_mode) / mode[3], data["base_var"]
            if segments > 1:
                # The levels of the segments are free here, so the shape speaks for itself as well.
                of_odds = data["tail_log_odds"]
                base_sd = pm.HalfNormal("base_sd", _predictor.BASE_SPREAD_SD)
                moved = of_odds[0] + pt.tanh(of_odds[1] * dx + of_odds[2] * (log_c - mode[2]))
                hat = pt.concatenate([hat, (mode[0] + moved)[None]])
                variance = pt.concatenate([variance + base_sd**2, of_odds[3:]])
            log_odds = _predictor.centre("log_odds", hat, variance, data["m0"], _predictor.BASE_SD)
            hazards = gains(pm.Deterministic("log_odds", log_odds), k, time, pt)
            base: Any = 0.0
            if segments > 1:
                mean = pt.log((data["tenure_weight"] * hazards).sum())
                base = _predictor.members(
                    "base", data["base_hat"], data["base_var"], mean, base_sd, dims="segment"
                )
                base = base - mean
            shift = _predictor.contrast(data, summary, base)
            _predictor.keep_fitted(summary, "fitted", shift.cells)
            pm.Deterministic("shift", shift.arms, dims=("arm", "segment"))
            each = pt.exp(shift.cells)[:, :, None] * hazards
            left = data["churned"] * pt.log(-pt.expm1(-each))
            pm.Potential("likelihood", (left - data["survived"] * each).sum())
            monthly = -pt.expm1(-pt.exp(shift.arms)[:, :, None] * hazards / data["period_months"])
            pm.Deterministic("level", (data["level_weight"] * monthly).sum(axis=2), dims=("arm", "segment"))
        return opened

    def prior(self, summary: PilotSummary, priors: Priors, n: int, *, rng: np.random.Generator) -> Draws:
        """Draws of level, effect and tail from the prior that `build` states."""
        arrays = self.data(summary, priors)
        k, log_c = np.abs(K_SD * rng.standard_normal(n)), LOG_C_SD * rng.standard_normal(n)
        log_odds = arrays["m0"] + _predictor.BASE_SD * rng.standard_normal(n)
        draws = {"k": k, "log_c": log_c, "log_odds": log_odds}
        segments, base = len(summary.segments), np.zeros((n, 1))
        if segments > 1:
            draws["base_sd"] = np.abs(_predictor.BASE_SPREAD_SD * rng.standard_normal(n))
            base = draws["base_sd"][:, None] * rng.standard_normal((n, segments))
        drawn = _predictor.prior_contrast(arrays, summary, n, rng, base=base)
        cells, shift = drawn.pop("cells"), drawn.pop("arms")
        hazards = gains(log_odds[:, None], k[:, None], powered(arrays["ends"], log_c[:, None], np), np)
        level = np.empty_like(shift)
        for s, weight in enumerate(arrays["level_weight"]):
            each = np.exp(shift[:, :, s, None]) * hazards[:, None, :]
            level[:, :, s] = -np.expm1(-each / arrays["period_months"]) @ weight
        drawn = draws | drawn | {"shift": shift, "level": level}
        return _predictor.with_fitted(summary, drawn, "fitted", cells)

    def simulate(
        self, draws: Draws, summary: PilotSummary, *, rng: np.random.Generator
    ) -> dict[str, FloatArray]:
        """One pilot per draw: the same customers enter, and stay under observation, as in `summary`."""
        length = summary.statistics["at_risk"].shape[2]
        log_odds, k, log_c = (draws[name][:, None] for name in ("log_odds", "k", "log_c"))
        hazards = gains(log_odds, k, powered(np.arange(length + 1.0), log_c, np), np)
        return _replicate.pilots(
            hazards, _predictor.fitted(draws, shown="shift"), summary.statistics, rng=rng
        )

    def means(self, draws: Draws, summary: PilotSummary, *, rng: np.random.Generator) -> FloatArray:
        """Share of those at risk who leave in one pilot per draw."""
        return simulated_means(self, draws, summary, rng)

    def predictive(self, draws: Draws, summary: PilotSummary, *, rng: np.random.Generator) -> Predictive:
        """Leavers by band of tenure against replicated ones: whether the tail has the right shape."""
        rows = slice(None, None, max(len(draws["k"]) // 1000, 1))
        replicated = self.simulate({n: v[rows] for n, v in draws.items()}, summary, rng=rng)["churned"]
        return _replicate.by_tenure(summary.statistics["churned"], replicated)

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
        """Customer-months kept: the same stock and joiners followed under both arms (see `_cohorts`).

        Totals are customers there at month end; `served` counts those of them under treatment; `survival`
        is the course of a joiner whose whole tenure is under treatment, `control_survival` of one without;
        `unobserved` counts months of tenure after the last at which the pilot had anyone at risk. The
        option ``tenure_mix`` holds the stock by completed periods of tenure. Tenure counted in weeks or years
        is taken to months through the cumulative hazard, which is defined between whole periods too. An
        elicited arm has the same hazard at every tenure.
        """
        months = exposure.control.shape[2]
        per_month = DAYS["month"] / DAYS[unit(options)]
        constant = control.draws is None and treated.draws is None
        segments = exposure.control.shape[1]
        mix, observed = np.ones((1, segments)), None
        if not constant and exposure.stock is not None:
            mix = stock_mix(summary, 1 / per_month, segments, options.get("tenure_mix"))
        if not constant and summary is not None:
            observed = round(_lifetime.pooled(summary)[0].size / per_month)
        tenures = len(mix) + months
        stock = np.zeros((1, segments)) if exposure.stock is None else exposure.stock
        joiners = exposure.control, exposure.treated
        samples = max(len(v) for v in (control.level, treated.level, reach.share, stock, *joiners))
        curve = control.draws or treated.draws  # the arms of a fit share it: they differ in their shift

        def hazards(rows: slice) -> tuple[FloatArray, FloatArray]:
            gained = None if curve is None else _gained(curve, rows, tenures, per_month)
            return _monthly(control, rows, gained), _monthly(treated, rows, gained)

        alive = follow(hazards, samples, reach.share, mix[:, None, :] * stock, joiners, observed)
        kept = alive.treated - alive.control
        late = alive.treated_late - alive.control_late
        return Projection(
            units=kept if better == "lower" else -kept,
            control_total=alive.control,
            treated_total=alive.treated,
            served=alive.treated * reach.adopted[:, None, :],
            living=alive.treated,
            survival=alive.survival,
            control_survival=alive.control_survival,
            unobserved=None if observed is None else late if better == "lower" else -late,
        )


def _some(values: FloatArray, rows: slice) -> FloatArray:
    """Return these samples of a (sample or 1, …) array, samples last."""
    return np.ascontiguousarray((values[rows] if len(values) > 1 else values).T)


def _gained(draws: Draws, rows: slice, months: int, per_month: float) -> FloatArray:
    """Cumulative hazard gained in each month of tenure before any shift, (tenure month, 1, sample or 1)."""
    log_odds, k, log_c = (_some(draws[name], rows)[:, None] for name in ("log_odds", "k", "log_c"))
    time = powered(np.arange(months + 1.0) * per_month, log_c, np)
    by_month: FloatArray = np.ascontiguousarray(gains(log_odds, k, time, np).T)[:, None, :]
    return by_month


def _monthly(state: ArmState, rows: slice, gained: FloatArray | None) -> FloatArray:
    """Monthly hazard of an arm by month of tenure, (tenure month or 1, segment, sample or 1)."""
    if state.draws is None or gained is None:
        return _some(state.level, rows)[None]
    monthly: FloatArray = -np.expm1(-np.exp(_some(state.draws["shift"][:, state.arm, :], rows)) * gained)
    if state.relative is not None:
        monthly = np.clip(monthly * (1 + _some(state.relative, rows)), 0.0, 1.0)
    return monthly


MODEL = Churn()
