"""Reads a config file into a validated `Config`, or tells every problem with its line."""

from __future__ import annotations

import difflib
import re
import tomllib
import types
import typing
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from pydantic import BaseModel, ValidationError
from pydantic_core import ErrorDetails

from sim.config.locate import Path as Key
from sim.config.locate import line_of, lines_of
from sim.config.quantity import looks_like_quantity
from sim.config.schema import Config
from sim.config.text import DEEPEST, brief, text_of, tree_of, unfit
from sim.errors import Problem, Problems, ProblemsError
from sim.records.quantity import quoted

_ASSIGNED = re.compile(r"""((?:"(?:[^"\\]|\\.)*"|'[^']*'|[^"'=])*)=(.*)""", re.DOTALL)
"""KEY=VALUE; in quotes a key may hold an equals sign."""
_SHORTHAND = {"costs": "once", "benefits": "once", "volumes": "monthly"}


@dataclass(frozen=True, slots=True)
class Source:
    """Where a config's keys stand, so that a problem can name the line.

    Parameters
    ----------
    file : str
        As the user named it.
    folder : Path
        Folder that the config's relative paths start from.
    lines : mapping
        Line of each key in the file.
    overridden : frozenset of tuple
        Keys that came from ``--set``.
    """

    file: str
    folder: Path
    lines: Mapping[Key, int] = field(default_factory=dict)
    overridden: frozenset[Key] = frozenset()

    def problem(self, key: Key, found: str, allowed: str = "", remedy: str = "") -> Problem:
        """Return a problem that names the line of `key` or its nearest parent."""
        shown = _dotted(key)
        found = found.replace("the value is", f"{key[-1]} is") if key else found
        if any(key[: len(part)] == part or part[: len(key)] == key for part in self.overridden):
            return Problem(found, allowed, remedy, "--set", None, shown)
        return Problem(found, allowed, remedy, self.file, line_of(dict(self.lines), key), shown)

    def located(self, problem: Problem) -> Problem:
        """Return a problem of figures that stand in the config with the line they stand on."""
        if problem.file is not None or problem.key is None:
            return problem
        try:
            key = parse_key(problem.key)
        except ProblemsError:
            return problem
        return self.problem(key, problem.found, problem.allowed, problem.remedy)


def parse_key(text: str) -> Key:
    """Return the parts of a dotted TOML key; whole numbers address list items, counted from 1.

    >>> parse_key('costs."lønn".monthly')
    ('costs', 'lønn', 'monthly')
    """
    parts: list[str] = []
    try:
        tree: Any = tomllib.loads(f"{text} = 0")
        while isinstance(tree, dict):
            ((part, tree),) = tree.items()
            parts.append(part)
        if tree != 0 or "\n" in text:  # a key with a value, a comment or a line of its own
            raise ValueError(text)
    except (ValueError, RecursionError):
        remedy = 'quote parts outside ASCII letters, digits, - and _: costs."lønn".monthly'
        raise ProblemsError(Problem(f"{brief(text)} is not a key", "a dotted TOML key", remedy)) from None
    return tuple(parts)


def parse_value(text: str) -> Any:
    """Return VALUE of ``--set KEY=VALUE``: TOML where that parses, else the text itself."""
    try:
        found = tomllib.loads(f"value = {text}")
    except (ValueError, RecursionError):
        return text
    return found["value"] if len(found) == 1 else text


def override(tree: dict[str, Any], key: Key, value: Any) -> None:
    """Set `key` in a raw config tree; a shorthand number on the way becomes the table it stands for."""
    here: Any = tree
    for depth, part in enumerate(key[:-1]):
        if isinstance(here, list):
            here = here[_index(here, part, key)]
            continue
        below = here.get(part)
        if looks_like_quantity(below) and not (isinstance(below, dict) and key[depth + 1] in below):
            below = here[part] = _long_form(key[: depth + 1], below)
        elif isinstance(below, str) and part == "data":
            below = here[part] = {"file": below}
        if below is None:
            below = here[part] = {}
        if not isinstance(below, dict | list):
            found = f"{_dotted(key[: depth + 1])} is {brief(below)}, which has no parts"
            raise ProblemsError(Problem(found, key=_dotted(key)))
        here = below
    if isinstance(here, list):
        here[_index(here, key[-1], key)] = value
    else:
        here[key[-1]] = value


def _long_form(key: Key, raw: Any) -> Any:
    if len(key) == 2 and key[0] in _SHORTHAND:
        return {_SHORTHAND[str(key[0])]: raw}
    if len(key) == 3 and key[0] == "outcomes" and key[2] == "volume":
        return {"monthly": raw}
    return raw


def _index(items: Sequence[Any], part: object, key: Key) -> int:
    text = str(part)
    if re.fullmatch("[0-9]{1,9}", text) and 1 <= int(text) <= len(items):
        return int(text) - 1
    allowed = f"an item from 1 to {len(items)}"
    raise ProblemsError(Problem(f"{brief(text)} is not an item of the list", allowed, key=_dotted(key)))


def _dotted(key: Key) -> str:
    return ".".join(quoted(str(part)) for part in key)


def load(path: Path, sets: Sequence[str] = ()) -> tuple[Config, dict[str, Any], Source]:
    """Read, override and validate a config.

    Parameters
    ----------
    path : Path
        The TOML file.
    sets : sequence of str
        ``KEY=VALUE`` overrides, later ones win.

    Returns
    -------
    Config
        Validated text.
    dict
        The raw tree after overrides, as it goes into the manifest.
    Source
        To name lines in later problems.

    Raises
    ------
    ProblemsError
        With every problem found, each at its line.
    """
    text = text_of(path)
    tree = tree_of(text, str(path))
    endless = any(len(key) >= DEEPEST for key, *_ in unfit(tree))
    source = Source(str(path), path.resolve().parent, {} if endless else lines_of(text))
    _fit(tree, source)
    problems = Problems()
    overridden: set[Key] = set()
    for item in sets:
        with problems.gather():
            found = _ASSIGNED.fullmatch(item)
            if found is None:
                raise ProblemsError(Problem(f"--set {brief(item)} has no =", "--set KEY=VALUE"))
            key = parse_key(found[1].strip())
            override(tree, key, parse_value(found[2].strip()))
            overridden.add(key)
    problems.raise_if_any()
    source = Source(source.file, source.folder, source.lines, frozenset(overridden))
    _fit(tree, source)
    try:
        return Config.model_validate(tree), tree, source
    except ValidationError as error:
        raise ProblemsError(*_told(error.errors(include_url=False), tree, source)) from None


def _fit(tree: dict[str, Any], source: Source) -> None:
    """Refuse values that no key may have."""
    if found := [source.problem(*told) for told in unfit(tree)]:
        raise ProblemsError(*found)


def _told(errors: Sequence[ErrorDetails], tree: Any, source: Source) -> list[Problem]:
    """Turn pydantic's errors into problems, one per key, without the branches of unions not meant."""
    kept: dict[Key, ErrorDetails] = {}
    for error in errors:
        key = _real_key(error, tree)
        kept.setdefault(key, error)
    deepest = [
        key for key in kept if not any(len(other) > len(key) and other[: len(key)] == key for other in kept)
    ]
    found = [_problem(kept[key], key, source) for key in deepest]
    return sorted(found, key=lambda problem: problem.line or 0)


def _real_key(error: ErrorDetails, tree: Any) -> Key:
    """Drop the names of union branches and validators that pydantic puts between keys."""
    here: Any = tree
    key: list[str | int] = []
    parts: list[str | int] = list(error["loc"])
    if error["type"] == "quantity":
        parts += error.get("ctx", {}).get("path", [])
    for number, part in enumerate(parts):
        last = number == len(parts) - 1
        if (isinstance(here, dict) and part in here) or (
            isinstance(here, list) and isinstance(part, int) and part < len(here)
        ):
            here = here[part]  # type: ignore[index]  # `inside` has seen to it
        elif not (last and error["type"] == "missing"):
            continue
        key.append(part)
    return tuple(key)


def _problem(error: ErrorDetails, key: Key, source: Source) -> Problem:
    kind, context, given = error["type"], error.get("ctx", {}), error.get("input")
    shown = brief(given)
    name = str(key[-1]) if key else "the config"
    if kind == "missing":
        return source.problem(key, f"{name} is missing", _meaning(key), f"add {name} = …")
    if kind == "extra_forbidden":
        allowed = _fields_at(key[:-1])
        close = difflib.get_close_matches(name, allowed, n=1)
        remedy = f'did you mean "{close[0]}"?' if close else ""
        return source.problem(key, f'unknown key "{name}"', ", ".join(sorted(allowed)), remedy)
    if kind == "quantity":
        return source.problem(key, context["found"], context["allowed"], context["remedy"])
    if kind == "literal_error":
        return source.problem(key, f"{name} is {shown}", str(context.get("expected", "")))
    if kind == "string_pattern_mismatch" and name == "currency":
        return source.problem(
            key, f"currency is {shown}", "an ISO 4217 code of three capitals", "e.g. EUR, USD, CNY"
        )
    if kind == "value_error":
        return source.problem(key, str(context.get("error", error["msg"])), _meaning(key))
    if kind in ("model_type", "dict_type"):
        return source.problem(key, f"{name} is {shown}", "a table or a quantity, see `sim schema`")
    message = error["msg"][0].lower() + error["msg"][1:]
    return source.problem(key, f"{name} is {shown}" if len(shown) < 120 else f"{name} is wrong", message)


def _annotation_at(key: Key) -> Any:
    """Return the schema class or type that stands at `key`."""
    here: Any = Config
    for part in key:
        here = _tables(here)
        if isinstance(here, type) and issubclass(here, BaseModel):
            fields = {info.alias or name: info for name, info in here.model_fields.items()}
            if part not in fields:
                return None
            here = fields[str(part)].annotation
        else:
            arguments = typing.get_args(here)
            here = arguments[-1] if arguments else None
    return _tables(here)


def _tables(annotation: Any) -> Any:
    """Look through aliases, annotations and unions for the table class meant."""
    while True:
        if isinstance(annotation, typing.TypeAliasType):
            annotation = annotation.__value__
        elif typing.get_origin(annotation) is typing.Annotated:
            annotation = typing.get_args(annotation)[0]
        elif typing.get_origin(annotation) in (typing.Union, types.UnionType):
            options = [_tables(option) for option in typing.get_args(annotation)]
            tables = [o for o in options if isinstance(o, type) and issubclass(o, BaseModel)]
            return tables[0] if tables else options[0]
        else:
            return annotation


def _fields_at(key: Key) -> list[str]:
    table = _annotation_at(key)
    if isinstance(table, type) and issubclass(table, BaseModel):
        return [info.alias or name for name, info in table.model_fields.items()]
    return []


def _meaning(key: Key) -> str:
    table = _annotation_at(key[:-1])
    if isinstance(table, type) and issubclass(table, BaseModel) and key and key[-1] in table.model_fields:
        return table.model_fields[str(key[-1])].description or ""
    return ""
