"""The config as text: where tables lie and how the pilot was run."""

from __future__ import annotations

import datetime as dt
from typing import Annotated, Literal

from pydantic import AfterValidator, BeforeValidator, Field

from sim.config.strict import Strict, Texts, listed
from sim.config.text import address
from sim.records.address import refused


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
    missing: Annotated[tuple[float | str, ...], BeforeValidator(listed)] | None = None
    bias: Bias | Literal[False] | None = None
    cluster: str | Literal[False] | None = None
    split: float | dict[str, float] | Literal[False] | None = None
    looks: Annotated[int, Field(ge=1)] | None = None
    acknowledge: Texts | None = None


class History(Strict):
    """The past of a driver, month by month, from which its future is forecast."""

    data: Annotated[Data, BeforeValidator(_data, json_schema_input_type=str | Data)]
    columns: dict[Literal["month", "units"], str] = Field({}, description="role to header")


class TenureMix(Strict):
    """How long the customers of the stock have been there."""

    data: Annotated[Data, BeforeValidator(_data, json_schema_input_type=str | Data)]
    columns: dict[str, str] | None = Field(None, description="tenure, and customers where rows are totals")
    segment: str | None = None


PILOT_KEYS = tuple(Pilot.model_fields)
