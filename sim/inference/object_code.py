"""Takes a compiled model apart into arrays, and makes it again from them in another process.

nutpie calls a log-density by its address. What is at that address is object code that numba made, and
everything around it is names, shapes and numbers.
"""

from __future__ import annotations

import ctypes
import json
from collections.abc import Mapping
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

import numpy as np

from sim.records.arrays import FloatArray


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
            point[start:stop] += _jitter(children[turn], stop - start)
        return point


def _jitter(child: np.random.SeedSequence, size: int) -> FloatArray:
    return np.random.Generator(np.random.PCG64(child)).uniform(-1, 1, size)


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


def apart(made: Any, built: Any) -> dict[str, Any]:
    """Return everything that makes a compiled model again, and what it returns at a point.

    Parameters
    ----------
    made : nutpie.compile_pymc.CompiledPyMCModel
    built : pymc.Model
        What it was compiled from.

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
    ends = list(pairwise([0, *np.cumsum([np.size(value) for value in values]).tolist()]))
    children, point = np.random.SeedSequence(0).spawn(len(ends)), made.initial_point_func(0)
    turns = []
    for a, b in ends:
        moved = (support[a:b] + _jitter(child, b - a) for child in children)
        turns.append(next(turn for turn, tried in enumerate(moved) if (tried == point[a:b]).all()))
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


def together(arrays: Mapping[str, Any]) -> Any:
    """Return the compiled model that `apart` took apart, with the data that it had then.

    Raises
    ------
    ValueError
        When it cannot run here, or returns anything else than it did.
    """
    import llvmlite.binding as llvm
    import pandas as pd
    from numba.core.registry import cpu_target
    from numba.core.runtime.nrt import rtsys

    from sim.inference.nuts import nutpie

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
    made = nutpie.compile_pymc.CompiledPyMCModel(
        dims={name: tuple(dims) for name, dims in record["dims"].items()},
        reparameterized_names=record["changed"],
        compiled_logp_func=codes["density"],
        compiled_expand_func=codes["expand"],
        initial_point_func=_Start(arrays["support"], tuple(map(tuple, record["pieces"]))),
        shared_data=shared,
        shared_var_keys=keys,
        user_data=nutpie.compile_pymc.make_user_data(keys, shared),
        n_expanded=record["expanded"],
        shape_info=(record["names"], slices, shapes),
        logp_func=None,
        expand_func=None,
        _n_dim=len(arrays["support"]),
        _shapes=dict(zip(record["names"], shapes, strict=True)),
        _coords=coords,
    )
    if not np.array_equal(_tried(made, arrays["point"])[1], arrays["value"]):
        raise ValueError("it returns something else than when it was made")
    return made
