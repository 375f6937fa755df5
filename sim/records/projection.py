"""What an outcome model receives to project an effect over the months, and what it returns."""

from __future__ import annotations

from dataclasses import dataclass

from sim.records.arrays import Draws, FloatArray


@dataclass(frozen=True, slots=True)
class ArmState:
    """The state of one arm: a fitted arm, an elicited level, or a fitted arm changed by a factor.

    Parameters
    ----------
    level : (sample, segment) array
        Mean on the model's natural scale, with `relative` already in it.
    draws : mapping or None
        Posterior behind the level; None where the level was elicited.
    arm : int
        Position of the arm in `draws`.
    relative : (sample, segment) array or None
        Relative change that was put on the drawn arm; None for none.
    """

    level: FloatArray
    draws: Draws | None = None
    arm: int = 0
    relative: FloatArray | None = None


@dataclass(frozen=True, slots=True)
class Exposure:
    """How many units meet the outcome each month, under each arm.

    Parameters
    ----------
    control, treated : (sample or 1, segment, month) array
        Units per month (joiners for churn); they differ only behind a funnel.
    stock : (sample or 1, segment) array or None
        Customers there at the start; churn only.
    """

    control: FloatArray
    treated: FloatArray
    stock: FloatArray | None = None


@dataclass(frozen=True, slots=True)
class Reach:
    """How much of the effect arrives, by month, each (sample or 1, month).

    Parameters
    ----------
    adopted : array
        Share of the volume under treatment: delay, ramp, and 0 after the end.
    kept : array
        Share of the pilot's effect that is left: fade times transfer.
    """

    adopted: FloatArray
    kept: FloatArray

    @property
    def share(self) -> FloatArray:
        """The product r_t by which an effect is multiplied."""
        return self.adopted * self.kept


@dataclass(frozen=True, slots=True)
class Projection:
    """Units of improvement by month, and the counts that costs and later outcomes need.

    Parameters
    ----------
    units : (sample, segment, month) array
        Improvement over control; positive is better.
    control_total, treated_total : (sample, segment, month) array
        Successes (or amounts) of the whole volume under each arm; the volume of a next stage.
    served : (sample, segment, month) array
        Successes of the part of the volume that is under treatment: what per-success prices count.
    living : (sample, segment, month) array or None
        Customers alive at month end under treatment; churn only.
    survival : (sample, segment, month) array or None
        Share of treated joiners alive after each month of tenure; churn only.
    control_survival : (sample, segment, month) array or None
        The same without treatment.
    unobserved : (sample, segment, month) array or None
        The part of `units` that lies at tenures beyond the last one the pilot observed; churn only.
    """

    units: FloatArray
    control_total: FloatArray
    treated_total: FloatArray
    served: FloatArray
    living: FloatArray | None = None
    survival: FloatArray | None = None
    control_survival: FloatArray | None = None
    unobserved: FloatArray | None = None
