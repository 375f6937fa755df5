"""The reference of the command line, from the commands themselves."""

from __future__ import annotations

import inspect
from typing import Any

import typer

from handbook.listings import cell

OPENING = """# Command line

Generated from the commands; `sim COMMAND --help` prints the same.

`CONFIG` is a TOML file. `RUN` is a run's directory, its id, or `latest` under `--out`. `KEY` is the path of
a key in the config, such as `costs.licence.monthly` or `outcomes.checkout.value.price`.

**Exit codes.** 0 done and trusted · 1 a bug in sim · 2 something to mend in usage, config, data or
environment · 3 the result cannot be trusted · 130 and 143 interrupted. With `--json` a command prints one
object: `command`, `exit`, `run`, `trusted`, `sentence`, `result`, `checks`, `problems`.

**Variables.** `SIM_FITS` moves the stored fits, `SIM_CACHE` the compiled models (empty: keep none), `SIM_LOG`
sets the level of the log. `NO_COLOR` is respected.
"""


def cli_page() -> str:
    """Return the page of the command line."""
    from sim.cli import app

    group: Any = typer.main.get_command(app)
    parts = [OPENING]
    for name, command in group.commands.items():
        parts += [f"## sim {name}", "", *_told(command), ""]
        arguments = [param for param in command.params if param.param_type_name == "argument"]
        options = [param for param in command.params if param.param_type_name == "option"]
        usage = " ".join(
            ["sim", name, *(_needed(param) for param in options if param.required), *map(_placed, arguments)]
        )
        parts += ["```text", f"{usage} [OPTIONS]", "```", ""]
        parts += ["| Argument, option | Meaning | Default |", "| --- | --- | --- |"]
        parts += [f"| `{_placed(param)}` | {cell(param.help or '')} | |" for param in arguments]
        parts += [
            f"| `{', '.join(param.opts)}`{_value(param)} | {cell(param.help or '')} | {_default(param)} |"
            for param in options
        ]
        parts.append("")
    return "\n".join(parts)


def _told(command: Any) -> list[str]:
    return inspect.cleandoc(command.help or "").replace("\x0c", "").splitlines()


def _placed(param: Any) -> str:
    name = (param.metavar or param.name).strip("[]").upper()
    name += "…" if param.nargs == -1 else ""
    return name if param.required else f"[{name}]"


def _needed(param: Any) -> str:
    return f"{param.opts[0]} {param.metavar or param.name.upper()}"


def _value(param: Any) -> str:
    if param.is_flag:
        return ""
    return f" `{param.metavar or param.name.rstrip('_').upper()}`"


def _default(param: Any) -> str:
    if param.required:
        return "needed"
    if param.is_flag or param.default in (None, ()) or callable(param.default):
        return ""
    return f"`{param.default}`"
