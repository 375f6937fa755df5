"""Compiled log-densities: one for each structure of a model, kept for this process and for the next ones.

Compiling takes many times as long as sampling, and depends on the model and on how many arms and segments a
pilot has, not on its data. What nutpie and numba compiled is therefore kept as object code, in a cache of the
user's own and never beside results: loading it runs it. It is used only in the versions and on the processor
that it was made for, only from a folder that nobody else can write to, and only where it returns to the last
bit what it returned when it was made; in any other case the model is compiled by nutpie's public way. PyMC's
model stays the one definition.
"""

from __future__ import annotations

import hashlib
import json
import sys
from collections.abc import Mapping
from contextlib import suppress
from typing import Any

import numpy as np

from sim import cache
from sim.contract import OutcomeModel, Priors
from sim.inference.object_code import apart, together
from sim.records.summary import PilotSummary
from sim.records.versions import version

_FORMAT = 1
_KIND = "densities"
_LIBRARIES = ("nutpie", "numba", "llvmlite", "pytensor", "pymc", "numpy")
_known: dict[str, Any] = {}
"""Compiled models of this process by structure."""


def compiled(model: OutcomeModel, summary: PilotSummary, priors: Priors, source: bytes) -> Any:
    """Return the model compiled for nutpie, with the data of a pilot.

    Parameters
    ----------
    model, summary, priors
        What is fitted, to which statistics, under which beliefs.
    source : bytes
        The model's source text, so that a changed model is compiled anew.
    """
    data = model.data(summary, priors)
    key = _structure(model, summary, data, source)
    if key not in _known:
        _known[key] = _load(key) or _compile(key, model, summary, priors)
    return _known[key].with_data(**data)


def is_kept(model: OutcomeModel, summary: PilotSummary, priors: Priors, source: bytes) -> bool:
    """Tell whether `compiled` would have nothing to compile; takes the same arguments."""
    key = _structure(model, summary, model.data(summary, priors), source)
    return key in _known or cache.find(_KIND, key) is not None


def _structure(model: OutcomeModel, summary: PilotSummary, data: Mapping[str, Any], source: bytes) -> str:
    """Return the hash of everything that the compiled code depends on."""
    import llvmlite.binding as llvm

    parts = {
        "format": _FORMAT,
        "model": model.name,
        "source": hashlib.sha256(source).hexdigest(),
        "sizes": [len(summary.arms), len(summary.segments), summary.design.kind],
        "ranks": sorted((name, np.ndim(values)) for name, values in data.items()),
        "versions": [sys.version, *(version(library) for library in _LIBRARIES)],
        "processor": [
            llvm.get_process_triple(),
            llvm.get_host_cpu_name(),
            sorted(llvm.get_host_cpu_features().items()),
        ],
    }
    return hashlib.sha256(json.dumps(parts, sort_keys=True).encode()).hexdigest()[:32]


def _compile(key: str, model: OutcomeModel, summary: PilotSummary, priors: Priors) -> Any:
    from sim.inference.nuts import nutpie

    built = model.build(summary, priors)
    kept = [variable.name for variable in built.unobserved_RVs if not variable.name.startswith("_")]
    made = nutpie.compile_pymc_model(built, var_names=kept)
    # What is kept goes by private ways, which another version may not have: then it is not kept.
    with suppress(Exception):
        cache.write(_KIND, key, apart(made, built))
    return made


def _load(key: str) -> Any | None:
    """Return what is kept, or None when there is nothing or it is not to be believed."""
    file = cache.find(_KIND, key)
    if file is None:
        return None
    try:
        made = together(cache.read(file))
    except Exception:  # noqa: BLE001  # whatever is wrong with it, it is compiled anew and replaced
        return None
    return made
