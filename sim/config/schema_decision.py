"""The config as text: what is to be decided, and what else might be done first."""

from __future__ import annotations

from typing import Annotated

from pydantic import BeforeValidator, Field

from sim.config.quantity import NON_NEGATIVE, SHARE, field
from sim.config.strict import Strict, listed

PILOT_MONTHS = (1, 2, 3, 6, 12)


class Extension(Strict):
    """A longer pilot, for its value of information."""

    cost_per_month: field(NON_NEGATIVE)  # type: ignore[valid-type]
    months: Annotated[
        tuple[Annotated[int, Field(ge=1)], ...], Field(min_length=1), BeforeValidator(listed)
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
    sizes = listed(raw)
    if isinstance(sizes, tuple) and len(set(sizes)) < len(sizes):
        raise ValueError("the same size twice")
    return sizes


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
