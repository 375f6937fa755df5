"""Ten thousand configs and tables that hardly anybody would write, and a gigabyte on one line."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, seed, settings
from hypothesis import strategies as st

from tests.fuzzing import assert_well_told, cases, shelves, told_of
from tests.in_process import command

CASES, PARTS = 10_000, 10
pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def folders(tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    return shelves(tmp_path_factory.mktemp("shelves"))


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("place") / "here"


def test_every_start_is_a_config_that_works(folders: list[Path]) -> None:
    assert len(folders) > 10
    for folder in folders:
        told = command("check", folder / "config.toml")
        assert told.code == 0, told.err


@pytest.mark.parametrize("part", range(PARTS))
def test_configs_and_tables_of_all_kinds(folders: list[Path], place: Path, part: int) -> None:
    @seed(20260101 + part)
    @settings(
        max_examples=CASES // PARTS,
        deadline=None,
        database=None,
        suppress_health_check=list(HealthCheck),
    )
    @given(data=st.data())
    def whatever(data: st.DataObject) -> None:
        assert_well_told(told_of(data.draw(cases(folders)), place))

    whatever()


PROGRAM = """\
import resource, sys
from pathlib import Path
from sim.errors import ProblemsError
from sim.pilot.source import open_source
resource.setrlimit(resource.RLIMIT_AS, (3 << 30, 3 << 30))
before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
try:
    source = open_source(Path(sys.argv[1]), "pilot.csv", "outcomes.x")
except ProblemsError as error:
    print(error, file=sys.stderr)
    grown = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before
    sys.exit(0 if grown < 300_000 else f"{grown} kB")
sys.exit("read")
"""


@pytest.mark.parametrize("where", ["first", "last"])
@pytest.mark.parametrize("encoding", ["utf-8", "utf-16"])
def test_a_gigabyte_on_one_line(tmp_path: Path, where: str, encoding: str) -> None:
    file = tmp_path / "pilot.csv"
    piece = ("7" * (1 << 20)).encode(encoding)
    with file.open("wb") as stream:
        if where == "last":
            stream.write("arm,trials,successes\nhuman,1,1\nbot,1,1\n".encode(encoding))
        for _ in range((1 << 30) // len(piece)):
            stream.write(piece)
    done = subprocess.run(
        [sys.executable, "-c", PROGRAM, str(file)], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    assert "line" in done.stderr
    assert "bytes" in done.stderr
