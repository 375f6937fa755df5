"""Arrays small enough to travel inside a page: few columns in place of many, as text."""

from __future__ import annotations

import base64
from typing import Any

import numpy as np

from sim.records.arrays import FloatArray

_EXACT = 1e-6


def text(values: FloatArray) -> str:
    """Return an array, row by row, as base64 of little-endian 32-bit floats.

    Examples
    --------
    >>> text(np.array([1.0, -2.0]))
    'AACAPwAAAMA='
    """
    return base64.b64encode(np.ascontiguousarray(values, dtype="<f4").tobytes()).decode("ascii")


def table(values: FloatArray) -> dict[str, Any]:
    """Return a table of samples by month as the product of two small ones, as few columns as it takes.

    Courses of cash over the months are alike: a handful of them, mixed differently in each sample, give every
    sample to the sixth digit (Eckart & Young 1936, doi:10.1007/BF02288367).

    Parameters
    ----------
    values : (sample, month) array

    Returns
    -------
    dict
        ``rank``, and ``left`` (sample × rank) and ``right`` (rank × month) as `text`.

    Examples
    --------
    >>> table(np.outer([1.0, 2.0], [0.0, 3.0, 3.0]))["rank"]
    1
    """
    strengths, courses = np.linalg.eigh(values.T @ values)
    strongest = np.sqrt(max(strengths[-1], 0.0))
    rank = int((np.sqrt(np.maximum(strengths, 0.0)) > _EXACT * strongest).sum())
    kept = courses[:, ::-1][:, :rank]
    return {"rank": rank, "left": text(values @ kept), "right": text(kept.T)}
