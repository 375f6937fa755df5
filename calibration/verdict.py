"""From ranks to verdicts: every quantity of every cell, at a level that all of them share."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from calibration.cells import SAMPLES, Cell
from calibration.judge import WIDTHS, contraction, coverage_p, covered, p_value
from calibration.quantities import LIKELIHOOD, kind_of
from calibration.run import Ranks
from sim.records.arrays import FloatArray

FALSE_ALARM = 0.01
"""Probability that a correct model fails anywhere, over all cells and quantities."""


@dataclass(frozen=True, slots=True)
class Verdict:
    """One quantity of one cell.

    Parameters
    ----------
    name : str
        The quantity, e.g. ``effect[a, Nord]``.
    n : int
        Datasets.
    p : float
        Of the ranks, over all of them at once.
    coverage : tuple of float
        Share of truths inside the 50, 80 and 95 % intervals.
    coverage_p : tuple of float
        Two-sided binomial probability of each.
    contraction : float
        Share of the prior variance that the data take away; NaN where that means nothing.
    passed : bool
    """

    name: str
    n: int
    p: float
    coverage: tuple[float, ...]
    coverage_p: tuple[float, ...]
    contraction: float
    passed: bool

    @property
    def kind(self) -> str:
        """The quantity without its place."""
        return kind_of(self.name)


def tests(results: Mapping[Cell, Ranks]) -> int:
    """Return how many tests share the false alarm: one of the ranks and three of coverage a quantity."""
    return sum(len(ranks.names) for ranks in results.values()) * (1 + len(WIDTHS))


def judge(ranks: Ranks, level: float) -> list[Verdict]:
    """Judge every quantity of a cell.

    Parameters
    ----------
    ranks : Ranks
    level : float
        False alarm of each test: Bonferroni's, `FALSE_ALARM` over their number.
    """
    found = []
    for i, name in enumerate(ranks.names):
        rank, n = ranks.rank[:, i], len(ranks.rank)
        p = p_value(rank, SAMPLES)
        counts = [covered(rank, SAMPLES, width) for width in WIDTHS]
        tails = tuple(coverage_p(count, n, width) for count, width in zip(counts, WIDTHS, strict=True))
        found.append(
            Verdict(
                name,
                n,
                p,
                tuple(count / n for count in counts),
                tails,
                _contraction(name, ranks.truth[:, i], ranks.variance[:, i]),
                min(p, *tails) > level,
            )
        )
    return found


def _contraction(name: str, truth: FloatArray, variance: FloatArray) -> float:
    if name == LIKELIHOOD:  # it has no prior but through the data
        return float("nan")
    return contraction(truth, variance)


def grouped(verdicts: Sequence[Verdict]) -> dict[str, list[Verdict]]:
    """Return the verdicts by kind of quantity, in the order in which kinds come."""
    found: dict[str, list[Verdict]] = {}
    for verdict in verdicts:
        found.setdefault(verdict.kind, []).append(verdict)
    return found
