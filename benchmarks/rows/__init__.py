"""The rows of the table, one file each: what is asked of whom, and how it is measured."""

from __future__ import annotations

from collections.abc import Callable
from importlib import import_module

from benchmarks.bench import Bench
from benchmarks.result import Result

NAMES = (
    "help",
    "stored",
    "warm",
    "further",
    "cold",
    "kernel",
    "sweep",
    "irr",
    "pilot",
    "warehouse",
    "portfolio",
    "counts",
    "information",
    "montecarlo",
    "sobol",
    "weibull",
)
"""In the order of the page: the rows of the table, then those that are there for their peers alone."""


def row(name: str) -> tuple[str, Callable[[Bench], Result]]:
    """Return what a row is about, and what measures it."""
    module = import_module(f"benchmarks.rows.{name}")
    return module.JOB, module.measure
