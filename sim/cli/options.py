"""Options that several commands take."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from sim.language import LANGUAGES

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
Format = Annotated[
    list[str] | None,
    typer.Option(
        "--format",
        help="Write forecast.xlsx too, whose totals are formulas, or the plots as SVG. Repeatable.",
        metavar="xlsx|svg",
    ),
]
Language = Annotated[
    str | None,
    typer.Option("--lang", help="Language of headline, report and plots.", metavar="|".join(LANGUAGES)),
]
Strategy = Annotated[
    str | None, typer.Option("--strategy", help="Treated arm to tell of; by default the best on average.")
]
Scheduler = Annotated[
    str | None,
    typer.Option(
        "--scheduler",
        metavar="tcp://HOST:PORT",
        help="Address of a Dask scheduler whose workers see the same files.",
    ),
]
RESULTS = Path("results")
