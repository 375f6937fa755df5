"""Compiled log-densities: one for each structure of a model, kept for this process and for the next ones.

Compiling takes many times as long as sampling, and depends on the model and on how many arms and segments a
pilot has, not on its data. What nutpie and numba compiled is therefore kept as object code, in a cache of the
user's own and never beside results: loading it runs it. It is used only in the versions and on the processor
that it was made for, only from a folder that nobody else can write to, and only where it returns to the last
bit what it returned when it was made; in any other case the model is compiled by nutpie's public way. PyMC's
model stays the one definition.
"""

from __future__ import annotations

import ctypes
import hashlib
import json
import os
import stat
import sys
import tempfile
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np

from sim.contract import OutcomeModel, Priors
from sim.records.arrays import FloatArray
from sim.records.summary import PilotSummary
from sim.records.versions import version

_FORMAT = 1
_LIBRARIES = ("nutpie", "numba", "llvmlite", "pytensor", "pymc", "numpy")
_MOST = 100  # files kept; a file is about a megabyte
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
    return key in _known or _file(key) is not None


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
    import nutpie

    built = model.build(summary, priors)
    kept = [variable.name for variable in built.unobserved_RVs if not variable.name.startswith("_")]
    made = nutpie.compile_pymc_model(built, var_names=kept)
    # What is kept goes by private ways, which another version may not have: then it is not kept.
    with suppress(Exception):
        _save(key, _arrays(made, built))
    return made


@dataclass(frozen=True)
class _Start:
    """First points of chains: the support point of each variable and U(-1, 1) about it, as PyMC draws it.

    Parameters
    ----------
    support : (dimension,) array
    pieces : tuple of (start, stop, turn)
        Where a variable lies, and which of the seed's children moves it.
    """

    support: FloatArray
    pieces: tuple[tuple[int, int, int], ...]

    def __call__(self, seed: Any = None) -> FloatArray:
        """Return the first point of a chain."""
        children = np.random.SeedSequence(seed).spawn(len(self.pieces))
        point = self.support.copy()
        for start, stop, turn in self.pieces:
            point[start:stop] += np.random.Generator(np.random.PCG64(children[turn])).uniform(
                -1, 1, stop - start
            )
        return point


@dataclass(frozen=True)
class _Code:
    """Object code in memory, callable by its address for as long as this lives."""

    address: int
    library: Any


@dataclass(frozen=True)
class _Shared:
    """What nutpie asks of a variable that holds data."""

    name: str
    ndim: int


def _arrays(made: Any, built: Any) -> dict[str, Any]:
    """Return everything that makes `made` again, and what it returns at a point.

    Raises
    ------
    ValueError
        When it cannot be made again elsewhere.
    """
    start = _start(made, built)
    codes = {"density": made.compiled_logp_func, "expand": made.compiled_expand_func}
    if any(code._library.has_dynamic_globals for code in codes.values()):
        raise ValueError("the code holds addresses of this process")
    names, _, shapes = made.shape_info
    shared = {variable.name: made.shared_data[key] for variable, key in made.shared_var_keys.items()}
    own = made._coords["unconstrained_parameter"]
    record = {
        "names": list(names),
        "shapes": [[int(size) for size in shape] for shape in shapes],
        "expanded": int(made.n_expanded),
        "dims": {name: list(dims) for name, dims in made.dims.items()},
        # Labels are those of a pilot: each fit puts its own in their place.
        "sizes": {name: len(labels) for name, labels in made._coords.items()},
        "parameters": [str(name) for name in own],
        "changed": list(made.reparameterized_names),
        "pieces": start.pieces,
        "shared": list(shared),
        "wrappers": {name: code.native_name for name, code in codes.items()},
        "symbols": sorted(set().union(*(_needed(code._library) for code in codes.values()))),
    }
    arrays = {f"data.{name}": values for name, values in shared.items()}
    for name, code in codes.items():
        _, kind, parts = code._library.serialize_using_object_code()
        if kind != "object":
            raise ValueError("the code is no object code")
        for part, content in zip(("object", "bitcode"), parts, strict=True):
            arrays[f"{name}.{part}"] = np.frombuffer(content, np.uint8)
    text = json.dumps(record).encode()
    arrays |= {"record": np.frombuffer(text, np.uint8), "support": start.support}
    return arrays | dict(zip(("point", "value"), _tried(made, start(1)), strict=True))


def _needed(library: Any) -> set[str]:
    """Return the names of functions that code calls and does not hold."""
    called = {function.name for function in library._final_module.functions if function.is_declaration}
    return {name for name in called if not name.startswith("llvm.")}


def _start(made: Any, built: Any) -> _Start:
    """Return the way to the first points, found by trying which child of the seed moves which variable."""
    from pymc.initial_point import make_initial_point_fn

    values = make_initial_point_fn(model=built, return_transformed=True)(0).values()
    support = np.concatenate([np.ravel(value) for value in values]).astype(float)
    stops = np.cumsum([np.size(value) for value in values]).tolist()
    ends = list(zip([0, *stops], stops, strict=False))
    point = made.initial_point_func(0)
    turns = []
    for begin, stop in ends:
        tried = [
            _Start(
                support, tuple((begin, stop, turn) if (b, e) == (begin, stop) else (b, e, 0) for b, e in ends)
            )
            for turn in range(len(ends))
        ]
        turns.append(
            next(turn for turn, one in enumerate(tried) if (one(0)[begin:stop] == point[begin:stop]).all())
        )
    found = _Start(support, tuple((*end, turn) for end, turn in zip(ends, turns, strict=True)))
    if not all((found(seed) == made.initial_point_func(seed)).all() for seed in (1, 2**40 + 3)):
        raise ValueError("first points are not drawn as they were")
    return found


def _tried(made: Any, point: FloatArray) -> tuple[FloatArray, FloatArray]:
    """Return a point and, in one array, the log-density there, its gradient and the expanded variables."""
    number, address = ctypes.POINTER(ctypes.c_double), ctypes.c_void_p
    value, gradient, wide = np.empty(1), np.empty(made.n_dim), np.empty(made.n_expanded)
    at = [array.ctypes.data_as(number) for array in (point, gradient, value, wide)]
    data = made.user_data.ctypes.data
    size = ctypes.c_uint64
    density = ctypes.CFUNCTYPE(ctypes.c_int64, size, number, number, number, address)
    expand = ctypes.CFUNCTYPE(ctypes.c_int64, size, size, number, number, address)
    codes = [
        density(made.compiled_logp_func.address)(made.n_dim, at[0], at[1], at[2], data),
        expand(made.compiled_expand_func.address)(made.n_dim, made.n_expanded, at[0], at[3], data),
    ]
    if any(codes):
        raise ValueError("the log-density is not finite where chains start")
    return point, np.concatenate([value, gradient, wide])


def _load(key: str) -> Any | None:
    """Return what is kept, or None when there is nothing or it is not to be believed."""
    file = _file(key)
    if file is None:
        return None
    try:
        with file.open("rb") as stream, np.load(stream, allow_pickle=False) as archive:
            arrays = {name: archive[name] for name in archive.files}
        made = _again(arrays)
        if not np.array_equal(_tried(made, arrays["point"])[1], arrays["value"]):
            raise ValueError("it returns something else than when it was made")
        os.utime(file)
    except Exception:  # noqa: BLE001  # whatever is wrong with it, it is compiled anew and replaced
        return None
    return made


def _again(arrays: Mapping[str, Any]) -> Any:
    """Return the compiled model that `_arrays` took apart."""
    import llvmlite.binding as llvm
    import pandas as pd
    from numba.core.registry import cpu_target
    from numba.core.runtime.nrt import rtsys
    from nutpie.compile_pymc import CompiledPyMCModel, make_user_data

    record = json.loads(arrays["record"].tobytes())
    rtsys.initialize(cpu_target.target_context)
    # LLVM ends the process where a symbol is missing.
    if missing := [name for name in record["symbols"] if llvm.address_of_symbol(name) is None]:
        raise ValueError(f"this process has no {', '.join(missing)}")
    codegen = cpu_target.target_context.codegen()
    codes = {}
    for name, wrapper in record["wrappers"].items():
        parts = tuple(arrays[f"{name}.{part}"].tobytes() for part in ("object", "bitcode"))
        library = codegen.unserialize_library((f"{name}-{wrapper[-8:]}", "object", parts))
        codes[name] = _Code(library.get_pointer_to_function(wrapper), library)
    shared = {name: np.array(arrays[f"data.{name}"], order="C") for name in record["shared"]}
    keys = {_Shared(name, values.ndim): name for name, values in shared.items()}
    shapes = [tuple(shape) for shape in record["shapes"]]
    ends = np.cumsum([0, *(int(np.prod(shape)) for shape in shapes)]).tolist()
    slices = [slice(begin, end) for begin, end in pairwise(ends)]
    coords = {name: pd.RangeIndex(size) for name, size in record["sizes"].items()}
    coords["unconstrained_parameter"] = pd.Index(record["parameters"])
    return CompiledPyMCModel(
        dims={name: tuple(dims) for name, dims in record["dims"].items()},
        reparameterized_names=record["changed"],
        compiled_logp_func=codes["density"],
        compiled_expand_func=codes["expand"],
        initial_point_func=_Start(arrays["support"], tuple(map(tuple, record["pieces"]))),
        shared_data=shared,
        shared_var_keys=keys,
        user_data=make_user_data(keys, shared),
        n_expanded=record["expanded"],
        shape_info=(record["names"], slices, shapes),
        logp_func=None,
        expand_func=None,
        _n_dim=len(arrays["support"]),
        _shapes=dict(zip(record["names"], shapes, strict=True)),
        _coords=coords,
    )


def _folder() -> Path | None:
    """Return the folder of kept code, or None where nothing is to be kept (`SIM_CACHE` set to nothing)."""
    named = os.environ.get("SIM_CACHE")
    if named is not None:
        return Path(named) / "densities" if named else None
    base = os.environ.get("XDG_CACHE_HOME") or os.environ.get("LOCALAPPDATA")
    try:
        return (Path(base) if base else Path.home() / ".cache") / "sim" / "densities"
    except RuntimeError:  # no home
        return None


def _file(key: str) -> Path | None:
    """Return the file of a key if it is there and nobody else can have written it."""
    folder = _folder()
    if folder is None:
        return None
    try:
        states = [path.lstat() for path in (folder, folder / f"{key}.npz")]
    except OSError:
        return None
    kinds = stat.S_ISDIR(states[0].st_mode) and stat.S_ISREG(states[1].st_mode)
    own = not hasattr(os, "getuid") or all(
        state.st_uid == os.getuid() and not state.st_mode & (stat.S_IWGRP | stat.S_IWOTH) for state in states
    )
    return folder / f"{key}.npz" if kinds and own else None


def _save(key: str, arrays: Mapping[str, Any]) -> None:
    """Write under another name and rename; drop what was used longest ago."""
    folder = _folder()
    if folder is None:
        return
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    with tempfile.NamedTemporaryFile(dir=folder, suffix=".part", delete=False) as part:  # 0600
        np.savez(part, allow_pickle=False, **arrays)
    os.replace(part.name, folder / f"{key}.npz")
    kept = sorted(folder.glob("*.npz"), key=lambda file: file.stat().st_mtime, reverse=True)
    for old in kept[_MOST:]:
        old.unlink(missing_ok=True)
