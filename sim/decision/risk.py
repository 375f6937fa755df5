"""Options of a portfolio and the risk of a set of them: CVaR and P(loss), as figures and as limits."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from sim.decision.program import Program, Row
from sim.records.arrays import FloatArray, IntArray

TAIL = 0.05
"""Share of the samples whose mean loss CVaR is."""
_MORE = 20
"""Samples that enter beyond those that cut a set off."""
CLOSE = 1e-9


@dataclass(frozen=True)
class Options:
    """The ways in which programmes can be taken.

    Parameters
    ----------
    npv : (sample, option) array [currency]
        Row i is one joint state of all programmes.
    need : (option,) array [currency], ≥ 0
        What an option takes of the budget.
    programme : (option,) array of int
        Of a programme at most one option is taken.
    hurdle : (option,) array [currency]
        What not taking the programme pays.
    """

    npv: FloatArray
    need: FloatArray
    programme: IntArray
    hurdle: FloatArray

    @cached_property
    def worth(self) -> FloatArray:
        """Mean NPV above the hurdle, (option,)."""
        worth: FloatArray = self.npv.mean(axis=0) - self.hurdle
        return worth

    @cached_property
    def scale(self) -> float:
        """Largest amount, which everything is divided by for the solver."""
        return float(np.abs(self.npv).max(initial=0.0)) or 1.0

    @property
    def count(self) -> int:
        """Number of options."""
        return int(self.npv.shape[1])

    def total(self, picked: Sequence[int]) -> FloatArray:
        """Return the NPV of a set by sample."""
        return self.npv[:, list(picked)].sum(axis=1)

    def worth_of(self, picked: Sequence[int]) -> float:
        """Return the mean NPV of a set above its hurdles."""
        return float(self.worth[list(picked)].sum())

    def need_of(self, picked: Sequence[int]) -> float:
        """Return what a set takes of the budget."""
        return float(self.need[list(picked)].sum())


def worst(total: FloatArray, share: float = TAIL) -> FloatArray:
    """Return the weights of the samples whose mean is the lowest of any such share, (sample,)."""
    k = share * len(total)
    whole = int(k + CLOSE)
    order = np.argsort(total, kind="stable")
    weights = np.zeros(len(total))
    weights[order[:whole]] = 1 / k
    if k - whole > CLOSE:
        weights[order[whole]] = (k - whole) / k
    return weights


def cvar(total: FloatArray, share: float = TAIL) -> float:
    """Return the mean loss in the worst samples; losses are positive.

    Examples
    --------
    >>> import numpy as np
    >>> cvar(np.arange(-10.0, 90.0))
    8.0
    """
    return -float(worst(total, share) @ total) + 0.0


def add_cvar(
    program: Program, options: Options, scenes: IntArray, limit: float, below: int | None = None
) -> None:
    """Add the limit of CVaR over some samples: ``t + Σ max(loss − t, 0) / (share · n)`` for some t.

    Parameters
    ----------
    below : int, optional
        A column that CVaR, in units of the options' scale, must not be above, in place of the limit.
    """
    scale, k = options.scale, TAIL * len(scenes)
    t = program.column(low=-options.count, high=options.count)
    tail = []
    for sample in scenes:
        beyond = program.column(high=2.0 * options.count)
        program.add(Row(-options.npv[sample] / scale, 0.0, ((t, -1.0), (beyond, -1.0))))
        tail.append((beyond, 1 / k))
    extra = ((t, 1.0), *tail) if below is None else ((t, 1.0), *tail, (below, -1.0))
    program.add(Row(np.zeros(options.count), limit / scale, extra))


class Losses:
    """The limit of P(loss) over some of the samples: those that were found to be losses of some set."""

    def __init__(self, options: Options, limit: float | None, scenes: IntArray) -> None:
        self.options, self.limit, self.rows = options, limit, scenes
        self.allowed = 0 if limit is None else int(limit * len(scenes) + CLOSE)
        self.known: list[int] = []

    def add_to(self, program: Program) -> None:
        """Add a 0-1 column for every known sample, 1 where it may be a loss, and how many may be."""
        if not self.known:
            return
        columns = []
        for sample in self.known:
            npv = self.options.npv[sample]
            most = np.zeros(int(self.options.programme.max()) + 1)
            np.maximum.at(most, self.options.programme, -npv)
            column = program.column(integral=True)
            columns.append((column, 1.0))
            program.add(Row(-npv, 0.0, ((column, -float(most.sum())),)))
        program.add(Row(np.zeros(self.options.count), float(self.allowed), tuple(columns)))

    def learn(self, total: FloatArray) -> bool:
        """Learn what cuts off a set that loses too often over all samples; tell whether there was any."""
        if self.limit is None or (total < 0).mean() <= self.limit + CLOSE:
            return False
        values = total[self.rows]
        lost = self.rows[np.argsort(values, kind="stable")[: int((values < 0).sum())]]
        if len(lost) > self.allowed:
            new = [int(sample) for sample in lost if sample not in self.known]
            self.known += new[: self.allowed + 1 + _MORE]
            return bool(new)
        # These samples hide how often it loses.
        excess, before = float((total < 0).mean()) - self.limit, self.allowed
        self.allowed = max(before - max(int(np.ceil(excess * len(self.rows))), 1), 0)
        return self.allowed < before
