"""A warehouse is only read, for so long and no longer, and what its address holds is told to nobody."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import quote

import pytest

from sim.errors import ProblemsError
from sim.records.address import filled, refused, secrets
from tests.in_process import command, document
from tests.postgres import PASSWORD, Server, server
from tests.warehouse_rows import asked

SECRETS = (PASSWORD, quote(PASSWORD, safe=""), "p@ss", "hunter2-correct")


@pytest.fixture(scope="module")
def running() -> Iterator[Server]:
    with server() as found:
        rows = [(arm, i % 10 < rate) for arm, rate in (("human", 2), ("bot", 3)) for i in range(500)]
        found.load("pilot", {"arm": "text", "ok": "boolean"}, rows)
        found.run(
            "CREATE TABLE hidden (arm text, ok boolean)",
            "CREATE SCHEMA closed",
            "CREATE TABLE closed.pilot (arm text, ok boolean)",
            "CREATE FUNCTION writes() RETURNS boolean LANGUAGE plpgsql AS "
            "'BEGIN INSERT INTO pilot VALUES (''bot'', true); RETURN true; END'",
            "CREATE FUNCTION sneaks() RETURNS boolean LANGUAGE plpgsql AS 'BEGIN "
            "PERFORM set_config(''transaction_read_only'', ''off'', true); "
            "PERFORM set_config(''statement_timeout'', ''0'', true); RETURN writes(); END'",
            "GRANT INSERT ON pilot TO reader",  # so that nothing but the session stands in the way
        )
        yield found


@pytest.fixture
def there(running: Server, monkeypatch: pytest.MonkeyPatch) -> Server:
    monkeypatch.setenv("PILOT_DSN", running.reader)
    return running


def told(**where: Any) -> str:
    """Return what is said of a table that cannot be read."""
    with pytest.raises(ProblemsError) as error:
        asked("a flag", **({"dsn": "${PILOT_DSN}", "segment": None, "cluster": None} | where))
    text = str(error.value)
    assert not any(secret in text for secret in SECRETS)
    return text


@pytest.mark.parametrize(
    "query",
    [
        "INSERT INTO pilot VALUES ('bot', true)",
        "INSERT INTO pilot VALUES ('bot', true) RETURNING *",
        "WITH new AS (INSERT INTO pilot VALUES ('bot', true) RETURNING *) SELECT * FROM new",
        "SELECT * FROM pilot; DELETE FROM pilot",
        "SELECT * INTO other FROM pilot",
        "SELECT * FROM pilot FOR UPDATE",
        "SELECT * FROM pilot) AS q; DELETE FROM pilot; --",
        "DELETE FROM pilot",
        "DROP TABLE pilot",
        "COPY pilot TO PROGRAM 'cat'",
        "TRUNCATE pilot",
        "EXPLAIN ANALYZE SELECT 1",
        "",
        "/* */ -- ;",
    ],
)
def test_anything_but_one_select_is_refused(there: Server, query: str) -> None:
    assert "not a single SELECT" in told(query=query)
    assert there.run("SELECT count(*) FROM pilot") == [(1000,)]


@pytest.mark.parametrize("name", ["writes", "sneaks"])
def test_a_select_that_writes_meets_a_session_that_reads(there: Server, name: str) -> None:
    found = told(query=f"SELECT arm, ok OR {name}() AS ok FROM pilot")  # noqa: S608  # on purpose
    assert "only reads" in found or "read-only" in found or "read-write" in found
    assert there.run("SELECT count(*) FROM pilot") == [(1000,)]


def test_a_long_query_is_ended(there: Server) -> None:
    found = told(query="SELECT arm, ok, pg_sleep(60)::text AS nap FROM pilot", timeout=1)
    assert "longer than allowed (1 s)" in found
    free = "SELECT set_config('statement_timeout', '0', true) AS arm, true AS ok UNION ALL SELECT 'bot', true"
    slow = f"SELECT q.*, pg_sleep(60)::text AS nap FROM ({free}) AS q"  # noqa: S608  # on purpose
    assert "longer than allowed (1 s)" in told(query=slow, timeout=1)


@pytest.mark.parametrize(
    ("where", "what"),
    [
        ({"table": "hidden"}, "may not read it"),
        ({"table": "closed.pilot"}, "may not read it"),
        ({"table": "elsewhere.pilot"}, "does not exist"),
    ],
)
def test_rights_are_told(there: Server, where: dict[str, str], what: str) -> None:
    assert what in told(**where)


@pytest.mark.parametrize(
    ("address", "what"),
    [
        ("postgresql://me:hunter2-correct@no-such-host.invalid/shop", "host of the warehouse is not known"),
        ("postgresql://me:hunter2-correct@127.0.0.1:1/shop", "nothing listens there"),
        ("postgresql://me:hunter2-correct@/shop?host=%2Fnowhere", "nothing listens there"),
        ("postgresql://me:hunter2-correct@127.0.0.1:port/shop", "cannot be reached"),
        ("postgresql://me:hunter2-correct@x@127.0.0.1:1/shop", "warehouse"),
        ("hunter2-correct", "no address"),
        ("nosuch://me:hunter2-correct@host/db", "cannot be reached"),
        ("sqlite://hunter2-correct/no/such.db?password=hunter2-correct", "warehouse"),
    ],
)
def test_what_cannot_be_reached_is_told_without_its_address(
    monkeypatch: pytest.MonkeyPatch, address: str, what: str
) -> None:
    monkeypatch.setenv("PILOT_DSN", address)
    assert what in told(table="pilot")


def test_a_wrong_password_and_a_missing_database_are_told(
    there: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PILOT_DSN", there.address("reader", "hunter2-correct"))
    assert "refuses user or password" in told(table="pilot")
    monkeypatch.setenv("PILOT_DSN", there.address("owner", database="nowhere"))
    assert "database does not exist" in told(table="pilot")


def test_a_missing_library_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PILOT_DSN", "postgresql://me:hunter2-correct@host/db")
    monkeypatch.setitem(sys.modules, "psycopg", None)
    assert 'pip install "sim[postgres]"' in told(table="pilot")
    monkeypatch.setenv("PILOT_DSN", "spark://host:7077")
    monkeypatch.setitem(sys.modules, "pyspark.sql", None)
    assert 'pip install "sim[spark]"' in told(table="pilot")
    monkeypatch.setenv("PILOT_DSN", "mysql://me:hunter2-correct@host/db")
    monkeypatch.setitem(sys.modules, "MySQLdb", None)
    assert 'pip install "ibis-framework[mysql]"' in told(table="pilot")


def test_a_name_that_the_environment_lacks_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("PILOT_DSN", raising=False)
    assert "PILOT_DSN is not in the environment" in told(table="pilot")


@pytest.mark.parametrize(
    ("dsn", "may"),
    [
        ("${PILOT_DSN}", True),
        ("postgresql://reader@host/shop", True),
        ("postgresql://reader:${PASSWORD}@host/shop?sslmode=require", True),
        ("postgresql://reader:hunter2-correct@host/shop", False),
        ("postgresql://reader:hunter2-correct${X}@host/shop", False),
        ("postgresql://reader:a/hunter2-correct@host/shop", False),
        ("postgresql://host/shop?user=me&password=hunter2-correct", False),
        ("postgresql://host/shop?sslpassword=hunter2-correct", False),
        ("host=db password=hunter2-correct", False),
        ("hunter2-correct", False),
        ("", False),
    ],
)
def test_a_password_in_the_config_is_refused(tmp_path: Path, dsn: str, may: bool) -> None:
    assert (refused(dsn) is None) == may
    assert "hunter2" not in str(refused(dsn))
    told = command("check", written(tmp_path, dsn), "--json")
    assert told.code == 2
    assert "hunter2" not in told.out + told.err


def test_a_part_of_an_address_is_escaped() -> None:
    whole = filled("postgresql://me:${PW}@host/db", {"PW": PASSWORD}, "x")
    assert whole == f"postgresql://me:{quote(PASSWORD, safe='')}@host/db"
    assert {PASSWORD, quote(PASSWORD, safe=""), whole} <= set(secrets(whole))


def written(folder: Path, dsn: str, **data: str) -> Path:
    tree = {
        "programme": {"currency": "EUR", "horizon": 12},
        "pilot": {
            "data": {"dsn": dsn, **(data or {"table": "pilot"})},
            "arm": {"column": "arm", "control": "human", "treated": "bot"},
        },
        "outcomes": {
            "checkout": {"model": "conversion", "columns": {"outcome": "ok"}, "volume": 100, "value": 5}
        },
        "costs": {"all": 100},
    }
    config = folder / "pilot.toml"
    config.write_text(document(tree), encoding="utf-8")
    return config


@pytest.mark.parametrize("fitted", [False, pytest.param(True, marks=pytest.mark.slow)])
def test_the_address_is_in_nothing_that_is_said_or_written(
    there: Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, fitted: bool
) -> None:
    monkeypatch.setenv("SIM_LOG", "DEBUG")
    monkeypatch.setenv("PW", PASSWORD)
    in_part = there.reader.replace(quote(PASSWORD, safe=""), "${PW}")
    said = []
    for dsn in ("${PILOT_DSN}", in_part):
        config = written(tmp_path, dsn)
        said.append(command("check", config))
        said.append(command("check", config, "--json"))
        if fitted:
            said.append(command("forecast", config, "--out", tmp_path / "out"))
            said.append(command("forecast", config, "--out", tmp_path / "out", "--json"))
        assert [each.code for each in said] == [0] * len(said), said[-1].err
        said.append(command("check", written(tmp_path, dsn, query="SELECT nothing FROM pilot")))
        assert said.pop().code == 2
    assert bool(list(tmp_path.glob("out/**/manifest.json"))) == fitted
    text = "".join(each.out + each.err for each in said)
    files = [path for path in tmp_path.rglob("*") if path.is_file()]
    assert (len(files) > 5) == fitted
    for secret in (PASSWORD, quote(PASSWORD, safe="")):
        assert secret not in text
        assert not [path for path in files if secret.encode() in path.read_bytes()]
    # The whole address, which names host and user, is the environment's alone.
    assert quote(str(there.socket), safe="") not in said[0].out + said[0].err
