"""Counts of events: how they are grouped, the negative binomial on groups, and how pilots are replayed.

A unit with exposure x has mean mu = x * rate and variance mu + kappa * mu². Written with log1p, its
log-likelihood needs no gamma function and stays exact as kappa goes to 0, where it becomes the Poisson::

    sum_{j < v} log1p(j kappa) + v log(mu) - (v + 1/kappa) log1p(kappa mu)

The first term needs how many units had each number of events, the others the totals of units and events by
exposure. So a histogram of events and totals by exposure are enough, however many units there are. Long
ranges of either are put on a grid: a value between two grid points goes to both, such that totals stay exact.
The steps of the grid, at most a few per cent, add about step²/6 to the squared coefficient of variation.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from scipy.special import betaincc, gammaincc

from sim.records.arrays import FloatArray
from sim.records.columns import Table

from ._groups import Groups, cell, column
from ._joined import gridded

VALUES = 128
"""Grid points for events per unit: 0 … 127 one by one, longer ranges in equal ratios."""
EXPOSURES = 32
"""Most grid points for exposures."""
EXACT = 32
"""Terms of the sum over j that are added one by one."""
TINY = 1e-12
"""A kappa that is as good as 0."""
_ALONE = 1024
_BANDS = 1000.0
_CHUNK = 2**21


def aggregate(table: Table, by: Sequence[str], _options: Mapping[str, Any]) -> Table:
    """Group rows twice: by number of events and by exposure, each to a tenth of a per cent where many."""
    if "exposure" not in table.columns:
        table = table.mutate(exposure=1.0)
    seen = table.filter(table.exposure > 0)
    events, exposure = seen.events.cast("float64"), seen.exposure.cast("float64")
    logs = events.nullif(0).log()
    number = (events < _ALONE).ifelse(events, _ALONE + (logs * _BANDS).floor())
    one = seen.mutate(total=events, number=events, band=number, kind=0)
    two = seen.mutate(
        total=exposure,
        number=events,
        band=(exposure.nullif(0).log() * _BANDS).floor().cast("float64"),
        kind=1,
    )
    parts = [
        part.group_by([*by, "kind", "band"]).agg(
            rows=part.total.count(), total=part.total.sum(), events=part.number.sum()
        )
        for part in (one, two)
    ]
    return parts[0].union(parts[1])


def condense(groups: Groups, shape: tuple[int, int], _options: Mapping[str, Any]) -> dict[str, FloatArray]:
    """Put grouped rows on the grids.

    ``units`` and ``events`` (cell, segment, exposure), ``histogram`` (cell, segment, value): units with that
    number of events; ``exposure`` and ``value`` are the grids.
    """
    kind, rows = column(groups, "kind"), column(groups, "rows")
    at, mean = cell(groups, shape), column(groups, "total") / rows
    one, two = kind == 0, kind == 1
    # Sums of the same exposure, such as 0.7, differ in their last digits between cells.
    mean[two] = _rounded(mean[two])
    most = mean[one].max(initial=0.0)
    value, exposure = value_grid(mean[one].min(initial=most), most), _exposure_grid(mean[two])

    def placed(weights: FloatArray, used: Any, grid: FloatArray) -> FloatArray:
        cells = shape[0] * shape[1]
        low, share = _between(grid, mean[used])
        table = np.zeros(cells * len(grid))
        for step, part in ((0, 1 - share), (1, share)):
            place = at[used] * len(grid) + np.minimum(low + step, len(grid) - 1)
            table += np.bincount(place, weights[used] * part, len(table))
        return table.reshape(*shape, len(grid))

    return {
        "units": placed(rows, two, exposure),
        "events": placed(column(groups, "events"), two, exposure),
        "histogram": placed(rows, one, value),
        "exposure": exposure,
        "value": value,
    }


def _rounded(values: FloatArray, digits: int = 12) -> FloatArray:
    """Round to significant digits."""
    places = digits - 1 - np.floor(np.log10(np.where(values > 0, values, 1.0)))
    more, less = 10.0 ** np.maximum(places, 0), 10.0 ** np.maximum(-places, 0)
    rounded: FloatArray = np.rint(values * more / less) * less / more
    return rounded


def value_grid(low: float, high: float) -> FloatArray:
    """Return `VALUES` whole numbers that hold `low` … `high`.

    Examples
    --------
    >>> value_grid(0, 9)[:4], len(value_grid(0, 1e6)), value_grid(0, 1e6)[:3]
    (array([0., 1., 2., 3.]), 128, array([0., 1., 2.]))
    """
    start = float(np.floor(low))
    if high - start < VALUES:
        return np.arange(start, start + VALUES)
    grid = np.unique(np.rint(np.geomspace(start + 1, np.ceil(high) + 1, VALUES)) - 1)
    return np.concatenate([grid, grid[-1] + 1 + np.arange(float(VALUES - len(grid)))])


def _exposure_grid(values: FloatArray) -> FloatArray:
    distinct = np.unique(values)
    if len(distinct) <= EXPOSURES:
        return distinct if len(distinct) else np.ones(1)
    grid: FloatArray = np.geomspace(distinct[0], distinct[-1], EXPOSURES)
    grid[0], grid[-1] = distinct[0], distinct[-1]
    return grid


def _between(grid: FloatArray, values: FloatArray) -> tuple[Any, FloatArray]:
    """Return the grid point below each value and the share that goes to the next one."""
    low = np.clip(np.searchsorted(grid, values, side="right") - 1, 0, max(len(grid) - 2, 0))
    if len(grid) == 1:
        return low, np.zeros(len(values))
    return low, (values - grid[low]) / (grid[low + 1] - grid[low])


def joined(one: Mapping[str, FloatArray], other: Mapping[str, FloatArray]) -> dict[str, FloatArray]:
    """Statistics of two sets of units together, on the grid points of both."""
    together = {}
    for grid, names in (("exposure", ("units", "events")), ("value", ("histogram",))):
        for name in names:
            together[grid], together[name] = gridded((one[grid], other[grid]), (one[name], other[name]))
    return together


def thinned(totals: Mapping[str, FloatArray], excess: FloatArray, least: float) -> dict[str, FloatArray]:
    """Return totals over many units as if every unit had next to no exposure and none or one event.

    Such units add ``v log(rate) - x rate`` to the log-likelihood whatever kappa is, and so say nothing of it,
    as totals do. Events and exposure are divided by `excess`, the variance of a total over that of a Poisson
    one (quasi-likelihood, McCullagh & Nelder 1989, Generalized Linear Models, 2nd ed., ch. 9).

    Parameters
    ----------
    totals : mapping
        Statistics as `condense` makes them of rows of totals.
    excess : (cell, segment) array
        At least 1.
    least : float
        Smallest exposure of the units whose kappa is known.
    """
    x = 1e-3 * least
    events = totals["events"].sum(axis=-1) / excess
    units = np.maximum(np.rint(totals["units"] @ totals["exposure"] / excess / x), np.ceil(events))
    return {
        "units": units[..., None],
        "events": events[..., None],
        "histogram": np.stack([units - events, events], axis=-1),
        "exposure": np.array([x]),
        "value": np.array([0.0, 1.0]),
    }


def tails(histogram: FloatArray, value: FloatArray) -> tuple[FloatArray, FloatArray, FloatArray]:
    """Split a histogram (..., value) into what `log_factors` adds up.

    Returns
    -------
    tail : (..., EXACT) array
        Units with more than j events.
    beyond : (..., value) array
        Units whose events exceed `EXACT`.
    value : (value,) array
        The grid, at least `EXACT`.
    """
    more = (value[:, None] > np.arange(EXACT)).astype(np.float64)
    return histogram @ more, np.where(value > EXACT, histogram, 0.0), np.maximum(value, EXACT)


def log_factors(tail: Any, beyond: Any, value: Any, kappa: Any) -> Any:
    r"""Return :math:`\sum_v N_v \sum_{j<v} \log(1 + j\kappa)` of each cell, as a PyTensor expression.

    Terms from `EXACT` on by the Euler-Maclaurin formula: exact to 1e-10 a unit, and for kappa near 0 as well.
    """
    import pytensor.tensor as pt

    k = kappa[:, None]
    first = (tail * pt.log1p(k * np.arange(float(EXACT)))).sum(axis=1)

    def parts(x: Any) -> Any:
        y = k * x
        log = pt.log1p(y)
        slope = k / (1 + y)
        return ((1 + y) * log - y) / k - log / 2 + slope / 12 - slope**3 / 360

    return first + (beyond * (parts(value[None, :]) - parts(np.full((1, 1), float(EXACT))))).sum(axis=1)


def log_likelihood(data: Mapping[str, Any], eta: Any, kappa: Any) -> Any:
    """Return the log-likelihood of all cells up to a constant; `eta` (cell, segment), `kappa` (cell,)."""
    import pytensor.tensor as pt

    events, units = data["events"], data["units"]
    k = kappa[:, None, None]
    loss = (events + units / k) * pt.log1p(k * data["exposure"] * pt.exp(eta)[:, :, None])
    gain = (events.sum(axis=2) * eta).sum()
    return gain - loss.sum() + log_factors(data["tail"], data["beyond"], data["value"], kappa).sum()


def overdispersion(statistics: Mapping[str, FloatArray]) -> float:
    """Moment estimate of kappa, pooled over cells, never below 0: excess of the variance over the mean's."""
    units, events, x = statistics["units"], statistics["events"], statistics["exposure"]
    n, total, exposure = units.sum(axis=-1), events.sum(axis=-1), units @ x
    rate = total / np.where(exposure > 0, exposure, 1.0)
    squares = statistics["histogram"] @ statistics["value"] ** 2
    squares = squares - 2 * rate * (events @ x) + rate**2 * (units @ x**2)
    left = np.maximum(n - 1, 0) / np.maximum(n, 1)
    scale = (rate**2 * (units @ x**2) * left).sum()
    return float(max((squares - total * left).sum() / scale, 0.0)) if scale > 0 else 0.0


def freedom(units: FloatArray) -> float:
    """Units beyond the first of each cell and segment: what can tell overdispersion."""
    return float(np.maximum(units.sum(axis=-1) - 1, 0).sum())


def replay(
    rate: FloatArray,
    kappa: FloatArray,
    statistics: Mapping[str, FloatArray],
    *,
    rng: np.random.Generator,
) -> dict[str, FloatArray]:
    """Simulate the pilot once per draw: the same units and exposures, new events.

    Parameters
    ----------
    rate : (sample, cell, segment) array
    kappa : (sample, cell) array
    """
    units, x = statistics["units"], statistics["exposure"]
    samples = len(rate)
    events = np.zeros((samples, *units.shape))
    histogram = np.zeros((samples, *units.shape[:2], VALUES))
    value = np.zeros((samples, VALUES))
    step = max(1, _CHUNK // (units.shape[0] * units.shape[1] * VALUES))
    for start in range(0, samples, step):
        part = slice(start, start + step)
        mu, k = rate[part, ..., None] * x, kappa[part, :, None, None]
        sd = np.sqrt(mu + k * mu**2)
        low = np.maximum(mu - 12 * sd, 0).min(axis=(1, 2, 3))
        high = (mu + 12 * sd + 40 * (1 + k * mu)).max(axis=(1, 2, 3))
        grid = np.array([value_grid(*ends) for ends in zip(low, high, strict=True)])
        value[part] = grid
        for i in range(len(x)):
            chance = _shares(grid[:, None, None, :], mu[..., i, None], k)
            drawn = rng.multinomial(np.rint(units[..., i]).astype(np.int64), chance)
            histogram[part] += drawn
            events[part, ..., i] = (drawn * grid[:, None, None, :]).sum(axis=-1)
    again = {"units": units, "exposure": x}
    return {
        "units": np.broadcast_to(again["units"], events.shape).copy(),
        "events": events,
        "histogram": histogram,
        "exposure": np.broadcast_to(x, (samples, len(x))).copy(),
        "value": value,
    }


def _shares(grid: FloatArray, mu: FloatArray, kappa: FloatArray) -> FloatArray:
    """Chance of each grid point when a count between two of them goes to either, its mean unchanged."""
    below, weighed = _below(grid, mu, kappa)
    mass, mean = np.diff(below, axis=-1), np.diff(weighed, axis=-1)
    steps = np.diff(grid, axis=-1)
    up = np.clip((mean - mass * grid[..., :-1]) / steps, 0, mass)
    share = np.concatenate([below[..., :1], up], axis=-1)
    share[..., :-1] += mass - up
    whole: FloatArray = share / share.sum(axis=-1, keepdims=True)
    return whole


def _below(grid: FloatArray, mu: FloatArray, kappa: FloatArray) -> tuple[FloatArray, FloatArray]:
    """P(v <= g) and E[v; v <= g] of the negative binomial; the Poisson where kappa is as good as 0."""
    mu, kappa, grid = np.broadcast_arrays(mu, kappa, grid)
    plain = kappa < 1e-9
    r = 1 / np.where(plain, 1.0, kappa)
    odds = mu / r
    q = odds / (1 + odds)
    some = np.maximum(grid, 1.0)
    below = np.where(plain, gammaincc(grid + 1, mu), betaincc(grid + 1, r, q))
    weighed = mu * np.where(plain, gammaincc(some, mu), betaincc(some, r + 1, q)) * (grid > 0)
    return below, weighed
