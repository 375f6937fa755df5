"""A finding about data, fit or money, with what to do about it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Literal, Self

from sim.language import packed, spoken, unpacked

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

    def spoken(self) -> dict[str, str]:
        """Return it in the language that is spoken."""
        return self._with(spoken)

    def packed(self) -> dict[str, Any]:
        """Return it as JSON can hold it, to be told in any language later."""
        return self._with(packed)

    @classmethod
    def unpacked(cls, stored: Mapping[str, Any]) -> Self:
        """Return what `packed` was given."""
        return cls(**{key: unpacked(value) for key, value in stored.items()})

    def _with(self, put: Callable[[str], Any]) -> dict[str, Any]:
        return {
            "name": self.name,
            "status": self.status,
            "message": put(self.message),
            "remedy": put(self.remedy),
        }
