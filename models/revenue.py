"""Revenue: what a trial brings in, where most bring nothing and a few bring much.

A hurdle in front of lognormal amounts, on sufficient statistics (see `_hurdle`), by cell c and segment s::

    payers[c, s] ~ Binomial(trials[c, s], p[c, s])             logit p = pay predictor
    log amount   ~ N(m[c, s], sigma[c])                        m + sigma² / 2 = amount predictor
    level = p · exp(m + sigma² / 2)                            the mean per trial, zeros in

Both predictors are those of `_predictor`, with its priors: ``pay_effect`` is the log odds ratio of paying,
``effect`` the log ratio of the mean amount per payer. Putting the predictor on the log of the *mean* amount
rather than on m keeps the expected level finite: its prior is normal, so its posterior has normal tails,
whereas E exp(m + sigma²/2) is infinite for a diffuse sigma (Fabrizi & Trivisano 2012,
doi:10.1214/12-BA733), and a sigma that differs between arms does not pass for an effect. The log-sd is
pooled between cells, and shared by the segments of a cell::

    log sigma[c] = m0 + N(0, 0.5) + sum_k (1[c = k] - n[k]/n) · N(0, 0.3)

**A prior on the effect** is one on the relative change of the mean per trial. Its log ratio M ± S holds both
parts. Unasked, both are N(0, 0.5), so the change of the mean is N(0, 0.71) and on average half of a change
lies in the share that pays. With a prior the change of the mean is N(M, S) instead, and given the change
the two parts keep that relation: log ratio of paying | change ~ N(change / 2, 0.35). Centre and variance
are so split between the parts; that of the amounts is stated given the other one, and their sum is exact
in a pilot of one segment. On the logit scale the ratio of paying is divided by 1 - p at the pooled rate.

**Drift** of a before-after pilot is that of the mean per trial and is carried by the amounts.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Literal

import numpy as np
from scipy.special import expit, logit, ndtri

from sim.contract import EffectPrior, Predictive, Priors, Ratio
from sim.language import N_, phrase
from sim.records.arrays import Draws, FloatArray
from sim.records.check import Check
from sim.records.columns import ColumnSet
from sim.records.summary import PilotSummary

from . import _heavy, _predictor
from ._groups import labels
from ._hurdle import ROWS, TOTALS, floored, joined, mean_amounts, ratio, spread
from ._rate import RateLike, simulated_means

if TYPE_CHECKING:
    import pymc

FEW = 20
"""Payers below which an arm's log-sd, and with it its mean, is mostly the prior's."""
SIGMA_SD, SIGMA_GAP_SD = 0.5, 0.3
PAY = "pay_"


def _split(prior: EffectPrior | None, rate: float) -> tuple[tuple[float, float], FloatArray]:
    """Prior of the pay effect on the logit scale, and ``(at, slope, sd)`` of the amount effect.

    The amount effect is N(at + slope · g, sd) where g is the log ratio of paying. See the module.
    """
    own = _predictor.EFFECT_PRIOR[1]
    if prior is None:
        return _predictor.EFFECT_PRIOR, np.array([0.0, 0.0, own])
    mean, sd = prior.log_ratio
    apart = own / np.sqrt(2)
    pay_sd = np.hypot(sd / 2, apart)
    slope = sd**2 / 2 / pay_sd**2
    left = max(1 - rate, 0.05)
    rest = np.array([mean - slope * mean / 2, slope - 1, sd * apart / pay_sd])
    return (mean / 2 / left, float(pay_sd / left)), rest


class Revenue(RateLike):
    """The `OutcomeModel` of money per trial; see the module for its likelihood and prior."""

    name = "revenue"
    title = "money per trial, mostly nothing: revenue per visitor, donation per letter, order value"
    unit = N_("currency unit")
    better: Literal["higher", "lower"] = "higher"
    units: tuple[str, ...] = ()
    level: Literal["share", "positive", "real"] = "positive"
    counts: Literal["successes", "customers", "amounts"] = "amounts"
    saves = False
    effect_scale = "the mean per trial"
    priors = Priors
    totals: tuple[str, ...] = ("trials", "payers", "log_squares", "squares")
    column_sets: tuple[ColumnSet, ...] = (ROWS, TOTALS)

    def size(self, statistics: Mapping[str, FloatArray]) -> FloatArray:
        """Trials per (cell, segment)."""
        return statistics["trials"]

    def ratio(self, statistics: Mapping[str, FloatArray]) -> Ratio:
        """Revenue over trials; without totals, that of lognormal amounts with the given logarithms."""
        return ratio(statistics)

    def joined(
        self, statistics: Mapping[str, FloatArray], more: Mapping[str, FloatArray]
    ) -> dict[str, FloatArray]:
        """Pool trials, payers and the moments that both tell; the largest amounts are then unknown."""
        return joined(statistics, more)

    def check(self, summary: PilotSummary, *, stock: bool) -> tuple[Check, ...]:
        """Refuse arms without payers; warn of few payers and of amounts that are not lognormal."""
        trials, payers = (summary.statistics[name].sum(axis=1) for name in ("trials", "payers"))
        found = []
        for arm, n, paid in zip(summary.cells, trials, payers, strict=True):
            if n == 0:
                message = phrase("arm '{arm}' has no trials", arm=arm)
                found.append(Check("empty-arm", "fail", message, N_("check the labels under `arm`")))
            elif paid == 0:
                message = phrase(
                    "nobody paid in arm '{arm}' ({n:g} trials), so its mean cannot be estimated",
                    arm=arm,
                    n=float(n),
                )
                remedy = N_("run the pilot longer; or take the share that pays as a `conversion` outcome")
                found.append(Check("no-payers", "fail", message, remedy))
            elif paid < FEW:
                message = phrase(
                    "arm '{arm}' has only {paid:g} payers in {n:g} trials; the prior weighs in",
                    arm=arm,
                    paid=float(paid),
                    n=float(n),
                )
                remedy = N_("run the pilot longer, or state what is believed under `prior.effect`")
                found.append(Check("few-payers", "warn", message, remedy))
        return (*found, *_heavy.check(summary, FEW // 2))

    def data(self, summary: PilotSummary, priors: Priors) -> dict[str, FloatArray]:
        """Arrays that `build` reads as ``pm.Data``.

        The rough rate of paying adds one pseudo-trial at the pooled rate; the rough mean amount is the
        lognormal one with the cell's variance.
        """
        n, y, squares = (summary.statistics[k] * summary.weight for k in ("trials", "payers", "log_squares"))
        log_mean, squares = summary.statistics["log_mean"], floored(y, squares)
        pooled = (y.sum() + 0.5) / (n.sum() + 1)
        pay_effect, rest = _split(priors.effect, float(pooled))
        arrays = _predictor.coordinates(
            summary,
            logit((y + pooled) / (n + 1)),
            1 / (y + pooled) + 1 / (n - y + 1 - pooled),
            n,
            float(logit(pooled)),
            pay_effect,
            link=None,
            prefix=PAY,
        )
        cells, whole = spread(y, squares)
        s2 = cells[:, None]
        estimate = np.where(y > 0, log_mean + s2 / 2, -np.inf)
        top = estimate.max() if y.any() else 0.0
        m0 = float(top + np.log((y * np.exp(estimate - top)).sum() / y.sum())) if y.any() else 0.0
        rough, some = np.where(y > 0, estimate, m0), np.where(y > 0, y, 1.0)
        variance = np.where(y > 0, s2 / some + s2**2 / (2 * (y.sum(axis=1, keepdims=True) + 1)), 100.0)
        effect = (float(rest[0]), float(rest[2]))
        arrays |= _predictor.coordinates(summary, rough, variance, y, m0, effect, link=_predictor.LOG)
        if "effect_prior" in arrays:
            arrays["follow"] = rest[1:2]
            arrays["mix"] = summary.mix
        return arrays | {
            "trials": n,
            "payers": y,
            "log_mean": log_mean,
            "log_squares": squares,
            "sigma_m0": np.asarray(np.log(whole) / 2),
            "sigma_design": _sigma_design(y.sum(axis=1)),
        }

    def build(self, summary: PilotSummary, priors: Priors) -> pymc.Model:
        """Return the PyMC model: ``level`` the mean per trial, ``pay`` the share that pays (arm, segment)."""
        import pymc as pm
        import pytensor.tensor as pt

        opened, data = _predictor.model(summary, self.data(summary, priors))
        with opened:
            pay = _predictor.predict(data, summary, prefix=PAY)
            rate = pm.math.sigmoid(pay.arms)
            placed = dict(data)
            if "follow" in data:
                log_rate = -pt.softplus(-pay.arms)
                gained = ((log_rate[1:] - log_rate[:1]) * data["mix"]).sum(axis=1)
                at = data["effect_prior"][0] + data["follow"][0] * gained
                placed["effect_prior"] = (at, data["effect_prior"][1])
            eta = _predictor.predict(placed, summary)
            z = pm.Normal("_sigma", shape=len(summary.cells))
            log_sigma = data["sigma_m0"] + (data["sigma_design"] * z).sum(axis=1)
            dims = ("cell",) if _predictor.differ(summary) else ("arm",)
            variance = pm.Deterministic("sigma", pt.exp(log_sigma), dims=dims)[:, None] ** 2
            pm.Potential(
                "paying", (data["payers"] * pay.cells - data["trials"] * pt.softplus(pay.cells)).sum()
            )
            apart = data["log_mean"] - (eta.cells - variance / 2)
            squares = data["log_squares"] + data["payers"] * apart**2
            pm.Potential("amounts", -(data["payers"] * log_sigma[:, None] + squares / (2 * variance)).sum())
            pm.Deterministic("pay", rate, dims=("arm", "segment"))
            pm.Deterministic("level", rate * pt.exp(eta.arms), dims=("arm", "segment"))
            fitted = pm.math.sigmoid(pay.cells)
            _predictor.keep_fitted(summary, "pay_fitted", fitted)
            _predictor.keep_fitted(summary, "fitted", fitted * pt.exp(eta.cells))
        return opened

    def prior(self, summary: PilotSummary, priors: Priors, n: int, *, rng: np.random.Generator) -> Draws:
        """Draws of levels, rates of paying, log-sds and effects from the prior that `build` states."""
        arrays = dict(self.data(summary, priors))
        draws = _predictor.prior(arrays, summary, n, rng, prefix=PAY)
        pay = {where: draws.pop(where) for where in ("cells", "arms")}
        if "follow" in arrays:
            log_rate = -np.logaddexp(0, -pay["arms"])
            gained = (log_rate[:, 1:] - log_rate[:, :1]) @ arrays["mix"]
            at, sd = arrays["effect_prior"]
            arrays["effect_prior"] = (at + arrays["follow"] * gained, sd)  # type: ignore[assignment]
        draws |= _predictor.prior(arrays, summary, n, rng)
        cells, arms = draws.pop("cells"), draws.pop("arms")
        z = rng.standard_normal((n, len(summary.cells)))
        draws["sigma"] = np.exp(arrays["sigma_m0"] + z @ arrays["sigma_design"].T)
        draws |= {"pay": expit(pay["arms"]), "level": expit(pay["arms"]) * np.exp(arms)}
        draws = _predictor.with_fitted(summary, draws, "pay_fitted", expit(pay["cells"]))
        return _predictor.with_fitted(summary, draws, "fitted", expit(pay["cells"]) * np.exp(cells))

    def simulate(
        self, draws: Draws, summary: PilotSummary, *, rng: np.random.Generator
    ) -> dict[str, FloatArray]:
        """One pilot per draw with the trials of `summary`: who pays, and the logarithms of how much."""
        rate, sigma = _predictor.fitted(draws, "pay_fitted", "pay"), draws["sigma"][:, :, None]
        trials = np.broadcast_to(summary.statistics["trials"], rate.shape)
        payers = rng.binomial(trials.astype(np.int64), rate).astype(np.float64)
        some = np.maximum(payers, 1)
        centre = np.log(_predictor.fitted(draws) / rate) - sigma**2 / 2
        log_mean = centre + sigma / np.sqrt(some) * rng.standard_normal(rate.shape)
        squares = 2 * sigma**2 * rng.standard_gamma(np.maximum(payers - 1, 0) / 2)
        return {
            "trials": trials.copy(),
            "payers": payers,
            "log_mean": np.where(payers > 0, log_mean, 0.0),
            "log_squares": squares,
        }

    def means(self, draws: Draws, summary: PilotSummary, *, rng: np.random.Generator) -> FloatArray:
        """Money per trial in one pilot per draw; where amounts are told, their own sum and no lognormal's."""
        if "mean" not in summary.statistics:
            return simulated_means(self, draws, summary, rng)
        payers, trials = self.simulate(draws, summary, rng=rng)["payers"], summary.statistics["trials"]
        amount = _predictor.fitted(draws) / _predictor.fitted(draws, "pay_fitted", "pay")
        some = np.where(trials > 0, trials, 1.0)
        return payers / some * amount * mean_amounts(payers, draws["sigma"], rng)

    def predictive(self, draws: Draws, summary: PilotSummary, *, rng: np.random.Generator) -> Predictive:
        """Log of each cell's largest amount against replicated ones; mean log amount of mere totals."""
        statistics = summary.statistics
        seen = statistics["payers"].ravel() > 0
        made = self.simulate(draws, summary, rng=rng)
        observed, replicated, name = statistics["log_mean"], made["log_mean"], N_("mean log amounts")
        if "largest" in statistics:
            rate, sigma = _predictor.fitted(draws, "pay_fitted", "pay"), draws["sigma"][:, :, None]
            centre = np.log(_predictor.fitted(draws) / rate) - sigma**2 / 2
            # The maximum of n uniforms is a uniform to the power of 1/n; written for the upper tail.
            below = -np.expm1(-rng.standard_exponential(rate.shape) / np.maximum(made["payers"], 1))
            replicated, name = centre - sigma * ndtri(below), N_("log largest amounts")
            observed = np.log(np.where(statistics["largest"] > 0, statistics["largest"], 1.0))
        named = labels(summary.cells, summary.segments)
        return Predictive(
            observed.ravel()[seen],
            replicated.reshape(len(replicated), -1)[:, seen],
            tuple(label for label, hit in zip(named, seen, strict=True) if hit),
            name,
        )


def _sigma_design(payers: FloatArray) -> FloatArray:
    """Columns by which standard normal values move the log-sd of each cell: all alike, and each apart."""
    share = (payers + 1) / (payers + 1).sum()
    apart = SIGMA_GAP_SD * (np.eye(len(payers)) - share)[:, 1:]
    return np.concatenate([np.full((len(payers), 1), SIGMA_SD), apart], axis=1)


MODEL = Revenue()
