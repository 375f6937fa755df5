"""What a worker does for a portfolio: check one config, or fit and simulate it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from sim.commands.forecast import run
from sim.commands.place import check_place, fit_store
from sim.commands.settings import check_money
from sim.engine.fit import fit_all
from sim.engine.joint import joint
from sim.engine.prepare import Prepared, prepare
from sim.engine.sized import Option, options


@dataclass(frozen=True, slots=True)
class Task:
    """One config with all that determines its figures, its seed too.

    Parameters
    ----------
    config : Path
    sets : tuple of str
    seed : int or None
    out : Path
        Folder for results and stored fits.
    refit, allow_untrusted : bool
    """

    config: Path
    sets: tuple[str, ...]
    seed: int | None
    out: Path
    refit: bool = False
    allow_untrusted: bool = False


@dataclass(frozen=True, slots=True)
class Checked:
    """What of a config must agree with the others, or sets it apart."""

    name: str
    currency: str
    samples: int
    hurdle: float
    horizon: int
    timing: str
    start: str | None


@dataclass(frozen=True, slots=True)
class Simulated:
    """A programme in the joint states of the portfolio.

    Parameters
    ----------
    run : Path
        Of its forecast.
    trusted : bool
    failed : tuple of str
        Names of the checks that fail.
    options : tuple of Option
        Arms and sizes; none where the forecast cannot be trusted and that is not allowed.
    sources : mapping of str to str
        As `sim.engine.joint.Joint` has them.
    rate : float or None
        Mean discount rate.
    """

    run: Path
    trusted: bool
    failed: tuple[str, ...]
    options: tuple[Option, ...]
    sources: Mapping[str, str]
    rate: float | None


def check(task: Task) -> Checked:
    """Read a config and its data, and check everything that can be known before sampling.

    Raises
    ------
    ProblemsError
    """
    prepared = _prepared(task)
    plan = prepared.plan
    check_money(plan)
    check_place(prepared, task.out, allow_untrusted=task.allow_untrusted)
    start = None if plan.start is None else str(plan.start)
    return Checked(plan.name, plan.currency, plan.samples, plan.hurdle, plan.horizon, plan.timing, start)


def simulate(task: Task) -> Simulated:
    """Forecast a config, or take the run that is there, and simulate its options in joint states.

    The run is published by itself, so that nothing of it is lost if others fail or all is stopped.

    Raises
    ------
    ProblemsError
    """
    prepared = _prepared(task)
    result = run(prepared, task.out, refit=task.refit, allow_untrusted=task.allow_untrusted, plots=False)
    failed = tuple(each["name"] for each in result.summary["checks"] if each["status"] == "fail")
    if not result.has_figures:
        return Simulated(result.run, False, failed, (), {}, None)
    moved = joint(prepared, fit_all(prepared, fit_store(task.out)))
    rate = moved.world.discount_rate
    return Simulated(result.run, result.trusted, failed, tuple(options(moved.world)), moved.sources, rate)


def _prepared(task: Task) -> Prepared:
    return prepare(task.config, task.sets, seed=task.seed, store=fit_store(task.out))
