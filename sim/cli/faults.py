"""What may befall a command that is no fault of sim: the disk, the memory, a reader that goes away."""

from __future__ import annotations

import os
import sys
from contextlib import suppress

from sim.errors import Problem, printable

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


def tell(text: str) -> None:
    """Print to stderr, in one go."""
    sys.stderr.write(text + "\n")
    sys.stderr.flush()


def tell_unsaid(error: BaseException) -> None:
    """Say on stderr that the answer could not be printed, and keep the interpreter from trying again."""
    told = error.strerror if isinstance(error, OSError) else "nobody reads it any more"
    with suppress(OSError):
        tell(f"the answer could not be printed: {printable(str(told))}")
    _close(sys.stdout.fileno())


def _close(stream: int) -> None:
    """Let everything further that is written to a stream vanish."""
    nowhere = os.open(os.devnull, os.O_WRONLY)
    os.dup2(nowhere, stream)
    os.close(nowhere)
