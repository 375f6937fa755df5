"""Maps a function over tasks: on processes of this machine, or on a Dask cluster.

A task is a value with everything in it that determines its result, its seeds too; so it does not matter which
worker does it, nor how often. What a dying worker had in hand is done again.
"""

from __future__ import annotations

import gc
import os
import signal
import threading
import time
import warnings
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures.process import BrokenProcessPool
from contextlib import contextmanager, suppress
from contextvars import ContextVar
from dataclasses import dataclass
from typing import Any, Protocol

from sim.engine.runs import all_cores
from sim.errors import Problem, Problems, ProblemsError, problem_of

DEATHS = 3
"""How many workers may die over a task before it is given up."""

_at_work: ContextVar[bool] = ContextVar("at_work", default=False)


@dataclass(frozen=True, slots=True)
class Workers:
    """Where tasks are done.

    Parameters
    ----------
    scheduler : str or None
        Address of a Dask scheduler, such as ``tcp://10.0.0.5:8786``. Its workers must see the files of the
        configs and of the results under the same paths.
    dask : bool
        A Dask cluster of this machine's own, where no scheduler is named.
    processes : int or None
        How many, on this machine; as many as it has cores if left out. 1 does everything in this process.
    """

    scheduler: str | None = None
    dask: bool = False
    processes: int | None = None

    @property
    def here(self) -> int:
        """How many processes there are on this machine."""
        return max(self.processes or all_cores(), 1)


@dataclass(frozen=True, slots=True)
class Failed:
    """A task that could not be done, and what must be mended."""

    problems: tuple[Problem, ...]


type Tell = Callable[[float], None]
type _Done = tuple[int, Any]


class Each(Protocol):
    """Does every task; results are in the order of the tasks, `Failed` where one could not be done."""

    def __call__[T, R](  # noqa: D102
        self, do: Callable[[T], R], tasks: Sequence[T], tell: Tell | None = None
    ) -> list[R | Failed]: ...


@contextmanager
def at_work(workers: Workers) -> Iterator[Each]:
    """Give the function that does tasks on these workers; a cluster is left when the block ends.

    What a task raises as a problem, or what the machine refuses it, is its own result; any other error is a
    bug and ends everything.

    Parameters
    ----------
    workers : Workers

    Raises
    ------
    ProblemsError
        When there is no such scheduler, when it is lost, or Dask is not installed.
    """
    if workers.scheduler is None and not workers.dask:
        yield _each(lambda do, tasks: _on_processes(do, tasks, workers.here))
        return
    from sim.engine.cluster import on_cluster, reached

    with reached(workers) as client:
        yield _each(lambda do, tasks: on_cluster(client, do, tasks))


def inside_worker() -> bool:
    """Tell whether this is done as one of several tasks, which should start no processes of its own."""
    return _at_work.get()


def guarded(do: Callable[[Any], Any], index: int, task: Any, *, among: bool = True) -> _Done:
    """Do one task, in whichever process; return its number and its result.

    Parameters
    ----------
    do, index, task
    among : bool
        Whether others are done beside it, so that it should keep to one process.
    """
    token = _at_work.set(among)
    try:
        return index, do(task)
    except ProblemsError as error:
        return index, Failed(error.problems)
    except (OSError, MemoryError) as error:
        problem = problem_of(error)
        if problem is None:
            raise
        return index, Failed((problem,))
    finally:
        _at_work.reset(token)


def follow(parent: int) -> None:
    """Have this process end when its parent does, however that ends, and leave Ctrl-C to it."""
    gc.set_threshold(100_000)  # compiling makes many objects, and they stay: a sixteenth of its time
    signal.signal(signal.SIGINT, signal.SIG_IGN)

    def watch() -> None:
        while os.getppid() == parent:
            time.sleep(0.5)
        os._exit(1)

    threading.Thread(target=watch, daemon=True).start()


def all_done[R](results: Sequence[R | Failed]) -> list[R]:
    """Return the results where every one of them is needed.

    Raises
    ------
    ProblemsError
        With the problems of all tasks that failed.
    """
    done, problems = list[R](), Problems()
    for result in results:
        if isinstance(result, Failed):
            problems.found += [problem for problem in result.problems if problem not in problems.found]
        else:
            done.append(result)
    problems.raise_if_any()
    return done


def given_up(deaths: int) -> Failed:
    """Return the result of a task over which workers died."""
    found = f"{deaths} processes died while they did this, and nothing else"
    remedy = "see that there is memory enough, and run it again: what was done is kept"
    return Failed((Problem(found, remedy=remedy),))


def _each(run: Callable[[Callable[[Any], Any], Sequence[Any]], Iterator[_Done]]) -> Each:
    """Return what collects results in the order of their tasks."""

    def each[T, R](do: Callable[[T], R], tasks: Sequence[T], tell: Tell | None = None) -> list[R | Failed]:
        found: dict[int, R | Failed] = {}
        for index, result in run(do, tasks):
            found[index] = result
            if tell is not None:
                tell(len(found) / len(tasks))
        return [found[index] for index in range(len(tasks))]

    return each


def _on_processes(do: Callable[[Any], Any], tasks: Sequence[Any], processes: int) -> Iterator[_Done]:
    """Yield results as they come, from processes of this machine."""
    if processes == 1 or len(tasks) == 1:
        for index, task in enumerate(tasks):
            yield guarded(do, index, task, among=processes > 1 and len(tasks) > 1)
        return
    missing = list(range(len(tasks)))
    for _ in range(DEATHS - 1):
        for done in _pooled(do, tasks, missing, processes):
            missing.remove(done[0])
            yield done
        if not missing:
            return
    # Who dies is not told. Alone, a task that kills its workers takes no other one along.
    for index in missing:
        for _ in range(DEATHS):
            alone = list(_pooled(do, tasks, [index], 2))
            if alone:
                break
        yield alone[0] if alone else (index, given_up(DEATHS))


def _pooled(
    do: Callable[[Any], Any], tasks: Sequence[Any], chosen: Sequence[int], processes: int
) -> Iterator[_Done]:
    """Yield the results of the chosen tasks, until all are done or a process dies."""
    from joblib import Parallel, delayed

    pool = Parallel(
        n_jobs=processes,
        return_as="generator_unordered",
        backend="loky",
        batch_size=1,
        initializer=follow,
        initargs=(os.getpid(),),
    )
    # Told when a process is replaced because it has grown, which loses nothing.
    with warnings.catch_warnings(), suppress(BrokenProcessPool):
        warnings.filterwarnings("ignore", message="A worker stopped", category=UserWarning)
        yield from pool(delayed(guarded)(do, index, tasks[index]) for index in list(chosen))
