"""What a forecast takes of the machine's memory and disk, told before anything is sampled."""

from __future__ import annotations

import shutil
import sys
from collections.abc import Iterator, Mapping
from contextlib import suppress
from pathlib import Path

from sim.config.plan import Plan, Reference
from sim.errors import Problem, ProblemsError
from sim.records.quantity import scalars

_NUMBER = 8
_BASE = 0.15e9
"""Bytes of the interpreter and its libraries."""
# Measured: how many arrays of a kind a forecast holds at its peak, each with a number for every sample.
_MONTHLY, _COLUMN, _ONCE = 6, 4, 30
_FOLLOWED, _PASSED_ON = 9, 5  # by segment and month: customers; the stages of a funnel
_FITTED = 40  # by arm and segment: draws, replicated data, and both once more as they are written


def memory_needed(plan: Plan, segments: Mapping[str, int]) -> float:
    """Return about how many bytes a forecast holds at its peak; true within a factor of two.

    Parameters
    ----------
    plan : Plan
    segments : mapping of str to int
        Segments of each outcome, as far as they are known.
    """
    arms, months = len(plan.strategies), plan.horizon + 1
    by_month = arms * (_streams(plan) + 2) + _MONTHLY - 2
    by_segment_and_month = arms * sum(
        _arrays(plan, name) * count for name, count in segments.items() if plan.outcomes[name].volume
    )
    fitted = sum(count for name, count in segments.items() if plan.outcomes[name].data is not None)
    numbers = (
        by_month * months
        + by_segment_and_month * plan.horizon
        + _COLUMN * _columns(plan, segments)
        + _FITTED * (arms + 1) * fitted
        + _ONCE
    )
    return _BASE + float(plan.samples) * _NUMBER * numbers


def disk_needed(plan: Plan, segments: Mapping[str, int]) -> float:
    """Return about how many bytes a run and its new fits take on the disk."""
    fitted = sum(count for name, count in segments.items() if plan.outcomes[name].data is not None)
    numbers = _columns(plan, segments) + _FITTED * (len(plan.strategies) + 1) * fitted
    return float(plan.samples) * _NUMBER * numbers


def check_memory(plan: Plan, segments: Mapping[str, int]) -> None:
    """Refuse a forecast that does not fit into the memory that is free here.

    Raises
    ------
    ProblemsError
        With what it would take, what there is, and how many samples would do.
    """
    needed, there = memory_needed(plan, segments), memory_there()
    if there is None or needed <= there:
        return
    each = (needed - _BASE) / plan.samples
    most = max(int((there - _BASE) / each), 0)
    count = max(segments.values(), default=1)
    sizes = f"{plan.samples:,} samples × {plan.horizon} months × {count} segments × {_streams(plan)} streams"
    raise ProblemsError(
        Problem(
            f"{sizes} take about {_told(needed)} of memory, and {_told(there)} are free",
            f"about {most:,} samples here",
            "lower draws or chains under [sampling]; 4,000 samples are plenty for most decisions",
            key="sampling.draws",
        )
    )


def check_disk(plan: Plan, segments: Mapping[str, int], folder: Path) -> None:
    """Refuse a forecast whose files do not fit on the disk of a folder that is there."""
    needed, there = disk_needed(plan, segments), shutil.disk_usage(folder).free
    if needed > there:
        found = f"the result takes about {_told(needed)}, and {_told(there)} are free on the disk"
        raise ProblemsError(Problem(found, remedy="free the disk or choose another --out", file=str(folder)))


def memory_there(root: Path = Path("/")) -> float | None:
    """Return how many bytes this process may still take, None where the system does not say.

    The least of what is free, of what the control groups of the process allow, and of its own limits.

    Parameters
    ----------
    root : Path
        Where ``proc`` and ``sys`` are; another for tests.
    """
    return min([*_free(root), *_group_limits(root), *_own_limits()], default=None)


def _free(root: Path) -> Iterator[float]:
    with suppress(OSError, ValueError, IndexError):
        for line in (root / "proc/meminfo").read_text("ascii").splitlines():
            if line.startswith("MemAvailable:"):
                yield float(line.split()[1]) * 1024


def _group_limits(root: Path) -> Iterator[float]:
    """Yield the limits of the control groups of this process, of either version, up to the outermost."""
    with suppress(OSError):
        for line in (root / "proc/self/cgroup").read_text("utf-8").splitlines():
            _, controllers, path = line.split(":", 2)
            if controllers not in ("", "memory"):
                continue
            base, file = (
                ("sys/fs/cgroup", "memory.max")
                if not controllers
                else ("sys/fs/cgroup/memory", "memory.limit_in_bytes")
            )
            parts = [part for part in path.split("/") if part not in ("", "..")]
            for depth in range(len(parts) + 1):
                with suppress(OSError, ValueError):  # there is none, or it says "max"
                    yield float((root / base).joinpath(*parts[:depth], file).read_text("ascii"))


def _own_limits() -> Iterator[float]:
    if sys.platform != "win32":
        import resource

        for kind in (resource.RLIMIT_AS, resource.RLIMIT_DATA):
            limit = resource.getrlimit(kind)[0]
            if limit != resource.RLIM_INFINITY:
                yield float(limit)


def _streams(plan: Plan) -> int:
    """Count the streams of cash, even those that take nothing since they are the same in all samples."""
    return sum(not outcome.kpi for outcome in plan.outcomes.values()) + len(plan.costs) + len(plan.benefits)


def _columns(plan: Plan, segments: Mapping[str, int]) -> int:
    """Count the columns of ``samples.parquet``, in all strategies."""
    drawn = sum(len(list(scalars(path, quantity))) for path, quantity in plan.quantities.items())
    return len(plan.strategies) * (drawn + 2 * sum(segments.values()) + 2 * len(segments) + 17)


def _arrays(plan: Plan, name: str) -> int:
    """Return how many arrays by segment and month an outcome needs: none where one month tells them all."""
    outcome, successes = plan.outcomes[name], Reference("successes", name)
    if outcome.model.counts == "customers":
        return _FOLLOWED
    volume = outcome.volume
    passed_on = any(other.volume == successes for other in plan.outcomes.values())
    steady = volume is not None and volume.kind == "volume" and plan.volumes[volume.name].history is None
    return _PASSED_ON if passed_on or not steady else 0


def _told(size: float) -> str:
    return f"{size / 1e9:,.1f} GB"
