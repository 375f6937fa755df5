"""What a command answers: exit code, the object of ``--json``, or what a person sees."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, NoReturn

from sim.cli.faults import tell, tell_unsaid
from sim.errors import printable

DONE, BUG, USAGE, UNTRUSTED, INTERRUPTED, TERMINATED = 0, 1, 2, 3, 130, 143


@dataclass
class Answer:
    """What a command has to say: the object of ``--json`` and what a person sees."""

    command: str
    code: int = DONE
    run: str | None = None
    trusted: bool | None = None
    sentence: str = ""
    result: Any = None
    checks: list[Any] = field(default_factory=list)
    problems: list[Any] = field(default_factory=list)
    show: Callable[[], None] = lambda: None

    def tell(self, *, as_json: bool) -> NoReturn:
        """Print and leave with the exit code."""
        try:
            self._print(as_json=as_json)
            sys.stdout.flush()
        except (OSError, SystemExit) as error:
            if isinstance(error, SystemExit) and error.code != BUG:  # by which Rich leaves where nobody reads
                raise
            tell_unsaid(error)
            raise SystemExit(USAGE) from None
        raise SystemExit(self.code)

    def _print(self, *, as_json: bool) -> None:
        if as_json:
            keys = ("command", "run", "trusted", "sentence", "result", "checks", "problems")
            document = {"command": self.command, "exit": self.code} | {k: getattr(self, k) for k in keys}
            sys.stdout.write(json.dumps(document, ensure_ascii=False, allow_nan=False) + "\n")
        else:
            self.show()


def say(text: str) -> None:
    """Print lines; names from files cannot steer the terminal."""
    sys.stdout.write("\n".join(map(printable, text.split("\n"))) + "\n")
    sys.stdout.flush()


def forecast_answer(command: str, result: Any, *, quiet: bool) -> Answer:
    """Return the answer of a command that ends in a run."""
    summary = result.summary

    def show() -> None:
        if quiet:
            say(str(result.run))
            return
        from rich.console import Console

        from sim.report.screen import show as show_screen

        show_screen(summary, result.run, Console())

    return Answer(
        command,
        code=DONE if result.trusted else UNTRUSTED,
        run=str(result.run),
        trusted=result.trusted,
        sentence=result.headline,
        result=summary,
        checks=summary["checks"],
        show=show,
    )


def found_answer(command: str, lines: Callable[[Any], Any], found: Any, *, quiet: bool) -> Answer:
    """Return the answer of a command that builds on a forecast; `lines` makes its table."""
    trusted = bool(found.result["trusted"])

    def show() -> None:
        if quiet:
            say(str(found.path))
            return
        from rich.console import Console

        from sim.report.answer_screen import show as show_screen

        show_screen(found.sentence, lines(found.result), found.path, Console(), found.result.get("notes", ()))

    return Answer(
        command,
        code=DONE if trusted else UNTRUSTED,
        run=str(found.forecast.run),
        trusted=trusted,
        sentence=found.sentence,
        result={**found.result, "path": str(found.path)},
        checks=found.forecast.summary["checks"],
        show=show,
    )


def portfolio_answer(found: Any, *, quiet: bool) -> Answer:
    """Return the answer of `sim portfolio`; what must be mended goes before what cannot be trusted."""
    problems, trusted = found.problems, bool(found.result["trusted"])

    def show() -> None:
        if quiet:
            say(str(found.path))
        else:
            from rich.console import Console

            from sim.report.answer_screen import show as show_screen
            from sim.report.portfolio_screen import portfolio_lines

            notes = found.result["notes"]
            show_screen(found.sentence, portfolio_lines(found.result), found.path, Console(), notes)
        if problems:
            tell("\n".join(map(str, problems)))

    return Answer(
        "portfolio",
        code=USAGE if problems else DONE if trusted else UNTRUSTED,
        run=str(found.path),
        trusted=trusted,
        sentence=found.sentence,
        result={**found.result, "path": str(found.path)},
        problems=[problem.as_dict() for problem in problems],
        show=show,
    )
