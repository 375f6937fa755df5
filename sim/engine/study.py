"""One forecast under many settings: the same joint samples, simulated again with some numbers changed."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from sim.config.plan import Plan
from sim.engine.fit import Progress, fit_all
from sim.engine.pilots import Pilots
from sim.engine.prepare import Prepared, prepare
from sim.engine.summary import figures
from sim.engine.world import Strategy, World
from sim.records.arrays import Draws, FloatArray
from sim.records.check import Check
from sim.records.fit import Fit
from sim.records.quantity import BySegment

type Fitter = Callable[[Prepared], Mapping[str, Fit]]


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
    world: World = field(init=False)
    checks: tuple[Check, ...] = field(init=False)

    def __post_init__(self) -> None:
        self._pilots: Pilots = {}
        self._draws: dict[str, Draws] = {}
        self._allowed: dict[str, tuple[float, float]] = {}
        prepared = prepare(self.config, self.sets, seed=self.seed, pilots=self._pilots)
        fits = fit_all(prepared, self.store, refit=self.refit, progress=self.progress)
        self.checks = (*prepared.checks, *fit_checks(fits))
        self.world = self._world(prepared, fits)

    @property
    def plan(self) -> Plan:
        """The unchanged plan."""
        return self.world.plan

    @property
    def trusted(self) -> bool:
        """Whether no check of the unchanged config failed."""
        return all(check.status != "fail" for check in self.checks)

    def at(self, changes: Mapping[str, str | float]) -> World:
        """Return the world with some numbers of the config replaced by certain ones.

        Every key is read as ``--set`` would, which fits again only what it changes and reads no table
        twice; a quantity between two values that were read is replaced in the samples at hand.

        Parameters
        ----------
        changes : mapping of str to number or text
            Dotted key to value, as in ``--set``.

        Raises
        ------
        ProblemsError
            When a key or a value is not allowed.
        """
        columns = {self.column(key): value for key, value in changes.items()}
        plain = {path: float(value) for path, value in columns.items() if path and not isinstance(value, str)}
        if len(plain) == len(changes) and all(self._known(path, value) for path, value in plain.items()):
            held = {path: np.full(self.world.n, value) for path, value in plain.items()}
            return World(self.world.prepared, self.world.fits, self.world.drawn.replaced(held))
        sets = [*self.sets, *(f"{key}={value}" for key, value in changes.items())]
        prepared = prepare(self.config, sets, seed=self.seed, pilots=self._pilots)
        for path, value in plain.items():
            low, high = self._allowed.get(path, (value, value))
            self._allowed[path] = (min(low, value), max(high, value))
        return self._world(prepared, fit_all(prepared, self.store, progress=self.progress))

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

    def _known(self, path: str, value: float) -> bool:
        """Whether a value may replace the samples at hand.

        It surely keeps to the limits of its key, since it lies between two values that were read; and no
        correlation takes other quantities along.
        """
        if any(path in pair[:2] for pair in self.plan.correlations):
            return False
        low, high = self._allowed.get(path, (np.inf, -np.inf))
        return bool(low <= value <= high)

    def _world(self, prepared: Prepared, fits: Mapping[str, Fit]) -> World:
        for fit in fits.values():
            self._draws.setdefault(fit.key, fit.draws)
        return World(prepared, {name: self._draws[fit.key] for name, fit in fits.items()}, prepared.drawn)


def fit_checks(fits: Mapping[str, Fit]) -> list[Check]:
    """Return the checks of all fits, each named after its outcome."""
    return [
        Check(f"{check.name}:{name}", check.status, check.message, check.remedy)
        for name, fit in fits.items()
        for check in fit.checks
    ]


def metrics_of(world: World, name: str) -> tuple[Strategy, dict[str, FloatArray], dict[str, Any]]:
    """Return a strategy, its metrics by sample, and the blocks ``metrics``, ``probability`` and ``risk``."""
    strategy = world.strategy(name)
    samples, metrics, probability, risk = figures(world, strategy)
    return strategy, samples, {"metrics": metrics, "probability": probability, "risk": risk}
