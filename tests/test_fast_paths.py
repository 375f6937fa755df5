"""Shortcuts give what the long way gives: months from one month, rates from a guess, samples in runs."""

from __future__ import annotations

import gc
import weakref
from pathlib import Path

import numpy as np
import pytest

from sim.config.plan import Reference
from sim.engine import study
from sim.engine.prepare import prepare
from sim.engine.study import metrics_of
from sim.engine.world import World
from sim.finance.irr import Status, _solve, irr
from sim.finance.metrics import METRICS
from sim.finance.single import log_discount
from sim.registry import models

HEAD = """
[programme]
currency = "EUR"
start = 2027-03-01
horizon = 30
discount_rate = { low = 0.06, high = 0.12 }
[volumes.visits]
monthly = { by = { DE = { low = 8_000, high = 9_000 }, FR = { low = 3_000, high = 6_000 } } }
growth = { low = -0.1, high = 0.2 }
seasonality = [1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1.4, 1.6]
[volumes.left]
of = "visits"
share = { by = { DE = 0.6, FR = { low = 0.5, high = 0.7 } } }
[rollout]
delay = { low = 0.5, high = 2 }
ramp = { months = { low = 2, high = 5 }, shape = "s-curve" }
fade = { half_life = { low = 12, high = 40 } }
transfer = { low = 0.7, high = 1.0 }
ends = 28
[costs]
development = { low = 60_000, mode = 80_000, high = 120_000 }
fees = { per = "sales.successes", amount = { low = 0.1, high = 0.2 } }
[sampling]
draws = 100
chains = 3
"""
LEVELS = {
    "conversion": ("{ low = 0.05, high = 0.07 }", "{ by = { DE = { low = 0.06, high = 0.09 }, FR = 0.08 } }"),
    "revenue": ("{ low = 1, high = 2 }", "{ low = 2, high = 3 }"),
    "cost": ("{ low = 500, high = 600 }", "{ low = 450, high = 500 }"),
    "count": ("{ low = 0.2, high = 0.3 }", "{ low = 0.2, high = 0.4 }"),
    "rating": ("{ low = 3, high = 3.5 }", "{ low = 3.2, high = 4 }"),
}
UNIT = {"cost": 'unit = "second"\nsaves = "labour"', "count": 'unit = "month"', "rating": "scale = [1, 5]"}


def outcome(name: str, model: str, rest: str) -> str:
    control, treated = LEVELS[model]
    return (
        f'[outcomes.{name}]\nmodel = "{model}"\ncontrol = {control}\ntreated = {treated}\n'
        f"{UNIT.get(model, '')}\n{rest}\n"
    )


def world(tmp_path: Path, text: str) -> World:
    path = tmp_path / "fast.toml"
    path.write_text(text, encoding="utf-8")
    prepared = prepare(path)
    return World(prepared, {}, prepared.drawn)


def close(found, expected) -> None:
    np.testing.assert_allclose(
        np.broadcast_to(found, expected.shape), expected, rtol=1e-11, atol=1e-12 * np.abs(expected).max()
    )


@pytest.mark.parametrize("model", [name for name, m in models().items() if m.counts != "customers"])
@pytest.mark.parametrize("better", ["higher", "lower"])
def test_a_month_tells_all_months_of_a_model_without_memory(tmp_path: Path, model: str, better: str) -> None:
    """The engine takes this of every model that follows no customers."""
    first = outcome("sales", "conversion", 'volume = "visits"\nvalue = 3')
    here = (
        f'volume = "left"\nbetter = "{better}"\nvalue = {{ by = {{ DE = {{ low = 1, high = 2 }}, FR = 3 }} }}'
    )
    after = 'volume = "visits"\nafter = "sales"\nvalue = 2'
    made = world(tmp_path, HEAD + first + outcome("one", model, here) + outcome("rest", model, after))
    prices = made.by("outcomes.one.value", made.segments("one"))
    for name, factors in (("sales", []), ("one", [prices]), ("rest", [])):
        assert made._memoryless(name)
        whole = made.projection(name, "treated")
        units = whole.units * prices[:, :, None] if factors else whole.units
        close(
            sum(scale * course for scale, course in made.gained(name, "treated", factors)), units.sum(axis=1)
        )
        close(made.gained_by_segment(name, "treated"), whole.units.sum(axis=2))
        close(made.counted(Reference("successes", name), "treated"), whole.served.sum(axis=1))
        exposed = made.exposure(name, "treated").control
        terms = made.volume(name, "treated")
        close(sum(units[:, :, None] * course[:, None] for units, course in terms), exposed)


def test_many_samples_are_simulated_in_runs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    made = world(tmp_path, HEAD + outcome("sales", "conversion", 'volume = "visits"\nvalue = 30'))
    samples, blocks = metrics_of(made, "treated", METRICS)
    lengths: list[int] = []
    run = World.run
    monkeypatch.setattr(study, "RUN", 64)
    monkeypatch.setattr(World, "run", lambda w, *args: lengths.append(args[1]) or run(w, *args))
    in_runs, same = metrics_of(made, "treated", METRICS)
    assert lengths == [64] * 5
    for name, values in samples.items():
        np.testing.assert_allclose(in_runs[name], values, rtol=1e-12, err_msg=name)
    assert same["metrics"]["irr"]["undefined"] == blocks["metrics"]["irr"]["undefined"]
    assert same["metrics"]["roi"]["expected"] == pytest.approx(
        blocks["metrics"]["roi"]["expected"], rel=1e-12
    )
    assert same["probability"] == blocks["probability"]


def test_a_world_goes_as_soon_as_nobody_needs_it(tmp_path: Path) -> None:
    """Thousands of settings would else be in memory until the interpreter looks for unreachable objects."""
    made = world(tmp_path, HEAD + outcome("sales", "conversion", 'volume = "visits"\nvalue = 30'))
    gc.collect()
    gc.disable()
    try:
        another = World(made.prepared, {}, made.drawn.replaced({}), [made])
        another.strategy("treated")
        gone = weakref.ref(another)
        del another
        assert gone() is None
    finally:
        gc.enable()


def test_quick_rates_are_those_of_the_thorough_way() -> None:
    rng = np.random.default_rng(5)
    flows = rng.normal(20, 30, (3000, 1)) + rng.normal(0, 5, (3000, 37))
    flows[:, :3] = -rng.uniform(0, 300, (3000, 3))
    flows[::3, 30:] -= rng.uniform(0, 80, (1000, 1))  # out again at last: none or two rates
    flows[5, 10] = flows[7, 1] = 0.0
    growth, status, lost = _solve(np.ascontiguousarray(flows.T))
    guessed, twice = log_discount(np.ascontiguousarray(flows.T))
    quick = np.isfinite(guessed)
    assert 0.3 < quick.mean() < 0.95
    assert twice.sum() > 20
    assert (status[quick] == Status.UNIQUE).all()
    assert (status[twice] == Status.SEVERAL).all()
    np.testing.assert_allclose(-guessed[quick], growth[quick], rtol=1e-11, atol=1e-14)
    both = irr(flows)
    np.testing.assert_array_equal(both.status, status)
    np.testing.assert_array_equal(both.total_loss, lost)
    np.testing.assert_allclose(both.monthly, np.expm1(growth), rtol=1e-11, atol=1e-14)
