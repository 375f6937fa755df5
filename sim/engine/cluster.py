"""Does tasks on a Dask cluster: one that is there, or one of this machine's own."""

from __future__ import annotations

import asyncio
import gc
import logging
import secrets
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

from sim.engine.workers import DEATHS, Workers, given_up, guarded
from sim.errors import Problem, ProblemsError

_SECONDS = 15
_QUIET = logging.CRITICAL + 1


@contextmanager
def reached(workers: Workers) -> Iterator[Any]:
    """Open a client of the scheduler that is named, or of a cluster of processes on this machine.

    Raises
    ------
    ProblemsError
        Without Dask, or where no scheduler answers.
    """
    try:
        from distributed import Client, LocalCluster
    except ImportError:
        remedy = "install it with the extra: sim[dask] (here: uv sync --extra dask)"
        raise ProblemsError(Problem("Dask is not installed", remedy=remedy, key="--dask")) from None
    for name in ("distributed", "tornado"):  # what goes wrong is told as a problem
        logging.getLogger(name).setLevel(_QUIET)
    if workers.scheduler is not None:
        refused = ""
        try:
            client = Client(workers.scheduler, timeout=_SECONDS, set_as_default=False)
        except (OSError, TimeoutError, ValueError) as error:
            refused = str(error).splitlines()[0] or type(error).__name__
        if refused:
            # What is left of the client closes itself when it is collected, and needs a lock that another
            # client might hold by then: now nobody does.
            gc.collect()
            found = f"no Dask scheduler answers at {workers.scheduler}: {refused}"
            remedy = "start one with `dask scheduler`, and workers with `dask worker ADDRESS --nthreads 1`"
            raise ProblemsError(Problem(found, "tcp://HOST:PORT", remedy, key="--scheduler"))
        with client:
            yield client
        return
    with (
        LocalCluster(
            n_workers=workers.here, threads_per_worker=1, dashboard_address="127.0.0.1:0", silence_logs=_QUIET
        ) as cluster,
        Client(cluster, set_as_default=False) as client,
    ):
        yield client


def on_cluster(client: Any, do: Callable[[Any], Any], tasks: Sequence[Any]) -> Iterator[tuple[int, Any]]:
    """Yield results as they come; the scheduler has tasks of a worker that died done by another.

    Raises
    ------
    ProblemsError
        When the scheduler is lost.
    """
    from distributed import KilledWorker, as_completed
    from distributed.client import FutureCancelledError

    name = secrets.token_hex(4)
    futures = {
        f"sim-{name}-{index}": client.submit(
            _there, do, index, task, key=f"sim-{name}-{index}", pure=False, retries=DEATHS
        )
        for index, task in enumerate(tasks)
    }
    try:
        for future in as_completed(list(futures.values()), loop=client.loop):
            index = int(future.key.rpartition("-")[2])
            try:
                yield future.result()
            except KilledWorker:
                yield index, given_up(DEATHS)
            futures.pop(future.key)  # its result may go from the cluster
    except (FutureCancelledError, asyncio.CancelledError, OSError):
        remedy = "start it again and repeat the command: runs that were finished are taken as they are"
        raise ProblemsError(
            Problem("the scheduler was lost before all was done", remedy=remedy, key="--scheduler")
        ) from None


def _there(do: Callable[[Any], Any], index: int, task: Any) -> tuple[int, Any]:
    """Do a task on a worker, as it would be done without Dask.

    Left alone, xarray guards the posterior that it writes to memory by a lock of the whole cluster.
    """
    from dask import config

    with config.set(scheduler="synchronous"):
        return guarded(do, index, task)
