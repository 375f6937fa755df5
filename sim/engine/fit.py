"""Fits every outcome that has data, or takes its stored fit."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path

from sim.engine.prepare import Prepared
from sim.inference.fit import Sampler, fit
from sim.records.fit import Fit
from sim.registry import source
from sim.simulation.draws import child

type Progress = Callable[[str, float], None]
"""Called with the outcome's name and the share of its fit that is done."""


def fit_all(
    prepared: Prepared, store: Path, *, refit: bool = False, progress: Progress | None = None
) -> Mapping[str, Fit]:
    """Return a fit of every outcome with data.

    Parameters
    ----------
    prepared : Prepared
    store : Path
        Folder of the stored fits.
    refit : bool
        Sample even where a stored fit exists.
    progress : callable or None
    """
    plan = prepared.plan
    sampler = Sampler(draws=plan.draws, tune=plan.tune, chains=plan.chains)
    fits: dict[str, Fit] = {}
    for name, summary in prepared.summaries.items():
        outcome = plan.outcomes[name]
        fits[name] = fit(
            outcome.model,
            summary,
            outcome.priors,
            sampler,
            # Outcomes are independent in the posterior only if their chains are.
            seed=int(child(plan.seed, outcome.path).integers(2**31)),
            source=source(outcome.model.name),
            store=store,
            refit=refit,
            progress=None if progress is None else _named(progress, name),
        )
    return fits


def _named(progress: Progress, name: str) -> Callable[[float], None]:
    return lambda share: progress(name, share)
