"""Conversion: how often a trial succeeds.

Trials and successes by cell and segment are sufficient. With the linear predictor of `_predictor` on the
logit scale::

    successes[c, s] ~ Binomial(trials[c, s], expit(eta[c, s]))

The log-likelihood is written as sum(y * eta - n * softplus(eta)), which costs the same for a thousand and
for a billion trials. `level` is the rate, `effect` the log odds ratio.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
from scipy.special import expit, logit

from sim.contract import EffectPrior, Predictive, Priors, Ratio
from sim.language import N_, phrase
from sim.records.arrays import Draws, FloatArray
from sim.records.check import Check
from sim.records.columns import Column, ColumnSet, Rule, Table
from sim.records.summary import PilotSummary

from . import _predictor
from ._groups import Groups, column, labels, total
from ._joined import added
from ._rate import RateLike

if TYPE_CHECKING:
    import pymc

FEW = 5


def _aggregate_totals(table: Table, by: Sequence[str], _options: Mapping[str, Any]) -> Table:
    return table.group_by(list(by)).agg(trials=table.trials.sum(), successes=table.successes.sum())


def _aggregate_rows(table: Table, by: Sequence[str], _options: Mapping[str, Any]) -> Table:
    return table.group_by(list(by)).agg(
        trials=table.outcome.count(), successes=table.outcome.cast("int64").sum()
    )


def _condense(groups: Groups, shape: tuple[int, int], _options: Mapping[str, Any]) -> dict[str, FloatArray]:
    return {name: total(groups, column(groups, name), shape) for name in ("trials", "successes")}


def _effect_prior(prior: EffectPrior | None, rate: float) -> tuple[float, float]:
    """Mean and sd of delta: the 5 and 95 % points of the relative change, taken to log odds at `rate`.

    A change that would lift the rate beyond 1 is cut where a twentieth of the gap to 1 is left.
    """
    if prior is None:
        return _predictor.EFFECT_PRIOR
    mean, sd = prior.log_ratio
    z = 1.6448536269514722
    highest = 1 - (1 - rate) / 20
    low, high = (
        float(logit(min(rate * np.exp(mean + side * z * sd), highest)) - logit(rate)) for side in (-1, 1)
    )
    return (low + high) / 2, max((high - low) / (2 * z), 1e-3)


class Conversion(RateLike):
    """The `OutcomeModel` of rates; see the module for its likelihood and prior."""

    name = "conversion"
    title = "how often a trial succeeds: conversion, click, resolution, escalation"
    unit = N_("success")
    better: Literal["higher", "lower"] = "higher"
    units: tuple[str, ...] = ()
    level: Literal["share", "positive", "real"] = "share"
    counts: Literal["successes", "customers", "amounts"] = "successes"
    saves = False
    effect_scale = "the rate"
    priors = Priors
    totals: tuple[str, ...] = ("trials", "successes")
    column_sets: tuple[ColumnSet, ...] = (
        ColumnSet(
            columns=(
                Column("trials", "count", "how often it was tried"),
                Column("successes", "count", "how many of the trials succeeded"),
            ),
            aggregate=_aggregate_totals,
            condense=_condense,
            rows=False,
            rules=(
                Rule(
                    lambda table: table.successes > table.trials,
                    ("trials", "successes"),
                    "more successes than trials",
                    "successes between 0 and trials",
                ),
            ),
        ),
        ColumnSet(
            columns=(Column("outcome", "flag", "whether the trial of this row succeeded"),),
            aggregate=_aggregate_rows,
            condense=_condense,
            rows=True,
        ),
    )

    def size(self, statistics: Mapping[str, FloatArray]) -> FloatArray:
        """Trials per (cell, segment)."""
        return statistics["trials"]

    def ratio(self, statistics: Mapping[str, FloatArray]) -> Ratio:
        """Successes over trials; a trial varies by p (1 - p), p with one pseudo-trial at the pooled rate."""
        n, y = statistics["trials"], statistics["successes"]
        pooled = (y.sum() + 0.5) / (n.sum() + 1)
        rate = (y + pooled) / (n + 1)
        return Ratio(y, n, rate * (1 - rate))

    def joined(
        self, statistics: Mapping[str, FloatArray], more: Mapping[str, FloatArray]
    ) -> dict[str, FloatArray]:
        """Totals of both are added; what is no total stays as it was."""
        return added(statistics, more, self.totals)

    def check(self, summary: PilotSummary, *, stock: bool) -> tuple[Check, ...]:
        """Warn of arms with too few successes or failures to say much."""
        trials, successes = (summary.statistics[name].sum(axis=1) for name in ("trials", "successes"))
        found = []
        for arm, n, y in zip(summary.cells, trials, successes, strict=True):
            if n == 0:
                message = phrase("arm '{arm}' has no trials", arm=arm)
                found.append(Check("empty-arm", "fail", message, N_("check the labels under `arm`")))
            elif min(y, n - y) < FEW:
                message = phrase(
                    "arm '{arm}' has only {y:g} successes in {n:g} trials; the prior weighs in",
                    arm=arm,
                    y=float(y),
                    n=float(n),
                )
                if n - y < y:
                    message = phrase(
                        "arm '{arm}' has only {y:g} failures in {n:g} trials; the prior weighs in",
                        arm=arm,
                        y=float(n - y),
                        n=float(n),
                    )
                remedy = N_("run the pilot longer, or state what is believed under `prior.effect`")
                found.append(Check("few-events", "warn", message, remedy))
        return tuple(found)

    def data(self, summary: PilotSummary, priors: Priors) -> dict[str, FloatArray]:
        """Arrays that `build` reads as ``pm.Data``.

        The rough rate of a cell adds one pseudo-trial at the pooled rate p0, which stays sensible for
        rare events where adding a half does not: logit((y + p0) / (n + 1)).
        """
        n, y = (summary.statistics[name] * summary.weight for name in ("trials", "successes"))
        pooled = (y.sum() + 0.5) / (n.sum() + 1)
        rough = logit((y + pooled) / (n + 1))
        variance = 1 / (y + pooled) + 1 / (n - y + 1 - pooled)
        effect = _effect_prior(priors.effect, float(pooled))
        m0, link = float(logit(pooled)), _predictor.LOGIT
        arrays = _predictor.coordinates(summary, rough, variance, n, m0, effect, link=link)
        return arrays | {"trials": n, "successes": y}

    def build(self, summary: PilotSummary, priors: Priors) -> pymc.Model:
        """Return the PyMC model: ``level`` is the rate (arm, segment), ``effect`` the log odds ratio."""
        import pymc as pm
        import pytensor.tensor as pt

        opened, data = _predictor.model(summary, self.data(summary, priors))
        with opened:
            eta = _predictor.predict(data, summary)
            likelihood = data["successes"] * eta.cells - data["trials"] * pt.softplus(eta.cells)
            pm.Potential("likelihood", likelihood.sum())
            pm.Deterministic("level", pm.math.sigmoid(eta.arms), dims=("arm", "segment"))
            _predictor.keep_fitted(summary, "fitted", pm.math.sigmoid(eta.cells))
        return opened

    def prior(self, summary: PilotSummary, priors: Priors, n: int, *, rng: np.random.Generator) -> Draws:
        """Draws of rate and effect from the prior that `build` states."""
        arrays = self.data(summary, priors)
        draws = _predictor.prior(arrays, summary, n, rng)
        cells, arms = draws.pop("cells"), draws.pop("arms")
        return _predictor.with_fitted(summary, {"level": expit(arms), **draws}, "fitted", expit(cells))

    def simulate(
        self, draws: Draws, summary: PilotSummary, *, rng: np.random.Generator
    ) -> dict[str, FloatArray]:
        """One pilot per draw with the trials of `summary`: successes ~ Binomial(trials, level)."""
        rate = _predictor.fitted(draws)
        trials = np.broadcast_to(summary.statistics["trials"], rate.shape)
        drawn = rng.binomial(trials.astype(np.int64), rate)
        return {"trials": trials.copy(), "successes": drawn.astype(np.float64)}

    def predictive(self, draws: Draws, summary: PilotSummary, *, rng: np.random.Generator) -> Predictive:
        """Successes of each cell against replicated ones."""
        replicated = self.simulate(draws, summary, rng=rng)["successes"]
        observed = summary.statistics["successes"].ravel()
        return Predictive(
            observed,
            replicated.reshape(len(replicated), -1),
            labels(summary.cells, summary.segments),
            N_("successes"),
        )


MODEL = Conversion()
