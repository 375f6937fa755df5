"""The reference of the config, from its JSON Schema; `meanings` says what a key means where the schema is terse."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from handbook.listings import cell
from handbook.meanings import MEANINGS
from sim.commands.catalogue import schema

type Node = Mapping[str, Any]

TABLES: Mapping[str, str] = {
    "Programme": "[programme]",
    "Pilot": "[pilot]",
    "Arm": "arm = { … }",
    "Data": "data = { … }",
    "Bias": "bias = { … }",
    "Volume": "[volumes.NAME]",
    "History": "history = { … }",
    "Outcome": "[outcomes.NAME]",
    "TenureMix": "tenure_mix = { … }",
    "EffectPrior": "prior.effect = { … }",
    "Benchmark": "prior.effect = { benchmark = … }",
    "Rollout": "[rollout]",
    "Ramp": "ramp = { … }",
    "Fade": "fade = { … }",
    "Flow": "[costs.NAME] and [benefits.NAME]",
    "Correlation": "[[correlations]]",
    "Decision": "[decision]",
    "Extension": "[decision.pilot]",
    "Stage": "[decision.stage]",
    "Sampling": "[sampling]",
}
ANY_QUANTITY = "A certain number, or an uncertain one."
OPENING = """# Config

Generated from the schema that `sim` reads configs by. `sim schema` prints it as JSON Schema; with
`#:schema config.schema.json` as the first line, editors complete and check keys.

A config is a TOML file. It needs `programme.currency`, one outcome or benefit, and `[costs]` unless all
outcomes are KPIs. Unknown keys are refused with the nearest known one.

## Quantities

Where a key takes a *quantity*, any of these forms may stand:

| Form | Meaning |
| --- | --- |
| `4_000` | certain |
| `{ low = 60, high = 90 }` | 5 and 95 % of a normal; of a lognormal where the key must be positive, of a logit-normal where it is a share. `shape` and `confidence` override |
| `{ low = 60, mode = 75, high = 110 }` | PERT: `low` and `high` are bounds |
| `{ dist = "gamma", mean = 75, sd = 10 }` | `normal`, `lognormal`, `gamma` or `beta` by mean and standard deviation |
| `{ samples = "f.csv", column = "x" }` | draws from a file; columns of one file stay together row by row |
| `{ by = { DE = 40_000, FR = { low = 20_000, high = 30_000 } } }` | one of these per segment |

Paths of files are relative to the config.
"""


def config_page() -> str:
    """Return the page of the config."""
    known = schema()["$defs"]
    parts = [OPENING]
    for name, table in TABLES.items():
        parts += [f"## {name}", "", f"`{table}` – {known[name]['description']}", ""]
        if name == "Outcome":
            parts += ["Every key of [`[pilot]`](#pilot) may stand here too and goes before it.", ""]
        parts += ["| Key | Takes | Default | Meaning |", "| --- | --- | --- | --- |"]
        parts += [
            f"| `{key}` | {cell(takes)} | {default} | {cell(told)} |"
            for key, takes, default, told in rows(name, known)
        ]
        parts.append("")
    return "\n".join(parts)


def rows(table: str, known: Mapping[str, Node]) -> Iterator[tuple[str, str, str, str]]:
    """Yield key, what it takes, default and meaning of every key of a table of the schema."""
    inherited = set(known["Pilot"]["properties"]) if table == "Outcome" else set()
    needed = known[table].get("required", [])
    for key, node in known[table]["properties"].items():
        if key in inherited:
            continue
        told = " ".join(filter(None, (_said(node), MEANINGS.get(f"{table}.{key}", ""))))
        default = node.get("default")
        shown = "needed" if key in needed else "" if default in (None, [], {}) else f"`{_toml(default)}`"
        yield key, takes(node, known), shown, told


def _said(node: Node) -> str:
    said = str(node.get("description", ""))
    return f"{said[0].upper()}{said[1:].rstrip('.')}." if said and said != ANY_QUANTITY else ""


def _toml(value: object) -> str:
    if isinstance(value, bool):
        return str(value).lower()
    return f'"{value}"' if isinstance(value, str) else str(value)


def takes(node: Node, known: Mapping[str, Node]) -> str:
    """Return in words what a node of the schema allows."""
    words: list[str] = []
    for form in _forms(node, known):
        if form not in words:
            words.append(form)
    return " or ".join(words) or "see the meaning"


def _forms(node: Node, known: Mapping[str, Node]) -> Iterator[str]:
    if node.get("title") == "Quantity":
        yield "[quantity](#quantities)"
    elif "$ref" in node:
        name = node["$ref"].rpartition("/")[2]
        if name in TABLES:
            yield f"[table](#{name.lower()})"
        else:
            yield from _forms(known[name], known)
    elif "anyOf" in node:
        for part in node["anyOf"]:
            yield from _forms(part, known)
    elif "enum" in node:
        yield ", ".join(f"`{_toml(value)}`" for value in node["enum"])
    elif "const" in node:
        yield f"`{_toml(node['const'])}`"
    else:
        yield from _plain(node, known)


def _plain(node: Node, known: Mapping[str, Node]) -> Iterator[str]:
    match node.get("type"):
        case "array":
            items = [node["items"]] if "items" in node else node.get("prefixItems", [])
            inner = {form for item in items for form in _forms(item, known)}
            yield f"list of {' or '.join(sorted(inner)) or 'values'}"
        case "object":
            yield "table"
        case "string":
            yield "date" if node.get("format") == "date" else "text"
        case "integer":
            yield f"whole number{_limits(node)}"
        case "number":
            yield f"number{_limits(node)}"
        case "boolean":
            yield "`true`, `false`"
        case _:
            return


def _limits(node: Node) -> str:
    low = node.get("minimum", node.get("exclusiveMinimum"))
    high = node.get("maximum", node.get("exclusiveMaximum"))
    if low is not None and high is not None:
        return f" {low} to {high}"
    if low is not None:
        return f" above {low}" if "exclusiveMinimum" in node else f" from {low}"
    return ""
