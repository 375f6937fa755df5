"""The config as text: every key, its type and its limits. Meaning across keys is `plan`'s part."""

from __future__ import annotations

import datetime as dt
from typing import Annotated, Any, Literal

from pydantic import BeforeValidator, Field, model_validator

from sim.config.quantity import CHANGE, NON_NEGATIVE, POSITIVE, RATE, SHARE, field
from sim.config.schema_decision import Decision
from sim.config.schema_pilot import History, Pilot, TenureMix
from sim.config.strict import Numbers, Strict, listed, shorthand
from sim.language import Code
from sim.records.quantity import Limits


class Programme(Strict):
    """What is invested in, in which money, over how long."""

    name: Annotated[str, Field(min_length=1, max_length=200)] | None = None
    currency: Annotated[str, Field(pattern=r"^[A-Z]{3}$")] = Field(description="ISO 4217 code, e.g. EUR")
    language: Code = Field("en", description="of headline, report and plots")
    start: dt.date | None = Field(None, description="month 1 of the rollout")
    horizon: int = Field(36, ge=1, le=1200, description="months")
    discount_rate: field(RATE) = Field(0.10, description="per year, effective, a fraction")  # type: ignore[valid-type]
    discount_basis: Literal["nominal", "real"] | None = None
    timing: Literal["start", "mid", "end"] = Field("end", description="when in a month cash moves")
    basis: Literal["nominal", "real"] = "nominal"
    inflation: field(RATE) | None = None  # type: ignore[valid-type]


class Volume(Strict):
    """A driver: units per month, or a stock of customers with joiners, or a share of another."""

    monthly: field(NON_NEGATIVE) | None = None  # type: ignore[valid-type]
    daily: field(NON_NEGATIVE) | None = None  # type: ignore[valid-type]
    days: field(POSITIVE) | None = Field(None, description="days a month for `daily`; 365/12 if left out")  # type: ignore[valid-type]
    stock: field(NON_NEGATIVE) | None = None  # type: ignore[valid-type]
    growth: field(RATE) | None = Field(None, description="per year")  # type: ignore[valid-type]
    seasonality: Annotated[Numbers, Field(min_length=12, max_length=12)] | None = None
    of: str | None = None
    share: field(SHARE) | None = None  # type: ignore[valid-type]
    history: History | None = Field(None, description="in place of `monthly`: growth and season are learnt")


type VolumeTable = Annotated[Volume, shorthand("monthly", Volume)]


class Ramp(Strict):
    """How the treated share of the volume rises."""

    months: field(NON_NEGATIVE)  # type: ignore[valid-type]
    shape: Literal["linear", "s-curve"] = "linear"


class Fade(Strict):
    """How the effect falls once fully rolled out."""

    half_life: field(POSITIVE) = Field(description="months")  # type: ignore[valid-type]


class Rollout(Strict):
    """How the pilot's effect arrives in the months after launch."""

    delay: field(NON_NEGATIVE) | None = None  # type: ignore[valid-type]
    ramp: Ramp | None = None
    fade: Fade | None = None
    ends: Annotated[int, Field(ge=1)] | None = None
    transfer: field(POSITIVE) | None = None  # type: ignore[valid-type]


class Outcome(Pilot):
    """One measured outcome; every `[pilot]` key may be overridden here."""

    model: str
    columns: dict[str, str] | None = None
    control: Any = None
    treated: Any = None
    effect: field(CHANGE) | None = None  # type: ignore[valid-type]
    volume: Annotated[str | Volume, shorthand("monthly", str | Volume)] | None = None
    value: Any = None
    acquires: bool = False
    saves: str | None = None
    realisation: field(SHARE) | None = None  # type: ignore[valid-type]
    after: str | None = None
    remaining: bool = False
    better: Literal["higher", "lower"] | None = None
    unit: str | None = None
    scale: Annotated[tuple[int, int], BeforeValidator(listed)] | None = None
    summary: Literal["mean", "top2", "nps"] | None = None
    as_of: dt.date | None = None
    tenure_mix: TenureMix | None = None
    prior: dict[str, Any] | None = None
    rollout: Rollout | None = None


_FLOW = Limits(0.0, hint="a negative cost belongs under [benefits], a negative benefit under [costs]")


class Flow(Strict):
    """A cost, or a benefit that needs no pilot."""

    once: field(_FLOW) | None = None  # type: ignore[valid-type]
    at: int = Field(0, ge=0, description="month of `once`; 0 is the investment")
    monthly: field(_FLOW) | None = None  # type: ignore[valid-type]
    daily: field(_FLOW) | None = None  # type: ignore[valid-type]
    days: field(POSITIVE) | None = None  # type: ignore[valid-type]
    months: Annotated[tuple[field(_FLOW), ...], BeforeValidator(listed)] | None = Field(  # type: ignore[valid-type]
        None, description="amounts of months 1, 2, …"
    )
    per: str | None = Field(None, description="a volume, NAME.stock, or OUTCOME.successes")
    amount: field(_FLOW) | None = None  # type: ignore[valid-type]
    from_: int = Field(1, ge=1, alias="from")
    until: Annotated[int, Field(ge=1)] | None = None
    growth: field(RATE) | None = None  # type: ignore[valid-type]
    category: Literal["development", "operations", "training", "other"] | None = None
    arm: str | None = None

    @model_validator(mode="after")
    def _says_an_amount(self) -> Flow:
        if not any(
            given is not None for given in (self.once, self.monthly, self.daily, self.months, self.per)
        ):
            raise ValueError("none of once, monthly, daily, months or per + amount is given")
        if (self.per is None) != (self.amount is None):
            raise ValueError("per and amount go together")
        if self.monthly is not None and self.daily is not None:
            raise ValueError("monthly and daily both given")
        return self


type FlowTable = Annotated[Flow, shorthand("once", Flow)]


class Correlation(Strict):
    """Rank correlation between two elicited quantities."""

    of: Annotated[tuple[str, str], BeforeValidator(listed)]
    rho: Annotated[float, Field(ge=-1, le=1)]


class Sampling(Strict):
    """Sampler settings; samples = chains × draws."""

    draws: int = Field(1000, ge=100, le=100_000)
    tune: int = Field(1000, ge=100, le=100_000)
    chains: int = Field(4, ge=2, le=64)
    seed: int = Field(20260101, ge=0)


class Config(Strict):
    """A whole config file."""

    programme: Programme
    pilot: Pilot = Pilot()
    volumes: dict[str, VolumeTable] = Field({})
    outcomes: dict[str, Outcome] = Field({})
    rollout: Rollout = Rollout()
    costs: dict[str, FlowTable] = Field({})
    benefits: dict[str, FlowTable] = Field({})
    correlations: Annotated[tuple[Correlation, ...], BeforeValidator(listed)] = ()
    decision: Decision = Decision()
    sampling: Sampling = Sampling()
