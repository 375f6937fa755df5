"""Is a longer pilot worth its cost: net benefit of sampling, best length, assurance, staged rollout."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike

from sim.decision.arguments import checked
from sim.decision.regression import conditional_mean
from sim.decision.voi import Evsi
from sim.records.estimate import Estimate, mean

NEAR = 0.05  # lengths whose net benefit is within this share of the best are as good as the best


@dataclass(frozen=True, slots=True)
class Best:
    """The length of a study with the highest net benefit of sampling.

    Parameters
    ----------
    length : float
        The best of the lengths, even where none is worth its cost.
    value, mcse : float [currency]
        Its net benefit of sampling. The highest of several noisy figures leans to the high side, by
        less than `mcse` for a handful of lengths.
    low, high : float or None
        Ends of the run of lengths around the best whose net benefit is within 5 % of it; None where
        it is not positive.
    decide_now : bool
        No length has a positive net benefit.
    """

    length: float
    value: float
    mcse: float
    low: float | None
    high: float | None
    decide_now: bool


@dataclass(frozen=True, slots=True)
class Staged:
    """A rollout that may stop after its first stage.

    Parameters
    ----------
    value : Estimate [currency]
        Expected pay-off of stage one with the option to go on.
    plug_in : float [currency]
        The same with fitted in place of realised pay-offs of the rest; errs to the high side.
    over_all_in : Estimate [currency]
        What it pays more than going all in at once; negative where all in is better.
    over_nothing : Estimate [currency]
        What it pays more than the hurdle.
    goes_on : Estimate
        Probability that the data of stage one speak for going on.
    """

    value: Estimate
    plug_in: float
    over_all_in: Estimate
    over_nothing: Estimate
    goes_on: Estimate


def enbs(evsi: Evsi, cost: float) -> Estimate:
    """Return the expected net benefit of sampling, E[max_d E(NB_d | D)] − K − max_d E[NB_d now].

    Parameters
    ----------
    evsi : Evsi
        Of `sim.decision.voi.evsi`; its pay-offs hold the hurdle as a decision, and the delay.
    cost : float [currency]
        K, what the study costs, discounted to today.

    Examples
    --------
    >>> import numpy as np
    >>> worth = Evsi(9.0, 0.5, 9.5, -2.0, Estimate(7.0, 0.6), np.array([0, 1]))
    >>> enbs(worth, 4.0)
    Estimate(value=3.0, mcse=0.6)
    """
    if not np.isfinite(cost):
        raise ValueError(f"cost must be finite, got {cost}")
    return Estimate(evsi.gain.value - cost, evsi.gain.mcse)


def best(lengths: Sequence[float], values: Sequence[Estimate]) -> Best:
    """Return the best length of a study, and the lengths that are about as good.

    Parameters
    ----------
    lengths : sequence of float
        In any order, without repeats.
    values : sequence of Estimate [currency]
        Net benefit of sampling of each.

    Raises
    ------
    ValueError
        No length, a length twice, or not one value per length.

    Examples
    --------
    >>> found = best([1, 2, 3, 6], [Estimate(v, 1.0) for v in (50.0, 97.0, 100.0, 80.0)])
    >>> found.length, found.low, found.high, found.decide_now
    (3.0, 2.0, 3.0, False)
    """
    if not lengths or len(lengths) != len(values) or len(set(lengths)) != len(lengths):
        raise ValueError("lengths must be distinct, at least one, with one value each")
    order = sorted(range(len(lengths)), key=lambda i: lengths[i])
    ranked = [values[i].value for i in order]
    top = int(np.argmax(ranked))
    worth_it = ranked[top] > 0
    low = high = top
    while low > 0 and ranked[low - 1] >= (1 - NEAR) * ranked[top]:
        low -= 1
    while high + 1 < len(order) and ranked[high + 1] >= (1 - NEAR) * ranked[top]:
        high += 1
    return Best(
        float(lengths[order[top]]),
        ranked[top],
        values[order[top]].mcse,
        float(lengths[order[low]]) if worth_it else None,
        float(lengths[order[high]]) if worth_it else None,
        not worth_it,
    )


def assurance(evsi: Evsi, *, decline: int = 0) -> Estimate:
    """Return the probability that the study will lead to investing.

    The share of simulated datasets after which the mean pay-off of some strategy exceeds the hurdle
    (O'Hagan, Stevens & Campbell 2005, doi:10.1002/pst.175, with the decision as the success).

    Parameters
    ----------
    evsi : Evsi
    decline : int
        Which decision is "do not invest": 0 after `with_hurdle`.

    Examples
    --------
    >>> import numpy as np
    >>> assurance(Evsi(9.0, 0.5, 9.5, 0.0, Estimate(9.0, 0.5), np.array([0, 1, 1, 1]))).value
    0.75
    """
    return mean((evsi.decisions != decline).astype(np.float64))


def staged(
    nb_all_in: ArrayLike,
    nb_stage: ArrayLike,
    nb_rest: ArrayLike,
    summaries: ArrayLike,
    *,
    rng: np.random.Generator,
    hurdle: float = 0.0,
) -> Staged:
    """Value a rollout in stages: stage one, then the rest only if the data of stage one speak for it.

    E[NB_stage] + E[max(0, E(NB_rest | D))], a real option valued from the samples at hand, with the
    decision of each sample from a regression that has not seen it (Longstaff & Schwartz 2001,
    doi:10.1093/rfs/14.1.113, with cross-fitting).

    Parameters
    ----------
    nb_all_in : (sample,) array [currency]
        Everything at once.
    nb_stage : (sample,) array [currency]
        Stage one if it stops there.
    nb_rest : (sample,) array [currency]
        What going on adds, discounted to today; stopping adds 0.
    summaries : (sample,) or (sample, k) array
        Of one dataset per sample, as stage one would yield it.
    rng : numpy.random.Generator
    hurdle : float [currency]
        Pay-off of not investing at all.

    Raises
    ------
    ValueError
        Shapes that do not fit, no sample, or values that are not finite.

    Examples
    --------
    >>> import numpy as np
    >>> good = np.tile([0.0, 1.0], 200)  # stage one costs 1 and tells which it is
    >>> rest = 10.0 * good - 4.0
    >>> found = staged(rest - 1, np.full(400, -1.0), rest, good, rng=np.random.default_rng(0))
    >>> found.value.value, found.over_all_in.value
    (2.0, 2.0)
    """
    all_in = checked(nb_all_in, "nb_all_in", axes=1)
    stage = checked(nb_stage, "nb_stage", axes=1, samples=len(all_in))
    rest = checked(nb_rest, "nb_rest", axes=1, samples=len(all_in))
    seen = checked(summaries, "summaries", axes=2, samples=len(all_in))
    fitted = conditional_mean(rest[:, None], seen, rng=rng)
    go = fitted.honest[:, 0] > 0
    pays = stage + np.where(go, rest, 0.0)
    return Staged(
        mean(pays),
        float((stage + np.maximum(fitted.plain[:, 0], 0.0)).mean()),
        mean(pays - all_in),
        mean(pays - hurdle),
        mean(go.astype(np.float64)),
    )
