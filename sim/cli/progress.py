"""Progress of fits, settings and lengths of pilot, and how long they still take."""

from __future__ import annotations

import sys
from collections.abc import Callable
from typing import Any

from sim.report.names import clean

_COUNTED = ("settings", "programmes", "lengths of pilot")
"""What is told besides fits, which have the names of outcomes."""


class ProgressBar:
    """A line for each thing that takes time on stderr, only where stderr is a terminal."""

    def __init__(self, *, shown: bool) -> None:
        self.shown = shown and sys.stderr.isatty()
        self.bar: Any = None
        self.tasks: dict[str, Any] = {}

    def __enter__(self) -> Callable[[str, float], None] | None:
        if not self.shown:
            return None
        from rich.console import Console
        from rich.progress import (
            BarColumn,
            Progress,
            SpinnerColumn,
            TaskProgressColumn,
            TextColumn,
            TimeElapsedColumn,
            TimeRemainingColumn,
        )

        columns = (
            SpinnerColumn(),
            TextColumn("{task.description}", markup=False),
            BarColumn(bar_width=None),
            TaskProgressColumn(),
            TimeElapsedColumn(),
            TextColumn("left:"),
            TimeRemainingColumn(compact=True),
        )
        self.bar = Progress(*columns, console=Console(stderr=True), transient=True)
        self.bar.start()
        return self.update

    def update(self, name: str, share: float) -> None:
        """Show the share of a task that is done, 0 to 1."""
        told = name if name in _COUNTED else f"fit {clean(name, 24)}"
        if share == 0.0 and name not in _COUNTED:
            told += " (the first time compiles for a minute)"
        if name not in self.tasks:
            self.tasks[name] = self.bar.add_task(told, total=1.0)
        self.bar.update(self.tasks[name], completed=share, description=told)

    def __exit__(self, *_: object) -> None:
        if self.bar is not None:
            self.bar.stop()
