"""What the page recomputes by itself is what the engine says: terms, worths, and their way into the page."""

from __future__ import annotations

import base64
from pathlib import Path

import numpy as np
import pytest

from sim.commands.what_if import contents
from sim.engine.inputs import net_present_value
from sim.engine.prepare import prepare
from sim.engine.what_if import SAMPLES, systematic, what_if
from sim.engine.world import World
from sim.engine.worth import worths
from sim.report.packed import table

CONFIG = """\
[programme]
currency = "EUR"
horizon = 9
discount_rate = { low = 0.06, high = 0.12 }
[volumes]
contacts = { by = { DE = 900, "挪威" = { low = 300, high = 500 } } }
[volumes.follow_ups]
of = "contacts"
share = 0.4
[outcomes.deflection]
model = "conversion"
control = 0.1
treated = { low = 0.2, high = 0.3 }
volume = "contacts"
value = { price = 4, margin = { low = 0.3, high = 0.6 } }
[outcomes.handling]
model = "cost"
control = 50
effect = { low = -0.3, high = -0.1 }
unit = "minute"
volume = "contacts"
value = 0.5
realisation = { low = 0.4, high = 0.8 }
after = "deflection"
[outcomes.calls]
model = "count"
control = 2
treated = 1.5
better = "lower"
volume = "follow_ups"
value = 1.1
[rollout]
delay = 1
ramp = { months = 3 }
transfer = { low = 0.7, high = 1 }
[costs.build]
once = { low = 3000, high = 5000 }
[costs.renewal]
once = 100
at = 7
[costs.run]
monthly = 120
growth = 0.03
[costs.fee]
per = "deflection.successes"
amount = 0.4
[benefits.old]
months = [50, 60]
[sampling]
draws = 100
chains = 2
"""
KEYS = {
    "volumes.contacts.by.DE", 'volumes.contacts.by."挪威"', "volumes.follow_ups.share",
    "outcomes.deflection.value.price", "outcomes.deflection.value.margin", "outcomes.handling.value",
    "outcomes.handling.realisation", "outcomes.calls.value", "costs.build.once",
    "costs.renewal.once", "costs.run.monthly",
    "costs.fee.amount", "benefits.old.months.1", "benefits.old.months.2",
}  # fmt: skip


def world_of(folder: Path, text: str = CONFIG, *sets: str) -> World:
    (folder / "plan.toml").write_text(text, encoding="utf-8")
    prepared = prepare(folder / "plan.toml", sets)
    return World(prepared, {}, prepared.drawn)


def held(world: World, changes: dict[str, float]) -> World:
    columns = {key: np.full(world.n, value) for key, value in changes.items()}
    return World(world.prepared, {}, world.drawn.replaced(columns))


def test_terms_give_what_the_engine_gives_under_any_change(tmp_path: Path) -> None:
    found = what_if(world_of(tmp_path), "treated")
    assert set(found.values) == KEYS  # transfer is not among them: `after` makes its money a square of it
    rng = np.random.default_rng(7)
    for count in (0, 1, 3, len(KEYS)):
        keys = rng.choice(sorted(KEYS), count, replace=False).tolist()
        changes = {key: float(found.values[key].mean() * rng.uniform(0.2, 3)) for key in keys}
        wanted = held(found.world, changes).strategy("treated")
        benefit, cost = found.cash(changes)
        scale = np.abs(wanted.benefit).max()
        np.testing.assert_allclose(benefit, wanted.benefit, rtol=0, atol=1e-9 * scale)
        np.testing.assert_allclose(cost, wanted.cost, rtol=0, atol=1e-9 * scale)


def test_months_beyond_the_horizon_are_those_of_a_longer_one(tmp_path: Path) -> None:
    found = what_if(world_of(tmp_path), "treated")
    longer = world_of(tmp_path, CONFIG, "programme.horizon=18").strategy("treated")
    assert found.shape == (200, 19)
    benefit, cost = found.cash({})
    np.testing.assert_allclose(benefit, longer.benefit, atol=1e-8)
    np.testing.assert_allclose(cost, longer.cost, atol=1e-8)


def test_what_is_no_product_is_left_alone(tmp_path: Path) -> None:
    """Units by segment times values by segment, times a stock: sums of products that no factor stands for."""
    text = CONFIG.replace("value = 1.1", "value = { by = { DE = 1, X = 3 } }").replace(
        "[volumes.follow_ups]\nof = \"contacts\"\nshare = 0.4",
        "[volumes.follow_ups]\nmonthly = { by = { DE = 10, X = 20 } }",
    )  # fmt: skip
    found = what_if(world_of(tmp_path, text), "treated")
    changes = {key: 1.7 * float(values.mean()) for key, values in found.values.items()}
    wanted = held(found.world, changes).strategy("treated")
    np.testing.assert_allclose(found.cash(changes)[0], wanted.benefit, rtol=1e-9)


def test_a_systematic_sample_stands_for_all() -> None:
    npv = np.random.default_rng(1).standard_t(4, 9001)
    some = npv[systematic(npv)]
    assert some.size == SAMPLES
    assert abs((some < 0).mean() - (npv < 0).mean()) < 1 / SAMPLES
    probabilities = [0.05, 0.5, 0.95]
    np.testing.assert_allclose(np.quantile(some, probabilities), np.quantile(npv, probabilities), atol=0.01)
    assert systematic(np.full(50, 3.0)) == slice(0, 1)


def test_a_worth_is_the_change_that_the_engine_sees(tmp_path: Path) -> None:
    world = world_of(tmp_path)
    base = net_present_value(world, world.strategy("treated"))
    found = worths(world, "treated")
    run = held(world, {"costs.run.monthly": 108.0})
    assert found["costs.run.monthly"].at == (108.0,)
    change = float((net_present_value(run, run.strategy("treated")) - base).mean())
    assert found["costs.run.monthly"].change == pytest.approx((change,))
    assert change > 0
    low, high = found["outcomes.handling.realisation"].change
    assert low < 0 < high
    # Nothing hangs on what enters no money.
    text = CONFIG + '[outcomes.mood]\nmodel = "rating"\ncontrol = 3\ntreated = 3.5\nscale = [1, 5]\n'
    assert not any(path.startswith("outcomes.mood") for path in worths(world_of(tmp_path, text), "treated"))


def test_the_file_holds_the_same_cash(tmp_path: Path) -> None:
    world = world_of(tmp_path)
    stored = contents(world, "treated")
    assert (stored["samples"], stored["of"], stored["longest"]) == (200, 200, 18)
    cash = {1: np.zeros((200, 19)), -1: np.zeros((200, 19))}
    for term in stored["terms"]:
        left, right = (np.frombuffer(base64.b64decode(term[side]), "<f4") for side in ("left", "right"))
        cash[term["sign"]] += left.reshape(200, -1).astype(float) @ right.reshape(-1, 19)
    benefit, cost = what_if(world, "treated").cash({})
    np.testing.assert_allclose(cash[1], benefit, atol=1e-5 * benefit.max())
    np.testing.assert_allclose(cash[-1], cost, atol=1e-5 * cost.max())
    assert len(stored["rate"]["values"]) > 0  # uncertain: one for each sample
    assert stored["drivers"][0]["name"] in {"outcomes.handling.realisation", "outcomes.handling.effect"}


def test_courses_that_are_alike_take_few_columns() -> None:
    rng = np.random.default_rng(3)
    values = rng.normal(size=(50, 2)) @ rng.normal(size=(2, 12))
    assert table(values)["rank"] == 2
    assert table(np.zeros((3, 4)))["rank"] == 0
