"""Value of information, studies and choices against closed forms.

Seeds are fixed. A tolerance of four Monte Carlo errors (4 mcse) fails for one correct estimate in
16,000. Cross-fitted decisions lose a little to the error of the regression, so where the exact value
is the reference the estimate may lie 2 % below it besides, and never above.
"""

from __future__ import annotations

import itertools
import time

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from scipy import integrate, optimize, stats

from sim.decision.arguments import with_hurdle
from sim.decision.choice import acceptability, dominance, expected_loss, p_best
from sim.decision.study import assurance, best, enbs, staged
from sim.decision.voi import evpi, evppi, evsi, evsi_gaussian, prior_sample_size
from sim.records.estimate import Estimate, mean, standard_error

N = 4000


def unit_loss(mu, sd):
    """E[max(0, X)] − max(0, E X) of a normal X."""
    return sd * stats.norm.pdf(mu / sd) - abs(mu) * stats.norm.cdf(-abs(mu) / sd)


def close(value, mcse, exact, lost=0.02):
    assert mcse > 0
    assert exact * (1 - lost) - 4 * mcse <= value <= exact + 4 * mcse


@pytest.mark.parametrize(("mu", "sd"), [(0.0, 1.0), (1.0, 2.0), (-30.0, 20.0), (2e6, 1e6)])
def test_perfect_information_about_a_normal_net_benefit(mu, sd):
    nb = mu + sd * np.random.default_rng(1).standard_normal(40_000)
    found = evpi(with_hurdle(nb, 0.0))
    close(found.value, found.mcse, unit_loss(mu, sd), lost=0)


def test_perfect_information_counts_from_the_hurdle():
    nb = np.random.default_rng(2).normal(5.0, 2.0, 40_000)
    found = evpi(with_hurdle(nb, 4.0))
    close(found.value, found.mcse, unit_loss(1.0, 2.0), lost=0)


# Net benefit = mu + slope·θ, θ normal with this correlation: E[NB | θ_G] is normal, of variance
# c'Σ_GG⁻¹c with c the covariances of θ_G and the net benefit.
SLOPE = np.array([3.0, -2.0, 1.0, 2.0, 0.5, 0.0, 1.0])
CORRELATION = 0.5 ** np.abs(np.subtract.outer(np.arange(7), np.arange(7)))
GROUPS = [[0], [1], [4], [5], [0, 1], [2, 3], [0, 2, 5], [1, 2, 3, 4], [0, 1, 2, 3, 4, 5]]


@pytest.mark.parametrize("group", GROUPS, ids=str)
@pytest.mark.parametrize("covariance", [np.eye(7), CORRELATION], ids=["independent", "correlated"])
@pytest.mark.parametrize("mu", [0.0, 1.5])
def test_partial_information_in_a_linear_gaussian_problem(group, covariance, mu):
    rng = np.random.default_rng(3)
    theta = rng.multivariate_normal(np.zeros(7), covariance, size=N)
    nb = with_hurdle(mu + theta @ SLOPE, 0.0)
    c = covariance[group] @ SLOPE
    sd = float(np.sqrt(c @ np.linalg.solve(covariance[np.ix_(group, group)], c)))
    found = evppi(nb, theta[:, group], rng=rng)
    if sd == 0:
        assert found.value <= 0.02 * evpi(nb).value + 3 * found.mcse
        return
    exact = unit_loss(mu, sd)
    # A weak input changes few decisions, of which a regression on 4,000 samples finds most.
    lost = 0.02 if sd > 1 else 0.3
    if found.mcse == 0:
        assert exact < 0.03 * evpi(nb).value  # nothing was found, since next to nothing is there
    else:
        close(found.value, found.mcse, exact, lost)
    assert found.value <= evpi(nb).value
    assert found.plug_in == pytest.approx(exact, abs=4 * mean(nb[:, 1]).mcse + 0.05 * exact)


def test_partial_information_among_four_decisions():
    rng = np.random.default_rng(4)
    theta, rest = rng.standard_normal((2, 3 * N))
    level, slope = np.array([0.0, 0.2, -0.3, 0.1]), np.array([0.0, 1.0, -2.0, 0.3])
    nb = level + theta[:, None] * slope + rest[:, None] * np.array([0.0, 1.0, 1.0, -1.0])
    exact = integrate.quad(
        lambda t: (level + t * slope).max() * stats.norm.pdf(t), -9, 9, points=[-0.3, 0.0, 0.3], limit=200
    )[0]
    found = evppi(nb, theta, rng=rng)
    close(found.value, found.mcse, exact - level.max())


@pytest.mark.parametrize(
    "share", [[1 / 3, 1 / 3, 1 / 3], [0.7, 0.06, 0.06, 0.06, 0.06, 0.06]], ids=["even", "rare"]
)
@pytest.mark.parametrize("spacing", [1.0, -4.0, 1e6])
def test_partial_information_of_a_label_follows_no_line(share, spacing):
    rng = np.random.default_rng(5)
    which = rng.choice(len(share), size=N, p=share)
    level = np.array([0.5, -3.0, 3.5, -3.0, 3.0, -3.0])[: len(share)]
    nb = with_hurdle(level[which] + 2 * rng.standard_normal(N), 0.0)
    found = evppi(nb, spacing * which**1.5, rng=rng)
    close(found.value, found.mcse, np.maximum(level, 0) @ share - max(level @ share, 0.0))
    # Whoever knows the levels decides by their sign; these samples must be decided the same way.
    right = np.where(level[which] > 0, nb[:, 1], 0.0).mean() - max(nb[:, 1].mean(), 0.0)
    assert found.value == pytest.approx(right, rel=1e-9)


def test_knowing_everything_through_a_product_is_perfect_information():
    rng = np.random.default_rng(6)
    x = np.exp(0.5 * rng.standard_normal((N, 3)))
    nb = with_hurdle(x[:, 0] * x[:, 1] - x[:, 2], 0.0)
    found = evppi(nb, x, rng=rng)
    assert 0.98 * evpi(nb).value <= found.value <= evpi(nb).value


def test_a_kink_among_many_inputs_is_found():
    rng = np.random.default_rng(7)
    x = rng.standard_normal((N, 6))
    nb = with_hurdle(np.where((x[:, 0] > 0.5) & (x[:, 1] > 0), 4.0, -2.0) + rng.standard_normal(N), 0.0)
    right = stats.norm.sf(0.5) / 2
    found = evppi(nb, x, rng=rng)
    close(found.value, found.mcse, 4 * right, lost=0.05)


def test_noise_is_worth_nothing():
    """Of 120 noise inputs and 8 groups of six none may exceed 2 % of the EVPI by 3 mcse.

    Where decisions are coin tosses 2 % is as good as another half mcse: rate 1 in 4,000 for each of them.
    """
    rng = np.random.default_rng(8)
    too_high, plug_in = [], []
    for mu in (0.0, 0.02, 0.3):
        nb = with_hurdle(rng.normal(mu, 1.0, N), 0.0)
        limit = evpi(nb).value
        inputs = [rng.standard_normal(N) for _ in range(25)] + [rng.integers(4, size=N) for _ in range(15)]
        inputs += [rng.standard_normal((N, 6)) for _ in range(8 if mu == 0 else 0)]
        for noise in inputs:
            found = evppi(nb, noise, rng=rng)
            too_high.append(found.value - 0.02 * limit - 3 * found.mcse)
            plug_in.append(found.plug_in)
    assert max(too_high) <= 0
    assert max(plug_in) > 0  # the in-sample estimate is the one that noise can fool


def test_decisions_have_not_seen_the_sample_they_are_scored_on():
    """Ten noise inputs, 200 samples: decisions that had would seem worth 15 % of the EVPI.

    Clipping at 0 leaves 1.4 % on average, known to 0.5 % from 40 repeats.
    """
    found = []
    for seed in range(40):
        rng = np.random.default_rng([8, seed])
        nb = with_hurdle(rng.normal(0.0, 1.0, 200), 0.0)
        found.append(evppi(nb, rng.standard_normal((200, 10)), rng=rng).value / evpi(nb).value)
    assert np.mean(found) < 0.04


def test_what_does_not_vary_is_worth_nothing():
    rng = np.random.default_rng(9)
    nb = with_hurdle(rng.normal(0, 1, 500), 0.0)
    for x in (np.full(500, 3.3), np.full((500, 5), 0.1)):
        found = evppi(nb, x, rng=rng)
        assert (found.value, found.mcse, found.plug_in) == (0.0, 0.0, 0.0)
    certain = np.tile([1.0, 2.0], (500, 1))
    assert evpi(certain) == Estimate(0.0, 0.0)
    assert evppi(certain, rng.normal(size=500), rng=rng).value == 0.0
    assert evppi(nb[:, 1], rng.normal(size=500), rng=rng).value == 0.0  # a single decision


def test_error_of_partial_information_is_that_of_repetition():
    """The sd over 150 repeats is known to 6 %; batch means add their own 10 %."""
    rng = np.random.default_rng(10)
    found = []
    for _ in range(150):
        theta, rest = rng.standard_normal((2, 1000))
        found.append(evppi(with_hurdle(0.3 + theta + rest, 0.0), theta, rng=rng))
    values, errors = np.array([f.value for f in found]), np.array([f.mcse for f in found])
    assert 0.75 < values.std() / errors.mean() < 1.33
    exact = unit_loss(0.3, 1.0)
    # The mean of 150 is known to mcse/12; below the exact value only by what cross-fitting loses.
    assert exact - 0.02 * exact - 4 * values.std() / 12 < values.mean() < exact + 4 * values.std() / 12


def test_twenty_quantities_take_seconds():
    rng = np.random.default_rng(11)
    x = rng.standard_normal((N, 20))
    nb = with_hurdle(x @ rng.standard_normal(20) + x[:, 0] * x[:, 1], 0.0)
    evppi(nb, x[:, :6], rng=rng)  # imports
    start = time.process_time()
    for columns in [[j] for j in range(14)] + [[0, 1], [2, 3, 4], range(6), range(8), range(12), range(20)]:
        evppi(nb, x[:, list(columns)], rng=rng)
    assert time.process_time() - start < 10


@settings(max_examples=40, deadline=None)
@given(
    nb=arrays(np.float64, (60, 3), elements=st.floats(-1e6, 1e6)),
    x=arrays(np.float64, (60, 5), elements=st.one_of(st.floats(-1e6, 1e6), st.sampled_from([0.0, 1.0]))),
    columns=st.integers(1, 5),
)
def test_partial_information_lies_between_nothing_and_perfect_information(nb, x, columns):
    found = evppi(nb, x[:, :columns], rng=np.random.default_rng(0))
    assert 0 <= found.value <= evpi(nb).value
    assert 0 <= found.plug_in <= evpi(nb).value
    assert np.isfinite(found.mcse)


@settings(max_examples=25, deadline=None)
@given(st.integers(0, 2**32), st.sampled_from([1e-6, 100.0, 1e9]))
def test_money_scales_and_what_all_decisions_share_cancels(seed, scale):
    rng = np.random.default_rng(seed)
    x, shared = rng.standard_normal((2, 300))
    nb = np.column_stack([np.zeros(300), 0.2 + x, rng.standard_normal(300)])
    first = evppi(nb, x, rng=np.random.default_rng(1))
    scaled = evppi(scale * nb, x, rng=np.random.default_rng(1))
    moved = evppi(nb + shared[:, None], x, rng=np.random.default_rng(1))
    swapped = evppi(nb[:, [2, 0, 1]], x, rng=np.random.default_rng(1))
    assert scaled.value == pytest.approx(scale * first.value, rel=1e-9)
    for other in (moved, swapped):
        assert other.value == pytest.approx(first.value, rel=1e-9)
        assert other.plug_in == pytest.approx(first.plug_in, rel=1e-9)


# Beta-binomial: θ ~ Beta(3, 5), investing pays 10 θ − 4 + other uncertainty.
A, B, VALUE, COST = 3.0, 5.0, 10.0, 4.0


def beta_binomial(n, rng, size=N):
    theta = rng.beta(A, B, size)
    return with_hurdle(VALUE * theta - COST + rng.normal(0, 1, size), 0.0), theta, rng.binomial(n, theta)


def beta_binomial_evsi(n):
    y = np.arange(n + 1)
    after = VALUE * (A + y) / (A + B + n) - COST
    return float(np.maximum(after, 0) @ stats.betabinom.pmf(y, n, A, B)) - max(VALUE * A / (A + B) - COST, 0)


@pytest.mark.parametrize("n", [1, 3, 8, 20, 100])
def test_sample_information_by_enumeration(n):
    rng = np.random.default_rng(12)
    nb, _, y = beta_binomial(n, rng, size=3 * N)
    found = evsi(nb, nb, y, rng=rng)
    close(found.value, found.mcse, beta_binomial_evsi(n), lost=0.04)
    assert found.plug_in == pytest.approx(beta_binomial_evsi(n), abs=4 * found.mcse)
    assert found.waiting == 0
    assert found.gain == Estimate(found.value, found.mcse)


def test_sample_information_grows_towards_what_the_study_can_tell():
    rng = np.random.default_rng(13)
    nb, theta, _ = beta_binomial(1, rng)
    sizes = [1, 4, 16, 64, 256, 10**7]
    found = [evsi(nb, nb, rng.binomial(n, theta), rng=rng) for n in sizes]
    limit = evppi(nb, theta, rng=rng)
    for less, more in itertools.pairwise(found):
        assert more.value >= less.value - 4 * np.hypot(less.mcse, more.mcse)
    assert found[-1].value > 2 * found[0].value
    for any_size in found:
        assert any_size.value <= limit.value + 4 * np.hypot(any_size.mcse, limit.mcse)
    # With 10⁷ observations the summary is θ to three digits: the same samples, the same decisions.
    assert found[-1].value == pytest.approx(limit.value, rel=0.01)
    assert limit.value < evpi(nb).value


def test_gaussian_approximation_in_the_conjugate_normal_case():
    rng = np.random.default_rng(14)
    n0, n, mu, sd = 20.0, 30, 0.4, 2.0
    theta = rng.normal(mu, sd, N)
    nb = with_hurdle(theta + rng.normal(0, 1, N), 0.0)
    data = theta + rng.normal(0, sd * np.sqrt(n0 / n), N)
    exact = unit_loss(mu, sd * np.sqrt(n / (n + n0)))
    found = evsi_gaussian(nb, theta, n0, n, rng=rng)
    close(found.value, found.mcse, exact, lost=0)
    by_data = evsi(nb, nb, data, rng=rng)
    close(by_data.value, by_data.mcse, exact)
    # R² = 0.6 from 4,000 samples has an error of 0.01, so n0 one of 5 %.
    assert prior_sample_size(theta, data, n, rng=rng) == pytest.approx(n0, rel=0.2)
    assert prior_sample_size(theta, rng.normal(size=N), n, rng=rng) > 100 * n0
    assert evsi_gaussian(nb, theta, n0, 0, rng=rng).value == 0
    assert evsi_gaussian(nb, theta, n0, np.inf, rng=rng).value == pytest.approx(
        evppi(nb, theta, rng=rng).plug_in, rel=0.02
    )


def test_net_benefit_of_sampling_pays_for_the_study_and_the_delay():
    """Normal pay-offs that waiting shrinks to 90 %: E[max(h, ·)] has a closed form."""
    rng = np.random.default_rng(15)
    mu, sd, hurdle, cost, share = 1.0, 2.0, 0.5, 0.05, 0.8
    npv = rng.normal(mu, sd, 10 * N)
    noise = rng.normal(0, sd * np.sqrt(1 / share - 1), 10 * N)
    now, later = with_hurdle(npv, hurdle), with_hurdle(0.9 * npv, hurdle)
    found = evsi(now, later, npv + noise, rng=rng)
    gap = 0.9 * mu - hurdle
    after = hurdle + max(gap, 0) + unit_loss(gap, 0.9 * sd * np.sqrt(share))
    net = enbs(found, cost)
    assert net.mcse == found.gain.mcse > 0
    assert net.value == pytest.approx(after - cost - mu, abs=4 * net.mcse)
    assert found.waiting == pytest.approx(-0.1 * npv.mean(), rel=1e-9)
    close(found.value, found.mcse, unit_loss(gap, 0.9 * sd * np.sqrt(share)), lost=0.01)
    # It leads to investing when the posterior mean exceeds the hurdle.
    leads = assurance(found)
    probability = stats.norm.cdf(gap / (0.9 * sd * np.sqrt(share)))
    assert leads.value == pytest.approx(probability, abs=4 * leads.mcse + 0.01)


def figures(*values):
    return [Estimate(float(v), 2.0) for v in values]


def test_best_length_and_those_about_as_good():
    found = best([12, 1, 2, 3, 6], figures(60, 40, 96, 100, 95))
    assert (found.length, found.value, found.mcse) == (3, 100, 2)
    assert (found.low, found.high, found.decide_now) == (2, 6, False)
    # Beyond a dip a length is no neighbour of the best.
    assert best([1, 2, 3], figures(99, 50, 100)).low == 3


@pytest.mark.parametrize("values", [(-5, -3, -10), (0, -1, -2)])
def test_decide_now_where_no_length_is_worth_its_cost(values):
    found = best([1, 2, 3], figures(*values))
    assert found.decide_now
    assert found.low is None
    assert found.high is None
    assert found.value == max(values)


@pytest.mark.parametrize("lengths", [[], [1], [1, 1]])
def test_lengths_must_be_distinct_and_have_values(lengths):
    with pytest.raises(ValueError, match="distinct"):
        best(lengths, figures(1, 2))


def test_staged_rollout_in_closed_form():
    rng = np.random.default_rng(16)
    mu, sd, share = 0.5, 3.0, 0.6
    rest = rng.normal(mu, sd, 3 * N)
    stage = rng.normal(-1.0, 0.5, 3 * N)
    data = rest + rng.normal(0, sd * np.sqrt(1 / share - 1), 3 * N)
    found = staged(1.1 * rest + stage, stage, rest, data, rng=rng, hurdle=0.2)
    exact = -1.0 + mu + unit_loss(mu, sd * np.sqrt(share))
    assert found.value.value == pytest.approx(exact, abs=4 * found.value.mcse + 0.01)
    assert found.plug_in == pytest.approx(exact, abs=4 * found.value.mcse + 0.01)
    over = found.over_all_in
    assert over.value == pytest.approx(exact + 1.0 - 1.1 * mu, abs=4 * over.mcse + 0.01)
    assert over.mcse < np.hypot(found.value.mcse, standard_error(1.1 * rest + stage))  # paired
    assert found.over_nothing.value == pytest.approx(found.value.value - 0.2)
    assert found.goes_on.value == pytest.approx(stats.norm.cdf(mu / (sd * np.sqrt(share))), abs=0.02)


def test_a_stage_that_tells_nothing_is_no_option():
    rng = np.random.default_rng(17)
    rest, stage = rng.normal(1.0, 1.0, N), np.full(N, -0.5)
    found = staged(rest + stage, stage, rest, rng.normal(size=N), rng=rng)
    assert found.goes_on.value == 1
    assert found.over_all_in == Estimate(0.0, 0.0)


def test_expected_loss_and_probability_of_being_best():
    rng = np.random.default_rng(18)
    mu, sd = 0.7, 1.5
    nb = with_hurdle(rng.normal(mu, sd, 10 * N), 0.0)
    nothing, invest = expected_loss(nb)
    assert nothing.value == pytest.approx(mu + unit_loss(mu, sd), abs=4 * nothing.mcse)
    assert invest.value == pytest.approx(unit_loss(mu, sd), abs=4 * invest.mcse)
    shares = p_best(nb)
    assert shares[1].value == pytest.approx(stats.norm.cdf(mu / sd), abs=4 * shares[1].mcse)


@given(arrays(np.float64, (30, 4), elements=st.floats(-1e6, 1e6)))
def test_the_smallest_expected_loss_is_perfect_information(nb):
    losses = [loss.value for loss in expected_loss(nb)]
    assert min(losses) == pytest.approx(evpi(nb).value, rel=1e-9, abs=1e-6)
    assert sum(share.value for share in p_best(nb)) == pytest.approx(1)


@pytest.mark.parametrize(
    ("a", "b", "order"),
    [
        ((0.3, 1.0), (0.0, 1.0), "first"),
        ((0.0, 1.0), (0.3, 1.0), None),
        ((0.0, 1.0), (0.0, 2.0), "second"),
        ((0.3, 1.0), (0.0, 2.0), "second"),
        ((0.5, 2.0), (0.0, 1.0), None),  # more on average, and more at risk
    ],
)
@pytest.mark.parametrize("paired", [True, False])
def test_dominance_of_normal_pay_offs(a, b, order, paired):
    rng = np.random.default_rng(19)
    z, other = rng.standard_normal((2, N))
    assert dominance(a[0] + a[1] * z, b[0] + b[1] * (z if paired else other)) == order


def test_dominance_over_certainty_forgives_no_loss():
    gain = np.random.default_rng(20).uniform(0.0, 1.0, N)
    assert dominance(gain, np.zeros(N)) == "first"
    gain[7] = -0.1
    assert dominance(gain, np.zeros(N)) is None
    assert dominance(np.zeros(N), np.zeros(N)) is None
    assert dominance(np.full(N, 1.0), np.random.default_rng(21).normal(0.5, 1, N)) == "second"


def test_equal_distributions_seldom_dominate():
    """Of 100 pairs of equal distributions; each order errs for about one in fifty."""
    rng = np.random.default_rng(22)
    found = [dominance(*rng.standard_normal((2, 1000))) for _ in range(100)]
    assert sum(order is not None for order in found) <= 12


@settings(max_examples=50, deadline=None)
@given(arrays(np.float64, (2, 50), elements=st.floats(-1e3, 1e3)))
def test_dominance_goes_one_way(pair):
    assert dominance(pair[0], pair[1]) is None or dominance(pair[1], pair[0]) is None


def normal_threshold(p, gain, nb, rho):
    """Solve P(NB + v·gain > 0) = p for v with jointly normal NB and gain."""
    z = stats.norm.ppf(p)

    def margin(v):
        spread = np.sqrt(nb[1] ** 2 + (v * gain[1]) ** 2 + 2 * rho * v * gain[1] * nb[1])
        return nb[0] + v * gain[0] - z * spread

    return optimize.brentq(margin, 0.0, 1e4)


@pytest.mark.parametrize("rho", [0.0, 0.6, -0.6])
def test_acceptability_in_closed_form(rho):
    rng = np.random.default_rng(23)
    gain, nb = (4.0, 1.0), (-100.0, 30.0)
    z = rng.multivariate_normal([0, 0], [[1, rho], [rho, 1]], size=3 * N)
    found = acceptability(gain[0] + gain[1] * z[:, 0], nb[0] + nb[1] * z[:, 1])
    assert [t.probability for t in found] == [0.5, 0.75, 0.9]
    for threshold in found:
        assert threshold.mcse > 0
        exact = normal_threshold(threshold.probability, gain, nb, rho)
        assert threshold.value == pytest.approx(exact, abs=4 * threshold.mcse)
    assert found[0].mcse < 0.02 * found[0].value


def test_acceptability_out_of_reach_and_lost_again():
    rng = np.random.default_rng(24)
    gain = rng.normal(0.5, 1.0, N)  # positive with probability 0.69
    half, three_quarters, most = acceptability(gain, rng.normal(-1.0, 1.0, N))
    assert half.value > 0
    assert half.until is None
    assert (three_quarters.value, three_quarters.mcse) == (None, None)
    assert most.value is None
    # Right for nothing already, until the samples with a negative gain weigh more than the rest.
    (found,) = acceptability(gain, rng.normal(2.0, 1.0, N), probabilities=[0.9])
    assert found.value == 0
    exact = optimize.brentq(lambda v: (2 + 0.5 * v) / np.sqrt(1 + v**2) - stats.norm.ppf(0.9), 0, 100)
    assert found.until == pytest.approx(exact, rel=0.1)


@settings(max_examples=60, deadline=None)
@given(
    arrays(np.float64, 12, elements=st.integers(-4, 4).map(float)),
    arrays(np.float64, 12, elements=st.integers(-9, 9).map(float)),
    st.sampled_from([0.25, 0.5, 0.75]),
    st.integers(-3, 3),
)
def test_acceptability_by_trying(gain, nb, p, hurdle):
    (found,) = acceptability(gain, nb, probabilities=[p], hurdle=hurdle)

    def enough(v):
        return (nb + v * gain > hurdle).mean() >= p

    # Changes happen at ratios of small integers, which are 1/12 or more apart.
    trials = np.concatenate([np.arange(0, 30, 1 / 96) + 1e-6, [1e6]])
    right = np.array([enough(v) for v in trials])
    if found.value is None:
        assert not right.any()
    else:
        assert enough(found.value + 1e-6)
        assert not right[trials < found.value - 1e-9].any()
        if found.until is None:
            assert right[-1]
        else:
            assert enough(found.until - 1e-6)
            assert not right[trials > found.until + 1e-9].any()


@pytest.mark.parametrize("p", [0.0, 1.0, np.nan])
def test_acceptability_needs_a_probability(p):
    with pytest.raises(ValueError, match="probabilities"):
        acceptability(np.ones(3), np.ones(3), probabilities=[p])


def test_same_generator_same_figures():
    rng = np.random.default_rng(25)
    x = rng.standard_normal((500, 6))
    nb = with_hurdle(x.sum(axis=1), 0.0)
    assert evppi(nb, x, rng=np.random.default_rng(1)) == evppi(nb, x, rng=np.random.default_rng(1))


@pytest.mark.parametrize("samples", [1, 2, 9, 10])
def test_few_samples_are_no_error(samples):
    rng = np.random.default_rng(26)
    nb = with_hurdle(rng.normal(size=samples), 0.0)
    found = evppi(nb, rng.normal(size=(samples, 4)), rng=rng)
    assert 0 <= found.value <= evpi(nb).value


@pytest.mark.parametrize(
    ("nb", "x", "message"),
    [
        (np.array([[0.0, np.nan]]), np.zeros(1), "nb must be finite"),
        (np.zeros((3, 2)), np.array([0.0, np.inf, 1.0]), "x must be finite"),
        (np.zeros((3, 2)), np.zeros(2), "x must have 3 samples"),
        (np.zeros((0, 2)), np.zeros(0), "nb must be a non-empty"),
        (np.zeros((3, 2, 2)), np.zeros(3), "nb must be a non-empty array of 2 axes"),
    ],
)
def test_unusable_arrays_are_refused(nb, x, message):
    with pytest.raises(ValueError, match=message):
        evppi(nb, x, rng=np.random.default_rng(0))


def test_impossible_sample_sizes_are_refused():
    nb = with_hurdle(np.arange(20.0), 3.0)
    for n0, n in ((0.0, 1.0), (np.inf, 1.0), (1.0, -1.0)):
        with pytest.raises(ValueError, match="n0 must be positive"):
            evsi_gaussian(nb, nb[:, 1], n0, n, rng=np.random.default_rng(0))


def test_error_of_a_mean_knows_of_autocorrelation():
    """An AR(1) chain of 0.9 has (1 + 0.9)/(1 − 0.9) = 19 times the variance of independent draws."""
    rng = np.random.default_rng(27)
    steps = rng.standard_normal(40_000)
    chain = np.empty_like(steps)
    chain[0] = steps[0]
    for i in range(1, len(steps)):
        chain[i] = 0.9 * chain[i - 1] + np.sqrt(1 - 0.81) * steps[i]
    assert standard_error(chain) == pytest.approx(np.sqrt(19 / len(chain)), rel=0.25)
    assert standard_error(steps) == pytest.approx(np.sqrt(1 / len(steps)), rel=0.25)
