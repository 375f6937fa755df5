"""Tasks on processes and on Dask: the same results whoever does them, and however often a worker dies."""

from __future__ import annotations

import gc
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest

from sim.engine.workers import Failed, Workers, at_work
from sim.errors import Problem, ProblemsError

TASKS = list(range(6))
HERE = Workers(processes=1)


def draw(seed: int) -> list[float]:
    return np.random.default_rng(seed).normal(size=50).tolist()  # type: ignore[no-any-return]


def draw_and_die_once(task: tuple[int, Path]) -> list[float]:
    """Draw, but kill the own process the first time that a task of the folder asks for it."""
    seed, folder = task
    if seed in (2, 3):
        try:
            (folder / f"{seed}").touch(exist_ok=False)
        except FileExistsError:
            pass
        else:
            os.kill(os.getpid(), signal.SIGKILL)
    return draw(seed)


def always_dies(seed: int) -> list[float]:
    if seed == 1:
        os.kill(os.getpid(), signal.SIGKILL)
    return draw(seed)


def refuses(seed: int) -> int:
    if seed == 1:
        raise ProblemsError(Problem("one is refused", file="one.toml"))
    if seed == 2:
        raise PermissionError(13, "Permission denied", "two.csv")
    return seed


def blunder(seed: int) -> int:
    raise RuntimeError(f"a bug, {seed}")


def slowly(seed: int) -> list[float]:
    time.sleep(0.5)
    return draw(seed)


def expected() -> list[list[float]]:
    return [draw(seed) for seed in TASKS]


def test_processes_give_the_same_as_one() -> None:
    told: list[float] = []
    with at_work(Workers(processes=2)) as each:
        assert each(draw, TASKS, told.append) == expected()
    assert told == pytest.approx([n / 6 for n in range(1, 7)])
    with at_work(HERE) as each:
        assert each(draw, TASKS) == expected()


def test_a_worker_that_is_killed_loses_nothing(tmp_path: Path) -> None:
    with at_work(Workers(processes=2)) as each:
        assert each(draw_and_die_once, [(seed, tmp_path) for seed in TASKS]) == expected()
    assert {path.name for path in tmp_path.iterdir()} == {"2", "3"}  # both died


def test_what_kills_every_worker_is_given_up_alone() -> None:
    with at_work(Workers(processes=2)) as each:
        found = each(always_dies, TASKS[:3])
    assert found[0] == draw(0)
    assert found[2] == draw(2)
    assert isinstance(found[1], Failed)
    assert "3 processes died" in found[1].problems[0].found


@pytest.mark.parametrize("processes", [1, 2])
def test_a_task_with_problems_does_not_stop_the_others(processes: int) -> None:
    with at_work(Workers(processes=processes)) as each:
        found = each(refuses, TASKS[:4])
        assert [found[0], found[3]] == [0, 3]
        told = [one.problems[0] for one in found if isinstance(one, Failed)]
        assert [problem.file for problem in told] == ["one.toml", "two.csv"]
        with pytest.raises(RuntimeError, match="a bug"):
            each(blunder, TASKS)


def open_clients() -> list[str]:
    """Dask's clients that would close themselves whenever they are collected, and may then wait for ever."""
    from distributed import Client

    return [
        one.status for one in gc.get_objects() if issubclass(type(one), Client) and one.status != "closed"
    ]


def test_a_scheduler_that_is_not_there(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sim.engine.cluster._SECONDS", 0.5)
    for address in ("tcp://127.0.0.1:9", "nowhere"):
        with pytest.raises(ProblemsError, match="no Dask scheduler"), at_work(Workers(scheduler=address)):
            pass
    assert open_clients() == []


def test_without_dask_it_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "distributed", None)
    with pytest.raises(ProblemsError, match=r"sim\[dask\]"), at_work(Workers(dask=True)):
        pass


@pytest.mark.filterwarnings("default")  # of the cluster's own threads and sockets
def test_a_killed_worker_of_a_cluster_loses_nothing(tmp_path: Path) -> None:
    with at_work(Workers(dask=True, processes=2)) as each:
        assert each(draw_and_die_once, [(seed, tmp_path) for seed in TASKS]) == expected()
        found = each(refuses, TASKS[:3])
        assert isinstance(found[1], Failed)
    assert {path.name for path in tmp_path.iterdir()} == {"2", "3"}


@pytest.mark.filterwarnings("default")  # of the cluster's own threads and sockets
def test_a_lost_scheduler_is_told(tmp_path: Path) -> None:
    code = f"""
import signal, threading, time
from distributed import LocalCluster
if __name__ == "__main__":
    with LocalCluster(n_workers=1, threads_per_worker=1, dashboard_address="127.0.0.1:0") as cluster:
        open({str(tmp_path / "address")!r} + ".new", "w").write(cluster.scheduler_address)
        import os; os.rename({str(tmp_path / "address")!r} + ".new", {str(tmp_path / "address")!r})
        time.sleep(120)
"""
    script = tmp_path / "cluster.py"
    script.write_text(code)
    path = {**os.environ, "PYTHONPATH": str(Path(__file__).parent.parent)}
    server = subprocess.Popen([sys.executable, script], env=path, stderr=subprocess.DEVNULL)
    try:
        deadline = time.monotonic() + 60
        while not (tmp_path / "address").exists() and time.monotonic() < deadline:
            time.sleep(0.1)
        address = (tmp_path / "address").read_text()
        seen: list[float] = []

        def kill(share: float) -> None:
            seen.append(share)
            server.kill()

        with (
            pytest.raises(ProblemsError, match="the scheduler was lost"),
            at_work(Workers(scheduler=address)) as each,
        ):
            each(slowly, TASKS, kill)
        assert seen
        assert open_clients() == []
    finally:
        server.kill()
        server.wait()
