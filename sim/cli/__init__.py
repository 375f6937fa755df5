"""The command line: parse, call, print. The only place with exit codes, progress and print."""

from __future__ import annotations

import atexit
import gc
import logging
import os
import signal
import sys
import threading
from typing import Annotated, NoReturn

import typer

from sim.cli import catalogue, decide, start
from sim.cli.answer import BUG, DONE, INTERRUPTED, TERMINATED, USAGE, Answer, say
from sim.cli.faults import tell
from sim.errors import Problem, ProblemsError, problem_of

GRACE_SECONDS = 3.0

app = typer.Typer(
    name="sim",
    help=(
        "From pilot data to the investment decision: fits Bayesian models to a pilot and carries their "
        "uncertainty through monthly cash flows to NPV, ROI, IRR and payback time.\n\n"
        "Start with `sim init`, look with `sim check`, then run `sim forecast`."
    ),
    epilog="Exit codes: 0 done and trusted, 2 something to mend, 3 cannot be trusted, 1 a bug in sim.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)
_COMMANDS = (
    start.init,
    start.check,
    start.forecast,
    start.report,
    decide.sweep,
    decide.sensitivity,
    decide.target,
    decide.pilot,
    decide.compare,
    decide.portfolio,
    decide.backtest,
    decide.track,
    catalogue.models,
    catalogue.benchmarks,
    catalogue.schema,
)
for command in _COMMANDS:
    app.command()(command)


def _version(wanted: bool) -> None:
    if wanted:
        from importlib.metadata import version

        say(version("sim"))
        raise typer.Exit


@app.callback()
def _options(
    version: Annotated[
        bool, typer.Option("--version", callback=_version, is_eager=True, help="Print the version.")
    ] = False,
) -> None:
    """Carry the options that stand before any command."""


_stopped: list[int] = []
"""Exit codes of the signals that came."""


def _stop(number: int, _frame: object) -> NoReturn:
    """Stop on Ctrl-C and SIGTERM, also where the exception is lost.

    Compilers call back into Python from C, and what is raised there is dropped; so the process ends
    itself if it is still there after a moment. That is safe at any time: nothing is published but by
    one rename, and the next run clears what a killed one left.
    """
    code = INTERRUPTED if number == signal.SIGINT else TERMINATED
    _stopped.append(code)
    last = threading.Timer(GRACE_SECONDS, os._exit, (code,))
    last.daemon = True
    last.start()
    if number == signal.SIGINT:
        raise KeyboardInterrupt
    raise SystemExit(code)


def _check_names(arguments: list[str]) -> None:
    """Refuse names that no result can repeat: a locale without other scripts, bytes that are no text."""
    if foreign := [word for word in arguments if not word.isprintable() and _is_foreign(word)]:
        shown = foreign[0].encode("utf-8", "surrogateescape").decode("utf-8", "backslashreplace")
        raise ProblemsError(Problem(f"{shown} is not UTF-8", "names in UTF-8", "rename it"))
    encoding = sys.getfilesystemencoding()
    if encoding.lower() != "utf-8":
        found = f"file names are written in {encoding} here"
        raise ProblemsError(Problem(found, "utf-8", "set the variable LC_ALL=C.UTF-8 (or PYTHONUTF8=1)"))


def _start_log() -> None:
    level = os.environ.get("SIM_LOG", "WARNING").upper()
    known = logging.getLevelNamesMapping()
    if level not in known:
        told = "the variable SIM_LOG is no level of detail"
        raise ProblemsError(Problem(told, ", ".join(known), "unset SIM_LOG"))
    logging.basicConfig(stream=sys.stderr, level=level)


def _is_foreign(word: str) -> bool:
    return any("\ud800" <= char <= "\udfff" for char in word)


def _command_of(arguments: list[str]) -> str:
    return next((word for word in arguments if not word.startswith("-")), "")


def _lighten() -> None:
    """Spare a short process work that brings it nothing: 5 % of a forecast from stored fits.

    Imports and plots make many objects that stay, so the collector looks for garbage rarely; and Pydantic
    needs no search through all installed packages for plugins, which have no say in how a config is read.
    """
    gc.set_threshold(100_000)
    os.environ.setdefault("PYDANTIC_DISABLE_PLUGINS", "__all__")


def main() -> None:
    """Run the command line and leave with the exit code of the contract."""
    arguments = sys.argv[1:]
    as_json = "--json" in arguments
    answer = Answer(_command_of(arguments))
    _lighten()
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, _stop)
    problems: tuple[Problem, ...]
    try:
        _check_names(arguments)
        _start_log()
        left = app(standalone_mode=False)
    except BaseException as error:
        # What a signal raised may have become another error on its way up; the signal counts.
        if _stopped or isinstance(error, KeyboardInterrupt | typer.Abort):
            _tell_interrupted(answer, as_json=as_json)
        elif isinstance(error, ProblemsError):
            problems = error.problems
        elif isinstance(error, typer.TyperException):
            known = any(command.__name__ == answer.command for command in _COMMANDS)
            remedy = f"sim {answer.command} --help" if known else "sim --help"
            problems = (Problem(error.format_message(), remedy=remedy),)
        elif (problem := problem_of(error)) is not None:
            problems = (problem,)
        else:
            raise
    else:
        if _stopped or left == INTERRUPTED:  # Typer turns a KeyboardInterrupt into a returned code
            _tell_interrupted(answer, as_json=as_json)
        raise SystemExit(DONE)
    answer.code = USAGE
    answer.sentence = f"{len(problems)} thing{'s' if len(problems) > 1 else ''} to mend; nothing was written"
    answer.problems = [problem.as_dict() for problem in problems]
    answer.show = lambda: tell("\n".join(map(str, problems)))
    answer.tell(as_json=as_json)


def run() -> NoReturn:
    """Run `main` as a program.

    With compiled models loaded the interpreter needs half a second to take itself apart, and nobody sees any
    of that. So the process ends as soon as all that was registered for its end is done.
    """
    left = [BUG]

    def end() -> None:
        try:
            sys.stdout.flush()
            sys.stderr.flush()
        except Exception:  # noqa: BLE001  # whatever it is, the interpreter meets it again and tells it
            return
        os._exit(left[0])

    atexit.register(end)  # the first to be registered is the last to be called
    try:
        main()
    except SystemExit as stop:
        left[0] = stop.code if isinstance(stop.code, int) else BUG
        raise
    raise SystemExit(DONE)


def _tell_interrupted(answer: Answer, *, as_json: bool) -> NoReturn:
    answer.code = _stopped[0] if _stopped else INTERRUPTED
    answer.sentence = "interrupted; no half result was written"
    answer.show = lambda: tell(answer.sentence)
    answer.tell(as_json=as_json)
