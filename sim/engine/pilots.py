"""Reads the pilot of one outcome and says everything about it that needs no fit."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING

from sim.config.plan import OutcomePlan, Plan
from sim.contract import OutcomeModel
from sim.engine.segments import unseen
from sim.language import N_, phrase
from sim.records.arrays import FloatArray
from sim.records.check import Check
from sim.records.columns import ColumnSet
from sim.records.reading import Reading
from sim.records.summary import PilotSummary
from sim.registry import source

if TYPE_CHECKING:
    from sim.pilot.pilot import Pilot


type Pilots = dict[str, "Pilot"]
"""Tables that were read before, by what was asked of them."""


@dataclass(frozen=True)
class Shelf:
    """Where what was read of tables is kept between processes.

    Parameters
    ----------
    store : Path or None
        Folder to look in; nothing is written there before all of a config is known to be right.
    new : dict
        What was not found there, by key.
    """

    store: Path | None = None
    new: dict[str, tuple[Pilot, Sequence[ColumnSet]]] = field(default_factory=dict)


def read_pilot(
    plan: Plan, outcome: OutcomePlan, data: dict[str, str], pilots: Pilots, shelf: Shelf
) -> tuple[PilotSummary, list[Check]]:
    """Return an outcome's statistics and the findings on them; note the sha256 of its table in `data`.

    A table in a warehouse may have changed since: it is asked anew, and the sha256 is that of what it says.

    Segments of the rollout that the pilot did not see are there with nothing observed. What was read is
    kept in `pilots` and not read twice; `shelf` keeps it between processes.

    Raises
    ------
    ProblemsError
        With every problem of the table.
    """
    from sim.pilot import kept

    reading = outcome.data
    assert reading is not None  # noqa: S101  # the caller passes fitted outcomes only
    stock = _has_stock(plan, outcome) and outcome.tenure_mix is None
    asked = f"{outcome.model.name} {reading} {stock}"
    if asked not in pilots:
        pilots[asked] = _read(reading, outcome.model, stock, asked, shelf)
    summary = pilots[asked].summary
    if reading.dsn is not None:
        data[reading.noted] = kept.digest(pilots[asked], outcome.model.column_sets)
    _note_file(reading, data)
    new = unseen(plan, outcome, summary.segments)
    if summary.months is None and plan.pilot is not None:
        summary = replace(summary, months=plan.pilot.ran)
    # With the rollout's segments: the same for many plans.
    whole = f"{asked} {new} {summary.months}"
    if whole not in pilots:
        pilots[whole] = replace(pilots[asked], summary=summary.extended(new))
    checks = [*pilots[whole].checks, *_of_design(outcome, summary)]
    if new:
        message = phrase(
            "the pilot did not see {segments}: level and effect there are drawn from how the pilot's "
            "segments differ, and are as unsure as that",
            segments=", ".join(new),
        )
        checks.append(Check("unseen-segment", "warn", message, N_("pilot there too, if it weighs much")))
    if not outcome.kpi:
        checks += _of_money(outcome, summary)
    return pilots[whole].summary, [
        Check(f"{check.name}:{outcome.name}", check.status, check.message, check.remedy) for check in checks
    ]


def _read(reading: Reading, model: OutcomeModel, stock: bool, asked: str, shelf: Shelf) -> Pilot:
    """Return what the table says, with what the model finds, from the shelf or by reading it."""
    from sim.pilot import kept

    if reading.dsn is not None:
        return _found(reading, model, stock)
    files = _digests(reading)
    key = kept.key_of(asked, files, source(model.name))
    found = None if shelf.store is None else kept.load(shelf.store, key, model.column_sets)
    if found is not None:
        return found
    pilot = _found(reading, model, stock)
    if _digests(reading) == files:  # nobody wrote to the table meanwhile
        shelf.new[key] = pilot, model.column_sets
    return pilot


def _found(reading: Reading, model: OutcomeModel, stock: bool) -> Pilot:
    from sim.pilot.summary import read

    pilot = read(reading, model)
    return replace(pilot, checks=(*pilot.checks, *model.check(pilot.summary, stock=stock)))


def keep(shelf: Shelf, store: Path) -> None:
    """Put what was newly read where other processes find it."""
    from sim.pilot import kept

    for key, (pilot, column_sets) in shelf.new.items():
        kept.save(store, key, pilot, column_sets)
    shelf.new.clear()


def _digests(reading: Reading) -> dict[str, str]:
    from sim.pilot.files import fingerprint

    return {} if reading.file is None else fingerprint(Path(reading.file))


def read_mix(outcome: OutcomePlan, summary: PilotSummary, data: dict[str, str]) -> FloatArray:
    """Return the customers of an outcome's stock by tenure and segment."""
    from sim.pilot.tenure_mix import read_tenure_mix

    reading = outcome.tenure_mix
    assert reading is not None  # noqa: S101  # the caller has looked
    mix = read_tenure_mix(reading, summary.segments)
    if reading.dsn is not None:
        data[reading.noted] = hashlib.sha256(mix.tobytes()).hexdigest()
    _note_file(reading, data)
    return mix


def _note_file(reading: Reading, data: dict[str, str]) -> None:
    if reading.file is not None:
        digests = _digests(reading)
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
        message = N_(
            "no random arms: the effect is what changed more than in the control arm, if both would "
            "have moved alike without it"
        )
        yield Check("design", "note", message, N_("a randomised pilot needs no such assumption"))
    if kind == "before-after":
        message = N_("no control group: what changed since the launch may have other causes as well")
        yield Check("design", "warn", message, N_("keep a random part of the volume untreated, and compare"))
        windows = 0 if summary.series is None else len(summary.series.windows)
        if summary.design.bias is None and windows < 4:
            message = phrase(
                "only {windows} moments before the launch can stand in for one: the prior decides "
                "how far the measure drifts anyway",
                windows=windows,
            )
            yield Check("placebo", "warn", message, N_("bring a longer past, or state `bias`"))


def _of_money(outcome: OutcomePlan, summary: PilotSummary) -> Iterable[Check]:
    if summary.months is None:
        message = N_("nothing says how long the pilot ran, so how much lies beyond it is unknown")
        remedy = N_("state decision.pilot.ran, or name the column that tells the time as `period`")
        yield Check("pilot-length", "note", message, remedy)
    if len(summary.segments) == 1 and outcome.rollout.transfer_path is None:
        message = N_("no segments: the interval holds for units like the pilot's, and others vary more")
        yield Check("one-segment", "note", message, N_("name a `segment` column, or set rollout.transfer"))
