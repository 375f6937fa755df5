"""What may befall a command that is no fault of sim: the disk, the memory, a reader that goes away."""

from __future__ import annotations

import os
import sys
from contextlib import suppress

from sim.errors import printable


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
