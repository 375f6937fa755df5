"""Names for the array types that every room shares."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray

type FloatArray = NDArray[np.float64]
type IntArray = NDArray[np.int64]
type BoolArray = NDArray[np.bool_]

type Draws = Mapping[str, FloatArray]
"""Parameters of one fit by name, each ``(sample, ...)``; row i is one joint state."""
