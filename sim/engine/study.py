"""One forecast under many settings: the same joint samples, simulated again with some numbers changed."""

from __future__ import annotations

import threading
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from sim.config.load import parse_key
from sim.config.plan import Plan
from sim.engine.fit import Progress, fit_all
from sim.engine.pilots import Pilots
from sim.engine.prepare import Prepared, prepare
from sim.engine.runs import in_runs
from sim.engine.summary import measured
from sim.engine.world import World
from sim.finance.metrics import METRICS, Measured
from sim.records.arrays import FloatArray
from sim.records.check import Check
from sim.records.fit import Fit
from sim.records.quantity import BySegment, Certain, quoted

_KEPT = 2  # worlds to replace quantities in; each holds all that was simulated in it
_KEEP = 4_000_000

RUN = 8_192
"""Samples that are simulated at once where they are many: few enough to stay near the processor."""

type Setting = Mapping[str, str | float]
"""Dotted key to value, as in ``--set``."""


class _Base(NamedTuple):
    """Settings with the same of these differ in values of quantities alone."""

    others: frozenset[tuple[str, str | float]]
    quantities: frozenset[str]


@dataclass
class Study:
    """A prepared and fitted config, and what it becomes when numbers in it change.

    Parameters
    ----------
    config : Path
    sets : sequence of str
        ``KEY=VALUE`` overrides that hold in every setting.
    seed : int or None
    store : Path
        Folder of the stored fits.
    refit : bool
        Sample the outcomes of the unchanged config anew.
    progress : callable or None
    before : callable or None
        Called with the prepared config before anything is fitted; raises what speaks against it.

    Attributes
    ----------
    world : World
        The unchanged config.
    checks : tuple of Check
        Findings on config, data and fits of the unchanged config.
    """

    config: Path
    sets: Sequence[str] = ()
    seed: int | None = None
    store: Path = Path("results/.fits")
    refit: bool = False
    progress: Progress | None = None
    before: Callable[[Prepared], None] | None = None
    world: World = field(init=False)
    checks: tuple[Check, ...] = field(init=False)

    def __post_init__(self) -> None:
        self._pilots: Pilots = {}
        self._paths: dict[str, str] = {}
        self._allowed: dict[str, tuple[float, float]] = {}
        self._bases: dict[_Base, World] = {}
        self._failed: dict[_Base, tuple[str, ...]] = {}
        self._own = threading.local()
        self._reading = threading.Lock()
        prepared = self._prepared({})
        if self.before is not None:
            self.before(prepared)
        self._fits = fit_all(prepared, self.store, refit=self.refit, progress=self.progress)
        self.checks = (*prepared.checks, *fit_checks(self._fits))
        self.world = World(prepared, {name: fit.draws for name, fit in self._fits.items()}, prepared.drawn)
        self._last = self.world

    @property
    def plan(self) -> Plan:
        """The unchanged plan."""
        return self.world.plan

    @property
    def trusted(self) -> bool:
        """Whether no check of the unchanged config failed."""
        return all(check.status != "fail" for check in self.checks)

    def at(self, changes: Setting) -> World:
        """Return the world with some numbers of the config replaced by certain ones.

        Every key is read as ``--set`` would, which fits again only what it changes and reads no table
        twice. Between two values that were read, a quantity is replaced in the samples at hand. What the
        simulation of the last setting did not take from the changed keys is taken over from it. Threads may
        ask side by side.

        Parameters
        ----------
        changes : mapping of str to number or text
            Dotted key to value, as in ``--set``.

        Raises
        ------
        ProblemsError
            When a key or a value is not allowed.
        """
        base = self._base(changes)
        world = self._bases.get(base)
        values = {self._paths[key]: float(changes[key]) for key in base.quantities}
        if world is None or not all(self._known(path, value) for path, value in values.items()):
            with self._reading:
                world = self._read(changes)
        elif values:
            held = {path: np.full(world.n, value) for path, value in values.items()}
            like = (*self._before(), world, self.world)
            world = World(world.prepared, world.fits, world.drawn.replaced(held), like)
        self._own.last = self._last = world
        return world

    def _before(self) -> tuple[World, ...]:
        """Return the world that this thread, or else any thread, was given last."""
        return (getattr(self._own, "last", self._last),)

    def failed(self, changes: Setting) -> tuple[str, ...]:
        """Return the names of the checks that fail in a setting that was asked for."""
        return self._failed[self._base(changes)]

    def is_quantity(self, key: str) -> bool:
        """Tell whether a key that was asked for is a quantity: it may take any value between two others."""
        return key in self._paths

    def column(self, key: str) -> str | None:
        """Return the path of the single quantity that a key names; None for any other key.

        The long and the short form of a path are the same: ``costs.x`` and ``costs.x.once``.
        """
        long = (f"{key}.{tail}" for tail in ("once", "monthly"))
        short = (key.removesuffix(f".{tail}") for tail in ("once", "monthly"))
        for path in (key, *long, *short):
            quantity = self.plan.quantities.get(path)
            if quantity is not None:
                return None if isinstance(quantity, BySegment) else path
        return None

    def _base(self, changes: Setting) -> _Base:
        """Return what two settings must share so that only values of quantities lie between them."""
        quantities = frozenset(key for key in changes if key in self._paths)
        return _Base(frozenset((key, changes[key]) for key in changes.keys() - quantities), quantities)

    def _known(self, path: str, value: float) -> bool:
        """Whether a value surely keeps to the limits of its key, since it lies between two that were read."""
        low, high = self._allowed.get(path, (np.inf, -np.inf))
        return bool(low <= value <= high)

    def _read(self, changes: Setting) -> World:
        """Read a setting as ``--set`` would, and note which of its keys are quantities."""
        prepared = self._prepared(changes)
        for key, value in changes.items():
            path = certain_path(prepared.plan, key)
            if path is not None and not isinstance(value, str):
                self._paths[key] = path
                low, high = self._allowed.get(path, (value, value))
                self._allowed[path] = (min(low, value), max(high, value))
        fits = self._fitted(prepared)
        draws = {name: fit.draws for name, fit in fits.items()}
        world = World(prepared, draws, prepared.drawn, (*self._before(), self.world))
        base = self._base(changes)
        checks = (*prepared.checks, *fit_checks(fits))
        self._failed[base] = tuple(check.name for check in checks if check.status == "fail")
        if base.quantities:
            self._bases.setdefault(base, world)
            while len(self._bases) > _KEPT:
                self._bases.pop(next(iter(self._bases)))
        return world

    def _prepared(self, changes: Setting) -> Prepared:
        sets = (f"{key}={written(value)}" for key, value in changes.items())
        return prepare(
            self.config, [*self.sets, *sets], seed=self.seed, pilots=self._pilots, store=self.store
        )

    def _fitted(self, prepared: Prepared) -> Mapping[str, Fit]:
        """Return the fits of a setting; those whose inputs are the very same are at hand."""
        then, now = self.world.prepared, prepared
        shared = ("draws", "tune", "chains", "seed")
        if all(getattr(then.plan, name) == getattr(now.plan, name) for name in shared):
            for name, summary in now.summaries.items():
                same = summary is then.summaries.get(name)
                if not same or now.plan.outcomes[name].priors != then.plan.outcomes[name].priors:
                    break
            else:
                return {name: self._fits[name] for name in now.summaries}
        return fit_all(prepared, self.store, progress=self.progress)


def written(value: str | float) -> str:
    """Return a value as ``--set`` takes it; a float keeps all its digits.

    Examples
    --------
    >>> written(0.1), written(24), written("2026-01-01")
    ('0.1', '24', '2026-01-01')
    """
    return repr(float(value)) if isinstance(value, float) else str(value)


def certain_path(plan: Plan, key: str) -> str | None:
    """Return the name of the single certain quantity that stands at a key; None where there is none."""
    path = ".".join(quoted(str(part)) for part in parse_key(key))
    # Read as a number, the long form of a key is kept under the short one where the config had that.
    for name in (path, *(path.removesuffix(f".{tail}") for tail in ("once", "monthly"))):
        quantity = plan.quantities.get(name)
        if isinstance(quantity, Certain):
            return name
    whole, _, segment = path.rpartition(".by.")
    quantity = plan.quantities.get(whole)
    if isinstance(quantity, BySegment) and isinstance(quantity.by.get(str(parse_key(segment)[0])), Certain):
        return path
    return None


def fit_checks(fits: Mapping[str, Fit]) -> list[Check]:
    """Return the checks of all fits, each named after its outcome."""
    return [
        Check(f"{check.name}:{name}", check.status, check.message, check.remedy)
        for name, fit in fits.items()
        for check in fit.checks
    ]


def metrics_of(
    world: World, name: str, only: Collection[str] = METRICS, *, beside: Collection[str] = ()
) -> tuple[dict[str, FloatArray], dict[str, Any]]:
    """Return a strategy's metrics by sample, and the blocks ``metrics``, ``probability`` and ``risk``.

    Many samples are simulated in runs, so that memory does not grow with them.

    Parameters
    ----------
    world : World
    name : str
    only : collection of str
        Metrics to compute, as for `sim.finance.metrics.measure`.
    beside : collection of str
        Metrics to compute that need no block.
    """
    wanted, rate = {*only, *beside}, world.discount_rate

    def measure(run: World) -> Measured:
        return measured(run, run.strategy(name), wanted, rate)

    if world.n < 2 * RUN:
        found = measure(world)
    else:
        # The C library keeps memory that is given back up to the size of what was given back before.
        np.empty(_KEEP)
        found = Measured.joined(in_runs(world, RUN, measure))
    metrics, probability, risk = found.blocks(world.plan.horizon, world.plan.hurdle, only)
    return found.samples, {"metrics": metrics, "probability": probability, "risk": risk}
