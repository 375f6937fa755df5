"""Value of information: what knowing more before deciding is worth, from the samples at hand.

Net benefit NB_d(θ) of decision d in the state θ; sample i is one joint state. Deciding now gives
max_d E[NB_d]. Differences to the decision that is best now are what can change a decision, so
they are what is regressed, and Monte Carlo errors are those of paired differences.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike

from sim.decision.arguments import checked
from sim.decision.regression import Fitted, conditional_mean
from sim.records.arrays import FloatArray, IntArray
from sim.records.estimate import Estimate, mean


@dataclass(frozen=True, slots=True)
class Evppi:
    """Expected value of partial perfect information.

    Parameters
    ----------
    value : float [currency]
        Honest estimate: decisions come from a regression that did not see the sample they are scored
        on. It errs to the low side, and 0 is what it says of noise.
    mcse : float [currency]
        Monte Carlo standard error of `value` for the decisions as taken.
    plug_in : float [currency]
        Mean of the highest fitted value less the highest mean: errs to the high side, since the
        highest of noisy numbers is too high.
    """

    value: float
    mcse: float
    plug_in: float


@dataclass(frozen=True, slots=True)
class Evsi:
    """Expected value of sample information, and of deciding later.

    Parameters
    ----------
    value : float [currency]
        What the data are worth to whoever decides when they are in:
        E[max_d E(NB_d | D)] − max_d E[NB_d], with the later pay-offs in both.
    mcse : float [currency]
        Monte Carlo standard error of `value`.
    plug_in : float [currency]
        As in `Evppi`.
    waiting : float [currency]
        max_d E[later NB_d] − max_d E[NB_d now]: what the delay alone changes, negative where it costs.
    gain : Estimate [currency]
        `value` + `waiting`: E[max_d E(later NB_d | D)] − max_d E[NB_d now], with its own error.
    decisions : (sample,) integer array
        The decision taken after each simulated dataset.
    """

    value: float
    mcse: float
    plug_in: float
    waiting: float
    gain: Estimate
    decisions: IntArray


def evpi(nb: ArrayLike) -> Estimate:
    """Return the expected value of perfect information, E[max_d NB_d] − max_d E[NB_d].

    No study can be worth more. (Raiffa & Schlaifer 1961, Applied Statistical Decision Theory;
    Claxton 1999, doi:10.1016/S0167-6296(98)00039-3.)

    Parameters
    ----------
    nb : (sample, decision) array [currency]

    Raises
    ------
    ValueError
        Not two axes, empty, or not finite.

    Examples
    --------
    >>> import numpy as np
    >>> evpi(np.array([[0.0, 3.0], [0.0, -1.0]])).value
    0.5
    """
    values = checked(nb, "nb", axes=2)
    return mean(values.max(axis=1) - values[:, _best(values)])


def evppi(nb: ArrayLike, x: ArrayLike, *, rng: np.random.Generator) -> Evppi:
    """Return the expected value of knowing some inputs before deciding.

    EVPPI = E_x[max_d E(NB_d | x)] − max_d E[NB_d], estimated as
    mean_i NB(d̂₋ₖ(x_i), i) − max_d mean NB_d, where d̂₋ₖ is the best decision by a regression on x
    fitted without the fold k of sample i (Strong, Oakley & Brennan 2014,
    doi:10.1177/0272989X13505910, whose plug-in estimate stands beside). Both are clipped to
    0 ≤ EVPPI ≤ EVPI, which hold exactly.

    Parameters
    ----------
    nb : (sample, decision) array [currency]
    x : (sample,) or (sample, k) array
        The inputs that would be known, jointly. Columns of few values are taken as labels.
    rng : numpy.random.Generator

    Raises
    ------
    ValueError
        Shapes that do not fit, no sample, or values that are not finite.

    Examples
    --------
    >>> import numpy as np
    >>> coin = np.tile([-1.0, 1.0], 500)
    >>> nb = np.column_stack([np.zeros(1000), coin])
    >>> evppi(nb, coin, rng=np.random.default_rng(0)).value
    0.5
    """
    values = checked(nb, "nb", axes=2)
    inputs = checked(x, "x", axes=2, samples=len(values))
    decisions, fitted = _decide(values, inputs, rng)
    return _information(values, decisions, fitted.plain)


def evsi(nb_now: ArrayLike, nb_later: ArrayLike, summaries: ArrayLike, *, rng: np.random.Generator) -> Evsi:
    """Return the expected value of the data of a study, from one simulated dataset per sample.

    Dataset i is drawn from the state of sample i and summarised; regressing the pay-offs on the
    summaries gives what is expected after each dataset, E[NB_d | D] (Strong, Oakley, Brennan & Breeze
    2015, doi:10.1177/0272989X15575286). Decisions are cross-fitted as in `evppi`.

    Parameters
    ----------
    nb_now : (sample, decision) array [currency]
        Pay-offs of deciding without the study.
    nb_later : (sample, decision') array [currency]
        Pay-offs of deciding after it, discounted to today, its cost left out. The same array where
        waiting changes nothing.
    summaries : (sample,) or (sample, k) array
        What the decision maker will have seen, close to sufficient.
    rng : numpy.random.Generator

    Raises
    ------
    ValueError
        As in `evppi`.
    """
    now = checked(nb_now, "nb_now", axes=2)
    later = checked(nb_later, "nb_later", axes=2, samples=len(now))
    seen = checked(summaries, "summaries", axes=2, samples=len(now))
    decisions, fitted = _decide(later, seen, rng)
    worth = _information(later, decisions, fitted.plain)
    at_once = now[:, _best(now)]
    waiting = float((later[:, _best(later)] - at_once).mean())
    gain = mean(_taken(later, decisions) - at_once)
    return Evsi(
        worth.value,
        worth.mcse,
        worth.plug_in,
        waiting,
        Estimate(worth.value + waiting, gain.mcse),
        decisions,
    )


def evsi_gaussian(nb: ArrayLike, x: ArrayLike, n0: float, n: float, *, rng: np.random.Generator) -> Estimate:
    """Return the EVSI by the Gaussian approximation, which needs no simulated data: a cross-check.

    If the inputs are worth n0 observations now, n more leave of the conditional means
    f_d(x) = E[NB_d | x] the spread that shows in data: f̃_d = f̄_d + (f_d − f̄_d)·√(n/(n + n0)), and
    EVSI = E[max_d f̃_d] − max_d f̄_d (Jalal & Alarid-Escudero 2018, doi:10.1177/0272989X17715627).
    Exact where f is linear in a normal mean; it takes its shape from the plug-in fit.

    Parameters
    ----------
    nb : (sample, decision) array [currency]
    x : (sample,) or (sample, k) array
        The inputs that the study informs.
    n0 : float
        What is known already, in observations of the study; positive. See `prior_sample_size`.
    n : float
        Observations of the study; 0 or more.
    rng : numpy.random.Generator

    Raises
    ------
    ValueError
        As in `evppi`, or a sample size out of range.

    Examples
    --------
    >>> import numpy as np
    >>> nb = np.column_stack([np.zeros(1000), np.linspace(-1.0, 1.0, 1000)])
    >>> found = evsi_gaussian(nb, nb[:, 1], 10.0, 30.0, rng=np.random.default_rng(0))
    >>> round(found.value, 2)  # √(30/40) of the EVPI, which is 0.25
    0.22
    """
    if not (np.isfinite(n0) and n0 > 0 and n >= 0):
        raise ValueError(f"n0 must be positive and n not negative, got {n0} and {n}")
    values = checked(nb, "nb", axes=2)
    inputs = checked(x, "x", axes=2, samples=len(values))
    _, fitted = _decide(values, inputs, rng)
    share = 1.0 if np.isinf(n) else float(np.sqrt(n / (n + n0)))
    centre = fitted.plain.mean(axis=0)
    shrunk = centre + share * (fitted.plain - centre)
    return mean(shrunk.max(axis=1) - shrunk[:, int(np.argmax(centre))])


def prior_sample_size(value: ArrayLike, summaries: ArrayLike, n: float, *, rng: np.random.Generator) -> float:
    """Return how many observations of a study today's knowledge of a quantity is worth.

    With R² the share of the variance of the quantity that a dataset of n observations explains,
    R² = n/(n + n0), so n0 = n·(1/R² − 1) (Jalal & Alarid-Escudero 2018,
    doi:10.1177/0272989X17715627). R² is that of held-out predictions.

    Parameters
    ----------
    value : (sample,) array
        The quantity, such as the net benefit as far as the study can inform it.
    summaries : (sample,) or (sample, k) array
        Summaries of one simulated dataset of n observations per sample.
    n : float
    rng : numpy.random.Generator

    Returns
    -------
    float
        +inf where the data explain nothing; 0 where they explain all.

    Raises
    ------
    ValueError
        As in `evppi`.
    """
    target = checked(value, "value", axes=2)
    seen = checked(summaries, "summaries", axes=2, samples=len(target))
    left = (target - conditional_mean(target, seen, rng=rng).honest).var() / max(target.var(), 1e-300)
    explained = float(np.clip(1.0 - left, 0.0, 1.0))
    return n * (1.0 / explained - 1.0) if explained > 0 else float("inf")


def _best(nb: FloatArray) -> int:
    """Return the decision that is best with what is known now."""
    return int(np.argmax(nb.mean(axis=0)))


def _taken(nb: FloatArray, decisions: IntArray) -> FloatArray:
    """Return what the decision taken in each sample pays there."""
    return nb[np.arange(len(nb)), decisions]


def _decide(nb: FloatArray, x: FloatArray, rng: np.random.Generator) -> tuple[IntArray, Fitted]:
    """Return the best decision for whoever knows x, and what each decision is expected to add.

    Additions are to the decision that is best now, whose column is therefore 0.
    """
    best = _best(nb)
    gains = nb - nb[:, [best]]
    others = np.arange(nb.shape[1]) != best
    honest, plain = np.zeros_like(nb), np.zeros_like(nb)
    if others.any():
        fitted = conditional_mean(gains[:, others], x, rng=rng)
        honest[:, others], plain[:, others] = fitted.honest, fitted.plain
    # A tie changes nothing, so it must not change the decision either.
    top = honest.argmax(axis=1)
    decisions = np.where(honest.max(axis=1) > 0.0, top, best)
    return decisions, Fitted(honest, plain)


def _information(nb: FloatArray, decisions: IntArray, plain: FloatArray) -> Evppi:
    """Score decisions against deciding now, within the bounds that hold for every sample."""
    gain = mean(_taken(nb, decisions) - nb[:, _best(nb)])
    limit = evpi(nb).value
    plug_in = float(plain.max(axis=1).mean() - plain.mean(axis=0).max())
    return Evppi(min(max(gain.value, 0.0), limit), gain.mcse, min(max(plug_in, 0.0), limit))
