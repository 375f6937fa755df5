"""Fits without `sim` around them: the same PyMC models of the same statistics, as manuals have it."""

from __future__ import annotations

import pickle
from dataclasses import asdict
from pathlib import Path
from typing import Any

from benchmarks.call import done
from benchmarks.result import Gate

DRAWS, CHAINS, TARGET = 1000, 4, 0.95


def statistics(config: str, file: str) -> None:
    """Write what the models of a config are fitted to, so that the peers need not read the tables."""
    from sim.engine.prepare import prepare

    prepared = prepare(Path(config))
    plans = prepared.plan.outcomes
    held = [
        (plans[name].model.name, summary, plans[name].priors) for name, summary in prepared.summaries.items()
    ]
    Path(file).write_bytes(pickle.dumps(held))


def pymc(file: str) -> dict[str, Any]:
    """Sample every model by ``pm.sample(nuts_sampler="nutpie")``."""
    import pymc as pm

    trees = []
    for model in _models(file):
        with model:
            trees.append(
                pm.sample(
                    draws=DRAWS,
                    tune=DRAWS,
                    chains=CHAINS,
                    target_accept=TARGET,
                    nuts_sampler="nutpie",
                    random_seed=1,
                    progressbar=False,
                )
            )
    done()
    return judged("pm.sample", trees)


def nutpie(file: str) -> dict[str, Any]:
    """Compile and sample every model by nutpie's own functions."""
    import nutpie as nt

    trees = []
    for model in _models(file):
        compiled = nt.compile_pymc_model(model)
        trees.append(
            nt.sample(
                compiled,
                draws=DRAWS,
                tune=DRAWS,
                chains=CHAINS,
                target_accept=TARGET,
                seed=1,
                progress_bar=False,
            )
        )
    done()
    return judged("nutpie", trees)


def _models(file: str) -> list[Any]:
    from sim.registry import models

    held = pickle.loads(Path(file).read_bytes())  # noqa: S301  # written by `statistics` a moment ago
    return [models()[name].build(summary, priors) for name, summary, priors in held]


def judged(who: str, trees: list[Any]) -> dict[str, Any]:
    """Return the worst diagnostics of several posteriors, by the gates of `sim`, as `Gate` takes them."""
    from sim.inference.gates import check_sampling

    told = []
    for tree in trees:
        posterior, stats = tree["posterior"], tree["sample_stats"]
        draws = {
            str(name): values.values
            for name, values in posterior.data_vars.items()
            if not str(name).startswith("_")
        }
        told.append(check_sampling(draws, stats["diverging"].values, stats["energy"].values)[1])
    return asdict(
        Gate(
            who,
            len(trees),
            max(one["rhat_max"] for one in told),
            min(min(one["ess_bulk_min"], one["ess_tail_min"]) for one in told),
            int(sum(one["divergences"] for one in told)),
        )
    )
