"""What a pilot says, as sufficient statistics: the only form in which a model sees data."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, fields, replace
from typing import Literal

import numpy as np

from sim.records.arrays import FloatArray

ALL = "all"
"""Name of the single segment of a pilot without a segment column."""

Kind = Literal["randomised", "difference-in-differences", "before-after"]
PHASES = ("before", "after")
LEAST_PERIODS = 6
"""Periods before the launch from which a before-after pilot learns how far its baseline drifts."""
_TRAINED = 3
_WINDOWS = 4


@dataclass(frozen=True, slots=True)
class Series:
    """The measured mean by period, as a ratio of totals.

    Parameters
    ----------
    periods : tuple of str
        Labels in the order of time.
    numerator, denominator, variance : (arm, segment, period) array
        Mean = numerator / denominator; `variance` is that of one unit of the denominator. A before-after
        pilot has one arm here.
    launch : int
        Position of the first period under treatment; 0 where all are.
    months : float or None
        Length of one period in months; None where the data do not say.
    calendar : tuple of int
        Calendar month (1-12) of each period where periods are months, else empty.
    """

    periods: tuple[str, ...]
    numerator: FloatArray
    denominator: FloatArray
    variance: FloatArray
    launch: int = 0
    months: float | None = None
    calendar: tuple[int, ...] = ()

    @property
    def windows(self) -> tuple[tuple[int, int], ...]:
        """Non-overlapping stretches before the launch on which a launch can be played, as (start, stop).

        Each is forecast from all periods before it. They are as long as the time after the launch, or
        shorter where that would leave fewer than four.
        """
        after = len(self.periods) - self.launch
        length = max(1, min(after, (self.launch - _TRAINED) // _WINDOWS))
        stops = range(self.launch, _TRAINED + length - 1, -length)
        return tuple((stop - length, stop) for stop in reversed(stops))


@dataclass(frozen=True, slots=True)
class Design:
    """How control and treatment were kept apart.

    Parameters
    ----------
    kind : str
        ``randomised``, ``difference-in-differences`` or ``before-after``.
    bias : (float, float) or None
        Elicited 90 % range of the relative drift of a before-after baseline.
    effect : float
        Design effect of clusters: the variance of the effect over what independent rows would give.
        The log-likelihood of every cell is divided by it (Rao & Scott 1992, doi:10.2307/2532311).
    """

    kind: Kind = "randomised"
    bias: tuple[float, float] | None = None
    effect: float = 1.0


@dataclass(frozen=True, slots=True)
class PilotSummary:
    """Sufficient statistics of one outcome by cell and segment.

    Parameters
    ----------
    arms : tuple of str
        Labels, control first when it was observed.
    segments : tuple of str
        Labels; ``("all",)`` without a segment column. Segments of the rollout that the pilot did not see
        come last and hold zeros.
    statistics : mapping of str to (cell, segment, ...) array
        Named by the outcome model (e.g. ``trials``, ``successes``); further axes are the
        model's own (churn: tenure).
    size : (cell, segment) array
        Observed units (trials, rows, customers): the pilot's mix and the sample-ratio check.
    has_control : bool
        Whether ``arms[0]`` is the control.
    months : float or None
        How long the pilot ran (after the launch), in months; None where the data do not say.
    origin : str
        File name or ``"inline"``, for messages.
    design : Design
    series : Series or None
        The mean by period, where the table tells the time.
    """

    arms: tuple[str, ...]
    segments: tuple[str, ...]
    statistics: Mapping[str, FloatArray]
    size: FloatArray
    has_control: bool = True
    months: float | None = None
    origin: str = "inline"
    design: Design = Design()
    series: Series | None = None

    @property
    def cells(self) -> tuple[str, ...]:
        """Labels of the first axis of the statistics: arms, or arm by phase in difference-in-differences."""
        if self.design.kind == "difference-in-differences":
            return tuple(f"{arm} {phase}" for arm in self.arms for phase in PHASES)
        return self.arms

    @property
    def weight(self) -> FloatArray:
        """Share of a row that counts as independent, (cell, segment)."""
        return np.full(self.size.shape, 1 / self.design.effect)

    @property
    def mix(self) -> FloatArray:
        """Share of each segment among the observed units of all arms, (segment,)."""
        total = self.size.sum(axis=0)
        whole = total.sum()
        return total / whole if whole > 0 else np.full(total.shape, 1.0 / total.size)

    def extended(self, segments: tuple[str, ...]) -> PilotSummary:
        """Return the summary with further segments of which nothing was observed."""
        if not segments:
            return self
        known = self.size.shape

        def padded(values: FloatArray) -> FloatArray:
            if values.shape[:2] != known:
                return values
            return np.pad(values, [(0, 0), (0, len(segments)), *[(0, 0)] * (values.ndim - 2)])

        statistics = {name: padded(values) for name, values in self.statistics.items()}
        series = self.series
        if series is not None:
            pads = [(0, 0), (0, len(segments)), (0, 0)]
            series = replace(
                series,
                numerator=np.pad(series.numerator, pads),
                denominator=np.pad(series.denominator, pads),
                variance=np.pad(series.variance, pads),
            )
        every = (*self.segments, *segments)
        return replace(self, segments=every, statistics=statistics, size=padded(self.size), series=series)

    def fingerprint(self) -> str:
        """Hash of everything that a fit depends on."""
        what = (self.arms, self.segments, self.has_control, self.design)
        digest = hashlib.sha256(repr(what).encode())
        arrays = dict(self.statistics)
        if self.series is not None and self.design.kind == "before-after":
            held = {field.name: getattr(self.series, field.name) for field in fields(self.series)}
            arrays |= {f"series.{name}": v for name, v in held.items() if isinstance(v, np.ndarray)}
            digest.update(repr((self.series.launch, self.series.calendar)).encode())
        for name in sorted(arrays):
            values = np.ascontiguousarray(arrays[name], dtype=np.float64)
            digest.update(f"{name}{values.shape}".encode())
            digest.update(values.tobytes())
        return digest.hexdigest()
