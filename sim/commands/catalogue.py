"""``sim init``, ``sim models``, ``sim benchmarks`` and ``sim schema``: what there is to start from."""

from __future__ import annotations

import json
import os
import tempfile
from collections.abc import Mapping
from importlib.resources import files
from pathlib import Path
from typing import Any

from sim.errors import Problem, ProblemsError
from sim.registry import models


def init(folder: str | Path = ".") -> list[Path]:
    """Write a runnable config and a pilot table into a folder; nothing there is overwritten.

    Raises
    ------
    ProblemsError
        When one of the files is there already, or the folder cannot be written.
    """
    target = Path(folder)
    templates = sorted((item for item in files("sim").joinpath("templates").iterdir()), key=lambda i: i.name)
    wanted = {target / item.name: item.read_bytes() for item in templates if item.is_file()}
    wanted[target / "config.schema.json"] = (json.dumps(schema(), indent=2) + "\n").encode()
    return write_new(target, wanted)


def write_new(target: Path, wanted: Mapping[Path, bytes]) -> list[Path]:
    """Write files into a folder, made if need be; nothing there is overwritten.

    Raises
    ------
    ProblemsError
        When one of the files is there already, or the folder cannot be written.
    """
    taken = [path for path in wanted if path.exists()]
    if taken:
        remedy = "name an empty folder: sim init NAME"
        raise ProblemsError(
            *(Problem("is there already", "a free name", remedy, str(path)) for path in taken)
        )
    try:
        target.mkdir(parents=True, exist_ok=True)
        for path, content in wanted.items():
            handle, name = tempfile.mkstemp(dir=target, prefix=".sim-")
            with os.fdopen(handle, "wb") as file:
                file.write(content)
            Path(name).chmod(0o644)
            Path(name).rename(path)
    except OSError as error:
        found = f"cannot be written: {error.strerror}"
        raise ProblemsError(Problem(found, "a writable folder", file=str(target))) from None
    return list(wanted)


def describe_models() -> list[dict[str, Any]]:
    """Return every outcome model with its meaning, unit and column sets."""
    return [
        {
            "name": model.name,
            "title": model.title,
            "unit": model.unit,
            "better": model.better,
            "columns": [
                {
                    column.role: column.meaning + (" (optional)" if column.optional else "")
                    for column in column_set.columns
                }
                for column_set in model.column_sets
            ],
        }
        for model in models().values()
    ]


def describe_benchmarks() -> list[dict[str, Any]]:
    """Return every published figure with its citation, and the prior that it may serve as."""
    from sim.config.benchmarks import BENCHMARKS

    return [
        {
            "key": item.key,
            "measure": item.measure,
            "model": item.model,
            "low": item.range[0] if item.range else None,
            "high": item.range[1] if item.range else None,
            "discount": item.discount if item.range else None,
            "trust": item.trust,
            "why": item.why,
            "source": item.source,
            "population": item.population,
            "unusable": item.unusable or None,
        }
        for item in BENCHMARKS
    ]


def schema() -> dict[str, Any]:
    """Return the JSON Schema of the config, for editors."""
    from sim.config.schema import Config

    result = Config.model_json_schema(by_alias=True)
    result["title"] = "sim config"
    result["$schema"] = "https://json-schema.org/draft/2020-12/schema"
    outcome = result["$defs"]["Outcome"]["properties"]
    outcome["model"] = {"enum": sorted(models()), "description": "see `sim models`"}
    outcome["prior"] = {"anyOf": _priors(result["$defs"])}
    return result


def _priors(definitions: dict[str, Any]) -> list[dict[str, Any]]:
    """Return the schemas of the models' priors; what they refer to joins `definitions`."""
    from sim.config.benchmarks import BENCHMARKS

    found: list[dict[str, Any]] = []
    for model in models().values():
        prior = model.priors.model_json_schema()
        definitions |= prior.pop("$defs", {})
        if prior not in found:
            found.append(prior)
    definitions["Benchmark"] = {
        "title": "Benchmark",
        "description": "A published effect as the prior, see `sim benchmarks`.",
        "type": "object",
        "properties": {
            "benchmark": {"enum": [item.key for item in BENCHMARKS if item.range]},
            "discount": {"type": "number", "minimum": 0, "maximum": 1},
        },
        "required": ["benchmark"],
        "additionalProperties": False,
    }
    for prior in found:
        prior["properties"]["effect"]["anyOf"].append({"$ref": "#/$defs/Benchmark"})
    return found
