"""Commands from a first config to a forecast and its report."""

from __future__ import annotations

from functools import partial
from pathlib import Path
from typing import Annotated

import typer

from sim.cli.answer import DONE, UNTRUSTED, Answer, forecast_answer, say
from sim.cli.options import RESULTS, AsJson, Config, Format, Language, Out, Quiet, Seed, Sets
from sim.cli.shared import Asked, on_forecast
from sim.errors import printable


def init(
    folder: Annotated[
        Path, typer.Argument(metavar="[DIR]", help="Where to write; made if missing.")
    ] = Path(),
    table: Annotated[
        str | None,
        typer.Option("--from", metavar="TABLE", help="Write the config that fits this pilot table."),
    ] = None,
    interactive: Annotated[
        bool, typer.Option("--interactive", "-i", help="Ask six questions; Enter takes what is proposed.")
    ] = False,
    as_json: AsJson = False,
) -> None:
    """Write a config and a pilot table to start from.

    Both run as they are: `sim init my-pilot`, then `sim forecast my-pilot/config.toml`. With `--from` the
    config fits a table of yours, which stays where it is; what was guessed stands in its comments.
    """
    from sim.commands.catalogue import init as write

    if table is None and not interactive:
        written = write(folder)
    else:
        written = _first(folder, table, interactive=interactive)
    config = next(path for path in written if path.suffix == ".toml")
    told = ", ".join(map(str, written))
    sentence = f"wrote {told}; next: sim {'check' if table or interactive else 'forecast'} {config}"
    result = [str(path) for path in written]
    Answer("init", sentence=sentence, result=result, show=lambda: say(sentence)).tell(as_json=as_json)


def _first(folder: Path, table: str | None, *, interactive: bool) -> list[Path]:
    """Write a config from a look at a table, from answers, or from both."""
    from sim.cli.questions import ask
    from sim.commands.first_config import understand, write_asked, write_from
    from sim.config.draft import Figures

    figures = Figures()
    if interactive:
        table, figures = ask(table, understand)
    return write_from(table, folder, figures) if table else write_asked(folder, figures)


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
            say(printable(f"{name}: {told}"))
        for item in found["checks"]:
            say(printable(f"{item['status']:<5} {item['name']}: {item['message']}"))
            if item["remedy"] and item["status"] != "ok":
                say(f"      {item['remedy']}")
        say(sentence)

    Answer(
        "check",
        code=UNTRUSTED if failed else DONE,
        trusted=not failed,
        sentence=sentence,
        result=found,
        checks=found["checks"],
        show=show,
    ).tell(as_json=as_json)


@on_forecast
def forecast(
    config: Config,
    no_plots: Annotated[
        bool,
        typer.Option("--no-plots", help="Leave out plots and report.html; `sim report` draws them later."),
    ] = False,
    formats: Format = None,
    language: Language = None,
) -> Asked:
    """Forecast what the investment will return, with its range.

    Fits each outcome to the pilot (or reuses the stored fit), carries the joint uncertainty through
    the monthly cash flows, and writes summary, tables, posteriors, plots and a report.
    """
    from sim.commands.forecast import forecast as run

    call = partial(run, config, plots=not no_plots, formats=formats or (), language=language)
    return call, partial(forecast_answer, "forecast")


def report(
    run: Annotated[str, typer.Argument(help="A run's folder, its id, or `latest`.", show_default=False)],
    out: Out = RESULTS,
    formats: Format = None,
    as_json: AsJson = False,
    quiet: Quiet = False,
) -> None:
    """Rebuild the plots and report.html of a stored run; its figures stay as they are."""
    from sim.commands.report import report as rebuild

    forecast_answer("report", rebuild(run, out=out, formats=formats or ()), quiet=quiet).tell(as_json=as_json)
