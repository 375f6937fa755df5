"""What is kept between processes: pilots that were read, pictures of fits that were drawn."""

from __future__ import annotations

from dataclasses import fields, replace
from pathlib import Path

import numpy as np
import pytest

from models.conversion import MODEL
from sim.engine.pilots import keep
from sim.engine.prepare import prepare
from sim.errors import ProblemsError
from sim.pilot import kept
from sim.pilot.pilot import Pilot
from sim.records.check import Check
from sim.records.summary import Design, Series
from sim.report import pictures
from tests.test_models_designs import designed

CONFIG = """\
[programme]
currency = "EUR"
[pilot]
data = "pilot.csv"
arm = { column = "arm", control = "gammel", treated = "ny" }
segment = "land"
[outcomes.sale]
model = "conversion"
columns = { trials = "n", successes = "k" }
volume = 1000
value = 10
[costs]
all = 100
"""
TABLE = "arm,land,n,k\ngammel,Å,1000,100\nny,Å,1000,120\ngammel,挪威,900,90\nny,挪威,900,80\n"


def same(one: object, other: object) -> bool:
    if isinstance(one, np.ndarray):
        return isinstance(other, np.ndarray) and one.dtype == other.dtype and np.array_equal(one, other)
    if isinstance(one, dict):
        return (
            isinstance(other, dict)
            and one.keys() == other.keys()
            and all(same(one[k], other[k]) for k in one)
        )
    if isinstance(one, Series):
        return all(same(getattr(one, f.name), getattr(other, f.name)) for f in fields(one))
    return one == other


@pytest.mark.parametrize("kind", ["randomised", "difference-in-differences", "before-after"])
@pytest.mark.parametrize("name", ["conversion", "churn", "count", "rating"])
def test_a_pilot_comes_back_as_it_was(name: str, kind: str, tmp_path: Path) -> None:
    summary = designed(name, kind, 3)
    if kind == "before-after":
        summary = replace(summary, design=Design(kind, (-0.1, 0.2)), months=2.5)
    pilot = Pilot(summary, (Check("a", "warn", "b «ø»", "c"),), MODEL.column_sets[1])
    kept.save(tmp_path, "key", pilot, MODEL.column_sets)
    back = kept.load(tmp_path, "key", MODEL.column_sets)
    assert back is not None
    assert (back.checks, back.column_set) == (pilot.checks, pilot.column_set)
    for field in fields(summary):
        assert same(getattr(summary, field.name), getattr(back.summary, field.name)), field.name
    assert back.summary.fingerprint() == summary.fingerprint()


def config(folder: Path) -> Path:
    (folder / "pilot.csv").write_text(TABLE, encoding="utf-8")
    (folder / "plan.toml").write_text(CONFIG, encoding="utf-8")
    return folder / "plan.toml"


def test_a_table_is_read_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file, store = config(tmp_path), tmp_path / "fits"
    first = prepare(file, store=store)
    assert not store.exists()  # nothing is written before a forecast is asked for
    keep(first.shelf, store)
    (place,) = (store / "pilots").iterdir()
    monkeypatch.setattr("sim.pilot.summary.read", lambda *_: pytest.fail("the table was read again"))
    again = prepare(file, store=store)
    assert again.summaries["sale"].fingerprint() == first.summaries["sale"].fingerprint()
    assert (again.checks, again.data) == (first.checks, first.data)
    assert again.run_id(allow_untrusted=False) == first.run_id(allow_untrusted=False)
    monkeypatch.undo()
    # What is damaged is not believed; another table, another reading of it or another model is another key.
    place.write_bytes(place.read_bytes()[:-400])
    assert prepare(file, store=store).summaries["sale"].fingerprint() == first.summaries["sale"].fingerprint()
    changed = TABLE.replace("1000,120", "1000,130")
    (tmp_path / "pilot.csv").write_text(changed, encoding="utf-8")
    assert prepare(file, store=store).summaries["sale"].statistics["successes"].sum() == 400
    assert prepare(file, ["pilot.segment=false"], store=store).summaries["sale"].segments == ("all",)


def test_problems_are_told_each_time(tmp_path: Path) -> None:
    file = config(tmp_path)
    (tmp_path / "pilot.csv").write_text(TABLE.replace("1000,120", "1000,1200"), encoding="utf-8")
    for _ in range(2):
        with pytest.raises(ProblemsError, match="1200"):
            prepare(file, store=tmp_path / "fits")
    assert not (tmp_path / "fits").exists()


def test_pictures_are_taken_back_whole_or_not_at_all(tmp_path: Path) -> None:
    drawn, fit = tmp_path / "drawn.png", tmp_path / "fit"
    drawn.write_bytes(b"\x89PNG a picture")
    fit.mkdir()
    pictures.keep(fit, "salg", drawn)
    pictures.fetch(fit, "other", tmp_path / "other.png")  # another name stands in its title
    assert not (tmp_path / "other.png").exists()
    pictures.fetch(fit, "salg", tmp_path / "back" / "salg.png")
    assert (tmp_path / "back" / "salg.png").read_bytes() == drawn.read_bytes()
    (place,) = fit.iterdir()
    place.write_bytes(b"\x89PNG another")
    pictures.fetch(fit, "salg", tmp_path / "again.png")
    assert not (tmp_path / "again.png").exists()
