"""Errors that a user can mend, and the collector that tells all of them at once.

Three kinds of trouble exist. A ``Problem`` is something wrong in the user's config, data or
environment; problems are collected and raised together in one ``ProblemsError``. ``InterruptedFitError``
is the user or the system asking to stop. Everything else that escapes is a bug in sim.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass


@dataclass(frozen=True, slots=True)
class Problem:
    """One thing that must be mended: where it is, what was found, what is allowed, what to do.

    Parameters
    ----------
    found : str
        What stands there now, in words that need no knowledge of sim's insides.
    allowed : str
        What may stand there.
    remedy : str
        The next step.
    file : str or None
        The file as the user named it.
    line : int or None
        1-based line in `file`.
    key : str or None
        Dotted config key, or the column of a table.
    """

    found: str
    allowed: str = ""
    remedy: str = ""
    file: str | None = None
    line: int | None = None
    key: str | None = None

    def as_dict(self) -> dict[str, str | int | None]:
        """Return the fields in the form that ``--json`` prints."""
        return asdict(self)

    def __str__(self) -> str:
        place = ":".join(str(part) for part in (self.file, self.line) if part is not None)
        head = " ".join(part for part in (place, self.key and f"[{self.key}]") if part)
        lines = [f"{head}: {self.found}" if head else self.found]
        if self.allowed:
            lines.append(f"  allowed: {self.allowed}")
        if self.remedy:
            lines.append(f"  remedy:  {self.remedy}")
        return "\n".join(lines)


class SimError(Exception):
    """Base of every error that sim raises on purpose."""


class ProblemsError(SimError):
    """Usage, config, data or environment must be mended; carries every problem found."""

    def __init__(self, *problems: Problem) -> None:
        self.problems = problems
        super().__init__("\n".join(str(problem) for problem in problems))


class InterruptedFitError(SimError):
    """Sampling was stopped from outside; nothing was published."""


class Problems:
    """Collects problems so that the user is told all of them in one go."""

    def __init__(self) -> None:
        self.found: list[Problem] = []

    def add(
        self,
        found: str,
        *,
        allowed: str = "",
        remedy: str = "",
        file: str | None = None,
        line: int | None = None,
        key: str | None = None,
    ) -> None:
        """Note one problem and go on."""
        problem = Problem(found, allowed, remedy, file, line, key)
        if problem not in self.found:
            self.found.append(problem)

    @contextmanager
    def gather(self) -> Iterator[None]:
        """Take the problems raised inside the block into this collection and go on."""
        try:
            yield
        except ProblemsError as error:
            self.found.extend(p for p in error.problems if p not in self.found)

    def __bool__(self) -> bool:
        return bool(self.found)

    def raise_if_any(self) -> None:
        """Raise one ``ProblemsError`` with everything noted so far."""
        if self.found:
            raise ProblemsError(*self.found)
