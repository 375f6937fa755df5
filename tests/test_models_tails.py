"""Families of churn tails and what is told of them, churn as a ratio, and the dates that feed it."""

from __future__ import annotations

import datetime as dt
import importlib
from typing import Any

import ibis
import numpy as np
import pytest

from sim.registry import models
from tests.fitting import COHORTS, summary, tenures
from tests.test_models_columns import DATES, days, statistics

CHURN = models()["churn"]
LIFETIME: Any = importlib.import_module("sim.models._lifetime")
FAMILIES = {family.name: family for family in LIFETIME.FAMILIES}


def counts(cohort: str, years: int) -> tuple[Any, Any]:
    left = np.array(COHORTS[cohort][: years + 1], dtype=float)
    return left[:-1], -np.diff(left)


@pytest.mark.parametrize(
    ("cohort", "alpha", "beta", "reached"),
    [("regular", 0.704, 1.182, 0.170), ("high-end", 0.668, 3.806, 0.378)],
)
def test_shifted_beta_geometric_of_the_published_cohorts(
    cohort: str, alpha: float, beta: float, reached: float
) -> None:
    """Fader & Hardie (2007), years 1-7 by maximum likelihood: parameters and share left after year 12."""
    family = FAMILIES["shifted-beta-geometric"]
    at = LIFETIME.maximum_likelihood(family, *counts(cohort, 7))
    assert np.exp(at[0] - at[1]) == pytest.approx(alpha, abs=1e-3)
    assert np.exp(-at[1]) == pytest.approx(beta, abs=1e-3)
    assert LIFETIME.Tail(family, at, 0.0).survival(np.array(12.0)) == pytest.approx(reached, abs=1e-3)


@pytest.mark.parametrize(
    ("name", "regular", "high"),
    [("Weibull", 0.137, 0.333), ("Gompertz", 0.209, 0.412), ("beta-discrete-Weibull", 0.177, 0.404)],
)
def test_other_families_of_the_published_cohorts(name: str, regular: float, high: float) -> None:
    for cohort, expected in (("regular", regular), ("high-end", high)):
        at = LIFETIME.maximum_likelihood(FAMILIES[name], *counts(cohort, 7))
        left = LIFETIME.Tail(FAMILIES[name], at, 0.0).survival(np.array(12.0))
        assert left == pytest.approx(expected, abs=0.006)


@pytest.mark.parametrize(
    ("name", "parameters"),
    [
        ("shifted-beta-geometric", [-2.5, -0.7]),
        ("beta-discrete-Weibull", [-2.5, -0.7, 0.4]),
        ("Weibull", [-3.0, 0.5]),
        ("Gompertz", [-3.0, 0.1]),
        ("Gompertz", [-2.0, -0.2]),
    ],
)
def test_maximum_likelihood_finds_the_curve_behind_exact_counts(name: str, parameters: list[float]) -> None:
    """Expected counts have their maximum at the truth: the survival is found again far beyond them."""
    truth = LIFETIME.Tail(FAMILIES[name], np.array(parameters), 0.0)
    share = truth.survival(np.arange(13.0))
    at_risk, left = 1e6 * share[:-1], -1e6 * np.diff(share)
    found = LIFETIME.Tail(FAMILIES[name], LIFETIME.maximum_likelihood(FAMILIES[name], at_risk, left), 0.0)
    np.testing.assert_allclose(
        found.survival(np.array([6.0, 12, 24])), truth.survival(np.array([6, 12, 24.0])), rtol=0.01
    )


def test_forecasts_of_later_tenures_tell_a_wrong_family() -> None:
    """A million customers with a rising hazard: the shifted-beta-geometric can only fall and is left out."""
    truth = LIFETIME.Tail(FAMILIES["Gompertz"], np.array([-4.0, 0.15]), 0.0)
    share = truth.survival(np.arange(13.0))
    tails = LIFETIME.fit_tails(1e6 * share[:-1], -1e6 * np.diff(share))
    assert tails[-1].score == max(tail.score for tail in tails)
    shown = [tail.family.name for tail in LIFETIME.plausible(tails)]
    assert shown[0] == LIFETIME.MAIN
    assert "Gompertz" in shown
    assert "shifted-beta-geometric" not in shown


def test_the_regular_cohort_is_told_with_the_families_that_forecast_it() -> None:
    found = CHURN.check(summary(CHURN, tenures([COHORTS["regular"][:8]], 12.0)), stock=False)
    assert [(check.name, check.status) for check in found] == [("tail", "note")]
    assert "month 84" in found[0].message
    assert "months 168 and 252" in found[0].message
    assert "beta-discrete-Weibull 16.2 and" in found[0].message
    assert "shifted-beta-geometric 15.4 and" in found[0].message
    assert "Weibull 11" not in found[0].message, "9 units behind"


def test_tails_that_part_far_beyond_the_pilot_are_a_warning() -> None:
    """Five months of a few customers: at month 15 the Gompertz has 7 % of them left, another tail 37 %."""
    (found,) = CHURN.check(summary(CHURN, tenures([[100, 95, 90, 84, 78, 71]] * 2)), stock=False)
    assert found.status == "warn"
    assert "up to 5.4 times apart" in found.message


def test_a_single_period_tells_nothing_of_the_tail() -> None:
    (found,) = CHURN.check(summary(CHURN, tenures([[500, 400]] * 2)), stock=False)
    assert (found.name, found.status) == ("tail", "warn")
    assert "the prior" in found.message


@pytest.mark.parametrize("months", [3, 6])
def test_the_hazard_of_dates_is_not_raised_by_cut_periods(months: int) -> None:
    """Joiners all through a pilot leave at 6 % a month: found within 5 standard errors (6e-7 false alarms).

    Counting those who leave in a period cut by the last day, but not those who stay, gave 8.8 and 7.1 %.
    """
    rng, n, hazard = np.random.default_rng(2), 20_000, 0.06
    whole = int(months * 30.4375)
    start = rng.integers(0, whole, n)
    end = start + np.floor(rng.exponential(-30.4375 / np.log(1 - hazard), n)).astype(int)
    last = dt.date(2025, 1, 1) + dt.timedelta(whole - 1)
    found = statistics(
        "churn", 0, {"start": days(*start.tolist()), "end": days(*end.tolist())}, DATES, as_of=last
    )
    tenure = np.minimum(end, whole) - start
    again = {"tenure": list(tenure / 30.4375), "churned": list(end < whole)}
    rows = statistics("churn", 1, again, {"tenure": "float64", "churned": "boolean"})
    for counted in (found, rows):
        left, at_risk = counted["churned"].sum(), counted["at_risk"].sum()
        assert left / at_risk == pytest.approx(
            hazard, abs=5 * np.sqrt(hazard * (1 - hazard) / at_risk) + 5e-4
        )
    assert CHURN.size(found).sum() == n


LAUNCH = dt.date(2025, 3, 12)
"""Day 70: ten weeks after 1 January 2025."""


def phases(**rows: Any) -> Any:
    """Counts by phase (before, after) of customers of one arm, in weeks, observed for 20 weeks."""
    columns = {"arm": [0] * len(rows["start"]), "segment": ["all"] * len(rows["start"]), **rows}
    schema = {"arm": "int64", "segment": "string"} | dict.fromkeys(rows, "date")
    table = ibis.memtable(columns, schema=schema)
    options = {"as_of": dt.date(2025, 1, 1) + dt.timedelta(139), "unit": "week", "launch": LAUNCH}
    chosen = CHURN.column_sets[0]
    grouped = chosen.aggregate(table, ["arm", "segment", "phase"], options).to_pyarrow()
    groups = {name: grouped[name].to_numpy() for name in grouped.column_names}
    groups["segment"] = np.zeros(grouped.num_rows, dtype=np.int64)
    groups["arm"] = groups["arm"] * 2 + groups["phase"]
    found = chosen.condense(groups, (2, 1), options)
    return {name: values[:, 0] for name, values in found.items()}


def test_time_before_and_after_a_launch_is_told_apart() -> None:
    """Days 0-69 are before. Left on day 30, 69 (week 10), 70 (after), never; joined on day 70 and 75."""
    found = phases(start=days(0, 0, 0, 0, 70, 75), end=days(30, 69, 70, None, 90, None))
    np.testing.assert_array_equal(found["at_risk"][0, :11], [4, 4, 4, 4, 4, 3, 3, 3, 3, 3, 0])
    np.testing.assert_array_equal(np.flatnonzero(found["churned"][0]), [4, 9])
    np.testing.assert_array_equal(np.flatnonzero(found["alive"][0]), [10])
    assert found["alive"][0, 10] == 2
    # After: two who were there are at risk from week 11 on, the new ones from their first week.
    expected = [2, 2, 2, 1, 1, 1, 1, 1, 1, 0, 2, 1]
    np.testing.assert_array_equal(found["at_risk"][1, :12], expected)
    np.testing.assert_array_equal(np.flatnonzero(found["churned"][1]), [2, 10])
    np.testing.assert_array_equal(np.flatnonzero(found["alive"][1]), [9, 20])


def test_phases_hold_each_week_that_was_seen_from_end_to_end() -> None:
    """Against a loop over customers and weeks: those cut by entry, launch or the last day are in neither."""
    rng = np.random.default_rng(4)
    start = rng.integers(0, 140, 800)
    end = start + rng.integers(0, 200, 800)
    entry = start + rng.integers(0, 60, 800) * rng.integers(0, 2, 800)
    found = phases(start=days(*start.tolist()), end=days(*end.tolist()), entry=days(*entry.tolist()))
    length = found["at_risk"].shape[1]
    at_risk, churned = np.zeros((2, length)), np.zeros((2, length))
    for begun, left, seen in zip(start, end, entry, strict=True):
        for week in range(length):
            first, last = begun + 7 * week, begun + 7 * week + 6
            for phase, (opened, closed) in enumerate(((0, 69), (70, 139))):
                if first >= max(opened, seen) and last <= closed and left >= first:
                    at_risk[phase, week] += 1
                    churned[phase, week] += left <= last
    np.testing.assert_array_equal(found["at_risk"], at_risk)
    np.testing.assert_array_equal(found["churned"], churned)
    assert churned.sum(axis=1).min() > 40


def test_a_launch_respects_late_entry_and_treatment() -> None:
    """Entered on day 35: at risk from week 6; on day 77: not before. Treated from day 84: from week 13."""
    rows = {"start": days(0, 0, 0), "end": days(None, None, None)}
    entered = phases(**rows, entry=days(35, 77, None), treated_from=days(None, None, 84))
    np.testing.assert_array_equal(entered["at_risk"][0, :11], [1, 1, 1, 1, 1, 2, 2, 2, 2, 2, 0])
    np.testing.assert_array_equal(entered["at_risk"][1, 9:14], [0, 1, 2, 3, 3])


def test_ratio_counts_leavers_against_those_expected_at_their_tenures() -> None:
    """Arms of other tenures but the same hazards have the same mean; nobody seen is no division by zero."""
    at_risk = np.array([[[1000.0, 500.0], [0, 0]], [[100.0, 3000.0], [0, 0]]])
    found = CHURN.ratio({"at_risk": at_risk, "churned": at_risk * [0.2, 0.04], "alive": 0 * at_risk})
    np.testing.assert_allclose(found.mean, [[1, 0], [1, 0]], rtol=1e-12)
    np.testing.assert_allclose(found.numerator, [[220, 0], [140, 0]])
    np.testing.assert_allclose(found.denominator[:, 0], [220, 140])
    assert found.variance[1, 0] == pytest.approx((20 * 0.8 + 120 * 0.96) / 140)
    assert np.isfinite(found.variance).all()
    nothing = CHURN.ratio({"at_risk": 0 * at_risk, "churned": 0 * at_risk, "alive": 0 * at_risk})
    assert (nothing.mean == 0).all()


def test_ratio_has_the_variance_of_independent_customers() -> None:
    """Over 4,000 pilots that share their hazards: within 5 standard errors (7 % of it), 6e-7 false alarms."""
    rng, at_risk = np.random.default_rng(5), np.full((1, 4000, 3), 200.0)
    left = rng.binomial(200, [0.4, 0.2, 0.1], (1, 4000, 3)).astype(float)
    found = CHURN.ratio({"at_risk": at_risk, "churned": left, "alive": 0 * left})
    stated = (found.variance / found.denominator).mean()
    assert found.mean.var() / stated == pytest.approx(1, abs=5 * np.sqrt(2 / 4000))
