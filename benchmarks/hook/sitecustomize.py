"""A clock inside processes that know nothing of it: Python runs this file at the start of each.

It measures how long named functions and imports take, without what is measured inside them, so that the times
of a process add up. Only the main thread is watched. The totals are written again after every named function,
since workers may be ended without notice. Reads ``BENCH_PROFILE`` (a folder) and ``BENCH_STAGES`` (as JSON:
module to function to label). Standard library alone.
"""

from __future__ import annotations

import atexit
import functools
import importlib.machinery
import json
import os
import threading
import time

TYPE_CHECKING = False  # without importing typing
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any

FOLDER = os.environ["BENCH_PROFILE"]
STAGES = json.loads(os.environ["BENCH_STAGES"])
OTHER = "other"
_first = time.monotonic()
_spent: dict[str, float] = {}
_stack = [OTHER]
_last = [_first]


def _pass(now: float) -> None:
    """Give the time since the last event to whatever ran."""
    label = _stack[-1]
    _spent[label] = _spent.get(label, 0.0) + now - _last[0]
    _last[0] = now


def _write() -> None:
    _pass(time.monotonic())
    told = {"first": _first, "last": _last[0], "spent": _spent}
    path = os.path.join(FOLDER, f"{os.getpid()}.json")
    with open(f"{path}.new", "w", encoding="utf-8") as file:
        json.dump(told, file)
    os.replace(f"{path}.new", path)


def timed(label: str | Callable[..., str], function: Callable[..., Any], keep: bool) -> Any:
    """Return `function` with its time under `label`; `keep` writes the totals when it ends."""

    @functools.wraps(function)
    def run(*args: Any, **kwargs: Any) -> Any:
        if threading.current_thread() is not threading.main_thread():
            return function(*args, **kwargs)
        name = label(*args) if callable(label) else label
        _pass(time.monotonic())
        _stack.append(name)
        try:
            return function(*args, **kwargs)
        finally:
            _pass(time.monotonic())
            _stack.pop()
            if keep:
                _write()

    return run


def _package(_loader: object, about: Any) -> str:
    # A module while it is executed, its specification while a library is opened.
    name = getattr(about, "__name__", None) or about.name
    return f"import {name.partition('.')[0]}"


def _watch(module: Any) -> None:
    """Put the clock around the named functions of a module before anybody takes them from it."""
    for path, label in STAGES.get(module.__name__, {}).items():
        owner: Any = module
        *outer, name = path.split(".")
        for part in outer:
            owner = getattr(owner, part)
        setattr(owner, name, timed(label, getattr(owner, name), keep=True))


def _install() -> None:
    source: Any = importlib.machinery.SourceFileLoader
    plain = timed(_package, source.exec_module, keep=False)

    def executed(self: object, module: Any) -> None:
        plain(self, module)
        _watch(module)

    source.exec_module = executed
    extension = importlib.machinery.ExtensionFileLoader
    for method in ("create_module", "exec_module"):
        setattr(extension, method, timed(_package, getattr(extension, method), keep=False))
    atexit.register(_write)


_install()
