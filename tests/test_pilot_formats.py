"""Every format gives the same statistics, and so do rows and totals."""

from __future__ import annotations

import sqlite3
from datetime import date, datetime
from pathlib import Path

import duckdb
import numpy as np
import openpyxl
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from sim.pilot.files import fingerprint
from sim.pilot.source import open_source
from sim.pilot.summary import read
from tests.pilot_models import (
    AMOUNT,
    ARMS,
    RATE,
    SPAN,
    reading,
    refused,
    table,
    take,
)

TOTALS = [("human", "DE", 100, 10), ("human", "FR", 50, 4), ("bot", "DE", 90, 20), ("bot", "FR", 60, 7)]
HEADER = ("arm", "country", "trials", "successes")
TRIALS = [[100, 50], [90, 60]]
SUCCESSES = [[10, 4], [20, 7]]


def text(rows, delimiter=",", header=HEADER):
    return "".join(delimiter.join(map(str, row)) + "\n" for row in [header, *rows])


def rows_of_units():
    units = [
        (arm, country, flag, 1.25 * flag) for arm, country, n, y in TOTALS for flag in [1] * y + [0] * (n - y)
    ]
    return [units[i] for i in np.random.default_rng(3).permutation(len(units))]


def same(pilot):
    assert pilot.summary.arms == ("human", "bot")
    assert pilot.summary.segments == ("DE", "FR")
    assert pilot.summary.has_control
    np.testing.assert_array_equal(pilot.summary.statistics["trials"], TRIALS)
    np.testing.assert_array_equal(pilot.summary.statistics["successes"], SUCCESSES)
    np.testing.assert_array_equal(pilot.summary.size, TRIALS)
    return True


def make_excel(file, rows, header=HEADER, sheets=("data",)):
    book = openpyxl.Workbook()
    book.remove(book.active)
    for name in sheets:
        sheet = book.create_sheet(name)
        for row in [header, *rows]:
            sheet.append(row)
    book.save(file)
    return file


def make_duckdb(file, name="pilot"):
    name = name.replace('"', '""')
    with duckdb.connect(str(file)) as store:
        store.execute(f'CREATE TABLE "{name}" (arm VARCHAR, country VARCHAR, trials INT, successes INT)')
        store.executemany(f'INSERT INTO "{name}" VALUES (?, ?, ?, ?)', TOTALS)  # noqa: S608
    return file


def make_sqlite(file, name="pilot"):
    name = name.replace('"', '""')
    store = sqlite3.connect(file)
    store.execute(f'CREATE TABLE "{name}" (arm, country, trials, successes)')
    store.executemany(f'INSERT INTO "{name}" VALUES (?, ?, ?, ?)', TOTALS)  # noqa: S608
    store.commit()
    store.close()
    return file


@pytest.mark.parametrize(
    "content",
    [
        text(TOTALS).encode(),
        text(TOTALS, ";").encode(),
        text(TOTALS, "\t").encode(),
        b"\xef\xbb\xbf" + text(TOTALS).encode(),
        text(TOTALS, "\t").encode("utf-16"),
        text(TOTALS).replace("\n", "\r\n").encode(),
        text(TOTALS).replace("\n", "\r").encode(),
        text(TOTALS).rstrip("\n").encode(),
        (text(TOTALS) + "\n,,,\n\n").encode(),
        text(TOTALS, header=[f'"{name}"' for name in HEADER]).encode(),
        text(TOTALS).replace(",", " , ").encode(),
    ],
    ids=["comma", "semicolon", "tab", "bom", "utf-16", "crlf", "cr", "no-end", "blank", "quoted", "spaces"],
)
def test_text_tables(tmp_path, content):
    assert same(take(table(tmp_path, content), segment="country"))


def test_parquet_excel_duckdb_sqlite(tmp_path):
    columns = list(zip(*TOTALS, strict=True))
    pq.write_table(pa.table(dict(zip(HEADER, columns, strict=True))), tmp_path / "p.parquet")
    assert same(take(tmp_path / "p.parquet", segment="country"))
    assert same(take(make_excel(tmp_path / "p.xlsx", TOTALS), segment="country"))
    assert same(take(make_duckdb(tmp_path / "p.duckdb"), segment="country"))
    assert same(take(make_sqlite(tmp_path / "p.sqlite"), segment="country"))


def test_the_content_not_the_name_says_what_a_file_is(tmp_path):
    assert same(take(make_sqlite(tmp_path / "p.db"), segment="country"))
    assert same(take(make_duckdb(tmp_path / "q.db"), segment="country"))


@pytest.mark.parametrize("make", [make_duckdb, make_sqlite])
def test_table_and_query_of_a_database(tmp_path, make):
    file = make(tmp_path / "store", 'odd "name"; DROP TABLE x')
    assert same(take(file, segment="country", table='odd "name"; DROP TABLE x'))
    query = 'SELECT arm, country AS land, trials AS n, successes AS y FROM "odd ""name""; DROP TABLE x"'
    assert same(take(file, segment="land", query=query, columns={"trials": "n", "successes": "y"}))
    (problem,) = refused(file, segment="country", table="odd nam")
    assert (problem.file, problem.key) == ("store", "outcomes.x.data.table")
    assert 'odd "name"; DROP TABLE x' in problem.allowed
    for statement in ("DROP TABLE pilot", "SELECT 1; SELECT 2", "SELECT * FROM nowhere", "", "DELETE FROM x"):
        (problem,) = refused(file, query=statement)
        assert problem.key == "outcomes.x.data.query"


def test_several_tables_or_sheets_want_a_choice(tmp_path):
    file = make_duckdb(tmp_path / "p.duckdb")
    with duckdb.connect(str(file)) as store:
        store.execute(
            "CREATE SCHEMA raw; CREATE TABLE raw.second (x INT); CREATE VIEW third AS SELECT * FROM pilot"
        )
    (problem,) = refused(file)
    assert "3 tables" in problem.found
    assert problem.allowed == '"pilot", "third", "raw.second"'
    assert same(take(file, segment="country", table="third"))
    book = make_excel(tmp_path / "p.xlsx", TOTALS, sheets=("first", "second"))
    (problem,) = refused(book)
    assert (problem.key, problem.allowed) == ("outcomes.x.data.sheet", '"first", "second"')
    assert same(take(book, segment="country", sheet="second"))
    (problem,) = refused(book, sheet="secnd")
    assert problem.remedy == 'did you mean "second"?'


def test_files_of_a_pattern_are_one_table(tmp_path):
    table(tmp_path, text(TOTALS[:1]), "a-1.csv")
    table(tmp_path, text(TOTALS[1:3], ";"), "a-2.csv")
    # another order of columns, one more, another format
    swapped = [(y, "x", n, country, arm) for arm, country, n, y in TOTALS[3:]]
    make_excel(tmp_path / "a-3.xlsx", swapped, ("successes", "note", "trials", "country", "arm"))
    (tmp_path / "a-4.d").mkdir()
    pilot = read(reading(tmp_path / "a-*", "data/a-*", segment="country", **ARMS), RATE)
    assert same(pilot)
    assert len(fingerprint(tmp_path / "a-?.csv")) == 2
    table(tmp_path, "arm,country,trials\n", "a-5.csv")
    (problem,) = refused(
        tmp_path / "a-*", segment="country", columns={"trials": "trials", "successes": "successes"}
    )
    assert problem.file == "a-5.csv"
    assert 'no column "successes"' in problem.found


def test_a_file_whose_name_looks_like_a_pattern(tmp_path):
    table(tmp_path, "no table", "p1.csv")
    assert same(take(table(tmp_path, text(TOTALS), "p[1].csv"), segment="country"))
    assert same(take(table(tmp_path, text(TOTALS), "p*?'.csv"), segment="country"))


def test_rows_totals_and_shuffled_rows_agree(tmp_path):
    units = rows_of_units()
    header = ("arm", "country", "outcome", "amount")
    one = take(table(tmp_path, text(units, header=header), "one.csv"), segment="country")
    assert same(one)
    assert one.column_set.rows
    two = take(table(tmp_path, text(units[::-1], header=header), "two.csv"), segment="country")
    assert one.summary.fingerprint() == two.summary.fingerprint()
    totals = take(table(tmp_path, text(TOTALS), "totals.csv"), segment="country")
    assert totals.summary.fingerprint() == one.summary.fingerprint()
    words = [(arm, country, ["No", "YES"][flag], amount) for arm, country, flag, amount in units]
    assert same(take(table(tmp_path, text(words, header=header), "words.csv"), segment="country"))
    shuffled = take(table(tmp_path, text(units[::-1], header=header), "two.csv"), AMOUNT)
    straight = take(table(tmp_path, text(units, header=header), "one.csv"), AMOUNT)
    np.testing.assert_allclose(
        shuffled.summary.statistics["total"], straight.summary.statistics["total"], 1e-12
    )


def test_typed_rows_agree(tmp_path):
    units = rows_of_units()
    arm, country, flag, amount = (list(column) for column in zip(*units, strict=True))
    typed = {"arm": arm, "country": country, "outcome": [bool(x) for x in flag], "amount": amount}
    pq.write_table(pa.table(typed), tmp_path / "p.parquet")
    assert same(take(tmp_path / "p.parquet", segment="country"))
    floats = typed | {"outcome": [float(x) for x in flag], "arm": pa.array(arm).dictionary_encode()}
    pq.write_table(pa.table(floats), tmp_path / "f.parquet")
    assert same(take(tmp_path / "f.parquet", segment="country"))
    money = take(tmp_path / "f.parquet", AMOUNT, segment="country")
    np.testing.assert_allclose(money.summary.statistics["total"], 1.25 * np.array(SUCCESSES), rtol=1e-14)


def test_dates_in_typed_files(tmp_path):
    rows = [("human", date(2025, 1, 1), None), ("bot", date(2025, 1, 2), date(2025, 3, 1))]
    header = ("arm", "start", "end")
    expected = [[0.0], [58.0]]
    columns = dict(zip(header, zip(*rows, strict=True), strict=True))
    pq.write_table(pa.table(columns), tmp_path / "d.parquet")
    stamps = {
        "start": [datetime(2025, 1, 1, 23, 59), datetime(2025, 1, 2)],
        "end": [None, datetime(2025, 3, 1, 8)],
    }
    pq.write_table(pa.table({"arm": ["human", "bot"], **stamps}), tmp_path / "s.parquet")
    make_excel(tmp_path / "d.xlsx", rows, header)
    table(tmp_path, "arm,start,end\nhuman,2025-01-01,\nbot,2025-01-02T10:00:00Z,2025-03-01T00:00:00+07:00\n")
    for name in ("d.parquet", "s.parquet", "d.xlsx", "pilot.csv"):
        pilot = take(tmp_path / name, SPAN)
        np.testing.assert_array_equal(np.nan_to_num(pilot.summary.statistics["days"]), expected, err_msg=name)
        np.testing.assert_array_equal(pilot.summary.statistics["ended"], [[0], [1]])


def test_fingerprint_is_of_the_bytes(tmp_path):
    file = table(tmp_path, "abc")
    digest = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"
    assert fingerprint(file) == {str(file): digest}


def test_a_changed_file_is_read_anew(tmp_path):
    file = table(tmp_path, text(TOTALS))
    assert same(take(file, segment="country"))
    table(tmp_path, text([(arm, c, 2 * n, y) for arm, c, n, y in TOTALS]))
    assert take(file, segment="country").summary.size.sum() == 600


def test_paths_may_be_relative(tmp_path, monkeypatch):
    table(tmp_path, text(TOTALS))
    monkeypatch.chdir(tmp_path)
    assert same(take(Path("pilot.csv"), segment="country"))


def test_cells_of_mixed_types_are_text(tmp_path):
    store = sqlite3.connect(tmp_path / "p.sqlite")
    store.execute("CREATE TABLE pilot (arm, outcome, note)")
    rows = [(0, 1, None), (0.0, "no", b"\xff"), ("1", 0.0, 7), (1, "Yes", "x"), (1, None, "y")]
    store.executemany("INSERT INTO pilot VALUES (?, ?, ?)", rows)
    store.commit()
    store.close()
    make_excel(tmp_path / "p.xlsx", [row[:2] for row in rows], ("arm", "outcome"))
    for name in ("p.sqlite", "p.xlsx"):
        found = take(tmp_path / name, control="0", treated=("1",))
        np.testing.assert_array_equal(found.summary.statistics["trials"], [[2], [2]], err_msg=name)
        np.testing.assert_array_equal(found.summary.statistics["successes"], [[1], [1]])
        assert "1 of 5 rows" in found.checks[0].message


def test_parts_that_store_a_column_differently(tmp_path):
    pq.write_table(pa.table({"arm": [0, 1], "amount": [1, 2]}), tmp_path / "a.parquet")
    pq.write_table(pa.table({"arm": [0.0, 1.0], "amount": [0.5, 0.25]}), tmp_path / "b.parquet")
    table(tmp_path, "arm,amount\n0,10\n1,-7\n", "c.csv")
    options = {"control": "0", "treated": ("1",)}
    found = take(tmp_path / "?.parquet", AMOUNT, **options).summary
    np.testing.assert_array_equal(found.statistics["total"], [[1.5], [2.25]])
    (problem,) = refused(tmp_path / "[a-c].*", AMOUNT, **options)
    assert (problem.file, problem.line, problem.key) == ("c.csv", 3, "amount")


def test_outcomes_that_share_a_file_share_what_was_opened(tmp_path):
    file = table(tmp_path, text(TOTALS))
    first = open_source(file, "pilot.csv", "outcomes.a")
    assert open_source(file, "pilot.csv", "outcomes.b") is first
    table(tmp_path, text(TOTALS[:3]))
    assert open_source(file, "pilot.csv", "outcomes.a") is not first
