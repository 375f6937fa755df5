"""How long customers stay beyond the tenures observed: what four families make of the same counts.

Inside the observed tenures the families fit alike, beyond them they part. The model itself is the
beta-discrete-Weibull, of which the shifted-beta-geometric (c = 1) and the Weibull (k -> 0) are special
cases, so its posterior moves between them, sample by sample. The families here are fitted by maximum
likelihood to show how much of what lies beyond is a choice and not an observation::

    shifted-beta-geometric   H(t) = -log(B(alpha, beta + t) / B(alpha, beta))
    beta-discrete-Weibull    the same at t^c
    Weibull                  H(t) = exp(a) t^b
    Gompertz                 H(t) = exp(a) (exp(g t) - 1) / g

Each is scored on tenures that it was not fitted on (leave-future-out: Bürkner, Gabry & Vehtari 2020,
doi:10.1080/00949655.2020.1783262), and those within `PLAUSIBLE` units of the best are shown. In-sample
scores cannot tell them apart; averaging them by score is no cure, as families that err to opposite sides
cancel. The rule was chosen on two published cohorts, and is no more certain than that.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

import numpy as np

from sim.language import N_, phrase, several
from sim.records.arrays import FloatArray
from sim.records.check import Check
from sim.records.summary import PilotSummary

from ._tail import cumulative_hazard, powered

PLAUSIBLE = 4.0
"""Leave-future-out log-score units from the best within which a family counts as plausible."""
APART = 2.0
"""Ratio of two plausible shares of survivors, at three times the observed tenure, above which to warn."""
EVENTS = 10
"""Leavers below which no family can be told from another."""
_FOLDS = 4
_LEAST = 1e-14


@dataclass(frozen=True, slots=True)
class Family:
    """One form of the cumulative hazard, in parameters of which the first is its level.

    Parameters
    ----------
    name : str
    hazard : callable
        ``(parameters, time) -> H(time)``, time in periods of tenure.
    start : tuple of float
        Where the search for the parameters after the first begins.
    bounds : tuple of (float, float)
        Limits of those parameters.
    """

    name: str
    hazard: Callable[[FloatArray, FloatArray], FloatArray]
    start: tuple[float, ...]
    bounds: tuple[tuple[float, float], ...]


def _shifted(at: FloatArray, time: FloatArray) -> FloatArray:
    found: FloatArray = cumulative_hazard(at[0], np.exp(at[1]), time, np)
    return found


def _stretched(at: FloatArray, time: FloatArray) -> FloatArray:
    return _shifted(at, powered(time, at[2], np))


def _weibull(at: FloatArray, time: FloatArray) -> FloatArray:
    found: FloatArray = np.exp(at[0]) * powered(time, at[1], np)
    return found


def _gompertz(at: FloatArray, time: FloatArray) -> FloatArray:
    rate = at[1] if abs(at[1]) > 1e-9 else 1e-9
    found: FloatArray = np.exp(at[0]) * np.expm1(np.minimum(rate * time, 500.0)) / rate
    return found


MAIN = "beta-discrete-Weibull"
FAMILIES = (
    Family(MAIN, _stretched, (-1.5, 0.0), ((-12.0, 6.0), (-1.5, 1.5))),
    Family("shifted-beta-geometric", _shifted, (-1.5,), ((-12.0, 6.0),)),
    Family("Weibull", _weibull, (0.0,), ((-3.0, 3.0),)),
    Family("Gompertz", _gompertz, (-0.01,), ((-5.0, 5.0),)),
)
"""The model's own family first; ``log k`` (and ``log c``), ``log b`` and ``g`` follow the level."""


@dataclass(frozen=True, slots=True)
class Tail:
    """One family fitted by maximum likelihood.

    Parameters
    ----------
    family : Family
    parameters : array
    score : float
        Leave-future-out log score; 0 for all where there are too few periods for one.
    """

    family: Family
    parameters: FloatArray
    score: float

    def survival(self, time: FloatArray) -> FloatArray:
        """Share of joiners still there after `time` periods of tenure."""
        share: FloatArray = np.exp(-self.family.hazard(self.parameters, time))
        return share


def _log_likelihood(
    family: Family, parameters: FloatArray, at_risk: FloatArray, churned: FloatArray, first: int = 0
) -> float:
    ends = np.arange(first, first + at_risk.size + 1.0)
    gain = np.clip(np.diff(family.hazard(parameters, ends)), _LEAST, 1e12)
    return float((churned * np.log(-np.expm1(-gain)) - (at_risk - churned) * gain).sum())


def maximum_likelihood(family: Family, at_risk: FloatArray, churned: FloatArray) -> FloatArray:
    """Return the parameters at which counts by period of tenure are likeliest.

    Parameters
    ----------
    family : Family
    at_risk, churned : (tenure,) array
        Customers at risk in periods 1, 2, … and those of them who left.

    Examples
    --------
    Fader & Hardie's "regular" customers over seven years: alpha 0.704, beta 1.182.

    >>> left = np.array([1000, 631, 468, 382, 326, 289, 262, 241.0])
    >>> log_odds, log_k = maximum_likelihood(FAMILIES[1], left[:-1], -np.diff(left))
    >>> round(float(np.exp(log_odds - log_k)), 3), round(float(np.exp(-log_k)), 3)
    (0.704, 1.182)
    """
    from scipy.optimize import minimize

    mean = (churned.sum() + 0.5) / (at_risk.sum() + 1)
    start = [float(np.log(-np.log1p(-mean))), *family.start]

    def loss(at: FloatArray) -> float:
        return -_log_likelihood(family, at, at_risk, churned)

    # The ridge between level and shape defeats searches by numerical gradients.
    found = minimize(
        loss,
        start,
        method="Nelder-Mead",
        bounds=[(-15.0, 10.0), *family.bounds],
        options={"xatol": 1e-5, "fatol": 1e-6, "maxiter": 2000},
    )
    return np.asarray(found.x, dtype=np.float64)


def fit_tails(at_risk: FloatArray, churned: FloatArray) -> tuple[Tail, ...]:
    """Fit every family to pooled counts, and score each on later tenures than it was fitted on.

    The later half of the observed periods is forecast in up to four blocks, each from all before it.

    Parameters
    ----------
    at_risk, churned : (tenure,) array

    Returns
    -------
    tuple of Tail
        In the order of `FAMILIES`.
    """
    seen = np.flatnonzero(at_risk > 0)
    cuts = [0]
    if seen.size > 2:
        marks = np.linspace(max(2, seen.size // 2), seen.size, _FOLDS + 1).round().astype(int)
        cuts = [*dict.fromkeys(int(seen[m - 1]) + 1 for m in marks)]
    tails = []
    for family in FAMILIES:
        score = 0.0
        for start, stop in pairwise(cuts):
            at = maximum_likelihood(family, at_risk[:start], churned[:start])
            score += _log_likelihood(family, at, at_risk[start:stop], churned[start:stop], start)
        tails.append(Tail(family, maximum_likelihood(family, at_risk, churned), score))
    return tuple(tails)


def plausible(tails: tuple[Tail, ...]) -> tuple[Tail, ...]:
    """Return the families within `PLAUSIBLE` units of the best score, the model's own always among them."""
    best = max(tail.score for tail in tails)
    return tuple(t for t in tails if t.family.name == MAIN or t.score >= best - PLAUSIBLE)


def pooled(summary: PilotSummary) -> tuple[FloatArray, FloatArray]:
    """Return at_risk and churned by tenure over all cells and segments, up to the last tenure observed."""
    weight: Any = summary.weight[..., None]
    at_risk = (summary.statistics["at_risk"] * weight).sum(axis=(0, 1))
    churned = (summary.statistics["churned"] * weight).sum(axis=(0, 1))
    length = int(np.flatnonzero(at_risk).max(initial=-1)) + 1
    return at_risk[:length], churned[:length]


def period_months(summary: PilotSummary) -> float:
    """Return the length of one period of tenure in months; 1 where nothing was observed."""
    # Segments that the pilot did not see are padded with zeros.
    return float(summary.statistics["period_months"].max()) or 1.0


def check(summary: PilotSummary) -> tuple[Check, ...]:
    """Tell what the plausible families say of customers at two and three times the observed tenure."""
    at_risk, churned = pooled(summary)
    if churned.sum() < EVENTS or churned.sum() == at_risk.sum():
        return ()
    months = period_months(summary)
    length = at_risk.size
    if length < 2:
        message = phrase(
            "nobody is observed for more than {months:.3g} of tenure, so how the risk of leaving "
            "changes with tenure is the prior's word",
            months=months,
        )
        return (Check("tail", "warn", message, N_("observe longer, or choose a shorter `unit`")),)
    ahead = np.array([2.0, 3.0]) * length
    found = {tail.family.name: 100 * tail.survival(ahead) for tail in plausible(fit_tails(at_risk, churned))}
    shares = several(
        (
            phrase(
                "{family} {twice:.3g} and {thrice:.3g}", family=name, twice=float(twice), thrice=float(thrice)
            )
            for name, (twice, thrice) in found.items()
        ),
        "; ",
    )
    message = phrase(
        "tenures are observed up to month {end:.3g}; % of joiners still there after months "
        "{twice:.3g} and {thrice:.3g} by the families of tails that forecast "
        "the later ones of them about as well: {shares}",
        end=length * months,
        twice=float(ahead[0] * months),
        thrice=float(ahead[1] * months),
        shares=shares,
    )
    last = [share[1] for share in found.values()]
    apart = max(last) / max(min(last), 1e-300)
    if apart <= APART:
        return (Check("tail", "note", message),)
    if apart < 100:
        message = phrase(
            "{told}; these are up to {factor:.2g} times apart, more than the interval of the result shows",
            told=message,
            factor=float(apart),
        )
    else:
        message = phrase(
            "{told}; these are up to more than 100 times apart, more than the interval of the result shows",
            told=message,
        )
    remedy = N_("observe longer, or add older customers with their `entry`")
    return (Check("tail", "warn", message, remedy),)
