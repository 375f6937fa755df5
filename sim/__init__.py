"""Forecasts of what an investment in marketing automation or AI service will return.

The public names are loaded when first used, so that ``import sim`` stays light.

>>> import sim
>>> " ".join(sorted(name for name in dir(sim) if not name.startswith("_")))
'ProblemsError Result backtest check compare forecast longer_pilot portfolio sensitivity sweep target track'
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from sim.commands.backtest import backtest
    from sim.commands.check import check
    from sim.commands.compare import compare
    from sim.commands.forecast import Result, forecast
    from sim.commands.pilot import longer_pilot
    from sim.commands.portfolio import portfolio
    from sim.commands.sensitivity import sensitivity
    from sim.commands.sweep import sweep
    from sim.commands.target import target
    from sim.commands.track import track
    from sim.errors import ProblemsError

__all__ = [
    "ProblemsError",
    "Result",
    "backtest",
    "check",
    "compare",
    "forecast",
    "longer_pilot",
    "portfolio",
    "sensitivity",
    "sweep",
    "target",
    "track",
]

_HOME = {
    "ProblemsError": "sim.errors",
    "Result": "sim.commands.forecast",
    "backtest": "sim.commands.backtest",
    "check": "sim.commands.check",
    "compare": "sim.commands.compare",
    "forecast": "sim.commands.forecast",
    "longer_pilot": "sim.commands.pilot",
    "portfolio": "sim.commands.portfolio",
    "sensitivity": "sim.commands.sensitivity",
    "sweep": "sim.commands.sweep",
    "target": "sim.commands.target",
    "track": "sim.commands.track",
}


def __getattr__(name: str) -> Any:
    if name not in _HOME:
        raise AttributeError(f"module 'sim' has no attribute {name!r}")
    return getattr(import_module(_HOME[name]), name)


def __dir__() -> list[str]:
    return __all__
