"""Errors that a user can mend, and the collector that tells all of them at once.

Three kinds of trouble exist. A ``Problem`` is something wrong in the user's config, data or
environment; problems are collected and raised together in one ``ProblemsError``. ``KeyboardInterrupt`` is the
user asking to stop. Everything else that escapes is a bug in sim, or the machine failing it.
"""

from __future__ import annotations

import unicodedata
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass

# Spelling in some scripts needs these two; all other format characters can turn a line round.
_JOINERS = "\u200c\u200d"


def printable(text: str) -> str:
    r"""Return a text as one line that moves no cursor and turns no direction: control characters are gone.

    Examples
    --------
    >>> printable("a\x1b[2Jb\nc\u202ed")
    'a [2Jb c d'
    """
    if text.isprintable():
        return text
    return "".join(
        " " if unicodedata.category(char)[0] == "C" and char not in _JOINERS else char for char in text
    )


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
        # Names come from files that anybody may have written; a terminal must not obey what is in them.
        found, allowed, remedy, file, key = (
            text and printable(text) for text in (self.found, self.allowed, self.remedy, self.file, self.key)
        )
        place = ":".join(str(part) for part in (file, self.line) if part is not None)
        head = " ".join(part for part in (place, key and f"[{key}]") if part)
        lines = [f"{head}: {found}" if head else f"{found}"]
        if allowed:
            lines.append(f"  allowed: {allowed}")
        if remedy:
            lines.append(f"  remedy:  {remedy}")
        return "\n".join(lines)


class SimError(Exception):
    """Base of every error that sim raises on purpose."""


class ProblemsError(SimError):
    """Usage, config, data or environment must be mended; carries every problem found."""

    def __init__(self, *problems: Problem) -> None:
        self.problems = problems
        super().__init__("\n".join(str(problem) for problem in problems))


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


# What sim itself mixed up has these; anything else is the system's refusal.
_OWN = (FileNotFoundError, FileExistsError, NotADirectoryError, IsADirectoryError)


def problem_of(error: BaseException) -> Problem | None:
    """Return what the machine refused, as a problem of one line; None for an error of sim's own."""
    if isinstance(error, MemoryError):
        return Problem(
            "there is not enough memory for this; take fewer samples (`draws`), months or segments"
        )
    if isinstance(error, OSError) and error.errno is not None and not isinstance(error, _OWN):
        file = None if error.filename is None else str(error.filename)
        return Problem(f"the system refused: {error.strerror or error}", file=file)
    return None
