"""A planted bug: one exact substitution in one file, and the tests that must notice it."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class Mutant:
    """A planted bug.

    Parameters
    ----------
    plants : str
        What would be wrong, in a few words; unique.
    file : str
        Path from the root of the tree.
    old, new : str
        `old` stands exactly once in the file and is replaced by `new`.
    tests : tuple of str
        Fast tests, ``file::test`` below ``tests/``, of which one must fail.
    """

    plants: str
    file: str
    old: str
    new: str
    tests: tuple[str, ...]

    def fault(self, root: Path) -> str | None:
        """Say why the mutant no longer fits the tree; None where it does."""
        text = (root / self.file).read_text("utf-8")
        if (count := text.count(self.old)) != 1:
            return f"{self.plants}: the text to replace stands {count} times in {self.file}"
        if self.old == self.new:
            return f"{self.plants}: nothing is changed"
        try:
            compile(self.planted(root), self.file, "exec")
        except SyntaxError as error:
            return f"{self.plants}: {error}"
        for test in self.tests:
            file, _, name = test.partition("::")
            path = root / "tests" / file
            if not path.is_file() or f"def {name}(" not in path.read_text("utf-8"):
                return f"{self.plants}: there is no test {test}"
        return None if self.tests else f"{self.plants}: no test is named"

    def planted(self, root: Path) -> str:
        """Return the text of the file with the bug in it."""
        return (root / self.file).read_text("utf-8").replace(self.old, self.new)
