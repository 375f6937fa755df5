"""Pilots and fits that several tests of models and inference share."""

from __future__ import annotations

import tempfile
from collections.abc import Mapping
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np

from sim.contract import OutcomeModel, Priors
from sim.inference.fit import Sampler, begin
from sim.records.fit import Fit
from sim.records.summary import PilotSummary
from sim.registry import models, source

# Hillstrom's MineThatData e-mail challenge (2008), customers and buyers by channel: none, men's, women's.
HILLSTROM = {
    "trials": [[2606, 9327, 9373], [2577, 9240, 9490], [2579, 9454, 9354]],
    "successes": [[18, 50, 54], [44, 100, 123], [36, 67, 86]],
}
# Pennsylvania re-employment bonus (Bilias 2000): weeks unemployed, control and treatment 4.
PENN = {
    "n": [[3354], [1745]],
    "mean": [[13.337805605247466], [12.505444126074499]],
    "sd": [[10.598891194690637], [10.4826253769768]],
}
# Rossi, Berk & Lenihan (1980): weeks of arrest; of 216 in each arm, the others stayed free for 52.
ROSSI = (
    "1 2 3 4 5 6 8 8 10 11 13 14 14 16 17 17 17 18 18 19 20 21 21 23 24 24 25 25 25 26 26 26 27 27 "
    "28 28 30 31 32 33 33 35 37 37 38 39 40 40 40 43 43 43 43 44 44 45 46 47 48 49 49 50 52 52 52 52",
    "7 8 8 8 9 9 11 12 12 14 15 15 16 18 19 20 20 20 20 22 24 24 30 32 34 34 35 35 35 36 36 36 37 37 "
    "39 40 42 42 45 46 46 46 48 49 49 49 50 50",
)
# Fader & Hardie (2007): per mille of customers left after 0 to 12 years.
COHORTS = {
    "regular": [1000, 631, 468, 382, 326, 289, 262, 241, 223, 207, 194, 183, 173],
    "high-end": [1000, 869, 743, 653, 593, 551, 517, 491, 468, 445, 427, 409, 394],
}


def summary(
    model: OutcomeModel,
    statistics: Mapping[str, Any],
    *,
    arms: tuple[str, ...] | None = None,
    segments: tuple[str, ...] | None = None,
) -> PilotSummary:
    """Wrap statistics (arm, segment, ...) as a pilot with plain labels."""
    arrays = {name: np.asarray(values, dtype=float) for name, values in statistics.items()}
    count, width = next(iter(arrays.values())).shape[:2]
    arms = arms or ("control", *(f"t{k}" for k in range(1, count)))
    segments = segments or (("all",) if width == 1 else tuple(f"s{k:02d}" for k in range(width)))
    return PilotSummary(arms, segments, arrays, model.size(arrays))


def tenures(left: list[list[int]], period_months: float = 1.0) -> dict[str, Any]:
    """Churn statistics of one segment from customers left after each period, one list per arm."""
    at_risk = np.array(left, dtype=float)[:, None, :]
    churned = np.zeros_like(at_risk)
    churned[..., :-1] = -np.diff(at_risk, axis=2)
    alive = np.zeros_like(at_risk)
    alive[..., -1] = at_risk[..., -1]
    at_risk[..., -1] = 0
    return {
        "at_risk": at_risk,
        "churned": churned,
        "alive": alive,
        "period_months": np.full((len(left), 1), period_months),
    }


def hillstrom() -> PilotSummary:
    """Return purchases after men's e-mail against none, all channels together."""
    totals = {name: np.sum(rows[:2], axis=1, keepdims=True) for name, rows in HILLSTROM.items()}
    return summary(models()["conversion"], totals)


def penn() -> PilotSummary:
    """Return weeks unemployed under treatment 4 against control."""
    return summary(models()["cost"], PENN)


def rossi() -> PilotSummary:
    """Return weeks until arrest with financial aid against none."""
    left = [[216 - sum(int(w) <= week for w in weeks.split()) for week in range(53)] for weeks in ROSSI]
    return summary(models()["churn"], tenures(left, 7 / 30.4375))


_SHELF = tempfile.TemporaryDirectory(prefix="sim-fits-")


def fit(model: OutcomeModel, pilot: PilotSummary, priors: Priors, sampler: Sampler, **how: Any) -> Fit:
    """Begin a fit and wait for it."""
    return begin(model, pilot, priors, sampler, **how)()


def run(pilot: PilotSummary, model: str, *, seed: int = 1, priors: Priors | None = None) -> Fit:
    """Fit with default settings into a store that lasts as long as the process."""
    return fit(
        models()[model],
        pilot,
        priors or Priors(),
        Sampler(),
        seed=seed,
        source=source(model),
        store=Path(_SHELF.name),
    )


@cache
def fitted(model: str) -> Fit:
    """Return the fit of the model's example pilot, compiled once per test session."""
    return run({"conversion": hillstrom, "cost": penn, "churn": rossi}[model](), model)


def mcse(draws: np.ndarray[Any, Any], chains: int = 4) -> float:
    """Monte Carlo standard error of the mean of flattened draws."""
    import arviz as az

    by_chain = draws.reshape(chains, -1)
    return float(by_chain.std(ddof=1) / np.sqrt(az.ess(by_chain, method="mean")))
