"""Every malformed number, flag and date is named: file, line, column, and how to mend it."""

from __future__ import annotations

import numpy as np
import openpyxl
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from tests.pilot_models import (
    AMOUNT,
    SPAN,
    only,
    place,
    refused,
    table,
    take,
)

HEAD = "arm,trials,successes\n"


@pytest.mark.parametrize(
    ("cell", "found", "remedy"),
    [
        ("abc", "is not a number", "missing"),
        ("12 EUR", "is not a plain number", "alone"),
        ("€5", "is not a plain number", "alone"),
        ('"1,5"', "has a decimal comma", "1.5"),
        ('"1,500"', "decimal comma or a thousands separator", "1234"),
        ('"1,234,567.8"', "has thousands separators", "without"),
        ("1.234.567", "has thousands separators", "without"),
        ("1 234 567", "has thousands separators", "without"),
        ("1'234", "has thousands separators", "without"),
        ("5%", "is a percentage", "0.05"),
        ("NaN", "is no finite number", "missing"),
        ("-inf", "is no finite number", "missing"),
        ("1e400", "is too large", "missing"),
        ("-3", "is negative", "missing"),
        ("1_000", "is not a plain number", "alone"),
        ("0x10", "is not a plain number", "alone"),
        ("1e", "is not a plain number", "alone"),
        ("٣", "is not a plain number", "alone"),
        ("#DIV/0!", "is not a plain number", "alone"),
        ("true", "is not a number", "missing"),
    ],
)
def test_text_that_is_no_amount(tmp_path, cell, found, remedy):
    problem = only(
        refused(table(tmp_path, f"arm,paid\nhuman,1.5\nbot,{cell}\n"), AMOUNT, columns={"amount": "paid"})
    )
    assert place(problem) == ("pilot.csv", 3, "paid")
    assert found in problem.found
    assert cell.strip('"') in problem.found
    assert remedy in problem.remedy


@pytest.mark.parametrize(
    ("cell", "found"), [("1.5", "whole"), ("-1", "negative"), ("5%", "percent"), ("1e17", "large")]
)
def test_text_that_is_no_count(tmp_path, cell, found):
    problem = only(refused(table(tmp_path, HEAD + f"human,{cell},0\nbot,5,1\n")))
    assert place(problem) == ("pilot.csv", 2, "trials")
    assert found in problem.found


@pytest.mark.parametrize("cell", ["2.0", "2e0", "+2", "2.", "002", " 2 "])
def test_plain_numbers_in_other_clothes(tmp_path, cell):
    pilot = take(table(tmp_path, HEAD + f"human,{cell},1\nbot,5,1\n"))
    np.testing.assert_array_equal(pilot.summary.size, [[2], [5]])


def test_five_thousand_or_five(tmp_path):
    problem = only(refused(table(tmp_path, "arm,amount\nhuman,5.000\nbot,12.500\nbot,7\n"), AMOUNT))
    assert place(problem) == ("pilot.csv", 2, "amount")
    assert '"5.000" (line 2), "12.500" (line 3)' in problem.found
    assert "5000" in problem.remedy
    for settled in ("0.125", "1234.500", "1.5", "12345"):
        pilot = take(table(tmp_path, f"arm,amount\nhuman,5.000\nbot,{settled}\n"), AMOUNT)
        np.testing.assert_allclose(pilot.summary.statistics["total"], [[5], [float(settled)]], rtol=1e-15)


def test_decimal_commas_where_they_are_normal(tmp_path):
    for delimiter in ";\t":
        content = "arm;amount;EUR, net\nhuman;1,25;9,9\nbot;3;1,0\nbot;0,5;2\n".replace(";", delimiter)
        pilot = take(table(tmp_path, content), AMOUNT)
        np.testing.assert_array_equal(pilot.summary.statistics["total"], [[1.25], [3.5]])
    mixed = only(refused(table(tmp_path, "arm;amount\nhuman;1,25\nbot;3.5\n"), AMOUNT))
    assert place(mixed) == ("pilot.csv", 2, "amount")
    vague = only(refused(table(tmp_path, "arm;amount\nhuman;1,250\nbot;3\n"), AMOUNT))
    assert place(vague) == ("pilot.csv", 2, "amount")
    assert "5,0" in vague.remedy
    grouped = only(refused(table(tmp_path, "arm;amount\nhuman;1.250,50\nbot;3,5\n"), AMOUNT))
    assert "thousands separators" in grouped.found


def test_kinds_of_faults_are_told_apart_and_counted(tmp_path):
    rows = [f"human,{cell},1" for cell in ["x", *["-1"] * 8, *["2.5"] * 5]] + ["bot,10,1", "bot,10,maybe"]
    problems = refused(table(tmp_path, HEAD + "\n".join(rows)))
    assert [place(p)[1:] for p in problems] == [
        (2, "trials"),
        (3, "trials"),
        (11, "trials"),
        (17, "successes"),
    ]
    assert problems[1].found.endswith("and 3 more")
    assert problems[1].found.count("line") == 5
    assert "more" not in problems[2].found


def test_faults_of_several_columns_labels_and_rules_come_together(tmp_path):
    file = table(tmp_path, HEAD + "human,10,11\nhuman,x,1\nrobot,10,1\n")
    problems = refused(file)
    assert {p.key for p in problems} == {"outcomes.x.arm", "trials", "trials, successes"}


def test_lines_count_line_breaks_in_cells_and_empty_lines(tmp_path):
    content = 'arm,note,trials,successes\n"human","a\nb\nc",10,1\n\nbot,,10,1\nbot,,-1,1\n'
    assert only(refused(table(tmp_path, content))).line == 7
    assert only(refused(table(tmp_path, content.encode("utf-16")))).line == 7
    one = table(tmp_path, "outcome\n1\n\n0\nx\n", "one.csv")
    alone = {"arm": None, "control": None, "treated": ()}
    assert only(refused(one, **alone)).line == 5


def test_places_in_typed_files(tmp_path):
    columns = {"arm": ["human", "bot", "bot"], "trials": [5.0, 5.0, float("nan")], "successes": [1, 2, 9]}
    pq.write_table(pa.table(columns), tmp_path / "p.parquet")
    problem = only(refused(tmp_path / "p.parquet"))
    assert place(problem) == ("p.parquet", None, "trials")
    assert "(row 3)" in problem.found
    pq.write_table(pa.table(columns | {"trials": [[1], [2], [3]]}), tmp_path / "l.parquet")
    assert only(refused(tmp_path / "l.parquet")).key == "trials"
    book = openpyxl.Workbook()
    for row in ((), ("arm", "trials", "successes"), ("human", 5, 1), (), ("bot", "5 pcs", 1)):
        book.active.append(row)
    book.save(tmp_path / "p.xlsx")
    assert place(only(refused(tmp_path / "p.xlsx"))) == ("p.xlsx", 5, "trials")


@pytest.mark.parametrize("cell", ["2", "-1", "0.5", "ja", "t", "y", "1.01"])
def test_text_that_is_no_flag(tmp_path, cell):
    problem = only(refused(table(tmp_path, f"arm,outcome\nhuman,yes\nbot,{cell}\nbot,NO\n")))
    assert place(problem) == ("pilot.csv", 3, "outcome")
    assert problem.allowed == "0 or 1, true or false, yes or no"


def spans(tmp_path, *starts):
    rows = "\n".join(f"{('human', 'bot')[i % 2]},{start},2031-01-01" for i, start in enumerate(starts))
    return table(tmp_path, f"arm;start;end\n{rows.replace(',', ';')}\n")


@pytest.mark.parametrize(
    "starts",
    [
        ["2025-02-01", "2025-02-13"],
        ["2025-02-01T23:59", "2025-02-13 10:00:00.5+07:00", "2025-02-13 10:00:00Z"],
        ["01/02/2025", "13/02/2025"],
        ["02/01/2025", "02/13/2025"],
        ["1/2/2025 9:30 AM", "13/2/2025 11:00 PM"],
        ["01.02.2025", "13.02.2025"],
        ["2025/2/1", "2025/2/13"],
    ],
)
def test_dates_that_can_be_read_one_way(tmp_path, starts):
    days = take(spans(tmp_path, *starts[:2]), SPAN).summary.statistics["days"]
    np.testing.assert_array_equal(days, [[2160], [2148]])
    take(spans(tmp_path, *starts), SPAN)


@pytest.mark.parametrize(
    ("starts", "line", "found"),
    [
        (["01/02/2025", "03/04/2025"], 2, "day or month first"),
        (["13/02/2025", "02/13/2025"], 2, "day or month first"),
        (["2025-02-01", "2025-02-03", "13/02/2025"], 4, "written differently"),
        (["13/02/2025", "14/02/2025", "15.02.2025"], 4, "written differently"),
        (["2025-02-01", "2025-02-30"], 3, "no day of the calendar"),
        (["2025-02-01", "20250203"], 3, "not a date"),
        (["2025-02-01", "soon"], 3, "not a date"),
        (["01/02/25", "13/02/25"], 2, "two digits"),
        (["2568-02-01", "2025-02-01"], 2, "year 2568"),
        (["2025-02-01", "9999-12-31"], 3, "outside the years"),
        (["2025-02-01", "2025-02-01T"], 3, "not a date"),
    ],
)
def test_dates_that_cannot(tmp_path, starts, line, found):
    problem = only(refused(spans(tmp_path, *starts), SPAN))
    assert place(problem) == ("pilot.csv", line, "start")
    assert found in problem.found


def test_a_rule_about_dates(tmp_path):
    problem = only(
        refused(table(tmp_path, "arm,start,end\nhuman,2025-02-01,\nbot,2025-02-02,2025-02-01\n"), SPAN)
    )
    assert place(problem) == ("pilot.csv", 3, "start, end")
    assert "start 2025-02-02, end 2025-02-01" in problem.found
