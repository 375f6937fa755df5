"""What is fuzzed: bytes go in, and nothing but a told problem may come out.

The first byte chooses the reader, so one run covers them all and the engine shares its time by what it finds.
"""

from __future__ import annotations

import io
import tempfile
from collections.abc import Callable
from pathlib import Path

from pydantic_core import PydanticCustomError

from sim.config.load import load, parse_key, parse_value
from sim.config.quantity import CHANGE, NON_NEGATIVE, POSITIVE, RATE, SHARE, parse
from sim.config.resolve import resolve
from sim.errors import ProblemsError, printable
from sim.pilot.delimited import _delimiter, _faults, _places, _sample
from sim.pilot.faults import reason
from sim.pilot.parse import NUMBERS
from sim.pilot.period import _labelled
from sim.records.columns import ColumnKind
from sim.records.quantity import scalars
from sim.report.names import clean, wrap
from sim.report.rows import plain

_FOLDER = Path(tempfile.mkdtemp(prefix="sim-fuzz-"))
_JOINERS = dict.fromkeys(map(ord, "\u200c\u200d"))
_STYLES: dict[ColumnKind, tuple[str, ...]] = {
    **dict.fromkeys(NUMBERS, ("point", "comma", "point?", "comma?", "")),
    "date": ("iso", "d/m/y", "d.m.y?", ""),
    "flag": ("",),
}


def config(data: bytes) -> None:
    """Understand a whole config file, as far as that goes without its tables."""
    path = _FOLDER / "config.toml"
    path.write_bytes(data)
    found, tree, source = load(path)
    resolve(found, tree, source, path)


def setting(data: bytes) -> None:
    """Take an option ``--set KEY=VALUE`` on a config that works."""
    path = _FOLDER / "works.toml"
    if not path.exists():
        path.write_bytes((Path(__file__).parent / "works.toml").read_bytes())
    found, tree, source = load(path, [data.decode("utf-8", "replace")])
    resolve(found, tree, source, path)


def quantity(data: bytes) -> None:
    """Read a value as a number that may be uncertain, under every kind of limits."""
    raw = parse_value(data.decode("utf-8", "replace"))
    for limits in (SHARE, POSITIVE, NON_NEGATIVE, RATE, CHANGE):
        try:
            for _ in scalars("x", parse(raw, limits)):
                pass
        except PydanticCustomError as error:
            str(error)


def key(data: bytes) -> None:
    """Take a dotted key apart, and show names."""
    text = data.decode("utf-8", "replace")
    for width in (1, 7):
        clean(text, width)
        wrap(text, width)
    if not printable(text).translate(_JOINERS).isprintable():
        raise AssertionError("a control character is shown")
    plain(text)
    parse_key(text)


def table(data: bytes) -> None:
    """Read a text table, in the part that is ours; the engine reads it by the same rules."""
    path = _FOLDER / "pilot.csv"
    path.write_bytes(data)
    if not data:
        return
    encoding, sample = _sample(path, "pilot.csv")
    delimiter = _delimiter(sample)
    width = len(sample.split(delimiter))
    _faults(path, "pilot.csv", encoding, delimiter, width)
    _places(path, encoding, delimiter, width, range(5))


def cell(data: bytes) -> None:
    """Say why a cell was refused, in a column of any kind; and order labels that tell the time."""
    text = data.decode("utf-8", "replace")
    for kind, styles in _STYLES.items():
        for style in styles:
            reason(text.strip(), kind, style)
    labels = [part for part in text.split("\n") if part]
    if labels:
        _labelled(labels, labels[-1], "month", "outcomes.x")


TARGETS: tuple[Callable[[bytes], None], ...] = (config, setting, quantity, key, table, cell)


def one(data: bytes) -> None:
    """Run the target that the first byte names; a told problem is what should come of most of it."""
    if not data:
        return
    try:
        TARGETS[data[0] % len(TARGETS)](data[1:])
    except ProblemsError as error:
        print(error, file=io.StringIO())  # the words are part of it
