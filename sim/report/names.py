"""Names that users gave, fit for a line of a plot, a page or a terminal."""

from __future__ import annotations

import unicodedata

# Spelling in some scripts needs these two; all other format characters can turn a line round.
_JOINERS = "\u200c\u200d"


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
    wide = sum(unicodedata.east_asian_width(char) in "WF" for char in text)
    flat = sum(unicodedata.category(char) in {"Mn", "Me"} for char in text)
    return len(text) + wide - flat


def wrap(text: str, width: int) -> str:
    r"""Break a text into lines of at most `width` columns, also where it has no spaces.

    Examples
    --------
    >>> wrap("one two three", 8).split("\n")
    ['one two', 'three']
    >>> wrap("客服客服客服", 6).split("\n")
    ['客服客', '服客服']
    """
    lines = [""]
    for word in text.split(" "):
        pieces = [word]
        if columns(word) > width:
            pieces, part = [], ""
            for char in word:
                if columns(part + char) > width:
                    pieces.append(part)
                    part = ""
                part += char
            pieces.append(part)
        for piece in pieces:
            joined = f"{lines[-1]} {piece}" if lines[-1] else piece
            if columns(joined) <= width:
                lines[-1] = joined
            else:
                lines.append(piece)
    return "\n".join(lines)
