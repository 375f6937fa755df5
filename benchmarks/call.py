"""Calls one function of a row in a process of its own: ``python -m benchmarks.call MODULE FUNCTION JSON``.

What it returns is printed as JSON. A function that goes on after what is timed says so with `done`.
"""

from __future__ import annotations

import json
import sys
import time
from importlib import import_module

from benchmarks.timing import DONE


def done() -> None:
    """End what is timed here; checks of the result may follow."""
    print(f"{DONE}{time.monotonic()!r}", flush=True)  # noqa: T201


if __name__ == "__main__":
    _, module, function, given = sys.argv
    found = getattr(import_module(module), function)(**json.loads(given))
    print(json.dumps(found))  # noqa: T201
