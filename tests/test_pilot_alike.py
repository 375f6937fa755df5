"""Equal rows of a large file are kept as one: they say what they say one by one, and are read once."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import duckdb
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from sim.errors import ProblemsError
from sim.pilot import alike, source
from sim.pilot import engine as room
from tests.warehouse_rows import READINGS, asked, differences, made

ROWS = 4000
FEW, NEVER = 1000, 10**12
"""Rows from which on a file is large."""
_ONE_BY_ONE = re.compile(r'"sim part [0-9]+"')


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    file = made(tmp_path_factory.mktemp("rows"), ROWS)
    header = file.with_name("headed.csv")
    with duckdb.connect(str(file), read_only=True) as store:
        store.execute(f"COPY pilot TO '{header}' (FORMAT csv)")
    return {"duckdb": file, "parquet": file.with_suffix(".parquet"), "csv": header}


@pytest.fixture(autouse=True)
def anew(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Forget files that were opened while other rows were few."""
    monkeypatch.setattr(alike, "FIRST", FEW)
    monkeypatch.setattr(alike, "SHARE", 0)
    source._opened.cache_clear()
    yield
    source._opened.cache_clear()


@pytest.fixture
def kept(monkeypatch: pytest.MonkeyPatch) -> list[str | None]:
    """Return under which names rows were kept."""
    found: list[str | None] = []
    keep = room.Engine._keep

    def noted(engine: room.Engine, view: str, columns: Any) -> str | None:
        found.append(keep(engine, view, columns))
        return found[-1]

    monkeypatch.setattr(room.Engine, "_keep", noted)
    return found


def both(monkeypatch: pytest.MonkeyPatch, name: str, **where: Any) -> list[Any]:
    """Read with equal rows as one, and one by one."""
    found = []
    for first in (FEW, NEVER):
        monkeypatch.setattr(alike, "FIRST", first)
        source._opened.cache_clear()
        found.append(asked(name, **where))
    return found


@pytest.mark.parametrize("name", READINGS)
@pytest.mark.parametrize("form", ["csv", "parquet", "duckdb"])
def test_equal_rows_as_one_say_what_they_say_one_by_one(
    files: dict[str, Path], form: str, name: str, monkeypatch: pytest.MonkeyPatch, kept: list[str | None]
) -> None:
    assert differences(*both(monkeypatch, name, file=files[form])) == {}
    assert any(kept)


def test_a_file_of_few_different_rows_is_read_once(
    files: dict[str, Path], monkeypatch: pytest.MonkeyPatch, kept: list[str | None]
) -> None:
    asked_: list[str] = []
    run = room.Engine.run

    def noted(engine: room.Engine, expression: Any, *, repeatable: bool = False) -> Any:
        found = engine._counted(expression)
        asked_.append(engine._whole(expression if alike.TIMES in found.schema() else found))
        return run(engine, expression, repeatable=repeatable)

    monkeypatch.setattr(room.Engine, "run", noted)
    asked("a flag", file=files["csv"], cluster=None, period="written")
    assert len(asked_) > 5
    assert not [sql for sql in asked_ if _ONE_BY_ONE.search(sql)]
    assert len([name for name in kept if name]) <= 2


def test_many_different_rows_are_not_kept(
    files: dict[str, Path], monkeypatch: pytest.MonkeyPatch, kept: list[str | None]
) -> None:
    monkeypatch.setattr(alike, "MOST", 5)
    assert differences(*both(monkeypatch, "events", file=files["parquet"])) == {}
    assert kept
    assert not any(kept)
    kept.clear()
    monkeypatch.setattr(alike, "MOST", 50_000)
    monkeypatch.setattr(alike, "SHARE", NEVER)
    assert differences(*both(monkeypatch, "events", file=files["parquet"])) == {}
    assert kept
    assert not any(kept)


def told(monkeypatch: pytest.MonkeyPatch, file: Path) -> list[str]:
    """Return what is told of a file, which is the same either way."""
    found = []
    for first in (FEW, NEVER):
        monkeypatch.setattr(alike, "FIRST", first)
        source._opened.cache_clear()
        with pytest.raises(ProblemsError) as error:
            asked("events", file=file, segment=None)
        found.append([str(problem) for problem in error.value.problems])
    assert found[0] == found[1]
    return found[0]


def test_messages_are_of_all_rows(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    rows = ["human,1", "bot,-3", "bot,5%", "human,-3", ",2", "bot, -3"] * 400
    file = tmp_path / "refused.csv"
    file.write_text("arm,events\n" + "\n".join(rows) + "\n", "utf-8")
    assert any("-3" in line for line in told(monkeypatch, file))


def test_a_damaged_line_far_down_is_told_of(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file = tmp_path / "ragged.csv"
    file.write_text("arm,events,_times\n" + "human,1,2\nbot,2,3\n" * 2000 + "bot,2,3,4,5\n", "utf-8")
    (line,) = told(monkeypatch, file)
    assert "4002" in line


@pytest.mark.parametrize("header", ["_TIMES", "{0.x} {{}} %s 'a'", "r0;--"])
def test_a_column_may_be_called_as_it_likes(
    header: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = tmp_path / "named.parquet"
    pq.write_table(pa.table({"arm": ["human", "bot"] * 2000, header: [1, 2] * 2000}), file)
    found = both(monkeypatch, "events", file=file, columns={"events": header}, segment=None)
    assert differences(*found) == {}
    assert found[0].summary.size.sum() == 4000
