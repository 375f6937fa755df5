"""Whether the amounts of a pilot are lognormal in what decides their mean: the top.

Given a lognormal sample's log mean and log variance, everything else that it shows has a distribution
without unknowns (Basu's theorem): standard normal values are moved and scaled to the same two figures. The
p-value is therefore exact at any sample size and needs no fit; it is the predictive check of the largest 1 %
and of the maximum with the parameters conditioned away. A Pareto k-hat would flag most true lognormals with
a log-sd of 2, and a bootstrap of the mean covers too little there, so neither has a say.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from scipy.special import ndtr

from sim.language import N_, phrase
from sim.records.arrays import FloatArray
from sim.records.check import Check
from sim.records.summary import PilotSummary

from ._hurdle import floored

SURPRISE, MATERIAL = 0.01, 0.01
"""Probability below which amounts are not lognormal, and the part of the mean from which that matters."""
REPLICATES = 1000
_SEED = 20120516
_DIRECT = 300
"""Payers of a segment up to which amounts are drawn one by one, above by bins of the normal scale."""
_CHUNK = 100
_EDGES = np.linspace(-8.5, 0.0, 101)
_HALF = np.diff(ndtr(_EDGES))  # the upper half would lose the digits of its end
_SHARES = np.concatenate([_HALF, _HALF[::-1]])
_MEANS = -np.diff(np.exp(-(_EDGES**2) / 2)) / np.sqrt(2 * np.pi) / _HALF
_CENTRES = np.concatenate([_MEANS, -_MEANS[::-1]])


@dataclass(frozen=True, slots=True)
class Tail:
    """How far amounts are from lognormal, in the cell where they are furthest.

    Parameters
    ----------
    p : float
        Share of lognormal pilots at least as far off in any of their cells.
    cell : int
    heavier : bool
        Whether the amounts reach higher than a lognormal, or less high.
    share, expected : float
        Share of the revenue that the largest 1 % bring in, observed and lognormal; NaN where not known.
    gap : float
        Heavier: by what fraction the upper end of the amounts' own 95 % interval of the mean lies above
        the lognormal mean. Else: by what fraction the lognormal mean lies above the observed one.
    """

    p: float
    cell: int
    heavier: bool
    share: float
    expected: float
    gap: float


def check(summary: PilotSummary, least: int) -> tuple[Check, ...]:
    """Return what there is to say about the amounts being lognormal; cells with `least` payers are judged."""
    if "mean" not in summary.statistics:
        message = N_("only logarithms are given, so nothing shows whether the amounts are lognormal")
        remedy = N_("give `total` and `squared_total` as well, and the tail is checked")
        return (Check("assumed-lognormal", "note", message, remedy),)
    found = tail(summary.statistics, least=least)
    if found is None or found.p >= SURPRISE or found.gap < MATERIAL:
        return ()
    arm, gap = summary.cells[found.cell], float(found.gap)
    model = N_("the lognormal model")
    if np.isfinite(found.share):
        model = phrase(
            "the lognormal model (the largest 1 % bring in {share:.1%}, of lognormal ones {expected:.1%})",
            share=float(found.share),
            expected=float(found.expected),
        )
    if found.heavier:
        message = phrase(
            "the amounts of arm '{arm}' have a heavier tail than {model}: its interval "
            "is too narrow, and its mean could be understated by up to {gap:.0%}, the money likewise",
            arm=arm,
            model=model,
            gap=gap,
        )
        remedy = N_(
            "see the largest amounts; cap them at what the rollout can count on, or make them a segment"
        )
        return (Check("lognormal-tail", "warn", message, remedy),)
    message = phrase(
        "the amounts of arm '{arm}' have a lighter tail than {model}: its interval is "
        "too wide, and its mean lies {gap:.0%} above that of the amounts",
        arm=arm,
        model=model,
        gap=gap,
    )
    remedy = N_("take the share that pays as a `conversion` and the amount of payers as a `cost` outcome")
    return (Check("lognormal-tail", "warn", message, remedy),)


def tail(statistics: Mapping[str, FloatArray], *, least: int) -> Tail | None:
    """Compare mean, top-1 % share and maximum of each cell with those of lognormal amounts.

    Where only totals are known, their squares stand in for the last two. The distance of each figure from
    its median counts in units of the range to the 84 or 16 % point. On each side the greatest of all
    figures and cells is compared with the greatest of as many lognormal pilots; the smaller share counts
    twice, for there are two sides.

    Parameters
    ----------
    statistics : mapping
        Arrays (cell, segment).
    least : int
        Payers below which a cell is not judged.

    Returns
    -------
    Tail or None
        None where nothing but logarithms is known, or no cell has enough payers.
    """
    if "mean" not in statistics:
        return None
    rng = np.random.default_rng(_SEED)
    found, sides, shares = [], [], []
    for cell, payers in enumerate(statistics["payers"]):
        if payers.sum() < least or not (payers > 1).any():
            continue
        here = {name: values[cell][payers > 0] for name, values in statistics.items()}
        seen, made = _observed(here), _lognormal(here, rng)
        found.append((cell, here))
        sides.append(_distances(seen, made))
        shares.append((float(np.exp(seen.get("top", np.nan))), float(np.exp(np.median(made["top"])))))
    if not found:
        return None
    distance = np.array(sides)  # (cell, side, 1 + replicate)
    greatest = distance.max(axis=0)
    beyond = (greatest[:, 1:] >= greatest[:, :1]).mean(axis=1)
    side = int(beyond.argmin())
    worst = int(distance[:, side, 0].argmax())
    cell, here = found[worst]
    share, expected = shares[worst]
    gap = _gap(here, heavier=side == 0)
    return Tail(min(1.0, 2 * float(beyond[side])), cell, side == 0, share, expected, gap)


def _gap(here: Mapping[str, FloatArray], *, heavier: bool) -> float:
    """See `Tail`."""
    payers, s2 = here["payers"], _variance(here)
    observed = float((payers * here["mean"]).sum())
    lognormal = float((payers * np.exp(here["log_mean"] + s2 / 2)).sum())
    if not heavier:
        return lognormal / observed - 1
    squares = here["squares"] if "squares" in here else payers * here["mean"] ** 2 * np.expm1(s2)
    return (observed + 1.96 * float(np.sqrt(squares.sum()))) / lognormal - 1


def _variance(here: Mapping[str, FloatArray]) -> float:
    """Variance of the log amounts around the mean of their own segment."""
    squares = floored(here["payers"], here["log_squares"])
    return float(squares.sum() / np.maximum(here["payers"] - 1, 0).sum())


def _observed(here: Mapping[str, FloatArray]) -> dict[str, float]:
    """Figures of one cell that `_lognormal` replicates, as far as they are known."""
    payers, mean = here["payers"], here["mean"]
    whole = (payers * mean).sum()
    seen = {"mean": float(np.log(whole))}
    if "top" in here:
        seen["top"] = float(np.log(here["top"].sum() / whole))
        apart = np.log(here["largest"]) - here["log_mean"]
        seen["largest"] = float(apart.max() / np.sqrt(_variance(here)))
    elif "squares" in here:
        seen["second"] = float(np.log((here["squares"] + payers * mean**2).sum()))
    return seen


def _lognormal(here: Mapping[str, FloatArray], rng: np.random.Generator) -> dict[str, FloatArray]:
    """Replicate the figures of one cell under lognormal amounts with the observed logarithms."""
    sd, df = np.sqrt(_variance(here)), np.maximum(here["payers"] - 1, 0).sum()
    chunks: list[dict[str, FloatArray]] = []
    for _ in range(REPLICATES // _CHUNK):
        parts = [_normal(int(n), rng) for n in here["payers"]]
        squares = sum((count * z**2).sum(axis=1) for z, count in parts)
        scale = sd / np.sqrt(squares / df)[:, None]
        sums = {name: np.zeros(_CHUNK) for name in ("first", "second", "top")}
        largest = np.full(_CHUNK, -np.inf)
        for (z, count), n, log_mean in zip(parts, here["payers"], here["log_mean"], strict=True):
            x = np.exp(log_mean + scale * z)
            above = np.cumsum(count, axis=1) - count
            sums["first"] += (count * x).sum(axis=1)
            sums["second"] += (count * x**2).sum(axis=1)
            sums["top"] += (np.clip(np.ceil(n / 100) - above, 0, count) * x).sum(axis=1)
            highest = np.take_along_axis(z, (count > 0).argmax(axis=1)[:, None], axis=1)[:, 0]
            largest = np.maximum(largest, highest * scale[:, 0] / sd)
        chunks.append(
            {
                "mean": np.log(sums["first"]),
                "top": np.log(sums["top"] / sums["first"]),
                "largest": largest,
                "second": np.log(sums["second"]),
            }
        )
    return {name: np.concatenate([chunk[name] for chunk in chunks]) for name in chunks[0]}


def _normal(n: int, rng: np.random.Generator) -> tuple[FloatArray, FloatArray]:
    """Draw n standard normal values less their mean, descending, and how often each occurs."""
    if n <= _DIRECT:
        z = -np.sort(-rng.standard_normal((_CHUNK, n)), axis=1)
        return z - z.mean(axis=1, keepdims=True), np.ones_like(z)
    count = rng.multinomial(n, _SHARES / _SHARES.sum(), size=_CHUNK)[:, ::-1].astype(np.float64)
    # The jitter spreads the maximum, which otherwise could only be one of the bins' centres.
    jitter = (rng.random((_CHUNK, 1)) - 0.5) * (_EDGES[1] - _EDGES[0])
    z = np.broadcast_to(_CENTRES[::-1], count.shape) + jitter * (count.cumsum(axis=1) <= 1)
    return z - (count * z).sum(axis=1, keepdims=True) / n, count


def _distances(seen: Mapping[str, float], made: Mapping[str, FloatArray]) -> FloatArray:
    """Greatest distance above and below of any figure, (2, 1 + replicate), what was seen in front."""
    sides = np.zeros((2, 1 + REPLICATES))
    for name, value in seen.items():
        low, middle, high = np.quantile(made[name], [0.16, 0.5, 0.84])
        apart = np.append(value, made[name]) - middle
        above, below = apart / max(high - middle, 1e-12), -apart / max(middle - low, 1e-12)
        sides = np.maximum(sides, [above, below])
    return sides
