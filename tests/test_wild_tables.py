"""One true table in every form in which tables are found: read as what it is, or refused at its place."""

from __future__ import annotations

import codecs
import datetime as dt
from collections.abc import Callable
from pathlib import Path

import numpy as np
import openpyxl
import pytest

from tests.pilot_models import AMOUNT, RATE, SPAN, only, place, refused, table, take

TRIALS = [[2100, 50], [1990, 60]]
SUCCESSES = [[10, 4], [20, 7]]
CLEAN = """\
arm,country,trials,successes
human,DE,2100,10
human,FR,50,4
bot,DE,1990,20
bot,FR,60,7
"""
ROWS = [line.split(",") for line in CLEAN.splitlines()]
AMOUNTS = "arm,amount\nhuman,1234.5\nhuman,0.25\nbot,7\nbot,0\n"
TOTALS = [[1234.75], [7]]


def quoted(text: str) -> str:
    return "\n".join(",".join(f'"{cell}"' for cell in line.split(",")) for line in text.splitlines()) + "\n"


READ: dict[str, str | bytes] = {
    "as it should be": CLEAN,
    "byte-order mark": "\ufeff" + CLEAN,
    "UTF-16, low byte first": codecs.BOM_UTF16_LE + CLEAN.encode("utf-16-le"),
    "UTF-16, high byte first": codecs.BOM_UTF16_BE + CLEAN.encode("utf-16-be"),
    "UTF-16 with tabs, as Excel writes Unicode text": CLEAN.replace(",", "\t").encode("utf-16"),
    "semicolons": CLEAN.replace(",", ";"),
    "tabs": CLEAN.replace(",", "\t"),
    "bars": CLEAN.replace(",", "|"),
    "lines that end in CR LF": CLEAN.replace("\n", "\r\n"),
    "lines that end in CR": CLEAN.replace("\n", "\r"),
    "no end of the last line": CLEAN.rstrip("\n"),
    "all in quotes": quoted(CLEAN),
    "numbers in quotes": CLEAN.replace("2100", '"2100"').replace("1990", '"1990"'),
    "rows of nothing at the end": CLEAN + ",,,\n,,,\n",
    "empty lines at the end": CLEAN + "\n\n\n",
    "empty lines in between": CLEAN.replace("\n", "\n\n"),
    "columns of nothing at the end": CLEAN.replace("\n", ",,\n"),
    "blanks around cells": CLEAN.replace(",", " , "),
    "non-breaking spaces around cells and headers": CLEAN.replace(",", "\u00a0,\u00a0"),
    "spaces of no width": CLEAN.replace("DE", "\u200bDE").replace("trials", "trials\ufeff"),
    "leading zeros": CLEAN.replace("2100", "002100").replace(",4", ",04"),
    "plus signs and exponents": CLEAN.replace("2100", "+2.1e3").replace("1990", "1990.0"),
    "columns in another order": "\n".join(",".join(reversed(line.split(","))) for line in CLEAN.splitlines()),
    "duplicate headers of columns that are not read": "".join(
        line + (",note,note\n" if i == 0 else ",x,y\n") for i, line in enumerate(CLEAN.splitlines())
    ),
    "line breaks in a quoted cell": "".join(
        line + (",note\n" if i == 0 else ',"one\ntwo, ""three"""\n')
        for i, line in enumerate(CLEAN.splitlines())
    ),
}


@pytest.mark.parametrize("form", READ)
def test_read_as_the_clean_table(tmp_path: Path, form: str) -> None:
    content = READ[form]
    pilot = take(table(tmp_path, content), RATE, segment="country")
    assert pilot.summary.arms == ("human", "bot")
    assert pilot.summary.segments == ("DE", "FR")
    np.testing.assert_array_equal(pilot.summary.statistics["trials"], TRIALS)
    np.testing.assert_array_equal(pilot.summary.statistics["successes"], SUCCESSES)
    assert all(check.status in ("ok", "note") for check in pilot.checks), pilot.checks


@pytest.mark.parametrize("delimiter", [";", "\t", "|"])
def test_decimal_commas(tmp_path: Path, delimiter: str) -> None:
    content = AMOUNTS.replace(",", delimiter).replace(".", ",")
    pilot = take(table(tmp_path, content), AMOUNT)
    np.testing.assert_array_equal(pilot.summary.statistics["total"], TOTALS)


def cell(old: str, new: str) -> str:
    assert CLEAN.count(old) == 1
    return CLEAN.replace(old, new)


REFUSED: dict[str, tuple[str | bytes, int | None, str]] = {
    # what is wrong: the table, the line, and what the message must name (a column, or words)
    "thousands after a comma, unquoted": (cell("2100", "2,100"), 2, "cells"),
    "thousands after a comma": (cell("2100", '"2,100"'), 2, "trials"),
    "thousands after a point": (cell("2100", "2.100"), 2, "trials"),
    "thousands after a space": (cell("2100", "2 100"), 2, "trials"),
    "thousands after a non-breaking space": (cell("2100", "2\u00a0100"), 2, "trials"),
    "thousands after a narrow space": (cell("2100", "2\u202f100"), 2, "trials"),
    "thousands after an apostrophe": (cell("1990", "1'990"), 4, "trials"),
    "digits of full width": (cell("1990", "１９９０"), 4, "trials"),
    "digits of another script": (cell("1990", "١٩٩٠"), 4, "trials"),
    "a letter O": (cell("2100", "21O0"), 2, "trials"),
    "a number beyond all": (cell("2100", "1e400"), 2, "trials"),
    "a word for infinity": (cell("60", "inf"), 5, "trials"),
    "a word for no number": (cell("60", "NaN"), 5, "trials"),
    "a word of databases": (cell("60", "NULL"), 5, "trials"),
    "a word of spreadsheets": (cell("60", "#N/A"), 5, "trials"),
    "a formula": (cell("60", "=30+30"), 5, "trials"),
    "hexadecimal": (cell("60", "0x3c"), 5, "trials"),
    "a share where counts stand": (cell(",7", ",0.117"), 5, "successes"),
    "a percentage where counts stand": (cell(",7", ",11.7%"), 5, "successes"),
    "a currency": (cell(",7", ",€7"), 5, "successes"),
    "a minus behind the number": (cell(",7", ",7-"), 5, "successes"),
    "an accountant's minus": (cell(",7", ",(7)"), 5, "successes"),
    "a minus sign of print": (cell(",7", ",−7"), 5, "successes"),
    "a row too short": (CLEAN + "bot,NO,5\n", 6, "cells"),
    "a row too long": (CLEAN + "bot,NO,5,1,9\n", 6, "cells"),
    "a quote that is not closed": (cell("bot,DE", 'bot,"DE'), 4, "never closed"),
    "a row that adds up the others": (CLEAN + ",,4200,41\n", 6, "arm"),
    "the same header twice, and read": (
        CLEAN.replace("\n", ",1\n").replace("successes,1", "successes,trials"),
        1,
        'called "trials"',
    ),
    "no header": (CLEAN.partition("\n")[2], None, '"human", "DE", "2100", "10"'),
    "a title above the header": ("Results of March\n" + CLEAN, None, "Results of March"),
    "a line that names the separator": ("sep=,\n" + CLEAN, None, "sep="),
    "a remark below the table": (CLEAN + "exported by nobody\n", 6, "cells"),
    "UTF-16 without its mark": (CLEAN.encode("utf-16-le"), None, "zero bytes"),
    "UTF-32": (CLEAN.encode("utf-32"), None, "zero bytes"),
    "Latin-1": (cell("FR,60", "Åland,60").encode("latin-1"), 5, "UTF-8"),
    "a zero byte": (cell("FR,60", "F\0R,60"), None, "zero bytes"),
    "lines that end in two ways": (cell("50,4\n", "50,4\r\n"), None, "end in two ways"),
    "an escape with a backslash": (cell("bot,DE", r'"bo\"t",DE'), 4, "taken apart"),
}


@pytest.mark.parametrize("form", REFUSED)
def test_refused_at_its_place(tmp_path: Path, form: str) -> None:
    content, line, named = REFUSED[form]
    problems = refused(table(tmp_path, content), RATE, segment="country")
    assert [p.line for p in problems] == [line] * len(problems), problems
    assert all(p.file == "pilot.csv" for p in problems)
    assert any(named in f"{p.key} {p.found}" for p in problems), problems


def test_a_blank_is_told_and_never_a_zero(tmp_path: Path) -> None:
    pilot = take(table(tmp_path, AMOUNTS + "bot,\nbot,\n"), AMOUNT)
    np.testing.assert_array_equal(pilot.summary.statistics["total"], TOTALS)
    np.testing.assert_array_equal(pilot.summary.statistics["trials"], [[2], [2]])
    told = [check for check in pilot.checks if check.status == "warn"]
    assert any("2 of 6 rows" in check.message for check in told), pilot.checks


def test_totals_among_segments_are_told(tmp_path: Path) -> None:
    whole = CLEAN + "human,Total,2150,14\nbot,Total,2050,27\n"
    pilot = take(table(tmp_path, whole), RATE, segment="country")
    assert any(check.status in ("warn", "fail") and "Total" in check.message for check in pilot.checks)


def test_labels_with_and_without_leading_zeros_are_different(tmp_path: Path) -> None:
    content = "arm,outcome\n007,1\n007,0\n7,1\n7,1\n"
    found = take(table(tmp_path, content), control="007", treated=("7",)).summary
    np.testing.assert_array_equal(found.statistics["successes"], [[1], [2]])


def test_headers_match_whatever_space_they_hold(tmp_path: Path) -> None:
    content = CLEAN.replace("trials", "web\u00a0sessions").replace("country", "pays d\u2019e\u0301te\u0301")
    columns = {"trials": "web sessions", "successes": "successes"}
    found = take(table(tmp_path, content), columns=columns, segment="pays d’été").summary
    np.testing.assert_array_equal(found.statistics["trials"], TRIALS)


DAYS = "arm,start,end\nhuman,2025-02-01,2025-02-11\nbot,2025-02-13,2025-03-01\n"


@pytest.mark.parametrize(
    "content",
    [
        DAYS,
        DAYS.replace("2025-02-11", "2025-02-11 23:59:59").replace("2025-03-01", "2025-03-01T00:00:00Z"),
        DAYS.replace("2025-02-11", "2025-02-11T23:30:00-09:00"),  # the day as it was there
        DAYS.replace("2025-02-01", "01.02.2025").replace("2025-02-13", "13.02.2025"),
        DAYS.replace("2025-02-01", "2/1/2025").replace("2025-02-13", "2/13/2025"),
    ],
)
def test_dates_of_one_form_in_a_column(tmp_path: Path, content: str) -> None:
    found = take(table(tmp_path, content), SPAN).summary
    np.testing.assert_array_equal(found.statistics["days"], [[10], [16]])


@pytest.mark.parametrize(
    ("old", "new", "line"),
    [
        ("2025-02-13", "13/02/2025", 3),  # another form than the first
        ("2025-02-13", "45701", 3),  # a spreadsheet's serial number
        ("2025-02-13", "20250213", 3),
        ("2025-02-13", "1739404800", 3),  # seconds since 1970
        ("2025-02-13", "13 Feb 2025", 3),
        ("2025-02-13", "2025-02-29", 3),
        ("2025-02-13", "0000-00-00", 3),
    ],
)
def test_dates_of_another_form_are_refused(tmp_path: Path, old: str, new: str, line: int) -> None:
    problem = only(refused(table(tmp_path, DAYS.replace(old, new)), SPAN))
    assert place(problem) == ("pilot.csv", line, "start")


type Change = Callable[[openpyxl.worksheet.worksheet.Worksheet], None]


def workbook(folder: Path, change: Change = lambda _: None) -> Path:
    book = openpyxl.Workbook()
    page = book.active
    for number, row in enumerate(ROWS):
        page.append([int(cell) if number and i > 1 else cell for i, cell in enumerate(row)])
    change(page)
    book.save(folder / "pilot.xlsx")
    return folder / "pilot.xlsx"


def set_cells(**cells: object) -> Change:
    def change(page: openpyxl.worksheet.worksheet.Worksheet) -> None:
        for name, value in cells.items():
            page[name] = value

    return change


@pytest.mark.parametrize(
    "change",
    [
        set_cells(),
        set_cells(C2="2100", C4="1990 ", D3="04"),  # numbers as text
        set_cells(A1="\u00a0arm", B2="DE\u00a0", B7="", A9=None),
        lambda page: page.insert_rows(1, 3),
        lambda page: page.insert_cols(1, 2),
        lambda page: page.merge_cells("F7:G8"),  # outside the table
    ],
)
def test_workbooks_that_are_read(tmp_path: Path, change: Change) -> None:
    found = take(workbook(tmp_path, change), RATE, segment="country").summary
    assert found.segments == ("DE", "FR")
    np.testing.assert_array_equal(found.statistics["trials"], TRIALS)
    np.testing.assert_array_equal(found.statistics["successes"], SUCCESSES)


@pytest.mark.parametrize(
    ("change", "line", "named"),
    [
        (lambda page: page.merge_cells("A2:A3"), 2, "A2:A3"),
        (lambda page: page.merge_cells("B1:C1"), 1, "B1:C1"),
        (set_cells(C4="=C2-110"), 4, "C4"),  # never calculated
        (set_cells(C4=dt.date(1905, 6, 13)), 4, "trials"),  # 1990 in the clothes of a date
        (set_cells(C4="#DIV/0!"), 4, "trials"),
        (set_cells(C4=True), 4, "trials"),
        (set_cells(C4=1990.5), 4, "trials"),
        (set_cells(F3="a remark"), 3, "right of the header"),
    ],
)
def test_workbooks_that_are_refused(tmp_path: Path, change: Change, line: int, named: str) -> None:
    problem = only(refused(workbook(tmp_path, change), RATE, segment="country"))
    assert problem.line == line
    assert named in f"{problem.key} {problem.found}"
