"""A pytest plugin: makes sure that the tests run on the copied tree, and notes what failed first."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import pytest
from hypothesis import Phase, settings


def pytest_configure(config: pytest.Config) -> None:
    """Refuse to judge any other tree: an installed package must not stand in for the copy."""
    import models
    import sim

    tree = Path(os.environ["MUTANT_TREE"]).resolve()
    for module in (sim, models):
        if not Path(str(module.__file__)).resolve().is_relative_to(tree):
            raise pytest.UsageError(f"{module.__name__} is {module.__file__}, outside {tree}")
    # The first example that fails is enough: nobody reads the smallest one.
    settings.register_profile(
        "mutants", phases=(Phase.explicit, Phase.generate), database=None, derandomize=True
    )
    settings.load_profile("mutants")


def pytest_runtest_logreport(report: Any) -> None:
    verdict = Path(os.environ["MUTANT_VERDICT"])
    if report.failed and not verdict.exists():
        crash = getattr(report.longrepr, "reprcrash", None)
        told = {"test": report.nodeid, "when": report.when, "message": getattr(crash, "message", "")}
        verdict.write_text(json.dumps(told), encoding="utf-8")
