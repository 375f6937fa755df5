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

type Job = tuple[str, Sequence[PilotSummary], Mapping[str, Any]]
"""The name of a model, the statistics that it is fitted to one by one, and how; see `begin`."""

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
    jobs: dict[str, Job] = {}
    for name in summaries:
        outcome = plan.outcomes[name]
        how = {
            "priors": outcome.priors,
            "sampler": sampler,
            # Outcomes are independent in the posterior only if their chains are.
            "seed": int(child(plan.seed, outcome.path).integers(2**31)),
            "source": source(outcome.model.name),
            "store": store,
        }
        jobs[name] = (outcome.model.name, summaries[name], how)
    new = {name: job for name, job in jobs.items() if refit or not _are_stored(job)}
    tell = progress or (lambda _name, _share: None)
    if workers is not None and new:
        return _on_workers(workers, jobs, refit, tell)
    if inside_worker() or sum(not _is_compiled(job) for job in new.values()) < 2:
        # The longest is sampled last, beside what is done with the others.
        order = [name for name in jobs if name not in new]
        order += sorted(new, key=lambda name: _size(new[name]))
        fits = _fits({name: jobs[name] for name in order}, refit, tell)
        return {name: fits[name] for name in jobs}
    from joblib import Parallel, delayed

    # Compiling takes as long as a model is large: the longest are begun first, so that none is left alone.
    order = sorted(new, key=lambda name: -_size(jobs[name]))
    for name in order:
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
            done = pool(delayed(_fits)({name: jobs[name]}, refit) for name in order)
            for name, fitted in zip(order, done, strict=True):
                tell(name, 1.0)
                fits |= fitted
    except BrokenProcessPool:
        late = ", ".join(name for name in order if name not in fits)
        found = f"a process died while it was fitting one of: {late}"
        remedy = "see that there is memory enough, and run it again: what was fitted is kept"
        raise ProblemsError(Problem(found, remedy=remedy)) from None
    fits |= _fits({name: job for name, job in jobs.items() if name not in new}, False, tell)
    return {name: fits[name] for name in jobs}


def _are_stored(job: Job) -> bool:
    kind, summaries, how = job
    return all(is_stored(models()[kind], summary, **how) for summary in summaries)


def _is_compiled(job: Job) -> bool:
    kind, summaries, how = job
    return is_kept(models()[kind], summaries[0], how["priors"], how["source"])


def _size(job: Job) -> int:
    """Return how many arrays the model takes, which tells how long it is compiled and sampled."""
    kind, summaries, how = job
    return len(models()[kind].data(summaries[0], how["priors"]))


def _on_workers(
    workers: Workers, jobs: Mapping[str, Job], refit: bool, tell: Progress
) -> Mapping[str, list[Fit]]:
    """Fit everything on a cluster, and take what is stored then."""
    tasks = [
        ({name: (kind, [summary], how)}, refit)
        for name, (kind, summaries, how) in jobs.items()
        for summary in summaries
    ]
    with at_work(workers) as each:
        done = iter(all_done(each(_task, tasks, lambda share: tell(next(iter(jobs)), share))))
    return {name: [next(done)[name][0] for _ in summaries] for name, (_, summaries, _) in jobs.items()}


def _task(task: tuple[Mapping[str, Job], bool]) -> dict[str, list[Fit]]:
    return _fits(*task)


def _fits(
    jobs: Mapping[str, Job], refit: bool, tell: Progress = lambda _name, _share: None
) -> dict[str, list[Fit]]:
    """Fit outcomes, in whichever process; the models are found by name, since they are not data.

    Sampling keeps threads of its own busy, judging and storing this one: the next are sampled meanwhile.
    """
    fits: dict[str, list[Fit]] = {name: [] for name in jobs}
    begun: deque[tuple[str, Callable[[], Fit]]] = deque()

    def finish_first() -> None:
        name, finish = begun.popleft()
        fits[name].append(finish())

    for name, (kind, summaries, how) in jobs.items():
        shares = [0.0] * len(summaries)
        for i, summary in enumerate(summaries):

            def told(share: float, name: str = name, shares: list[float] = shares, i: int = i) -> None:
                shares[i] = share
                tell(name, sum(shares) / len(shares))

            begun.append((name, begin(models()[kind], summary, refit=refit, progress=told, **how)))
            if len(begun) > _AHEAD:
                finish_first()
    while begun:
        finish_first()
    return fits


def part_of(progress: Progress | None, name: str) -> Callable[[float], None]:
    """Return where the share of one thing that is done is told."""
    return lambda share: None if progress is None else progress(name, share)
