"""From a config file to its tree of keys, or what keeps the text from being a config.

Nothing here knows what keys mean. A file that no one wrote as a config (a device, a gigabyte, ten
thousand brackets) is refused before a parser spends time or memory on it.
"""

from __future__ import annotations

import datetime as dt
import re
import reprlib
import stat
import tomllib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from sim.errors import Problem, ProblemsError

MOST_BYTES = 1_000_000
DEEPEST = 16
"""Parts of the longest key; a config has no use for more than eight."""
YEARS = (1900, 2199)
_WHOLE = 1 << 63
_HUGE = (
    "a whole number of more than 64 bits",
    f"at most {_WHOLE - 1}",
    "write a large amount with an exponent: 1e20",
)
_TOML = "see toml.io for the format"
# Reading `a.a.a. …` takes time that grows with the square of its parts.
_LONG_KEY = re.compile(r"""(?<![A-Za-z0-9_.-])(?:(?:[A-Za-z0-9_-]+|"[^"\n]*"|'[^'\n]*')[ \t]*\.[ \t]*){64}""")
_ADDRESS = re.compile("[A-Za-z][A-Za-z0-9+.-]+://")
_BEHIND = re.compile("""://[^"'\n]*""")
_brief = reprlib.Repr(
    maxlevel=3, maxdict=4, maxlist=6, maxtuple=6, maxstring=60, maxother=60, maxlong=24, fillvalue="…"
)


def address(text: str) -> str | None:
    """Return how the text begins where it is an address: all that may be shown, as a password may follow.

    Examples
    --------
    >>> address("postgres://me:secret@host/db"), address("C:/pilot.csv")
    ('postgres://…', None)
    """
    found = _ADDRESS.match(text)
    return None if found is None else f"{found[0]}…"


def brief(value: object) -> str:
    """Return a value as a message shows it: on one line, and not all of it where it is long or an address.

    Examples
    --------
    >>> brief("sql://me:secret@host")
    '"sql://…"'
    >>> brief("EUR"), brief(True), brief(dt.date(2026, 1, 1)), brief([1] * 9)
    ('"EUR"', 'True', '2026-01-01', '[1, 1, 1, 1, 1, 1, …]')
    """
    if isinstance(value, str):
        shown = f'"{value}"' if len(value) <= 60 else f'"{value[:59]}…"'
    else:
        shown = str(value) if isinstance(value, dt.date | dt.time) else _brief.repr(value)
    return _BEHIND.sub("://…", shown)


def text_of(path: Path) -> str:
    """Return the text of a config file.

    Raises
    ------
    ProblemsError
        When there is no such file, it is no file, too large for a config, or not UTF-8.
    """
    remedy = "name the TOML file; `sim init` writes one to start from"
    try:
        mode = path.stat().st_mode
        if not stat.S_ISREG(mode):
            found = "is a folder" if stat.S_ISDIR(mode) else "is a device, pipe or socket"
            raise ProblemsError(Problem(f"the config {found}", "a TOML file", remedy, str(path)))
        with path.open("rb") as stream:
            content = stream.read(MOST_BYTES + 1)
        if len(content) > MOST_BYTES:
            found = f"the config has more than {MOST_BYTES:,} bytes"
            raise ProblemsError(
                Problem(found, "a TOML file; tables lie in files of their own", remedy, str(path))
            )
        return content.decode("utf-8-sig").replace("\r\n", "\n")
    except UnicodeDecodeError as error:
        found = f"byte {error.start} is not UTF-8"
        raise ProblemsError(Problem(found, "UTF-8 text", "save the file as UTF-8", str(path))) from None
    except (FileNotFoundError, NotADirectoryError):
        raise ProblemsError(Problem("the config does not exist", "a TOML file", remedy, str(path))) from None
    except (OSError, ValueError) as error:  # ValueError: a name with a zero byte
        told = getattr(error, "strerror", None) or error
        raise ProblemsError(Problem(f"cannot be read: {told}", file=str(path))) from None


def tree_of(text: str, file: str) -> dict[str, Any]:
    """Return the tree of keys that a TOML text states.

    Raises
    ------
    ProblemsError
        When it is not TOML.
    """
    if match := _LONG_KEY.search(text):
        line = text.count("\n", 0, match.start()) + 1
        raise ProblemsError(Problem("a key of more than 64 parts", _deepest(), "", file, line))
    try:
        return tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        match = re.search(r"line (\d+)", str(error))
        number = int(match[1]) if match else None
        remedy = _TOML
        bare = text.split("\n")[number - 1].split("=", maxsplit=1)[0] if number else ""
        if any(not char.isascii() for char in bare) and '"' not in bare:
            remedy = f"quote keys outside ASCII: {brief(bare.strip(' []'))}"
        raise ProblemsError(Problem(f"not valid TOML: {error}", "TOML", remedy, file, number)) from None
    except RecursionError:
        raise ProblemsError(Problem("brackets inside brackets without end", _deepest(), "", file)) from None
    except ValueError as error:
        if match := re.search("[0-9_]{4000,}", text):  # more digits than Python reads
            number = text.count("\n", 0, match.start()) + 1
            raise ProblemsError(Problem(*_HUGE, file, number)) from None
        raise ProblemsError(Problem(f"not valid TOML: {error}", "TOML", _TOML, file)) from None


def _deepest() -> str:
    return f"tables and lists at most {DEEPEST} deep"


def unfit(tree: dict[str, Any]) -> Iterator[tuple[tuple[str | int, ...], str, str, str]]:
    """Yield key, what is found, what is allowed and a remedy for values that no key may have.

    Whole numbers are of 64 bits, as TOML has it: larger ones cannot be stored, or even be shown. Dates leave
    room for months before and after them. No text holds a zero byte, which ends a name wherever C reads it,
    no name is blank, and nothing is nested without end.
    """
    ahead: list[tuple[tuple[str | int, ...], Any]] = [((), tree)]
    while ahead:
        key, here = ahead.pop()
        if len(key) > DEEPEST:
            yield key[:DEEPEST], "tables inside tables without end", _deepest(), ""
        elif isinstance(here, dict):
            for name, below in here.items():
                if "\0" in name or not name.strip():
                    yield key, "a key that is blank or has a zero byte", "a name", ""
                else:
                    ahead.append(((*key, name), below))
        elif isinstance(here, list):
            ahead += [((*key, i), below) for i, below in enumerate(here)]
        elif isinstance(here, str) and "\0" in here:
            yield key, "text with a zero byte", "text without zero bytes", ""
        elif isinstance(here, int) and not -_WHOLE <= here < _WHOLE:
            yield key, *_HUGE
        elif isinstance(here, dt.date) and not YEARS[0] <= here.year <= YEARS[1]:
            yield key, f"the year {here.year}", f"{YEARS[0]} to {YEARS[1]}", ""
