"""Rating: answers on a scale of points, such as satisfaction 1 to 5 or recommendation 0 to 10.

Counts of each point by cell and segment are sufficient. With the linear predictor of `_predictor` on a latent
logistic scale (a cumulative logit)::

    P(answer <= k) = expit((cut[k] - eta[c, s]) / scale[c])
    log scale[c] = sum_j column[j, c] * log_scale[j]            log_scale[j] ~ N(0, 0.2)

`_ratings` tells the prior of the cuts, `_spread` the columns. Scales differ between arms by default: where
they do and the model says they do not, the mean and above all the share of top answers come out wrong, while
allowing for it costs next to nothing (Liddell & Kruschke 2018, doi:10.1016/j.jesp.2018.08.009).

`level` is the summary that the outcome names: the mean in points; ``top2``, the two best points, in
percentage points; or ``nps``, 100 (P(>= 9) - P(<= 6)) on the scale 0 to 10. All that the scale allows are
kept per draw under their own names. `effect` is the latent shift in log odds at the average scale.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, Literal

import numpy as np

from sim.contract import Predictive, Priors, Ratio
from sim.errors import Problem, ProblemsError
from sim.language import N_, phrase
from sim.records.arrays import Draws, FloatArray
from sim.records.check import Check
from sim.records.columns import Column, ColumnSet, Table
from sim.records.summary import PilotSummary

from . import _predictor, _ratings, _spread
from ._groups import Groups, cell, column, labels
from ._joined import added
from ._rate import RateLike

if TYPE_CHECKING:
    import pymc

FEW = 20
"""Answers of an arm below which little is known of its distribution."""
SCALE_SD = 0.2
SUMMARIES = ("mean", "top2", "nps")
_NPS = (0, 10)
_MOST = 21


def _aggregate_rows(table: Table, by: Sequence[str], _options: Mapping[str, Any]) -> Table:
    return table.group_by([*by, "rating"]).agg(answers=table.rating.count())


def _aggregate_totals(table: Table, by: Sequence[str], _options: Mapping[str, Any]) -> Table:
    return table.group_by([*by, "rating"]).agg(answers=table["count"].sum())


def _scale(options: Mapping[str, Any], found: FloatArray) -> tuple[int, int]:
    """Return the ends of the scale, once the ratings found and the summary fit it."""
    seen = f"ratings from {found.min():g} to {found.max():g}" if len(found) else "no ratings"
    scale = options.get("scale")
    if scale is None:
        remedy = "state the lowest and the highest answer that was possible"
        raise ProblemsError(Problem(f"{seen}, but no scale", "scale = [1, 5]", remedy, key="scale"))
    low, high = int(scale[0]), int(scale[1])
    if not 3 <= high - low + 1 <= _MOST:
        remedy = "two points are a `conversion`; an amount on a fine scale is a `cost`"
        allowed = f"a scale of 3 to {_MOST} points, lowest first"
        raise ProblemsError(Problem(f"the scale [{low}, {high}]", allowed, remedy, key="scale"))
    outside = found[(found < low) | (found > high)]
    if len(outside):
        told = ", ".join(f"{value:g}" for value in outside[:5])
        remedy = "state the scale that was asked, or list codes for no answer under `missing`"
        found_text = f"ratings outside the scale [{low}, {high}]: {told}"
        raise ProblemsError(Problem(found_text, f"{low} to {high}", remedy, key="scale"))
    summary = options.get("summary", "mean")
    if summary not in SUMMARIES:
        raise ProblemsError(Problem(f'the summary "{summary}"', ", ".join(SUMMARIES), "", key="summary"))
    if summary == "nps" and (low, high) != _NPS:
        allowed = 'summary = "nps" with scale = [0, 10]; or "mean" or "top2"'
        raise ProblemsError(Problem(f"an NPS of the scale [{low}, {high}]", allowed, "", key="summary"))
    return low, high


def _weights(value: FloatArray) -> dict[str, FloatArray]:
    """Return what each point counts for in every summary that the scale allows."""
    weights = {"mean": value, "top2": 100.0 * (value >= value[-2])}
    if (value[0], value[-1]) == _NPS:
        weights["nps"] = 100.0 * ((value >= 9).astype(float) - (value <= 6))
    return weights


def _condense(groups: Groups, shape: tuple[int, int], options: Mapping[str, Any]) -> dict[str, FloatArray]:
    """Return ``counts`` (cell, segment, point) and, by point, ``value``, ``score`` and ``reference``.

    `score` makes the level. `reference`, the pooled chances with one answer at each point added, anchors the
    prior, so that a replayed pilot has the same one.
    """
    ratings, answers = column(groups, "rating"), column(groups, "answers")
    low, high = _scale(options, np.unique(ratings[answers > 0]))
    points = high - low + 1
    used = answers > 0
    place = cell(groups, shape)[used] * points + (ratings[used] - low).astype(np.intp)
    counts = np.bincount(place, answers[used], shape[0] * shape[1] * points).reshape(*shape, points)
    value = np.arange(float(low), high + 1.0)
    pooled = counts.sum(axis=(0, 1)) + 1
    return {
        "counts": counts,
        "value": value,
        "score": _weights(value)[options.get("summary", "mean")],
        "reference": pooled / pooled.sum(),
    }


class Rating(RateLike):
    """The `OutcomeModel` of answers on a scale; see the module for its likelihood and prior."""

    name = "rating"
    title = "answers on a scale of points: CSAT 1 to 5, NPS 0 to 10"
    unit = N_("point")
    better: Literal["higher", "lower"] = "higher"
    units: tuple[str, ...] = ()
    level: Literal["share", "positive", "real"] = "real"
    counts: Literal["successes", "customers", "amounts"] = "amounts"
    saves = False
    effect_scale = "the summary (mean, top2 or nps)"
    priors = Priors
    totals: tuple[str, ...] = ("counts",)
    column_sets: tuple[ColumnSet, ...] = (
        ColumnSet(
            columns=(Column("rating", "integer", "the answer of this row"),),
            aggregate=_aggregate_rows,
            condense=_condense,
            rows=True,
        ),
        ColumnSet(
            columns=(
                Column("rating", "integer", "a point of the scale"),
                Column("count", "count", "how many gave this answer"),
            ),
            aggregate=_aggregate_totals,
            condense=_condense,
            rows=False,
        ),
    )

    def size(self, statistics: Mapping[str, FloatArray]) -> FloatArray:
        """Answers per (cell, segment)."""
        answers: FloatArray = statistics["counts"].sum(axis=-1)
        return answers

    def ratio(self, statistics: Mapping[str, FloatArray]) -> Ratio:
        """Sum of scores over answers; an answer varies as scores do, one at the pooled chances added."""
        counts, score = statistics["counts"], statistics["score"]
        n = self.size(statistics)
        pooled = counts.sum(axis=(0, 1)) + 1 / counts.shape[-1]
        p = (counts + pooled / pooled.sum()) / (n + 1)[..., None]
        return Ratio(counts @ score, n, p @ score**2 - (p @ score) ** 2)

    def joined(
        self, statistics: Mapping[str, FloatArray], more: Mapping[str, FloatArray]
    ) -> dict[str, FloatArray]:
        """Totals of both are added; what is no total stays as it was."""
        return added(statistics, more, self.totals)

    def check(self, summary: PilotSummary, *, stock: bool) -> tuple[Check, ...]:
        """Warn of arms with few answers or with one answer only."""
        found = []
        for arm, counts in zip(summary.cells, summary.statistics["counts"].sum(axis=1), strict=True):
            n = counts.sum()
            if n == 0:
                message = phrase("arm '{arm}' has no answers", arm=arm)
                found.append(Check("empty-arm", "fail", message, N_("check the labels under `arm`")))
                continue
            if n < FEW:
                message = phrase(
                    "arm '{arm}' has only {n:g} answers; the prior weighs in", arm=arm, n=float(n)
                )
                remedy = N_("ask more customers, or state what is believed under `prior.effect`")
                found.append(Check("few-answers", "warn", message, remedy))
            if (counts > 0).sum() == 1:
                only = float(summary.statistics["value"][counts > 0][0])
                message = phrase("every answer of arm '{arm}' is {only:g}", arm=arm, only=only)
                found.append(Check("one-answer", "warn", message, N_("check the column under `rating`")))
        return tuple(found)

    def data(self, summary: PilotSummary, priors: Priors) -> dict[str, FloatArray]:
        """Arrays that `build` reads as ``pm.Data``; rough locations are those at the reference cuts."""
        statistics = summary.statistics
        counts = statistics["counts"] * summary.weight[:, :, None]
        reference, score = statistics["reference"], statistics["score"]
        side, m0 = _ratings.anchor(reference)
        pooled, n = counts.sum(axis=(0, 1)), counts.sum(axis=2)
        cut = _ratings.rough_cuts(counts, side, m0)
        rough, variance, lean = _ratings.locations(counts, cut, m0)
        usual = _ratings.cuts(reference, m0)
        effect, link = _ratings.effect_prior(priors.effect, usual, score, m0), _ratings.link(usual, score, m0)
        arrays = _predictor.coordinates(summary, rough, variance, n, m0, effect, link=link)
        arrays |= _ratings.rough_tree(_ratings.chances(cut, m0), pooled, *_ratings.tree(reference))
        arrays |= {
            "counts": counts,
            "side": side,
            "score": score,
            _named(statistics["value"]): statistics["value"],
        }
        if len(summary.arms) > 1:
            arrays["column"], in_arms = _spread.columns(summary, n)
            arrays |= {"lean": lean, "share": n / np.maximum(n.sum(axis=0), 1.0)}
            if _predictor.differ(summary):
                arrays["column_arms"] = in_arms
        return arrays

    def build(self, summary: PilotSummary, priors: Priors) -> pymc.Model:
        """Return the PyMC model: ``level`` is the summary, ``probability`` of each point in each cell."""
        import pymc as pm

        opened, data = _predictor.model(summary, self.data(summary, priors))
        value = summary.statistics["value"]
        opened.add_coord("point", [f"{point:g}" for point in value])
        with opened:
            scale = np.zeros(1)
            if "column" in data:
                ratio = pm.Normal("log_scale", 0.0, SCALE_SD, dims="treated")
                scale = _spread.logs(0.0, ratio, data["column"])
                # What is known of the locations before sampling depends on the scales.
                moved = data["lean"] * (1 - pm.math.exp(scale)[:, None])
                data["base_hat"] += (data["share"] * moved).sum(axis=0)
                data["effect_hat"] += pm.math.dot(_spread.differences(summary), moved)
            eta = _predictor.predict(data, summary)
            log_reference = _ratings.reference(data)
            cells = _ratings.log_chances(log_reference, data["m0"], eta.cells, scale)
            pm.Potential("likelihood", (data["counts"] * cells).sum())
            seen = arms = pm.math.exp(cells)
            if _predictor.differ(summary):
                scale = _spread.logs(0.0, ratio, data["column_arms"])
                arms = pm.math.exp(_ratings.log_chances(log_reference, data["m0"], eta.arms, scale))
            axis = "cell" if _predictor.differ(summary) else "arm"
            pm.Deterministic("probability", seen, dims=(axis, "segment", "point"))
            pm.Deterministic("level", (arms * data["score"]).sum(axis=2), dims=("arm", "segment"))
            for name, weight in (_weights(value) | {"mean": data[_named(value)]}).items():
                pm.Deterministic(name, (arms * weight).sum(axis=2), dims=("arm", "segment"))
        return opened

    def prior(self, summary: PilotSummary, priors: Priors, n: int, *, rng: np.random.Generator) -> Draws:
        """Draws of summary, effect and chances from the prior that `build` states."""
        arrays = self.data(summary, priors)
        draws = _predictor.prior(arrays, summary, n, rng)
        cells, arms = draws.pop("cells"), draws.pop("arms")
        cut = _ratings.cuts(_ratings.prior_reference(arrays, n, rng), float(arrays["m0"]))[:, None, None, :]
        scale = scale_arms = np.ones((n, 1, 1))
        if "column" in arrays:
            ratio = SCALE_SD * rng.standard_normal((n, len(summary.arms) - 1))
            draws["log_scale"] = ratio
            scale, scale_arms = (
                np.exp(_spread.logs(0.0, ratio, arrays.get(name, arrays["column"])))[:, :, None]
                for name in ("column", "column_arms")
            )
        draws["probability"] = _ratings.chances(cut, cells, scale)
        shown = _ratings.chances(cut, arms, scale_arms)
        weights = _weights(summary.statistics["value"]) | {"level": arrays["score"]}
        return draws | {name: shown @ weight for name, weight in weights.items()}

    def simulate(
        self, draws: Draws, summary: PilotSummary, *, rng: np.random.Generator
    ) -> dict[str, FloatArray]:
        """One pilot per draw with the answers of `summary`: counts ~ Multinomial(n, probability)."""
        chance = draws["probability"]
        chance = chance / chance.sum(axis=-1, keepdims=True)
        n = np.rint(self.size(summary.statistics)).astype(np.int64)
        made = {"counts": rng.multinomial(n, chance).astype(np.float64)}
        for name in ("value", "score", "reference"):
            held = summary.statistics[name]
            made[name] = np.broadcast_to(held, (len(chance), *held.shape)).copy()
        return made

    def predictive(self, draws: Draws, summary: PilotSummary, *, rng: np.random.Generator) -> Predictive:
        """How often each cell gave each answer, against replicated counts."""
        replicated = self.simulate(draws, summary, rng=rng)["counts"]
        names = labels(summary.cells, summary.segments)
        return Predictive(
            summary.statistics["counts"].ravel(),
            replicated.reshape(len(replicated), -1),
            tuple(f"{name}: {point:g}" for name in names for point in summary.statistics["value"]),
            N_("answers"),
        )


def _named(value: FloatArray) -> str:
    """Name of the array of points: it tells the scale, so that no model is given the data of another one."""
    return f"points_{value[0]:g}_to_{value[-1]:g}"


MODEL = Rating()
