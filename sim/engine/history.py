"""Volumes that are forecast from their own past: read, carried forward, and told."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping

import numpy as np

from sim.config.plan import Plan, VolumePlan
from sim.engine.amounts import amount
from sim.errors import Problems
from sim.language import N_, phrase
from sim.records.arrays import FloatArray
from sim.records.check import Check
from sim.records.history import History, month_name, month_number
from sim.simulation.draws import child
from sim.simulation.volume_forecast import MOST_MONTHS, SEASON_MONTHS, VolumePaths, forecast_volume


def forecast_volumes(
    plan: Plan, problems: Problems, data: dict[str, str]
) -> tuple[Mapping[str, FloatArray], list[Check]]:
    """Return the units of every volume with a history, (sample, month) by name, and what to tell of them.

    Month 1 is that of ``programme.start``; without one it follows the last month of all histories.

    Parameters
    ----------
    plan : Plan
    problems : Problems
        Takes what is wrong with the tables.
    data : dict
        Takes the sha256 of every table.
    """
    histories: dict[str, History] = {}
    for name, volume in plan.volumes.items():
        if volume.history is not None:
            with problems.gather():
                histories[name] = _read(volume, data)
    paths: dict[str, FloatArray] = {}
    checks: list[Check] = []
    first = 1 + max((history.last for history in histories.values()), default=0)
    if plan.start is not None:
        first = month_number(plan.start)
    for name, history in histories.items():
        volume = plan.volumes[name]
        assert volume.history is not None  # noqa: S101  # only those were read
        with problems.gather():
            found = forecast_volume(
                history,
                first,
                plan.horizon,
                plan.samples,
                child(plan.seed, volume.history.key),
                seasonality=volume.seasonality,
                file=volume.history.shown,
                key=volume.history.key,
            )
            paths[name] = found.units
            checks += _told(plan, volume, history, first, found)
    return paths, checks


def _read(volume: VolumePlan, data: dict[str, str]) -> History:
    from sim.pilot.files import fingerprint
    from sim.pilot.history import read_history

    reading = volume.history
    assert reading is not None  # noqa: S101  # the caller passes volumes with a history
    history = read_history(reading)
    if reading.file is None:
        data[reading.noted] = hashlib.sha256(history.units.tobytes()).hexdigest()
        return history
    digests = fingerprint(reading.file)
    whole = "".join(digests[file] for file in sorted(digests))
    data[reading.shown] = whole if len(digests) == 1 else hashlib.sha256(whole.encode()).hexdigest()
    return history


def _told(plan: Plan, volume: VolumePlan, history: History, first: int, found: VolumePaths) -> list[Check]:
    """Say what was read, what is expected of the next year, and what the history could not tell."""
    name = volume.name
    recent = history.units[-12:]
    low, high = np.quantile(found.next_year, [0.05, 0.95])
    mean, before = float(found.next_year.mean()), float(np.nanmean(recent))
    message = phrase(
        "{volume}: {months} months of history ({start} to {end}), {learnt}; the next 12 months are expected "
        "at {mean} a month (90 % {low} to {high}), against {before} over the last {recent}",
        volume=name,
        months=int(history.observed),
        start=month_name(history.first),
        end=month_name(history.last),
        learnt=N_("growth and season are learnt")
        if found.seasonal
        else N_("growth is learnt, a season is not"),
        mean=amount(mean),
        low=amount(float(low), mean),
        high=amount(float(high), mean),
        before=amount(before),
        recent=int(recent.size),
    )
    if plan.start is None:
        message = phrase("{told}; month 1 is taken to be {month}", told=message, month=month_name(first))
    checks = [Check(f"history:{name}", "note", message)]
    if history.gaps:
        gaps = ", ".join(history.gaps[:12]) + (" …" if len(history.gaps) > 12 else "")
        message = phrase("{volume}: months without a figure are left out: {gaps}", volume=name, gaps=gaps)
        remedy = N_("add them to the table if they are known")
        checks.append(Check(f"history-gaps:{name}", "note", message, remedy))
    if history.units.size > MOST_MONTHS:
        message = phrase(
            "{volume}: of {months} months the last {used} are used",
            volume=name,
            months=int(history.units.size),
            used=MOST_MONTHS,
        )
        checks.append(Check(f"history-length:{name}", "note", message))
    inside = min(history.last, first + plan.horizon - 1) - first + 1
    if inside > 0:
        message = phrase(
            "{volume}: {months} months of the programme are in the history and taken as recorded",
            volume=name,
            months=int(inside),
        )
        checks.append(Check(f"history-overlap:{name}", "note", message, N_("look at programme.start")))
    if not found.seasonal and not volume.seasonality:
        message = phrase(
            "{volume}: {months} months tell no season from growth: a busy time of year at their end "
            "is taken to last",
            volume=name,
            months=int(history.observed),
        )
        remedy = phrase("give {months} months, or seasonality (January first)", months=SEASON_MONTHS)
        checks.append(Check(f"history-season:{name}", "warn", message, remedy))
    return checks
