"""Conditional means from the samples at hand: regressions that never predict what they were fitted on.

Value of information needs E[NB | x], the net benefit expected by somebody who knows x, in every
sample (Strong, Oakley & Brennan 2014, doi:10.1177/0272989X13505910). What is not known is the shape
of that function, so several bases compete under ridge penalties and generalised cross-validation
(Golub, Heath & Wahba 1979, doi:10.1080/00401706.1979.10489751) picks: straight lines, then splines
of each input, then interactions. Most quantities reach money in a nearly straight line, and a basis
that can be straight wastes no samples there. For more than `SMOOTH` inputs boosted trees may add
what smooth pairs cannot tell (kinks, steps, products of three).

The bases are built from x alone, over all samples; only what is fitted to the net benefit is held
out. Folds are runs of consecutive samples, since neighbours in a Markov chain resemble each other.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from sim.records.arrays import BoolArray, FloatArray, IntArray

FOLDS = 5
SMOOTH = 3  # inputs up to which the full interaction of splines is affordable
PAIRED = 20  # inputs up to which all products of two are
LABELS = 8  # distinct values up to which an input is taken as labels, not as a scale
PENALTIES = np.logspace(-5, 6, 23)
GAIN = 0.01  # share of the held-out squared error that trees must remove to be believed


@dataclass(frozen=True, slots=True)
class Fitted:
    """Conditional means of several targets in every sample, each (sample, target).

    Parameters
    ----------
    honest : array
        Predicted for each sample by a fit that has not seen it.
    plain : array
        Predicted by one fit to all samples; follows some of their noise.
    """

    honest: FloatArray
    plain: FloatArray


def conditional_mean(y: FloatArray, x: FloatArray, *, rng: np.random.Generator) -> Fitted:
    """Estimate E[y | x] in every sample.

    Parameters
    ----------
    y : (sample, target) array
    x : (sample, k) array
        Constant columns tell nothing and are left out; without any other the mean is all there is.
    rng : numpy.random.Generator
        Deals the samples to folds, and splits off what stops the trees.
    """
    from threadpoolctl import threadpool_limits  # type: ignore[import-untyped]

    spread = np.ptp(x, axis=0)
    x = (x - x.min(axis=0))[:, spread > 0] / spread[spread > 0]
    scale = y.std(axis=0)
    scale[scale == 0] = 1.0
    centre = y.mean(axis=0)
    target = (y - centre) / scale
    if x.shape[1] == 0 or len(x) < 2 * FOLDS:
        flat = np.broadcast_to(centre, y.shape)
        return Fitted(flat, flat)
    # One thread: these fits are small, and threads that wait for a busy core cost far more than they save.
    with threadpool_limits(limits=1):
        honest, plain = _fits(target, x, rng)
    return Fitted(centre + scale * honest, centre + scale * plain)


def _fits(y: FloatArray, x: FloatArray, rng: np.random.Generator) -> tuple[FloatArray, FloatArray]:
    """Predict every sample without its fold, and with all samples."""
    fold = _folds(len(x), rng)
    basis, nested = _basis(x)
    honest = np.empty_like(y)
    parts = [_Part.of(basis[fold == k], y[fold == k]) for k in range(FOLDS)]
    whole = _Part.total(parts)
    everywhere = np.ones(len(x), dtype=np.bool_)
    for k in range(FOLDS):
        seen = fold != k
        honest[~seen] = _predict(whole.without(parts[k]), nested, basis, y, x, seen, ~seen, rng)
    plain = _predict(whole, nested, basis, y, x, everywhere, everywhere, rng)
    return honest, plain


def _predict(
    sums: _Part,
    nested: list[int],
    basis: FloatArray,
    y: FloatArray,
    x: FloatArray,
    seen: BoolArray,
    at: BoolArray,
    rng: np.random.Generator,
) -> FloatArray:
    """Predict at some samples from a fit to those seen, whose sums are given."""
    smooth = sums.ridge(nested)
    predicted = smooth.predict(basis[at])
    if x.shape[1] > SMOOTH:
        predicted += _trees(x[seen], y[seen] - smooth.predict(basis[seen]), x[at], rng)
    return predicted


def _folds(n: int, rng: np.random.Generator) -> IntArray:
    """Deal runs of about √n consecutive samples to the folds at random."""
    run = np.arange(n) * max(FOLDS, int(np.sqrt(n))) // n
    deal = rng.permutation(int(run[-1]) + 1) % FOLDS
    return deal[run]


def _basis(x: FloatArray) -> tuple[FloatArray, list[int]]:
    """Build the columns of all bases, simplest first, and how many of them each basis takes."""
    k = x.shape[1]
    lines = (x - x.mean(axis=0)) / x.std(axis=0)
    pieces = 6 if k <= SMOOTH else 3 if k <= PAIRED else 1
    columns = [lines, *(_spline(x[:, j], pieces=pieces, degree=3) for j in range(k))]
    nested = [k, sum(c.shape[1] for c in columns)]
    first, second = np.triu_indices(k, 1)
    if 1 < k <= SMOOTH:
        coarse = [_spline(x[:, j], pieces=3, degree=2) for j in range(k)]
        pairs = [
            (coarse[i][:, :, None] * coarse[j][:, None, :]).reshape(len(x), -1)
            for i, j in zip(first, second, strict=True)
        ]
        columns += pairs
    elif SMOOTH < k <= PAIRED:
        products = lines[:, first] * lines[:, second]
        spread = products.std(axis=0)
        columns.append(products / np.where(spread > 0, spread, 1.0))
    total = sum(c.shape[1] for c in columns)
    basis = np.hstack(columns)
    return basis - basis.mean(axis=0), nested if total == nested[-1] else [*nested, total]


def _spline(x: FloatArray, *, pieces: int, degree: int) -> FloatArray:
    """Evaluate B-splines between quantiles of x, or the indicators of an x of few values."""
    from scipy.interpolate import BSpline

    values, label = np.unique(x, return_inverse=True)
    if len(values) <= LABELS:
        return np.eye(len(values))[label]
    knots = np.unique(np.quantile(x, np.linspace(0.0, 1.0, pieces + 1)))
    padded = np.concatenate([np.repeat(knots[0], degree), knots, np.repeat(knots[-1], degree)])
    design: FloatArray = BSpline.design_matrix(x, padded, degree).toarray()
    return design


@dataclass(frozen=True, slots=True)
class _Linear:
    """Coefficients (column, target) of a fit around the means of its samples."""

    x_mean: FloatArray
    y_mean: FloatArray
    slope: FloatArray

    def predict(self, basis: FloatArray) -> FloatArray:
        fitted: FloatArray = self.y_mean + (basis - self.x_mean) @ self.slope
        return fitted


@dataclass(frozen=True, slots=True)
class _Part:
    """Sums over some samples. Sums of a fold subtract, so that leaving it out costs no new pass."""

    n: int
    x: FloatArray
    y: FloatArray
    xx: FloatArray
    xy: FloatArray
    yy: FloatArray

    @classmethod
    def of(cls, x: FloatArray, y: FloatArray) -> _Part:
        return cls(len(x), x.sum(axis=0), y.sum(axis=0), x.T @ x, x.T @ y, (y**2).sum(axis=0))

    @classmethod
    def total(cls, parts: list[_Part]) -> _Part:
        return cls(
            sum(p.n for p in parts),
            np.sum([p.x for p in parts], axis=0),
            np.sum([p.y for p in parts], axis=0),
            np.sum([p.xx for p in parts], axis=0),
            np.sum([p.xy for p in parts], axis=0),
            np.sum([p.yy for p in parts], axis=0),
        )

    def without(self, other: _Part) -> _Part:
        return _Part(
            self.n - other.n,
            self.x - other.x,
            self.y - other.y,
            self.xx - other.xx,
            self.xy - other.xy,
            self.yy - other.yy,
        )

    def ridge(self, nested: list[int]) -> _Linear:
        """Fit each target on the basis, and with the penalty, of the lowest cross-validation score."""
        x_mean, y_mean = self.x / self.n, self.y / self.n
        gram = self.xx - np.outer(self.x, x_mean)
        moment = self.xy - np.outer(self.x, y_mean)
        total = np.maximum(self.yy - self.n * y_mean**2, 0.0)
        slope = np.zeros_like(moment)
        # The score of the mean alone: what cannot beat it stays out.
        lowest = total / (1.0 - 1.0 / self.n) ** 2
        for size in nested:
            root, axes = np.linalg.eigh(gram[:size, :size])
            root = np.maximum(root, 0.0)[:, None]
            along = axes.T @ moment[:size]
            for penalty in PENALTIES:
                weight = 1.0 / (root + penalty)
                explained = (along**2 * weight * (2.0 - root * weight)).sum(axis=0)
                freedom = 1.0 + (root * weight).sum()
                score = np.maximum(total - explained, 0.0) / max(1.0 - freedom / self.n, 1e-3) ** 2
                better: BoolArray = score < lowest
                if better.any():
                    lowest = np.where(better, score, lowest)
                    slope[:, better] = 0.0
                    slope[:size, better] = (axes @ (along * weight))[:, better]
        return _Linear(x_mean, y_mean, slope)


def _trees(x: FloatArray, rest: FloatArray, at: FloatArray, rng: np.random.Generator) -> FloatArray:
    """Predict at other points what a smooth fit left over at x; 0 where small trees find nothing."""
    from sklearn.ensemble import HistGradientBoostingRegressor

    found = np.zeros((len(at), rest.shape[1]))
    for j in range(rest.shape[1]):
        model = HistGradientBoostingRegressor(
            max_leaf_nodes=8,
            early_stopping=True,
            validation_fraction=0.2,
            n_iter_no_change=5,
            random_state=int(rng.integers(2**31)),
        )
        model.fit(x, rest[:, j])
        score = model.validation_score_  # minus the loss, before and after each tree
        if score[-1] > (1.0 - GAIN) * score[0]:
            found[:, j] = model.predict(at)
    return found
