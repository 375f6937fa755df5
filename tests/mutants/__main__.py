"""Plants every bug in turn and writes `docs/mutants.md`: which test noticed it, or that none did."""

from __future__ import annotations

import queue
import sys
import tempfile
import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from tests.mutants.catalogue import MUTANTS
from tests.mutants.judge import ROOT, Verdict, copied, judge, run
from tests.mutants.mutant import Mutant

WORKERS = 2
PAGE = ROOT / "docs" / "mutants.md"
HEAD = """\
# Planted bugs

`uv run poe mutants` plants each of these bugs in a copy of the tree, one at a time, and runs the fast tests
that must notice it. A bug that no test notices, or whose text no longer stands exactly once in its file,
ends the command with exit code 1. This page is written by the command.

"""


def say(text: str) -> None:
    """Write a line at once."""
    sys.stdout.write(text + "\n")
    sys.stdout.flush()


def page(found: Sequence[tuple[Mutant, Verdict]], seconds: float) -> str:
    """Return the kill table as Markdown."""
    killed = sum(verdict.killed for _, verdict in found)
    lines = [
        f"{killed} of {len(found)} bugs were noticed, in {seconds:.0f} s.\n",
        "| Planted bug | Where | Noticed by | s |",
        "| --- | --- | --- | --- |",
    ]
    for mutant, verdict in found:
        by = f"`{verdict.by}`".replace("|", r"\|") if verdict.killed else "**nothing**"
        lines.append(f"| {mutant.plants} | `{mutant.file}` | {by} | {verdict.seconds:.1f} |")
    return HEAD + "\n".join(lines) + "\n"


def baseline(trees: Sequence[Path], tests: Sequence[str]) -> list[str]:
    """Run all tests on sound trees, shared out between them; return what went wrong."""
    shares = [list(tests[k :: len(trees)]) for k in range(len(trees))]
    with ThreadPoolExecutor(len(trees)) as pool:
        verdicts = pool.map(run, trees, shares)
        return [v.by for v in verdicts if v.by != "all named tests passed"]


def main(words: Sequence[str]) -> int:
    """Judge the mutants, or only those whose description holds one of `words`."""
    chosen = [m for m in MUTANTS if not words or any(word in m.plants for word in words)]
    faults = [fault for mutant in chosen if (fault := mutant.fault(ROOT)) is not None]
    if faults or not chosen:
        say("\n".join(faults) or "no mutant of that name")
        return 1
    started = time.perf_counter()
    with tempfile.TemporaryDirectory(prefix="mutants-") as folder:
        trees = [copied(Path(folder) / str(k)) for k in range(WORKERS)]
        tests = sorted({test for mutant in chosen for test in mutant.tests})
        if wrong := baseline(trees, tests):
            say("without any planted bug the tests do not pass: " + "; ".join(wrong))
            return 1
        say(f"{len(tests)} tests pass without a bug ({time.perf_counter() - started:.0f} s)")
        free: queue.SimpleQueue[Path] = queue.SimpleQueue()
        for tree in trees:
            free.put(tree)

        def one(mutant: Mutant) -> Verdict:
            tree = free.get()
            try:
                verdict = judge(tree, mutant)
            finally:
                free.put(tree)
            mark = "killed  " if verdict.killed else "SURVIVED"
            say(f"{mark} {verdict.seconds:5.1f} s  {mutant.plants}  [{verdict.by}]")
            return verdict

        with ThreadPoolExecutor(WORKERS) as pool:
            found = list(zip(chosen, pool.map(one, chosen), strict=True))
    seconds = time.perf_counter() - started
    survived = [mutant.plants for mutant, verdict in found if not verdict.killed]
    if not words:
        PAGE.write_text(page(found, seconds), encoding="utf-8")
    say(f"{len(found) - len(survived)} of {len(found)} noticed in {seconds:.0f} s")
    if survived:
        say("not noticed: " + "; ".join(survived))
    return 1 if survived else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
