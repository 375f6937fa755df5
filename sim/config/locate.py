"""Line numbers of keys in a TOML text, which the standard library's reader does not give."""

from __future__ import annotations

import re
import tomllib

type Path = tuple[str | int, ...]

_SPACE = re.compile(r"(?:[ \t\r\n]|#[^\n]*)*")
_KEY = re.compile(r"""\s*("(?:[^"\\\n]|\\.)*"|'[^'\n]*'|[A-Za-z0-9_-]+)\s*""")
_SCALAR = re.compile(
    r'"""(?:[^\\]|\\.)*?"""+|\'\'\'.*?\'\'\'+|"(?:[^"\\\n]|\\.)*"|\'[^\'\n]*\'|[^,\]}\n#]+', re.DOTALL
)


class _Scanner:
    """Walks a text that is known to be valid TOML and notes where each key stands."""

    def __init__(self, text: str) -> None:
        self.text = text
        self.at = 0
        self.lines: dict[Path, int] = {}
        self.counted = (0, 1)
        self.arrays: dict[Path, int] = {}

    def skip(self) -> None:
        match = _SPACE.match(self.text, self.at)
        self.at = match.end() if match else self.at

    def note(self, path: Path, position: int) -> None:
        at, line = self.counted
        line += self.text.count("\n", at, position) - self.text.count("\n", position, at)
        self.counted = (position, line)
        self.lines.setdefault(path, line)

    def keys(self) -> list[str]:
        parts: list[str] = []
        while match := _KEY.match(self.text, self.at):
            self.at = match.end()
            raw = match[1]
            parts.append(next(iter(tomllib.loads(f"{raw}=0"))))
            if self.text[self.at : self.at + 1] != ".":
                break
            self.at += 1
        return parts

    def pair(self, table: Path) -> None:
        start = self.at
        path = table
        for part in self.keys():
            path = (*path, part)
            self.note(path, start)
        self.at = self.text.index("=", self.at) + 1
        self.value(path)

    def value(self, path: Path) -> None:
        self.skip()
        opener = self.text[self.at]
        if opener not in "[{":
            match = _SCALAR.match(self.text, self.at)
            self.at = match.end() if match else self.at + 1
            return
        self.at += 1
        index = 0
        while True:
            self.skip()
            here = self.text[self.at]
            if here in "]}":
                self.at += 1
                return
            if here == ",":
                self.at += 1
            elif opener == "{":
                self.pair(path)
            else:
                self.note((*path, index), self.at)
                self.value((*path, index))
                index += 1

    def header(self) -> Path:
        double = self.text.startswith("[[", self.at)
        start = self.at
        self.at += 2 if double else 1
        parts = self.keys()
        self.at = self.text.index("]", self.at) + (2 if double else 1)
        path: Path = ()
        for number, part in enumerate(parts):
            path = (*path, part)
            self.note(path, start)
            last = number == len(parts) - 1
            if double and last:
                self.arrays[path] = self.arrays.get(path, -1) + 1
            if path in self.arrays:
                path = (*path, self.arrays[path])
                self.note(path, start)
        return path

    def run(self) -> dict[Path, int]:
        table: Path = ()
        while True:
            self.skip()
            if self.at >= len(self.text):
                return self.lines
            if self.text[self.at] == "[":
                table = self.header()
            else:
                self.pair(table)


def lines_of(text: str) -> dict[Path, int]:
    r"""Return the 1-based line of every key and list item of a valid TOML text.

    >>> lines_of('[costs]\nlicence.monthly = 4\n')[("costs", "licence", "monthly")]
    2
    """
    return _Scanner(text).run()


def line_of(lines: dict[Path, int], path: Path) -> int | None:
    """Return the line of `path`, or of the nearest parent that stands in the file."""
    while path:
        if path in lines:
            return lines[path]
        path = path[:-1]
    return None
