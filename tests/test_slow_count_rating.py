"""Calibration and pass rates of counts and ratings. Seeds are fixed.

False alarms are stated per test, for a correct model under fresh seeds; all together below 1 %.
"""

from __future__ import annotations

import importlib
from typing import Any

import numpy as np
import pytest
from scipy.stats import binom

from sim.contract import Priors
from sim.records.summary import PilotSummary
from sim.registry import models
from tests.fitting import summary
from tests.test_slow_models import PRIOR, sample

pytestmark = [pytest.mark.slow, pytest.mark.timeout(1800)]

COUNT, RATING = models()["count"], models()["rating"]
COUNTS = importlib.import_module("sim.models._counts")
RATINGS = importlib.import_module("sim.models._ratings")


def counted(
    rate: Any, kappa: Any, units: Any, exposure: Any, rng: np.random.Generator | None = None
) -> PilotSummary:
    """Replay units of each (cell, segment, exposure) at known rates and overdispersions."""
    held = {"units": np.asarray(units, float), "exposure": np.asarray(exposure, float)}
    made = COUNTS.replay(np.asarray(rate)[None], np.asarray(kappa)[None], held, rng=rng)
    return summary(COUNT, {name: values[0] for name, values in made.items()})


def rated(counts: Any, low: int = 1) -> PilotSummary:
    """Return answers (cell, segment, point) with the mean as summary."""
    counts = np.asarray(counts, float)
    value = low + np.arange(float(counts.shape[2]))
    pooled = counts.sum(axis=(0, 1)) + 1
    return summary(
        RATING, {"counts": counts, "value": value, "score": value, "reference": pooled / pooled.sum()}
    )


def usual(name: str, segments: int) -> PilotSummary:
    """Return a pilot of two arms whose units, exposures and anchors the simulated ones share."""
    if name == "rating":
        return rated(np.ones((2, segments, 1)) * [8.0, 12, 22, 63, 45])
    units = np.full((2, segments, 3), 40.0)
    rate, rng = np.full((2, segments), 1.3), np.random.default_rng(1)
    return counted(rate, np.full(2, 0.5), units, [0.5, 1, 3], rng)


@pytest.mark.parametrize("segments", [1, 3])
@pytest.mark.parametrize("name", ["count", "rating"])
def test_intervals_cover_as_often_as_they_say(name: str, segments: int) -> None:
    """60 pilots drawn from the prior: 50 and 90 % intervals of each quantity cover that often.

    At most eight quantities, two levels, 1e-5 each side: 3e-4. At most 5 % may need a second attempt.
    """
    model, pilot, n = models()[name], usual(name, segments), 60
    rng = np.random.default_rng(31)
    truth = model.prior(pilot, Priors(), n, rng=rng)
    made = model.simulate(truth, pilot, rng=rng)
    arrays = model.data(pilot, Priors())
    frozen = {key: arrays[key] for key in PRIOR if key in arrays}
    places: list[tuple[str, tuple[int, ...]]] = [("delta", (0,)), ("level", (0, 0)), ("level", (1, 0))]
    places += [("effect", (0, segments - 1))]
    if name == "count":
        places += [("dispersion", (0,)), ("dispersion", (1,))]
    else:
        places += [("top2", (1, 0)), ("log_scale", (0,)), ("probability", (0, 0, 0))]
    inside = {(place, width): 0 for place in places for width in (0.5, 0.9)}
    passes = 0
    for i in range(n):
        again = summary(
            model, {key: v[i] for key, v in made.items()}, arms=pilot.arms, segments=pilot.segments
        )
        draws, passed = sample(model, again, 100 + i, **frozen)
        passes += passed
        for place, width in inside:
            key, where = place
            low, high = np.quantile(draws[key][(slice(None), *where)], [(1 - width) / 2, (1 + width) / 2])
            inside[place, width] += bool(low <= truth[key][(i, *where)] <= high)
    assert passes >= 0.95 * n
    for (place, width), count in inside.items():
        least, most = binom.ppf([1e-5, 1 - 1e-5], n, width)
        assert least <= count <= most, f"{place}: {width:.0%} intervals cover {count / n:.0%} of {n}"


@pytest.mark.parametrize("segments", [1, 3])
def test_counts_sample_well_over_sizes_rates_and_spreads(segments: int) -> None:
    """From 15 to 200,000 units a cell, rates .01 to 30, from Poisson to kappa 1: at most one retry."""
    rng, retries = np.random.default_rng(3), []
    for n in (15, 200, 5000, 200_000):
        for rate in (0.01, 1.0, 30.0):
            for kappa in (1e-12, 0.05, 1.0):
                spread = 0.5 * (segments > 1) * rng.standard_normal(segments) + np.array([[0.0], [0.2]])
                units = np.full((2, segments, 2), n / 2)
                pilot = counted(rate * np.exp(spread), np.full(2, kappa), units, [0.5, 2], rng)
                if not sample(COUNT, pilot, 1)[1]:
                    retries.append((n, rate, kappa))
    assert len(retries) <= 1, retries


def test_near_poisson_counts_lose_little_to_the_overdispersion_that_could_be() -> None:
    """1,000 Poisson units an arm: the sd of the log ratio is that of the Poisson, 1.0 to 1.1 times."""
    units = np.full((2, 1, 1), 1000.0)
    rng = np.random.default_rng(5)
    pilot = counted(np.full((2, 1), 2.0), np.full(2, 1e-12), units, [1.0], rng)
    draws, passed = sample(COUNT, pilot, 1)
    assert passed
    plain = np.sqrt((1 / pilot.statistics["events"].sum(axis=(1, 2))).sum())
    assert 0.97 < draws["effect"].std() / plain < 1.1


def test_ratings_cover_the_mean_and_the_top_where_scales_differ() -> None:
    """50 pilots of 400 answers an arm whose scales differ 1.5-fold: 95 % intervals of both, 1e-4 each side.

    A ratio of 1.5 lies two prior standard deviations out, so this is the model at its edge.
    """
    cut, value = RATINGS.cuts(np.array([0.06, 0.1, 0.2, 0.4, 0.24]), 0.0), np.arange(1.0, 6)
    scale, eta = np.array([[1 / np.sqrt(1.5)], [np.sqrt(1.5)]]), np.array([[0.0], [0.3]])
    chance = RATINGS.chances(cut, eta, scale)
    truth = {"mean": chance @ value, "top2": 100 * chance[..., 3:].sum(axis=-1)}
    rng, n = np.random.default_rng(7), 50
    inside = {(name, arm): 0 for name in truth for arm in (0, 1, 2)}
    for i in range(n):
        draws, _ = sample(RATING, rated(rng.multinomial(400, chance)), i)
        for name, arm in inside:
            known, drawn = truth[name][:, 0], draws[name][:, :, 0]
            known, drawn = np.append(known, known[1] - known[0]), np.c_[drawn, drawn[:, 1] - drawn[:, 0]]
            low, high = np.quantile(drawn[:, arm], [0.025, 0.975])
            inside[name, arm] += bool(low <= known[arm] <= high)
    least = binom.ppf(1e-4, n, 0.95)
    assert all(count >= least for count in inside.values()), inside


@pytest.mark.parametrize("segments", [1, 3])
def test_ratings_sample_well_however_the_answers_lie(segments: int) -> None:
    """Five and eleven points, points that nobody chose, nearly one answer only: at most one retry."""
    shapes = {
        1: ([10, 20, 40, 20, 10], [1, 1, 3, 25, 70], [0, 0, 0, 0, 1], [8, 1, 1, 1, 9]),
        0: (
            [2, 1, 1, 1, 2, 6, 7, 12, 20, 18, 30],
            [5, 0, 0, 0, 0, 10, 0, 0, 25, 20, 40],
            [0, 0, 0, 0, 0, 0, 0, 0, 0, 1, 9],
            [9, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0],
        ),
    }
    rng, retries = np.random.default_rng(5), []
    for low, answers in shapes.items():
        for chance in answers:
            for n in (15, 2000, 1_000_000):
                size = np.array([[n], [max(n // 20, 1)]]).repeat(segments, axis=1)
                pilot = rated(rng.multinomial(size, np.array(chance) / sum(chance)), low)
                if not sample(RATING, pilot, 1)[1]:
                    retries.append((low, chance, n))
    assert len(retries) <= 1, retries
