"""Which programmes, in which size: the set of highest expected worth under a budget and limits of risk.

A 0-1 programme, solved by HiGHS through `scipy.optimize.milp`. Risk is that of the whole set in joint
samples: CVaR of its losses as a linear programme (Rockafellar & Uryasev 2000, doi:10.21314/JOR.2000.038),
P(loss) with a 0-1 variable and the smallest big M for each sample that may be a loss.

Both are exact over at most `SCENARIOS` samples, every so-many-th. The set is then held against all of them;
where it misses a limit there, the limit over the scenarios is drawn tighter by what it misses, and the
problem is solved again. What the solver's tolerances let through is found by adding up exactly, and cut off.
What is returned keeps to all limits over all samples; `Chosen.optimal` and `gap` say how surely nothing is
better. Then `optimal` means: over the scenarios, under limits as tight as they had to be drawn.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from sim.decision.program import Program, Row
from sim.decision.risk import CLOSE, Losses, Options, add_cvar, cvar, worst
from sim.records.arrays import FloatArray, IntArray

SCENARIOS = 500
_ROUNDS = 12
_MORE = 1e-5
"""Share of the largest single worth by which a dearer set must be worth more: within the tolerances of HiGHS
(1e-6) its presolve takes sets away that keep to the limits."""
_UNPROVEN = 3
"""Searches that end at their limit of branches before the best set known is taken."""


@dataclass(frozen=True, slots=True)
class Limits:
    """What a set must keep to; None for no limit.

    Parameters
    ----------
    budget : float or None [currency]
    max_cvar : float or None [currency]
        Of the mean loss in the worst 5 % of the samples; losses are positive.
    max_loss : float or None
        Of the probability that the NPV of the set is below 0.
    """

    budget: float | None = None
    max_cvar: float | None = None
    max_loss: float | None = None


@dataclass(frozen=True, slots=True)
class Chosen:
    """The best set found, and how surely there is none better.

    Parameters
    ----------
    picked : tuple of int
        Options, in rising order.
    worth : float [currency]
    bound : float [currency]
        No set that keeps to the limits has more.
    optimal : bool
        Whether that is proven to the solver's tolerance of a millionth of the largest single worth.
    """

    picked: tuple[int, ...]
    worth: float
    bound: float
    optimal: bool

    @property
    def gap(self) -> float:
        """Return how far the bound is above the worth, as a share of the bound."""
        return max(self.bound - self.worth, 0.0) / self.bound if self.bound > 0 else 0.0


@dataclass(frozen=True)
class Chooser:
    """Finds best sets.

    Parameters
    ----------
    options : Options
    scenarios : int
        How many samples limits of risk are exact over, where there are more.
    nodes : int
        Branches of the search for one set.
    """

    options: Options
    scenarios: int = SCENARIOS
    nodes: int = 2_000

    def best(self, limits: Limits) -> Chosen | None:
        """Return the set of highest worth within the limits; None where not even the empty set is."""
        rows = [] if limits.budget is None else [Row(self.options.need, limits.budget)]
        found = self._search(-self.options.worth, limits, rows)
        if found is None or found.optimal or limits.max_loss is None:
            return found
        from sim.decision.frontier import frontier

        near = [
            each.picked for each in frontier(self.options, limits.budget) if self._keeps(each.picked, limits)
        ]
        picked = max([found.picked, *near], key=self.options.worth_of)
        return replace(found, picked=picked, worth=self.options.worth_of(picked))

    def dearer(self, best: Chosen, limits: Limits) -> tuple[int, ...] | None:
        """Return the set of least need that is worth more than the best one; None if no budget buys more.

        Parameters
        ----------
        best : Chosen
            Of these limits.
        limits : Limits
            The budget is set aside.
        """
        options = self.options
        least = best.worth + _MORE * float(np.abs(options.worth).max(initial=0.0))
        free = Limits(None, limits.max_cvar, limits.max_loss)
        # What is worth more than the best within the budget needs more than it.
        rows = [Row(-options.worth, -least), Row(-options.need, -(limits.budget or 0.0))]
        found = self._search(options.need, free, rows, above=least)
        return found.picked if found is not None and found.picked else None

    def safest(self, budget: float | None) -> tuple[int, ...]:
        """Return the set of lowest CVaR within the budget, over the scenarios."""
        options = self.options
        program = Program(options.programme, self.nodes)
        if budget is not None:
            program.add(Row(options.need, budget))
        scale = options.scale
        column = program.column(cost=1.0, low=-options.count, high=0.0)  # CVaR; the empty set has 0
        add_cvar(program, options, self._scenes(), 0.0, below=column)
        found = program.solve(np.zeros(options.count))
        picked = () if found is None else found.picked
        kept = self._keeps(picked, Limits(budget)) and cvar(options.total(picked)) < CLOSE * scale
        return picked if kept else ()

    def price(self, limits: Limits) -> float:
        """Return what one more of the budget is worth where options can be taken in part: the LP's dual.

        A limit of P(loss) is left out, as it has no meaning there. 0 without a budget.
        """
        if limits.budget is None:
            return 0.0
        program = Program(self.options.programme)
        program.add(Row(self.options.need, limits.budget))
        if limits.max_cvar is not None:
            add_cvar(program, self.options, self._scenes(), limits.max_cvar)
        duals = program.relax(-self.options.worth)
        return 0.0 if duals is None else max(-float(duals[0]), 0.0)

    def _scenes(self) -> IntArray:
        """Return the samples that limits of risk are exact over."""
        n = len(self.options.npv)
        most = min(n, self.scenarios)
        return ((np.arange(most) + 0.5) * n / most).astype(int)

    def _keeps(self, picked: Sequence[int], limits: Limits) -> bool:
        """Whether a set keeps to all limits, over all samples."""
        total = self.options.total(picked)
        # Exactly but for the last digits of a sum.
        if limits.budget is not None and self.options.need_of(picked) > limits.budget * (1 + 1e-12):
            return False
        if limits.max_cvar is not None and cvar(total) > limits.max_cvar + CLOSE * self.options.scale:
            return False
        return limits.max_loss is None or float((total < 0).mean()) <= limits.max_loss + CLOSE

    def _repaired(self, picked: Sequence[int], limits: Limits) -> tuple[int, ...]:
        """Return a set near this one that keeps to the limits; the empty one where none is found.

        What brings the most loss in the worst samples for its worth is dropped, one by one; then whatever
        still fits is added.
        """
        options, left = self.options, list(picked)
        while left and not self._keeps(left, limits):
            tail = -(worst(options.total(left)) @ options.npv[:, left])
            left.pop(int(np.argmax(tail / np.maximum(options.worth[left], 1e-12))))
        for option in np.argsort(-options.worth, kind="stable"):
            other = options.programme[left] != options.programme[option]
            if options.worth[option] > 0 and other.all() and self._keeps([*left, int(option)], limits):
                left.append(int(option))
        return tuple(sorted(left))

    def _search(
        self, cost: FloatArray, limits: Limits, rows: list[Row], above: float | None = None
    ) -> Chosen | None:
        """Return the set of least cost that keeps to rows and limits, and how surely there is none better.

        Parameters
        ----------
        above : float, optional
            What the set must be worth more than.
        """
        options, scenes = self.options, self._scenes()
        tighter, losses, rows = 0.0, Losses(options, limits.max_loss, scenes), list(rows)
        known: tuple[int, ...] = ()  # the best so far that keeps to all limits
        seen, bound, proven, stopped = set[tuple[int, ...]](), np.inf, True, 0
        for _ in range(_ROUNDS):
            program = Program(options.programme, self.nodes)
            for row in rows:
                program.add(row)
            if limits.max_cvar is not None:
                add_cvar(program, options, scenes, limits.max_cvar - tighter)
            losses.add_to(program)
            found = program.solve(cost)
            if found is None:
                break
            picked, bound = found.picked, min(bound, -found.bound)
            total, proven = options.total(picked), proven and found.optimal
            if self._keeps(picked, limits) and (above is None or options.worth_of(picked) > above):
                known = max(known, picked, key=options.worth_of)
                worth = options.worth_of(known)
                proven = proven and (above is not None or options.worth_of(picked) >= worth)
                return Chosen(known, worth, worth if proven else max(bound, worth), proven)
            stopped += not found.optimal
            if above is None:
                known = max(known, self._repaired(picked, limits), key=options.worth_of)
            if stopped == _UNPROVEN:
                break
            new = losses.learn(total)
            over = 0.0 if limits.max_cvar is None else cvar(total) - limits.max_cvar
            if over > CLOSE * options.scale and cvar(total[scenes]) <= (limits.max_cvar or 0.0) - tighter + (
                1e-6 * options.scale
            ):  # the scenarios hide how bad its worst samples are
                tighter, new = tighter + over, len(scenes) < len(total)
            if picked in seen or not new:
                rows.append(_other_than(picked, options.count))  # tolerances let it through
            seen.add(picked)
        else:
            proven = False
        if above is not None or not (known or self._keeps((), limits)):
            return None
        worth = options.worth_of(known)
        # Nothing more is found where limits were drawn tighter, or what is known is all that there is.
        return Chosen(known, worth, worth if proven else max(bound, worth), proven)


def _other_than(picked: Sequence[int], count: int) -> Row:
    """Return what holds for every set but this one."""
    inside = -np.ones(count)
    inside[list(picked)] = 1.0
    return Row(inside, len(picked) - 1.0)
