"""The arrays that figures are computed from."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike

from sim.records.arrays import FloatArray


def with_hurdle(nb: ArrayLike, hurdle: float) -> FloatArray:
    """Put "do not invest", which pays the hurdle, in front of the strategies as decision 0.

    Parameters
    ----------
    nb : (sample,) or (sample, strategy) array [currency]
    hurdle : float [currency]
        Pay-off of not investing.

    Returns
    -------
    (sample, 1 + strategy) array

    Examples
    --------
    >>> import numpy as np
    >>> with_hurdle(np.array([5.0, -2.0]), 1.0).tolist()
    [[1.0, 5.0], [1.0, -2.0]]
    """
    values = np.asarray(nb, dtype=np.float64)
    return np.column_stack([np.full(values.shape[0], float(hurdle)), values])


def checked(values: ArrayLike, name: str, *, axes: int, samples: int | None = None) -> FloatArray:
    """Return a float array of that many axes (a missing last one is added) and samples, all finite.

    Raises
    ------
    ValueError
        Another shape, no sample at all, or a value that is not a finite number.
    """
    array = np.asarray(values, dtype=np.float64)
    if axes == 2 and array.ndim == 1:
        array = array[:, None]
    if array.ndim != axes or array.size == 0:
        raise ValueError(f"{name} must be a non-empty array of {axes} axes, got shape {array.shape}")
    if samples is not None and array.shape[0] != samples:
        raise ValueError(f"{name} must have {samples} samples, got {array.shape[0]}")
    if not np.isfinite(array).all():
        raise ValueError(f"{name} must be finite")
    return array
