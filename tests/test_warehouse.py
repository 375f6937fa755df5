"""A pilot table in PostgreSQL says what the same table says in DuckDB, and only groups leave it."""

from __future__ import annotations

import math
from collections.abc import Iterator
from fractions import Fraction
from pathlib import Path
from typing import Any

import duckdb
import ibis
import numpy as np
import pytest

from sim.engine.joint import joint
from sim.engine.prepare import prepare
from sim.errors import ProblemsError
from sim.pilot import postgres as room
from sim.pilot.connect import open_warehouse
from sim.pilot.engine import Engine
from sim.pilot.exact import run_exactly
from sim.pilot.parse import parsed, styles, within
from sim.records.reading import Reading
from tests.conftest import ROOT
from tests.docs_blocks import blocks
from tests.in_process import command, document
from tests.postgres import Server, server
from tests.warehouse_rows import READINGS, asked, differences, load, made

ROWS = 20_000
FILE = 1e-13
"""Sums of fractions of a file are those of DuckDB, in the order of its rows: the last digits are its own."""


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return made(tmp_path_factory.mktemp("rows"), ROWS)


@pytest.fixture(scope="module")
def running(store: Path) -> Iterator[Server]:
    with server() as found:
        load(found, store.parent)
        yield found


@pytest.fixture
def there(running: Server, store: Path, monkeypatch: pytest.MonkeyPatch) -> Server:
    monkeypatch.setenv("PILOT_DSN", running.reader)
    monkeypatch.setenv("DUCK_DSN", f"duckdb://{store}")
    return running


POSTGRES: dict[str, Any] = {"dsn": "${PILOT_DSN}", "table": "pilot"}
DUCKDB: dict[str, Any] = {"dsn": "${DUCK_DSN}", "table": "pilot"}


@pytest.mark.parametrize("name", READINGS)
def test_postgresql_gives_the_same_statistics_as_duckdb(there: Server, store: Path, name: str) -> None:
    found = asked(name, **POSTGRES)
    assert differences(found, asked(name, **DUCKDB)) == {}
    from_file = differences(found, asked(name, file=store.with_suffix(".parquet")))
    assert all(apart < FILE for apart in from_file.values()), from_file
    whole = {"a flag", "a flag as text", "events", "exposures", "ratings", "dates", "tenures"}
    assert name not in whole or from_file == {}


def test_a_query_says_what_its_table_says(there: Server) -> None:
    query = "WITH p AS (SELECT arm, country, ok AS outcome FROM pilot) SELECT * FROM p -- all of them;\n;"
    found = asked("a flag", dsn="${PILOT_DSN}", query=query, columns={"outcome": "outcome"}, cluster=None)
    assert differences(found, asked("a flag", **POSTGRES, cluster=None)) == {}


def test_rows_stay_where_they_are(there: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    fetched = []
    whole = room.Postgres.rows
    monkeypatch.setattr(
        room.Postgres,
        "rows",
        lambda *of: fetched.append(found := whole(*of)) or found,  # type: ignore[func-returns-value]
    )
    for name in ("a flag", "amounts", "dates", "seconds"):
        asked(name, **POSTGRES, cluster=None)
    assert 9 * 2 < max(table.num_rows for table in fetched) < ROWS / 10


def test_a_sum_is_the_correctly_rounded_one_in_any_order() -> None:
    rng = np.random.default_rng(1)
    numbers = [*rng.lognormal(0, 6, 4000).tolist(), *[0.1] * 7]
    found = []
    for _ in range(2):
        rng.shuffle(numbers)
        engine = Engine()
        engine.duckdb.execute("CREATE TABLE t AS SELECT unnest(?) AS x, 'a' AS k", [numbers])
        table = ibis.table({"x": "float64", "k": "string"}, name="t")
        grouped = table.group_by("k").agg(
            n=table.count(), sum=table.x.sum(), mean=table.x.mean(), sd=table.x.std(how="sample")
        )
        found.append(run_exactly(grouped, engine.stage, engine.run, wide=True).to_pylist())
    assert found[0] == found[1]
    exact = [Fraction(number) for number in numbers]
    mean = sum(exact) / len(exact)
    variance = sum((number - mean) ** 2 for number in exact) / (len(exact) - 1)
    row = found[0][0]
    assert (row["n"], row["sum"], row["mean"]) == (len(numbers), math.fsum(numbers), float(mean))
    assert row["sd"] == pytest.approx(math.sqrt(variance), rel=2e-16)


def test_equal_numbers_have_no_spread_and_one_has_none() -> None:
    engine = Engine()
    engine.duckdb.execute(
        "CREATE TABLE t AS SELECT * FROM (VALUES (0.1, 1), (0.1, 1), (9.9, 2), (NULL, 3)) v(x, k)"
    )
    table = ibis.table({"x": "float64", "k": "int64"}, name="t")
    grouped = table.group_by("k").agg(sd=table.x.std(how="sample"), mean=table.x.mean())
    found = run_exactly(grouped, engine.stage, engine.run, wide=True).to_pydict()
    assert found == {"k": [1, 2, 3], "sd": [0.0, None, None], "mean": [0.1, 9.9, None]}


TEXTS = [
    "1", " 2.5 ", "\u00a03\u00a0", "4e2", ".5", "7.", "-0", "1e-200", "1e288", "9" * 90, "abc", "1e400",
    "nan", "inf", "1,5", "٣", "0x1f", "1_000", "", None, "\t8",
]  # fmt: skip
DATES = [
    "2023-02-28", "2024-02-29", "2023-02-29", "2023-02-30", "2023-13-01", "2023-00-10", "0000-01-01",
    "1900-02-29", "2000-02-29", "2023-06-31 10:00:00", "2023-06-30T23:59:59Z", "1899-12-31", "x", None,
]  # fmt: skip


@pytest.mark.parametrize(
    ("kind", "texts"), [("number", TEXTS), ("date", DATES), ("flag", ["Yes", "nO", "1.0", "İ"])]
)
def test_text_is_read_alike(
    there: Server, kind: Any, texts: list[str | None], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    there.load("texts", {"x": "text", "i": "integer"}, [(text, i) for i, text in enumerate(texts)])
    file = tmp_path / "texts.duckdb"
    with duckdb.connect(str(file)) as made:
        made.execute(
            "CREATE TABLE texts AS SELECT unnest(?) AS x, CAST(unnest(range(?)) AS INTEGER) AS i",
            [texts, len(texts)],
        )
    monkeypatch.setenv("DUCK_DSN", f"duckdb://{file}")
    found = []
    for dsn in ("${PILOT_DSN}", "${DUCK_DSN}"):
        source = open_warehouse(Reading(None, "texts", "outcomes.x", {}, table="texts", dsn=dsn))
        table = source.parts[0].table([0, 1])
        (style,) = styles([("c0", kind, "text")], table, source.run, decimal_comma=False)
        value = within(parsed(table.c0, kind, "text", style.rstrip("?")), kind)
        found.append(
            source.run(table.select(table.c1, cell=table.c0, value=value).order_by("c1")).to_pydict()
        )
    assert found[0] == found[1]
    assert any(value is None for value in found[0]["value"])
    assert any(value is not None for value in found[0]["value"])


def test_messages_name_values_and_how_many_rows_hold_them(there: Server) -> None:
    rows = [("human", "1"), ("bot", "-3"), ("bot", "5%"), ("human", "-3"), ("bot", "2")]
    there.load("wrong", {"arm": "text", "events": "text"}, rows)
    with pytest.raises(ProblemsError) as error:
        asked("events", dsn="${PILOT_DSN}", table="wrong", segment=None)
    told = [problem.found for problem in error.value.problems]
    assert told == ['"-3" is negative (2 rows)', '"5%" is a percentage (1 row)']
    there.load(
        "broken", {"arm": "text", "trials": "int", "successes": "int"}, [("human", 1, 2), ("bot", 3, 1)]
    )
    with pytest.raises(ProblemsError, match=r"more successes than trials: trials 1, successes 2 \(1 row\)"):
        asked("a flag", dsn="${PILOT_DSN}", table="broken", columns={}, segment=None, cluster=None)


def test_a_column_may_compare_letters_as_it_likes(there: Server) -> None:
    there.run(
        "DROP TABLE IF EXISTS alike",
        "CREATE COLLATION IF NOT EXISTS alike"
        " (provider = icu, locale = 'und-u-ks-level2', deterministic = false)",
        "CREATE TABLE alike (arm text COLLATE alike, outcome boolean)",
        "INSERT INTO alike VALUES ('bot', true), ('BOT', true), ('human', false)",
        "GRANT SELECT ON alike TO reader",
    )
    found = asked(
        "a flag",
        dsn="${PILOT_DSN}",
        table="alike",
        columns={"outcome": "outcome"},
        segment=None,
        cluster=None,
    )
    assert found.summary.statistics["trials"].tolist() == [[1.0], [1.0]]


@pytest.mark.parametrize(
    ("where", "told"),
    [
        ({"table": "nowhere"}, "the table does not exist"),
        ({"table": "public.Pilot"}, "the table does not exist"),
        ({"table": "a..b"}, "no name of a table"),
        ({"query": "SELECT nothing FROM pilot"}, "nothing"),
        ({"query": "SELECT 1 AS a, 2 AS a"}, "the same name"),
    ],
)
def test_what_is_not_there_is_named(there: Server, where: dict[str, Any], told: str) -> None:
    with pytest.raises(ProblemsError, match=told):
        asked("a flag", dsn="${PILOT_DSN}", **where)


CONFIG: dict[str, Any] = {
    "programme": {"currency": "EUR", "horizon": 12},
    "pilot": {
        "data": {"dsn": "${PILOT_DSN}", "table": "public.small"},
        "arm": {"column": "arm", "control": "human", "treated": "bot"},
    },
    "volumes": {"visits": {"history": {"data": {"dsn": "${PILOT_DSN}", "query": "SELECT * FROM past"}}}},
    "outcomes": {
        "checkout": {"model": "conversion", "columns": {"outcome": "ok"}, "volume": "visits", "value": 5}
    },
    "costs": {"all": 100},
}


def test_a_run_is_named_by_what_the_warehouse_says(there: Server, tmp_path: Path) -> None:
    rows = [(arm, i % 10 < rate) for arm, rate in (("human", 2), ("bot", 3)) for i in range(500)]
    there.load("small", {"arm": "text", "ok": "boolean"}, rows)
    past = [(f"2025-{month:02}-01", 100 + month) for month in range(1, 13)]
    there.load("past", {"month": "date", "units": "integer"}, past)
    config = tmp_path / "pilot.toml"
    config.write_text(document(CONFIG), encoding="utf-8")
    told = command("check", config)
    assert (told.code, "ready to forecast" in told.out) == (0, True), told.err
    store = tmp_path / "fits"
    first = prepare(config, store=store)
    assert joint(first, {}).sources == joint(prepare(config, store=store), {}).sources  # also of a portfolio
    assert next(iter(first.data)) == "${PILOT_DSN} public.small: outcomes.checkout"
    assert len(first.data) == 2
    assert prepare(config, store=store).run_id(allow_untrusted=False) == first.run_id(allow_untrusted=False)
    for statement in (
        "INSERT INTO small VALUES ('bot', true)",
        "UPDATE past SET units = 7 WHERE units = 103",
    ):
        there.run(statement)
        second = prepare(config, store=store)
        assert second.run_id(allow_untrusted=False) != first.run_id(allow_untrusted=False)
        first = second
    assert not first.shelf.new  # nothing of a warehouse is kept
    there.run("INSERT INTO past VALUES ('2025-12-01', 5)")
    refused = command("check", config)
    assert (refused.code, "the month has a row already: 2025-12" in refused.err) == (2, True), refused.err


@pytest.mark.parametrize(
    ("data", "told"),
    [
        ({"dsn": "${PILOT_DSN}"}, "neither table nor query"),
        ({"dsn": "${PILOT_DSN}", "table": "a", "query": "SELECT 1"}, "both table and query"),
        ({"dsn": "${PILOT_DSN}", "table": "a", "file": "b.csv"}, "a file and a warehouse"),
        ({"dsn": "${PILOT_DSN}", "table": "a", "sheet": "b"}, "a sheet of a warehouse"),
        ({"file": "b.csv", "timeout": 5}, "a timeout without a warehouse"),
    ],
)
def test_keys_that_do_not_go_together_are_refused(tmp_path: Path, data: dict[str, Any], told: str) -> None:
    config = tmp_path / "pilot.toml"
    config.write_text(
        document(CONFIG | {"volumes": {"visits": 5}, "pilot": {**CONFIG["pilot"], "data": data}})
    )
    refused = command("check", config)
    assert (refused.code, told in refused.err) == (2, True), refused.err


def test_a_reader_can_follow_the_page(there: Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    shown = {block.title: block.text for block in blocks("text", pages=[ROOT / "docs/howto/warehouse.md"])}
    there.run(
        "CREATE SCHEMA analytics",
        "CREATE TABLE analytics.orders (variant text, country text, bought boolean)",
        "INSERT INTO analytics.orders SELECT CASE WHEN i % 2 = 0 THEN 'bot' ELSE 'human' END, 'NO', i % 7 = 0"
        " FROM generate_series(1, 700) AS i",
        shown["grants.sql"],
    )
    monkeypatch.setenv("PILOT_DSN", there.address("sim", "…"))
    (tmp_path / "pilot.toml").write_text(shown["pilot.toml"], "utf-8")
    told = command("check", tmp_path / "pilot.toml")
    assert (told.code, "ready to forecast" in told.out) == (0, True), told.err
