"""Calibration and published figures of the revenue model. Seeds are fixed.

False alarms are stated per test, for a correct model under fresh seeds.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from scipy.stats import binom, ks_2samp, norm

from models._heavy import tail
from sim.contract import Priors
from sim.inference import density
from sim.inference import fit as fitting
from sim.inference.fit import Sampler
from sim.inference.gates import check_sampling
from sim.records.summary import PilotSummary
from sim.registry import models, source
from tests.fitting import mcse, summary
from tests.test_models_revenue import DRAW, karlan_list, of_amounts

pytestmark = [pytest.mark.slow, pytest.mark.timeout(1500)]
REVENUE = models()["revenue"]
# Hillstrom's MineThatData e-mail challenge (2008), by channel (multichannel, phone, web): customers,
# buyers, dollars spent, their squares, and the same of their logarithms.
HILLSTROM: dict[str, Any] = {
    "trials": [[2606, 9327, 9373], [2577, 9240, 9490]],
    "payers": [[18, 50, 54], [44, 100, 123]],
    "total": [[1604.62, 6010.81, 6292.90], [4702.69, 11166.79, 14442.21]],
    "squared_total": [
        [257029.9086, 1277045.1395, 1335975.3140],
        [914684.1603, 2371619.5415, 3472720.7955],
    ],
    "log_total": [[75.311116, 223.775974, 239.298535], [190.642332, 436.485322, 531.598940]],
    "log_squared_total": [
        [324.970404, 1032.778734, 1094.278952],
        [854.441601, 1971.771792, 2399.180371],
    ],
}


def hillstrom() -> PilotSummary:
    """Return dollars spent after men's e-mail against none, by channel."""
    sums = {name: np.array(values, dtype=float) for name, values in HILLSTROM.items()}
    n = sums["payers"]
    statistics = {"trials": sums["trials"], "payers": n}
    for prefix in ("log_", ""):
        mean = statistics[f"{prefix}mean"] = sums[f"{prefix}total"] / n
        statistics[f"{prefix}squares"] = sums[f"{prefix}squared_total"] - n * mean**2
    return summary(REVENUE, statistics)


class Fitter:
    """One compiled model for pilots of one shape."""

    def __init__(self, pilot: PilotSummary) -> None:
        self.compiled = density.compiled(REVENUE, pilot, Priors(), source("revenue"))

    def __call__(self, pilot: PilotSummary, seed: int) -> tuple[dict[str, Any], bool]:
        """Draws by name (sample, ...) and whether they passed the gates at the first attempt."""
        compiled = self.compiled.with_data(**REVENUE.data(pilot, Priors()))
        tree = fitting.sample(compiled, Sampler(), 0.95, seed, lambda _share: None)
        posterior = {str(name): values.values for name, values in fitting.named(tree).data_vars.items()}
        stats = tree["sample_stats"]
        checks, _ = check_sampling(posterior, stats["diverging"].values, stats["energy"].values)
        flat = {name: values.reshape(-1, *values.shape[2:]) for name, values in posterior.items()}
        return flat, all(check.status == "ok" for check in checks)


def amounts(rng: np.random.Generator, trials: int, share: float, mean: float, sd: float) -> Any:
    """What each trial brings in, zeros in; `mean` is that of the payers."""
    logs = np.log(mean) - sd**2 / 2 + sd * rng.standard_normal(trials)
    return np.where(rng.random(trials) < share, np.exp(logs), 0.0)


def of_trials(*arms: Any) -> PilotSummary:
    """Pilot of what each trial brought in, one list of segments per arm."""
    found = of_amounts(*([x[x > 0] for x in arm] for arm in arms))
    return summary(REVENUE, found | {"trials": [[len(x) for x in arm] for arm in arms]})


def exact(pilot: PilotSummary, n: int, rng: np.random.Generator) -> Any:
    """Posterior draws of the mean per trial of a single cell by quadrature over the log-sd and the rate."""
    arrays = {name: np.ravel(values)[0] for name, values in REVENUE.data(pilot, Priors()).items()}
    grid = np.linspace(-2.5, 2.5, 4001)
    rate = arrays["pay_m0"] + 1.5 * 2 * grid
    weight = arrays["payers"] * rate - arrays["trials"] * np.logaddexp(0, rate) + norm.logpdf(2 * grid)
    paying = rng.choice(rate, n, p=np.exp(weight - weight.max()) / np.exp(weight - weight.max()).sum())
    sigma = np.exp(arrays["sigma_m0"] + 0.5 * 2 * grid)
    spread = np.sqrt(sigma**2 / arrays["payers"] + 1.5**2)
    weight = -(arrays["payers"] - 1) * np.log(sigma) - arrays["log_squares"] / (2 * sigma**2)
    weight += norm.logpdf(arrays["log_mean"] + sigma**2 / 2, arrays["m0"], spread) + norm.logpdf(2 * grid)
    s = rng.choice(sigma, n, p=np.exp(weight - weight.max()) / np.exp(weight - weight.max()).sum())
    precision = arrays["payers"] / s**2 + 1 / 1.5**2
    centre = (arrays["log_mean"] + s**2 / 2) * arrays["payers"] / s**2 + arrays["m0"] / 1.5**2
    eta = centre / precision + rng.standard_normal(n) / np.sqrt(precision)
    return np.exp(eta) / (1 + np.exp(-paying))


def test_the_mean_of_heavy_tailed_amounts_is_covered() -> None:
    """300 lognormal amounts with a log-sd of 2, and 300 trials of which 30 % pay: 100 repeats each.

    95 % intervals cover .95 and .94 in the long run (next test), so fewer than 88 of 100 come about in 0.15
    and 0.7 % of seeds. The fit is the quadrature's posterior: 100 Kolmogorov-Smirnov tests on thinned draws
    at 1e-5. Nothing is said of the normal interval here: 100 repeats tell it apart badly. With these seeds it
    covers 91 and 88, more than in nearly all of 200 such sets; both shares have the same amounts.
    """
    fitter = Fitter(of_trials([amounts(np.random.default_rng(1), 300, 0.3, 1.0, 2.0)]))
    for share in (1.0, 0.3):
        covered = 0
        for i in range(100):
            rng = np.random.default_rng([51, i])
            x = amounts(rng, 300, share, 1.0, 2.0)
            draws, _ = fitter(of_trials([x]), i)
            level = draws["level"][:, 0, 0]
            low, high = np.quantile(level, [0.025, 0.975])
            covered += bool(low <= share <= high)
            if i % 2:
                assert ks_2samp(level[::4], exact(of_trials([x]), 4000, rng)).pvalue > 1e-5
        assert covered >= 88, (share, covered)


@pytest.mark.parametrize("share", [1.0, 0.3])
def test_the_posterior_covers_by_quadrature_where_the_normal_interval_fails(share: float) -> None:
    """2,000 repeats: between .925 and .97, 3e-3 false alarms at .94.

    The normal interval covers .797 and .739 (20,000 repeats), so .85 is 5 standard errors away: 1e-8.
    """
    rng = np.random.default_rng(52)
    covered = normal = 0
    for _ in range(2000):
        x = amounts(rng, 300, share, 1.0, 2.0)
        low, high = np.quantile(exact(of_trials([x]), 2000, rng), [0.025, 0.975])
        covered += bool(low <= share <= high)
        normal += bool(abs(x.mean() - share) < 1.96 * x.std(ddof=1) / np.sqrt(300))
    assert 0.925 <= covered / 2000 <= 0.97
    assert normal / 2000 < 0.85


@pytest.mark.parametrize("segments", [1, 3])
def test_a_randomised_pilot_is_recovered(segments: int) -> None:
    """60 pilots: 3,000 trials a cell, 8 % against 10 % pay, 40 against 46 a payer, log-sds 1.0 and 1.2.

    The 90 % intervals of the difference of the means and of both effects cover within binomial limits of
    1e-4, the estimated difference is off by less than 4 standard errors of its mean plus the 10 % by which
    the prior may draw it in. 1e-3 in all. At most 3 of 60 may need a second attempt.
    """
    rng = np.random.default_rng(53)
    share, mean, sd = np.array([0.08, 0.10]), np.array([40.0, 46.0]), (1.0, 1.2)
    ratio = np.exp(np.linspace(-0.4, 0.4, segments))[None, :] if segments > 1 else np.ones((1, 1))
    truth = {
        "difference": (share * mean)[1] * ratio[0] - (share * mean)[0] * ratio[0],
        "effect": np.full(segments, np.log(mean[1] / mean[0])),
        "pay_effect": np.full(segments, np.log(0.1 / 0.9) - np.log(0.08 / 0.92)),
    }
    fitter, inside, passes, estimates = None, dict.fromkeys(truth, 0), 0, []
    for i in range(60):
        cells = [
            [amounts(rng, 3000, share[a], mean[a] * ratio[0, s], sd[a]) for s in range(segments)]
            for a in range(2)
        ]
        pilot = of_trials(*cells)
        fitter = fitter or Fitter(pilot)
        draws, passed = fitter(pilot, i)
        passes += passed
        found = {
            "difference": draws["level"][:, 1] - draws["level"][:, 0],
            "effect": draws["effect"][:, 0],
            "pay_effect": draws["pay_effect"][:, 0],
        }
        estimates.append(found["difference"].mean(axis=0))
        for name, values in found.items():
            low, high = np.quantile(values, [0.05, 0.95], axis=0)
            # One segment a pilot, in turn: segments of a pilot are not independent of each other.
            s = i % segments
            inside[name] += bool(low[s] <= truth[name][s] <= high[s])
    assert passes >= 57
    for name, count in inside.items():
        least, most = binom.ppf([1e-4, 1 - 1e-4], 60, 0.9)
        assert least <= count <= most, (name, count)
    error = np.std(estimates, axis=0, ddof=1) / np.sqrt(60)
    apart = np.abs(np.mean(estimates, axis=0) - truth["difference"])
    assert (apart < 4 * error + 0.1 * truth["difference"]).all()


def test_published_spend_per_customer_is_found() -> None:
    """Men's e-mail: +0.770 [0.485, 1.055] dollars a customer (95 %, normal), here by three channels."""
    pilot = hillstrom()
    draws, passed = Fitter(pilot)(pilot, 1)
    assert passed
    gained = ((draws["level"][:, 1] - draws["level"][:, 0]) * pilot.mix).sum(axis=1)
    low, high = np.quantile(gained, [0.025, 0.975])
    assert gained.mean() == pytest.approx(0.770, abs=0.08)
    assert low == pytest.approx(0.485, abs=0.12)
    assert high == pytest.approx(1.055, abs=0.12)
    assert REVENUE.check(pilot, stock=False) == ()


def test_pilots_over_sizes_shares_and_spreads_are_sampled() -> None:
    """4 to 400,000 trials a cell, 2 to 98 % pay, log-sds .05 to 2, 4 % treated: at most 5 of 96 retried."""
    rng = np.random.default_rng(54)
    retries, tried = [], 0
    for segments in (1, 3):
        fitter = None
        for n in (50, 300, 20_000, 200_000):
            for share in (0.02, 0.3, 0.98):
                for sd in (0.05, 0.5, 2.0):
                    for treated in (0.5, 0.04):
                        sizes = [int(2 * n * (1 - treated)), int(2 * n * treated)]
                        payers = [[rng.binomial(size, share) for _ in range(segments)] for size in sizes]
                        counts = np.array(payers, dtype=float)
                        statistics = {
                            "trials": np.repeat(np.array(sizes, dtype=float)[:, None], segments, axis=1),
                            "payers": counts,
                            "log_mean": 3 + sd * rng.standard_normal(counts.shape) / np.sqrt(counts + 1e-9),
                            "log_squares": 2 * sd**2 * rng.standard_gamma(np.maximum(counts - 1, 0) / 2),
                        }
                        statistics["log_mean"][counts == 0] = 0
                        pilot = summary(REVENUE, statistics)
                        fitter = fitter or Fitter(pilot)
                        tried += 1
                        if not fitter(pilot, 1)[1]:
                            retries.append((segments, n, share, sd, treated))
    assert len(retries) <= 5, (tried, retries)


@pytest.mark.parametrize("payers", [90, 300, 2000])
def test_the_tail_check_is_rare_on_lognormal_and_frequent_on_other_amounts(payers: int) -> None:
    """400 pilots of two arms with a log-sd of 2: at most 2.6 % are told (3e-3 false alarms at 1 %).

    Pareto 2.2 and gamma amounts (100 pilots each): at least 80 % are told with 90 payers an arm, 95 %
    with more; measured 100 and 92 %, then 100 %.
    """
    rng = np.random.default_rng(55)
    told = {}
    for shape, repeats in (("lognormal", 400), ("pareto", 100), ("gamma", 100)):
        count = 0
        for _ in range(repeats):
            found = tail(of_amounts(*([DRAW[shape](rng, payers)] for _ in range(2))), least=10)
            count += found is not None and found.p < 0.01 and found.gap > 0.01
        told[shape] = count / repeats
    assert told["lognormal"] <= 0.026
    assert told["pareto"] >= (0.8 if payers < 100 else 0.95), told
    assert told["gamma"] >= (0.8 if payers < 100 else 0.95), told


def test_a_prior_on_the_effect_moves_the_mean() -> None:
    """+20 % believed for certain: the posterior ratio of the means is that, whatever the parts do."""
    from sim.contract import EffectPrior

    priors = Priors(effect=EffectPrior(low=0.199, high=0.201))
    compiled = density.compiled(REVENUE, karlan_list(), priors, source("revenue"))
    tree = fitting.sample(compiled, Sampler(), 0.95, 1, lambda _share: None)
    draws = {str(k): v.values.reshape(-1, *v.shape[2:]) for k, v in fitting.named(tree).data_vars.items()}
    assert draws["level"][:, 1, 0] / draws["level"][:, 0, 0] == pytest.approx(1.2, abs=0.005)
    paid = draws["pay"][:, 1, 0] / draws["pay"][:, 0, 0]
    assert abs(paid.mean() - 734 / 33394 / (298 / 16687)) < 0.1
    assert mcse(draws["delta"][:, 0]) < 0.01
