"""A fitted outcome: joint posterior draws and how far they can be trusted."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

from sim.records.arrays import Draws
from sim.records.check import Check

NO_NUMBERS = ("finite-draws", "missing-draws")
"""Checks of which one failing means that some draws are no numbers or are not there."""


def usable(checks: Iterable[Check]) -> bool:
    """Tell whether every draw is there and a number: else nothing can be made of them, trusted or not."""
    return not any(check.name in NO_NUMBERS and check.status == "fail" for check in checks)


@dataclass(frozen=True, slots=True)
class Fit:
    """Posterior of one outcome.

    Parameters
    ----------
    draws : mapping of str to (sample, ...) array
        Chains one after the other; every model has ``level`` (sample, arm, segment).
    checks : tuple of Check
        Sampler diagnostics and posterior predictive checks.
    diagnostics : mapping of str to float
        Worst R-hat, least ESS, divergences and so on, for the manifest.
    netcdf : Path
        The stored posterior as ArviZ reads it.
    key : str
        Hash of everything that determines the fit.
    reused : bool
        True when it was read from the store and nothing was sampled.
    """

    draws: Draws
    checks: tuple[Check, ...]
    diagnostics: Mapping[str, float]
    netcdf: Path
    key: str
    reused: bool
