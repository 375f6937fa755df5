"""``--format svg``: vectors beside the PNGs of a run, the same every time, in which every name is inert."""

from __future__ import annotations

import json
from pathlib import Path
from xml.etree import ElementTree as ET

import pytest

import sim
from sim.commands.report import report
from sim.errors import ProblemsError
from sim.report.plots import draw
from sim.report.write import is_whole
from tests.synthetic_run import write_run

HOSTILE = "<script>alert(1)</script> --> ]]> 客服 ไทย"
SVG = "{http://www.w3.org/2000/svg}"
CONFIG = """\
[programme]
name = "Kampanje"
currency = "NOK"
[benefits]
gain.monthly = { low = 900, high = 1_500 }
[costs]
setup = { low = 10_000, high = 20_000 }
"""


def drawn(folder: Path, *, vectors: bool) -> dict[str, bytes]:
    folder.mkdir()
    outcomes = {"<script>": ("conversion", "success", 0.02, 0.2, False)}
    write_run(folder, name=HOSTILE, outcomes=outcomes, money=False)
    draw(folder, vectors=vectors)
    return {path.name: path.read_bytes() for path in (folder / "plots").iterdir()}


def test_vectors_stand_beside_the_same_pixels(tmp_path: Path) -> None:
    plain = drawn(tmp_path / "plain", vectors=False)
    first = drawn(tmp_path / "first", vectors=True)
    assert {name: first[name] for name in plain} == plain
    assert all(name.endswith(".png") for name in plain)
    vectors = {name: text for name, text in first.items() if name.endswith(".svg")}
    assert sorted(vectors) == sorted(name.replace(".png", ".svg") for name in plain)
    again = drawn(tmp_path / "again", vectors=True)
    assert again == first
    for name, text in vectors.items():
        root = ET.fromstring(text)  # noqa: S314  # what we wrote ourselves
        kinds = {one.tag for one in root.iter()}
        assert f"{SVG}path" in kinds, name
        assert not kinds & {f"{SVG}{tag}" for tag in ("script", "text", "image", "a", "foreignObject")}, name
        assert not any(key.lower().startswith("on") for one in root.iter() for key in one.attrib)
        assert b"<script" not in text
        assert b"<dc:date>" not in text


def run(folder: Path, *formats: str, **options: bool) -> Path:
    config = folder / "kampanje.toml"
    config.write_text(CONFIG, encoding="utf-8")
    return sim.forecast(config, out=folder / "results", formats=formats, **options).run


def test_a_run_that_is_there_gets_them_and_keeps_them(tmp_path: Path) -> None:
    place = run(tmp_path)
    before = {path: path.read_bytes() for path in place.rglob("*") if path.is_file()}
    assert not list(place.rglob("*.svg"))
    assert run(tmp_path, "svg") == place
    assert is_whole(place)
    files = json.loads((place / "manifest.json").read_text("utf-8"))["files"]
    names = {name for name in files if name.endswith(".svg")}
    assert names == {f"plots/{name}.svg" for name in ("npv", "roi", "payback", "cash_flow")}
    for path, content in before.items():
        assert path.name == "manifest.json" or path.read_bytes() == content, path.name
    stamps = {name: (place / name).stat().st_mtime_ns for name in names}
    run(tmp_path, "svg")
    assert {name: (place / name).stat().st_mtime_ns for name in names} == stamps, "drawn once"
    report(place, out=tmp_path / "results", formats=("xlsx",))
    files = json.loads((place / "manifest.json").read_text("utf-8"))["files"]
    assert names | {"forecast.xlsx"} <= set(files)


def test_no_plots_as_vectors_is_refused_first(tmp_path: Path) -> None:
    with pytest.raises(ProblemsError, match="SVG") as caught:
        sim.forecast(tmp_path / "missing.toml", plots=False, formats=("svg", "pdf"))
    assert len(caught.value.problems) == 2
