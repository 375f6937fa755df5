"""What the result says of its own weak points, against closed forms."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from sim.engine import evidence
from sim.engine.findings import of_returns
from sim.engine.prepare import prepare
from sim.engine.world import World

CONFIG = """\
[programme]
currency = "EUR"
horizon = 1
discount_rate = 0.0
[outcomes.a]
model = "conversion"
control = { trials = 1000, successes = 300 }
treated = { trials = 1000, successes = 350 }
volume = 1_000_000
value = 1
[outcomes.b]
model = "conversion"
control = { trials = 1000, successes = 300 }
treated = { trials = 1000, successes = 350 }
volume = 1_000_000
value = 1
[costs]
all = 1
"""


def test_correlated_effects_widen_npv_as_the_variance_of_a_sum_does(tmp_path: Path) -> None:
    (tmp_path / "two.toml").write_text(CONFIG)
    prepared = prepare(tmp_path / "two.toml")
    rng = np.random.default_rng(5)
    fits = {}
    for name in "ab":
        level = np.full((prepared.plan.samples, 2, 1), 0.3)
        level[:, 1, 0] += 0.05 + 0.01 * rng.standard_normal(prepared.plan.samples)
        fits[name] = {"level": level}
    world = World(prepared, fits, prepared.drawn)
    told = evidence.independence(world, world.strategy("treated"))
    assert told is not None
    words = told.message.replace(",", "").split()
    alone, together = (float(word) for word in words if word.isdigit())
    # sd of a sum of two normals of sd 10,000: 10,000 sqrt(2 (1 + r)), r = 2 sin(pi/12) for ranks at 0.5.
    assert alone == pytest.approx(10_000 * np.sqrt(2), rel=0.04)
    assert together == pytest.approx(10_000 * np.sqrt(2 * (1 + 2 * np.sin(np.pi / 12))), rel=0.04)
    names = {check.name for check in prepared.checks}
    assert {"pilot-length:a", "one-segment:a"} <= names
    assert evidence.beyond_pilot(world, world.strategy("treated")) is None


def test_the_length_of_a_pilot_may_be_stated(tmp_path: Path) -> None:
    """Six equal months undiscounted, of which the pilot saw two."""
    pilot = "[decision.pilot]\ncost_per_month = 1\nran = 2\n"
    (tmp_path / "two.toml").write_text(CONFIG.replace("horizon = 1\n", "horizon = 6\n") + pilot)
    prepared = prepare(tmp_path / "two.toml")
    assert not [check for check in prepared.checks if check.name.startswith("pilot-length")]
    level = np.full((prepared.plan.samples, 2, 1), 0.3)
    level[:, 1, 0] += 0.05
    world = World(prepared, {name: {"level": level} for name in "ab"}, prepared.drawn)
    assert evidence.observed_months(world, "a") == 2
    assert evidence.beyond_pilot(world, world.strategy("treated")) == pytest.approx(4 / 6, rel=1e-4)


def test_a_high_rate_of_return_is_told_with_what_it_takes_for_granted() -> None:
    def blocks(irr: float | None, mirr: float | None) -> dict[str, dict[str, float | None]]:
        return {"irr": {"median": irr}, "mirr": {"median": mirr}}

    (told,) = of_returns(blocks(1.76, 0.25))
    assert "176%" in told.message
    assert "25% a year" in told.message
    for usual in (blocks(0.4, 0.2), blocks(None, None), blocks(-0.5, -0.2)):
        assert not list(of_returns(usual))
