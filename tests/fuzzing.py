"""Configs and tables that hardly anybody would write, and the command line that must take them all.

Most start from a config that works, and change a few things in it: keys, values, types, the bytes of the
text, the cells and bytes of its tables. So they come past the first checks and into the later ones.
"""

from __future__ import annotations

import datetime as dt
import json
import random
import shutil
import tomllib
from collections.abc import Iterator
from copy import deepcopy
from pathlib import Path
from typing import Any

from hypothesis import strategies as st

from tests.conftest import ROOT
from tests.in_process import Told, command, document

SHORTEST = {
    "programme": {"currency": "EUR"},
    "outcomes": {
        "checkout": {
            "model": "conversion",
            "control": {"trials": 21_306, "successes": 122},
            "treated": {"trials": 21_307, "successes": 267},
            "volume": 40_000,
            "value": 18.5,
        }
    },
    "costs": {"development": 75_000, "licence": {"monthly": 4_000}},
}

FLOWS = {
    "programme": {
        "currency": "EUR",
        "horizon": 6,
        "timing": "mid",
        "basis": "real",
        "discount_basis": "nominal",
    }
    | {"inflation": {"low": 0.01, "high": 0.03}},
    "benefits": {"gain": {"months": [39, {"low": 50, "high": 60}, 55, 20]}, "rest": {"daily": 1, "until": 3}},
    "costs": {
        "all": {"once": {"low": 50, "mode": 60, "high": 90}, "at": 1},
        "run": {"monthly": 3, "growth": 0.1},
    },
    "correlations": [{"of": ["benefits.gain.months.2", "costs.all.once"], "rho": -0.5}],
    "decision": {"payback_within": 4, "hurdle": 10},
}


def shelves(folder: Path) -> list[Path]:
    """Copy the configs of the gallery, tables cut to a few rows, and return their folders."""
    made = []
    for config in sorted(ROOT.glob("configs/*/config.toml")):
        place = folder / config.parent.name
        shutil.copytree(config.parent, place, ignore=shutil.ignore_patterns("*.py"))
        for file in place.glob("*.csv"):
            file.write_bytes(b"".join(file.read_bytes().splitlines(keepends=True)[:120]))
        made.append(place)
    stated = tomllib.loads((ROOT / "fuzz" / "works.toml").read_text("utf-8"))
    for name, tree in (("stated", stated), ("flows", FLOWS), ("shortest", SHORTEST)):
        made.append(folder / name)
        made[-1].mkdir()
        (made[-1] / "config.toml").write_text(document(tree), encoding="utf-8")
    return made


_KEYS = """
    low high mode by dist mean sd samples column shape confidence monthly daily stock of share
    growth seasonality history once at per amount months from until arm control treated effect prior
    volume value after segment period launch design cluster panel_unit bias split missing data file
    table sheet query dsn unit scale summary as_of tenure_mix columns horizon start discount_rate
    basis inflation discount_basis rollout ramp fade half_life transfer ends delay correlations rho
    decision pilot stage looks draws tune chains seed acquires realisation remaining saves better
    all DE trials successes outcome
"""
NAMES = st.sampled_from([*_KEYS.split(), "", ".", "..", "a.b", "客服", "=1+1", "<b>", "x\ny", "'; --"])
NUMBERS = st.one_of(
    st.sampled_from(
        [0, 1, -1, 2, 3, 12, 36, 100, 1200, 10_000, 10**9, 2**53, 2**63 - 1, -(2**63), 2**63, 10**30]
    ),
    st.sampled_from([0.0, -0.0, 0.05, 0.5, 0.999, 1.0, 1.5, 1e-300, 1e300, -1e300]),
    st.sampled_from([float("inf"), float("nan"), True, False]),
    st.integers(-5, 200),
    st.floats(-2, 2),
)  # fmt: skip
_WORDS = """
    lead.successes customers.stock randomised difference-in-differences before-after conversion revenue
    churn cost count rating second hour month week nps /dev/zero ../x.csv *.csv https://h/x.csv ${HOME}
    2025-03 EUR end
"""
TEXTS = st.one_of(
    NAMES,
    st.sampled_from([*_WORDS.split(), "a" * 300, "two words"]),
    st.text(max_size=8),
)
DATES = st.dates(dt.date(1, 1, 1), dt.date(9999, 12, 31))
QUANTITIES = st.one_of(
    NUMBERS,
    st.fixed_dictionaries(
        {"low": NUMBERS, "high": NUMBERS}, optional={"shape": TEXTS, "confidence": NUMBERS}
    ),
    st.fixed_dictionaries({"low": NUMBERS, "mode": NUMBERS, "high": NUMBERS}),
    st.fixed_dictionaries(
        {
            "dist": st.sampled_from(["normal", "lognormal", "gamma", "beta", "x"]),
            "mean": NUMBERS,
            "sd": NUMBERS,
        }
    ),
    st.fixed_dictionaries({"samples": TEXTS, "column": TEXTS}),
    st.fixed_dictionaries({"by": st.dictionaries(NAMES, NUMBERS, max_size=3)}),
)
VALUES = st.one_of(
    QUANTITIES,
    TEXTS,
    DATES,
    st.lists(st.one_of(NUMBERS, TEXTS), max_size=13),
    st.dictionaries(NAMES, st.one_of(NUMBERS, TEXTS), max_size=3),
)


def _places(tree: Any, path: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    items = tree.items() if isinstance(tree, dict) else enumerate(tree) if isinstance(tree, list) else ()
    for key, below in items:
        yield (*path, key)
        yield from _places(below, (*path, key))


def _parent(tree: Any, path: tuple[Any, ...]) -> Any:
    for part in path[:-1]:
        tree = tree[part]
    return tree


def _like(value: Any) -> st.SearchStrategy[Any]:
    if isinstance(value, bool | str):
        return st.booleans() if isinstance(value, bool) else TEXTS
    if isinstance(value, int | float):
        return st.one_of(QUANTITIES, st.sampled_from([value * 2, value * 0.5, value + 1, -value]))
    return DATES if isinstance(value, dt.date) else QUANTITIES


@st.composite
def trees(draw: st.DrawFn, start: dict[str, Any]) -> dict[str, Any]:
    """A config that worked, with a few changes."""
    tree = deepcopy(start)
    for _ in range(draw(st.sampled_from([1, 1, 1, 2, 3]))):
        places = list(_places(tree))
        if not places:
            break
        path = draw(st.sampled_from(places))
        here, last = _parent(tree, path), path[-1]
        match draw(st.sampled_from(["value", "value", "value", "add", "drop", "rename", "copy"])):
            case "value":  # mostly of the kind that stood there, which comes further
                here[last] = draw(_like(here[last]) | VALUES)
            case "drop":
                del here[last]
            case "copy":  # something that stands elsewhere in the config
                other = draw(st.sampled_from(places))
                here[last] = deepcopy(_parent(tree, other)[other[-1]])
            case "add" if isinstance(here[last], dict):
                here[last][draw(NAMES)] = draw(VALUES)
            case "rename" if isinstance(here, dict):
                here[draw(NAMES)] = here.pop(last)
    return tree


CELLS = st.one_of(
    st.sampled_from(
        ["", " ", "0", "1", "-1", "2", "0.5", "1,5", "1.000", "1e400", "1e9", "NaN", "NULL", "007"]
    ),
    st.sampled_from(['"', '""', "'", ",", ";", "\t", "\n", "\r\n", "\0", "\ufeff", "=1+1", "<b>", "\u00a0"]),
    st.sampled_from(["2025-01-01", "01/02/2025", "31.12.2025", "2025-13", "0000-00-00", "yes", "no", "５"]),
    st.text(max_size=5),
    st.integers(-(10**19), 10**19).map(str),
)


@st.composite
def tables(draw: st.DrawFn, content: bytes) -> bytes:
    """A table that was right, with a few cells, rows or bytes changed, or in another encoding."""
    text = content.decode("utf-8", "replace")
    rows = [line.split(",") for line in text.splitlines()]
    for _ in range(draw(st.integers(0, 3))):
        row = draw(st.integers(0, len(rows) - 1))
        match draw(st.sampled_from(["cell", "cell", "cell", "drop", "twice", "short", "long", "column"])):
            case "cell":
                rows[row][draw(st.integers(0, len(rows[row]) - 1))] = draw(CELLS)
            case "drop" if len(rows) > 1:
                del rows[row]
            case "twice":
                rows.insert(row, list(rows[row]))
            case "short" if len(rows[row]) > 1:
                rows[row].pop()
            case "long":
                rows[row].append(draw(CELLS))
            case "column":
                place, cell = draw(st.integers(0, len(rows[0]) - 1)), draw(CELLS)
                for each in rows[1:]:
                    if place < len(each):
                        each[place] = cell
    mark = draw(st.sampled_from([",", ",", ",", ";", "\t", "|"]))
    end = draw(st.sampled_from(["\n", "\n", "\r\n", "\r"]))
    encoding = draw(st.sampled_from(["utf-8", "utf-8", "utf-8-sig", "utf-16", "utf-16-le", "latin-1"]))
    whole = end.join(mark.join(row) for row in rows).encode(encoding, "replace")
    return draw(broken(whole)) if draw(st.integers(0, 4)) == 0 else whole


@st.composite
def broken(draw: st.DrawFn, content: bytes) -> bytes:
    """Bytes with a few of them changed, cut out, doubled, or put in."""
    changed = bytearray(content)
    for _ in range(draw(st.integers(1, 4))):
        at = draw(st.integers(0, max(len(changed) - 1, 0)))
        match draw(st.sampled_from(["byte", "cut", "twice", "insert", "end"])):
            case "byte" if changed:
                changed[at] = draw(st.integers(0, 255))
            case "cut":
                del changed[at : at + draw(st.integers(1, 40))]
            case "twice":
                changed[at:at] = changed[at : at + draw(st.integers(1, 200))]
            case "insert":
                changed[at:at] = draw(
                    st.binary(max_size=6) | st.sampled_from([b'"""', b"[[", b"]]", b"{", b"="])
                )
            case "end":
                del changed[at:]
    return bytes(changed)


def _as_bytes(text: str) -> bytes:
    return text.encode("utf-8", "replace")


@st.composite
def cases(draw: st.DrawFn, folders: list[Path]) -> tuple[Path, bytes, dict[str, bytes]]:
    """A folder, the config in it, and those of its tables that are changed."""
    folder = draw(st.sampled_from(folders))
    text = (folder / "config.toml").read_bytes()
    changed: dict[str, bytes] = {}
    files = sorted(folder.glob("*.csv"))
    match draw(st.sampled_from(["tree", "tree", "tree", "text", "noise", "table", "table", "both"])):
        case "text":
            text = draw(broken(text))
        case "noise":
            text = draw(st.binary(max_size=300) | st.text(max_size=300).map(_as_bytes))
        case "table" if files:
            file = draw(st.sampled_from(files))
            changed[file.name] = draw(tables(file.read_bytes()))
        case how:
            text = _as_bytes(document(draw(trees(tomllib.loads(text.decode())))))
            if how == "both" and files:
                file = draw(st.sampled_from(files))
                changed[file.name] = draw(tables(file.read_bytes()))
    return folder, text, changed


def told_of(case: tuple[Path, bytes, dict[str, bytes]], place: Path, *arguments: object) -> Told:
    """Run `sim check` on a case laid out in `place`, and look at what it leaves."""
    folder, text, changed = case
    shutil.rmtree(place, ignore_errors=True)
    shutil.copytree(folder, place)
    (place / "config.toml").write_bytes(text)
    for name, content in changed.items():
        (place / name).write_bytes(content)
    seed = random.getstate()
    told = command("check", place / "config.toml", "--json", *arguments)
    if (
        told.code == 0 and not json.loads(told.out)["result"]["pilots"]
    ):  # nothing to fit, so a forecast is cheap
        few = ("--set", "sampling.draws=100", "--set", "sampling.chains=2")
        told = command(
            "forecast", place / "config.toml", "--out", place / "out", "--no-plots", "--json", *few
        )
    random.setstate(seed)
    return told


def assert_well_told(told: Told) -> None:
    """Exit 0, 2 or 3; something to mend is told, with what was found; no traceback, no NaN."""
    assert told.code in (0, 2, 3), told.err
    assert "Traceback" not in told.err
    answer = json.loads(told.out, parse_constant=_no_number)
    assert answer["exit"] == told.code
    assert (told.code == 2) == bool(answer["problems"])
    assert all(problem["found"] for problem in answer["problems"])


def _no_number(word: str) -> None:
    raise AssertionError(f"{word} is no JSON")
