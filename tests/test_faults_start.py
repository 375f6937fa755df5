"""What can be known at the start is told before anything is fitted, and what fails later is told well."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

import sim
from sim.commands.place import place_of
from sim.engine import size
from sim.engine.prepare import prepare
from sim.errors import ProblemsError
from tests.conftest import Ran, Sim
from tests.test_config import SHORTEST
from tests.test_warm_forecast import STATED, written


class FittedError(Exception):
    """Something was fitted."""


@pytest.fixture
def no_fit(monkeypatch: pytest.MonkeyPatch) -> None:
    def begin(*_: Any, **__: Any) -> None:
        raise FittedError

    monkeypatch.setattr("sim.engine.fit.begin", begin)


def another(config: Path) -> Path:
    """Write a config that would be fitted before the one whose place is taken."""
    other = config.with_name("other.toml")
    other.write_text(SHORTEST, encoding="utf-8")
    return other


COMMANDS = {
    "forecast": sim.forecast,
    "sweep": lambda config, **given: sim.sweep(config, vary=["programme.discount_rate=0.1,0.2"], **given),
    "compare": lambda config, **given: sim.compare([another(config), config], **given),
}


@pytest.mark.parametrize("command", list(COMMANDS))
@pytest.mark.parametrize("what", ["taken", "link", "file", "slug", "full"])
def test_a_place_for_the_result_is_looked_for_before_any_fit(
    tmp_path: Path, no_fit: None, monkeypatch: pytest.MonkeyPatch, command: str, what: str
) -> None:
    config, out = written(tmp_path, SHORTEST), tmp_path / "out"
    run = place_of(prepare(config), out, allow_untrusted=False)
    words = {
        "taken": "is not a complete run",
        "link": "is not a complete run",
        "file": "cannot be written to",
        "slug": "cannot be written to",
        "full": "free on the disk",
    }
    if what == "taken":
        run.mkdir(parents=True)
        (run / "mine.txt").write_text("mine")
    elif what == "link":
        run.parent.mkdir(parents=True)
        run.symlink_to(tmp_path / "nowhere")
    elif what == "file":
        out.write_text("a file")
    elif what == "slug":
        out.mkdir()
        run.parent.write_text("a file")
    else:
        monkeypatch.setattr(size.shutil, "disk_usage", lambda _: SimpleNamespace(free=1000))
    with pytest.raises(ProblemsError, match=words[what]):
        COMMANDS[command](config, out=out)
    monkeypatch.undo()
    if what == "taken":
        assert (run / "mine.txt").read_text() == "mine"


def test_the_guards_above_let_a_good_place_pass(tmp_path: Path, no_fit: None) -> None:
    for command in COMMANDS.values():
        with pytest.raises(FittedError):
            command(written(tmp_path, SHORTEST), out=tmp_path / "out")
    assert [path.name for path in (tmp_path / "out").iterdir()] in ([], [".fits"])


def test_what_does_not_fit_into_memory_is_refused_with_its_number(tmp_path: Path) -> None:
    config = written(tmp_path, STATED.replace("horizon = 8", "horizon = 1200"))
    huge = [f"sampling.draws={100_000}", f"sampling.chains={64}"]
    with pytest.raises(ProblemsError) as refused:
        sim.forecast(config, sets=huge, out=tmp_path / "out")
    (problem,) = refused.value.problems
    assert "6,400,000 samples × 1200 months × 1 segments × 2 streams take about " in problem.found
    assert "GB of memory" in problem.found
    assert problem.key == "sampling.draws"
    assert not (tmp_path / "out").exists()


LIMITED = """\
import resource, sys
kind, limit = getattr(resource, sys.argv.pop(1)), int(sys.argv.pop(1))
resource.setrlimit(kind, (limit, limit))
from sim.cli import main
main()
"""


def limited(folder: Path, kind: str, limit: int, *arguments: object) -> Ran:
    """Run the command line under a limit of the system."""
    command = [sys.executable, "-c", LIMITED, kind, str(limit), *map(str, arguments)]
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False)
    assert "Traceback" not in done.stderr, done.stderr
    return Ran(done.returncode, done.stdout, done.stderr)


@pytest.mark.skipif(sys.platform != "linux", reason="limits of the address space")
def test_the_limit_of_this_very_process_counts(tmp_path: Path) -> None:
    config = written(tmp_path)
    ran = limited(tmp_path, "RLIMIT_AS", 4_000_000_000, "forecast", config, "--set", "sampling.draws=100000",
                  "--set", "sampling.chains=64")  # fmt: skip
    assert ran.code == 2
    assert "4.0 GB are free" in ran.err


@pytest.mark.skipif(sys.platform != "linux", reason="as Linux tells it")
def test_the_least_of_machine_and_control_groups_counts(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def write(path: str, text: str) -> None:
        (tmp_path / path).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / path).write_text(text)

    monkeypatch.setattr(size, "_own_limits", lambda: iter(()))
    assert size.memory_there(tmp_path) is None, "nothing is told, so nothing is refused"
    write("proc/meminfo", "MemTotal: 9000 kB\nMemAvailable: 8000 kB\n")
    assert size.memory_there(tmp_path) == 8000 * 1024
    write("proc/self/cgroup", "0::/user/job\n")
    write("sys/fs/cgroup/user/job/memory.max", "max\n")
    assert size.memory_there(tmp_path) == 8000 * 1024
    write("sys/fs/cgroup/user/memory.max", "5000000\n")
    assert size.memory_there(tmp_path) == 5_000_000, "the limit of an outer group holds for the inner ones"
    write("proc/self/cgroup", "4:memory:/job\n0::/user/job\n")
    write("sys/fs/cgroup/memory/job/memory.limit_in_bytes", "9223372036854771712\n")
    write("sys/fs/cgroup/memory/memory.limit_in_bytes", "3000000\n")
    assert size.memory_there(tmp_path) == 3_000_000


@pytest.mark.skipif(sys.platform != "linux", reason="a device that is always full")
@pytest.mark.parametrize("arguments", [["--json"], []])
def test_an_answer_that_cannot_be_printed_is_told(tmp_path: Path, arguments: list[str]) -> None:
    config = written(tmp_path)
    command = [Path(sys.executable).with_name("sim"), "forecast", config, "--no-plots", *arguments]
    with Path("/dev/full").open("w") as full:
        done = subprocess.run(
            command, cwd=tmp_path, stdout=full, stderr=subprocess.PIPE, text=True, check=False
        )
    assert done.returncode == 2, done.stderr
    assert done.stderr == "the answer could not be printed: No space left on device\n"
    reader, writer = os.pipe()
    os.close(reader)
    done = subprocess.run(
        command, cwd=tmp_path, stdout=writer, stderr=subprocess.PIPE, text=True, check=False
    )
    os.close(writer)
    assert done.returncode == 2, done.stderr
    assert done.stderr.startswith("the answer could not be printed: ")
    assert len(done.stderr.splitlines()) == 1


@pytest.mark.skipif(sys.platform == "win32", reason="limits of the system")
@pytest.mark.parametrize("limit", [0, 1000, 10_000])
def test_files_that_the_system_does_not_let_grow(tmp_path: Path, limit: int) -> None:
    """Also those that libraries write by themselves: the tables."""
    config = written(tmp_path)
    ran = limited(tmp_path, "RLIMIT_FSIZE", limit, "forecast", config, "--no-plots")
    assert ran.code == 2, ran
    assert len(ran.err.splitlines()) == 1, ran.err
    assert sorted(path.name for path in tmp_path.iterdir()) == ["plan.toml"]


def test_what_the_machine_refuses_is_no_bug(sim: Sim, tmp_path: Path) -> None:
    program = (
        "import sys; from sim.cli import main; import sim.commands.forecast as room\n"
        "def refuse(*_, **__): raise {}\n"
        "room.forecast = refuse\n"
        "sys.argv = ['sim', 'forecast', 'x.toml']\n"
        "main()"
    )
    for trouble, code, word in (
        ("MemoryError", 2, "not enough memory"),
        ("OSError(24, 'Too many open files')", 2, "Too many open files"),
        ("RuntimeError('a bug')", 1, "a bug"),
        ("FileNotFoundError(2, 'a bug')", 1, "a bug"),
    ):
        done = subprocess.run(
            [sys.executable, "-c", program.format(trouble)], capture_output=True, text=True, check=False
        )
        assert done.returncode == code, done.stderr
        assert word in done.stderr
        assert (len(done.stderr.splitlines()) == 1) == (code == 2)
