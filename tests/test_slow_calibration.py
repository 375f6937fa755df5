"""A short simulation-based calibration of every model, and bugs planted in the real path that it must catch.

The long one is `poe calibrate`. Seeds are fixed; false alarms are for a correct model under fresh seeds.
"""

from __future__ import annotations

import numpy as np
import pytest

from calibration.cells import Cell
from calibration.quantities import LIKELIHOOD, kind_of
from calibration.run import calibrate
from calibration.verdict import judge
from sim.records.arrays import FloatArray
from sim.records.summary import Kind

pytestmark = [pytest.mark.slow, pytest.mark.timeout(1500)]

N = 40
LEVEL = 1e-3 / (6 * 50 * 4)
"""At most 50 quantities in each of six cells, four tests each: 1e-3 in all."""
CELLS: dict[str, Kind] = {
    "conversion": "randomised",
    "cost": "difference-in-differences",
    "churn": "before-after",
    "revenue": "randomised",
    "count": "before-after",
    "rating": "difference-in-differences",
}


@pytest.mark.parametrize("name", sorted(CELLS))
def test_truths_rank_uniformly_from_table_to_money(name: str) -> None:
    ranks = calibrate(Cell(name, CELLS[name]), N, seed=71)
    assert len(ranks.names) <= 50
    assert {"NPV", "delta", "effect", "level", "tau", LIKELIHOOD} <= {kind_of(one) for one in ranks.names}
    failed = [(one.name, one.p, one.coverage) for one in judge(ranks, LEVEL) if not one.passed]
    assert failed == []
    assert (ranks.divergences > 0).mean() <= 0.1
    # Ranks of draws that repeat one another would not be uniform.
    assert ranks.repeat.mean() < 0.1


def silent(arrays: dict[str, FloatArray]) -> dict[str, FloatArray]:
    return arrays | {name: 0 * arrays[name] for name in ("trials", "successes")}


def swapped(arrays: dict[str, FloatArray]) -> dict[str, FloatArray]:
    return arrays | {name: arrays[name][::-1].copy() for name in ("trials", "successes")}


def overconfident(arrays: dict[str, FloatArray]) -> dict[str, FloatArray]:
    mean, sd = arrays["effect_prior"]
    return arrays | {"effect_prior": np.array([mean, sd / 10])}


def test_planted_bugs_are_caught() -> None:
    """Without a likelihood only its own rank can tell; swapped cells and a narrow prior show in the effect.

    The other quantities of the first are judged as above: at most 5e-4 false alarms.
    """
    cell = Cell("conversion", "before-after")
    found = {one.name: one for one in judge(calibrate(cell, N, seed=72, alter=silent), LEVEL)}
    assert not found[LIKELIHOOD].passed
    assert found["delta[treated]"].passed
    assert found["tau[treated]"].passed
    for bug in (swapped, overconfident):
        found = {one.name: one for one in judge(calibrate(cell, N, seed=73, alter=bug), LEVEL)}
        assert not found["delta[treated]"].passed, bug.__name__
        assert bug is overconfident or not found["NPV[treated]"].passed  # whose NPV is mostly level and drift
