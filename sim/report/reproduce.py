"""The command that makes a run again, from its manifest alone."""

from __future__ import annotations

import json
import shlex
from collections.abc import Mapping, Sequence
from typing import Any

from sim.records.quantity import quoted
from sim.report.names import clean


def settings(manifest: Mapping[str, Any]) -> list[str] | None:
    """Return the ``KEY=VALUE`` of every ``--set`` that a run was made with; None where a value is not kept.

    Parameters
    ----------
    manifest : mapping
        With ``set``, the keys, and ``config``, as resolved.

    Examples
    --------
    >>> settings({"set": ["costs.hosting.monthly"], "config": {"costs": {"hosting": {"monthly": 5000.0}}}})
    ['costs.hosting.monthly=5000.0']
    """
    found = []
    for key in manifest.get("set", []):
        parts = key.split(".")
        value = _at(manifest.get("config", {}), parts)
        if value is None:
            return None
        found.append(f"{'.'.join(quoted(part) for part in parts)}={_toml(value)}")
    return found


def _at(tree: Any, parts: Sequence[str]) -> Any:
    """Return what stands at a key; a number for a quantity may stand under its long or its short form."""
    for part in parts:
        if not isinstance(tree, Mapping) or part not in tree:
            return tree if part in ("once", "monthly", "daily") and not isinstance(tree, Mapping) else None
        tree = tree[part]
    if isinstance(tree, Mapping):
        forms = [tree[form] for form in ("once", "monthly") if form in tree]
        return forms[0] if len(forms) == 1 and set(tree) <= {"once", "monthly", "at", "from"} else tree
    return tree


def _toml(value: Any) -> str:
    """Return a value as an inline TOML value."""
    if isinstance(value, Mapping):
        inner = (f"{quoted(str(key))} = {_toml(item)}" for key, item in value.items() if item is not None)
        return f"{{ {', '.join(inner)} }}"
    if isinstance(value, Sequence) and not isinstance(value, str):
        return f"[{', '.join(_toml(item) for item in value)}]"
    return json.dumps(value, ensure_ascii=False)


def command(manifest: Mapping[str, Any], seed: int) -> str:
    """Return the command that makes a run again.

    Examples
    --------
    >>> command({"config_file": "my plan.toml"}, 7)
    "sim forecast 'my plan.toml' --seed 7"
    """
    known = settings(manifest)
    sets = [f"{key}=…" for key in manifest.get("set", [])] if known is None else known
    options = [f"--set {shlex.quote(one)}" for one in sets if not one.startswith("sampling.seed=")]
    file = shlex.quote(clean(manifest.get("config_file", "CONFIG"), 300))
    return " ".join(["sim forecast", file, f"--seed {seed}", *(clean(one, 300) for one in options)])
