"""The config as text: every key, its type and its limits. Meaning across keys is `plan`'s part."""

from __future__ import annotations

import datetime as dt
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field, model_validator

from sim.config.quantity import (
    CHANGE,
    NON_NEGATIVE,
    POSITIVE,
    RATE,
    SHARE,
    field,
    looks_like_quantity,
)
from sim.config.text import address
from sim.records.address import refused
from sim.records.quantity import Limits


class Strict(BaseModel):
    """Nothing is guessed: no coercion, no unknown keys, no NaN."""

    model_config = ConfigDict(
        strict=True,
        frozen=True,
        extra="forbid",
        allow_inf_nan=False,
        populate_by_name=True,
        validate_default=True,
        defer_build=True,  # one validator for the whole config, not one more for each of its tables
    )


def _shorthand(key: str, table: Any) -> BeforeValidator:
    """Return a validator that takes a bare quantity for a table holding it under `key`."""
    return BeforeValidator(
        lambda raw: {key: raw} if looks_like_quantity(raw) else raw,
        json_schema_input_type=field(NON_NEGATIVE) | table,
    )


def _listed(raw: object) -> object:
    return tuple(raw) if isinstance(raw, list) else raw


type Texts = Annotated[tuple[str, ...], BeforeValidator(_listed)]
type Numbers = Annotated[tuple[Annotated[float, Field(ge=0)], ...], BeforeValidator(_listed)]


class Programme(Strict):
    """What is invested in, in which money, over how long."""

    name: Annotated[str, Field(min_length=1, max_length=200)] | None = None
    currency: Annotated[str, Field(pattern=r"^[A-Z]{3}$")] = Field(description="ISO 4217 code, e.g. EUR")
    language: Literal["en", "zh", "th", "nb", "es"] = Field("en", description="of headline, report and plots")
    start: dt.date | None = Field(None, description="month 1 of the rollout")
    horizon: int = Field(36, ge=1, le=1200, description="months")
    discount_rate: field(RATE) = Field(0.10, description="per year, effective, a fraction")  # type: ignore[valid-type]
    discount_basis: Literal["nominal", "real"] | None = None
    timing: Literal["start", "mid", "end"] = Field("end", description="when in a month cash moves")
    basis: Literal["nominal", "real"] = "nominal"
    inflation: field(RATE) | None = None  # type: ignore[valid-type]


def _label(raw: object) -> object:
    """Labels are compared as text, so a number or a truth value may stand for its text."""
    if isinstance(raw, bool):
        return str(raw).lower()
    return str(raw) if isinstance(raw, int | float) else raw


def _labels(raw: object) -> object:
    return tuple(_label(item) for item in raw) if isinstance(raw, list) else (_label(raw),)


type _Label = str | int | float | bool


class Arm(Strict):
    """Which column tells the arms, and which labels are which."""

    column: str
    control: Annotated[str, BeforeValidator(_label, json_schema_input_type=_Label)] | None = None
    treated: Annotated[
        tuple[str, ...], BeforeValidator(_labels, json_schema_input_type=_Label | list[_Label])
    ] = ()


def _local(file: str) -> str:
    if told := address(file):
        raise ValueError(f"{told} is an address, and nothing is fetched: export the table and name its file")
    return file


def _without_password(dsn: str) -> str:
    if told := refused(dsn):
        raise ValueError(told)
    return dsn


class Data(Strict):
    """Where a pilot table lies: in a file, or in a warehouse that groups it there."""

    file: Annotated[str, AfterValidator(_local)] | None = None
    table: str | None = None
    sheet: str | None = None
    query: str | None = None
    dsn: Annotated[str, AfterValidator(_without_password)] | None = Field(
        None, description="address of a warehouse; ${NAME} is taken from the environment"
    )
    timeout: Annotated[int, Field(ge=1, le=86_400)] | None = Field(
        None, description="seconds that a query in the warehouse may take"
    )


class Bias(Strict):
    """Elicited drift of a before-after pilot, relative."""

    low: float
    high: float


def _data(raw: object) -> object:
    return {"file": raw} if isinstance(raw, str) else raw


class Pilot(Strict):
    """How the pilot was run; defaults for every outcome. ``false`` unsets an inherited key."""

    data: (
        Annotated[
            Data | Literal[False], BeforeValidator(_data, json_schema_input_type=str | Data | Literal[False])
        ]
        | None
    ) = None
    design: Literal["randomised", "difference-in-differences", "before-after"] | None = None
    arm: Arm | Literal[False] | None = None
    segment: str | Literal[False] | None = None
    period: str | Literal[False] | None = None
    launch: dt.date | int | str | Literal[False] | None = None
    panel_unit: str | Literal[False] | None = None
    missing: Annotated[tuple[float | str, ...], BeforeValidator(_listed)] | None = None
    bias: Bias | Literal[False] | None = None
    cluster: str | Literal[False] | None = None
    split: float | dict[str, float] | Literal[False] | None = None
    looks: Annotated[int, Field(ge=1)] | None = None
    acknowledge: Texts | None = None


class History(Strict):
    """The past of a driver, month by month, from which its future is forecast."""

    data: Annotated[Data, BeforeValidator(_data, json_schema_input_type=str | Data)]
    columns: dict[Literal["month", "units"], str] = Field({}, description="role to header")


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


type VolumeTable = Annotated[Volume, _shorthand("monthly", Volume)]


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


class TenureMix(Strict):
    """How long the customers of the stock have been there."""

    data: Annotated[Data, BeforeValidator(_data, json_schema_input_type=str | Data)]
    columns: dict[str, str] | None = Field(None, description="tenure, and customers where rows are totals")
    segment: str | None = None


class Outcome(Pilot):
    """One measured outcome; every `[pilot]` key may be overridden here."""

    model: str
    columns: dict[str, str] | None = None
    control: Any = None
    treated: Any = None
    effect: field(CHANGE) | None = None  # type: ignore[valid-type]
    volume: Annotated[str | Volume, _shorthand("monthly", str | Volume)] | None = None
    value: Any = None
    acquires: bool = False
    saves: str | None = None
    realisation: field(SHARE) | None = None  # type: ignore[valid-type]
    after: str | None = None
    remaining: bool = False
    better: Literal["higher", "lower"] | None = None
    unit: str | None = None
    scale: Annotated[tuple[int, int], BeforeValidator(_listed)] | None = None
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
    months: Annotated[tuple[field(_FLOW), ...], BeforeValidator(_listed)] | None = Field(  # type: ignore[valid-type]
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


type FlowTable = Annotated[Flow, _shorthand("once", Flow)]


class Correlation(Strict):
    """Rank correlation between two elicited quantities."""

    of: Annotated[tuple[str, str], BeforeValidator(_listed)]
    rho: Annotated[float, Field(ge=-1, le=1)]


PILOT_MONTHS = (1, 2, 3, 6, 12)


class Extension(Strict):
    """A longer pilot, for its value of information."""

    cost_per_month: field(NON_NEGATIVE)  # type: ignore[valid-type]
    months: Annotated[
        tuple[Annotated[int, Field(ge=1)], ...], Field(min_length=1), BeforeValidator(_listed)
    ] = Field(PILOT_MONTHS, description="lengths to be weighed")
    delays_rollout: bool = Field(True, description="false: the rollout goes on meanwhile, and may be stopped")
    ran: Annotated[float, Field(gt=0)] | None = Field(
        None, description="months that the pilot so far took, where its tables do not tell"
    )


class Stage(Strict):
    """A first stage of the rollout, after which it may be stopped."""

    share: Annotated[float, Field(gt=0, lt=1)] = Field(description="of the volume that is in stage one")
    months: int = Field(ge=1, description="length of stage one")
    cost: Annotated[float, Field(gt=0, le=1)] = Field(
        1.0, description="share of the fixed costs that stage one needs; the rest is due on going on"
    )


def _sizes(raw: object) -> object:
    """Sizes in rising order; the same size twice is a slip."""
    listed = _listed(raw)
    if isinstance(listed, tuple) and len(set(listed)) < len(listed):
        raise ValueError("the same size twice")
    return listed


class Decision(Strict):
    """What the decision is measured by."""

    payback_within: Annotated[int, Field(ge=1)] | None = None
    hurdle: float = Field(0.0, description="NPV to beat")
    pilot: Extension | None = None
    stage: Stage | None = None
    scale: (
        Annotated[tuple[Annotated[float, Field(gt=0)], ...], Field(min_length=1), BeforeValidator(_sizes)]
        | None
    ) = Field(None, description="sizes in which a portfolio may take it: factors of every cost")
    returns: field(SHARE) | None = Field(  # type: ignore[valid-type]
        None, description="benefits at a size are scale ** returns; 1 if left out"
    )


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
    volumes: dict[str, VolumeTable] = {}
    outcomes: dict[str, Outcome] = {}
    rollout: Rollout = Rollout()
    costs: dict[str, FlowTable] = {}
    benefits: dict[str, FlowTable] = {}
    correlations: Annotated[tuple[Correlation, ...], BeforeValidator(_listed)] = ()
    decision: Decision = Decision()
    sampling: Sampling = Sampling()


PILOT_KEYS = tuple(Pilot.model_fields)
