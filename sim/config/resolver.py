"""Collects what a config refers to, and every problem with it, while it is resolved."""

from __future__ import annotations

import difflib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from sim.config.load import Source
from sim.config.locate import Path as Key
from sim.config.plan import FlowPlan, Reference, VolumePlan
from sim.config.schema import Config, Flow, Volume
from sim.config.table_place import place_of
from sim.errors import Problems
from sim.records.quantity import BySegment, Quantity, Samples, quoted, scalars
from sim.records.reading import Reading


def _is_file(path: Path) -> bool:
    try:
        return path.is_file()
    except OSError:  # a name that no file can have
        return False


class Resolver:
    """Collects the quantities and the problems of one config while it is resolved."""

    def __init__(self, config: Config, tree: Mapping[str, Any], source: Source) -> None:
        self.config = config
        self.tree = tree
        self.source = source
        self.problems = Problems()
        self.quantities: dict[str, Quantity] = {}

    def problem(self, key: Key, found: str, allowed: str = "", remedy: str = "") -> None:
        """Note a problem at `key`."""
        told = self.source.problem(key, found, allowed, remedy)
        self.problems.add(
            told.found, allowed=told.allowed, remedy=told.remedy, file=told.file, line=told.line, key=told.key
        )

    def keep(self, key: Key, quantity: Quantity | None, *, by: bool = False) -> str | None:
        """Register a quantity under its path as the user wrote it; None stays None.

        `by` tells whether it may be given by segment.
        """
        if quantity is None:
            return None
        if isinstance(quantity, BySegment) and not by:
            self.problem(key, f"{key[-1]} by segment", "one quantity for all segments")
        path = ".".join(quoted(str(part)) for part in key)
        self.quantities[path] = quantity
        for _, scalar in scalars(path, quantity):
            if isinstance(scalar, Samples) and not _is_file(self.source.folder / scalar.file):
                found = "the file with samples does not exist, or is no regular file"
                self.problem(key, found, "a table beside the config")
        return path

    def written(self, *key: str) -> Key:
        """Return the key of a quantity without its last part where the user wrote the short form."""
        here: Any = self.tree
        for part in key[:-1]:
            here = here.get(part) if isinstance(here, Mapping) else None
        is_table = isinstance(here, Mapping) and key[-1] in here
        return key if is_table else key[:-1]

    def close(self, name: str, options: list[str]) -> str:
        """Return a remedy that names the nearest option."""
        near = difflib.get_close_matches(name, options, n=1)
        return f'did you mean "{near[0]}"?' if near else ""

    def reference(self, key: Key, text: str) -> Reference | None:
        """Return what a volume reference names, or note that it names nothing."""
        volumes, outcomes = self.config.volumes, self.config.outcomes
        head, dot, tail = text.rpartition(".")
        if text in volumes:
            return Reference("volume", text)
        if dot and tail == "successes" and head in outcomes:
            return Reference("successes", head)
        if dot and tail == "stock" and head in volumes and volumes[head].stock is not None:
            return Reference("stock", head)
        options = [*volumes, *(f"{name}.successes" for name in outcomes)]
        options += [f"{name}.stock" for name, volume in volumes.items() if volume.stock is not None]
        allowed = ", ".join(options) or "a name from [volumes]"
        self.problem(key, f'"{text}" names no volume', allowed, self.close(text, options))
        return None

    def volume(self, key: Key, name: str, volume: Volume) -> VolumePlan:
        """Resolve a driver that stands at `key`."""
        text = tuple(str(part) for part in key)
        if volume.of is None and volume.share is not None:
            self.problem(key, "share without of", 'of = "another volume"')
        if volume.of is not None and volume.share is None:
            self.problem(key, "of without share", "share = 0.69")
        given = [k for k in ("monthly", "daily", "of", "history") if getattr(volume, k) is not None]
        if len(given) > 1 or not (given or volume.stock is not None):
            found = " and ".join(given) + " together" if given else "no monthly, daily, stock, of or history"
            allowed = "exactly one of monthly, daily, of, history; stock may stand alone or beside"
            self.problem(key, found, allowed)
        if volume.of is not None and volume.of not in self.config.volumes:
            options = list(self.config.volumes)
            self.problem(
                (*key, "of"),
                f'"{volume.of}" names no volume',
                ", ".join(options),
                self.close(volume.of, options),
            )
        if isinstance(volume.share, BySegment) and not self._same_segments(volume):
            self.problem((*key, "share"), "share by segment of a volume without", "the same segments in both")
        dated = self.config.programme.start is not None or volume.history is not None
        if volume.seasonality is not None and not dated:
            self.problem((*key, "seasonality"), "seasonality without programme.start", "start = 2026-01-01")
        monthly_key = self.written(*text, "monthly")
        return VolumePlan(
            name,
            self.keep(monthly_key, volume.monthly, by=True)
            or self.keep((*key, "daily"), volume.daily, by=True),
            self.keep((*key, "days"), volume.days),
            volume.daily is not None,
            self.keep((*key, "stock"), volume.stock, by=True),
            self.keep((*key, "growth"), volume.growth),
            volume.seasonality or (),
            volume.of,
            self.keep((*key, "share"), volume.share, by=True),
            self._history(key, volume),
        )

    def _history(self, key: Key, volume: Volume) -> Reading | None:
        """Return what is read of a driver's past months."""
        history = volume.history
        if history is None:
            return None
        if volume.growth is not None:
            remedy = "drop growth, or state the volume: monthly = …, growth = …"
            self.problem((*key, "growth"), "growth beside a history, from which it is learnt", "", remedy)
        place = place_of(self, (*key, "history", "data"), history.data, 'data = "history.csv"')
        return Reading(
            **(place or {"file": None, "shown": ""}),
            key=".".join(quoted(str(part)) for part in (*key, "history")),
            columns={str(role): header for role, header in history.columns.items()},
        )

    def _same_segments(self, volume: Volume) -> bool:
        """Whether a share by segment stands on a volume by the same segments."""
        parent = self.config.volumes.get(volume.of or "")
        monthly = None if parent is None else parent.monthly or parent.daily
        if not (isinstance(monthly, BySegment) and isinstance(volume.share, BySegment)):
            return False
        return monthly.by.keys() == volume.share.by.keys()

    def flow(self, section: str, name: str, flow: Flow) -> FlowPlan:
        """Resolve a cost or a known benefit."""
        key: Key = (section, name)
        horizon = self.config.programme.horizon
        if flow.at > horizon:
            self.problem((*key, "at"), f"month {flow.at} lies beyond the horizon", f"0 to {horizon}")
        if flow.until is not None and flow.until < flow.from_:
            self.problem((*key, "until"), f"until {flow.until} lies before from {flow.from_}", "from ≤ until")
        if flow.months is not None and len(flow.months) > horizon:
            found = f"{len(flow.months)} months in a horizon of {horizon}"
            self.problem((*key, "months"), found, f"at most {horizon} amounts")
        return FlowPlan(
            name,
            f"{section}.{quoted(name)}",
            self.keep(self.written(section, name, "once"), flow.once),
            flow.at,
            self.keep((*key, "monthly"), flow.monthly) or self.keep((*key, "daily"), flow.daily),
            self.keep((*key, "days"), flow.days),
            flow.daily is not None,
            tuple(str(self.keep((*key, "months", i + 1), q)) for i, q in enumerate(flow.months or ())),
            None if flow.per is None else self.reference((*key, "per"), flow.per),
            self.keep((*key, "amount"), flow.amount),
            flow.from_,
            flow.until,
            self.keep((*key, "growth"), flow.growth),
            flow.category or ("development" if name == "development" else "other"),
            flow.arm,
        )
