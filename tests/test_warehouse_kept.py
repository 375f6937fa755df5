"""Equal rows that PostgreSQL keeps as one say what they say one by one, and the table is read once."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from sim.errors import ProblemsError
from sim.pilot import alike
from sim.pilot import postgres as room
from sim.pilot.connect import open_warehouse
from sim.records.reading import Reading
from tests.postgres import Server, server
from tests.warehouse_rows import READINGS, asked, differences, load, made

PILOT: dict[str, Any] = {"dsn": "${PILOT_DSN}", "table": "pilot"}
NEVER = 10**12
"""How many rows must be alike on average for them to be kept as one; 0: always."""


@pytest.fixture(scope="module")
def running(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    folder = tmp_path_factory.mktemp("rows")
    made(folder, 4000)
    with server() as found:
        load(found, folder)
        yield found


@pytest.fixture
def there(running: Server, monkeypatch: pytest.MonkeyPatch) -> Server:
    monkeypatch.setenv("PILOT_DSN", running.reader)
    return running


@pytest.fixture
def sent(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Return the statements that are sent."""
    found: list[str] = []
    whole = room.Postgres._asked
    monkeypatch.setattr(room.Postgres, "_asked", lambda link, sql: found.append(sql) or whole(link, sql))  # type: ignore[func-returns-value]
    return found


@pytest.mark.parametrize("name", READINGS)
def test_equal_rows_kept_as_one_say_what_they_say_one_by_one(
    there: Server, monkeypatch: pytest.MonkeyPatch, sent: list[str], name: str
) -> None:
    found = []
    for many in (0, NEVER):
        monkeypatch.setattr(alike, "SHARE", many)
        found.append(asked(name, **PILOT))
    assert differences(*found) == {}
    assert any("CURRENT_SETTING" in sql for sql in sent)


def test_a_table_of_few_different_rows_is_read_once(there: Server, sent: list[str]) -> None:
    query = "SELECT arm, country, ok, CAST(day AS date) AS day FROM pilot"
    found = asked("a flag", dsn="${PILOT_DSN}", query=query, cluster=None, period="day")
    assert found.summary.series is not None
    reads = [sql for sql in sent if "FROM pilot" in sql and "LIMIT 0" not in sql]
    assert len(reads) == 2
    assert f"LIMIT {alike.FIRST}" in reads[0]
    assert len(sent) > 5
    # No statement that a server may write into its log holds what the table does.
    assert not any("human" in sql for sql in reads)


def test_many_different_rows_are_not_kept(
    there: Server, monkeypatch: pytest.MonkeyPatch, sent: list[str]
) -> None:
    expected = asked("events", **PILOT)
    assert any("CURRENT_SETTING" in sql for sql in sent)
    sent.clear()
    monkeypatch.setattr(alike, "MOST", 5)  # the first rows promise more than the whole table holds
    assert differences(asked("events", **PILOT), expected) == {}
    assert any("SET_CONFIG('sim" in sql for sql in sent)
    assert not any("CURRENT_SETTING" in sql for sql in sent)


ODD = (
    ("human", "a\"b\\c,{}'", "NaN", "infinity", "12.30"),
    (" bot ", "tab\there\nline", "Infinity", "0044-03-15 BC", "0.1"),
    ("bot", "🙂 ", "-0", "2025-01-01", "1e-3"),
    ("bot", "\u00a0", "1e-300", None, "92233720368547758.07"),
    (None, "", "0.1", "2024-02-29", None),
)


def test_what_is_kept_is_what_was_there(there: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    columns = {"arm": "char(8)", "word": "text", "x": "float8", "day": "date", "money": "numeric"}
    there.load("odd", columns, [row for row in ODD for _ in range(3)])
    found = []
    for many in (0, NEVER):
        monkeypatch.setattr(alike, "SHARE", many)
        source = open_warehouse(Reading(None, "odd", "outcomes.x", {}, table="odd", dsn="${PILOT_DSN}"))
        table = source.parts[0].table(range(5))
        told = table.mutate(c2=table.c2.cast("string"), c3=table.c3.cast("string"))
        found.append(source.run(told.order_by("c4", "c1")).to_pylist())
    assert repr(found[0]) == repr(found[1])
    assert len(found[0]) == 15


def test_what_the_numbers_of_equal_rows_do_not_tell_is_asked_of_all(
    there: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    found = []
    for many in (0, NEVER):
        monkeypatch.setattr(alike, "SHARE", many)
        source = open_warehouse(Reading(None, "pilot", "outcomes.x", {}, table="pilot", dsn="${PILOT_DSN}"))
        part = source.parts[0]
        table = part.table(part.index(name) for name in ("country", "events", "rating"))
        staged = source.engine.stage(table.mutate(twice=table.c8 * 2))
        told = staged.group_by("c2").aggregate(
            median=staged.twice.median(),
            mean=staged.c8.mean(),
            sum=staged.twice.sum(where=staged.c10 > 2),
            rows=staged.count(where=staged.c10 > 2),
            none=staged.c8.nullif(staged.c8).sum(),
            different=staged.twice.nunique(),
        )
        one = source.run(told.order_by("c2")).to_pylist()
        two = source.run(staged.order_by("twice").limit(100)["twice"].as_table().distinct()).to_pylist()
        three = source.run(staged.distinct().count().as_table()).to_pylist()
        four = source.run(staged.mutate(n=staged.count().over(group_by="c2"))["n"].as_table().order_by("n"))
        five = source.run(staged.filter(staged.c8.isin(staged.filter(staged.c8 < 3).c8)).count().as_table())
        found.append((one, two, three, four.to_pylist(), five.to_pylist()))
    assert found[0] == found[1]


def test_messages_are_of_all_rows(there: Server, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    rows = [("human", "1"), ("bot", "-3"), ("bot", "5%"), ("human", "-3"), (None, "2"), ("bot", " -3")]
    there.load("refused", {"arm": "text", "events": "text"}, rows * 40)
    told = []
    for many in (0, NEVER):
        monkeypatch.setattr(alike, "SHARE", many)
        with pytest.raises(ProblemsError) as error:
            asked("events", dsn="${PILOT_DSN}", table="refused", segment=None)
        told.append([problem.found for problem in error.value.problems])
    assert told[0] == told[1] == ['"-3" is negative (120 rows)', '"5%" is a percentage (40 rows)']


def test_a_column_may_be_called_as_it_likes(there: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    header = "{0.x} {{}} %s 'a'"
    there.load("odd_name", {"arm": "text", header: "integer"}, [("human", "1"), ("bot", "2")] * 40)
    found = []
    for many in (0, NEVER):
        monkeypatch.setattr(alike, "SHARE", many)
        found.append(
            asked("events", dsn="${PILOT_DSN}", table="odd_name", columns={"events": header}, segment=None)
        )
    assert differences(*found) == {}
    assert found[0].summary.size.sum() == 80
