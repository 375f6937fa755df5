"""Names that users gave, fit for a line of a plot, a page or a terminal."""

from __future__ import annotations

import unicodedata
from collections.abc import Iterator

# Spelling in some scripts needs these two; all other format characters can turn a line round.
_JOINERS = "\u200c\u200d"
# Closing marks, and vowels of Thai that follow their consonant, begin no line; their counterparts end none.
_NEVER_FIRST = ")]}»）》」』】〕”’、。，．；：？！％%,.;:!?…·ะาำๅๆฯ"
_NEVER_LAST = "([{«（《「『【〔“‘เแโใไ"


def clean(text: object, width: int = 60) -> str:
    r"""Return a name fit for one line: no control or direction characters, at most `width` columns.

    Examples
    --------
    >>> clean("a\u202eb\nc"), clean("abcdef", 4)
    ('ab c', 'abc…')
    """
    flat = " ".join(str(text).split())
    kept = "".join(char for char in flat if char in _JOINERS or unicodedata.category(char)[0] != "C")
    if columns(kept) <= width:
        return kept
    taken = 0
    for place, char in enumerate(kept):
        taken += columns(char)
        if taken > width - 1:
            kept = kept[:place]
            break
    return f"{kept}…"


def columns(text: str) -> int:
    """Return how many columns a text takes where East Asian characters are twice as wide.

    Examples
    --------
    >>> columns("abc"), columns("客服")
    (3, 4)
    """
    wide = sum(map(_is_wide, text))
    flat = sum(unicodedata.category(char) in {"Mn", "Me"} for char in text)
    return len(text) + wide - flat


def wrap(text: str, width: int) -> str:
    r"""Break a text into lines of at most `width` columns, also where it has no spaces.

    Examples
    --------
    >>> wrap("one two three", 8).split("\n")
    ['one two', 'three']
    >>> wrap("客服，客服客服", 6).split("\n")
    ['客服，', '客服客', '服']
    >>> wrap("a chance of 84 %", 14).split("\n")
    ['a chance of', '84 %']
    """
    lines = [""]
    for before, piece in _pieces(text, width):
        joined = f"{lines[-1]}{before}{piece}" if lines[-1] else piece
        if lines[-1] and columns(joined) > width:
            lines.append(piece)
        else:
            lines[-1] = joined
    return "\n".join(lines).replace("\u00a0%", " %")


def _pieces(text: str, width: int) -> Iterator[tuple[str, str]]:
    """Cut a text where a line may end; with each piece comes what stands before it within a line."""
    for word in text.replace(" %", "\u00a0%").split(" "):
        before, piece = " ", ""
        for char in word:
            joint = piece[-1:] + char
            may = piece and columns(char) and char not in _NEVER_FIRST and piece[-1] not in _NEVER_LAST
            if may and (any(map(_is_wide, joint)) or columns(piece + char) > width):
                yield before, piece
                before, piece = "", ""
            piece += char
        yield before, piece


def _is_wide(char: str) -> bool:
    return unicodedata.east_asian_width(char) in "WF"
