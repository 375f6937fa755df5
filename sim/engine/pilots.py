"""Reads the pilot of one outcome and says everything about it that needs no fit."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from sim.config.plan import OutcomePlan, Plan
from sim.engine.segments import unseen
from sim.records.arrays import FloatArray
from sim.records.check import Check
from sim.records.reading import Reading
from sim.records.summary import PilotSummary

if TYPE_CHECKING:
    from sim.pilot.summary import Pilot


type Pilots = dict[str, "Pilot"]
"""Tables that were read before, by what was asked of them."""


def read_pilot(
    plan: Plan, outcome: OutcomePlan, data: dict[str, str], pilots: Pilots
) -> tuple[PilotSummary, list[Check]]:
    """Return an outcome's statistics and the findings on them; note the sha256 of its table in `data`.

    Segments of the rollout that the pilot did not see are there with nothing observed. What was read is
    kept in `pilots`, and not read twice.

    Raises
    ------
    ProblemsError
        With every problem of the table.
    """
    from sim.pilot.summary import read

    reading = outcome.data
    assert reading is not None  # noqa: S101  # the caller passes fitted outcomes only
    asked = f"{outcome.model.name} {reading}"
    pilot = pilots.get(asked) or pilots.setdefault(asked, read(reading, outcome.model))
    summary = pilot.summary
    _note_file(reading, data)
    stock = _has_stock(plan, outcome) and outcome.tenure_mix is None
    new = unseen(plan, outcome, summary.segments)
    # With what the model finds, which can take a while, and the rollout's segments: the same for many plans.
    whole = f"{asked} {stock} {new}"
    if whole not in pilots:
        found = outcome.model.check(summary, stock=stock)
        pilots[whole] = replace(pilot, summary=summary.extended(new), checks=(*pilot.checks, *found))
    checks = [*pilots[whole].checks, *_of_design(outcome, summary)]
    if new:
        message = (
            f"the pilot did not see {', '.join(new)}: level and effect there are drawn from how the pilot's "
            "segments differ, and are as unsure as that"
        )
        checks.append(Check("unseen-segment", "warn", message, "pilot there too, if it weighs much"))
    if not outcome.kpi:
        checks += _of_money(outcome, summary)
    return pilots[whole].summary, [
        Check(f"{check.name}:{outcome.name}", check.status, check.message, check.remedy) for check in checks
    ]


def read_mix(outcome: OutcomePlan, summary: PilotSummary, data: dict[str, str]) -> FloatArray:
    """Return the customers of an outcome's stock by tenure and segment."""
    from sim.pilot.tenure_mix import read_tenure_mix

    reading = outcome.tenure_mix
    assert reading is not None  # noqa: S101  # the caller has looked
    _note_file(reading, data)
    return read_tenure_mix(reading, summary.segments)


def _note_file(reading: Reading, data: dict[str, str]) -> None:
    from sim.pilot.source import fingerprint

    if reading.file is not None:
        digests = fingerprint(Path(reading.file))
        whole = "".join(digests[file] for file in sorted(digests))
        data[reading.shown] = whole if len(digests) == 1 else hashlib.sha256(whole.encode()).hexdigest()


def _has_stock(plan: Plan, outcome: OutcomePlan) -> bool:
    if outcome.volume is None or outcome.volume.kind != "volume":
        return False
    return plan.volumes[outcome.volume.name].stock_path is not None


def _of_design(outcome: OutcomePlan, summary: PilotSummary) -> Iterable[Check]:
    """Say what the way in which arms were formed makes of the effect."""
    from sim.pilot.checks import mix_shift, sample_ratio

    if len(summary.arms) < 2 or not summary.has_control:
        return
    kind = summary.design.kind
    if kind == "randomised" and outcome.after is None:
        yield sample_ratio(summary, outcome.split, "sample-ratio" in outcome.acknowledge)
    shift = mix_shift(summary, outcome.model.ratio(summary.statistics))
    if shift is not None:
        yield shift
    if kind == "difference-in-differences":
        message = "no random arms: the effect is what changed more than in the control arm, if both would "
        message += "have moved alike without it"
        yield Check("design", "note", message, "a randomised pilot needs no such assumption")
    if kind == "before-after":
        message = "no control group: what changed since the launch may have other causes as well"
        yield Check("design", "warn", message, "keep a random part of the volume untreated, and compare")
        windows = 0 if summary.series is None else len(summary.series.windows)
        if summary.design.bias is None and windows < 4:
            message = f"only {windows} moments before the launch can stand in for one: the prior decides "
            message += "how far the measure drifts anyway"
            yield Check("placebo", "warn", message, "bring a longer past, or state `bias`")


def _of_money(outcome: OutcomePlan, summary: PilotSummary) -> Iterable[Check]:
    if summary.months is None:
        message = "the table does not say how long the pilot ran, so how much lies beyond it is unknown"
        yield Check("pilot-length", "note", message, "name the column that tells the time as `period`")
    if len(summary.segments) == 1 and outcome.rollout.transfer_path is None:
        message = "no segments: the interval holds for units like the pilot's, and others vary more"
        yield Check("one-segment", "note", message, "name a `segment` column, or set rollout.transfer")
