"""Cost: the mean of an amount per unit of work, such as minutes, days or money per case.

It is the mean that reaches money, so the likelihood is that of the mean and assumes no family
(quasi-likelihood, Wedderburn 1974, doi:10.1093/biomet/61.3.439)::

    log(mean[c, s]) ~ N(eta[c, s], sqrt(cv²[c, s] / (n[c, s] - 3)))       level = exp(eta)

cv² is the cell's squared coefficient of variation, shrunk to the pooled one with 20 pseudo-observations;
n - 3 instead of n is the price of not knowing it. A gamma is as good where it holds; a lognormal fitted to
gamma amounts is off by 32 to 232 % in the mean while its wide interval still "covers"; under mixtures the
quasi-likelihood is the best of the three. One likelihood without a gate between families is also the
simpler rule. Amounts of zero are part of the mean.

Where only the mean and sd of the logarithms are known, amounts are taken as lognormal; the logarithm of
their mean is then log_mean + log_sd²/2 with variance log_sd²/n + log_sd⁴/(2 (n - 1)) (Cox's method, see
Zhou & Gao 1997, doi:10.1002/(SICI)1097-0258(19970415)16:7<783::AID-SIM488>3.0.CO;2-2), the log-variances
shrunk likewise. Both roads end in an estimate of the log mean and its variance, and share all that follows.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, Literal

import numpy as np

from sim.contract import Predictive, Priors, Ratio
from sim.language import N_, phrase
from sim.records.arrays import Draws, FloatArray
from sim.records.check import Check
from sim.records.columns import Column, ColumnSet, Rule
from sim.records.summary import PilotSummary

from . import _predictor
from ._groups import labels
from ._moments import aggregate_rows, aggregate_totals, condense, joined, log_means, shrunk
from ._rate import RateLike

if TYPE_CHECKING:
    import pymc

FEW = 10
"""Observations below which the mean of a skewed amount is far from normal."""


class Cost(RateLike):
    """The `OutcomeModel` of amounts per unit of work; see the module for its likelihood and prior."""

    name = "cost"
    title = "a positive amount per unit of work: handle time, days to resolution, cost per case"
    unit = N_("unit less per item")
    better: Literal["higher", "lower"] = "lower"
    units: tuple[str, ...] = ()
    level: Literal["share", "positive", "real"] = "positive"
    counts: Literal["successes", "customers", "amounts"] = "amounts"
    saves = True
    effect_scale = "the mean amount"
    priors = Priors
    totals: tuple[str, ...] = ("n", "zeros")
    column_sets: tuple[ColumnSet, ...] = (
        ColumnSet(
            columns=(Column("amount", "amount", "the amount of this unit of work; zero is allowed"),),
            aggregate=aggregate_rows,
            condense=condense,
            rows=True,
        ),
        ColumnSet(
            columns=(
                Column("n", "count", "number of amounts"),
                Column("mean", "amount", "their mean"),
                Column("sd", "amount", "their sample standard deviation"),
                Column("log_mean", "number", "mean of their logarithms", optional=True),
                Column("log_sd", "amount", "standard deviation of their logarithms", optional=True),
            ),
            aggregate=aggregate_totals,
            condense=condense,
            rows=False,
            rules=(
                Rule(
                    lambda table: (table.n > 0) & (table["mean"] == 0) & (table.sd > 0),
                    ("n", "mean", "sd"),
                    "amounts that vary around a mean of 0",
                    "a mean above 0 wherever sd is above 0: amounts are never negative",
                ),
            ),
        ),
        ColumnSet(
            columns=(
                Column("n", "count", "number of amounts"),
                Column("log_mean", "number", "mean of their logarithms"),
                Column("log_sd", "amount", "sample standard deviation of their logarithms"),
            ),
            aggregate=aggregate_totals,
            condense=condense,
            rows=False,
        ),
    )

    def size(self, statistics: Mapping[str, FloatArray]) -> FloatArray:
        """Amounts per (cell, segment)."""
        return statistics["n"]

    def ratio(self, statistics: Mapping[str, FloatArray]) -> Ratio:
        """Total over number of amounts; without their mean, that of a lognormal of the given logarithms."""
        n = statistics["n"]
        if "mean" in statistics:
            mean, squared = statistics["mean"], statistics["sd"] ** 2
        else:
            s2 = shrunk(n, statistics["log_sd"] ** 2, 1.0)
            mean = np.exp(statistics["log_mean"] + s2 / 2)
            squared = mean**2 * np.expm1(s2)
        df = np.maximum(n - 1, 0)
        pooled = (df * squared).sum() / max(df.sum(), 1.0)
        return Ratio(n * mean, n, np.where(n > 1, squared, pooled))

    def joined(
        self, statistics: Mapping[str, FloatArray], more: Mapping[str, FloatArray]
    ) -> dict[str, FloatArray]:
        """Pool n, and mean and sd of amounts and of logarithms as far as both sets tell them."""
        return joined(statistics, more)

    def check(self, summary: PilotSummary, *, stock: bool) -> tuple[Check, ...]:
        """Warn of cells that are too small, without spread, or all zero, and of an assumed family."""
        statistics = summary.statistics
        n = statistics["n"]
        found = []

        def report(where: np.ndarray[Any, Any], name: str, message: str, remedy: str) -> None:
            if where.any():
                cells = labels(summary.cells, summary.segments)
                named = "; ".join(label for label, hit in zip(cells, np.ravel(where), strict=True) if hit)
                found.append(
                    Check(name, "warn", phrase("{told}: {cells}", told=message, cells=named), remedy)
                )

        few = phrase("fewer than {few} amounts", few=FEW)
        report((n > 0) & (n < FEW), "few-amounts", few, N_("run the pilot longer"))
        if "mean" in statistics and not (statistics["mean"] > 0).any():
            remedy = N_("check the column under `amount`: a relative effect needs amounts above 0")
            found.append(Check("only-zeros", "fail", N_("every amount of the pilot is 0"), remedy))
        elif "mean" in statistics:
            zero = (n > 0) & (statistics["mean"] == 0)
            report(zero, "only-zeros", N_("every amount is 0"), N_("check the column under `amount`"))
            fixed = (n > 1) & (statistics["sd"] == 0) & ~zero
            told = N_("amounts do not vary at all")
            report(fixed, "no-spread", told, N_("check that they were measured"))
            tail = np.where(n > 0, statistics["sd"], 0) > np.sqrt(np.maximum(n, 1)) * statistics["mean"] / 3
            report(
                tail & ~zero & (n >= FEW),
                "heavy-tail",
                N_("a few large amounts decide the mean"),
                N_("see their source"),
            )
        else:
            found.append(
                Check(
                    "assumed-lognormal",
                    "note",
                    N_("only logarithms are given, so amounts are taken as lognormal to reach their mean"),
                    N_("give `mean` and `sd` as well, and no family is assumed"),
                )
            )
        return tuple(found)

    def data(self, summary: PilotSummary, priors: Priors) -> dict[str, FloatArray]:
        """Arrays that `build` reads as ``pm.Data``; the rough estimates are the likelihood's own."""
        n = summary.statistics["n"]
        estimate, variance = log_means(summary.statistics)
        variance = variance / summary.weight
        precision = 1 / variance
        m0 = float(np.log((n * np.exp(estimate)).sum() / max(n.sum(), 1.0)))
        rough = np.where(n > 0, estimate, m0)
        effect = _predictor.EFFECT_PRIOR if priors.effect is None else priors.effect.log_ratio
        variance, link = np.minimum(variance, 100.0), _predictor.LOG
        arrays = _predictor.coordinates(summary, rough, variance, n, m0, effect, link=link)
        return arrays | {"log_mean": rough, "precision": precision}

    def build(self, summary: PilotSummary, priors: Priors) -> pymc.Model:
        """Return the PyMC model: ``level`` is the mean amount (arm, segment), ``effect`` the log ratio."""
        import pymc as pm

        opened, data = _predictor.model(summary, self.data(summary, priors))
        with opened:
            eta = _predictor.predict(data, summary)
            apart = data["log_mean"] - eta.cells
            pm.Potential("likelihood", (-0.5 * data["precision"] * apart**2).sum())
            pm.Deterministic("level", pm.math.exp(eta.arms), dims=("arm", "segment"))
            _predictor.keep_fitted(summary, "fitted", pm.math.exp(eta.cells))
        return opened

    def prior(self, summary: PilotSummary, priors: Priors, n: int, *, rng: np.random.Generator) -> Draws:
        """Draws of mean amount and effect from the prior that `build` states."""
        arrays = self.data(summary, priors)
        draws = _predictor.prior(arrays, summary, n, rng)
        cells, arms = draws.pop("cells"), draws.pop("arms")
        return _predictor.with_fitted(summary, {"level": np.exp(arms), **draws}, "fitted", np.exp(cells))

    def simulate(
        self, draws: Draws, summary: PilotSummary, *, rng: np.random.Generator
    ) -> dict[str, FloatArray]:
        """One pilot per draw with the n of `summary`, its spread as observed.

        Means are those of gamma amounts (lognormal ones where only logarithms are known) with the cell's
        coefficient of variation; standard deviations vary as those of normal amounts.
        """
        statistics, level = summary.statistics, _predictor.fitted(draws)
        n = statistics["n"]
        some = np.maximum(n, 1)
        wobble = np.sqrt(rng.chisquare(np.maximum(some - 1, 1), level.shape) / np.maximum(some - 1, 1))
        made: dict[str, FloatArray] = {"n": np.broadcast_to(n, level.shape).copy()}
        if "mean" not in statistics:
            s = np.sqrt(shrunk(n, statistics["log_sd"] ** 2, 1.0))
            noise = rng.standard_normal(level.shape) * s / np.sqrt(some)
            return made | {"log_mean": np.log(level) - s**2 / 2 + noise, "log_sd": s * wobble}
        mean = np.where(statistics["mean"] > 0, statistics["mean"], 1.0)
        cv2 = shrunk(np.where(statistics["mean"] > 0, n, 0), (statistics["sd"] / mean) ** 2, 1.0)
        shape = some / cv2
        return made | {
            "mean": level * rng.gamma(shape, 1 / shape, level.shape),
            "sd": level * np.sqrt(cv2) * wobble,
        }

    def predictive(self, draws: Draws, summary: PilotSummary, *, rng: np.random.Generator) -> Predictive:
        """Mean of each cell (of the logarithms, where only those are known) against replicated ones."""
        statistic = "mean" if "mean" in summary.statistics else "log_mean"
        seen = summary.statistics["n"].ravel() > 0
        replicated = self.simulate(draws, summary, rng=rng)[statistic].reshape(len(draws["level"]), -1)
        named = labels(summary.cells, summary.segments)
        return Predictive(
            summary.statistics[statistic].ravel()[seen],
            replicated[:, seen],
            tuple(name for name, hit in zip(named, seen, strict=True) if hit),
            N_("mean amount") if statistic == "mean" else N_("mean log amount"),
        )


MODEL = Cost()
