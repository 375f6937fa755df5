"""Whatever stands in a config or a table is understood or told: no traceback, and no run without end."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.fuzzing import assert_well_told, cases, shelves, told_of
from tests.in_process import document, toml

QUICK = settings(deadline=None, derandomize=True, database=None, suppress_health_check=list(HealthCheck))


@pytest.fixture(scope="module")
def folders(tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    return shelves(tmp_path_factory.mktemp("shelves"))


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("place") / "here"


def test_the_same_config_on_one_line_a_key(folders: list[Path], tmp_path: Path) -> None:
    import tomllib

    for folder in folders:
        tree = tomllib.loads((folder / "config.toml").read_text("utf-8"))
        assert tomllib.loads(document(tree)) == tree


@settings(QUICK, max_examples=150)
@given(data=st.data())
def test_configs_that_need_no_table(folders: list[Path], place: Path, data: st.DataObject) -> None:
    assert_well_told(told_of(data.draw(cases(folders[-3:-1])), place))


@settings(QUICK, max_examples=25)
@given(data=st.data())
def test_configs_and_tables_of_all_kinds(folders: list[Path], place: Path, data: st.DataObject) -> None:
    assert_well_told(told_of(data.draw(cases(folders)), place))


def test_a_bug_would_be_seen(folders: list[Path], place: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def bug(*_: object, **__: object) -> Any:
        raise ZeroDivisionError(toml("a bug"))

    monkeypatch.setattr("sim.commands.check.prepare", bug)
    told = told_of((folders[-1], (folders[-1] / "config.toml").read_bytes(), {}), place)
    assert told.code == 1
    with pytest.raises(AssertionError, match="a bug"):
        assert_well_told(told)
