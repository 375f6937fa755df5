"""What a row measured: times, targets, diagnostics of the fits behind them, curves."""

from __future__ import annotations

import statistics
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from benchmarks.timing import Run

RHAT, ESS = 1.01, 400.0
"""What a timed fit has to keep to, as a fit of `sim` has."""


@dataclass(frozen=True, slots=True)
class Measure:
    """One thing that was timed.

    Parameters
    ----------
    who, what : str
        By whom, and what it did.
    seconds : sequence of float
        One a repeat.
    peak : float or None [byte]
        Largest resident memory; the median over repeats.
    per : float
        Of how many things a repeat was made, for the time of one.
    """

    who: str
    what: str
    seconds: Sequence[float]
    peak: float | None = None
    per: float = 1.0

    @property
    def median(self) -> float:
        """Median of the repeats [s]."""
        return statistics.median(self.seconds)


def measured(who: str, what: str, runs: Sequence[Run]) -> Measure:
    """Return the measure of whole processes."""
    peak = statistics.median(run.peak for run in runs)
    return Measure(who, what, [run.seconds for run in runs], peak)


@dataclass(frozen=True, slots=True)
class Target:
    """One figure to reach.

    Parameters
    ----------
    what : str
    figure : float or None
        As measured; None where it could not be.
    limit : float or None
        None where nobody has set one.
    unit : str
        Such as ``s``, ``MB``, ``×``; may be empty.
    least : bool
        Whether the limit is the least that is enough, not the most.
    low, high : float or None
        Range of the figure over the repeats.
    """

    what: str
    figure: float | None
    limit: float | None
    unit: str = "s"
    least: bool = False
    low: float | None = None
    high: float | None = None

    @property
    def reached(self) -> bool | None:
        """Whether it is reached; None where nothing was measured or set."""
        if self.figure is None or self.limit is None:
            return None
        return self.figure >= self.limit if self.least else self.figure <= self.limit


def within(what: str, measure: Measure, limit: float) -> Target:
    """Return the target that a time is at most so many seconds."""
    each = [seconds / measure.per for seconds in measure.seconds]
    return Target(what, statistics.median(each), limit, low=min(each), high=max(each))


@dataclass(frozen=True, slots=True)
class Gate:
    """Diagnostics of the fits that were timed, the worst of each.

    Parameters
    ----------
    who : str
    fits : int
    rhat, ess : float
        Highest rank-normalised R-hat; lowest of bulk and tail effective sample size.
    divergences : int
    """

    who: str
    fits: int
    rhat: float
    ess: float
    divergences: int

    @property
    def passed(self) -> bool:
        """Whether the time may be believed to be that of a finished job."""
        return self.rhat < RHAT and self.ess >= ESS and self.divergences == 0


@dataclass(frozen=True, slots=True)
class Curve:
    """How something grows.

    Parameters
    ----------
    axis, label, unit : str
        What is varied, what is measured, and in what.
    x, y : sequence of float
    """

    axis: str
    label: str
    unit: str
    x: Sequence[float]
    y: Sequence[float]


@dataclass(frozen=True, slots=True)
class Table:
    """Figures that are neither times nor targets."""

    title: str
    head: Sequence[str]
    rows: Sequence[Sequence[str]]


@dataclass(slots=True)
class Result:
    """All that one row found.

    Parameters
    ----------
    name, job : str
        Its name on the command line, and in the table.
    asked : mapping of str to str
        What each party is asked to do.
    error : str
        Why there is nothing, where a process failed.
    """

    name: str
    job: str
    asked: Mapping[str, str] = field(default_factory=dict)
    measures: Sequence[Measure] = ()
    targets: Sequence[Target] = ()
    gates: Sequence[Gate] = ()
    curves: Sequence[Curve] = ()
    tables: Sequence[Table] = ()
    notes: Sequence[str] = ()
    error: str = ""

    @property
    def trusted(self) -> bool:
        """Whether nothing failed and every timed fit passes its gate."""
        return not self.error and all(gate.passed for gate in self.gates)
