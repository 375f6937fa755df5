"""The documentation is true: configs load, commands run, links lead somewhere, references are current."""

from __future__ import annotations

import re
import shutil
from pathlib import Path

import pytest
import typer

from handbook.config_reference import TABLES, rows
from handbook.links import broken
from handbook.meanings import MEANINGS
from handbook.pages import stale
from sim.cli import app
from sim.commands.catalogue import schema
from tests import in_process
from tests.conftest import ROOT
from tests.docs_blocks import PAGES, Block, blocks, numbers, output_of, words
from tests.in_process import command

QUICK = {"check", "init", "models", "benchmarks", "schema"}
"""Commands that neither sample nor simulate."""
CERTAIN = [ROOT / "docs" / "howto" / "cost-per-interaction.md"]
"""Pages all of whose commands are quick, as nothing in them is uncertain."""
SHELL = [block for block in blocks("sh") if block.commands()]


@pytest.fixture
def reader(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The folder of somebody who follows a page on a clone."""
    shutil.copytree(ROOT / "configs", tmp_path / "configs")
    monkeypatch.chdir(tmp_path)
    return tmp_path


def saved(page: Path) -> None:
    """Save what the page tells to save."""
    for block in blocks("toml", "csv", pages=[page]):
        if block.excerpt_of is None:
            Path(block.file).write_text(block.text, "utf-8")


def shown(block: Block, arguments: list[str]) -> str:
    told = command(*arguments)
    assert told.code == 0, f"{block} {arguments}: {told.err or told.out}"
    return told.out + told.err


def holds(block: Block, printed: str) -> None:
    """Hold what the page shows against what was printed: the same words, and much the same numbers."""
    for line in filter(None, output_of(block).splitlines()):
        at = words(printed).find(words(line))
        assert at >= 0, f"{block} does not print: {line}"
        before = words(printed)[:at].count("#")
        found = numbers(" ".join(printed.split()))[before : before + len(numbers(line))]
        assert found == pytest.approx(numbers(line), rel=0.2), line


@pytest.mark.parametrize("block", [b for b in blocks("toml") if b.excerpt_of is None], ids=str)
def test_every_config_shown_is_one(block: Block, reader: Path) -> None:
    saved(block.page)
    assert "ready to forecast" in shown(block, ["check", block.file])


@pytest.mark.parametrize("block", [b for b in blocks("toml") if b.excerpt_of], ids=str)
def test_every_excerpt_stands_in_its_file(block: Block) -> None:
    assert block.excerpt_of is not None
    assert block.text in block.excerpt_of.read_text("utf-8")


def test_every_command_shown_is_understood() -> None:
    group = typer.main.get_command(app)
    for block in SHELL:
        for name, *arguments in block.commands():
            group.commands[name].make_context(name, arguments)  # type: ignore[attr-defined]


@pytest.mark.parametrize("block", SHELL, ids=str)
def test_quick_commands_print_what_the_page_shows(block: Block, reader: Path) -> None:
    saved(block.page)
    quick = block.page in CERTAIN
    found = [shown(block, each) for each in block.commands() if quick or each[0] in QUICK]
    if len(found) == len(block.commands()):
        holds(block, "\n".join(found))


@pytest.mark.slow
@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.stem)
def test_a_reader_can_follow_every_page(page: Path, reader: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SIM_FITS", str(reader.parent.parent / "fits"))
    monkeypatch.setenv("COLUMNS", "80")
    monkeypatch.setattr(in_process, "SECONDS", 1_000)  # models are compiled here
    saved(page)
    for block in blocks("sh", "python", pages=[page]):
        if block.language == "python":
            exec(compile(block.text, str(block), "exec"), {})  # noqa: S102  # the page's own code
        else:
            holds(block, "\n".join(shown(block, each) for each in block.commands()))


@pytest.mark.parametrize("block", [b for b in blocks("python") if "prior-only" in b.text], ids=str)
def test_quick_python_runs(block: Block, reader: Path, capsys: pytest.CaptureFixture[str]) -> None:
    exec(compile(block.text, str(block), "exec"), {})  # noqa: S102  # the page's own code
    assert "NPV" in capsys.readouterr().out


def test_every_block_has_a_known_language() -> None:
    text = "\n".join(page.read_text("utf-8") for page in PAGES)
    known = {"", "csv", "python", "sh", "text", "toml"}
    assert set(re.findall(r"^```(\w+)", text, re.MULTILINE)) <= known


def test_no_link_is_broken() -> None:
    assert broken(PAGES) == []


def test_a_broken_link_is_seen(tmp_path: Path) -> None:
    page = tmp_path / "page.md"
    text = "# A b\n[x](page.md#a-b) [y](page.md#c) [z](none.md) ![p](none.png) `[q](none.md)`\n"
    page.write_text(text, "utf-8")
    assert broken([page]) == ["page.md: page.md#c", "page.md: none.md", "page.md: none.png"]


def test_the_references_are_those_of_the_code() -> None:
    assert stale() == [], "run: uv run poe reference"


def test_every_key_has_a_meaning_and_every_meaning_a_key() -> None:
    known = schema()["$defs"]
    told = {f"{table}.{key}": meaning for table in TABLES for key, _, _, meaning in rows(table, known)}
    assert [key for key, meaning in told.items() if not meaning] == []
    assert set(MEANINGS) <= set(told)
    plain = {"FlowTable", "Numbers", "Texts", "VolumeTable", "_Label"}
    assert set(known) - plain == set(TABLES)


def test_every_page_is_in_the_navigation() -> None:
    text = (ROOT / "zensical.toml").read_text("utf-8")
    pages = {path.relative_to(ROOT / "docs").as_posix() for path in PAGES if path.name != "README.md"}
    notes = {page for page in pages if page.startswith("performance/")}
    assert set(re.findall(r'"([\w/-]+\.md)"', text)) == pages - notes


def test_every_row_of_the_index_leads_to_a_page() -> None:
    folder = ROOT / "docs" / "howto"
    linked = set(re.findall(r"\]\((.+?\.md)\)", (folder / "index.md").read_text("utf-8")))
    assert linked == {path.name for path in folder.glob("*.md")} - {"index.md"}
