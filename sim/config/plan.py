"""What a config means: references resolved, inherited keys merged, every number under its path.

The schema says what may be written; the plan says what will be done. The engine reads only this.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from sim.contract import OutcomeModel, Priors
from sim.records.check import Check
from sim.records.quantity import Quantity
from sim.records.reading import Reading

ONLY_ARM = "treated"
"""Name of the single strategy where arms have no labels."""
BEFORE = "before"
"""Name of the control of a before-after pilot."""


@dataclass(frozen=True, slots=True)
class Reference:
    """What a volume or a per-unit price counts.

    ``kind`` is ``volume`` (a driver's monthly units), ``stock`` (living customers of a driver),
    or ``successes`` (of an outcome, under the treated arm).
    """

    kind: Literal["volume", "stock", "successes"]
    name: str


@dataclass(frozen=True, slots=True)
class VolumePlan:
    """A driver; fields ending in ``_path`` name quantities, `history` a table of its past months."""

    name: str
    monthly_path: str | None = None
    days_path: str | None = None
    daily: bool = False
    stock_path: str | None = None
    growth_path: str | None = None
    seasonality: tuple[float, ...] = ()
    of: str | None = None
    share_path: str | None = None
    history: Reading | None = None


@dataclass(frozen=True, slots=True)
class RolloutPlan:
    """How an effect arrives; paths of None stand for no delay, no ramp, no fade, full transfer."""

    delay_path: str | None = None
    ramp_path: str | None = None
    ramp_shape: Literal["linear", "s-curve"] = "linear"
    half_life_path: str | None = None
    ends: int | None = None
    transfer_path: str | None = None


@dataclass(frozen=True, slots=True)
class OutcomePlan:
    """One outcome: where its levels come from, what it acts on, and how it turns into money.

    `control_path`, `treated_path` and `effect_path` name elicited quantities that replace what
    the pilot would have said; `data` is None where nothing is fitted.
    """

    name: str
    path: str
    model: OutcomeModel
    better: Literal["higher", "lower"]
    unit: str
    priors: Priors
    data: Reading | None = None
    control_path: str | None = None
    treated_path: str | None = None
    effect_path: str | None = None
    volume: Reference | None = None
    value_paths: tuple[str, ...] = ()
    value_factor: float = 1.0
    price_path: str | None = None
    realisation_path: str | None = None
    rollout: RolloutPlan = RolloutPlan()
    after: str | None = None
    saves: str | None = None
    acquires: bool = False
    split: float | Mapping[str, float] | None = None
    looks: int = 1
    acknowledge: tuple[str, ...] = ()
    tenure_mix: Reading | None = None

    @property
    def kpi(self) -> bool:
        """Whether the outcome stays out of the cash flow."""
        return not self.value_paths


@dataclass(frozen=True, slots=True)
class FlowPlan:
    """A cost or a known benefit."""

    name: str
    path: str
    once_path: str | None = None
    at: int = 0
    monthly_path: str | None = None
    days_path: str | None = None
    daily: bool = False
    month_paths: tuple[str, ...] = ()
    per: Reference | None = None
    amount_path: str | None = None
    first: int = 1
    last: int | None = None
    growth_path: str | None = None
    category: str = "other"
    arm: str | None = None


@dataclass(frozen=True, slots=True)
class PilotPlan:
    """A longer pilot that is weighed against deciding now.

    Parameters
    ----------
    cost_path : str
        Quantity: what a month of it costs.
    months : tuple of int
        Lengths, in order.
    delays_rollout : bool
        Whether the rollout waits for it.
    ran : float or None
        Months that the pilot so far took, where its tables do not tell.
    """

    cost_path: str
    months: tuple[int, ...]
    delays_rollout: bool
    ran: float | None


@dataclass(frozen=True, slots=True)
class StagePlan:
    """A first stage of the rollout: its share of the volume, its length, its share of the fixed costs."""

    share: float
    months: int
    cost: float


@dataclass(frozen=True, slots=True)
class Plan:
    """A whole forecast, ready to run.

    Parameters
    ----------
    quantities : mapping
        Every number that is not fitted, by its dotted path.
    strategies : tuple of str
        Treated arms, each weighed against doing nothing.
    notes : tuple of Check
        Defaults that move NPV, and what the user should know before reading the result.
    resolved : dict
        The config with defaults filled in, as the manifest keeps it.
    scale : tuple of float
        Sizes in which a portfolio may take it, in rising order.
    returns_path : str or None
        Quantity: the power of the size by which benefits grow; None for 1.
    """

    name: str
    currency: str
    language: str
    start: dt.date | None
    horizon: int
    discount_path: str
    inflation_path: str | None
    convert: Literal["to-nominal", "to-real"] | None
    timing: Literal["start", "mid", "end"]
    quantities: Mapping[str, Quantity]
    volumes: Mapping[str, VolumePlan]
    outcomes: Mapping[str, OutcomePlan]
    costs: Mapping[str, FlowPlan]
    benefits: Mapping[str, FlowPlan]
    correlations: tuple[tuple[str, str, float], ...]
    strategies: tuple[str, ...]
    payback_within: int | None
    hurdle: float
    draws: int
    tune: int
    chains: int
    seed: int
    folder: Path
    notes: tuple[Check, ...]
    resolved: Mapping[str, Any]
    pilot: PilotPlan | None = None
    stage: StagePlan | None = None
    scale: tuple[float, ...] = (1.0,)
    returns_path: str | None = None

    @property
    def samples(self) -> int:
        """Number of joint states of the world."""
        return self.draws * self.chains
