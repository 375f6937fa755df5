"""What only the simulated result can tell: what a missing control costs, fading, segments that disagree."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import replace
from typing import Any

import numpy as np

from sim.engine import evidence
from sim.engine.novelty import course, novelty
from sim.engine.world import OutcomeState, Strategy, World
from sim.language import N_, phrase, several
from sim.records.check import Check

_SURE = 0.9
_HIGH = 1.0  # IRR a year from which it is no return that can be had again


def findings(world: World, strategy: Strategy) -> tuple[Check, ...]:
    """Return the checks on one simulated strategy.

    Parameters
    ----------
    world : World
    strategy : Strategy
    """
    found: list[Check] = []
    for name, state in strategy.outcomes.items():
        run = course(world, name, strategy.name)
        told = [None if run is None else novelty(state.plan, run, strategy.name), *_disagreeing(state)]
        found += [replace(check, name=f"{check.name}:{name}") for check in told if check is not None]
    whole = (evidence.missing_control(world, strategy), evidence.independence(world, strategy))
    return (*found, *(check for check in whole if check is not None))


def of_returns(metrics: Mapping[str, Mapping[str, Any]]) -> Iterable[Check]:
    """Say of a high IRR what it takes for granted.

    Parameters
    ----------
    metrics : mapping
        Blocks of the summary.

    Notes
    -----
    The rate of return supposes that what comes back is invested again at that very rate (Kierulff 2008,
    *MIRR: A better measure*, Business Horizons 51), which nobody can do where little is spent at first.
    """
    irr, mirr = (metrics[name]["median"] for name in ("irr", "mirr"))
    if irr is not None and mirr is not None and irr > _HIGH:
        message = phrase(
            "a median IRR of {irr:.0%} takes for granted that what comes back early earns as much again; "
            "where it earns the discount rate, the return is {mirr:.0%} a year",
            irr=irr,
            mirr=mirr,
        )
        yield Check("irr", "note", message, N_("decide by the net present value"))


def _disagreeing(state: OutcomeState) -> Iterable[Check]:
    """Warn of segments whose effect surely has another sign than the pooled one."""
    if len(state.segments) < 2:
        return
    difference = state.treated.level - state.control.level
    pooled = (difference * state.weights).sum(axis=1)
    sign = np.sign(pooled.mean())
    if sign == 0 or (pooled * sign > 0).mean() < _SURE:
        return
    against = (difference * sign < 0).mean(axis=0)
    named = [
        phrase("{segment} ({share:.0%})", segment=segment, share=float(share))
        for segment, share in zip(state.segments, against, strict=True)
        if share >= _SURE
    ]
    if named:
        message = phrase(
            "the effect has the other sign than the pooled one in {segments}", segments=several(named)
        )
        yield Check("segments-disagree", "warn", message, N_("roll out where it helps, and leave the others"))
