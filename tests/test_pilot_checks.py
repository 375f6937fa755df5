"""Split between arms, rows left out, totals, and how long the pilot ran."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import stats

from sim.errors import ProblemsError
from sim.pilot.checks import missing_rows, sample_ratio
from sim.records.summary import PilotSummary
from tests.pilot_models import AMOUNT, RATE, refused, table, take


def pilot(*units, has_control=True):
    arms = ("human", "a", "b")[: len(units)]
    size = np.array([[n / 2, n / 2] for n in units], dtype=float)
    return PilotSummary(arms, ("x", "y"), {}, size, has_control=has_control)


def checks(found):
    return {check.name: check for check in found.checks}


@pytest.mark.parametrize(
    ("units", "split", "acknowledged", "status"),
    [
        ((5000, 5100), 0.5, False, "ok"),
        ((5000, 5600), 0.5, False, "fail"),
        ((5000, 5600), 0.5, True, "warn"),
        ((5000, 5600), None, False, "warn"),
        ((5000, 5600), None, True, "warn"),
        ((5000, 5100), None, False, "ok"),
        ((1000, 2000), 2 / 3, False, "ok"),
        ((1000, 1000), 2 / 3, False, "fail"),
        ((1000.5, 2000.25), 2 / 3, False, "ok"),
        ((1000, 500, 500), {"a": 0.25, "b": 0.25}, False, "ok"),
        ((1000, 500, 500), 0.5, False, "ok"),
        ((1000, 500, 700), {"a": 0.25, "b": 0.25}, False, "fail"),
        ((1000, 500, 500), {"human": 0.5, "a": 0.25, "b": 0.25}, False, "ok"),
        ((1000,), 0.5, False, "ok"),
        ((0, 0), 0.5, False, "ok"),
    ],
)
def test_sample_ratio(units, split, acknowledged, status):
    check = sample_ratio(pilot(*units), split, acknowledged)
    assert (check.name, check.status) == ("sample-ratio", status)
    assert (status in ("ok",)) == (check.remedy == "")


def test_sample_ratio_is_the_chi_square_test():
    # just on either side of the limit, by another implementation
    for treated in range(5000, 5500, 20):
        p = stats.chisquare([5000, treated], [(5000 + treated) / 2] * 2).pvalue
        assert (sample_ratio(pilot(5000, treated), 0.5, False).status == "fail") == (p < 0.001)


def test_treated_arms_without_control_have_no_split():
    assert sample_ratio(pilot(1000, 10, has_control=False), 0.5, False).status == "ok"


@pytest.mark.parametrize("split", [{"robot": 0.5}, {"a": 1.2}, {"a": 0.7, "b": 0.4}, 1.0, 0.0])
def test_a_split_that_does_not_fit(split):
    with pytest.raises(ProblemsError, match="split"):
        sample_ratio(pilot(10, 10, 10), split, False)


def test_a_warning_says_how_to_declare_the_split():
    check = sample_ratio(pilot(1000, 2000), None, False)
    assert "'human' 33.33%, 'a' 66.67%" in check.message
    assert "`split`" in check.remedy


@pytest.mark.parametrize(
    ("rows", "used", "blank", "status"),
    [
        ((100, 100), (100, 100), 0, "ok"),
        ((1000, 1000), (995, 996), 0, "note"),
        ((1000, 1000), (900, 900), 0, "warn"),
        ((10000, 10000), (9999, 9950), 0, "warn"),
        ((1000, 1000), (1000, 1000), 3, "note"),
        ((1000,), (990,), 0, "note"),
        ((0, 10), (0, 10), 0, "ok"),
    ],
)
def test_missing_rows(rows, used, blank, status):
    assert missing_rows(("human", "a")[: len(rows)], rows, used, blank).status == status


def test_missing_cells_and_codes_are_left_out_and_counted(tmp_path):
    cells = ["1", "-999", "-999.0", "", "NA", " ", "0", "1"]
    rows = "".join(f"{arm},{cell}\n" for arm in ("human", "bot") for cell in cells)
    found = take(table(tmp_path, "arm,outcome\n" + rows), missing=(-999, "NA"))
    np.testing.assert_array_equal(found.summary.statistics["trials"], [[3], [3]])
    np.testing.assert_array_equal(found.summary.statistics["successes"], [[2], [2]])
    check = checks(found)["missing-rows"]
    assert check.status == "warn"
    assert "10 of 16 rows" in check.message
    assert "human 5, bot 5" in check.message
    # without the codes the cells are malformed
    assert {p.key for p in refused(table(tmp_path, "arm,outcome\n" + rows))} == {"outcome"}


def test_rows_of_other_arms_are_not_even_parsed(tmp_path):
    text = "arm,outcome\nhuman,1\nbot,0\nthird,what?\n"
    found = take(table(tmp_path, text))
    assert checks(found)["other-arms"].message == '1 of 3 rows belong to other arms and are left out: "third"'
    only = take(table(tmp_path, text.replace("human,1", "human,old")), control=None)
    assert (only.summary.arms, only.summary.has_control) == (("bot",), False)
    control = take(table(tmp_path, text.replace("bot,0", "bot,?")), treated=())
    assert (control.summary.arms, control.summary.has_control) == (("human",), True)


def test_rows_without_an_arm_are_counted_among_the_missing(tmp_path):
    found = take(table(tmp_path, "arm,outcome\nhuman,1\nbot,0\n,1\n"))
    assert found.summary.size.sum() == 2
    assert "without an arm 1" in checks(found)["missing-rows"].message


def test_rows_left_over_by_an_earlier_outcome(tmp_path):
    rows = "human,1,no\nhuman,4,yes\nbot,2,no\nbot,,yes\nbot,8,yes\nbot,16,NO\nbot,32,\nbot,,no\n"
    found = take(table(tmp_path, "arm,amount,resolved\n" + rows), AMOUNT, failed=("resolved",))
    np.testing.assert_array_equal(found.summary.statistics["total"], [[1], [50]])
    assert checks(found)["after"].message.startswith("3 of 8 rows")
    assert "1 of 5 rows" in checks(found)["missing-rows"].message


def test_several_treated_arms_keep_their_order(tmp_path):
    file = table(tmp_path, "arm,trials,successes\nb,1,1\nhuman,2,1\na,3,1\nc,4,1\n")
    found = take(file, treated=("c", "a", "b")).summary
    assert found.arms == ("human", "c", "a", "b")
    np.testing.assert_array_equal(found.size[:, 0], [2, 4, 3, 1])


def test_labels_are_compared_as_text(tmp_path):
    rows = "variant,outcome\n0,1\n1,0\n1,1\n01,1\n"
    found = take(table(tmp_path, rows), arm="variant", control="0", treated=("1",)).summary
    np.testing.assert_array_equal(found.size[:, 0], [1, 2])


def test_blank_segments(tmp_path):
    rows = "human,1,DE\nhuman,0,\nbot,1,DE\nbot,1,\n"
    found = take(table(tmp_path, "arm,outcome,country\n" + rows), segment="country")
    assert found.summary.segments == ("(blank)", "DE")
    assert checks(found)["blank-segment"].status == "warn"


def test_a_grand_total_among_the_segments(tmp_path):
    rows = [(arm, s, n, 1) for arm in ("human", "bot") for s, n in (("DE", 10), ("FR", 20), ("Summe", 30))]
    text = "arm,country,trials,successes\n" + "".join(",".join(map(str, row)) + "\n" for row in rows)
    assert '"Summe"' in checks(take(table(tmp_path, text), segment="country"))["totals-row"].message
    fine = text.replace("bot,Summe,30", "bot,Summe,31")
    assert "totals-row" not in checks(take(table(tmp_path, fine), segment="country"))


DAYS = 365 / 12


@pytest.mark.parametrize(
    ("header", "values", "months"),
    [
        ("day", ["2025-01-02", "2025-01-31"], 30 / DAYS),
        ("day", ["2025-01-02", "2025-01-02"], 1 / DAYS),
        ("when", ["2025-01-01", "2025-02-01", "2025-06-01"], 6),
        ("when", ["2024-11", "2025-02"], 4),
        ("month", ["1", "2", "3"], 3),
        ("Pilot month", ["Jan", "Feb", "Jan"], 2),
        ("week", ["1", "2", "9"], 3 * 7 / DAYS),
        ("cohort", ["1", "2", "3"], None),
        ("when", ["13/01/2025", "12/02/2025"], 31 / DAYS),
        ("month", ["", ""], None),
    ],
)
def test_months_of_a_pilot(tmp_path, header, values, months):
    rows = "".join(f"{('human', 'bot')[i % 2]},1,{value}\n" for i, value in enumerate(values))
    rows += "third,1,1999-01-01\n"
    found = take(table(tmp_path, f"arm,outcome,{header}\nhuman,1,\nbot,1,\n{rows}"), period=header).summary
    assert found.months == (months if months is None else pytest.approx(months, rel=1e-12))


def test_a_period_that_can_be_read_two_ways(tmp_path):
    file = table(tmp_path, "arm,outcome,when\nhuman,1,01/02/2025\nbot,1,03/02/2025\n")
    (problem,) = refused(file, period="when")
    assert (problem.line, problem.key) == (2, "when")


def test_a_pilot_of_the_rate_model_is_whole(tmp_path):
    found = take(table(tmp_path, "arm,trials,successes\nhuman,4,1\nbot,4,1\n"), RATE)
    assert [check.status for check in found.checks] == ["ok"]
    assert (found.summary.origin, found.summary.months) == ("pilot.csv", None)
