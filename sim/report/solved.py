"""Values of config keys in words."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from sim.report.words import digits, number


def plain(value: float) -> str:
    """Print a value of the config as one would write it, with thousands separators.

    Examples
    --------
    >>> plain(4000), plain(0.25), plain(6512.3456789)
    ('4,000', '0.25', '6,512.35')
    """
    if abs(value) >= 1e9:
        return f"{value:.4g}"
    if float(value).is_integer():
        return f"{value:,.0f}"
    return f"{value:,.2f}" if abs(value) >= 1e3 else f"{value:,.6g}"


def solved(value: float, mcse: float | None) -> str:
    """Print a solved value to one digit more than its Monte Carlo error allows: it is meant to be put back.

    Examples
    --------
    >>> solved(3093.1234, 56.0), solved(48, None), solved(0.123456, 0.0021)
    ('3,090', '48', '0.123')
    """
    return plain(value) if not mcse else number(value, digits(value, mcse) + 1, most=8)


def error(mcse: float) -> str:
    """Print a Monte Carlo error to two digits.

    Examples
    --------
    >>> error(56.12), error(0.00213)
    ('56', '0.0021')
    """
    return number(mcse, digits(mcse, None) - 1, most=8)


def units(row: Mapping[str, Any], name: str) -> str:
    """Print a number of units to the digits that its Monte Carlo error allows."""
    value, mcse = row[name], row[f"{name}_mcse"]
    if value is None or mcse:
        return number(value, digits(value, mcse))
    return plain(float(f"{value:.3g}") if value < 100 else round(value))
