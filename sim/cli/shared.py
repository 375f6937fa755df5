"""What every command that rests on a forecast has in common: its options, a progress bar, one answer."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from functools import wraps
from typing import Any

from sim.cli.answer import Answer
from sim.cli.options import RESULTS, AllowUntrusted, AsJson, Out, Quiet, Refit, Seed, Sets
from sim.cli.progress import ProgressBar

type Asked = tuple[Callable[..., Any], Callable[..., Answer]]
"""The library's call, still without what is common; and ``(result, quiet) -> Answer``."""


def _shared(
    sets: Sets = None,
    out: Out = RESULTS,
    seed: Seed = None,
    as_json: AsJson = False,
    quiet: Quiet = False,
    refit: Refit = False,
    allow_untrusted: AllowUntrusted = False,
) -> None:
    """Hold the options that are common."""


def on_forecast(command: Callable[..., Asked]) -> Callable[..., None]:
    """Turn a function of a command's own options into the command, with the common ones after them."""
    own = inspect.signature(command, eval_str=True).parameters
    common = inspect.signature(_shared, eval_str=True).parameters

    @wraps(command)
    def told(**given: Any) -> None:
        options = {name: given.pop(name) for name in common}
        as_json, quiet = options.pop("as_json"), options.pop("quiet")
        call, answer = command(**given)
        with ProgressBar(shown=not (as_json or quiet)) as progress:
            result = call(**{**options, "sets": options["sets"] or ()}, progress=progress)
        answer(result, quiet=quiet).tell(as_json=as_json)

    parameters = [*own.values(), *common.values()]
    # Typer asks for the signature by one way and for the types by another.
    told.__signature__ = inspect.Signature(parameters)  # type: ignore[attr-defined]
    told.__annotations__ = {parameter.name: parameter.annotation for parameter in parameters}
    return told
