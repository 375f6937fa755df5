"""Pages of the outcome models and of the published effects, from the same lists as the command line's."""

from __future__ import annotations

from sim.commands.catalogue import describe_benchmarks, describe_models


def cell(text: object) -> str:
    """Return text that stays inside one cell of a Markdown table."""
    return str(text).replace("|", "\\|").replace("\n", " ")


def models_page() -> str:
    """Return the page of the outcome models."""
    parts = [
        "# Outcome models",
        "",
        "Generated from the code; `sim models` prints the same. A table holds exactly one of a model's",
        'column sets, under these names or mapped by `columns = { role = "header" }`.',
    ]
    for model in describe_models():
        parts += ["", f"## {model['name']}", "", f"{model['title'][0].upper()}{model['title'][1:]}.", ""]
        parts += [f"One unit: {model['unit']}. Better: {model['better']}, unless `better` says otherwise."]
        for columns in model["columns"]:
            parts += ["", "| Column | Meaning |", "| --- | --- |"]
            parts += [f"| `{role}` | {cell(meaning)} |" for role, meaning in columns.items()]
    return "\n".join([*parts, ""])


def benchmarks_page() -> str:
    """Return the page of the published effects."""
    parts = [
        "# Published effects",
        "",
        "Generated from the code; `sim benchmarks` prints the same. [How to use one as a",
        "prior](../howto/benchmarks.md). The range is that of the relative effect, 5 and 95 %, before the",
        "discount moves its centre towards no effect. Figures without a range are no effects; each says why.",
    ]
    for item in describe_benchmarks():
        parts += ["", f"## {item['key']}", "", f"{item['measure'][0].upper()}{item['measure'][1:]}.", ""]
        if item["low"] is not None:
            parts += [
                f"- Prior of a `{item['model']}`: {item['low']:+.0%} to {item['high']:+.0%}, "
                f"discounted by {item['discount']:.0%}"
            ]
        else:
            parts += [f"- No prior: {item['unusable'] or item['why']}"]
        parts += [
            f"- Trust: {item['trust']} ({item['why']})",
            f"- Measured on: {item['population']}",
            f"- Source: {item['source']}",
        ]
    return "\n".join([*parts, ""])
