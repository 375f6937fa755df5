"""What was assumed: every setting of a run in plain words, where it comes from, and what it is worth."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from sim.language import _
from sim.records.quantity import quoted
from sim.report import page_words as words
from sim.report.path_words import label
from sim.report.words import exact, hundredths

# What the reader of a report does not decide on.
_SILENT = {"limits", "sampling", "columns"}
_RATES = ("discount_rate", "growth", "inflation")
_FORMS = ("once", "monthly", "daily")

type Key = tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Assumption:
    """One setting of a run.

    Parameters
    ----------
    path : str
        Its dotted key, as ``--set`` takes it.
    name, value, source : str
        In words: what it is, what was taken, and where that comes from.
    worth : str
        What it is worth in money; empty where it moves nothing or is no number.
    size : float [currency]
        By how much it moves the mean NPV.
    """

    path: str
    name: str
    value: str
    source: str = ""
    worth: str = ""
    size: float = 0.0


def assumptions(manifest: Mapping[str, Any], what_if: Mapping[str, Any] | None = None) -> list[Assumption]:
    """List every setting, those that are worth most first.

    Parameters
    ----------
    manifest : mapping
        With ``config`` as resolved, ``lines``, ``set`` and ``config_file``.
    what_if : mapping, optional
        Contents of ``what_if.json``.

    Examples
    --------
    >>> config = {"costs": {"licence": {"monthly": {"low": 3000.0, "high": 5000.0}, "from": 1}}}
    >>> [(one.name, one.value) for one in assumptions({"config": config})]
    [('licence: a month', '3,000 to 5,000 (90 %)'), ('licence: first month', '1')]
    """
    worths = {} if what_if is None else {_short(path): worth for path, worth in what_if["worth"].items()}
    year = None if what_if is None else what_if["year_less"]
    found = []
    for path, value, cited in _walk(manifest.get("config", {}), ()):
        key = ".".join(quoted(part) for part in path)
        told, size = "", 0.0
        if (worth := worths.get(_short(key))) is not None:
            told, size = words.worth(worth["change"]), max(map(abs, worth["change"]))
        elif key == "programme.horizon" and year is not None:
            told, size = words.year_less(year), abs(year)
        found.append(Assumption(key, label(key), value, cited or _source(path, manifest), told, size))
    return sorted(found, key=lambda one: -one.size)


def _short(key: str) -> str:
    """Return a key without what its short form leaves out, ``costs.x.once`` and ``costs.x`` being the same.

    >>> _short("volumes.sessions.monthly.by.DE"), _short("costs.licence.monthly")
    ('volumes.sessions.by.DE', 'costs.licence')
    """
    whole, by, segment = key.partition(".by.")
    for form in (*_FORMS, "months"):
        whole = whole.removesuffix(f".{form}")
    return whole + by + segment


def _source(path: Key, manifest: Mapping[str, Any]) -> str:
    """Say where a setting comes from: the command line, a line of the config, or nobody."""
    key = ".".join(path)
    if any(key == _short(one) or f"{key}.".startswith(f"{one}.") or one.startswith(f"{key}.")
           for one in manifest.get("set", [])):  # fmt: skip
        return _("command line (--set)")
    lines = manifest.get("lines")
    if lines is None:
        return ""
    named = [".".join(quoted(part) for part in parts) for parts in _forms(path)]
    line = next((lines[name] for name in named if name in lines), None)
    return _("default of sim") if line is None else words.line(manifest.get("config_file", ""), line)


def _forms(path: Key) -> Iterator[Key]:
    """Yield the keys under which a setting may stand in the file: as it is, in short, or as a part of it."""
    yield path
    yield tuple(part for part in path if part not in _FORMS)
    # An outcome takes what it does not state from [pilot] or [rollout].
    if path[0] == "outcomes" and len(path) > 2:
        yield ("pilot", *path[2:])
        yield path[2:]
    for tail in ("low", "dist", "samples", "mean", "file", "benchmark"):
        yield (*path, tail)
    if path[-1] == "file":  # data = "pilot.csv"
        yield path[:-1]
    for length in range(len(path) - 1, 2, -1):
        yield path[:length]


def _walk(value: Any, path: Key) -> Iterator[tuple[Key, str, str]]:
    """Yield key, value in words, and the source that a setting states itself."""
    quantity = _quantity(value) if isinstance(value, Mapping) else None
    if quantity is not None:
        yield path, quantity, str(value.get("source") or "")
    elif isinstance(value, Mapping):
        for key, inner in value.items():
            if key not in _SILENT:
                yield from _walk(inner, (*path, str(key)))
    elif value is not None and value != []:
        rate = path[-1] in _RATES and isinstance(value, int | float)
        yield path, hundredths(_plain(100 * value)) if rate else _plain(value), ""


def _quantity(value: Mapping[str, Any]) -> str | None:
    """Put an elicited quantity in words; None if the table is none."""
    keys = set(value) - {"limits"}
    if keys == {"value"}:
        return _plain(value["value"])
    if {"low", "high"} <= keys <= {"low", "high", "source", "discount"} and keys & {"source", "discount"}:
        return words.prior(value)
    if {"low", "high"} <= keys <= {"low", "high", "mode", "shape", "confidence"}:
        ends = _("{low} to {high}").format(low=_plain(value["low"]), high=_plain(value["high"]))
        if value.get("mode") is not None:
            return _("{ends}, most likely {mode}").format(ends=ends, mode=_plain(value["mode"]))
        shape = f", {value['shape']}" if value.get("shape") else ""
        return f"{ends} ({hundredths(f'{100 * (value.get("confidence") or 0.9):.0f}')}{shape})"
    if "dist" in keys:
        parts = [f"{key} {_plain(value[key])}" for key in value if key not in ("dist", "limits")]
        return ", ".join([str(value["dist"]), *parts])
    if "samples" in keys:
        told = _("samples of {file}, column {column}")
        return told.format(file=value["samples"], column=value.get("column"))
    return None


def _plain(value: Any) -> str:
    if isinstance(value, bool):
        return _("yes") if value else _("no")
    if isinstance(value, int | float):
        return exact(float(value))
    if isinstance(value, Sequence) and not isinstance(value, str):
        return ", ".join(_plain(inner) for inner in value)
    return str(value)
