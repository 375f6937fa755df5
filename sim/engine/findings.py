"""What only the simulated result can tell: what a missing control costs, fading, segments that disagree."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace

import numpy as np

from sim.engine import evidence
from sim.engine.novelty import course, novelty
from sim.engine.world import OutcomeState, Strategy, World
from sim.language import N_, phrase, several
from sim.records.check import Check

_SURE = 0.9


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
