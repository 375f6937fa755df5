"""Passwords: nothing of the environment is filled in, and what may hold one is repeated nowhere."""

from __future__ import annotations

from copy import deepcopy
from pathlib import Path
from typing import Any

import pytest

from tests.fuzzing import SHORTEST
from tests.in_process import Told, command, document

SECRET = "hunter2-correct-horse"  # noqa: S105  # of nobody
PLACES = ("$SIM_PASSWORD", "${SIM_PASSWORD}", "%SIM_PASSWORD%", "${env:SIM_PASSWORD}", "~/${SIM_PASSWORD}")
WORKS: dict[str, Any] = {
    "programme": {"currency": "EUR", "horizon": 6},
    "benefits": {"gain": {"monthly": 30}},
    "costs": {"all": 100},
    "sampling": {"draws": 100},
}


@pytest.fixture(autouse=True)
def environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SIM_PASSWORD", SECRET)
    monkeypatch.setenv("SIM_LOG", "DEBUG")


def leaks(folder: Path, *told: Told) -> list[str]:
    """Return where the secret stands: in what was said, in a name, or in any byte of any file."""
    found = [text for each in told for text in (each.out, each.err) if SECRET in text]
    for path in folder.rglob("*"):
        if SECRET in str(path.relative_to(folder)):
            found.append(f"name {path}")
        if path.is_file() and SECRET.encode() in path.read_bytes():
            found.append(f"bytes of {path}")
    return found


def run(folder: Path, tree: dict[str, Any], *arguments: str) -> list[Told]:
    config = folder / "pilot.toml"
    config.write_text(document(tree), encoding="utf-8")
    out = ("--out", folder / "out", "--no-plots")
    asked = [("check", config), ("check", config, "--json"), ("forecast", config, *out)]
    asked += [("forecast", config, *out, "--json")]
    return [command(*each, *arguments) for each in asked]


@pytest.mark.parametrize("place", PLACES)
def test_the_environment_is_not_filled_in(tmp_path: Path, place: str) -> None:
    tree = deepcopy(WORKS)
    tree["programme"]["name"] = place
    tree["costs"][place] = 1
    told = run(tmp_path, tree, "--set", f'benefits."{place}"=3')
    assert [each.code for each in told] == [0, 0, 0, 0], told[0].err
    assert list(tmp_path.glob("out/**/summary.json"))
    assert leaks(tmp_path, *told) == []


@pytest.mark.parametrize("place", PLACES)
def test_nor_in_the_paths_of_runs_that_fail_and_work(tmp_path: Path, place: str) -> None:
    tree = deepcopy(WORKS)
    tree["benefits"]["gain"]["monthly"] = {"samples": f"{place}/gain.csv", "column": "x"}
    told = run(tmp_path, tree)
    assert {each.code for each in told} == {2}
    # Where a folder bears the name itself, it is that folder.
    folder = tmp_path / place
    folder.mkdir(parents=True)
    (folder / "gain.csv").write_text("x\n" + "".join(f"{i}\n" for i in range(50)))
    told += run(tmp_path, tree)
    assert {each.code for each in told[4:]} == {0}, told[4].err
    assert leaks(tmp_path, *told) == []


ADDRESS = f"postgres://me:{SECRET}@host/db"
READING = {
    "arm": {"column": "a", "control": "b", "treated": "c"},
    "columns": {"trials": "n", "successes": "s"},
}


@pytest.mark.parametrize(
    "data",
    [
        {"dsn": ADDRESS, "query": "SELECT 1"},
        {"dsn": "${SIM_PASSWORD}", "query": "SELECT 1"},
        {"dsn": [ADDRESS], "query": "SELECT 1"},
        {"dsn": {"url": ADDRESS}},
        {"dns": ADDRESS},
        {"file": ADDRESS},
        {"file": [ADDRESS]},
        [ADDRESS],
        ADDRESS,
        f"https://host/x.csv?key={SECRET}",
    ],
)
@pytest.mark.parametrize("where", ["outcome", "pilot", "history", "tenure_mix", "set"])
def test_what_may_hold_a_password_is_repeated_nowhere(tmp_path: Path, data: object, where: str) -> None:
    tree: dict[str, Any] = deepcopy(SHORTEST)
    outcome = tree["outcomes"]["checkout"]
    more: tuple[str, ...] = ()
    if where in ("outcome", "pilot", "set"):
        del outcome["control"], outcome["treated"]
        outcome |= READING
    if where == "outcome":
        outcome["data"] = data
    elif where == "pilot":
        tree["pilot"] = {"data": data}
    elif where == "history":
        tree["volumes"] = {"visits": {"history": {"data": data}}}
    elif where == "tenure_mix":
        outcome["tenure_mix"] = {"data": data}
    else:
        more = ("--set", "pilot.data=" + document({"x": data}).partition("=")[2].strip())
    path = tmp_path / "work"
    path.mkdir()
    told = run(path, tree, *more)
    assert {each.code for each in told} == {2}
    (path / "pilot.toml").unlink()  # the user's own
    assert leaks(path, *told) == []


def test_what_may_hold_a_password_breaks_the_text(tmp_path: Path) -> None:
    for text in (f'dsn = "{ADDRESS}', f'dsn ø "{ADDRESS}"', f"ø {ADDRESS}", f"[x]\nu = {ADDRESS}"):
        (tmp_path / "pilot.toml").write_text(text, encoding="utf-8")
        told = command("check", tmp_path / "pilot.toml")
        assert told.code == 2
        assert SECRET not in told.err


def test_a_leak_would_be_seen(tmp_path: Path) -> None:
    (tmp_path / f"a{SECRET}").write_text("")
    (tmp_path / "b").write_bytes(b"\0" + SECRET.encode())
    assert len(leaks(tmp_path, Told(0, SECRET, ""), Told(2, "", f"x{SECRET}"))) == 4
