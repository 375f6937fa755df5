"""Catalogues against the texts of the code, numbers against Babel, and a page in each language."""

from __future__ import annotations

import html
import re
from pathlib import Path

import pytest
from babel.core import Locale
from babel.numbers import format_decimal

import sim
from handbook.catalogues import lacking, read, template
from sim.language import LANGUAGES, _, language, localised, packed, phrase, spoken, spoken_in, unpacked
from sim.report import words

ROOT = Path(__file__).parent.parent
OTHERS = [code for code in LANGUAGES if code != "en"]
PLACE = re.compile(r"(?<!\{)\{[^{}]+\}(?!\})|%\(\w+\)s|%%|`[^`]*`")


@pytest.mark.parametrize("code", OTHERS)
def test_no_catalogue_lacks_a_text_or_keeps_an_old_one(code: str) -> None:
    assert lacking(code) == []
    assert len({message.id for message in template()}) > 300


@pytest.mark.parametrize("code", OTHERS)
def test_translations_keep_places_and_code(code: str) -> None:
    for message in read(code):
        if message.id:
            assert not message.fuzzy
            assert set(PLACE.findall(message.string)) == set(PLACE.findall(message.id)), message.id


@pytest.mark.parametrize("code", OTHERS)
def test_texts_of_the_template_can_be_filled_in(code: str) -> None:
    """The template fills in by `%`, so that a bare % in a translation would end the page."""
    for message in read(code):
        if any(str(file).endswith(".jinja") for file, _line in message.locations):
            assert message.string % dict.fromkeys(re.findall(r"%\((\w+)\)s", str(message.id)), "x")


@pytest.mark.parametrize("code", LANGUAGES)
@pytest.mark.parametrize("value", [0.0, -4.5, 999.0, 4_000.25, -12_345_678.9, 0.004])
def test_numbers_are_those_of_babel(code: str, value: float) -> None:
    wanted = format_decimal(value, format="#,##0.00", locale=code).replace("\u2212", "-")
    with spoken_in(code):
        assert localised(f"{value:,.2f}").replace("-0.00", "0.00") == wanted.replace("-0.00", "0.00")


@pytest.mark.parametrize("code", OTHERS)
def test_percent_and_currency_stand_where_the_locale_puts_them(code: str) -> None:
    locale = Locale.parse(code)
    with spoken_in(code):
        percent, amount = words.hundredths("84"), words.amount("310", "NOK")
    assert percent == locale.percent_formats[None].pattern.replace("#,##0", "84")
    assert amount.startswith("NOK") == locale.currency_formats["standard"].pattern.startswith("¤")


def test_a_phrase_is_told_in_any_language_also_after_it_was_stored(monkeypatch: pytest.MonkeyPatch) -> None:
    known = {"{inner}, {p:.2f} of {name}": "{name}: {p:.2f}; {inner}", "yes, {n:,}": "ja, {n:,}"}
    monkeypatch.setattr("sim.language._catalogue", lambda _code: known)
    found = phrase("{inner}, {p:.2f} of {name}", inner=phrase("yes, {n:,}", n=1234), p=0.25, name="{Oslo}")
    assert found == "yes, 1,234, 0.25 of {Oslo}"
    with spoken_in("es"):
        assert spoken(unpacked(packed(found))) == spoken(found) == "{Oslo}: 0,25; ja, 1.234"
    assert language() == "en"
    assert spoken(found) == found


def test_what_a_catalogue_lacks_is_told_in_english() -> None:
    with spoken_in("nb"):
        assert _("no such text") == "no such text"


CONFIG = """\
[programme]
name = "Kampanje"
currency = "NOK"
horizon = 24
[outcomes.sale]
model = "conversion"
control = { low = 0.05, high = 0.06 }
effect = { low = 0.05, high = 0.25 }
volume = 10_000
value = 40
[costs.licence]
monthly = 4_000
[costs.setup]
once = { low = 10_000, high = 30_000 }
"""


@pytest.mark.parametrize("code", OTHERS)
def test_a_run_speaks_the_language_asked_for(code: str, tmp_path: Path) -> None:
    """No sentence of ours is left in English anywhere that a reader looks."""
    (tmp_path / "config.toml").write_text(CONFIG)
    result = sim.forecast(tmp_path / "config.toml", out=tmp_path / "results", language=code)
    page = (result.run / "report.html").read_text("utf-8")
    assert f'<html lang="{code}">' in page
    read_by_all = html.unescape(re.sub(r"<(script|style|pre)\b.*?</\1>", "", page, flags=re.DOTALL))
    told = [
        result.headline,
        *(check[part] for check in result.summary["checks"] for part in ("message", "remedy")),
    ]
    for message in read(code):
        if isinstance(message.id, str) and len(message.id) > 14 and message.string != message.id:
            # The longest run of words between the places of a text.
            words_of = max(re.split(r"\{[^{}]*\}|%\(\w+\)s", message.id.replace("%%", "%")), key=len).strip()
            if words_of.count(" ") > 1:
                assert words_of not in read_by_all
                assert not any(words_of in text for text in told)


def test_another_language_is_another_run_with_the_same_figures(tmp_path: Path) -> None:
    (tmp_path / "config.toml").write_text(CONFIG)
    one, other = (
        sim.forecast(tmp_path / "config.toml", out=tmp_path / "results", language=code, plots=False)
        for code in ("en", "zh")
    )
    assert one.run != other.run
    assert one.summary["metrics"] == other.summary["metrics"]
    assert one.headline != other.headline


def test_an_unknown_language_is_refused(tmp_path: Path) -> None:
    (tmp_path / "config.toml").write_text(CONFIG)
    with pytest.raises(sim.errors.ProblemsError, match=r"programme\.language"):
        sim.forecast(tmp_path / "config.toml", out=tmp_path / "results", language="xx")
