"""The command line: parse, call, print. The only place with exit codes, progress and print."""

from __future__ import annotations

import json
import logging
import os
import signal
import sys
import threading
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated, Any, NoReturn

import typer

from sim.errors import InterruptedFitError, Problem, ProblemsError

DONE, BUG, USAGE, UNTRUSTED, INTERRUPTED, TERMINATED = 0, 1, 2, 3, 130, 143
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

Config = Annotated[Path, typer.Argument(help="The config, a TOML file.", show_default=False)]
Sets = Annotated[
    list[str] | None,
    typer.Option(
        "--set",
        metavar="KEY=VALUE",
        help="Override any config key, e.g. --set costs.licence.monthly=5000. Repeatable.",
    ),
]
Out = Annotated[Path, typer.Option("--out", help="Folder for results and stored fits.")]
Seed = Annotated[int | None, typer.Option("--seed", help="Override sampling.seed.", min=0)]
AsJson = Annotated[bool, typer.Option("--json", help="Print one JSON object and nothing else.")]
Quiet = Annotated[bool, typer.Option("--quiet", "-q", help="Print the result's path only.")]
Refit = Annotated[bool, typer.Option("--refit", help="Sample anew even where a fit is stored.")]
AllowUntrusted = Annotated[
    bool, typer.Option("--allow-untrusted", help="Write figures even when a check fails (exit stays 3).")
]
RESULTS = Path("results")


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
        if as_json:
            keys = ("command", "run", "trusted", "sentence", "result", "checks", "problems")
            document = {"command": self.command, "exit": self.code} | {k: getattr(self, k) for k in keys}
            _print(json.dumps(document, ensure_ascii=False, allow_nan=False))
        else:
            self.show()
        raise SystemExit(self.code)


def _print(text: str) -> None:
    sys.stdout.write(text + "\n")
    sys.stdout.flush()


def _forecast_answer(command: str, result: Any, *, quiet: bool) -> Answer:
    """Return the answer of a command that ends in a run."""
    summary = result.summary

    def show() -> None:
        if quiet:
            _print(str(result.run))
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


@app.command()
def init(
    folder: Annotated[
        Path, typer.Argument(metavar="[DIR]", help="Where to write; made if missing.")
    ] = Path(),
    as_json: AsJson = False,
) -> None:
    """Write a config and a pilot table to start from.

    Both run as they are: `sim init my-pilot`, then `sim forecast my-pilot/config.toml`.
    """
    from sim.commands.catalogue import init as write

    written = [str(path) for path in write(folder)]
    config = next(path for path in written if path.endswith(".toml"))
    sentence = f"wrote {', '.join(written)}; next: sim forecast {config}"
    Answer("init", sentence=sentence, result=written, show=lambda: _print(sentence)).tell(as_json=as_json)


@app.command()
def check(config: Config, sets: Sets = None, seed: Seed = None, as_json: AsJson = False) -> None:
    """Read config and data and say what was understood; samples nothing.

    Tells every problem at once, with file, line and key.
    """
    from sim.commands.check import check as look

    found = look(config, sets=sets or (), seed=seed)
    failed = [item for item in found["checks"] if item["status"] == "fail"]
    sentence = f"{config} is ready to forecast" if not failed else f"{config} cannot be trusted as it stands"

    def show() -> None:
        for name, told in found["outcomes"].items():
            _print(f"{name}: {told}")
        for item in found["checks"]:
            _print(f"{item['status']:<5} {item['name']}: {item['message']}")
            if item["remedy"] and item["status"] != "ok":
                _print(f"      {item['remedy']}")
        _print(sentence)

    Answer(
        "check",
        code=UNTRUSTED if failed else DONE,
        trusted=not failed,
        sentence=sentence,
        result=found,
        checks=found["checks"],
        show=show,
    ).tell(as_json=as_json)


@app.command()
def forecast(
    config: Config,
    sets: Sets = None,
    out: Out = RESULTS,
    seed: Seed = None,
    as_json: AsJson = False,
    quiet: Quiet = False,
    refit: Annotated[bool, typer.Option("--refit", help="Sample anew even where a fit is stored.")] = False,
    allow_untrusted: Annotated[
        bool, typer.Option("--allow-untrusted", help="Write figures even when a check fails (exit stays 3).")
    ] = False,
) -> None:
    """Forecast what the investment will return, with its range.

    Fits each outcome to the pilot (or reuses the stored fit), carries the joint uncertainty through
    the monthly cash flows, and writes summary, tables, posteriors, plots and a report.
    """
    from sim.commands.forecast import forecast as run

    with _progress(shown=not (as_json or quiet)) as progress:
        result = run(
            config,
            sets=sets or (),
            out=out,
            seed=seed,
            refit=refit,
            allow_untrusted=allow_untrusted,
            progress=progress,
        )
    _forecast_answer("forecast", result, quiet=quiet).tell(as_json=as_json)


@app.command()
def report(
    run: Annotated[str, typer.Argument(help="A run's folder, its id, or `latest`.", show_default=False)],
    out: Out = RESULTS,
    as_json: AsJson = False,
    quiet: Quiet = False,
) -> None:
    """Rebuild the plots and report.html of a stored run; its figures stay as they are."""
    from sim.commands.report import report as rebuild

    _forecast_answer("report", rebuild(run, out=out), quiet=quiet).tell(as_json=as_json)


def _found_answer(command: str, found: Any, lines: Callable[[Any], Any], *, quiet: bool) -> Answer:
    """Return the answer of a command that builds on a forecast; `lines` makes its table."""
    trusted = bool(found.result["trusted"])

    def show() -> None:
        if quiet:
            _print(str(found.path))
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


@app.command()
def sensitivity(
    config: Config,
    strategy: Annotated[
        str | None, typer.Option("--strategy", help="Treated arm to explain; by default the best on average.")
    ] = None,
    by_segment: Annotated[
        bool, typer.Option("--by-segment", help="Fitted levels and effects by segment, not over all.")
    ] = False,
    sets: Sets = None,
    out: Out = RESULTS,
    seed: Seed = None,
    as_json: AsJson = False,
    quiet: Quiet = False,
    refit: Refit = False,
    allow_untrusted: AllowUntrusted = False,
) -> None:
    """Say which uncertainty moves the result, and which one is worth resolving first.

    Tornado, shares of variance (Sobol, Shapley) and the expected value of knowing each input and each
    group of them before deciding (EVPPI): what varies most need not be what matters for the decision.
    """
    from sim.commands.sensitivity import sensitivity as run
    from sim.report.answer_screen import sensitivity_lines

    with _progress(shown=not (as_json or quiet)) as progress:
        found = run(
            config,
            strategy=strategy,
            by_segment=by_segment,
            sets=sets or (),
            out=out,
            seed=seed,
            refit=refit,
            allow_untrusted=allow_untrusted,
            progress=progress,
        )
    _found_answer("sensitivity", found, sensitivity_lines, quiet=quiet).tell(as_json=as_json)


@app.command()
def compare(
    configs: Annotated[
        list[Path],
        typer.Argument(help="Two configs or more, or one with several treated arms.", show_default=False),
    ],
    sets: Sets = None,
    out: Out = RESULTS,
    seed: Seed = None,
    as_json: AsJson = False,
    quiet: Quiet = False,
    refit: Refit = False,
    allow_untrusted: AllowUntrusted = False,
) -> None:
    """Put alternatives side by side: which is best, how surely, and what choosing it may lose.

    Forecasts each config with the same seed, so that what the alternatives share cancels in their
    difference. `--set` holds for all of them. The answer lies in the run of the first config.
    """
    from sim.commands.compare import compare as run
    from sim.report.answer_screen import compare_lines

    with _progress(shown=not (as_json or quiet)) as progress:
        found = run(
            configs,
            sets=sets or (),
            out=out,
            seed=seed,
            refit=refit,
            allow_untrusted=allow_untrusted,
            progress=progress,
        )
    _found_answer("compare", found, compare_lines, quiet=quiet).tell(as_json=as_json)


@app.command()
def pilot(
    config: Config,
    months: Annotated[
        str | None,
        typer.Option("--months", metavar="N,N,…", help="Lengths to weigh instead of decision.pilot.months."),
    ] = None,
    strategy: Annotated[
        str | None, typer.Option("--strategy", help="Treated arm; by default the best on average.")
    ] = None,
    sets: Sets = None,
    out: Out = RESULTS,
    seed: Seed = None,
    as_json: AsJson = False,
    quiet: Quiet = False,
    refit: Refit = False,
    allow_untrusted: AllowUntrusted = False,
) -> None:
    """Say whether a longer pilot is worth its cost, and how long it should be.

    Simulates what each length of further pilot would show, and weighs what its data are worth (EVSI)
    against its cost and the cost of waiting. Needs decision.pilot.cost_per_month. Also: starting with a
    first stage (decision.stage), and what a point of a KPI would have to be worth.
    """
    from sim.commands.pilot import parse_months
    from sim.commands.pilot import pilot as run
    from sim.report.pilot_screen import pilot_lines

    with _progress(shown=not (as_json or quiet)) as progress:
        found = run(
            config,
            months=parse_months(months),
            strategy=strategy,
            sets=sets or (),
            out=out,
            seed=seed,
            refit=refit,
            allow_untrusted=allow_untrusted,
            progress=progress,
        )
    _found_answer("pilot", found, pilot_lines, quiet=quiet).tell(as_json=as_json)


@app.command()
def sweep(
    config: Config,
    vary: Annotated[
        list[str],
        typer.Option(
            "--vary",
            metavar="KEY=…",
            help="Any number in the config: KEY=lo:hi:n (evenly spaced) or KEY=a,b,c. Several make a grid.",
            show_default=False,
        ),
    ],
    metrics: Annotated[
        list[str] | None,
        typer.Option("--metric", help="A metric of summary.json, e.g. npv, roi, irr. The first is drawn."),
    ] = None,
    strategy: Annotated[
        str | None, typer.Option("--strategy", help="Treated arm to tell of; by default the best on average.")
    ] = None,
    sets: Sets = None,
    out: Out = RESULTS,
    seed: Seed = None,
    as_json: AsJson = False,
    quiet: Quiet = False,
    refit: Refit = False,
    allow_untrusted: AllowUntrusted = False,
) -> None:
    """Forecast over a grid of config values, and say where investing begins to pay.

    Every setting equals `sim forecast --set KEY=VALUE`: the same samples, and only what a key changes is
    simulated anew. Writes a table (CSV and Parquet) and a plot: a line for one key, a map for two.
    """
    from sim.commands.sweep import DEFAULT_METRICS
    from sim.commands.sweep import sweep as run
    from sim.report.sweep_screen import sweep_lines

    with _progress(shown=not (as_json or quiet)) as progress:
        found = run(
            config,
            vary=vary,
            metrics=metrics or DEFAULT_METRICS,
            strategy=strategy,
            sets=sets or (),
            out=out,
            seed=seed,
            refit=refit,
            allow_untrusted=allow_untrusted,
            progress=progress,
        )
    _found_answer("sweep", found, sweep_lines, quiet=quiet).tell(as_json=as_json)


@app.command()
def target(
    config: Config,
    key: Annotated[
        str, typer.Option("--solve", metavar="KEY", help="Any number in the config.", show_default=False)
    ],
    goal: Annotated[
        str,
        typer.Option("--goal", help="npv=N, roi=R, payback=T (months) or revenue=N.", show_default=False),
    ],
    between: Annotated[
        str | None,
        typer.Option("--between", metavar="LO:HI", help="Where to look; by default ever further from today."),
    ] = None,
    probability: Annotated[
        float | None,
        typer.Option(
            "--probability", help="Chance with which the goal is to be met; without it the mean meets it."
        ),
    ] = None,
    strategy: Annotated[
        str | None, typer.Option("--strategy", help="Treated arm; by default the best on average.")
    ] = None,
    sets: Sets = None,
    out: Out = RESULTS,
    seed: Seed = None,
    as_json: AsJson = False,
    quiet: Quiet = False,
    refit: Refit = False,
    allow_untrusted: AllowUntrusted = False,
) -> None:
    """Solve for the value of one config number at which a goal is met, or say that there is none.

    The goal is met by the mean (the ROI's ratio of means, the payback's median) or, with --probability,
    with that chance. For a revenue it also tells what every stage of a funnel must deliver.
    """
    from sim.commands.target import target as run
    from sim.report.sweep_screen import target_lines

    with _progress(shown=not (as_json or quiet)) as progress:
        found = run(
            config,
            key=key,
            goal=goal,
            between=between,
            probability=probability,
            strategy=strategy,
            sets=sets or (),
            out=out,
            seed=seed,
            refit=refit,
            allow_untrusted=allow_untrusted,
            progress=progress,
        )
    _found_answer("target", found, target_lines, quiet=quiet).tell(as_json=as_json)


@app.command()
def models(as_json: AsJson = False) -> None:
    """List the outcome models, the columns they read and what they mean."""
    from sim.commands.catalogue import describe_models

    found = describe_models()

    def show() -> None:
        for model in found:
            _print(f"{model['name']}: {model['title']}")
            _print(f"  one unit: {model['unit']}; {model['better']} is better")
            for columns in model["columns"]:
                _print("  columns " + " + ".join(columns))
                for role, meaning in columns.items():
                    _print(f"    {role}: {meaning}")

    sentence = f"{len(found)} outcome models: {', '.join(model['name'] for model in found)}"
    Answer("models", sentence=sentence, result=found, show=show).tell(as_json=as_json)


@app.command()
def benchmarks(as_json: AsJson = False) -> None:
    """List published effects with citation, trust and discount, to be used as priors.

    In a config: `prior.effect = { benchmark = "KEY" }` on an outcome of the model that is named.
    """
    from sim.commands.catalogue import describe_benchmarks

    found = describe_benchmarks()
    usable = sum(item["low"] is not None for item in found)
    sentence = f"{len(found)} published figures, {usable} of them usable as priors"

    def show() -> None:
        from rich.console import Console

        from sim.report.benchmarks import show_benchmarks

        show_benchmarks(found, Console())
        _print(sentence)

    Answer("benchmarks", sentence=sentence, result=found, show=show).tell(as_json=as_json)


@app.command()
def schema(as_json: AsJson = False) -> None:
    """Print the JSON Schema of the config, for completion and checks in editors."""
    from sim.commands.catalogue import schema as make

    found = make()
    text = json.dumps(found, indent=2, ensure_ascii=False)
    Answer("schema", sentence="JSON Schema of the config", result=found, show=lambda: _print(text)).tell(
        as_json=as_json
    )


def _version(wanted: bool) -> None:
    if wanted:
        from importlib.metadata import version

        _print(version("sim"))
        raise typer.Exit


@app.callback()
def _options(
    version: Annotated[
        bool, typer.Option("--version", callback=_version, is_eager=True, help="Print the version.")
    ] = False,
) -> None:
    """Carry the options that stand before any command."""


class _progress:  # noqa: N801  # reads as a verb where it is used
    """A progress bar per outcome on stderr, only where stderr is a terminal."""

    def __init__(self, *, shown: bool) -> None:
        self.shown = shown and sys.stderr.isatty()
        self.bar: Any = None
        self.tasks: dict[str, Any] = {}

    def __enter__(self) -> Callable[[str, float], None] | None:
        if not self.shown:
            return None
        from rich.console import Console
        from rich.progress import BarColumn, Progress, SpinnerColumn, TextColumn, TimeElapsedColumn

        columns = (SpinnerColumn(), TextColumn("{task.description}"), BarColumn(), TimeElapsedColumn())
        self.bar = Progress(*columns, console=Console(stderr=True), transient=True)
        self.bar.start()
        return self.update

    def update(self, name: str, share: float) -> None:
        if name not in self.tasks:
            told = name if name == "settings" else f"fit {name}"
            self.tasks[name] = self.bar.add_task(told, total=1.0)
        self.bar.update(self.tasks[name], completed=share)

    def __exit__(self, *_: object) -> None:
        if self.bar is not None:
            self.bar.stop()


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


def _command_of(arguments: list[str]) -> str:
    return next((word for word in arguments if not word.startswith("-")), "")


def main() -> None:
    """Run the command line and leave with the exit code of the contract."""
    arguments = sys.argv[1:]
    as_json = "--json" in arguments
    answer = Answer(_command_of(arguments))
    logging.basicConfig(stream=sys.stderr, level=os.environ.get("SIM_LOG", "WARNING").upper())
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, _stop)
    problems: tuple[Problem, ...]
    try:
        left = app(standalone_mode=False)
    except BaseException as error:
        # What a signal raised may have become another error on its way up; the signal counts.
        if _stopped or isinstance(error, KeyboardInterrupt | InterruptedFitError | typer.Abort):
            _tell_interrupted(answer, as_json=as_json)
        elif isinstance(error, ProblemsError):
            problems = error.problems
        elif isinstance(error, typer.TyperException):
            remedy = f"sim {answer.command} --help".replace("  ", " ")
            problems = (Problem(error.format_message(), remedy=remedy),)
        else:
            raise
    else:
        if _stopped or left == INTERRUPTED:  # Typer turns a KeyboardInterrupt into a returned code
            _tell_interrupted(answer, as_json=as_json)
        raise SystemExit(DONE)
    answer.code = USAGE
    answer.sentence = f"{len(problems)} thing{'s' if len(problems) > 1 else ''} to mend; nothing was written"
    answer.problems = [problem.as_dict() for problem in problems]
    answer.show = lambda: print(*map(str, problems), sep="\n", file=sys.stderr)  # noqa: T201
    answer.tell(as_json=as_json)


def _tell_interrupted(answer: Answer, *, as_json: bool) -> NoReturn:
    answer.code = _stopped[0] if _stopped else INTERRUPTED
    answer.sentence = "interrupted; no half result was written"
    answer.show = lambda: print(answer.sentence, file=sys.stderr)  # noqa: T201
    answer.tell(as_json=as_json)
