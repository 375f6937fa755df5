"""How the spread of an outcome differs between arms: a contrast of the treated arms, shared by all segments.

The logarithm of the spread in cell c is that of all cells together plus ``sum_k column[k, c] * ratio[k]``:
ratio[k] is the log ratio of treated arm k to control. Columns are centred by the cells' sizes, so that
swapping two arms flips the sign of the ratio exactly. Before the launch of a difference-in-differences pilot
no arm is treated and no spread differs.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from sim.records.arrays import FloatArray
from sim.records.summary import PilotSummary


def columns(summary: PilotSummary, size: FloatArray) -> tuple[FloatArray, FloatArray]:
    """Return the coefficients of each ratio in cells and in arms, (treated, cell) and (treated, arm).

    Parameters
    ----------
    summary : PilotSummary
    size : (cell, segment) array
        By what cells are weighed.
    """
    in_arms: FloatArray = np.eye(len(summary.arms))[1:]
    in_cells: FloatArray = in_arms
    if summary.design.kind == "difference-in-differences":
        in_cells = np.kron(in_arms, np.array([0.0, 1.0]))
    total = size.sum(axis=1)
    whole = total.sum()
    share = total / whole if whole > 0 else np.full(len(total), 1 / len(total))
    middle = in_cells @ share
    return in_cells - middle[:, None], in_arms - middle[:, None]


def logs(common: Any, ratio: Any, column: Any) -> Any:
    """Add the ratios (..., treated) to a common logarithm (...) by (treated, cell) coefficients: (..., cell).

    Works on NumPy arrays as on symbolic ones.
    """
    return common + (ratio[..., :, None] * column).sum(axis=-2)


def differences(summary: PilotSummary) -> FloatArray:
    """Return the coefficients of the cells in each treated arm's effect, (treated, cell)."""
    signs = [-1.0, 1.0] if summary.design.kind == "difference-in-differences" else [1.0]
    arms = np.kron(np.eye(len(summary.arms)), np.array([signs]))
    differences: FloatArray = arms[1:] - arms[:1]
    return differences
