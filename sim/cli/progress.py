"""Progress of fits and settings."""

from __future__ import annotations

import sys
from collections.abc import Callable
from typing import Any


class ProgressBar:
    """A progress bar per outcome on stderr, only where stderr is a terminal."""

    def __init__(self, *, shown: bool) -> None:
        self.shown = shown and sys.stderr.isatty()
        self.bar: Any = None
        self.tasks: dict[str, Any] = {}

    def __enter__(self) -> Callable[[str, float], None] | None:
        if not self.shown:
            return None
        from rich.console import Console
        from rich.progress import BarColumn, Progress, SpinnerColumn, TextColumn, TimeElapsedColumn

        columns = (SpinnerColumn(), TextColumn("{task.description}"), BarColumn(), TimeElapsedColumn())
        self.bar = Progress(*columns, console=Console(stderr=True), transient=True)
        self.bar.start()
        return self.update

    def update(self, name: str, share: float) -> None:
        """Show the share of a task that is done, 0 to 1."""
        if name not in self.tasks:
            told = name if name in ("settings", "programmes") else f"fit {name}"
            self.tasks[name] = self.bar.add_task(told, total=1.0)
        self.bar.update(self.tasks[name], completed=share)

    def __exit__(self, *_: object) -> None:
        if self.bar is not None:
            self.bar.stop()
