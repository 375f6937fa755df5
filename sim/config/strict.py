"""What every table of the config has in common: nothing is guessed, and short forms are few."""

from __future__ import annotations

from typing import Annotated, Any

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field

from sim.config.quantity import NON_NEGATIVE, field, looks_like_quantity


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


def shorthand(key: str, table: Any) -> BeforeValidator:
    """Return a validator that takes a bare quantity for a table holding it under `key`."""
    return BeforeValidator(
        lambda raw: {key: raw} if looks_like_quantity(raw) else raw,
        json_schema_input_type=field(NON_NEGATIVE) | table,
    )


def listed(raw: object) -> object:
    """Return a list of the config as a tuple, which nobody changes."""
    return tuple(raw) if isinstance(raw, list) else raw


type Texts = Annotated[tuple[str, ...], BeforeValidator(listed)]
type Numbers = Annotated[tuple[Annotated[float, Field(ge=0)], ...], BeforeValidator(listed)]
