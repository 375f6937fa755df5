"""What a longer pilot would show: datasets simulated from the fitted models, and what they say of the NPV."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np

from sim.config.plan import OutcomePlan, Plan, Reference
from sim.contract import OutcomeModel
from sim.engine.world import Strategy, World
from sim.errors import Problems
from sim.records.arrays import Draws, FloatArray
from sim.records.summary import PilotSummary
from sim.simulation.draws import child

_FOLDS = 10
_MOST = 3
"""Signals that are regressed on as they are."""


@dataclass(frozen=True, slots=True)
class Source:
    """One fitted outcome from which a longer pilot learns.

    Parameters
    ----------
    name : str
    model : OutcomeModel
    summary : PilotSummary
        The pilot so far.
    draws : Draws
        Posterior, row i in joint state i.
    per_month : float
        Size of a month of pilot over that of the pilot so far; clusters count for less.
    """

    name: str
    model: OutcomeModel
    summary: PilotSummary
    draws: Draws
    per_month: float

    @property
    def running(self) -> FloatArray:
        """1 for cells that a longer pilot adds to, 0 for those that lie before its launch, (cell,)."""
        return running(self.summary)

    def simulate(self, size: float, rng: np.random.Generator) -> FloatArray:
        """Return the totals of one further pilot per joint state, (sample, signal).

        Parameters
        ----------
        size : float
            Size over that of the pilot so far.
        rng : Generator
        """
        design = scaled(self.summary, self.model, size * self.running)
        return totals(self.model, self.model.simulate(self.draws, design, rng=rng), design.size.shape)

    def learnable(self) -> FloatArray:
        """Return what a pilot without end would show: the level of each cell it adds to, (sample, signal)."""
        seen = (self.summary.size > 0) & (self.running > 0)[:, None]
        levels = self.draws["fitted"] if "fitted" in self.draws else self.draws["level"]
        return _varying(levels[:, seen])


def running(summary: PilotSummary) -> FloatArray:
    """Return 1 for the cells of a pilot that go on, 0 for those before its launch, (cell,)."""
    if summary.design.kind == "difference-in-differences":
        return np.tile([0.0, 1.0], len(summary.arms))
    if summary.design.kind == "before-after":
        return np.array([0.0, 1.0])
    return np.ones(len(summary.cells))


def scaled(summary: PilotSummary, model: OutcomeModel, factor: FloatArray) -> PilotSummary:
    """Return a pilot of another size: every total times the factor of its cell, rounded to whole units.

    Means, spreads and grids stay. A churn pilot follows more customers for as long as the one so far did.

    Parameters
    ----------
    summary : PilotSummary
    model : OutcomeModel
    factor : (cell,) array
    """
    statistics = {}
    for name, values in summary.statistics.items():
        if name in model.totals:
            by_cell = factor.reshape(-1, *[1] * (values.ndim - 1))
            statistics[name] = np.rint(values * by_cell)
        else:
            statistics[name] = values
    return replace(summary, statistics=statistics, size=model.size(statistics))


def totals(model: OutcomeModel, made: Mapping[str, FloatArray], shape: tuple[int, ...]) -> FloatArray:
    """Return the total behind the mean of each cell in every simulated dataset, (sample, cell · segment).

    It is the numerator of `OutcomeModel.ratio`. The denominator is the design's and the same in all of
    them, but for churn, where the hazard that a mean is relative to is the dataset's own.

    Parameters
    ----------
    model : OutcomeModel
    made : mapping of str to (sample, ...) array
        Statistics of the datasets, as `OutcomeModel.simulate` returns them.
    shape : (int, int)
        Cells and segments.
    """
    cells, segments = shape
    # One call for all: the datasets stand beside one another as further segments.
    beside = {
        name: np.moveaxis(values, 0, 1).reshape(cells, -1, *values.shape[3:])
        if values.shape[1:3] == (cells, segments)
        else values[0]
        for name, values in made.items()
    }
    total = model.ratio(beside).numerator.reshape(cells, -1, segments)
    return _varying(np.moveaxis(total, 1, 0).reshape(total.shape[1], -1))


def _varying(signals: FloatArray) -> FloatArray:
    """Drop columns that are the same in all samples."""
    return signals[:, np.ptp(signals, axis=0) > 0] if signals.shape[1] else signals


def sources(world: World, strategy: Strategy, file: str | None = None) -> tuple[list[Source], list[str]]:
    """Return the fitted outcomes that reach the money, and what had to be assumed of their pilots' length.

    Parameters
    ----------
    world : World
    strategy : Strategy
    file : str or None
        The config's name, for messages.

    Raises
    ------
    ProblemsError
        When nothing tells how much a month of pilot observes.
    """
    problems, found, assumed = Problems(), [], []
    for name in informing(world.plan):
        summary = world.prepared.summaries.get(name)
        if summary is None:
            continue
        model = world.plan.outcomes[name].model
        months = summary.months
        if not months:
            months = whole_volume_months(world, strategy, name)
            if months is not None:
                assumed.append(
                    f"{name}: nothing tells how long the pilot ran, so it is taken to have seen the whole "
                    f"volume, which makes {months:.2g} months; state decision.pilot.ran if it was longer"
                )
        if not months:
            problems.add(
                f"nothing tells how long the pilot of {name} ran, so what a month of it shows is unknown",
                allowed="a number of months above 0",
                remedy="state decision.pilot.ran = 3, or name the column that tells the time as `period`",
                file=file,
                key="decision.pilot.ran",
            )
            continue
        if model.counts == "customers":
            assumed.append(f"{name}: a longer pilot follows more customers, each for as long as so far")
        found.append(Source(name, model, summary, world.fits[name], 1 / (months * summary.design.effect)))
    problems.raise_if_any()
    return found, assumed


def informing(plan: Plan) -> list[str]:
    """Return the outcomes on which the money rests: those with a value, and those that they build on."""
    wanted = {name for name, outcome in plan.outcomes.items() if not outcome.kpi}
    for item in (*plan.costs.values(), *plan.benefits.values()):
        if item.per is not None:
            wanted |= _counted(plan, item.per)
    correlated = {side for pair in plan.correlations for side in pair[:2]}
    wanted |= {name for name, outcome in plan.outcomes.items() if f"{outcome.path}.effect" in correlated}
    while True:
        more = {other for name in wanted for other in _before(plan.outcomes[name])} - wanted
        if not more:
            return [name for name in plan.outcomes if name in wanted]
        wanted |= more


def _counted(plan: Plan, per: Reference) -> set[str]:
    if per.kind == "successes":
        return {per.name}
    if per.kind == "stock":
        return {name for name, o in plan.outcomes.items() if o.volume == Reference("volume", per.name)}
    return set()


def _before(outcome: OutcomePlan) -> set[str]:
    found = {outcome.after} if outcome.after else set()
    if outcome.volume is not None and outcome.volume.kind == "successes":
        found.add(outcome.volume.name)
    return found


def observed(summary: PilotSummary, model: OutcomeModel) -> FloatArray:
    """Return the units of volume that the pilot saw since its launch, customers of a stock once, (cell,)."""
    units = summary.size if model.counts == "customers" else model.ratio(summary.statistics).denominator
    seen: FloatArray = units.sum(axis=1) * running(summary)
    return seen


def whole_volume_months(world: World, strategy: Strategy, name: str) -> float | None:
    """Return the pilot's months if all of the rollout's volume was in it; None for customers followed."""
    plan = world.plan.outcomes[name]
    if plan.volume is None or plan.model.counts == "customers":
        return None
    monthly = float(world.exposure(name, strategy.name).control.sum(axis=1).mean())
    seen = float(observed(world.prepared.summaries[name], plan.model).sum())
    return seen / monthly if monthly > 0 else None


def signals(
    nb: FloatArray, given: Sequence[Source], sizes: Mapping[str, float], *, seed: int, stream: str
) -> FloatArray:
    """Return what a further pilot would say of `nb` in every joint state, (sample, signal).

    Parameters
    ----------
    nb : (sample,) array
        Net benefit that is to be learnt about.
    given : sequence of Source
    sizes : mapping of str to float
        By outcome, size over that of the pilot so far.
    seed : int
    stream : str
        Name of the stream of chance.
    """
    parts = [s.simulate(sizes[s.name], child(seed, f"{stream}:{s.name}")) for s in given]
    return together(nb, parts)


def together(nb: FloatArray, parts: Sequence[FloatArray]) -> FloatArray:
    """Put the signals of all outcomes side by side; more than three become one index per outcome.

    The index is the linear part of `nb` that an outcome's signals explain, fitted on the other nine tenths
    of the samples, so that no sample has a say in its own index. Outcomes add up in money, so that more than
    three of them share one index.
    """
    parts = [part for part in parts if part.shape[1]]
    if len(parts) > _MOST:
        parts = [np.concatenate(parts, axis=1)]
    if sum(part.shape[1] for part in parts) > _MOST:
        parts = [part if part.shape[1] == 1 else _index(nb, part) for part in parts]
    return np.concatenate(parts, axis=1) if parts else np.empty((len(nb), 0))


def _index(nb: FloatArray, part: FloatArray) -> FloatArray:
    """Cross-fitted linear prediction of `nb`, (sample, 1).

    Centred over all samples: an intercept of each fold would tell the others the fold's mean.
    """
    lines, aim = (part - part.mean(axis=0)) / part.std(axis=0), nb - nb.mean()
    fold = np.arange(len(nb)) % _FOLDS
    sums = [
        (lines[fold == k].T @ lines[fold == k], lines[fold == k].T @ aim[fold == k]) for k in range(_FOLDS)
    ]
    gram, moment = sum(g for g, _ in sums), sum(m for _, m in sums)
    # Signals that say the same (arms of equal size, both their sums) must not blow up.
    ridge = 1e-9 * len(nb) * np.eye(part.shape[1])
    index = np.empty(len(nb))
    for k, (g, m) in enumerate(sums):
        index[fold == k] = lines[fold == k] @ np.linalg.solve(gram - g + ridge, moment - m)
    return index[:, None]
