"""A run directory is there whole or not at all, whatever happens."""

from __future__ import annotations

import errno
import hashlib
import json
import os
import shutil
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from sim.errors import ProblemsError
from sim.report.write import MANIFEST, file_name, is_whole, publish

ABANDON = """
import sys, time
from pathlib import Path
from sim.report.write import publish
def build(folder):
    (folder / "half.txt").write_text("half")
    print("building", flush=True)
    time.sleep(600)
publish(Path(sys.argv[1]), build)
"""


def build_with(text: str):
    def build(folder: Path) -> dict[str, object]:
        (folder / "summary.json").write_text(text)
        (folder / "plots").mkdir()
        (folder / "plots" / "客服.png").write_bytes(text.encode() * 1000)
        return {"seed": 7}

    return build


def never(folder: Path) -> dict[str, object]:
    raise AssertionError("must not be built")


def left_over(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


def test_the_manifest_names_every_file_with_its_hash(tmp_path):
    run = tmp_path / "slug" / "abc"
    assert publish(run, build_with("new"))
    manifest = json.loads((run / MANIFEST).read_text())
    assert manifest["seed"] == 7
    found = {p.relative_to(run).as_posix() for p in run.rglob("*") if p.is_file()} - {MANIFEST}
    assert set(manifest["files"]) == found == {"summary.json", "plots/客服.png"}
    assert manifest["files"]["summary.json"] == hashlib.sha256(b"new").hexdigest()
    assert is_whole(run)
    assert left_over(run.parent) == ["abc"]


@pytest.mark.parametrize("harm", ["change", "delete", "manifest", "torn"])
def test_a_harmed_run_is_not_whole(tmp_path, harm):
    run = tmp_path / "abc"
    publish(run, build_with("new"))
    (run / "sweep-1234").mkdir()
    (run / "sweep-1234" / "more.json").write_text("{}")
    assert is_whole(run), "results of other commands do not matter"
    if harm == "change":
        (run / "summary.json").write_text("changed")
    elif harm == "delete":
        (run / "plots" / "客服.png").unlink()
    elif harm == "manifest":
        (run / MANIFEST).unlink()
    else:
        (run / MANIFEST).write_text('{"files": {"summary.json"')
    assert not is_whole(run)


def test_sealed_results_inside_a_run_answer_for_themselves(tmp_path):
    run = tmp_path / "abc"
    publish(tmp_path / "sweep-1234", build_with("sweep"))

    def build(folder: Path) -> dict[str, object]:
        shutil.copytree(tmp_path / "sweep-1234", folder / "sweep-1234")
        return build_with("new")(folder)

    publish(run, build)
    assert not any(name.startswith("sweep") for name in json.loads((run / MANIFEST).read_text())["files"])
    (run / "sweep-1234" / "summary.json").write_text("changed later")
    assert is_whole(run)
    assert not is_whole(run / "sweep-1234")


def test_an_existing_whole_run_is_kept(tmp_path):
    run = tmp_path / "abc"
    publish(run, build_with("first"))
    assert publish(run, never) is False
    assert (run / "summary.json").read_text() == "first"


@pytest.mark.parametrize("kind", ["file", "empty", "junk", "tampered", "dangling"])
@pytest.mark.parametrize("replace", [False, True])
def test_anything_else_at_the_place_is_refused_and_left_alone(tmp_path, kind, replace):
    run = tmp_path / "abc"
    if kind == "file":
        run.write_text("mine")
    elif kind == "dangling":
        run.symlink_to(tmp_path / "nowhere")
    elif kind == "tampered":
        publish(run, build_with("first"))
        (run / "summary.json").write_text("mine")
    else:
        run.mkdir()
        if kind == "junk":
            (run / "mine.txt").write_text("mine")
    with pytest.raises(ProblemsError, match="not a complete run"):
        publish(run, never, replace=replace)
    assert left_over(tmp_path) == ["abc"]
    if kind in ("file", "junk", "tampered"):
        place = {"file": run, "junk": run / "mine.txt", "tampered": run / "summary.json"}[kind]
        assert place.read_text() == "mine"


@pytest.mark.parametrize("trouble", [RuntimeError("bug"), KeyboardInterrupt(), SystemExit(143)])
def test_nothing_is_left_when_building_fails(tmp_path, trouble):
    def build(folder: Path) -> dict[str, object]:
        (folder / "half.txt").write_text("half")
        raise trouble

    with pytest.raises(type(trouble)):
        publish(tmp_path / "abc", build)
    assert left_over(tmp_path) == []


def test_a_manifest_that_is_no_json_leaves_nothing(tmp_path):
    with pytest.raises(ValueError, match="JSON"):
        publish(tmp_path / "abc", lambda _: {"bad": float("nan")})
    assert left_over(tmp_path) == []


def test_a_full_disk_is_told_in_one_line(tmp_path):
    def build(folder: Path) -> dict[str, object]:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    with pytest.raises(ProblemsError) as caught:
        publish(tmp_path / "abc", build)
    (problem,) = caught.value.problems
    assert "No space left on device" in problem.found
    assert "\n" not in problem.found
    assert problem.file == str(tmp_path / "abc")
    assert left_over(tmp_path) == []


def test_a_place_that_cannot_be_is_told(tmp_path):
    (tmp_path / "out").write_text("a file")
    with pytest.raises(ProblemsError, match="could not be written"):
        publish(tmp_path / "out" / "slug" / "abc", never)


def test_a_missing_file_inside_sim_stays_a_bug(tmp_path):
    with pytest.raises(FileNotFoundError):
        publish(tmp_path / "abc", lambda folder: json.loads((folder / "none.json").read_text()))
    assert left_over(tmp_path) == []


def test_who_comes_first_stays(tmp_path):
    run = tmp_path / "abc"

    def build(folder: Path) -> dict[str, object]:
        assert publish(run, build_with("the other"))
        return build_with("mine")(folder)

    assert publish(run, build) is False
    assert (run / "summary.json").read_text() == "the other"
    assert is_whole(run)
    assert left_over(tmp_path) == ["abc"]


def test_replace_swaps_whole_for_whole(tmp_path):
    run = tmp_path / "abc"
    publish(run, build_with("old"))
    assert publish(run, build_with("new"), replace=True)
    assert (run / "summary.json").read_text() == "new"
    assert is_whole(run)
    assert left_over(tmp_path) == ["abc"]


def test_a_failed_replacement_keeps_the_old_run(tmp_path):
    run = tmp_path / "abc"
    publish(run, build_with("old"))
    with pytest.raises(ZeroDivisionError):
        publish(run, lambda _: {"x": 1 // 0}, replace=True)
    assert (run / "summary.json").read_text() == "old"
    assert is_whole(run)
    assert left_over(tmp_path) == ["abc"]


def test_a_run_retired_by_a_killed_replacement_comes_back(tmp_path):
    run = tmp_path / "abc"
    publish(run, build_with("old"))
    run.rename(tmp_path / ".abc.1a2b3c4d.retired")
    assert publish(run, never) is False
    assert (run / "summary.json").read_text() == "old"
    assert left_over(tmp_path) == ["abc"]


@pytest.mark.skipif(sys.platform == "win32", reason="no advisory locks")
def test_what_a_killed_process_left_is_removed_and_a_living_builder_is_not(tmp_path):
    command = [sys.executable, "-c", ABANDON, str(tmp_path / "abc")]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "building\n"
        (folder,) = tmp_path.iterdir()
        assert folder.name.startswith(".abc.")
        publish(tmp_path / "other", build_with("x"))
        assert folder.is_dir(), "its builder lives"
        process.send_signal(signal.SIGKILL)
        process.wait()
    assert folder.is_dir()
    assert not (tmp_path / "abc").exists()
    publish(tmp_path / "abc", build_with("new"))
    assert left_over(tmp_path) == ["abc", "other"]


def test_file_names_are_safe_and_stay_different():
    names = [
        "checkout",
        "a/b",
        "a:b",
        "../../etc/passwd",
        "",
        ".",
        "..",
        "客服",
        "แชทบอท",
        "CON ",
        "x" * 300,
        "x" * 301,
    ]
    made = [file_name(name) for name in names]
    assert len(set(made)) == len(made)
    for name in made:
        assert name == Path(name).name
        assert not name.startswith(".")
        assert 0 < len(f"posterior_{name}.png".encode()) <= 255
