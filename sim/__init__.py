"""Forecasts of what an investment in marketing automation or AI service will return.

The public names are loaded when first used, so that ``import sim`` stays light.

>>> import sim
>>> sorted(name for name in dir(sim) if not name.startswith("_"))
['ProblemsError', 'Result', 'check', 'forecast']
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from sim.commands.check import check
    from sim.commands.forecast import Result, forecast
    from sim.errors import ProblemsError

__all__ = ["ProblemsError", "Result", "check", "forecast"]

_HOME = {
    "ProblemsError": "sim.errors",
    "Result": "sim.commands.forecast",
    "check": "sim.commands.check",
    "forecast": "sim.commands.forecast",
}


def __getattr__(name: str) -> Any:
    if name not in _HOME:
        raise AttributeError(f"module 'sim' has no attribute {name!r}")
    return getattr(import_module(_HOME[name]), name)


def __dir__() -> list[str]:
    return __all__
