"""The code blocks of a page of the documentation, and what a command is expected to print."""

from __future__ import annotations

import re
import shlex
from dataclasses import dataclass
from pathlib import Path

from tests.conftest import ROOT

PAGES = sorted([ROOT / "README.md", *(ROOT / "docs").rglob("*.md")])
_BLOCK = re.compile(r'^```(\w*)(?: title="([^"]*)")?[ ]*\n(.*?)^```', re.MULTILINE | re.DOTALL)
_NUMBER = re.compile(r"(?<![\w#])[+-]?\d[\d,]*(?:\.\d+)?")


@dataclass(frozen=True)
class Block:
    """One fenced block."""

    page: Path
    number: int
    language: str
    title: str
    text: str

    def __str__(self) -> str:
        return f"{self.page.relative_to(ROOT).as_posix()}:{self.number}"

    @property
    def file(self) -> str:
        """The name under which a reader would save it."""
        return self.title or f"block-{self.number}.{self.language}"

    @property
    def excerpt_of(self) -> Path | None:
        """The file of the project that it shows a part of, if it does."""
        return ROOT / self.title if self.title.startswith("configs/") else None

    def commands(self) -> list[list[str]]:
        """Return the arguments of every `sim` command of a shell block."""
        lines = [shlex.split(line, comments=True) for line in self.text.splitlines()]
        return [words[words.index("sim") + 1 :] for words in lines if "sim" in words]


def blocks(*languages: str, pages: list[Path] | None = None) -> list[Block]:
    """Return the blocks of the pages in these languages."""
    return [
        Block(page, number, language, title, text)
        for page in (PAGES if pages is None else pages)
        for number, (language, title, text) in enumerate(_BLOCK.findall(page.read_text("utf-8")), 1)
        if language in languages
    ]


def output_of(shell: Block) -> str:
    """Return what the page shows right after a shell block, or nothing."""
    following = [each for each in blocks("sh", "text", pages=[shell.page]) if each.number == shell.number + 1]
    return following[0].text if following and following[0].language == "text" else ""


def words(text: str) -> str:
    """Return a text on one line, its numbers replaced."""
    return _NUMBER.sub("#", " ".join(text.split()))


def numbers(text: str) -> list[float]:
    """Return the numbers of a text."""
    return [float(found.replace(",", "")) for found in _NUMBER.findall(text)]
