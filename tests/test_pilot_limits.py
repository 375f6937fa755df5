"""Hostile names and queries, any script, and tables larger than one would like."""

from __future__ import annotations

import os
import resource
import sqlite3
import unicodedata
from pathlib import Path

import duckdb
import numpy as np
import pytest

from sim.pilot.engine import Engine
from sim.pilot.summary import read
from sim.records.columns import Column, ColumnSet
from tests.pilot_models import AMOUNT, RATE, Model, reading, refused, table, take

HOSTILE = [
    'x"; DROP TABLE t; --',
    "a'b",
    "SELECT",
    "{0}",
    "c0",
    "arm",
    "segment",
    "_arm",
    "%s",
    "a\\b",
    "`q`",
]


@pytest.mark.parametrize("name", HOSTILE)
def test_hostile_headers_and_labels(tmp_path, name):
    quoted = '"' + name.replace('"', '""') + '"'
    for header, options in (
        (f"{quoted},trials,successes,land", {"arm": name}),
        (
            f"who,{quoted},successes,land",
            {"arm": "who", "columns": {"trials": name, "successes": "successes"}},
        ),
        (f"who,trials,successes,{quoted}", {"arm": "who", "segment": name}),
    ):
        rows = f"{quoted},3,1,{quoted}\nother,4,2,{quoted}\n"
        file = table(tmp_path, f"{header}\n{rows}")
        found = take(file, control="other", treated=(name,), **options).summary
        np.testing.assert_array_equal(found.size, [[4], [3]])
        assert found.segments == ((name,) if "segment" in options else ("all",))


def test_segments_in_any_script(tmp_path):
    names = ["เชียงใหม่", "上海", "Ålesund", "Δ", "עִברִית", "👍🏽", "e\u0301t\u00e9", "I\u0307stanbul"]
    rows = "".join(f"{arm},{name},{i + 5},{i}\n" for i, name in enumerate(names) for arm in ("human", "bot"))
    for encoding in ("utf-8", "utf-16"):
        file = table(tmp_path, ("arm,ที่,trials,successes\n" + rows).encode(encoding))
        found = take(file, segment="ที่").summary
        assert found.segments == tuple(unicodedata.normalize("NFC", name) for name in sorted(names))
        sizes = dict(zip(found.segments, found.size[0], strict=True))
        assert sizes["上海"] == 6


def test_accents_in_labels_may_be_written_either_way(tmp_path):
    rows = f"arm,trials,successes\n{unicodedata.normalize('NFD', 'Blå')},3,1\nGrøn,4,1\n"
    found = take(table(tmp_path, rows), control="Grøn", treated=("Blå",)).summary
    np.testing.assert_array_equal(found.size, [[4], [3]])


def test_a_query_reaches_no_other_file(tmp_path):
    secret = table(tmp_path, "arm,trials,successes\nhuman,1,1\nbot,1,1\n", "secret.csv")
    store = tmp_path / "p.duckdb"
    with duckdb.connect(str(store)) as con:
        con.execute("CREATE TABLE t AS SELECT 'human' arm, 1 trials, 1 successes")
        con.execute(f"CREATE VIEW v AS SELECT * FROM read_csv('{secret}')")  # noqa: S608
    for query in (
        f"SELECT * FROM '{secret}'",  # noqa: S608
        f"SELECT * FROM read_text('{secret}')",  # noqa: S608
        "SELECT * FROM rows",  # no variable of the program either
        "SELECT * FROM engine",
        f"ATTACH '{tmp_path}/new.duckdb'",
        f"COPY t TO '{tmp_path}/out.csv'",
        "INSTALL excel",
        "SET threads = 1",
    ):
        (problem,) = refused(store, query=query)
        assert problem.key == "outcomes.x.data.query"
    (problem,) = refused(store, table="v")
    assert "cannot be read" in problem.found
    with sqlite3.connect(tmp_path / "p.sqlite") as con:
        con.execute("CREATE TABLE t (x)")
    con.close()
    for query in (f"ATTACH '{tmp_path}/new.sqlite' AS n", "PRAGMA writable_schema = 1", "CREATE TABLE u (y)"):
        refused(tmp_path / "p.sqlite", query=query)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["p.duckdb", "p.sqlite", "secret.csv"]


def test_nothing_is_left_in_the_working_directory(tmp_path, monkeypatch):
    work = tmp_path / "work"
    work.mkdir()
    monkeypatch.chdir(work)
    file = table(tmp_path, "arm\ttrials\tsuccesses\nhuman\t3\t1\nbot\t3\t1\n".encode("utf-16"))
    take(file)
    assert not list(work.iterdir())


def test_the_scratch_folder_goes_with_the_engine():
    engine = Engine()
    folder = engine.folder()
    assert folder.is_dir()
    del engine
    assert not folder.exists()


def test_a_long_line_and_a_wide_table(tmp_path):
    wide = ",".join(f"w{i}" for i in range(500))
    filler = ",".join("1" for _ in range(500))
    text = f"arm,trials,successes,{wide}\nhuman,3,1,{filler}\nbot,3,1,{filler}\n"
    assert take(table(tmp_path, text)).summary.size.sum() == 6
    (problem,) = refused(table(tmp_path, "arm,trials,successes\nhuman,3,1\nbot,3," + "1" * 3_000_000 + "\n"))
    assert problem.file == "pilot.csv"


@pytest.fixture(scope="module")
def large(tmp_path_factory) -> Path:
    """Two million rows of text, about 60 MB."""
    file = tmp_path_factory.mktemp("large") / "large.csv"
    rows = (
        "SELECT CASE WHEN i % 2 = 0 THEN 'human' ELSE 'bot' END AS arm, 'land ' || i % 7 AS land, "
        "(i % 10 = 1)::INT AS outcome, (i % 1000) / 7 AS amount, 'row ' || i AS note FROM range(2000000) t(i)"
    )
    with duckdb.connect() as con:
        con.sql(rows).write_csv(str(file))
    return file


def test_two_million_rows(large):
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    found = read(reading(large, arm="arm", control="human", treated=("bot",), segment="land"), RATE).summary
    after = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    i = np.arange(2_000_000)
    for arm in (0, 1):
        for land in range(7):
            mine = (i % 2 == arm) & (i % 7 == land)
            assert found.statistics["trials"][arm, land] == mine.sum()
            assert found.statistics["successes"][arm, land] == (mine & (i % 10 == 1)).sum()
    assert found.segments == tuple(f"land {land}" for land in range(7))
    # the text alone is 60 MB; rows as Python objects would be a gigabyte (ru_maxrss is in kB on Linux)
    if os.uname().sysname == "Linux":
        assert after - before < 400_000


def test_sums_of_a_large_table_are_the_same_every_time(large):
    options = {"arm": "arm", "control": "human", "treated": ("bot",), "segment": "land"}
    first = read(reading(large, **options), AMOUNT).summary
    again = read(reading(large, **options), AMOUNT).summary
    assert first.fingerprint() == again.fingerprint()
    assert first.statistics["total"].sum() == pytest.approx(2000 * np.arange(1000).sum() / 7, rel=1e-12)


def test_the_last_line_of_a_large_table_is_found(large, tmp_path):
    file = tmp_path / "spoilt.csv"
    file.write_bytes(large.read_bytes() + b"bot,land 1,2,x,end\n")
    (problem,) = refused(file)
    assert (problem.line, problem.key) == (2_000_002, "outcome")


def test_a_fault_of_a_model_is_not_blamed_on_the_file(tmp_path):
    broken = ColumnSet(
        (Column("outcome", "flag", "success"),),
        lambda t, by, _: t.group_by(list(by)).agg(
            trials=(t.outcome.cast("string") + "?").cast("int64").sum()
        ),
        lambda groups, shape, _: {"trials": np.zeros(shape)},
        rows=True,
    )
    with pytest.raises(duckdb.Error, match="Could not convert"):
        take(table(tmp_path, "arm,outcome\nhuman,1\nbot,1\n"), Model(broken))
