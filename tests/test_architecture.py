"""The architecture page tells the truth about the tree."""

from __future__ import annotations

import re

from tests.conftest import ROOT


def test_the_page_names_every_module_and_no_other() -> None:
    page = (ROOT / "docs" / "architecture.md").read_text("utf-8")
    told = set(re.findall(r"^\| `((?:sim|models)/[\w/]+\.py)` \|", page, re.MULTILINE))
    there = {
        path.relative_to(ROOT).as_posix()
        for room in ("sim", "models")
        for path in (ROOT / room).rglob("*.py")
        if path.name != "__init__.py"
    }
    assert told == there


def test_only_the_registry_loads_the_models() -> None:
    pattern = re.compile(r"^\s*(?:from|import) (?:sim\.)?models\b|sim\.models\.", re.MULTILINE)
    for path in (ROOT / "sim").rglob("*.py"):
        if path.name not in ("registry.py", "__init__.py"):
            assert not pattern.search(path.read_text("utf-8")), path


def test_readme_and_ci_name_the_same_check() -> None:
    readme = (ROOT / "README.md").read_text("utf-8")
    assert "uv run poe check " in readme
    assert "uv run poe check\n" in (ROOT / ".ci" / "run").read_text("utf-8")


def test_readme_shows_the_shortest_config_first() -> None:
    from tests.test_config import SHORTEST

    readme = (ROOT / "README.md").read_text("utf-8")
    first = re.search(r"```toml\n(.*?)```", readme, re.DOTALL)
    assert first is not None
    assert first[1] == SHORTEST
