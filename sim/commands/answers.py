"""What commands that build on a forecast share: the study of it, and a folder for the answer in its run."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

from sim.commands.forecast import Result, run
from sim.commands.place import check_place, fit_store
from sim.engine.fit import Progress
from sim.engine.prepare import Prepared
from sim.engine.study import Study
from sim.report.tables import write_json
from sim.report.write import is_whole, publish


@dataclass(frozen=True)
class Answered:
    """An answer of a command, read from its files.

    Parameters
    ----------
    path : Path
        Folder with ``answer.json``.
    """

    path: Path

    @cached_property
    def result(self) -> dict[str, Any]:
        """Contents of ``answer.json``."""
        loaded: dict[str, Any] = json.loads((self.path / "answer.json").read_text("utf-8"))
        return loaded

    @property
    def sentence(self) -> str:
        """The answer in one sentence."""
        return str(self.result["sentence"])


@dataclass(frozen=True)
class Found(Answered):
    """An answer that rests on a forecast, in ``<run>/<command>-<hash of the options>``.

    Parameters
    ----------
    forecast : Result
        The forecast that it rests on.
    """

    forecast: Result


def begin(
    config: str | Path,
    *,
    sets: Sequence[str] = (),
    out: str | Path,
    seed: int | None = None,
    refit: bool = False,
    allow_untrusted: bool = False,
    progress: Progress | None = None,
) -> tuple[Result, Study]:
    """Run the forecast, or take the run that is there, and return it with the study of its config.

    Parameters
    ----------
    config, sets, out, seed, refit, allow_untrusted, progress
        As for `sim.forecast`.

    Raises
    ------
    ProblemsError
        As for `sim.forecast`.
    """

    def check(prepared: Prepared) -> None:
        check_place(prepared, Path(out), allow_untrusted=allow_untrusted)

    study = Study(Path(config), tuple(sets), seed, fit_store(out), refit, progress, check)
    result = run(study.world.prepared, Path(out), allow_untrusted=allow_untrusted)
    return result, study


def answer(
    forecast: Result,
    command: str,
    options: Mapping[str, Any],
    build: Callable[[Path], Mapping[str, Any]],
    *,
    withheld: bool = False,
) -> Found:
    """Write an answer into a folder of its own inside the run, whole or not at all.

    Parameters
    ----------
    forecast : Result
    command : str
    options : mapping
        Everything besides the run that determines the answer; its hash names the folder, and an answer
        that is there already is not made again.
    build : callable
        ``build(folder) -> answer``: writes tables and plots into the folder and returns what
        ``answer.json`` holds, with ``sentence``.
    withheld : bool
        Nothing is built: the answer is that the forecast cannot be trusted.
    """
    text = json.dumps(dict(options), sort_keys=True, ensure_ascii=False, default=str)
    target = forecast.run / f"{command}-{hashlib.sha256(text.encode()).hexdigest()[:8]}"

    def whole(folder: Path) -> dict[str, Any]:
        nothing = withheld or not forecast.has_figures
        found = {"sentence": forecast.headline, "trusted": False} if nothing else build(folder)
        write_json(folder / "answer.json", found)
        return {"command": command, "options": dict(options)}

    if not is_whole(target):
        publish(target, whole)
    return Found(target, forecast)


def marked(found: Mapping[str, Any], *, trusted: bool) -> dict[str, Any]:
    """Return what was found, saying in its sentence where it is not to be trusted.

    Examples
    --------
    >>> marked({"sentence": "Invest."}, trusted=False)
    {'sentence': 'Not to be trusted: Invest.', 'trusted': False}
    """
    if trusted:
        return dict(found) | {"trusted": True}
    return dict(found) | {"sentence": f"Not to be trusted: {found['sentence']}", "trusted": False}
