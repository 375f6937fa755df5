"""Fits an outcome model: compiles it, samples it, judges the sample and stores it."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from sim.contract import OutcomeModel, Predictive, Priors
from sim.errors import Problem, ProblemsError
from sim.inference import density
from sim.inference import store as shelf
from sim.inference.gates import check_prediction, check_sampling
from sim.language import N_, phrase, several
from sim.records.arrays import Draws
from sim.records.check import Check
from sim.records.fit import Fit, usable
from sim.records.summary import PilotSummary

if TYPE_CHECKING:
    import xarray

type Progress = Callable[[float], None]

STRICTER = (0.99, 0.999)
"""Target acceptance of the second attempt, and of a last one."""
_PRIOR_DRAWS = 1000


@dataclass(frozen=True, slots=True)
class Sampler:
    """Settings of the No-U-Turn sampler.

    Parameters
    ----------
    draws, tune : int
        Draws kept and draws for warm-up, per chain.
    chains : int
    target_accept : float
        Acceptance probability that the step size aims at.
    """

    draws: int = 1000
    tune: int = 1000
    chains: int = 4
    target_accept: float = 0.95


def begin(
    model: OutcomeModel,
    summary: PilotSummary,
    priors: Priors,
    sampler: Sampler,
    *,
    seed: int,
    source: bytes,
    store: Path,
    refit: bool = False,
    progress: Progress | None = None,
) -> Callable[[], Fit]:
    """Find the posterior of one outcome in the store, or begin to sample it.

    Parameters
    ----------
    model, summary, priors
        What is fitted, to which statistics, under which beliefs.
    sampler : Sampler
    seed : int
        Determines the draws.
    source : bytes
        The model's source text, so that a changed model is a new fit.
    store : Path
        Folder of the stored fits.
    refit : bool
        Sample even if the fit is stored.
    progress : callable or None
        Called with the share done, 0 to 1, perhaps from another thread.

    Returns
    -------
    callable
        Waits for the draws, judges and stores them, and returns the fit, with a ``fail`` among its checks
        when it cannot be trusted. It raises KeyboardInterrupt when sampling was stopped; nothing is stored
        then. What is never called stops sampling when it is forgotten.

    Raises
    ------
    ProblemsError
        When it could not start, or, from what is returned, a fit cannot be stored.
    """
    tell = progress or (lambda _share: None)
    key = _key(model, summary, priors, sampler, seed, source)
    notes: tuple[Check, ...] = ()
    if not refit:
        try:
            stored = shelf.load(store, key)
        except ValueError as damage:
            damaged = phrase("a stored fit was damaged ({damage}) and is replaced", damage=str(damage))
            notes = (Check("stored-fit", "note", damaged),)
        else:
            if stored is not None:
                tell(1.0)
                return lambda: stored
            if shelf.has_other_version(store, key):
                told = N_("a stored fit of the same was made by other versions and is not used")
                notes = (Check("stored-fit", "note", told),)
    shelf.prepare(store)
    tell(0.0)
    seeds = np.random.SeedSequence(seed).spawn(3)
    compiled = density.compiled(model, summary, priors, source)
    start = int(seeds[0].generate_state(1)[0])
    waiting = begin_sampling(compiled, sampler, sampler.target_accept, start, tell)

    def finish() -> Fit:
        tree, checks, figures = _judged(waiting(), compiled, sampler, start, tell)
        tree = _relabelled(tree, summary)
        posterior = named(tree)
        draws = {
            str(name): np.ascontiguousarray(values.values.reshape(-1, *values.shape[2:]))
            for name, values in posterior.data_vars.items()
        }
        groups: dict[str, Any] = {}
        if usable(checks):
            predictive = model.predictive(draws, summary, rng=np.random.default_rng(seeds[1]))
            check, p = check_prediction(predictive)
            checks, figures = (*checks, check), {**figures, **p}
            groups = _predictive_groups(predictive)
        prior = model.prior(summary, priors, _PRIOR_DRAWS, rng=np.random.default_rng(seeds[2]))
        groups["prior"] = _labelled(prior, posterior)
        whole = _tree(tree, groups)
        tell(1.0)
        return shelf.save(
            store,
            key,
            draws,
            (*notes, *checks),
            figures,
            # HDF5 ends the process where it cannot write, so it writes to memory.
            lambda path: path.write_bytes(whole.to_netcdf(engine="h5netcdf")),
            replace=refit or bool(notes),
        )

    return finish


def is_stored(
    model: OutcomeModel,
    summary: PilotSummary,
    priors: Priors,
    sampler: Sampler,
    *,
    seed: int,
    source: bytes,
    store: Path,
) -> bool:
    """Tell whether `begin` would find a stored fit; takes the same arguments."""
    return shelf.is_there(store, _key(model, summary, priors, sampler, seed, source))


def _key(
    model: OutcomeModel, summary: PilotSummary, priors: Priors, sampler: Sampler, seed: int, source: bytes
) -> str:
    return shelf.key_of(model.name, summary, source, priors, {**asdict(sampler), "seed": seed})


def _judged(
    tree: xarray.DataTree, compiled: Any, sampler: Sampler, seed: int, tell: Progress
) -> tuple[xarray.DataTree, tuple[Check, ...], dict[str, float]]:
    """Judge a sample, and sample again with ever smaller steps while it is not to be trusted."""
    targets = [sampler.target_accept, *(target for target in STRICTER if target > sampler.target_accept)]
    retries: list[Check] = []
    for target in targets:
        if target != targets[0]:
            tree = sample(compiled, sampler, target, seed, tell)
        checks = missing(tree, sampler)
        figures: dict[str, float] = {}
        if not checks:
            stats = tree["sample_stats"].to_dataset()
            checks, figures = check_sampling(
                {str(name): values.values for name, values in named(tree).data_vars.items()},
                stats["diverging"].values,
                stats["energy"].values,
            )
        figures["target_accept"] = target
        names = {check.name for check in checks if check.status != "ok"}
        # A third attempt can mend divergences; chains that still disagree would only take longer.
        if not names or target == targets[-1] or (retries and "convergence" in names):
            break
        why = several((check.message for check in checks), "; ")
        retries.append(
            Check("sampler-retry", "note", phrase("sampled again with smaller steps: {why}", why=why))
        )
    return tree, (*retries, *checks), figures


def sample(compiled: Any, sampler: Sampler, target: float, seed: int, tell: Progress) -> xarray.DataTree:
    """Run the sampler to its end; see `begin_sampling`."""
    return begin_sampling(compiled, sampler, target, seed, tell)()


def begin_sampling(
    compiled: Any, sampler: Sampler, target: float, seed: int, tell: Progress
) -> Callable[[], xarray.DataTree]:
    """Start the sampler in threads of its own.

    Returns
    -------
    callable
        Waits for the draws. They may come without an error before the last of them: see `missing`. It raises
        KeyboardInterrupt, and ProblemsError when no chain finds a place to start from.
    """
    from sim.inference.nuts import nutpie

    def heard(chains: Sequence[Any]) -> None:
        done, due = sum(c.finished_draws for c in chains), sum(c.total_draws for c in chains)
        tell(min(done / max(due, 1), 0.99))

    running = nutpie.sample(
        compiled,
        draws=sampler.draws,
        tune=sampler.tune,
        chains=sampler.chains,
        seed=seed,
        target_accept=target,
        save_warmup=False,
        progress_bar=False,
        progress_callback=heard,
        blocking=False,
    )
    return partial(_drawn, running)


def _drawn(running: Any) -> xarray.DataTree:
    """Wait for the draws."""
    try:
        tree: xarray.DataTree = running.wait()
    except RuntimeError as error:
        running.cancel()
        told = str(error).strip().splitlines()
        found = f"the model could not be sampled: {told[0] if told else 'no reason was given'}"
        remedy = "look at the pilot's figures and at `prior` for something extreme"
        raise ProblemsError(Problem(found, remedy=remedy)) from error
    except BaseException:
        running.cancel()
        raise
    return tree


def missing(tree: xarray.DataTree, sampler: Sampler) -> tuple[Check, ...]:
    """Return a failure unless every chain holds every draw.

    A chain that stopped early is filled up with NaN to the length of the longest.
    """
    energy = tree["sample_stats"]["energy"].values if "sample_stats" in tree.children else np.empty((0, 0))
    if energy.shape == (sampler.chains, sampler.draws) and not np.isnan(energy[:, -1]).any():
        return ()
    done, due = int(np.isfinite(energy).sum()), sampler.chains * sampler.draws
    return (
        Check(
            "missing-draws",
            "fail",
            phrase("sampling stopped after {done} of {due} draws", done=done, due=due),
            N_("run it again with --refit"),
        ),
    )


def _relabelled(tree: xarray.DataTree, summary: PilotSummary) -> xarray.DataTree:
    """Name arms and segments as the pilot does: the model may have been compiled for another one."""
    import xarray as xr

    posterior = tree["posterior"].to_dataset()
    labels = {
        "arm": summary.arms,
        "segment": summary.segments,
        "treated": summary.arms[1:],
        "cell": summary.cells,
    }
    known = {dim: list(names) for dim, names in labels.items() if dim in posterior.dims}
    groups = {name: child.to_dataset() for name, child in tree.children.items()}
    named: xr.DataTree = xr.DataTree.from_dict({**groups, "posterior": posterior.assign_coords(known)})
    return named


def _labelled(draws: Draws, posterior: xarray.Dataset) -> xarray.Dataset:
    """Give prior draws the dimensions that the posterior has for the same names."""
    import xarray as xr

    variables = {}
    for name, values in draws.items():
        if name in posterior:
            dims = posterior[name].dims[2:]
            coords = {dim: posterior[name].coords[dim] for dim in dims} | _counted(len(values))
            variables[name] = xr.DataArray(values[None], dims=("chain", "draw", *dims), coords=coords)
    return xr.Dataset(variables)


def named(tree: xarray.DataTree) -> xarray.Dataset:
    """Return the posterior without the sampler's own coordinates, whose names begin with an underscore."""
    posterior = tree["posterior"].to_dataset()
    return posterior.drop_vars([name for name in posterior.data_vars if str(name).startswith("_")])


def _predictive_groups(predictive: Predictive) -> dict[str, Any]:
    import xarray as xr

    name = "_".join(predictive.name.split()) or "observed"
    labels: dict[str, Any] = {"cell": list(predictive.labels)} if predictive.labels else {}
    return {
        "observed_data": xr.Dataset({name: (("cell",), predictive.observed)}, coords=labels),
        "posterior_predictive": xr.Dataset(
            {name: (("chain", "draw", "cell"), predictive.replicated[None])},
            coords=labels | _counted(len(predictive.replicated)),
        ),
    }


def _counted(n: int) -> dict[str, Any]:
    return {"chain": [0], "draw": np.arange(n)}


def _tree(sampled: xarray.DataTree, groups: Mapping[str, Any]) -> xarray.DataTree:
    """Posterior, numeric sampler statistics and the further groups, without warm-up."""
    import xarray as xr

    stats = sampled["sample_stats"].to_dataset()
    stats = stats.drop_vars([name for name, values in stats.data_vars.items() if values.dtype == object])
    own = {"posterior": named(sampled), "sample_stats": stats}
    tree: xarray.DataTree = xr.DataTree.from_dict({**own, **groups})
    return tree
