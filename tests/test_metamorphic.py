"""What must not change, or change in a known way, when the input is turned round: for every outcome model."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from sim.contract import Priors
from sim.pilot.summary import read
from sim.records.reading import Reading
from sim.records.summary import PilotSummary
from sim.registry import models
from tests.fitting import summary
from tests.test_models_contract import example

ROWS = {
    "conversion": ("outcome", lambda rng: str(int(rng.random() < 0.3))),
    "cost": ("amount", lambda rng: f"{rng.gamma(2, 5):.3f}"),
    "revenue": ("amount", lambda rng: f"{rng.lognormal(3, 1):.2f}" if rng.random() < 0.4 else "0"),
    "count": ("events", lambda rng: str(rng.negative_binomial(2, 0.4))),
    "rating": ("rating", lambda rng: str(rng.integers(1, 6))),
    "churn": ("tenure,churned", lambda rng: f"{rng.integers(1, 9)},{int(rng.random() < 0.5)}"),
}


def rows_of(name: str, count: int = 400) -> list[str]:
    rng = np.random.default_rng(3)
    return [f"{'ab'[i % 2]},{'xyz'[i % 3]},{ROWS[name][1](rng)}" for i in range(count)]


def taken(folder: Path, name: str, header: str, rows: list[str], *, swapped: bool = False) -> PilotSummary:
    file = folder / "pilot.csv"
    file.write_text("\n".join([f"arm,land,{header}", *rows]) + "\n", encoding="utf-8")
    control, treated = ("b", "a") if swapped else ("a", "b")
    options: dict[str, Any] = {"scale": (1, 5)} if name == "rating" else {}
    reading = Reading(
        file,
        "pilot.csv",
        "outcomes.x",
        {role: role for role in header.split(",")},
        arm="arm",
        control=control,
        treated=(treated,),
        segment="land",
        options=options,
    )
    return read(reading, models()[name]).summary


@pytest.mark.parametrize("name", sorted(ROWS))
def test_the_order_of_rows_changes_nothing(tmp_path: Path, name: str) -> None:
    """Statistics agree to 12 digits: of sums of fractions the last digit hangs on the order."""
    rows = rows_of(name)
    first = taken(tmp_path, name, ROWS[name][0], rows)
    shuffled = [rows[i] for i in np.random.default_rng(4).permutation(len(rows))]
    again = taken(tmp_path, name, ROWS[name][0], shuffled)
    assert again.segments == first.segments
    for key, values in first.statistics.items():
        np.testing.assert_allclose(again.statistics[key], values, rtol=1e-12, atol=1e-12, err_msg=key)


def test_every_model_is_turned_round() -> None:
    assert set(ROWS) == set(models())


@pytest.mark.parametrize("name", ["conversion", "count", "rating", "cost", "churn"])
def test_rows_and_their_totals_are_the_same_pilot(tmp_path: Path, name: str) -> None:
    rows = rows_of(name)
    whole = taken(tmp_path, name, ROWS[name][0], rows)
    groups: dict[str, list[str]] = {}
    for row in rows:
        arm, land, values = row.split(",", 2)
        groups.setdefault(f"{arm},{land}", []).append(values)
    totals = []
    for key, found in groups.items():
        if name == "conversion":
            header = "trials,successes"
            totals.append(f"{key},{len(found)},{sum(map(int, found))}")
        elif name == "rating":
            header = "rating,count"
            totals += [f"{key},{point},{found.count(str(point))}" for point in range(1, 6)]
        elif name == "count":
            header = "events,exposure"
            totals += [f"{key},{value},1" for value in found]
        elif name == "cost":
            header = "n,mean,sd"
            values = np.array(found, dtype=float)
            totals.append(f"{key},{len(found)},{values.mean()!r},{values.std(ddof=1)!r}")
        else:
            header = "period,at_risk,churned"
            pairs = [tuple(map(int, value.split(","))) for value in found]
            for t in range(1, 9):
                at_risk = sum(tenure > t or (tenure == t) for tenure, _ in pairs)
                totals.append(f"{key},{t},{at_risk},{sum(left for tenure, left in pairs if tenure == t)}")
    grouped = taken(
        tmp_path, name, header, [total.replace("np.float64(", "").replace(")", "") for total in totals]
    )
    model = models()[name]
    np.testing.assert_allclose(grouped.size, whole.size)
    ours, theirs = model.data(grouped, Priors()), model.data(whole, Priors())
    for key, values in theirs.items():
        if np.shape(ours[key]) == np.shape(values):
            np.testing.assert_allclose(ours[key], values, rtol=1e-9, atol=1e-12, err_msg=key)


@pytest.mark.parametrize("name", sorted(ROWS))
def test_swapped_arms_turn_the_effect_round(name: str) -> None:
    model, pilot = models()[name], example(name, (2, 3))
    turned = {
        key: values[::-1] if values.shape[:2] == (2, 3) else values
        for key, values in pilot.statistics.items()
    }
    arrays = model.data(pilot, Priors())
    back = model.data(summary(model, turned), Priors())
    for prefix in ("", "pay_") if name == "revenue" else ("",):
        np.testing.assert_allclose(back[f"{prefix}effect_hat"], -arrays[f"{prefix}effect_hat"], atol=1e-12)
        np.testing.assert_allclose(back[f"{prefix}base_hat"], arrays[f"{prefix}base_hat"], atol=1e-12)
        np.testing.assert_allclose(
            back[f"{prefix}design"][0], -arrays[f"{prefix}design"][0][::-1], atol=1e-12
        )


@pytest.mark.parametrize("name", ["cost", "revenue"])
def test_a_hundred_times_the_amount_is_a_hundred_times_the_level(tmp_path: Path, name: str) -> None:
    rows = rows_of(name)
    scaled = [f"{arm},{land},{float(amount) * 100!r}" for arm, land, amount in (r.split(",") for r in rows)]
    model = models()[name]
    small, large = (taken(tmp_path, name, "amount", each) for each in (rows, scaled))
    np.testing.assert_allclose(model.ratio(large.statistics).mean, 100 * model.ratio(small.statistics).mean)
    a, b = model.data(small, Priors()), model.data(large, Priors())
    np.testing.assert_allclose(b["effect_hat"], a["effect_hat"], atol=1e-9)
    np.testing.assert_allclose(b["base_hat"] - b["m0"], a["base_hat"] - a["m0"], atol=1e-9)
    assert float(b["m0"] - a["m0"]) == pytest.approx(np.log(100))
