"""``report.html``: one file that needs no network; its own script draws charts and recomputes what-ifs."""

from __future__ import annotations

import base64
import hashlib
import json
import re
from collections.abc import Mapping
from functools import cache
from pathlib import Path
from typing import Any

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markupsafe import Markup

from sim.language import _, language
from sim.report import page_tables as tables
from sim.report.assumptions import assumptions
from sim.report.chart_data import charts
from sim.report.names import clean
from sim.report.page_pictures import pictures
from sim.report.panel import panel
from sim.report.reproduce import command
from sim.report.script_words import SCRIPT
from sim.report.stored import Stored
from sim.report.words import BETWEEN, behind, exact, hundredths

_HERE = Path(__file__).parent
LIBRARIES = ("d3-7.9.2.min.js", "plot-0.6.17.min.js")
_OWN = ("numbers.js", "charts.js", "what_if.js")
_ORDER = {"fail": 0, "warn": 1, "note": 2, "ok": 3}


def render(run: Path, manifest: Mapping[str, Any] | None = None) -> Path:
    """Write ``report.html`` from the files of a run.

    Parameters
    ----------
    run : Path
        A directory with ``summary.json`` and, as far as there are any, samples, cash flow, ``what_if.json``
        and pictures of posteriors.
    manifest : mapping, optional
        Contents of the manifest while it is not written yet.

    Returns
    -------
    Path
        The page: charting library, data, pictures and styles inline, every name escaped. Its policy lets no
        script run but the page's own, and nothing be loaded.
    """
    stored = Stored(run)
    known = stored.manifest if manifest is None else manifest
    text = _environment().get_template("report.html.jinja").render(**contents(stored, known))
    target = run / "report.html"
    target.write_text(text, encoding="utf-8")
    return target


@cache
def _environment() -> Environment:
    environment = Environment(
        loader=FileSystemLoader(_HERE / "templates"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        extensions=["jinja2.ext.i18n"],
    )
    environment.install_gettext_callables(_, lambda one, many, n: _(one if n == 1 else many), newstyle=True)  # type: ignore[attr-defined]
    environment.filters |= {"name": clean, "tight": tight, "exact": exact, "hundredths": hundredths}
    return environment


_UNIT = re.compile(r"(?<=\d) (?!\()| (?=[^(]*\))")
"""What stands between a number and its unit, or within an interval."""


def tight(text: str) -> str:
    r"""Let a figure break before its interval or between words, and nowhere else.

    Examples
    --------
    >>> tight("+17 % (-1 to +37)").split(" "), tight("beyond month 36").split(" ")
    (['+17\xa0%', '(-1\xa0to\xa0+37)'], ['beyond', 'month', '36'])
    """
    return _UNIT.sub("\u00a0", text)


def contents(stored: Stored, manifest: Mapping[str, Any]) -> dict[str, Any]:
    """Return everything that the template prints, already in words."""
    summary = stored.summary
    what_if = _what_if(stored)
    drawn = charts(stored, what_if)
    decision, *more = summary["headline"].split(_(BETWEEN), 1)
    rest = "".join(more)
    sliders = None if what_if is None else panel(what_if)
    listed = assumptions(manifest, what_if)
    return {
        "language": language(),
        "programme": summary["programme"],
        "currency": clean(summary["programme"]["currency"], 12),
        "decision": _("{sentence}.").format(sentence=decision) if more else decision,
        "rest": rest[:1].upper() + rest[1:],
        "trusted": summary["trusted"],
        "samples": behind(summary) if stored.has_money else int(summary["samples"]),
        "has_money": stored.has_money,
        "best": summary["best"],
        "tiles": tables.tiles(stored) if stored.has_money else [],
        "metrics": tables.metrics(stored) if stored.has_money else [],
        "strategies": tables.strategies(stored)
        if len(summary["strategies"]) > 1 and stored.has_money
        else [],
        "outcomes": [tables.outcome(name, block, stored) for name, block in summary["outcomes"].items()],
        "flows": tables.flows(stored),
        "months": tables.months(stored) if "cash" in drawn else [],
        "evidence": tables.evidence(summary) if stored.has_money else [],
        "bars": tables.bars(summary["evidence"]) if stored.has_money else [],
        "checks": sorted(summary["checks"], key=lambda check: _ORDER.get(check["status"], 0)),
        "charts": drawn,
        "panel": sliders,
        "panel_samples": None if what_if is None else what_if["samples"],
        "of": None if what_if is None else what_if["of"],
        "pictures": pictures(stored, 0 if what_if is None else _file(stored).stat().st_size),
        "assumptions": [one for one in listed if one.worth],
        "settings": [one for one in listed if not one.worth],
        "command": command(manifest, summary["seed"]),
        "manifest": manifest,
        **_scripts(stored, manifest, drawn, what_if, sliders),
    }


def _file(stored: Stored) -> Path:
    return stored.path / "what_if.json"


def _what_if(stored: Stored) -> dict[str, Any] | None:
    """Return ``what_if.json``; None in a run without money, or drawn where it could not be computed."""
    file = _file(stored)
    if not stored.has_money or not file.is_file():
        return None
    loaded: dict[str, Any] = json.loads(file.read_text(encoding="utf-8"))
    return loaded


def _scripts(
    stored: Stored,
    manifest: Mapping[str, Any],
    drawn: Mapping[str, Any],
    what_if: Mapping[str, Any] | None,
    sliders: Any,
) -> dict[str, Any]:
    """Return styles, scripts, their policy, and the data that the scripts read."""
    scripts = [_asset(name) for name in (*LIBRARIES, *_OWN)]
    hashes = " ".join(f"'sha256-{_digest(text)}'" for text in scripts)
    programme = stored.summary["programme"]
    data = {
        "words": {name: _(text) for name, text in SCRIPT.items()},
        "locale": language(),
        "currency": clean(programme["currency"], 12),
        "horizon": programme["horizon"],
        "charts": drawn,
        "command": command(manifest, stored.summary["seed"]),
        "sliders": sliders,
        "what_if": None
        if what_if is None
        else {k: what_if[k] for k in what_if if k not in ("worth", "drivers")},
    }
    return {
        "style": Markup(_asset("page.css")),  # noqa: S704  # files of the package
        "scripts": [Markup(text) for text in scripts],  # noqa: S704
        "policy": f"default-src 'none'; img-src data:; style-src 'unsafe-inline'; script-src {hashes}",
        "data": inert(data),
    }


def inert(data: Any) -> Markup:
    r"""Return JSON that stays data wherever it stands in a page: nothing in it can end its element.

    Examples
    --------
    >>> str(inert({"name": "</script>\u2028"}))
    '{"name":"\\u003c/script\\u003e\\u2028"}'
    """
    text = json.dumps(data, allow_nan=False, ensure_ascii=False, separators=(",", ":"))
    for char in "<>&\u2028\u2029":
        text = text.replace(char, f"\\u{ord(char):04x}")
    return Markup(text)  # noqa: S704  # what could end the element is escaped above


@cache
def _asset(name: str) -> str:
    return (_HERE / "assets" / name).read_text(encoding="utf-8")


def _digest(text: str) -> str:
    return base64.b64encode(hashlib.sha256(text.encode()).digest()).decode("ascii")
