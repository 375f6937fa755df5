"""The command line in this process: as fast as a function, and with the exit code of the program."""

from __future__ import annotations

import contextlib
import datetime as dt
import gc
import io
import json
import signal
import sys
import traceback
from dataclasses import dataclass
from typing import Any
from unittest import mock

from sim.cli import main

SECONDS = 60
"""Processor time that no config of a few lines and no table of a few rows may take; it takes one."""


@dataclass(frozen=True)
class Told:
    """What a command left: exit code and everything that it said."""

    code: int
    out: str
    err: str


class TooSlowError(Exception):
    """A command that takes longer than any of its kind should."""


def _too_slow(*_: object) -> None:
    raise TooSlowError


def command(*arguments: object) -> Told:
    """Run the command line in this process, as the program would, and give back what it changed."""
    out, err = io.StringIO(), io.StringIO()
    kept = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM, signal.SIGPROF)}
    threshold = gc.get_threshold()
    signal.signal(signal.SIGPROF, _too_slow)
    signal.setitimer(signal.ITIMER_PROF, SECONDS)
    try:
        with (
            mock.patch.object(sys, "argv", ["sim", *map(str, arguments)]),
            contextlib.redirect_stdout(out),
            contextlib.redirect_stderr(err),
        ):
            main()
    except SystemExit as error:
        code = error.code if isinstance(error.code, int) else 1
    except BaseException:  # noqa: BLE001  # whatever escapes is exit code 1 and a traceback
        code = 1
        err.write(traceback.format_exc())
    finally:
        signal.setitimer(signal.ITIMER_PROF, 0)
        for number, handler in kept.items():
            signal.signal(number, handler)
        gc.set_threshold(*threshold)
    return Told(code, out.getvalue(), err.getvalue())


def toml(value: Any) -> str:
    """Return a value as TOML on one line."""
    match value:
        case bool():
            return str(value).lower()
        case str():
            return json.dumps(value, ensure_ascii=True)
        case dict():
            return "{" + ", ".join(f"{toml(str(key))} = {toml(each)}" for key, each in value.items()) + "}"
        case list() | tuple():
            return "[" + ", ".join(map(toml, value)) + "]"
        case dt.date() | dt.time():
            return value.isoformat()
    return repr(value)


def document(tree: dict[str, Any]) -> str:
    """Return a tree of keys as a TOML text."""
    return "".join(f"{toml(str(key))} = {toml(value)}\n" for key, value in tree.items())
