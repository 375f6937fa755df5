"""Loops over samples that NumPy can only run a pass at a time, compiled by numba.

A loop is an ordinary function of flat arrays and whole numbers. It is compiled once on a machine and kept as
object code (`sim.cache`), which LLVM loads in milliseconds; importing numba takes a hundred times that. Where
nothing can be kept, every process compiles it.
"""

from __future__ import annotations

import ctypes
import hashlib
import inspect
import json
import sys
import threading
from collections.abc import Callable
from contextlib import suppress
from typing import Any

import numpy as np

from sim import cache
from sim.records.versions import version

_KIND = "loops"
_FORMAT = 1
_alone = threading.Lock()
_loaded: dict[Callable[..., int], Any] = {}
"""Loops of this process; LLVM holds their code for as long as they are here."""


def run(loop: Callable[..., int], *arguments: Any) -> None:
    """Run a loop; other threads go on meanwhile.

    Parameters
    ----------
    loop : callable
        Takes arrays as pointers, element by element from the first, and numbers; returns 0. Must be of the
        part of Python that numba compiles without objects, and allocate nothing.
    *arguments : C-contiguous array of float64, or int
        What does not change from call to call is their order and kind.
    """
    with _alone:
        code = _loaded.get(loop)
        if code is None:
            kinds = "".join("i" if isinstance(one, int) else "p" for one in arguments)
            code = _loaded[loop] = _load(loop, kinds) or _compile(loop, kinds)
    for one in arguments:
        if not isinstance(one, int) and not (one.flags.c_contiguous and one.dtype == np.float64):
            raise TypeError("a loop takes C-contiguous arrays of float64")
    code.call(*(one if isinstance(one, int) else one.ctypes.data for one in arguments))


class _Code:
    """Code at an address, with whatever keeps it there."""

    def __init__(self, address: int, kinds: str, owner: Any) -> None:
        types = [ctypes.c_int64 if kind == "i" else ctypes.c_void_p for kind in kinds]
        self.call = ctypes.CFUNCTYPE(ctypes.c_int64, *types)(address)
        self._owner = owner


def _key(loop: Callable[..., int], kinds: str) -> str:
    """Return the hash of everything that the code depends on."""
    import llvmlite.binding as llvm

    parts = {
        "format": _FORMAT,
        "source": inspect.getsource(loop),
        "kinds": kinds,
        "versions": [sys.version, *(version(library) for library in ("numba", "llvmlite"))],
        "processor": [
            llvm.get_process_triple(),
            llvm.get_host_cpu_name(),
            sorted(llvm.get_host_cpu_features().items()),
        ],
    }
    return hashlib.sha256(json.dumps(parts, sort_keys=True).encode()).hexdigest()[:32]


def _load(loop: Callable[..., int], kinds: str) -> _Code | None:
    """Return what is kept, or None when there is nothing of use."""
    file = cache.find(_KIND, _key(loop, kinds))
    if file is None:
        return None
    import llvmlite.binding as llvm

    try:
        arrays = cache.read(file)
        code, name = (arrays[part].tobytes() for part in ("object", "name"))
        if hashlib.sha256(code + name).digest() != arrays["sha256"].tobytes():
            return None
    except Exception:  # noqa: BLE001  # whatever is wrong with it, it is compiled anew and replaced
        return None
    llvm.initialize_native_target()
    llvm.initialize_native_asmprinter()
    machine = llvm.Target.from_default_triple().create_target_machine()
    engine = llvm.create_mcjit_compiler(llvm.parse_assembly(""), machine)
    engine.add_object_file(llvm.ObjectFileRef.from_data(code))
    engine.finalize_object()
    address = engine.get_function_address(name.decode())
    return _Code(address, kinds, engine) if address else None


def _compile(loop: Callable[..., int], kinds: str) -> _Code:
    from numba import cfunc, types

    number, pointer = types.int64, types.CPointer(types.float64)
    made = cfunc(number(*(number if kind == "i" else pointer for kind in kinds)))(loop)
    # What is kept goes by private ways, which another version may not have: then it is not kept.
    with suppress(Exception):
        library = made._library
        called = {function.name for function in library._final_module.functions if function.is_declaration}
        # LLVM ends the process where a symbol is missing.
        if all(name.startswith("llvm.") for name in called):
            _, _, (code, _) = library.serialize_using_object_code()
            name = made.native_name.encode()
            parts = {"object": code, "name": name, "sha256": hashlib.sha256(code + name).digest()}
            arrays = {part: np.frombuffer(content, np.uint8) for part, content in parts.items()}
            cache.write(_KIND, _key(loop, kinds), arrays)
    return _Code(made.address, kinds, made)
