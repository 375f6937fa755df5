"""The uncertain inputs of a world as arrays by name, each with the worlds in which it is known.

Inputs are what a person can ask about: an elicited quantity, a volume forecast from its history, and of
each fitted outcome its control level and its effect. They come in the natural groups: an outcome, a
volume, costs, benefits, rollout, values (what an improvement is worth), the programme's rates.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import combinations

import numpy as np

from sim.config.plan import Plan
from sim.engine.held import at_mean, put
from sim.engine.world import Strategy, World
from sim.records.arrays import FloatArray
from sim.records.quantity import Samples, quoted, scalars

_LEVELS = ("control", "treated", "effect", "difference")


@dataclass(frozen=True, slots=True)
class Input:
    """One uncertain number.

    Parameters
    ----------
    name : str
        Its path, as in ``samples.parquet``. Of a fitted outcome ``outcomes.X.control`` is the control level
        and ``outcomes.X.effect`` the relative change, both over all segments; ``outcomes.X.treated`` is
        the treated level where the control level is stated, ``outcomes.X.difference`` the change
        where levels may be 0 or below. ``.by.SEGMENT`` and ``.arm.ARM`` follow where there are several.
    group : str
        ``outcomes.X``, ``volumes.V``, ``costs``, ``benefits``, ``rollout``, ``values`` or ``programme``.
    values : (sample,) array
    held : callable
        ``held(value) -> World``: the same states with this number fixed and every other one as it was.
    """

    name: str
    group: str
    values: FloatArray
    held: Callable[[float], World]


def net_present_value(world: World, strategy: Strategy) -> FloatArray:
    """Return the NPV of a strategy in every state of its world, (sample,) [currency]."""
    flows = (strategy.benefit - strategy.cost) * strategy.factors
    return np.array(np.broadcast_to(flows.sum(axis=1), (world.n,)))


def uncertain_inputs(
    world: World, strategies: Mapping[str, Strategy], *, by_segment: bool = False
) -> tuple[Input, ...]:
    """Return every input of a world that is not certain.

    Parameters
    ----------
    world : World
    strategies : mapping of str to Strategy
        The world's strategies, simulated; their segment weights pool the levels.
    by_segment : bool
        Levels and effects of fitted outcomes for each segment instead of over all.

    Notes
    -----
    A fitted level is held by scaling the draws: holding the control level scales both arms, so that the
    relative effect keeps its posterior; holding the effect scales the treated arm alone. Over several
    segments all are scaled alike, so that what sets them apart stays. A forecast volume is held in its
    mean over the months, and keeps its course.
    """
    found = [
        Input(path, _group(world.plan, path), column, _column_held(world, path))
        for path, column in world.drawn.columns.items()
    ]
    for name, paths in world.prepared.volumes.items():
        history = world.plan.volumes[name].history
        assert history is not None  # noqa: S101  # only such volumes are forecast
        values = np.array(np.broadcast_to(paths.mean(axis=1), (world.n,)))
        found.append(
            Input(history.key, _group(world.plan, history.key), values, _volume_held(world, name, values))
        )
    for name in world.fits:
        found += _fitted(world, name, strategies, by_segment)
    return tuple(one for one in found if np.ptp(one.values) > 0)


def groups(inputs: Sequence[Input]) -> Mapping[str, tuple[Input, ...]]:
    """Return the inputs by group, outcomes and volumes first as they come."""
    names = dict.fromkeys(one.group for one in inputs)
    return {name: tuple(one for one in inputs if one.group == name) for name in names}


def linked(plan: Plan, inputs: Sequence[Input]) -> frozenset[str]:
    """Return the names of the inputs that depend on one of another group.

    They do where the config correlates them, or takes them from the rows of one file.
    """
    pairs = [(a, b) for a, b, _ in plan.correlations]
    files: dict[str, list[str]] = {}
    for path, quantity in plan.quantities.items():
        for name, scalar in scalars(path, quantity):
            if isinstance(scalar, Samples):
                files.setdefault(scalar.file, []).append(name)
    pairs += [pair for names in files.values() for pair in combinations(names, 2)]
    found: set[str] = set()
    for a, b in pairs:
        # A correlated effect of a fitted outcome moves whole posterior rows, so all its arms and segments.
        here, there = (
            [one for one in inputs if one.name == name or one.name.startswith(f"{name}.")] for name in (a, b)
        )
        if {one.group for one in here} != {one.group for one in there}:
            found |= {one.name for one in (*here, *there)}
    return frozenset(found)


def only(world: World, group: str) -> World:
    """Return the world in which one group of inputs varies and every other number stands at its mean.

    Parameters
    ----------
    world : World
    group : str
        As in `Input.group`.
    """
    return put(world, lambda path: _group(world.plan, path) != group, at_mean)


def fixed(world: World, group: str, state: int) -> World:
    """Return the world in which one group of inputs stands where it stood in one state of the world.

    Parameters
    ----------
    world : World
    group : str
        As in `Input.group`.
    state : int
        Sample from which the group's joint values are taken.
    """

    def one(values: FloatArray) -> FloatArray:
        return values[state : state + 1] if len(values) > 1 else values

    return put(world, lambda path: _group(world.plan, path) == group, one)


def _group(plan: Plan, path: str) -> str:
    """Return the natural group of a path."""
    for outcome in plan.outcomes.values():
        if path == outcome.path:
            return outcome.path
        if path.startswith(f"{outcome.path}."):
            part = path.removeprefix(f"{outcome.path}.").split(".")[0]
            if part in _LEVELS:
                return outcome.path
            if part == "volume":
                return f"{outcome.path}.volume"
            return "rollout" if part == "rollout" else "values"
    for name in plan.volumes:
        own = f"volumes.{quoted(name)}"
        if path == own or path.startswith(f"{own}."):
            return own
    return path.split(".", maxsplit=1)[0]


def _column_held(world: World, path: str) -> Callable[[float], World]:
    def held(value: float) -> World:
        fixed = world.drawn.replaced({path: np.full(world.n, value)})
        return World(world.prepared, world.fits, fixed, (world,))

    return held


def _volume_held(world: World, name: str, means: FloatArray) -> Callable[[float], World]:
    def held(value: float) -> World:
        factor = value / np.where(means == 0, 1.0, means)
        volumes = {**world.prepared.volumes, name: world.prepared.volumes[name] * factor[:, None]}
        return World(replace(world.prepared, volumes=volumes), world.fits, world.drawn.replaced({}), (world,))

    return held


def _fitted(world: World, name: str, strategies: Mapping[str, Strategy], by_segment: bool) -> Iterator[Input]:
    """Yield the control level of a fitted outcome and the effect of each treated arm, as far as fitted."""
    plan, level = world.plan.outcomes[name], world.fits[name]["level"]
    summary = world.prepared.summaries[name]
    weights = next(iter(strategies.values())).outcomes[name].weights.mean(axis=0)
    parts = [("", slice(None), weights / weights.sum() if weights.sum() > 0 else weights)]
    if by_segment and level.shape[2] > 1:
        parts = [
            (f".by.{quoted(segment)}", slice(s, s + 1), np.ones(1))
            for s, segment in enumerate(summary.segments)
        ]
    arms = {arm: summary.arms.index(arm) if arm in summary.arms else level.shape[1] - 1 for arm in strategies}
    several = len(set(arms.values())) > 1
    for tail, segments, weight in parts:
        pooled = level[:, :, segments] @ weight
        ratio = bool((level[:, :, segments] > 0).all())
        if plan.control_path is None:
            held = _level_held(world, name, slice(None), segments, pooled[:, 0], ratio)
            yield Input(f"{plan.path}.control{tail}", plan.path, pooled[:, 0], held)
        if plan.treated_path is not None or plan.effect_path is not None:
            continue
        for arm, at in {at: (arm, at) for arm, at in arms.items()}.values():
            which = f".arm.{quoted(arm)}" if several else ""
            base = None if plan.control_path is not None else pooled[:, 0]
            held = _level_held(world, name, slice(at, at + 1), segments, pooled[:, at], ratio, base)
            if base is None:
                told, values = "treated", pooled[:, at]
            elif ratio:
                told, values = "effect", pooled[:, at] / base - 1
            else:
                told, values = "difference", pooled[:, at] - base
            yield Input(f"{plan.path}.{told}{which}{tail}", plan.path, values, held)


def _level_held(
    world: World,
    name: str,
    arms: slice,
    segments: slice,
    pooled: FloatArray,
    ratio: bool,
    base: FloatArray | None = None,
) -> Callable[[float], World]:
    """Return what moves arms of a fit until their pooled level is a value, or stands so to `base`."""

    def held(value: float) -> World:
        draws = dict(world.fits[name])
        target = value if base is None else base * (1 + value) if ratio else base + value
        change = np.ones_like(draws["level"]) if ratio else np.zeros_like(draws["level"])
        change[:, arms, segments] = (target / pooled if ratio else target - pooled)[:, None, None]
        before = draws["level"]
        level = before * change if ratio else before + change
        if world.plan.outcomes[name].model.level == "share":
            level = np.clip(level, 0.0, 1.0)
        draws["level"] = level
        if "shift" in draws:
            # Churn projects from the log of the cumulative hazard, of which its level, a mean monthly
            # hazard, follows: exactly where the hazard is the same at every tenure.
            most = 1 - 1e-9
            gained = np.log(np.log1p(-np.minimum(level, most)) / np.log1p(-np.minimum(before, most)))
            draws["shift"] = draws["shift"] + gained
        return World(world.prepared, {**world.fits, name: draws}, world.drawn.replaced({}), (world,))

    return held
