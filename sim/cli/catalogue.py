"""Commands that list what there is: models, published effects, the config's schema."""

from __future__ import annotations

import json

from sim.cli.answer import Answer, say
from sim.cli.options import AsJson


def models(as_json: AsJson = False) -> None:
    """List the outcome models, the columns they read and what they mean."""
    from sim.commands.catalogue import describe_models

    found = describe_models()

    def show() -> None:
        for model in found:
            say(f"{model['name']}: {model['title']}")
            say(f"  one unit: {model['unit']}; {model['better']} is better")
            for columns in model["columns"]:
                say("  columns " + " + ".join(columns))
                for role, meaning in columns.items():
                    say(f"    {role}: {meaning}")

    sentence = f"{len(found)} outcome models: {', '.join(model['name'] for model in found)}"
    Answer("models", sentence=sentence, result=found, show=show).tell(as_json=as_json)


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
        say(sentence)

    Answer("benchmarks", sentence=sentence, result=found, show=show).tell(as_json=as_json)


def schema(as_json: AsJson = False) -> None:
    """Print the JSON Schema of the config, for completion and checks in editors."""
    from sim.commands.catalogue import schema as make

    found = make()
    text = json.dumps(found, indent=2, ensure_ascii=False)
    Answer("schema", sentence="JSON Schema of the config", result=found, show=lambda: say(text)).tell(
        as_json=as_json
    )
