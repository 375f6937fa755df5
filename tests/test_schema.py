"""The JSON Schema that editors get agrees with what sim accepts."""

from __future__ import annotations

import datetime as dt
import json
import tomllib
from pathlib import Path
from typing import Any

import jsonschema
import pytest

from tests.conftest import ROOT
from tests.test_config import SHORTEST

SCHEMA = json.loads((ROOT / "configs" / "config.schema.json").read_text("utf-8"))
CONFIGS = sorted([*ROOT.glob("configs/*/config.toml"), *ROOT.glob("sim/templates/*.toml")])


def plain(tree: Any) -> Any:
    """Return a TOML tree as an editor hands it to a JSON Schema."""
    if isinstance(tree, dict):
        return {key: plain(value) for key, value in tree.items()}
    if isinstance(tree, list):
        return [plain(item) for item in tree]
    return tree.isoformat() if isinstance(tree, dt.date) else tree


def errors(text: str) -> list[str]:
    return [
        error.message
        for error in jsonschema.Draft202012Validator(SCHEMA).iter_errors(plain(tomllib.loads(text)))
    ]


@pytest.mark.parametrize("path", CONFIGS, ids=lambda path: path.parent.name)
def test_every_shipped_config_fits_and_points_to_it(path: Path) -> None:
    text = path.read_text("utf-8")
    assert errors(text) == []
    assert text.startswith("#:schema ")
    assert text.split()[1].endswith("config.schema.json")


def test_the_schema_refuses_what_sim_refuses() -> None:
    assert errors(SHORTEST) == []
    assert errors(SHORTEST.replace("[costs]", "[kosts]"))
    assert errors(SHORTEST.replace("EUR", "euro"))
    assert errors(SHORTEST.replace("75_000", '"dear"'))
    assert errors(SHORTEST.replace('"conversion"', '"conversions"'))
