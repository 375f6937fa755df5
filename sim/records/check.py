"""A finding about data, fit or money, with what to do about it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

Status = Literal["ok", "note", "warn", "fail"]


@dataclass(frozen=True, slots=True)
class Check:
    """One finding. A ``fail`` makes the whole result untrusted.

    Parameters
    ----------
    name : str
        Stable kebab-case name, e.g. ``"sample-ratio"``; may be followed by ``:outcome``.
    status : {"ok", "note", "warn", "fail"}
    message : str
        What was found, with its figure.
    remedy : str
        What the user can do; empty where nothing needs doing.
    """

    name: str
    status: Status
    message: str
    remedy: str = ""
