"""What the page needs to recompute a forecast by itself: joint samples of cash, taken apart by what moves it.

The cash of every month is a sum of terms, each in proportion to some quantities of the config. Which ones is
not read off the config but tried: the engine simulates with a quantity put to 0 and to twice its value. What
has been taken apart is put together again at other values and held against the engine before it is used.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from sim.config.plan import Plan
from sim.engine.inputs import net_present_value
from sim.engine.world import World
from sim.records.arrays import FloatArray
from sim.records.quantity import scalars

SAMPLES = 1_000
"""Joint states that the page holds, at most."""
LONGEST = 120
"""Months that the page may look ahead, at most."""
KEYS = 60
"""Quantities that are tried, at most."""

BY_SEGMENT = 15
"""Quantities by segment that are tried: of more, none, since each takes a term of its own."""

_EXACT = 1e-9
_TRIED = 30  # states in which the parts are looked for
_SPREAD = (0.4, 1.7)

type Streams = Mapping[tuple[str, str], FloatArray]
"""Cash by (benefits or costs, path of the stream), (sample or 1, month 0 …)."""


@dataclass(frozen=True, slots=True)
class Term:
    """A part of the monthly cash.

    Parameters
    ----------
    sign : int
        1 for a benefit, −1 for a cost.
    keys : tuple of str
        Quantities to which it is in proportion.
    cash : (sample, month 0 … longest) array [currency]
        As simulated.
    """

    sign: int
    keys: tuple[str, ...]
    cash: FloatArray


@dataclass(frozen=True, slots=True)
class Groups:
    """What moves one stream: quantities that move all of it, and groups of which each moves a part."""

    common: tuple[str, ...]
    parts: tuple[tuple[str, ...], ...]


@dataclass(frozen=True, slots=True)
class WhatIf:
    """One strategy, ready to be recomputed under other numbers.

    Parameters
    ----------
    world : World
        The joint states that were chosen.
    values : mapping of str to (sample,) array
        Each quantity that can be changed, as simulated; always above 0.
    terms : tuple of Term
        Together, all of the cash.
    rates, inflation : (sample or 1,) array [1/year], inflation also None
        Discount rate as the config states it, and the inflation that converts it to the basis of the cash.
    """

    world: World
    strategy: str
    values: Mapping[str, FloatArray]
    terms: tuple[Term, ...]
    rates: FloatArray
    inflation: FloatArray | None

    def cash(self, changes: Mapping[str, float]) -> tuple[FloatArray, FloatArray]:
        """Return benefits and costs by month with some quantities changed, (sample, month) each."""
        found = {1: np.zeros(self.shape), -1: np.zeros(self.shape)}
        for term in self.terms:
            factor = np.ones(self.world.n)
            for key in set(term.keys) & set(changes):
                factor = factor * changes[key] / self.values[key]
            found[term.sign] += term.cash * factor[:, None]
        return found[1], found[-1]

    @property
    def shape(self) -> tuple[int, int]:
        """Samples and months, month 0 among them."""
        return self.world.n, self.world.plan.horizon + 1


def what_if(world: World, strategy: str) -> WhatIf:
    """Take a strategy apart.

    Parameters
    ----------
    world : World
    strategy : str

    Notes
    -----
    Of many samples every k-th in the order of the NPV is taken: a systematic sample, whose distribution of
    NPV hardly differs from that of all (Cochran 1977, *Sampling Techniques*, ch. 8), nor does that of what
    goes with it. A quantity is left out where the cash is not in proportion to it, or where it is 0 in some
    state.
    """
    chosen = _longer(world.some(systematic(net_present_value(world, world.strategy(strategy)))))
    plan = chosen.plan
    values = {
        key: column
        for key in _candidates(plan)[:KEYS]
        for column in [chosen.drawn.columns[key]]
        if column.min() > 0 and np.isfinite(column).all()
    }
    parts = _structure(chosen.some(slice(0, _TRIED)), strategy, values)
    terms = _terms(chosen, strategy, parts)
    moving = {key: column for key, column in values.items() if any(key in term.keys for term in terms)}
    rates = chosen.scalar(plan.discount_path, 0.0)[:, 0]
    inflation = chosen.scalar(plan.inflation_path, 0.0)[:, 0] if plan.convert else None
    return WhatIf(chosen, strategy, moving, terms, rates, inflation)


def systematic(npv: FloatArray) -> Any:
    """Return the rows of a systematic sample by NPV, or all."""
    n = len(npv)
    if npv.min() == npv.max():
        return slice(0, 1)
    if n <= SAMPLES:
        return slice(0, n)
    at = (np.arange(SAMPLES) + 0.5) * n / SAMPLES
    return np.sort(np.argsort(npv, kind="stable")[at.astype(int)])


def _longer(world: World) -> World:
    """Return the world over twice its horizon, as far as what it rests on goes on."""
    plan = world.plan
    if world.prepared.volumes:  # forecast for its months only
        return world
    plan = replace(plan, horizon=max(plan.horizon, min(2 * plan.horizon, LONGEST)))
    return World(replace(world.prepared, plan=plan), world.fits, world.drawn.replaced({}))


def _candidates(plan: Plan) -> tuple[str, ...]:
    """Return the quantities that a person may want to change, those by segment only where they are few."""
    paths: list[str | None] = []
    for volume in plan.volumes.values():
        paths += [volume.monthly_path, volume.stock_path, volume.share_path]
    for outcome in plan.outcomes.values():
        paths += [outcome.price_path, *outcome.value_paths, outcome.realisation_path]
        paths.append(outcome.rollout.transfer_path)
    for flow in (*plan.benefits.values(), *plan.costs.values()):
        paths += [flow.once_path, flow.monthly_path, flow.amount_path, *flow.month_paths]
    named = dict.fromkeys(path for path in paths if path is not None)
    flat = [name for path in named for name, _ in scalars(path, plan.quantities[path])]
    single = [name for name in flat if ".by." not in name]
    parts = [name for name in flat if ".by." in name]
    return (*single, *(parts if len(parts) <= BY_SEGMENT else ()))


def _held(world: World, columns: Mapping[str, FloatArray]) -> World:
    return World(world.prepared, world.fits, world.drawn.replaced(columns), (world,))


def _streams(world: World, strategy: str) -> Streams:
    ledger = world.strategy(strategy).ledger
    whole = {"benefits": ledger.benefits, "costs": ledger.costs}
    return {(kind, path): cash for kind, flows in whole.items() for path, cash in flows.items()}


def _close(a: FloatArray, b: FloatArray, scale: FloatArray) -> bool:
    """Tell whether two streams are the same but for rounding."""
    return bool(np.abs(a - b).max() <= _EXACT * max(np.abs(scale).max(), 1e-300))


def _structure(world: World, strategy: str, keys: Iterable[str]) -> Mapping[tuple[str, str], Groups]:
    """Return what moves each stream, tried in a few states of the world."""
    base = _streams(world, strategy)
    moving: dict[str, Streams] = {}
    for key in keys:
        column = world.drawn.columns[key]
        none, double = (_streams(_held(world, {key: f * column}), strategy) for f in (0.0, 2.0))
        if all(_close(double[at] - base[at], base[at] - none[at], base[at]) for at in base):
            moving[key] = none
    # By-segment quantities may act on the same part of a stream in ways that are no product: then not.
    for kept in (list(moving), [key for key in moving if ".by." not in key]):
        found = {at: _groups(cash, at, {key: moving[key] for key in kept}) for at, cash in base.items()}
        if _proved(world, strategy, found, kept):
            return found
    return {at: Groups((), ()) for at in base}


def _groups(cash: FloatArray, at: tuple[str, str], moving: Mapping[str, Streams]) -> Groups:
    nothing = np.zeros_like(cash)
    common: list[str] = []
    parts: list[tuple[list[str], FloatArray]] = []
    for key, none in moving.items():
        part = cash - none[at]
        if _close(part, nothing, cash):
            continue
        if _close(part, cash, cash):
            common.append(key)
            continue
        for keys, known in parts:
            if _close(part, known, cash):
                keys.append(key)
                break
        else:
            parts.append(([key], part))
    return Groups(tuple(common), tuple(tuple(keys) for keys, _ in parts))


def _terms(world: World, strategy: str, parts: Mapping[tuple[str, str], Groups]) -> tuple[Term, ...]:
    """Take the cash of all states apart; what moves with the same quantities is one term."""
    base = _streams(world, strategy)
    without = {
        keys[0]: _streams(_held(world, {keys[0]: np.zeros(world.n)}), strategy)
        for keys in dict.fromkeys(keys for groups in parts.values() for keys in groups.parts)
    }
    found: dict[tuple[int, frozenset[str]], Term] = {}
    for at, groups in parts.items():
        sign, rest = (1 if at[0] == "benefits" else -1), base[at]
        taken = [(keys, base[at] - without[keys[0]][at]) for keys in groups.parts]
        for _, cash in taken:
            rest = rest - cash
        if not _close(rest, np.zeros_like(rest), base[at]):
            taken.append(((), rest))
        for keys, cash in taken:
            term = Term(sign, (*groups.common, *keys), cash)
            known = found.get((sign, frozenset(term.keys)))
            found[sign, frozenset(term.keys)] = (
                term if known is None else replace(known, cash=known.cash + cash)
            )
    return tuple(found.values())


def _proved(
    world: World, strategy: str, parts: Mapping[tuple[str, str], Groups], keys: Sequence[str]
) -> bool:
    """Tell whether what was taken apart is what the engine says where all quantities move at once."""
    columns = world.drawn.columns
    factors = np.linspace(*_SPREAD, max(len(keys), 1))
    values = {key: columns[key] for key in keys}
    changes = {key: float(f * values[key].mean()) for key, f in zip(keys, factors, strict=False)}
    rates = np.zeros(1)
    found = WhatIf(world, strategy, values, _terms(world, strategy, parts), rates, None).cash(changes)
    wanted = _held(world, {key: np.full(world.n, value) for key, value in changes.items()}).strategy(strategy)
    return all(_close(a, b, b) for a, b in zip(found, (wanted.benefit, wanted.cost), strict=True))
