"""One opened file as the rest of the room sees it, whatever its format."""

from __future__ import annotations

import unicodedata
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from difflib import get_close_matches

from sim.errors import Problem
from sim.language import phrase
from sim.pilot.engine import Expr, Stored, table

_SPACES = dict.fromkeys(map(ord, "\u00a0\u2007\u202f\u3000"), " ") | dict.fromkeys(map(ord, "\ufeff\u200b"))
"""Spaces that look like one, and characters that look like nothing: spreadsheets and web pages leave them."""


def rows_counted_from_one(rows: Sequence[int]) -> Mapping[int, int]:
    """Places of rows in a file that has rows but no lines."""
    return {row: row + 1 for row in rows}


def sound() -> list[Problem]:
    """Structural faults of a file whose format rules them out."""
    return []


def heading(text: str) -> str:
    r"""Return a header as it is compared: one encoding of accents, plain spaces, none around.

    Examples
    --------
    >>> heading("\ufeffnet\u00a0sales ")
    'net sales'
    """
    plain = unicodedata.normalize("NFC", text.translate(_SPACES))
    return plain.strip()


def did_you_mean(word: str, known: Sequence[str]) -> str:
    """Return ``did you mean "x"?`` or nothing.

    Examples
    --------
    >>> did_you_mean("Sucesses", ["trials", "successes"])
    'did you mean "successes"?'
    """
    folded = {name.casefold().strip(): name for name in reversed(known)}
    close = get_close_matches(word.casefold().strip(), list(folded), n=1, cutoff=0.6)
    return f'did you mean "{folded[close[0]]}"?' if close else ""


def listed(names: Sequence[str], most: int = 12) -> str:
    """Return names in quotes, the first `most` of them."""
    shown = ", ".join(f'"{name}"' for name in names[:most])
    if len(names) <= most:
        return shown
    return phrase("{names} and {more} more", names=shown, more=len(names) - most)


@dataclass(frozen=True, slots=True)
class Part:
    """One file (or one arm of inline figures) as a view ``c0, c1, …``.

    Parameters
    ----------
    shown : str or None
        The file in the user's words; None for inline figures.
    headers : tuple of str
    stored : tuple of Stored
        How each column is stored.
    view : str
        Its name in the engine.
    places : callable
        Row numbers (from 0) to lines of the file (from 1); slow, for messages only.
    word : str
        What a place is called: ``line`` where the file has lines, else ``row``.
    faults : callable
        Finds what is wrong with the file as a file, once the engine has refused it.
    delimiter : str
        Between the cells of a text file; empty otherwise.
    keys : mapping of str to str
        Header to config key, for inline figures.
    counted : bool
        Whether rows have no order, and equal ones are told by their number: those of a warehouse.
    """

    shown: str | None
    headers: tuple[str, ...]
    stored: tuple[Stored, ...]
    view: str
    places: Callable[[Sequence[int]], Mapping[int, int]] = rows_counted_from_one
    word: str = "row"
    faults: Callable[[], list[Problem]] = sound
    delimiter: str = ""
    keys: Mapping[str, str] | None = None
    counted: bool = False

    def place(self, number: int) -> str:
        """Return a place, as `places` gives it, in words: which row, or of how many rows."""
        if self.counted:
            return f"{number} row{'s' if number != 1 else ''}"
        return f"{self.word} {number}"

    def rows(self, numbers: Sequence[int]) -> int:
        """Return of how many rows these row numbers tell."""
        return sum(numbers) if self.counted else len(numbers)

    def table(self, places: Iterable[int]) -> Expr:
        """Return the columns at `places` as an Ibis table; not all, for a file may have thousands."""
        return table(self.view, {place: self.stored[place] for place in places})

    def index(self, header: str) -> int:
        """Return the position of a header that is known to be there."""
        return self.headers.index(self._written(header))

    def _written(self, header: str) -> str:
        """Return a header asked for as it stands here; one of ours may begin with a blank."""
        return header if header in self.headers else heading(header)

    def missing(self, header: str, key: str) -> Problem | None:
        """Return what is wrong with asking for `header`, or None."""
        wanted = self._written(header)
        found = self.headers.count(wanted)
        if found == 1:
            return None
        if found > 1:
            where = [i + 1 for i, name in enumerate(self.headers) if name == wanted]
            return Problem(
                f'{found} columns are called "{header}" (columns {", ".join(map(str, where))})',
                "each header that is used once",
                "rename the columns in the file so that the right one can be told",
                self.shown,
                1 if self.word == "line" else None,
                key,
            )
        remedy = did_you_mean(header, self.headers)
        if not remedy and len(self.headers) == 1:
            remedy = "the file has a single column: separate the cells by commas, semicolons or tabs"
        return Problem(
            f'there is no column "{header}"',
            f"one of the file's columns: {listed(self.headers)}",
            remedy or "name the column as its header does, in the same letters",
            self.shown,
            None,
            key,
        )
