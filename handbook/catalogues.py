"""Keeps the catalogues of sim/catalogues in step with the texts in the code."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

from babel.messages.catalog import Catalog
from babel.messages.extract import extract_from_dir
from babel.messages.pofile import read_po, write_po

from sim.language import CATALOGUES, LANGUAGES

ROOT = Path(__file__).parent.parent
_METHODS = [("**.py", "python"), ("**.jinja", "jinja2.ext:babel_extract")]
_OPTIONS: dict[str, Any] = {"**.jinja": {"trimmed": "true", "newstyle_gettext": "true"}}
_MARKS: dict[str, Any] = {"_": None, "N_": None, "phrase": None}
_FOLDERS = ("sim", "models")


def template() -> Catalog:
    """Return every text of the code that can be told in other languages, with the files it stands in."""
    catalogue = Catalog(fuzzy=False)
    for folder in _FOLDERS:
        for file, _line, text, comments, _context in extract_from_dir(
            ROOT / folder, _METHODS, _OPTIONS, keywords=_MARKS, comment_tags=("For translators:",)
        ):
            catalogue.add(text, locations=[(f"{folder}/{file}", 0)], auto_comments=comments)
    return catalogue


def lacking(code: str) -> list[str]:
    """Return the texts that a catalogue does not translate, and those it has that are told no more."""
    known = {str(message.id): message.string for message in read(code) if message.id}
    wanted = {str(message.id) for message in template() if message.id}
    return sorted({text for text in wanted if not known.get(text)} | (set(known) - wanted))


def read(code: str) -> Catalog:
    """Return a catalogue as it is on disk."""
    with (CATALOGUES / f"{code}.po").open("rb") as file:
        return read_po(file, locale=code)


def update() -> Iterator[str]:
    """Bring every catalogue up to date, new texts without a translation and old ones gone; tell how it is."""
    wanted = template()
    for code in LANGUAGES:
        if code == "en":
            continue
        catalogue = read(code)
        made = catalogue.creation_date
        catalogue.update(wanted, no_fuzzy_matching=True)
        catalogue.project, catalogue.version = "sim", "0"
        catalogue.msgid_bugs_address = catalogue.last_translator = catalogue.language_team = "sim"
        catalogue.creation_date = made  # a catalogue without news stays as it is
        with (CATALOGUES / f"{code}.po").open("wb") as file:
            write_po(file, catalogue, width=110, omit_header=False, ignore_obsolete=True, sort_by_file=True)
        yield (f"{code}: {len(lacking(code))} to translate of {len(wanted)}")
