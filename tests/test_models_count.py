"""Count: what is read, what is fitted, and how a pilot is replayed."""

from __future__ import annotations

import importlib
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from scipy.stats import nbinom, poisson

from sim.contract import Priors
from sim.records.summary import Design
from sim.registry import models
from tests.fitting import summary
from tests.pilot_models import only, refused, table, take

MODEL = models()["count"]
COUNTS = importlib.import_module("sim.models._counts")


def csv(folder: Path, columns: Mapping[str, Any]) -> Path:
    """Write columns as a pilot table."""
    rows = zip(*columns.values(), strict=True)
    return table(folder, "\n".join([",".join(columns), *(",".join(map(str, row)) for row in rows)]) + "\n")


def drawn(rate: float, n: int = 300, kappa: float = 0.4, seed: int = 1) -> dict[str, Any]:
    """Units of two arms and two segments with exposures of their own."""
    rng = np.random.default_rng(seed)
    exposure = rng.choice([0.5, 0.7, 1.0, 3.0], n)
    events = rng.negative_binomial(1 / kappa, 1 / (1 + kappa * rate * exposure))
    arm, segment = rng.choice(["human", "bot"], n), rng.choice(["DE", "FR"], n)
    return {"arm": arm, "country": segment, "events": events, "exposure": exposure}


def cells(rows: Mapping[str, Any]) -> tuple[Any, Any]:
    """Positions of arm and segment of each row."""
    return (rows["arm"] == "bot").astype(int), (rows["country"] == "FR").astype(int)


def test_rows_with_exposure_become_totals_and_a_histogram(tmp_path: Path) -> None:
    rows = drawn(3.0)
    found = take(csv(tmp_path, rows), MODEL, segment="country").summary.statistics
    arm, segment = cells(rows)
    np.testing.assert_array_equal(found["exposure"], [0.5, 0.7, 1.0, 3.0])
    for a, s in np.ndindex(2, 2):
        here = (arm == a) & (segment == s)
        for i, x in enumerate((0.5, 0.7, 1.0, 3.0)):
            at = here & (rows["exposure"] == x)
            assert found["units"][a, s, i] == at.sum()
            assert found["events"][a, s, i] == rows["events"][at].sum()
        np.testing.assert_array_equal(found["histogram"][a, s], np.bincount(rows["events"][here], None, 128))


def test_rows_without_exposure_have_one_each(tmp_path: Path) -> None:
    columns = {"arm": ["human"] * 3 + ["bot"] * 2, "events": [0, 2, 5, 1, 1]}
    pilot = take(csv(tmp_path, columns), MODEL)
    found = pilot.summary.statistics
    np.testing.assert_array_equal(found["exposure"], [1])
    np.testing.assert_array_equal(found["events"][:, 0, 0], [7, 2])
    np.testing.assert_array_equal(found["histogram"][0, 0, :6], [1, 0, 1, 0, 0, 1])
    np.testing.assert_array_equal(pilot.summary.size[:, 0], [3, 2])
    assert pilot.column_set.rows


def test_any_number_of_distinct_rows_takes_the_same_room_and_keeps_totals(tmp_path: Path) -> None:
    rng = np.random.default_rng(2)
    exposure = np.round(rng.gamma(2, 50, 3000), 3) + 0.001
    events = rng.poisson(40 * exposure)
    arm = np.repeat(["human", "bot"], 1500)
    columns = {"arm": arm, "events": events, "exposure": exposure}
    found = take(csv(tmp_path, columns), MODEL).summary.statistics
    assert found["units"].shape == (2, 1, 32)
    assert found["histogram"].shape == (2, 1, 128)
    for a, name in enumerate(("human", "bot")):
        here = arm == name
        assert found["histogram"][a].sum() == pytest.approx(1500, rel=1e-12)
        assert found["histogram"][a, 0] @ found["value"] == pytest.approx(events[here].sum(), rel=1e-9)
        assert found["units"][a, 0] @ found["exposure"] == pytest.approx(exposure[here].sum(), rel=1e-9)
        assert found["events"][a].sum() == pytest.approx(events[here].sum(), rel=1e-12)
    assert len(np.unique(events)) > 1000


def test_impossible_rows_are_refused(tmp_path: Path) -> None:
    columns = {"arm": ["human", "bot"], "events": [1, 2], "exposure": [0, 1]}
    problem = only(refused(csv(tmp_path, columns), MODEL))
    assert "events without exposure" in problem.found
    assert problem.line == 2
    columns = {"arm": ["human", "bot"], "events": ["1.5", "2"]}
    assert "whole" in only(refused(csv(tmp_path, columns), MODEL)).found


@pytest.mark.parametrize("rate", [0.05, 3.0, 11.0])
def test_the_likelihood_is_the_negative_binomial_of_the_rows(tmp_path: Path, rate: float) -> None:
    """Up to one constant, for any kappa down to 0; rates of 11 need the terms beyond the exact ones."""
    import pytensor
    import pytensor.tensor as pt

    rows = drawn(rate)
    pilot = take(csv(tmp_path, rows), MODEL, segment="country").summary
    data = {name: pt.as_tensor(values) for name, values in MODEL.data(pilot, Priors()).items()}
    eta, kappa = pt.matrix(), pt.vector()
    written = COUNTS.log_likelihood(data, eta, kappa)
    ours = pytensor.function([eta, kappa], written, mode="FAST_COMPILE")
    arm, segment = cells(rows)
    gaps = []
    for k in ((0.4, 0.5), (3.0, 2.0), (1e-3, 0.05), (1e-6, 1e-12)):
        at = np.log(rate) + 0.3 * np.random.default_rng(3).standard_normal((2, 2)) + k[0]
        mu, r = rows["exposure"] * np.exp(at[arm, segment]), 1 / np.array(k)[arm]
        direct = nbinom.logpmf(rows["events"], r, 1 / (1 + mu / r))
        exact = np.where(r > 1e9, poisson.logpmf(rows["events"], mu), direct)
        gaps.append(float(ours(at, np.array(k))) - exact.sum())
    assert rows["events"].max() < 128
    assert rows["events"].max() > 50 or rate < 11
    # Without its constant, sum log(v!) - v log(x), the likelihood is off by the same everywhere.
    np.testing.assert_allclose(gaps, gaps[0], rtol=0, atol=2e-6)


def test_swapping_arms_flips_the_effect_and_the_dispersions(tmp_path: Path) -> None:
    """The log density at a point of one pilot is that at the mirrored point of the other."""
    rows = drawn(2.0)
    flipped = rows | {"arm": np.where(rows["arm"] == "bot", "human", "bot")}
    one, other = (take(csv(tmp_path, each), MODEL).summary for each in (rows, flipped))
    built = MODEL.build(one, Priors())
    density = built.compile_logp(mode="FAST_COMPILE")
    point = built.initial_point() | {"_base": np.array(0.3), "_sd": np.array(0.6)}

    def at(sign: float) -> float:
        return float(density(point | {"_delta": np.array([0.7 * sign]), "_ratio": np.array([0.2 * sign])}))

    before, mirrored = at(1.0), at(-1.0)
    for name, values in MODEL.data(other, Priors()).items():
        built.set_data(name, values)
    assert at(-1.0) == pytest.approx(before, rel=1e-10)
    assert abs(mirrored - before) > 1e-3


def test_totals_are_taken_as_poisson_with_a_warning(tmp_path: Path) -> None:
    columns = {"arm": ["human", "bot"], "events": [400, 300], "exposure": [1000, 990.5]}
    pilot = take(csv(tmp_path, columns), MODEL).summary
    assert [(c.name, c.status) for c in MODEL.check(pilot, stock=False)] == [("totals-only", "warn")]
    draws = MODEL.prior(pilot, Priors(), 10, rng=np.random.default_rng(1))
    assert (draws["dispersion"] < 1e-9).all()
    units = take(csv(tmp_path, drawn(2.0)), MODEL).summary
    assert MODEL.check(units, stock=False) == ()
    assert MODEL.prior(units, Priors(), 10, rng=np.random.default_rng(1))["dispersion"].max() > 0.1


def test_findings_on_empty_and_quiet_arms() -> None:
    one = {"units": [[[50.0]], [[0.0]]], "events": [[[2.0]], [[0.0]]], "exposure": [1.0]}
    histogram = np.zeros((2, 1, 128))
    histogram[0, 0, :2] = 48, 2
    pilot = summary(MODEL, {**one, "histogram": histogram, "value": np.arange(128)})
    found = [(check.name, check.status) for check in MODEL.check(pilot, stock=False)]
    assert found == [("few-events", "warn"), ("empty-arm", "fail")]


def test_ratio_has_the_variance_of_units(tmp_path: Path) -> None:
    """Against 1,000 pilots of the same exposures: 30 % is 5 standard errors of both, 1e-6 false alarms."""
    rows = drawn(2.0, 4000)
    pilot = take(csv(tmp_path, rows), MODEL).summary
    ratio = MODEL.ratio(pilot.statistics)
    rng, x = np.random.default_rng(4), rows["exposure"]
    events = rng.negative_binomial(1 / 0.4, 1 / (1 + 0.8 * x), (1000, x.size))
    stated = (ratio.variance / ratio.denominator)[:, 0]
    for a in (0, 1):
        seen = events[:, cells(rows)[0] == a].sum(axis=1) / ratio.denominator[a]
        assert seen.var() / stated[a] == pytest.approx(1, abs=0.3)
    np.testing.assert_allclose(ratio.mean, 2.0, rtol=0.1)
    grids = ("exposure", "value")
    nothing = MODEL.ratio({name: v if name in grids else 0 * v for name, v in pilot.statistics.items()})
    assert (nothing.mean == 0).all()
    assert np.isfinite(nothing.variance).all()


@pytest.mark.parametrize(("mu", "kappa"), [(7.3, 0.5), (7.3, 1e-12), (0.02, 3.0)])
def test_replayed_units_have_the_chances_of_the_negative_binomial(mu: float, kappa: float) -> None:
    grid = COUNTS.value_grid(0, 100)
    found = COUNTS._shares(grid, np.array([mu]), np.array([kappa]))
    exact = nbinom.pmf(grid, 1 / kappa, 1 / (1 + kappa * mu)) if kappa > 1e-9 else poisson.pmf(grid, mu)
    np.testing.assert_allclose(found, exact / exact.sum(), atol=1e-12)


def test_a_coarse_grid_keeps_the_mean_and_nearly_the_variance() -> None:
    grid = COUNTS.value_grid(0, 60_000)
    share = COUNTS._shares(grid, np.array([730.0]), np.array([0.4]))
    mean = share @ grid
    assert mean == pytest.approx(730, rel=1e-9)
    assert (share @ grid**2 - mean**2 - mean) / mean**2 == pytest.approx(0.4, abs=0.003)


def test_a_design_effect_thins_what_the_pilot_says(tmp_path: Path) -> None:
    pilot = take(csv(tmp_path, drawn(2.0)), MODEL).summary
    thin = MODEL.data(replace(pilot, design=Design(effect=4.0)), Priors())
    whole = MODEL.data(pilot, Priors())
    for name in ("events", "units", "tail", "beyond"):
        np.testing.assert_allclose(4 * thin[name], whole[name])


def test_a_segment_without_data_stays_finite(tmp_path: Path) -> None:
    pilot = take(csv(tmp_path, drawn(2.0)), MODEL).summary.extended(("new",))
    arrays = MODEL.data(pilot, Priors())
    assert all(np.isfinite(values).all() for values in arrays.values())
    assert (arrays["units"][:, 1] == 0).all()
    draws = MODEL.prior(pilot, Priors(), 20, rng=np.random.default_rng(1))
    made = MODEL.simulate(draws, pilot, rng=np.random.default_rng(2))
    assert (made["events"][:, :, 1] == 0).all()
