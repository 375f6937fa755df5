"""Every finding can be told in another language: none is built as bare English, none loses its figures.

What the reading of the code cannot see: a check that is made by other means than a call of ``Check`` (what
`Check.unpacked` and `dataclasses.replace` make was told before), the words in a value of a template (a name
that is passed on could hold English), and a ``message`` or ``remedy`` that is an attribute of something else
than a check. `test_no_english_is_left` catches such words in the checks that it makes.
"""

from __future__ import annotations

import ast
import json
import re
import string
from pathlib import Path

import pytest

from models.conversion import MODEL
from sim.engine.amounts import amount
from sim.engine.pilots import keep
from sim.engine.prepare import prepare
from sim.inference import store
from sim.language import N_, Phrase, packed, phrase, several, spoken, spoken_in, unpacked
from sim.pilot import kept
from sim.pilot.checks import sample_ratio
from sim.pilot.pilot import Pilot
from sim.records.check import Check
from tests.told import SOURCES, calls, templates, untold
from tests.told_examples import config, conversion, made

ROOT = Path(__file__).parent.parent


def test_every_check_in_the_code_can_be_told() -> None:
    trees = {path: ast.parse(path.read_text("utf-8")) for path in SOURCES}
    faults = [f"{path.relative_to(ROOT)}:{told}" for path, tree in trees.items() for told in untold(tree)]
    assert faults == []
    assert sum(len(list(calls(tree, "Check"))) for tree in trees.values()) > 75


@pytest.mark.parametrize(
    "code",
    [
        'Check("a", "ok", "bare")',
        'Check("a", "ok", N_("b"), "bare")',
        'Check("a", "ok", N_("b"), remedy="bare")',
        'Check("a", "ok", f"{x} of it")',
        'Check("a", "ok", N_("b") + " and")',
        'Check("a", "ok", f"{told}; more", N_("c"))',
        'Check("a", "ok", N_(word))',
        'Check("a", "ok", phrase(f"{x} of it"))',
        'Check("a", "ok", phrase("{n} of it", m=1))',
        'Check("a", "ok", phrase("{n} of it", n="half"))',
        'Check("a", "ok", phrase("{n} of it", n=f"{x} parts"))',
        'Check("a", "ok", "; ".join(found))',
        'Check("a", "ok", unknown)',
        "Check(*found)",
        "Check(**found)",
        'replace(check, message="bare")',
        'm = N_("b")\nm += "c"\nCheck("a", "ok", m)',
        'def f():\n  m = N_("b") if x else "bare"\n  return Check("a", "ok", m)',
        'def f():\n  m, r = N_("b"), "bare"\n  return Check("a", "ok", m, r)',
        'def f():\n  if x:\n    m = N_("b")\n  else:\n    m = "bare"\n  return Check("a", "ok", m)',
        'for k, m in (("a", N_("b")), ("c", "bare")):\n  Check(k, "ok", m)',
        'def f(m):\n  return Check("a", "ok", m)\nf("bare")',
        'def f(n, m):\n  return Check("a", "ok", m)\nf(1, m=f"{x} bare")',
        'def f(m):\n  return Check("a", "ok", m)',
    ],
)
def test_a_check_that_cannot_be_told_is_found(code: str) -> None:
    assert len(list(untold(ast.parse(code)))) == 1


@pytest.mark.parametrize(
    "code",
    [
        'Check("a", "ok", N_("b" "c"))',
        'Check(f"a:{x}", "ok", check.message, check.remedy)',
        'Check("a", "ok", phrase("{n:.2f} of {of}", n=1.5, of=name), "")',
        'Check("a", "ok", phrase("set {key}", key="rollout.fade"))',
        'M = N_("b")\ndef f():\n  return Check("a", "ok", M)',
        'm = phrase("{n} of it", n=1)\nm = phrase("{told}; more", told=m)\nCheck("a", "ok", m)',
        'def f(m):\n  return Check("a", "ok", m)\nf(N_("b"))',
        'for k, m in (("a", N_("b")), ("c", N_("d"))):\n  Check(k, "ok", m)',
        'replace(problem, remedy="English")',
    ],
)
def test_a_check_that_can_be_told_is_left_alone(code: str) -> None:
    assert list(untold(ast.parse(code))) == []


KINDS = [
    N_("a constant"),
    phrase("{n} rows, {share:.1%} of {file}", n=1234, share=0.125, file="größe"),
    phrase("set {key}", key="rollout.fade = { low = 1.5 }"),
    phrase("{{ {yes} }}", yes=True),
    phrase("{told}; it falls (p = {p:.2g})", told=phrase("the effect of {arm}", arm="挪威"), p=0.0123),
    phrase("R-hat {rhat:.3f}", rhat=float("nan")),
    several([phrase("{name} {share:.0%}", name="a", share=0.5), "b", N_("a constant")], "; "),
    several([]),
    amount(1234567.8),
    amount(float("nan")),
    amount(-1.2345e17),
    amount(0.0, 0.5),
]


@pytest.mark.parametrize("text", KINDS)
def test_a_text_comes_back_from_json_as_it_was(text: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sim.language._catalogue", lambda _code: {"a constant": "en konstant"})
    back = unpacked(json.loads(json.dumps(packed(text))))
    assert (back, type(back)) == (text, type(text))
    with spoken_in("nb"):
        assert spoken(back) == spoken(text)
    check = Check("a", "note", text, text)
    again = Check.unpacked(json.loads(json.dumps(check.packed())))
    assert again == check
    assert type(again.message) is type(again.remedy) is type(text)


def test_words_and_figures_change_with_the_language_and_code_does_not(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    known = {
        "a constant": "en konstant",
        "{told}; it falls (p = {p:.2g})": "(p = {p:.2g}) det faller; {told}",
        "the effect of {arm}": "effekten av {arm}",
        "set {key}": "sett {key}",
    }
    monkeypatch.setattr("sim.language._catalogue", lambda _code: known)
    with spoken_in("es"):
        told = [spoken(unpacked(json.loads(json.dumps(packed(text))))) for text in KINDS]
    assert told[0] == "en konstant"
    assert told[2] == "sett rollout.fade = { low = 1.5 }"
    assert told[4] == "(p = 0,012) det faller; effekten av 挪威"
    assert told[6] == "a 50 %; b; en konstant"
    assert told[8] == "1.230.000"


CODE = re.compile(
    r"EUR|treated|`[^`]*`|\[pilot\]|\d(\.\d+)?e[+-]\d+|[A-Za-z_]+(\.[^ ]+)+( = .*)?|E-BFMI|R-hat"
)
"""What is the same in every language: keys, figures, and the names of diagnostics."""


def without_letters(text: str) -> str:
    if "{" not in text:
        return re.sub("[A-Za-z]+", "·", text)
    told = ""
    for literal, field, spec, _ in string.Formatter().parse(text):
        told += re.sub("[A-Za-z]+", "·", literal).replace("{", "{{").replace("}", "}}")
        told += f"{{{field}:{spec}}}" if field else ""
    return told


def test_no_english_is_left(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A made-up language has no Latin letters; where one is seen, a word was not marked."""
    known = {text: without_letters(text) for text in templates()}
    monkeypatch.setattr("sim.language._catalogue", lambda _code: known)
    checks = list(made(tmp_path))
    assert len({check.name.split(":")[0] for check in checks}) > 25
    for check in checks:
        again = Check.unpacked(json.loads(json.dumps(check.packed())))
        assert again == check
        assert all(check.spoken()[part] == getattr(check, part) for part in ("message", "remedy"))
        with spoken_in("nb"):
            told = again.spoken()
        for part in ("message", "remedy"):
            assert not re.search("[A-Za-z]{2}", CODE.sub("", told[part])), (check.name, told[part])
            assert not re.search(r"\d\.\d", CODE.sub("", told[part])), (check.name, told[part])


def test_what_is_kept_of_a_pilot_or_a_fit_can_be_told(tmp_path: Path) -> None:
    summary = conversion([[500, 500], [900, 900]], [[9, 9], [7, 7]])
    checks = (
        sample_ratio(summary, 0.5, False),
        *MODEL.check(summary, stock=False),
        Check("a", "ok", N_("b")),
    )
    kept.save(tmp_path, "key", Pilot(summary, checks, MODEL.column_sets[1]), MODEL.column_sets)
    pilot = kept.load(tmp_path, "key", MODEL.column_sets)
    store.save(tmp_path, "f" * 64, {}, checks, {}, lambda path: path.write_bytes(b""))
    fit = store.load(tmp_path, "f" * 64)
    assert pilot is not None
    assert fit is not None
    for back in (pilot.checks, fit.checks):
        assert back == checks
        for one, other in zip(back, checks, strict=True):
            assert type(one.message) is type(other.message)
            with spoken_in("es"):
                assert one.spoken() == other.spoken()
    assert isinstance(fit.checks[0].message, Phrase)
    with spoken_in("es"):
        assert "35,71\xa0%" in fit.checks[0].spoken()["message"]


def test_a_check_that_is_read_from_the_shelf_keeps_its_phrases(tmp_path: Path) -> None:
    file = config(tmp_path)
    first = prepare(file, store=tmp_path / "fits")
    keep(first.shelf, tmp_path / "fits")
    again = prepare(file, store=tmp_path / "fits")
    assert again.checks == first.checks
    assert [type(check.message) for check in again.checks] == [type(check.message) for check in first.checks]
    assert sum(isinstance(check.message, Phrase) for check in again.checks) > 5
