"""The resolved config as a flat list of what was assumed."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from sim.report.words import digits, number

# What the reader of a report does not decide on.
_SILENT = {"limits", "sampling", "columns"}


def assumptions(config: Mapping[str, Any]) -> list[tuple[str, str]]:
    """List every setting by its dotted path, quantities in words.

    Parameters
    ----------
    config : mapping
        The resolved config, as in ``manifest.json``.

    Examples
    --------
    >>> assumptions({"costs": {"licence": {"monthly": {"low": 3000.0, "high": 5000.0}, "from": 1}}})
    [('costs.licence.monthly', '3,000 to 5,000 (90 %)'), ('costs.licence.from', '1')]
    """
    return list(_walk(config, ()))


def _walk(value: Any, path: tuple[str, ...]) -> Iterator[tuple[str, str]]:
    quantity = _quantity(value) if isinstance(value, Mapping) else None
    if quantity is not None:
        yield ".".join(path), quantity
    elif isinstance(value, Mapping):
        for key, inner in value.items():
            if key not in _SILENT:
                yield from _walk(inner, (*path, str(key)))
    elif value is not None and value != []:
        yield ".".join(path), _plain(value)


def _quantity(value: Mapping[str, Any]) -> str | None:
    """Put an elicited quantity in words; None if the table is none."""
    keys = set(value) - {"limits"}
    if keys == {"value"}:
        return _plain(value["value"])
    if {"low", "high"} <= keys <= {"low", "high", "mode", "shape", "confidence"}:
        ends = f"{_plain(value['low'])} to {_plain(value['high'])}"
        if value.get("mode") is not None:
            return f"{ends}, most likely {_plain(value['mode'])}"
        shape = f", {value['shape']}" if value.get("shape") else ""
        return f"{ends} ({100 * (value.get('confidence') or 0.9):.0f} %{shape})"
    if "dist" in keys:
        parts = [f"{key} {_plain(value[key])}" for key in value if key not in ("dist", "limits")]
        return ", ".join([str(value["dist"]), *parts])
    if "samples" in keys:
        return f"samples of {value['samples']}, column {value.get('column')}"
    return None


def _plain(value: Any) -> str:
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, int | float):
        text = number(float(value), digits(float(value), 0.0), most=8)
        return text.rstrip("0").rstrip(".") if "." in text else text
    if isinstance(value, Sequence) and not isinstance(value, str):
        return ", ".join(_plain(inner) for inner in value)
    return str(value)
