"""The language in which results are told: words from a catalogue, numbers as its readers write them.

English is the language of the code, and each text is its own key: what a catalogue lacks is told in English.
"""

from __future__ import annotations

import string
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar
from functools import cache
from pathlib import Path
from typing import Any, Literal

Code = Literal["en", "zh", "th", "nb", "es"]
"""Of ISO 639."""
LANGUAGES: Mapping[Code, str] = {
    "en": "English",
    "zh": "简体中文",
    "th": "ไทย",
    "nb": "norsk bokmål",
    "es": "español",
}
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


def _(text: str) -> str:
    """Return a text in the language that is spoken."""
    code = _spoken.get()
    return text if code == "en" else _catalogue(code).get(text, text)


class Phrase(str):
    """A text with figures, in English, which can be told in other languages later: see `phrase`."""

    __slots__ = ("text", "values")
    text: str
    values: Mapping[str, Any] | None


def _phrase(text: str, values: Mapping[str, Any] | None) -> Phrase:
    made = Phrase(text if values is None else text.format(**values))
    made.text, made.values = text, values
    return made


def N_(text: str) -> str:  # noqa: N802  # as gettext has it
    """Mark a text for the catalogues where it is told later."""
    return _phrase(text, None)


def phrase(text: str, **values: Any) -> Phrase:
    """Fill in a text whose places in braces have names.

    Parameters
    ----------
    text : str
        As the catalogues have it.
    **values
        Strings, which stay as they are; numbers; what `N_` or `phrase` returned.

    Examples
    --------
    >>> found = phrase("{share:.1f} % of {name}", share=12.34, name="Bergen")
    >>> found
    '12.3 % of Bergen'
    >>> with spoken_in("nb"):
    ...     spoken(found)
    '12,3 % of Bergen'
    """
    return _phrase(text, values)


def several(parts: Iterable[str], between: str = ", ") -> Phrase:
    """Return texts that stand one after the other.

    Examples
    --------
    >>> several([phrase("{name} {share:.0%}", name=name, share=0.5) for name in ("a", "b")])
    'a 50%, b 50%'
    """
    named = {f"part{place}": part for place, part in enumerate(parts)}
    return _phrase(between.join(f"{{{name}}}" for name in named), named)


def spoken(text: str) -> str:
    """Return a text in the language that is spoken, its figures as its readers write them.

    What is no `Phrase`, such as a name that a user gave, stays as it is.
    """
    if not isinstance(text, Phrase):
        return text
    known = _(text.text)
    return known if text.values is None else _Filled().vformat(known, (), text.values)


def packed(text: str) -> Any:
    """Return a text as JSON can hold it without losing in what it can be told."""
    if not isinstance(text, Phrase):
        return text
    values = None if text.values is None else {name: packed(value) for name, value in text.values.items()}
    return {"text": text.text, "values": values}


def unpacked(stored: Any) -> Any:
    """Return what `packed` was given."""
    if not isinstance(stored, dict):
        return stored
    values = stored["values"]
    return _phrase(stored["text"], values and {name: unpacked(value) for name, value in values.items()})


class _Filled(string.Formatter):
    def format_field(self, value: Any, format_spec: str) -> Any:
        if isinstance(value, str):
            return format(spoken(value), format_spec)
        number = localised(format(value, format_spec))
        if not format_spec.endswith("%") or language() == "en":
            return number
        return _("{number} %").format(number=number.removesuffix("%"))


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
        return {str(one.id): str(one.string) for one in read_po(file) if one.id and one.string}
