"""The language in which results are told: words from a catalogue, numbers as its readers write them.

English is the language of the code, and each text is its own key: what a catalogue lacks is told in English.
"""

from __future__ import annotations

import string
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar
from functools import cache
from pathlib import Path
from typing import Any

LANGUAGES = {"en": "English", "zh": "简体中文", "th": "ไทย", "nb": "norsk bokmål", "es": "español"}
"""By code of ISO 639."""
CATALOGUES = Path(__file__).parent / "catalogues"

_spoken = ContextVar("spoken", default="en")


@contextmanager
def spoken_in(code: str) -> Iterator[None]:
    """Tell what is told inside the block in one of `LANGUAGES`."""
    token = _spoken.set(code)
    try:
        yield
    finally:
        _spoken.reset(token)


def language() -> str:
    """Return the code of the language that is spoken now."""
    return _spoken.get()


def N_(text: str) -> str:  # noqa: N802  # as gettext has it
    """Mark a text for the catalogues where it is told later."""
    return text


def _(text: str) -> str:
    """Return a text in the language that is spoken."""
    code = _spoken.get()
    return text if code == "en" else _catalogue(code).get(text, text)


class Phrase(str):
    """A text with figures, in English, which can be told in other languages later: see `phrase`."""

    __slots__ = ("text", "values")
    text: str
    values: Mapping[str, Any]


def phrase(text: str, **values: Any) -> Phrase:
    """Fill in a text whose places in braces have names.

    Parameters
    ----------
    text : str
        As the catalogues have it.
    **values
        Strings, numbers, or what `phrase` returned.

    Examples
    --------
    >>> found = phrase("{share:.1f} % of {name}", share=12.34, name="Bergen")
    >>> found
    '12.3 % of Bergen'
    >>> with spoken_in("nb"):
    ...     spoken(found)
    '12,3 % of Bergen'
    """
    made = Phrase(text.format(**values))
    made.text, made.values = text, values
    return made


def spoken(text: str) -> str:
    """Return a text in the language that is spoken, its figures as its readers write them."""
    if isinstance(text, Phrase):
        return _Filled().vformat(_(text.text), (), text.values)
    return _(text)


def packed(text: str) -> Any:
    """Return a text as JSON can hold it without losing in what it can be told."""
    if not isinstance(text, Phrase):
        return text
    return {"text": text.text, "values": {name: packed(value) for name, value in text.values.items()}}


def unpacked(stored: Any) -> Any:
    """Return what `packed` was given."""
    if not isinstance(stored, dict):
        return stored
    return phrase(stored["text"], **{name: unpacked(value) for name, value in stored["values"].items()})


class _Filled(string.Formatter):
    def format_field(self, value: Any, format_spec: str) -> Any:
        if isinstance(value, str):
            return format(spoken(value), format_spec)
        return localised(format(value, format_spec))


def localised(number: str) -> str:
    """Return a number in English form as readers of the language that is spoken write it.

    Examples
    --------
    >>> with spoken_in("es"):
    ...     localised("-1,234.5")
    '-1.234,5'
    """
    code = _spoken.get()
    return number if code == "en" else number.translate(_signs(code))


@cache
def _signs(code: str) -> Mapping[int, str]:
    from babel.core import Locale

    symbols = Locale.parse(code).number_symbols["latn"]
    return {ord("."): symbols["decimal"], ord(","): symbols["group"]}


@cache
def _catalogue(code: str) -> Mapping[str, str]:
    from babel.messages.pofile import read_po

    with (CATALOGUES / f"{code}.po").open("rb") as file:
        return {message.id: message.string for message in read_po(file) if message.id and message.string}
