"""What the result rests on: pilot data, stated levels, elicited numbers, and months never observed."""

from __future__ import annotations

import numpy as np

from sim.engine.amounts import amount
from sim.engine.held import at_mean, put
from sim.engine.runs import in_runs
from sim.engine.world import Strategy, World
from sim.language import N_, phrase
from sim.records.arrays import FloatArray
from sim.records.check import Check
from sim.simulation.draws import child

_RUN = 1000
"""States that are simulated at once where only their NPV is kept."""
_STATED = (".control", ".treated", ".effect")


def observed_months(world: World, name: str) -> float | None:
    """Return how many months of an outcome the pilot saw; None where the data do not say."""
    summary = world.prepared.summaries.get(name)
    return 0.0 if summary is None else summary.months


def beyond_pilot(world: World, strategy: Strategy) -> float | None:
    """Return the share of the sum of absolute discounted benefits from months that the pilot did not see.

    None when an outcome with money does not say how long its pilot ran.
    """
    beyond = total = 0.0
    months = np.arange(1, world.plan.horizon + 1)
    for name, state in strategy.outcomes.items():
        if state.cash is None:
            continue
        seen = observed_months(world, name)
        if seen is None:
            return None
        worth = np.abs(state.cash * strategy.factors).mean(axis=0)[1:]
        total += float(worth.sum())
        beyond += float(worth[months > seen].sum())
    return beyond / total if total > 0 else None


def sources(world: World, strategy: Strategy) -> dict[str, float | None]:
    """Return how much of NPV's spread comes from each kind of source.

    Each share is the variance of NPV when only that kind varies and everything else stands at its
    mean, over the sum of the three; interactions are left out. None when NPV is certain.
    """
    names = {path for path, column in world.drawn.columns.items() if np.ptp(column) > 0}
    names |= {v.history.key for v in world.plan.volumes.values() if v.history is not None}
    stated = {path for path in names if _is_stated(path)}
    kinds: dict[str, tuple[bool, set[str]]] = {
        "from_pilot": (True, set()),
        "from_priors": (False, stated),
        "from_elicited": (False, names - stated),
    }
    alive = {kind for kind, (fits, free) in kinds.items() if (fits and world.fits) or free}
    if not alive:
        return dict.fromkeys(kinds)
    if len(alive) == 1:
        return {kind: float(kind in alive) for kind in kinds}
    variances = {
        kind: _variance(world, strategy.name, fits=fits, free=free) if kind in alive else 0.0
        for kind, (fits, free) in kinds.items()
    }
    total = sum(variances.values())
    return {kind: value / total if total > 0 else None for kind, value in variances.items()}


def independence(world: World, strategy: Strategy, rho: float = 0.5) -> Check | None:
    """Say that outcomes are taken as independent, and what NPV's spread would be if they were not.

    Whole posterior rows of each outcome are reordered so that the pooled effects have a rank
    correlation of `rho` (a common factor behind a Gaussian copula), and the strategy is simulated
    again. None with fewer than two fitted outcomes that make money.
    """
    money = [name for name, s in strategy.outcomes.items() if name in world.fits and s.cash is not None]
    if len(money) < 2:
        return None
    rng = child(world.plan.seed, "evidence.independence")
    share = 2 * np.sin(np.pi * rho / 6)
    common = rng.standard_normal(world.n)
    fits = dict(world.fits)
    for name in money:
        state = strategy.outcomes[name]
        gain = ((state.treated.level - state.control.level) * state.weights).sum(axis=1)
        scores = np.sqrt(share) * common + np.sqrt(1 - share) * rng.standard_normal(world.n)
        better = gain if state.plan.better == "higher" else -gain
        rows = np.argsort(better)[np.argsort(np.argsort(scores))]
        fits[name] = {key: values[rows] for key, values in world.fits[name].items()}
    joint = _npv_of(World(world.prepared, fits, world.drawn), strategy.name)
    message = phrase(
        "outcomes are fitted separately and taken as independent: NPV has a standard deviation of {alone} "
        "{currency}; it would be {together} {currency} if their effects had a rank correlation of {rho:g}",
        alone=amount(float(_npv(strategy).std())),
        together=amount(float(joint.std())),
        currency=world.plan.currency,
        rho=rho,
    )
    return Check("independence", "note", message)


def missing_control(world: World, strategy: Strategy) -> Check | None:
    """Say what NPV's spread would be if a control group had shown that nothing drifted.

    The outcomes of before-after pilots are simulated again with the level before the launch as their
    control, so that the bias and its uncertainty are gone. None without such an outcome with money.
    """
    summaries = world.prepared.summaries
    blind = [
        name
        for name, state in strategy.outcomes.items()
        if state.cash is not None and name in summaries and summaries[name].design.kind == "before-after"
    ]
    if not blind:
        return None
    fits = dict(world.fits)
    for name in blind:
        # What was observed stands in for what the rollout meets: churn's levels follow from its shifts.
        draws = fits[name]
        fits[name] = {**draws, "shift" if "shift" in draws else "level": draws["fitted"]}
    plain = _npv_of(World(world.prepared, fits, world.drawn.replaced({})), strategy.name)
    message = phrase(
        "{outcomes}: without a control group NPV has a standard deviation of {now} {currency}; with "
        "one that showed no drift it would be {then} {currency}",
        outcomes=", ".join(blind),
        now=amount(float(_npv(strategy).std())),
        then=amount(float(plain.std())),
        currency=world.plan.currency,
    )
    remedy = N_("keep a random part of the volume untreated for as long as the pilot runs")
    return Check("missing-control", "warn", message, remedy)


def _npv(strategy: Strategy) -> FloatArray:
    value: FloatArray = ((strategy.benefit - strategy.cost) * strategy.factors).sum(axis=1)
    return value


def _npv_of(world: World, name: str) -> FloatArray:
    """Return the NPV of a strategy by sample."""
    return np.concatenate(in_runs(world, _RUN, lambda run: _npv(run.strategy(name))))


def _is_stated(path: str) -> bool:
    head = path.split(".by.", maxsplit=1)[0]
    return head.startswith("outcomes.") and head.endswith(_STATED)


def _variance(world: World, strategy: str, *, fits: bool, free: set[str]) -> float:
    """Return the variance of NPV with everything but one kind of source at its mean."""
    fitted = {world.plan.outcomes[name].path for name in world.fits}
    held = put(world, lambda path: not fits if path in fitted else path not in free, at_mean)
    return float(_npv_of(held, strategy).var())
