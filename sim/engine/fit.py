"""Fits every outcome that has data, or takes its stored fit; outcomes are fitted side by side."""

from __future__ import annotations

import os
import warnings
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures.process import BrokenProcessPool
from pathlib import Path
from typing import Any

from sim.config.plan import Plan
from sim.engine.pilots import keep
from sim.engine.prepare import Prepared
from sim.engine.workers import Workers, all_done, at_work, follow, inside_worker
from sim.errors import Problem, ProblemsError
from sim.inference.density import is_kept
from sim.inference.fit import Sampler, begin, is_stored
from sim.records.fit import Fit
from sim.records.summary import PilotSummary
from sim.registry import models, source
from sim.simulation.draws import child

_AHEAD = 2
"""How many fits are sampled while another one is finished."""

type Progress = Callable[[str, float], None]
"""Called with the outcome's name and the share of its fit that is done."""


def fit_all(
    prepared: Prepared, store: Path, *, refit: bool = False, progress: Progress | None = None
) -> Mapping[str, Fit]:
    """Return a fit of every outcome with data.

    Compiling a model takes longer than sampling it and keeps one core busy, so that outcomes are fitted in
    processes of their own where several must be compiled. Their seeds belong to the outcomes: the draws are
    the same.

    Parameters
    ----------
    prepared : Prepared
    store : Path
        Folder of the stored fits.
    refit : bool
        Sample even where a stored fit exists.
    progress : callable or None
    """
    keep(prepared.shelf, store)
    alone = {name: [summary] for name, summary in prepared.summaries.items()}
    fits = fit_each(prepared.plan, alone, store, refit=refit, progress=progress)
    return {name: fits[name][0] for name in fits}


def fit_each(
    plan: Plan,
    summaries: Mapping[str, Sequence[PilotSummary]],
    store: Path,
    *,
    refit: bool = False,
    progress: Progress | None = None,
    workers: Workers | None = None,
) -> Mapping[str, list[Fit]]:
    """Return the fits of every outcome to several sets of statistics; see `fit_all`.

    The fits of one outcome are made in turn and share what was compiled.

    Parameters
    ----------
    plan : Plan
    summaries : mapping of str to sequence of PilotSummary
        By outcome.
    store, refit, progress
        As for `fit_all`.
    workers : Workers, optional
        A cluster on which each fit is a task of its own.
    """
    sampler = Sampler(draws=plan.draws, tune=plan.tune, chains=plan.chains)
    jobs: dict[str, dict[str, Any]] = {
        name: {
            "priors": plan.outcomes[name].priors,
            "sampler": sampler,
            # Outcomes are independent in the posterior only if their chains are.
            "seed": int(child(plan.seed, plan.outcomes[name].path).integers(2**31)),
            "source": source(plan.outcomes[name].model.name),
            "store": store,
        }
        for name in summaries
    }
    kinds = {name: plan.outcomes[name].model.name for name in jobs}
    new = [
        name
        for name in jobs
        if refit or not all(is_stored(models()[kinds[name]], each, **jobs[name]) for each in summaries[name])
    ]
    tell = progress or (lambda _name, _share: None)
    to_compile = [
        name
        for name in new
        if not is_kept(models()[kinds[name]], summaries[name][0], jobs[name]["priors"], jobs[name]["source"])
    ]

    if workers is not None and new:
        return _on_workers(workers, kinds, summaries, jobs, refit, tell)

    def size(name: str) -> int:
        return len(models()[kinds[name]].data(summaries[name][0], jobs[name]["priors"]))

    if len(to_compile) < 2 or inside_worker():
        # The longest is sampled last, beside what is done with the others.
        order = [name for name in jobs if name not in new] + sorted(new, key=size)
        fits = _fits(order, kinds, summaries, jobs, refit, tell)
        return {name: fits[name] for name in jobs}
    from joblib import Parallel, delayed

    # Compiling takes as long as a model is large: the longest are begun first, so that none is left alone.
    new.sort(key=size, reverse=True)
    for name in new:
        tell(name, 0.0)
    fits = {}
    try:
        pool = Parallel(
            n_jobs=-1, return_as="generator", backend="loky", initializer=follow, initargs=(os.getpid(),)
        )
        with warnings.catch_warnings():
            # Compiling takes hundreds of MB, after which loky replaces a worker and takes it for a leak. Its
            # thread says so; where warnings are errors that would end it, and the wait with it.
            warnings.filterwarnings("ignore", message="A worker stopped while some jobs")
            done = pool(delayed(_fits)([name], kinds, summaries, jobs, refit) for name in new)
            for name, fitted in zip(new, done, strict=True):
                tell(name, 1.0)
                fits |= fitted
    except BrokenProcessPool:
        late = ", ".join(name for name in new if name not in fits)
        found = f"a process died while it was fitting one of: {late}"
        remedy = "see that there is memory enough, and run it again: what was fitted is kept"
        raise ProblemsError(Problem(found, remedy=remedy)) from None
    stored = _fits([name for name in jobs if name not in fits], kinds, summaries, jobs, False, tell)
    return {name: (fits | stored)[name] for name in jobs}


def _on_workers(
    workers: Workers,
    kinds: Mapping[str, str],
    summaries: Mapping[str, Sequence[PilotSummary]],
    jobs: Mapping[str, Mapping[str, Any]],
    refit: bool,
    tell: Progress,
) -> Mapping[str, list[Fit]]:
    """Fit everything on a cluster, and take what is stored then."""
    tasks = [([name], kinds, {name: [summary]}, jobs, refit) for name in jobs for summary in summaries[name]]
    with at_work(workers) as each:
        done = iter(all_done(each(_task, tasks, lambda share: tell(next(iter(jobs)), share))))
    return {name: [next(done)[name][0] for _ in summaries[name]] for name in jobs}


def _task(task: tuple[Any, ...]) -> dict[str, list[Fit]]:
    return _fits(*task)


def _fits(
    names: Sequence[str],
    kinds: Mapping[str, str],
    summaries: Mapping[str, Sequence[PilotSummary]],
    jobs: Mapping[str, Mapping[str, Any]],
    refit: bool,
    tell: Progress = lambda _name, _share: None,
) -> dict[str, list[Fit]]:
    """Fit outcomes, in whichever process; the models are found by name, since they are not data.

    Sampling keeps threads of its own busy, judging and storing this one: the next are sampled meanwhile.
    """
    fits: dict[str, list[Fit]] = {name: [] for name in names}
    begun: deque[tuple[str, Callable[[], Fit]]] = deque()

    def finish_first() -> None:
        name, finish = begun.popleft()
        fits[name].append(finish())

    for name in names:
        for done, summary in enumerate(summaries[name]):

            def told(share: float, name: str = name, done: int = done) -> None:
                tell(name, (done + share) / len(summaries[name]))

            begun.append(
                (name, begin(models()[kinds[name]], summary, refit=refit, progress=told, **jobs[name]))
            )
            if len(begun) > _AHEAD:
                finish_first()
    while begun:
        finish_first()
    return fits


def part_of(progress: Progress | None, name: str) -> Callable[[float], None]:
    """Return where the share of one thing that is done is told."""
    return lambda share: None if progress is None else progress(name, share)
