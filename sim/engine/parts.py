"""Parts of a simulation, each with what it was made from, so that another world may take them over."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Mapping, Sequence
from typing import Any

import numpy as np

type Key = tuple[Hashable, ...]
type _Made = dict[Key, tuple[Any, dict[Key, Any]]]


class Parts:
    """Makes each part once, and takes over those of earlier simulations whose inputs are the same.

    What a part depends on is not declared but noted: while it is made, every input is asked for through
    `read`, and so are those of the parts that it is made from. Nothing can be forgotten that way.

    Parameters
    ----------
    look : callable
        ``look(key)`` returns an input as it is in this simulation; None where it has none.
    earlier : sequence of Parts
        Simulations to take parts over from, first choice first.
    """

    def __init__(self, look: Callable[[Key], Any], earlier: Sequence[Parts] = ()) -> None:
        self._look = look
        self._earlier: list[tuple[_Made, dict[Key, bool]]] = [(parts._made, {}) for parts in earlier]
        self._made: _Made = {}
        self._noted: list[dict[Key, Any]] = []

    def read(self, *key: Hashable) -> Any:
        """Return an input, and note it for the part that is being made."""
        value = self._look(key)
        if self._noted:
            self._noted[-1][key] = value
        return value

    def make[T](self, key: Key, build: Callable[[], T]) -> T:
        """Return the part `key`: made before, taken over, or built now.

        Parameters
        ----------
        key : tuple
        build : callable
            Takes all that may differ between two simulations from `read` and `make`.
        """
        part = self._made.get(key) or self._taken(key)
        if part is None:
            noted: dict[Key, Any] = {}
            self._noted.append(noted)
            try:
                part = (build(), noted)
            finally:
                self._noted.pop()
        self._made[key] = part
        if self._noted:
            self._noted[-1].update(part[1])
        value: T = part[0]
        return value

    def made_from(self, *key: Hashable) -> int:
        """Return how many parts an input entered."""
        return sum(key in noted for _, noted in self._made.values())

    def _taken(self, key: Key) -> tuple[Any, dict[Key, Any]] | None:
        for made, known in self._earlier:
            part = made.get(key)
            if part is None:
                continue
            for what, then in part[1].items():
                if what not in known:  # each input is compared once
                    now = self._look(what)
                    known[what] = now is then or same(now, then)
                if not known[what]:
                    break
            else:
                return part
        return None


def same(a: Any, b: Any) -> bool:
    """Tell whether two inputs are the same, arrays by their values.

    Examples
    --------
    >>> import numpy as np
    >>> same({"x": np.ones(2)}, {"x": np.ones(2)}), same(np.ones(2), np.zeros(2)), same(1, 1.5)
    (True, False, False)
    """
    if a is b:
        return True
    if type(a) is not type(b):
        return False
    if isinstance(a, np.ndarray):
        return np.array_equal(a, b)
    if isinstance(a, Mapping):
        return a.keys() == b.keys() and all(same(value, b[name]) for name, value in a.items())
    try:
        return bool(a == b)
    except ValueError:  # records that hold arrays cannot be compared; to make the part anew is never wrong
        return False
