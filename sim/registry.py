"""Finds the outcome models: every public module of the project's own ``models`` folder.

``models`` is a name that other projects use too, so it is never imported as a top-level package.
The folder that belongs to this very file is mounted as ``sim.models``: in a wheel it lies inside
``sim``, in a checkout beside it. A ``models`` folder on the user's path is never looked at.
"""

from __future__ import annotations

import importlib
import importlib.util
import pkgutil
import sys
from functools import cache
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING

from sim.errors import SimError

if TYPE_CHECKING:
    from collections.abc import Mapping

    from sim.contract import OutcomeModel

_PACKAGE = "sim.models"


def folder() -> Path:
    """Return the folder that holds the outcome models of this installation."""
    here = Path(__file__).resolve().parent
    shipped = here / "models"
    return shipped if shipped.is_dir() else here.parent / "models"


def _mount() -> None:
    if _PACKAGE in sys.modules:
        return
    path = folder()
    spec = importlib.util.spec_from_file_location(
        _PACKAGE, path / "__init__.py", submodule_search_locations=[str(path)]
    )
    if spec is None or spec.loader is None:
        raise SimError(f"the outcome models are missing: {path}")
    module = importlib.util.module_from_spec(spec)
    sys.modules[_PACKAGE] = module
    spec.loader.exec_module(module)


@cache
def models() -> Mapping[str, OutcomeModel]:
    """Return the outcome models by name, in alphabetical order."""
    _mount()
    found: dict[str, OutcomeModel] = {}
    for module in sorted(pkgutil.iter_modules([str(folder())]), key=lambda info: info.name):
        if not module.name.startswith("_"):
            model: OutcomeModel = importlib.import_module(f"{_PACKAGE}.{module.name}").MODEL
            found[model.name] = model
    return MappingProxyType(found)


def source(name: str) -> bytes:
    """Return the source text that defines a model, for the key of its stored fits."""
    shared = sorted(path for path in folder().glob("_*.py") if path.name != "__init__.py")
    return b"".join(path.read_bytes() for path in [*shared, folder() / f"{name}.py"])
