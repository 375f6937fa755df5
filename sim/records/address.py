"""Addresses of warehouses: what a config may say of them, and where the password comes from.

A password stands in the environment alone. What goes into results, keys and messages is the address as it
stands in the config, ``${NAME}`` and all; it is filled in for the moment of connecting and nowhere else.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from urllib.parse import parse_qsl, quote, urlsplit

from sim.errors import Problem, ProblemsError

_NAMED = re.compile(r"\$\{([A-Za-z_][A-Za-z0-9_]*)\}")
_BEGINS = re.compile(r"[A-Za-z][A-Za-z0-9+.-]*://")
_SECRET = re.compile("pass|pwd|secret|token|credential|(api|private|access)_?key", re.IGNORECASE)
_FORM = "postgresql://user@host/database, with the password as ${NAME} of the environment"


def refused(dsn: str) -> str | None:
    """Return why an address must not stand in a config, in words that repeat nothing of it; None if it may.

    Examples
    --------
    >>> refused("${PILOT_DSN}"), refused("postgresql://me:${PW}@host/db"), refused("postgresql://me@host/db")
    (None, None, None)
    >>> refused("postgresql://me:hunter2@host/db")
    'a password stands in the config: write ${NAME} in its place, and put it into the environment'
    """
    bare = _NAMED.sub("", dsn)
    if not bare.strip():
        return None if _NAMED.search(dsn) else f"it is empty: write {_FORM}"
    told = "a password stands in the config: write ${NAME} in its place, and put it into the environment"
    if not _BEGINS.match(dsn):
        return f"it is no address: write {_FORM}"
    try:
        parts = urlsplit(_NAMED.sub("", dsn))
        asked = parse_qsl(parts.query, keep_blank_values=True)
    except ValueError:
        return f"it is no address: write {_FORM}"
    user = parts.netloc.rpartition("@")[0]
    if user.partition(":")[2] or any(value and _SECRET.search(name) for name, value in asked):
        return told
    # What follows a second @, or stands in front of an @ in the path, is a password that was not escaped.
    return told if "@" in user or "@" in parts.path else None


def filled(dsn: str, environment: Mapping[str, str], key: str) -> str:
    """Return the address with what the environment says; within an address a value is escaped.

    Raises
    ------
    ProblemsError
        When a name is not in the environment, or what comes of it is no address.
    """
    absent = [name for name in dict.fromkeys(_NAMED.findall(dsn)) if not environment.get(name)]
    if absent:
        raise ProblemsError(
            *(
                Problem(
                    f"{name} is not in the environment",
                    "the address of the warehouse, or the part that stands for it",
                    f"export {name}=… before the command; the config names it and never holds it",
                    key=key,
                )
                for name in absent
            )
        )
    whole = _NAMED.fullmatch(dsn)
    if whole:
        found = environment[whole[1]].strip()
    else:
        found = _NAMED.sub(lambda match: quote(environment[match[1]], safe=""), dsn)
    if not _BEGINS.match(found):
        what = f"what {whole[1]} holds" if whole else "what comes of dsn"
        raise ProblemsError(
            Problem(
                f"{what} is no address (it is not shown here)",
                "scheme://…, such as postgresql://user:password@host/database",
                "set it to the address of the warehouse",
                key=key,
            )
        )
    return found


def secrets(address: str) -> tuple[str, ...]:
    """Return what of a filled-in address must never be shown, the longest first."""
    from urllib.parse import unquote

    found = {address}
    user = urlsplit(address).netloc.rpartition("@")[0]
    found.add(user.partition(":")[2])
    found |= {value for _, value in parse_qsl(urlsplit(address).query)}
    found |= {unquote(text) for text in found}
    return tuple(sorted((text for text in found if len(text) > 2), key=len, reverse=True))
