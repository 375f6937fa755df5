"""`sim pilot` on a fitted pilot, against expectations under the posterior itself."""

from __future__ import annotations

import json
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
from scipy.special import logsumexp

from sim.commands.pilot import weigh
from sim.decision.arguments import with_hurdle
from sim.decision.voi import evsi
from sim.engine.inputs import net_present_value
from sim.engine.learning import signals, sources
from sim.engine.prepare import prepare
from sim.engine.study import Study
from sim.engine.world import World
from sim.records.arrays import FloatArray
from sim.simulation.draws import child
from tests.conftest import ROOT

pytestmark = pytest.mark.slow

PILOT = """\
[programme]
currency = "EUR"
horizon = 24
[outcomes.orders]
model = "conversion"
control = { trials = 1_500, successes = 90 }
treated = { trials = 1_500, successes = 105 }
volume = 4_000
value = 40
[costs]
build = 20_000
[decision]
pilot = { cost_per_month = 100, months = [1, 2, 3, 6, 12], delays_rollout = false, ran = 2 }
"""


def under_the_posterior(level: FloatArray, nb: FloatArray, made: FloatArray, trials: int) -> FloatArray:
    """Return E(nb | dataset i): all draws weighed by the likelihood that they give to its successes.

    Parameters
    ----------
    level : (sample, arm) array
    nb : (sample,) array
    made : (dataset, arm) array
    trials : int
    """
    log, failed = np.log(level), np.log1p(-level)
    means = np.empty(len(made))
    for i, y in enumerate(made):
        weight = (y * log + (trials - y) * failed).sum(axis=1)
        means[i] = np.exp(weight - logsumexp(weight)) @ nb
    return means


def test_evsi_is_that_of_the_posterior_weighed_by_the_likelihood(tmp_path: Path) -> None:
    """Regression against exact weighting of 4,000 draws: 4 Monte Carlo errors and 3 % of EVPI at each length.

    Both use the same datasets, so that most of their Monte Carlo error is common: a false alarm is rarer
    than 1 in 2,000. Weighting counts the draw that made a dataset among the 4,000, hence the 3 %.
    """
    path = tmp_path / "orders.toml"
    path.write_text(PILOT, encoding="utf-8")
    world = Study(path, store=tmp_path / "fits").world
    strategy = world.strategy("treated")
    npv = net_present_value(world, strategy)
    found = weigh(world, "treated", [1, 2, 3, 6, 12])
    (source,), _ = sources(world, strategy)
    evpi, now = found["evpi"], max(npv.mean(), 0.0)
    for row in found["lengths"]:
        trials = 750 * row["months"]
        made = source.simulate(row["months"] * source.per_month, child(world.plan.seed, "pilot:orders"))
        means = under_the_posterior(world.fits["orders"]["level"][:, :, 0], npv, made, trials)
        exact = np.maximum(means, 0.0).mean() - now
        assert abs(row["evsi"] - exact) < 4 * row["evsi_mcse"] + 0.03 * evpi, row
        assert abs(row["evsi_gaussian"] - exact) < 0.15 * evpi, row
    worth = [row["evsi"] for row in found["lengths"]]
    errors = [row["evsi_mcse"] for row in found["lengths"]]
    for (a, b), error in zip(pairwise(worth), errors[1:], strict=True):
        assert b > a - 2 * error, worth
    informed = found["evppi"]
    assert all(value < informed + 2 * error for value, error in zip(worth, errors, strict=True))
    # One segment, randomised: nothing else is uncertain, so that an endless pilot tells everything.
    assert informed == pytest.approx(evpi, rel=0.03)
    nb = with_hurdle(npv, 0.0)
    endless = signals(npv, [source], {"orders": 1e5}, seed=1, stream="endless")
    assert evsi(nb, nb, endless, rng=np.random.default_rng(1)).value == pytest.approx(informed, rel=0.03)
    assert found["best"] is not None
    assert found["sentence"].startswith("Extending the pilot by ")


@pytest.mark.parametrize("delays", ["true", "false"])
@pytest.mark.parametrize(
    "path", sorted(ROOT.glob("configs/*/config.toml")), ids=lambda path: path.parent.name
)
def test_every_shipped_config_can_ask_for_a_longer_pilot(path: Path, delays: str) -> None:
    """Draws from the prior stand in for fits: every design and model, whatever its levels come to."""
    told = {
        "decision.pilot.cost_per_month": 600,
        "decision.pilot.ran": 3,
        "decision.pilot.delays_rollout": delays,
        "decision.stage.share": 0.3,
        "decision.stage.months": 3,
        "sampling.draws": 100,
    }
    prepared = prepare(path, [f"{key}={value}" for key, value in told.items()])
    plan, rng = prepared.plan, np.random.default_rng(1)
    fits = {
        name: plan.outcomes[name].model.prior(summary, plan.outcomes[name].priors, plan.samples, rng=rng)
        for name, summary in prepared.summaries.items()
    }
    world = World(prepared, fits, prepared.drawn)
    for arm in plan.strategies:
        found = weigh(world, arm, [1, 6])
        json.dumps(found, allow_nan=False)  # raises where a figure is not finite
        for row in found["lengths"]:
            assert 0 <= row["evsi"] <= found["evpi"] + 1e-9
            assert row["enbs"] == pytest.approx(row["evsi"] - row["waiting"] - row["cost"])
        money = any(not plan.outcomes[name].kpi for name in prepared.summaries)
        assert bool(found["lengths"]) is money
        assert found["staged"]["goes_on"] <= 1
