"""Turns the grouped rows of a pilot table into arrays by arm and segment."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from sim.records.arrays import FloatArray

type Groups = Mapping[str, np.ndarray[Any, Any]]


def column(groups: Groups, name: str) -> FloatArray:
    """One column as floats; what the database calls NULL becomes NaN."""
    return np.asarray(groups[name], dtype=np.float64)


def cell(groups: Groups, shape: tuple[int, int]) -> np.ndarray[Any, np.dtype[np.intp]]:
    """Flat position of each grouped row in an (arm, segment) array."""
    arm, segment = (np.asarray(groups[name], dtype=np.intp) for name in ("arm", "segment"))
    return np.ravel_multi_index((arm, segment), shape)


def total(groups: Groups, values: FloatArray, shape: tuple[int, int]) -> FloatArray:
    """Sum `values` of the grouped rows into an (arm, segment) array.

    Examples
    --------
    >>> rows = {"arm": np.array([0, 1, 1]), "segment": np.array([0, 0, 0])}
    >>> total(rows, np.array([5.0, 1.0, 2.0]), (2, 1))
    array([[5.],
           [3.]])
    """
    return np.bincount(cell(groups, shape), values, shape[0] * shape[1]).reshape(shape)


def labels(arms: tuple[str, ...], segments: tuple[str, ...]) -> tuple[str, ...]:
    """Name the cells of an (arm, segment) array, in its order."""
    if len(segments) == 1:
        return arms
    return tuple(f"{arm}, {segment}" for arm in arms for segment in segments)
