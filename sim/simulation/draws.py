"""Draws of everything that is not fitted: one column per quantity, row i one joint state.

Each column comes from a Latin hypercube of its own, seeded by (seed, name), so that adding or
fixing one quantity shifts no other. Rank correlations are put on by a Gaussian copula.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from scipy.special import betaincinv, expit, gammaincinv, logit, ndtr, ndtri

from sim.errors import Problem, ProblemsError
from sim.records.arrays import FloatArray
from sim.records.quantity import (
    BySegment,
    Certain,
    Limits,
    Named,
    Pert,
    Quantity,
    Range,
    Samples,
    Scalar,
    quoted,
    scalars,
)


def child(seed: int, name: str) -> np.random.Generator:
    """Return the generator of one named stream; streams of other names are independent of it."""
    key = int.from_bytes(hashlib.sha256(name.encode()).digest()[:16])
    return np.random.default_rng(np.random.SeedSequence([seed, key]))


def latin_hypercube(n: int, *, rng: np.random.Generator) -> FloatArray:
    """Return n uniforms, one in each of n equal strata, in random order, (n,) in (0, 1).

    McKay, Beckman & Conover (1979), doi:10.1080/00401706.1979.10489755.
    """
    return (rng.permutation(n) + rng.uniform(1e-9, 1 - 1e-9, n)) / n


def quantile(scalar: Scalar, u: FloatArray) -> FloatArray:
    """Return the quantiles of a quantity at probabilities `u`, (n,)."""
    match scalar:
        case Certain(value):
            return np.full(u.shape, value)
        case Range(low, high, shape, confidence, limits):
            return _range(low, high, shape, confidence, limits, u)
        case Pert(low, mode, high):
            a = 1 + 4 * (mode - low) / (high - low)
            b = 1 + 4 * (high - mode) / (high - low)
            values: FloatArray = low + (high - low) * betaincinv(a, b, u)
            return values
        case Named():
            return _named(scalar, u)
    raise TypeError(f"{type(scalar).__name__} has no quantile function")


def _range(
    low: float, high: float, shape: str, confidence: float, limits: Limits, u: FloatArray
) -> FloatArray:
    z = float(ndtri((1 + confidence) / 2))
    if shape == "normal":
        return _normal((low + high) / 2, (high - low) / (2 * z), limits, u)
    ends = np.log([low, high]) if shape == "lognormal" else logit([low, high])
    scores = ends.mean() + (ends[1] - ends[0]) / (2 * z) * ndtri(u)
    values: FloatArray = np.exp(scores) if shape == "lognormal" else expit(scores)
    return values


def _normal(mean: float, sd: float, limits: Limits, u: FloatArray) -> FloatArray:
    """Quantiles of a normal cut off at the key's limits."""
    low, high = ndtr((limits.low - mean) / sd), ndtr((limits.high - mean) / sd)
    values: FloatArray = mean + sd * ndtri(low + u * (high - low))
    return values


def _named(named: Named, u: FloatArray) -> FloatArray:
    mean, sd = named.mean, named.sd
    values: FloatArray
    match named.dist:
        case "normal":
            return _normal(mean, sd, named.limits, u)
        case "lognormal":
            log_variance = np.log1p((sd / mean) ** 2)
            values = np.exp(np.log(mean) - log_variance / 2 + np.sqrt(log_variance) * ndtri(u))
        case "gamma":
            values = gammaincinv((mean / sd) ** 2, u) * sd**2 / mean
        case "beta":
            size = mean * (1 - mean) / sd**2 - 1
            values = betaincinv(mean * size, (1 - mean) * size, u)
    return values


class Drawn:
    """Joint draws of the elicited quantities, found by path.

    Parameters
    ----------
    columns : mapping of str to (sample,) array
        One per scalar quantity; those given by segment end in ``.by.SEGMENT``.
    segments : mapping of str to tuple of str
        Segments of the quantities that were given by segment.
    ranks : mapping of str to (sample,) array
        For fitted effects that are correlated with something: the probability at which each sample
        stands, by which posterior rows are put in order.
    """

    def __init__(
        self,
        columns: Mapping[str, FloatArray],
        segments: Mapping[str, tuple[str, ...]] | None = None,
        ranks: Mapping[str, FloatArray] | None = None,
    ) -> None:
        self.columns = columns
        self._segments = segments or {}
        self.ranks = ranks or {}

    def replaced(self, columns: Mapping[str, FloatArray]) -> Drawn:
        """Return the same draws with some columns replaced, for posteriors that are in order already."""
        return Drawn({**self.columns, **columns}, self._segments)

    def scalar(self, path: str | None, default: float) -> FloatArray:
        """Return the draws of one quantity, (sample, 1) to broadcast over months; default if None."""
        return np.array([[default]]) if path is None else self.columns[path][:, None]

    def segments(self, path: str) -> tuple[str, ...]:
        """Return the segments that a quantity was given by; empty if it was not."""
        return self._segments.get(path, ())

    def by(self, path: str, segments: Sequence[str]) -> FloatArray:
        """Return a quantity for each of `segments`, (sample, segment)."""
        if path in self.columns:
            return np.repeat(self.columns[path][:, None], len(segments), axis=1)
        return np.stack([self.columns[f"{path}.by.{quoted(s)}"] for s in segments], axis=1)


def draw(
    quantities: Mapping[str, Quantity],
    n: int,
    *,
    seed: int,
    correlations: Sequence[tuple[str, str, float]] = (),
    tables: Mapping[tuple[str, str], FloatArray] | None = None,
    effects: Sequence[str] = (),
) -> Drawn:
    """Draw n joint states of all elicited quantities.

    Parameters
    ----------
    quantities : mapping
        By path.
    n : int
        Number of samples.
    seed : int
        The programme's seed.
    correlations : sequence of (path, path, rho)
        Spearman rank correlations; rho is turned into the Gaussian copula's 2 sin(πρ/6).
    tables : mapping of (file, column) to array
        Contents of the files that `Samples` quantities name.
    effects : sequence of str
        Names of fitted effects, which may be correlated as well.

    Raises
    ------
    ProblemsError
        When the correlations contradict each other, or a file holds a value that its key forbids.
    """
    flat = {name: q for path, quantity in quantities.items() for name, q in scalars(path, quantity)}
    u = {
        name: latin_hypercube(n, rng=child(seed, name))
        for name, q in flat.items()
        if not isinstance(q, Certain | Samples)
    }
    named = {name for a, b, _ in correlations for name in (a, b)}
    effects = [name for name in effects if name in named]
    u |= {name: latin_hypercube(n, rng=child(seed, name)) for name in effects}
    _correlate(u, correlations)
    columns: dict[str, FloatArray] = {}
    for name, q in flat.items():
        if isinstance(q, Samples):
            columns[name] = _resampled(name, q, n, seed, tables or {})
        else:
            columns[name] = quantile(q, u.pop(name) if name in u else np.zeros(n))
    by = {path: tuple(q.by) for path, q in quantities.items() if isinstance(q, BySegment)}
    return Drawn(columns, by, {name: u[name] for name in effects})


def _resampled(
    name: str, q: Samples, n: int, seed: int, tables: Mapping[tuple[str, str], FloatArray]
) -> FloatArray:
    """Take rows of a file; the stream is the file's, so that its columns keep their rows together."""
    values = tables[q.file, q.column]
    bad = [value for value in values if not q.limits.holds(float(value))]
    if bad:
        found = f"column {q.column} holds {bad[0]:g}"
        raise ProblemsError(Problem(found, str(q.limits), q.limits.hint, q.file, None, name))
    rows = np.floor(latin_hypercube(n, rng=child(seed, f"file:{q.file}")) * len(values)).astype(int)
    taken: FloatArray = values[rows]
    return taken


def _correlate(u: dict[str, FloatArray], correlations: Sequence[tuple[str, str, float]]) -> None:
    """Reorder the uniforms in place so that their ranks follow a Gaussian copula.

    The scores of each column are kept and only their order changes (Iman & Conover 1982,
    doi:10.1080/03610918208812265), so that every margin stays a Latin hypercube.
    """
    for a, b, _ in correlations:
        for name in (a, b):
            if name not in u:
                raise ProblemsError(
                    Problem(
                        f"{name} is certain or read from a file",
                        "an uncertain quantity",
                        "give it as a range, or drop the correlation",
                        key="correlations",
                    )
                )
    names = sorted({name for a, b, _ in correlations for name in (a, b)})
    if not names:
        return
    target = np.eye(len(names))
    for a, b, rho in correlations:
        i, j = names.index(a), names.index(b)
        target[i, j] = target[j, i] = 2 * np.sin(np.pi * rho / 6)
    if np.linalg.eigvalsh(target).min() < 1e-10:
        pairs = ", ".join(f"{a} with {b} {rho:g}" for a, b, rho in correlations)
        raise ProblemsError(
            Problem(
                f"these correlations cannot all hold at once: {pairs}",
                "a positive definite correlation matrix",
                "bring the strongest ones closer to 0",
                key="correlations",
            )
        )
    scores = np.stack([ndtri(u[name]) for name in names])
    # Taking out the chance correlation of the finite sample first hits the target closely.
    whitened = np.linalg.solve(np.linalg.cholesky(np.corrcoef(scores)), scores)
    wanted: Any = np.linalg.cholesky(target) @ whitened
    for i, name in enumerate(names):
        u[name] = np.sort(u[name])[np.argsort(np.argsort(wanted[i]))]
