"""Has the disk fail, or the process die, at the n-th call that changes the disk, for every n.

``python -m tests.faults WORK HOW FOLDER`` does it in forks of one light process and prints what each left.
"""

from __future__ import annotations

import builtins
import errno
import io
import json
import os
import shutil
import signal
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np

from sim.errors import ProblemsError
from sim.inference import store
from sim.records.check import Check
from sim.report.write import is_whole, publish
from sim.whole import write_whole

KEY = "a" * 64


class Fault:
    """Fails at the n-th call."""

    def __init__(self, n: int, how: str) -> None:
        self.left, self.how = n, how

    def strike(self, before: Callable[[], object] = lambda: None) -> None:
        self.left -= 1
        if self.left == 0:
            before()
            if self.how == "kill":
                os.kill(os.getpid(), signal.SIGKILL)
            code = getattr(errno, self.how)
            raise OSError(code, os.strerror(code))


class Written:
    """A file opened for writing, of which a write may end in the middle."""

    def __init__(self, file: Any, fault: Fault) -> None:
        self._file, self._fault = file, fault

    def write(self, content: Any) -> Any:
        def half() -> None:
            self._file.write(content[: len(content) // 2])
            self._file.flush()

        self._fault.strike(half)
        return self._file.write(content)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._file, name)

    def __enter__(self) -> Written:
        return self

    def __exit__(self, *_: object) -> None:
        self._file.close()

    def __iter__(self) -> Iterator[Any]:
        return iter(self._file)


def install(fault: Fault) -> None:
    """Put the fault into every call of this process that changes the disk."""
    for name in ("mkdir", "rename", "replace", "fsync"):
        setattr(os, name, _struck(getattr(os, name), fault))
    plain = io.open

    def opened(file: Any, mode: str = "r", *args: Any, **kwargs: Any) -> Any:
        if not set(mode) & set("wxa+") or isinstance(file, int):
            return plain(file, mode, *args, **kwargs)
        fault.strike()
        return Written(plain(file, mode, *args, **kwargs), fault)

    io.open = builtins.open = opened


def _struck(call: Any, fault: Fault) -> Any:
    def struck(*args: Any, **kwargs: Any) -> Any:
        fault.strike()
        return call(*args, **kwargs)

    return struck


def build(text: str) -> Callable[[Path], dict[str, Any]]:
    def made(folder: Path) -> dict[str, Any]:
        (folder / "summary.json").write_text(text, encoding="utf-8")
        (folder / "plots").mkdir()
        (folder / "plots" / "a.png").write_bytes(text.encode() * 100)
        return {"seed": 7}

    return made


def save_fit(folder: Path, value: float, *, replace: bool = False) -> None:
    draws = {"level": np.full((50, 2, 1), value)}
    store.save(
        folder,
        KEY,
        draws,
        (Check("a", "ok", "b"),),
        {},
        lambda path: path.write_bytes(b"nc" * 99),
        replace=replace,
    )


def text_of(run: Path) -> str | None:
    """Return which run is there, None without one; it must be whole."""
    if not run.exists():
        return None
    assert is_whole(run), f"{run} is a half run"
    return (run / "summary.json").read_text("utf-8")


def fit_of(folder: Path) -> float | None:
    fit = store.load(folder, KEY)  # raises where it is damaged
    return None if fit is None else float(fit.draws["level"].mean())


def page_of(file: Path) -> str | None:
    return file.read_text("utf-8") if file.exists() else None


# Each: what is there before, what is done, what is seen, and what may be seen after a fault.
WORKS: dict[str, tuple[Any, Any, Any, list[Any]]] = {
    "publish": (
        lambda f: None,
        lambda f: publish(f / "slug" / "run", build("new")),
        lambda f: text_of(f / "slug" / "run"),
        [None, "new"],
    ),
    "replace": (
        lambda f: publish(f / "run", build("old")),
        lambda f: publish(f / "run", build("new"), replace=True),
        lambda f: text_of(f / "run"),
        # For a moment between two renames there is none; the next run brings the old one back.
        [None, "old", "new"],
    ),
    "answer": (
        lambda f: publish(f / "run", build("old")),
        lambda f: publish(f / "run" / "sweep-1", build("answer")),
        lambda f: [text_of(f / "run"), text_of(f / "run" / "sweep-1")],
        [["old", None], ["old", "answer"]],
    ),
    "fit": (lambda f: None, lambda f: save_fit(f / "fits", 1.0), lambda f: fit_of(f / "fits"), [None, 1.0]),
    "refit": (
        lambda f: save_fit(f, 1.0),
        lambda f: save_fit(f, 2.0, replace=True),
        fit_of,
        [None, 1.0, 2.0],
    ),
    "file": (
        lambda f: (f / "a.txt").write_text("old"),
        lambda f: write_whole(f / "a.txt", lambda path: path.write_text("new", "utf-8")),
        lambda f: page_of(f / "a.txt"),
        ["old", "new"],
    ),
}


def names(folder: Path) -> list[str]:
    return sorted(path.relative_to(folder).as_posix() for path in folder.rglob("*"))


def once(work: str, how: str, n: int, folder: Path) -> dict[str, Any]:
    """Fail at the n-th call of a work, look, and do it again without a fault."""
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    prepare, act, see, _ = WORKS[work]
    prepare(folder)
    before = names(folder)
    told = folder.with_name("told")
    told.write_text("")
    child = os.fork()
    if child == 0:
        os.dup2(os.open(told, os.O_WRONLY), 2)
        fault = Fault(n, how)
        install(fault)
        code = 70
        try:
            act(folder)
            code = 0 if fault.left > 0 else 4
        except ProblemsError as error:
            os.write(2, json.dumps([str(problem) for problem in error.problems]).encode())
            code = 2
        except OSError as error:
            os.write(2, repr(error).encode())
            code = 5
        finally:
            os._exit(code)
    status = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
    found = {"n": n, "status": status, "told": told.read_text(), "seen": see(folder)}
    found["same"] = names(folder) == before
    act(folder)
    found["next"] = see(folder)
    found["hidden"] = [name for name in names(folder) if "/." in f"/{name}"]
    return found


def main() -> None:
    work, how, folder = sys.argv[1:]
    found = []
    while not found or found[-1]["status"] != 0:
        found.append(once(work, how, len(found) + 1, Path(folder) / "work"))
        assert len(found) < 500
    print(json.dumps({"found": found, "allowed": WORKS[work][3]}))  # noqa: T201


if __name__ == "__main__":
    main()
