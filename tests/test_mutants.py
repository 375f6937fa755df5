"""The planted bugs still fit the code, and whoever plants them tells a survivor from a kill."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import pytest

from tests.mutants.catalogue import MUTANTS
from tests.mutants.judge import ROOT, copied, judge, run
from tests.mutants.mutant import Mutant

TEST = "test_finance_metrics.py::test_month_zero_is_never_discounted"


def test_every_planted_bug_still_fits() -> None:
    faults = [fault for mutant in MUTANTS if (fault := mutant.fault(ROOT)) is not None]
    assert faults == []
    assert len(MUTANTS) >= 100
    assert max(Counter(mutant.plants for mutant in MUTANTS).values()) == 1
    pairs = Counter((mutant.file, mutant.old, mutant.new) for mutant in MUTANTS)
    assert max(pairs.values()) == 1


@pytest.mark.parametrize(
    ("old", "new", "tests", "told"),
    [
        ("return np.log1p(values)", "return np.log1p(values)", (TEST,), "nothing is changed"),
        ("np.", "numpy.", (TEST,), "stands"),
        ("return np.log1p(values)", "return np.log1p(values", (TEST,), "was never closed"),
        ("return np.log1p(values)", "return values", ("test_finance_metrics.py::test_gone",), "no test"),
        ("return np.log1p(values)", "return values", (), "no test"),
    ],
)
def test_a_bug_that_no_longer_fits_is_told(old: str, new: str, tests: tuple[str, ...], told: str) -> None:
    fault = Mutant("m", "sim/finance/discount.py", old, new, tests).fault(ROOT)
    assert fault is not None
    assert told in fault


def test_the_judge_tells_kills_from_survivors_and_from_broken_trees(tmp_path: Path) -> None:
    tree = copied(tmp_path / "tree")
    file = "sim/finance/discount.py"
    where = (file, "when = np.arange(horizon + 1, dtype=np.float64)")
    kill = judge(tree, Mutant("kill", *where, "when = np.arange(1.0, horizon + 2)", (TEST,)))
    assert kill.killed, kill.by
    assert kill.by.startswith(TEST)
    same = judge(tree, Mutant("same", *where, "when = np.arange(0.0, horizon + 1)", (TEST,)))
    assert (same.killed, same.by) == (False, "all named tests passed")
    broken = judge(tree, Mutant("broken", *where, f"{where[1]}\n\n\nimport no_such_module", (TEST,)))
    assert not broken.killed
    assert broken.by.startswith("pytest ended with 2")
    # Taken out again, and no other tree was touched.
    assert (tree / file).read_text("utf-8") == (ROOT / file).read_text("utf-8")
    # Without its own `sim` a tree would be judged by the installed one.
    (tree / "sim").rename(tree / "elsewhere")
    verdict = run(tree, (TEST,))
    assert not verdict.killed
    assert "outside" in verdict.by
