"""From a checked table to the statistics of its design: series by period, clusters, what was there anyway."""

from __future__ import annotations

import datetime as dt
import unicodedata
from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from sim.errors import Problem, ProblemsError
from sim.language import N_
from sim.pilot.clusters import cluster_check, design_effect, parallel_trends, too_few
from sim.pilot.grouping import Grouping, Parts
from sim.pilot.period import DAYS_PER_MONTH, Periods
from sim.records.check import Check
from sim.records.reading import Reading
from sim.records.summary import LEAST_PERIODS, Design, PilotSummary, Series


def summarise(grouping: Grouping, periods: Periods | None) -> tuple[PilotSummary, tuple[Check, ...]]:
    """Return the statistics of a checked table under its design, and what the design makes of them.

    Parameters
    ----------
    grouping : Grouping
    periods : Periods or None
        Where the table tells the time.

    Raises
    ------
    ProblemsError
        For a before-after pilot without a past, and for too few clusters.
    """
    reading = grouping.reading
    statistics, names = grouping.statistics()
    size = np.asarray(grouping.model.size(statistics), dtype=np.float64)
    series = by_period = None
    # A row that spans a customer's time belongs to no one period.
    spans = grouping.model.counts == "customers" and grouping.choice.column_set.rows
    if periods is not None and len(periods.labels) > 1 and not spans:
        by_period = grouping.parts("_period", names)
        series = _series(reading, (grouping.cells, len(names)), periods, by_period)
    _enough_past(reading, series)
    summary = PilotSummary(
        arms=reading.arms,
        segments=composed(names),
        statistics=statistics,
        size=size,
        has_control=reading.has_control,
        months=periods.months if periods is not None else _dated_months(reading),
        origin="inline" if reading.inline is not None else reading.shown,
        design=Design(reading.design, reading.bias),
        series=series,
    )
    effect, checks = _clustered(grouping, summary, names, by_period)
    if reading.design == "difference-in-differences" and series is not None:
        checks = (*checks, parallel_trends(series, reading.arms, effect))
    return replace(summary, design=replace(summary.design, effect=effect)), checks


def _dated_months(reading: Reading) -> float | None:
    last = reading.options.get("as_of")
    if reading.design == "randomised" or not isinstance(reading.launch, dt.date) or last is None:
        return None
    return float((last - reading.launch).days) / DAYS_PER_MONTH


def _series(reading: Reading, size: tuple[int, int], periods: Periods, parts: Parts) -> Series:
    """Return the mean by period; the phases of a design are put together again."""
    shape = (*size, len(periods.labels))
    cubes = []
    for values in (parts.ratio.numerator, parts.ratio.denominator, parts.ratio.variance):
        cube = np.zeros(shape)
        cube[:, parts.segment, parts.label] = values
        cubes.append(cube)
    num, den, var = cubes
    launch = periods.launch
    if reading.design == "before-after":
        if reading.launch is None:
            launch = int(np.flatnonzero(den[1:].sum(axis=(0, 1))).min(initial=len(periods.labels)))
        together = (1, shape[0])
    else:
        together = (len(reading.arms), shape[0] // len(reading.arms))
    num, den, weighed = (part.reshape(*together, *shape[1:]).sum(axis=1) for part in (num, den, den * var))
    return Series(
        periods.labels,
        num,
        den,
        weighed / np.where(den > 0, den, 1.0),
        launch,
        periods.length,
        periods.calendar,
    )


def _enough_past(reading: Reading, series: Series | None) -> None:
    """Refuse a before-after pilot that tells nothing of how its baseline drifts."""
    past = 0 if series is None else series.launch
    if reading.design != "before-after" or reading.bias is not None or past >= LEAST_PERIODS:
        return
    raise ProblemsError(
        Problem(
            f"a before-after pilot with {past} periods before the launch",
            f"at least {LEAST_PERIODS} periods before the launch, or a stated bias",
            "bias = { low = -0.05, high = 0.05 }: how far the measure may have drifted anyway; "
            "better, bring more of the past, or a control group",
            file=reading.shown,
            key=f"{reading.key}.bias",
        )
    )


def _clustered(
    grouping: Grouping, summary: PilotSummary, names: list[str], by_period: Parts | None
) -> tuple[float, tuple[Check, ...]]:
    """Return the design effect that is applied, and what there is to say about it."""
    reading, kind = grouping.reading, grouping.reading.design
    if reading.cluster is None:
        if kind != "difference-in-differences" or summary.series is None or by_period is None:
            return 1.0, ()
        after = len(summary.series.periods) - summary.series.launch
        if min(after, summary.series.launch) < 3:
            message = N_("only the sampling noise of rows is counted: shocks to one arm alone are not")
            remedy = N_("name who is observed over the periods as `panel_unit`, or bring more periods")
            return 1.0, (Check("shocks", "warn", message, remedy),)
        parts, what = by_period, N_("period")
    else:
        parts, what = grouping.parts("_cluster", names), reading.cluster
    if not parts.label.size:
        return 1.0, ()
    whole = grouping.model.ratio(summary.statistics)
    found = design_effect(
        whole,
        parts.ratio,
        parts.segment,
        parts.label,
        kind=kind,
        has_control=reading.has_control,
        mix=summary.mix,
    )
    if too_few(found):
        shown = " and ".join(str(count) for count in found.counts)
        raise ProblemsError(
            Problem(
                f"the clusters in {what} are too few to tell how alike their rows are ({shown} by arm)",
                "at least 2 an arm and 5 in all; 10 an arm to be told well",
                "with so few, the pilot cannot separate the treatment from who happened to get it",
                file=reading.shown,
                key=f"{reading.key}.{'panel_unit' if reading.panel else 'cluster'}",
            )
        )
    # Only a panel tells that its units are their own controls; else fewer rows than there are never help.
    effect = max(found.effect, 1e-3 if reading.panel else 1.0)
    return effect, (cluster_check(found, what, effect),)


def composed(names: Sequence[str]) -> tuple[str, ...]:
    """Return the names with accents in the form that keyboards give, unless two would become one."""
    composed = tuple(unicodedata.normalize("NFC", name) for name in names)
    return composed if len(set(composed)) == len(names) else tuple(names)
