"""Simulated statistics as a pilot table, in the columns that a user would bring."""

from __future__ import annotations

import csv
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

import numpy as np

from calibration.cells import POINTS, SEGMENTS, Cell
from sim.records.arrays import FloatArray

type Row = list[float]

_HEADERS = {
    "conversion": ("trials", "successes"),
    "cost": ("n", "mean", "sd"),
    "revenue": ("trials", "payers", "log_total", "log_squared_total"),
    "count": ("events", "exposure"),
    "rating": ("rating", "count"),
    "churn": ("tenure", "at_risk", "churned"),
}


def write(path: Path, cell: Cell, parts: Sequence[Mapping[str, FloatArray]]) -> None:
    """Write the table of one pilot: CSV, one row per cell and segment or, for counts, per unit.

    Parameters
    ----------
    path : Path
    cell : Cell
    parts : sequence of mapping
        Statistics (cell, segment, …) that add up to the pilot; counts come in one part per exposure.
    """
    lead = [name for name, there in (("arm", cell.treated), ("month", cell.places[0][1])) if there]
    with path.open("w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file)
        writer.writerow([*lead, "segment", *_HEADERS[cell.name]])
        for c, place in enumerate(cell.places):
            told = [text for text in place if text]
            for s, segment in enumerate(SEGMENTS):
                for part in parts:
                    # repr keeps every digit, so that what is read is what was simulated.
                    writer.writerows(
                        [*told, segment, *map(repr, row)] for row in rows(cell.name, part, (c, s))
                    )


def rows(name: str, part: Mapping[str, FloatArray], at: tuple[int, int]) -> Iterable[Row]:
    """Return the rows of one cell and segment."""
    if name == "conversion":
        return [[float(part["trials"][at]), float(part["successes"][at])]]
    if name == "cost":
        return [[float(part[key][at]) for key in ("n", "mean", "sd")]]
    if name == "revenue":
        trials, payers, mean, squares = (
            float(part[key][at]) for key in ("trials", "payers", "log_mean", "log_squares")
        )
        return [[trials, payers, payers * mean, squares + payers * mean**2]]
    if name == "rating":
        return [[POINTS[0] + i, float(count)] for i, count in enumerate(part["counts"][at])]
    if name == "churn":
        by_tenure = zip(part["at_risk"][at], part["churned"][at], strict=True)
        return [[t + 1, float(there), float(left)] for t, (there, left) in enumerate(by_tenure)]
    found: list[Row] = []
    for x, histogram in zip(part["exposure"], _by_exposure(part, at), strict=True):
        for value, units in zip(part["value"], histogram, strict=True):
            found += [[float(value), float(x)]] * round(float(units))
    return found


def _by_exposure(part: Mapping[str, FloatArray], at: tuple[int, int]) -> FloatArray:
    """Histogram of one cell and segment by exposure, (exposure, value).

    A simulated pilot holds one histogram for all exposures, which tells their rows apart only where a single
    exposure has units; an example may give each its own.
    """
    histogram = np.asarray(part["histogram"][at])
    if histogram.ndim == 2:
        return histogram
    used = part["units"][at] > 0
    if used.sum() > 1:
        raise ValueError("a histogram over several exposures does not tell which row had which")
    found: FloatArray = np.where(used[:, None], histogram, 0.0)
    return found
