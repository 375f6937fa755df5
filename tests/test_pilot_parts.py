"""A small table is parsed once and kept in memory: it says what it says when each question parses it anew."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import duckdb
import pytest

from sim.pilot import alike, source
from sim.pilot import engine as room
from tests.warehouse_rows import READINGS, asked, differences, made

ROWS = 4000


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    file = made(tmp_path_factory.mktemp("rows"), ROWS)
    with duckdb.connect(str(file), read_only=True) as store:
        store.execute(f"COPY pilot TO '{file.with_name('headed.csv')}' (FORMAT csv)")
        for part in range(3):
            some = f"(FROM pilot LIMIT {ROWS // 3} OFFSET {part * (ROWS // 3)})"
            store.execute(f"COPY {some} TO '{file.with_name(f'part {part}.csv')}' (FORMAT csv)")
    return file.parent


@pytest.fixture
def kept(monkeypatch: pytest.MonkeyPatch) -> Iterator[list[str]]:
    """Return what was kept, of files that are opened anew."""
    found: list[str] = []
    keep = room.Engine._keep_parts

    def noted(engine: room.Engine, expression: Any) -> None:
        before = set(engine._parts)
        keep(engine, expression)
        found.extend(before - set(engine._parts))

    monkeypatch.setattr(room.Engine, "_keep_parts", noted)
    source._opened.cache_clear()
    yield found
    source._opened.cache_clear()


def both(monkeypatch: pytest.MonkeyPatch, name: str, file: Path) -> list[Any]:
    """Read with parts kept in memory, and without."""
    found = []
    for most in (ROWS, 0):
        monkeypatch.setattr(alike, "MOST", most)
        source._opened.cache_clear()
        found.append(asked(name, file=file))
    return found


@pytest.mark.parametrize("name", READINGS)
def test_parts_in_memory_say_what_they_say_anew(
    folder: Path, name: str, monkeypatch: pytest.MonkeyPatch, kept: list[str]
) -> None:
    assert differences(*both(monkeypatch, name, folder / "headed.csv")) == {}
    assert kept


def test_sums_over_several_files_have_the_same_last_digit(
    folder: Path, monkeypatch: pytest.MonkeyPatch, kept: list[str]
) -> None:
    # The engine adds up several files in an order of its own, which is not that of their rows.
    assert differences(*both(monkeypatch, "fractions", folder / "part *.csv")) == {}
    assert not kept


def test_a_part_is_kept_once(folder: Path, kept: list[str]) -> None:
    asked("amounts", file=folder / "headed.csv")
    assert len(set(kept)) == len(kept) <= 4
