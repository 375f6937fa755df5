"""From table rows to statistics: the same figures as a plain calculation over the rows gives."""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping, Sequence
from typing import Any

import ibis
import numpy as np
import pytest

from sim.errors import ProblemsError
from sim.registry import models


def statistics(
    model: str, form: int, rows: Mapping[str, Sequence[Any]], types: Mapping[str, str], **options: Any
) -> dict[str, Any]:
    """Group rows in the database and condense them, as the reading of a pilot does."""
    columns = {"arm": [0] * len(next(iter(rows.values()))), "segment": ["all"], **rows}
    columns["segment"] = ["all"] * len(columns["arm"])
    if "arm" in rows:
        columns["arm"] = list(rows["arm"])
    table = ibis.memtable(columns, schema={"arm": "int64", "segment": "string", **types})
    chosen = models()[model].column_sets[form]
    grouped = chosen.aggregate(table, ["arm", "segment"], options).to_pyarrow()
    groups = {name: grouped[name].to_numpy() for name in grouped.column_names}
    groups["segment"] = np.zeros(len(groups["arm"]), dtype=np.int64)
    return chosen.condense(groups, (int(max(columns["arm"])) + 1, 1), options)


def broken(model: str, form: int, rows: Mapping[str, Sequence[Any]], types: Mapping[str, str]) -> list[int]:
    """Rows that break any rule of the form."""
    table = ibis.memtable(dict(rows), schema=dict(types)).mutate(row=ibis.row_number())
    found: set[int] = set()
    for rule in models()[model].column_sets[form].rules:
        found |= set(table.filter(rule.broken(table)).row.to_pyarrow().to_pylist())
    return sorted(found)


def test_conversion_rows_and_totals_are_the_same_statistics() -> None:
    outcome = [True, False, False, True, True]
    rows = statistics("conversion", 1, {"arm": [0, 0, 0, 1, 1], "outcome": outcome}, {"outcome": "boolean"})
    totals = statistics(
        "conversion",
        0,
        {"arm": [0, 0, 1], "trials": [1.0, 2.0, 2.0], "successes": [1.0, 0.0, 2.0]},
        {"trials": "float64", "successes": "float64"},
    )
    for found in (rows, totals):
        np.testing.assert_array_equal(found["trials"], [[3], [2]])
        np.testing.assert_array_equal(found["successes"], [[1], [2]])


def test_conversion_refuses_more_successes_than_trials() -> None:
    types = {"trials": "float64", "successes": "float64"}
    assert broken("conversion", 0, {"trials": [3.0, 3.0], "successes": [3.0, 4.0]}, types) == [1]


def test_cost_moments_of_rows() -> None:
    x = np.array([0.0, 2.0, 3.5, 11.0])
    found = statistics("cost", 0, {"amount": list(x)}, {"amount": "float64"})
    assert found["n"] == 4
    assert found["zeros"] == 1
    logs = np.log(x[1:])
    expected = {"mean": x.mean(), "sd": x.std(ddof=1), "log_mean": logs.mean(), "log_sd": logs.std(ddof=1)}
    for name, value in expected.items():
        assert found[name] == pytest.approx(value, rel=1e-14)


def test_cost_parts_of_a_cell_are_merged_exactly() -> None:
    """Equal parts, a part of one amount, an empty one; so far from 0 that Σx² would lose the sd."""
    rng = np.random.default_rng(1)
    one = 1e6 + rng.standard_normal(5)
    parts = [one, one, 1e6 + 3 * rng.standard_normal(40), np.array([1e6 + 7.0])]
    rows = {
        "n": [float(len(p)) for p in parts] + [0.0],
        "mean": [float(p.mean()) for p in parts] + [0.0],
        "sd": [float(p.std(ddof=1)) if len(p) > 1 else 0.0 for p in parts] + [0.0],
    }
    found = statistics("cost", 1, rows, dict.fromkeys(rows, "float64"))
    x = np.concatenate(parts)
    assert found["n"] == x.size
    assert found["mean"] == pytest.approx(x.mean(), rel=1e-15)
    assert found["sd"] == pytest.approx(x.std(ddof=1), rel=1e-9)
    assert "log_mean" not in found


def test_cost_refuses_spread_around_nothing() -> None:
    rows = {"n": [2.0, 2.0, 2.0], "mean": [0.0, 0.0, 1.0], "sd": [0.0, 1.0, 1.0]}
    assert broken("cost", 1, rows, dict.fromkeys(rows, "float64")) == [1]


DATES = {"start": "date", "end": "date"}
AS_OF = dt.date(2025, 12, 31)


def days(*offsets: int | None) -> list[dt.date | None]:
    """Days after 1 January 2025; None stays blank."""
    return [None if offset is None else dt.date(2025, 1, 1) + dt.timedelta(offset) for offset in offsets]


def test_churn_periods_of_dates() -> None:
    """A month is 30.4375 days: 30 days are in the first, 31 in the second; 364 days are 11 whole ones."""
    rows = {"start": days(0, 0, 0, 0), "end": days(0, 30, 31, None)}
    found = statistics("churn", 0, rows, DATES, as_of=AS_OF)
    np.testing.assert_array_equal(found["at_risk"][0, 0], [4, 2, 1, 1, 1, 1, 1, 1, 1, 1, 1, 0])
    np.testing.assert_array_equal(found["churned"][0, 0], [2, 1, *[0] * 10])
    np.testing.assert_array_equal(found["alive"][0, 0], [*[0] * 11, 1])
    assert models()["churn"].size(found)[0, 0] == 4


def test_churn_after_the_last_day_observed() -> None:
    """An end after it counts as still there, a start after it is left out, an end on it counts."""
    rows = {"start": days(358, 358, 400), "end": days(364, 365, 401)}
    found = statistics("churn", 0, rows, DATES, as_of=AS_OF, unit="week")
    np.testing.assert_array_equal(found["at_risk"][0, 0], [2, 0])
    np.testing.assert_array_equal(found["churned"][0, 0], [1, 0])
    np.testing.assert_array_equal(found["alive"][0, 0], [0, 1])


@pytest.mark.parametrize("role", ["entry", "treated_from"])
def test_churn_late_entry_is_at_risk_from_the_next_whole_period(role: str) -> None:
    """Entry on day 45 of tenure lies in month 2, so risk starts with month 3: no immortal time."""
    rows = {"start": days(0, 0, 0), "end": days(50, 100, None), role: days(45, 45, None)}
    found = statistics("churn", 0, rows, {**DATES, role: "date"}, as_of=AS_OF)
    np.testing.assert_array_equal(found["at_risk"][0, 0, :5], [1, 1, 2, 2, 1])
    np.testing.assert_array_equal(found["churned"][0, 0, :5], [0, 0, 0, 1, 0])


def test_churn_units_of_tenure() -> None:
    rows = {"start": days(0), "end": days(20)}
    weeks = statistics("churn", 0, rows, DATES, as_of=AS_OF, unit="week")
    assert np.flatnonzero(weeks["churned"]) == [2]
    assert weeks["period_months"] == pytest.approx(7 / 30.4375)
    years = statistics("churn", 0, {"start": days(0), "end": days(None)}, DATES, as_of=AS_OF, unit="year")
    assert np.flatnonzero(years["alive"]) == [0], "364 days are no whole year"
    assert years["period_months"] == pytest.approx(12.0)


def test_churn_blank_ends_need_a_last_day() -> None:
    with pytest.raises(ProblemsError, match="as_of"):
        statistics("churn", 0, {"start": days(0), "end": days(None)}, DATES)


def test_churn_refuses_an_end_before_the_start() -> None:
    assert broken("churn", 0, {"start": days(5, 5, 5), "end": days(4, 5, None)}, DATES) == [0]


def test_churn_tenures_dates_and_period_tables_are_the_same_statistics() -> None:
    """Left in months 1, 2, 2; still there after 0, 2 and 3 whole months."""
    tenure = {"tenure": [1.0, 2.0, 1.2, 0.4, 2.0, 3.4], "churned": [True, True, True, False, False, False]}
    by_tenure = statistics("churn", 1, tenure, {"tenure": "float64", "churned": "boolean"})
    end = dt.date(2025, 4, 20)
    rows = {"start": days(0, 0, 0, 100, 40, 0), "end": days(5, 40, 60, None, None, None)}
    by_date = statistics("churn", 0, rows, DATES, as_of=end)
    for found in (by_tenure, by_date):
        np.testing.assert_array_equal(found["at_risk"][0, 0], [5, 4, 1, 0])
        np.testing.assert_array_equal(found["churned"][0, 0], [1, 2, 0, 0])
        np.testing.assert_array_equal(found["alive"][0, 0], [1, 0, 1, 1])
    table = {"period": [1, 2, 3], "at_risk": [5.0, 4.0, 1.0], "churned": [1.0, 2.0, 0.0]}
    types = {"period": "int64", "at_risk": "float64", "churned": "float64"}
    by_period = statistics("churn", 2, table, types)
    for name in ("at_risk", "churned"):
        np.testing.assert_array_equal(by_period[name], by_tenure[name])
    np.testing.assert_array_equal(by_period["alive"][0, 0], [0, 0, 1, 1])


def test_churn_refuses_impossible_periods() -> None:
    rows = {"period": [0, 1, 1], "at_risk": [1.0, 1.0, 2.0], "churned": [0.0, 2.0, 2.0]}
    types = {"period": "int64", "at_risk": "float64", "churned": "float64"}
    assert broken("churn", 2, rows, types) == [0, 1]
