"""The local level against a hand-written Kalman filter and smoother, and against simulated series."""

import math

import numpy as np
import pytest

from sim import local_level
from sim.local_level import smooth


def kalman(values, variances, steps, seasons, level_sd, drift_sd, season_sd):
    """Mean and variance of level + season in every period, and the log likelihood, by recursion.

    State: level, drift, one constant per season position. The smoother is Rauch-Tung-Striebel's.
    """
    periods = len(values) + steps
    kinds = 0 if seasons is None else int(max(seasons)) + 1
    size = 2 + kinds
    centre = np.average(values[np.isfinite(values)], weights=1 / (variances[np.isfinite(values)] + 1e-6))
    move, shock = np.eye(size), np.zeros((size, size))
    move[0, 1] = 1.0
    shock[0, 0] = level_sd**2
    state = np.zeros(size)
    state[0] = centre
    cov = np.diag([local_level.FLAT**2, drift_sd**2, *[season_sd**2] * kinds])
    likelihood, ahead, filtered = 0.0, [], []
    for t in range(periods):
        if t:
            state, cov = move @ state, move @ cov @ move.T + shock
        ahead.append((state, cov))
        if t < len(values) and np.isfinite(values[t]):
            look = looking(seasons, t, size)
            spread = look @ cov @ look + variances[t]
            gap = values[t] - look @ state
            likelihood -= 0.5 * (gap**2 / spread + math.log(spread))
            gain = cov @ look / spread
            state, cov = state + gain * gap, cov - np.outer(gain, look @ cov)
        filtered.append((state, cov))
    means, spreads = np.empty(periods), np.empty(periods)
    for t in reversed(range(periods)):
        if t < periods - 1:
            # The constant parts make the predicted covariance singular where their prior is 0.
            back = filtered[t][1] @ move.T @ np.linalg.pinv(ahead[t + 1][1], rcond=1e-14)
            next_state, next_cov = state, cov
            state = filtered[t][0] + back @ (next_state - ahead[t + 1][0])
            cov = filtered[t][1] + back @ (next_cov - ahead[t + 1][1]) @ back.T
        look = looking(seasons, t, size)
        means[t], spreads[t] = look @ state, look @ cov @ look
    return means, spreads, likelihood


def looking(seasons, t, size):
    look = np.zeros(size)
    look[0] = 1.0
    if seasons is not None:
        look[2 + seasons[t]] = 1.0
    return look


def series(rng, periods, steps, level_sd, season_sd=0.0, noise_sd=0.1, drift=0.0, kinds=12):
    level = rng.normal(0, 3) + np.cumsum(rng.normal(drift, level_sd, periods + steps))
    seasons = np.arange(periods + steps) % kinds
    latent = level + rng.normal(0, season_sd, kinds)[seasons]
    return latent, latent[:periods] + rng.normal(0, noise_sd, periods), seasons


def halfnormal(rng, scale):
    return abs(rng.normal(0, scale))


@pytest.mark.parametrize(("seasonal", "drift_sd"), [(False, 0.0), (False, 0.02), (True, 0.02)])
def test_equals_a_kalman_smoother_at_fixed_hyperparameters(monkeypatch, seasonal, drift_sd):
    fixed = {local_level.LEVEL_SCALE: 0.05, local_level.SEASON_SCALE: 0.2}
    monkeypatch.setattr(local_level, "_grid", lambda scale, used: [(fixed[scale] if used else 0.0, 1.0)])
    rng = np.random.default_rng(1)
    _, values, seasons = series(rng, 20, 7, 0.05, 0.2, kinds=4)
    values[[3, 11]] = np.nan
    variances = rng.uniform(0.005, 0.02, 20)
    given = seasons if seasonal else None
    found = smooth(values, variances, 7, seasons=given, drift_sd=drift_sd)
    means, spreads, _ = kalman(values, variances, 7, given, 0.05, drift_sd, 0.2 if seasonal else 0.0)
    np.testing.assert_allclose(found.means[0], means, atol=1e-6)
    np.testing.assert_allclose(np.diag(found.covariances[0]), spreads, rtol=1e-5)


def test_the_coarse_grid_integrates_like_a_fine_one():
    rng = np.random.default_rng(2)
    _, values, _ = series(rng, 30, 6, 0.04)
    variances = np.full(30, 0.01)
    sds = np.linspace(0.0005, 0.4, 400)
    runs = [kalman(values, variances, 6, None, sd, 0.0, 0.0) for sd in sds]
    weights = np.array([math.exp(run[2]) for run in runs]) * np.exp(
        -0.5 * (sds / local_level.LEVEL_SCALE) ** 2
    )
    weights /= weights.sum()
    means = np.array([run[0] for run in runs])
    spreads = np.array([run[1] for run in runs])
    mean = weights @ means
    sd = np.sqrt(weights @ (spreads + (means - mean) ** 2))
    found = smooth(values, variances, 6)
    for t in range(36):
        w = np.zeros(36)
        w[t] = 1.0
        centre, variance = found.contrast(w)
        assert abs(centre - mean[t]) < 0.05 * sd[t]
        assert math.sqrt(variance) == pytest.approx(sd[t], rel=0.05)


@pytest.mark.parametrize("noise", [False, True])
def test_intervals_of_the_future_hold_what_they_promise(noise):
    """Series drawn from the model's own prior; 90 % intervals of the mean of the next 6 periods.

    Hits are binomial(120, 0.9) if the code is right; outside 92…118 has probability 3e-5.
    """
    rng = np.random.default_rng(3)
    hits = 0
    for _ in range(120):
        noise_sd = halfnormal(rng, local_level.NOISE_SCALE) if noise else 0.1
        level_sd, season_sd = (
            halfnormal(rng, local_level.LEVEL_SCALE),
            halfnormal(rng, local_level.SEASON_SCALE),
        )
        latent, values, seasons = series(
            rng, 16, 6, level_sd, season_sd, noise_sd, rng.normal(0, 0.02), kinds=4
        )
        variances = np.full(16, 0.0 if noise else noise_sd**2)
        found = smooth(values, variances, 6, seasons=seasons, drift_sd=0.02, noise=noise)
        low, high = np.quantile(found.sample(1000, rng)[:, 16:].mean(axis=1), [0.05, 0.95])
        hits += low <= latent[16:].mean() <= high
    assert 92 <= hits <= 118


def test_contrast_has_the_moments_of_the_samples():
    rng = np.random.default_rng(4)
    _, values, seasons = series(rng, 18, 6, 0.05, 0.3, kinds=6)
    found = smooth(values, np.full(18, 0.01), 6, seasons=seasons, drift_sd=0.01)
    w = np.concatenate([np.full(18, -1 / 18), np.full(6, 1 / 6)])
    mean, variance = found.contrast(w)
    drawn = found.sample(40_000, rng) @ w
    assert drawn.mean() == pytest.approx(mean, abs=4 * math.sqrt(variance / 40_000))
    assert drawn.var() == pytest.approx(variance, rel=0.06)
    assert found.weights.sum() == pytest.approx(1.0)


def test_noise_widens_what_would_be_observed_and_not_the_level():
    rng = np.random.default_rng(5)
    values = 2.0 + rng.normal(0, 0.2, 40)
    found = smooth(values, np.zeros(40), 1, noise=True)
    level, seen = (found.sample(20_000, np.random.default_rng(0), noise=on)[:, -1] for on in (False, True))
    assert level.std() < values.std() / 2
    assert seen.std() == pytest.approx(values.std(), rel=0.3)


def test_a_shift_of_the_values_shifts_the_answer_and_nothing_else():
    rng = np.random.default_rng(6)
    _, values, seasons = series(rng, 24, 3, 0.05, 0.2)
    one = smooth(values, np.full(24, 0.01), 3, seasons=seasons, drift_sd=0.01)
    other = smooth(values + 7, np.full(24, 0.01), 3, seasons=seasons, drift_sd=0.01)
    np.testing.assert_allclose(other.means, one.means + 7, atol=1e-7)
    np.testing.assert_allclose(other.weights, one.weights, rtol=1e-6)


@pytest.mark.parametrize(
    ("values", "variances", "seasons", "message"),
    [
        ([np.nan, np.nan], [1.0, 1.0], None, "no period"),
        ([1.0, 2.0], [1.0], None, "one variance"),
        ([1.0, 2.0], [1.0, 0.0], None, "positive"),
        ([1.0, 2.0], [1.0, np.inf], None, "finite"),
        ([1.0, 2.0], [1.0, 1.0], [0, 1], "season positions"),
    ],
)
def test_what_cannot_be_conditioned_on_is_refused(values, variances, seasons, message):
    with pytest.raises(ValueError, match=message):
        smooth(
            np.array(values),
            np.array(variances),
            1,
            seasons=None if seasons is None else np.array(seasons),
        )
