"""Whole or nothing: a process killed, or a disk that fails, at every call that changes the disk."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from tests.conftest import ROOT
from tests.faults import WORKS

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="forks")


def faults(work: str, how: str, folder: Path) -> tuple[list[dict[str, Any]], list[Any]]:
    """Return what was seen after a fault at each call, but for the last round, which had none."""
    done = subprocess.run(
        [sys.executable, "-m", "tests.faults", work, how, folder],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    told = json.loads(done.stdout)
    *struck, last = told["found"]
    assert last["seen"] == told["allowed"][-1]
    assert len(struck) >= 4, "as many calls as there must be"
    return struck, told["allowed"]


@pytest.mark.parametrize("work", list(WORKS))
def test_killed_at_any_call_nothing_half_is_seen_and_the_next_one_clears_up(
    work: str, tmp_path: Path
) -> None:
    struck, allowed = faults(work, "kill", tmp_path)
    for one in struck:
        assert one["status"] == -9, one
        assert one["seen"] in allowed, one
        assert one["hidden"] == [], one
        # A whole run that is there is kept, so the next one brings back the old or finds the new.
        assert one["next"] in allowed[1:], one


@pytest.mark.parametrize(("work", "how"), [*((work, "ENOSPC") for work in WORKS), ("publish", "EIO")])
def test_a_disk_that_fails_at_any_call_is_told_and_nothing_is_left(
    work: str, how: str, tmp_path: Path
) -> None:
    struck, allowed = faults(work, how, tmp_path)
    gone_without = [one for one in struck if one["status"] == 4]
    assert len(gone_without) <= 2, "making a folder that is there already, and no more"
    for one in struck:
        assert one["hidden"] == [], one
        assert one["next"] == allowed[-1], one
        if one in gone_without:
            assert one["seen"] == allowed[-1], one
            continue
        assert one["same"], one
        if work == "file":  # pictures and tables that are kept to save time: nobody is told
            assert one["status"] == 5, one
            continue
        assert one["status"] == 2, one
        (told,) = json.loads(one["told"])
        assert len(told.splitlines()) == 1, one
        assert "could not be written and nothing was left behind" in told
