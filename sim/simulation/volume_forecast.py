"""A driver's months to come, from the months that were: paths with their uncertainty."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from sim.errors import Problem, ProblemsError
from sim.local_level import Mixture, smooth
from sim.records.arrays import FloatArray, IntArray
from sim.records.history import History, month_name

SEASON_MONTHS = 24
"""Months with a figure from which on the season is learnt: each calendar month seen about twice."""
DRIFT_SD = 0.02
"""Prior sd of the growth per month on the log scale: 90 % within −33 % to +48 % a year."""
DAMPING = 0.98
"""What is left of the growth each month after the last: it halves in three years. A growth that goes on
for ever is what past forecasts by trend were most often wrong in (Gardner & McKenzie 1985,
doi:10.1287/mnsc.31.10.1237)."""
LEVEL_SCALE = 0.03
"""Scale of the prior of a month's lasting shift on the log scale."""
MOST_MONTHS = 120
"""Months of history that are used, the latest ones."""
MOST_AHEAD = 360
"""Months after the history that can be asked for."""


@dataclass(frozen=True, slots=True)
class VolumePaths:
    """Units of a driver in the programme's months and in the year after the history.

    Parameters
    ----------
    units : (sample, month) array
        Months 1 … horizon; months that the history holds are as recorded.
    next_year : (sample,) array
        Units a month over the 12 months after the history, for a comparison with it.
    seasonal : bool
        Whether a season was learnt.
    """

    units: FloatArray
    next_year: FloatArray
    seasonal: bool


def forecast_volume(
    history: History,
    first_month: int,
    horizon: int,
    n: int,
    rng: np.random.Generator,
    *,
    seasonality: Sequence[float] = (),
    file: str = "",
    key: str = "",
) -> VolumePaths:
    """Forecast monthly units from their history.

    On the log scale the units are a level that drifts and grows, a season and a month's own noise
    (`sim.local_level.smooth`); growth fades after the last month (`DAMPING`). A season is learnt
    from `SEASON_MONTHS` months on; given factors are taken out of the history and put back.
    The mean of a path exceeds its median, the more the further ahead: uncertain growth is skewed.

    Parameters
    ----------
    history : History
    first_month : int
        `month_number` of the programme's month 1.
    horizon : int
        Months of the programme.
    n : int
        Samples.
    rng : numpy.random.Generator
    seasonality : 12 numbers, or empty
        January first, used as given.
    file, key : str
        Table and config key, for messages.

    Raises
    ------
    ProblemsError
        For a month of 0 units (outside months of the year that are always closed), factors beside a
        history from which the season is learnt, and a programme too far from the history.
    """
    seasonal = history.observed >= SEASON_MONTHS
    if seasonal and seasonality:
        found = f"seasonality beside {history.observed} months of history, from which it is learnt"
        remedy = f"drop seasonality, or keep fewer than {SEASON_MONTHS} months"
        raise ProblemsError(
            Problem(found, "one of them", remedy, key=key.replace(".history", ".seasonality"))
        )
    start = max(history.last + 1 - MOST_MONTHS, history.first)
    units = history.units[start - history.first :]
    ahead = max(first_month + horizon - 1 - history.last, 12)
    if first_month < history.first or ahead > MOST_AHEAD:
        found = (
            f"the history runs from {month_name(history.first)} to {month_name(history.last)}, "
            f"the programme from {month_name(first_month)} for {horizon} months"
        )
        allowed = f"a programme that ends at most {MOST_AHEAD} months after the history's last month"
        raise ProblemsError(
            Problem(found, allowed, "look at programme.start and programme.horizon", file, key=key)
        )
    calendar = (start + np.arange(units.size + ahead)) % 12
    by_month = np.asarray(seasonality or [1.0] * 12, dtype=np.float64)
    if seasonal:
        by_month[_closed(units, calendar[: units.size])] = 0.0
    factors = by_month[calendar]
    values = _logs(units, factors[: units.size], start, file, key)
    mixture = smooth(
        values,
        np.zeros(values.size),
        ahead,
        seasons=calendar if seasonal else None,
        drift_sd=DRIFT_SD,
        damping=DAMPING,
        level_scale=LEVEL_SCALE,
        noise=True,
    )
    from_ = min(first_month - start, units.size)
    paths = np.exp(_part(mixture, from_).sample(n, rng, noise=True)) * factors[from_:]
    recorded = units[from_:]
    known = np.flatnonzero(np.isfinite(recorded))
    paths[:, known] = recorded[known]
    skipped = first_month - start - from_
    after = units.size - from_
    return VolumePaths(
        paths[:, skipped : skipped + horizon], paths[:, after : after + 12].mean(axis=1), seasonal
    )


def _logs(units: FloatArray, factors: FloatArray, start: int, file: str, key: str) -> FloatArray:
    """Log units without the given season; NaN where nothing was recorded or the factor is 0."""
    empty = np.flatnonzero((units == 0) & (factors > 0))
    if empty.size:
        names = ", ".join(month_name(start + int(i)) for i in empty[:6])
        names += f" and {empty.size - 6} more" if empty.size > 6 else ""
        remedy = (
            "leave out months in which nothing was recorded; for months that are always closed give "
            "seasonality with factors 0; otherwise state the volume: monthly = { low = …, high = … }"
        )
        raise ProblemsError(
            Problem(f"0 units in {names}", "more than 0 units a month", remedy, file, key=key)
        )
    used = (factors > 0) & (units > 0)
    return np.log(np.where(used, units, np.nan)) - np.log(np.where(used, factors, 1.0))


def _closed(units: FloatArray, calendar: IntArray) -> list[int]:
    """Return the months of the year (0 … 11) that were seen at least twice and never had a unit."""
    found = []
    for month in range(12):
        seen = units[(calendar == month) & np.isfinite(units)]
        if seen.size > 1 and not seen.any():
            found.append(month)
    return found


def _part(mixture: Mixture, start: int) -> Mixture:
    """Return the mixture of the periods from `start` on."""
    return replace(
        mixture, means=mixture.means[:, start:], covariances=mixture.covariances[:, start:, start:]
    )
