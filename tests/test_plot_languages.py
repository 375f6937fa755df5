"""The plots of a run in other languages: every text passes a catalogue, however long it is there."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from pathlib import Path

import matplotlib as mpl
import numpy as np
import pytest
from matplotlib.axis import Axis
from matplotlib.figure import Figure

from sim.language import spoken_in
from sim.report import pictures, style
from sim.report.fonts import missing
from sim.report.names import columns, wrap
from sim.report.plots import draw
from tests.synthetic_run import posterior, write_run
from tests.test_fit_plots import posterior as fitted

PLACE = re.compile(r"\{[^{}]*\}")
DATA = ("Åpen bot", "checkout", "satisfaction", "DE", "FR", "NO", "bot B", "EUR", "bot", "ไทย", "人")
"""Names, currencies and dates of the runs below, which no catalogue has."""
LONG = {
    "zh": "这一句话说明了图中所示的结果，并且比英文原文长得多，因此标题必须换行而不会被截断",
    "th": "ข้อความนี้อธิบายผลลัพธ์ที่แสดงในภาพ และยาวกว่าต้นฉบับภาษาอังกฤษมาก ดังนั้นชื่อเรื่องต้องขึ้นบรรทัดใหม่",
    "es": "esta frase explica el resultado que muestra la figura y es mucho más larga que la inglesa",
}


class Marking(dict[str, str]):
    """A catalogue that puts every text between marks, and as much again before it where told to."""

    def __init__(self, before: str = "") -> None:
        super().__init__()
        self.before = before

    def get(self, key: str, default: str | None = None) -> str:  # type: ignore[override]
        assert default == key
        if key in ("{number} %", "{number} {currency}"):
            return key
        if self.before and len(key) < 40:
            return f"⟦{self.before[: len(key) // 2]} {key}⟧"
        return f"⟦{self.before}{key}⟧"


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a run that shows all there is: segments, alternatives, periods, priors, replicated pilots."""
    folder = tmp_path_factory.mktemp("run")
    summary = write_run(
        folder,
        name="Åpen bot",
        outcomes={
            "checkout": ("conversion", "success", 0.021, 0.16, False),
            "satisfaction": ("rating", "point", 3.7, 0.02, True),
        },
        strategies=("treated", "bot B"),
    )
    rows = [{"period": f"2025-{m:02d}", "relative": 0.3 / m, "low": 0.1, "high": 0.4} for m in range(1, 7)]
    for block in (summary, *summary["strategies"].values()):
        block["outcomes"]["checkout"]["periods"] = rows
    (folder / "summary.json").write_text(json.dumps(summary), encoding="utf-8")
    rng = np.random.default_rng(3)
    draws = {name: rng.normal(size=(1000, 1)) for name in ("delta", "pay_delta")}
    posterior(folder / "posterior" / "satisfaction.nc", draws, ["a"])
    fitted(folder / "posterior" / "checkout.nc", 1.0)
    return folder


def seen(run: Path, monkeypatch: pytest.MonkeyPatch, which: str = "*") -> dict[str, Figure]:
    """Draw a run anew, pictures of fits only where they are asked for; return the figures by name."""
    found: dict[str, Figure] = {}
    write = style._write
    monkeypatch.setattr(
        style, "_write", lambda fig, path, few: (found.update({path.name: fig}), write(fig, path, few))
    )
    for path in run.glob(f"plots/{which}"):
        path.unlink()
    draw(run)
    return found


def texts(fig: Figure) -> Iterator[mpl.text.Text]:
    return (one for one in fig.findobj(mpl.text.Text) if one.get_visible() and one.get_text().strip())


def test_every_text_passes_the_catalogue(run: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sim.language._catalogue", lambda _code: Marking())
    with spoken_in("nb"):
        figures = seen(run, monkeypatch)
    assert set(figures) >= {
        "npv.png", "roi.png", "payback.png", "cash_flow.png", "effects.png", "effect_by_period.png",
        "posterior_checkout.png", "posterior_satisfaction.png", "prior_checkout.png",
        "predictive_checkout.png",
    }  # fmt: skip
    for name, fig in figures.items():
        marked = 0
        for one in texts(fig):
            text = one.get_text()
            marked += "⟦" in text
            # Data may stand in a marked sentence; beyond all marks nothing but data has letters.
            left = re.sub(r"⟦[^⟦⟧]*⟧", "", text)
            while left != (left := re.sub(r"⟦[^⟦⟧]*⟧", "", left)):
                pass
            for known in DATA:
                left = left.replace(known, "")
            assert not re.search(r"[^\W\d_]{2}", left), (name, text)
        assert marked >= 4, name


def test_numbers_are_written_as_the_language_has_them(run: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sim.language._catalogue", lambda _code: Marking())
    with spoken_in("es"):
        figures = seen(run, monkeypatch)
    for name, fig in figures.items():
        for one in texts(fig):
            assert not re.search(r"\d\.\d(?!\d\d)", one.get_text()), (name, one.get_text())
    assert any(re.search(r"\d,\d", one.get_text()) for one in texts(figures["posterior_checkout.png"]))


@pytest.mark.parametrize("code", LONG)
def test_long_texts_wrap_and_nothing_leaves_the_picture(
    code: str, run: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("sim.language._catalogue", lambda _code: Marking(f"{LONG[code]} "))
    assert missing(LONG[code]) == ""
    with spoken_in(code):
        figures = seen(run, monkeypatch, "no fits")
    for name in ("npv.png", "payback.png", "cash_flow.png", "effects.png"):
        fig = figures[name]
        assert fig.texts[0].get_text().count("\n") >= 1
        for one in fig.texts:
            box = one.get_window_extent()
            assert box.x0 >= 0, (name, one.get_text())
            assert box.x1 <= fig.bbox.width, (name, one.get_text())
            assert box.y0 >= 0
            assert box.y1 <= fig.bbox.height
        title, *_others = fig.texts
        for axes in fig.axes:
            assert axes.bbox.height > 0.25 * 72, "the axes keep room"
            assert axes.get_tightbbox().y1 <= title.get_window_extent().y0 + 1


def test_ticks_of_an_axis_have_the_same_decimals() -> None:
    with style.theme(), spoken_in("es"):
        axes = style.figure().add_subplot()
        axis: Axis = axes.xaxis
        axis.set_major_formatter(style.ticks(1000.0))
        assert axis.get_major_formatter().format_ticks([0.0, 500.0, 1000.0]) == ["0,0", "0,5", "1,0"]
        assert axis.get_major_formatter().format_ticks([0.0, 2e6]) == ["0", "2.000"]
        assert axis.get_major_formatter().format_ticks([0.0, 2.5, 5.0]) == ["0,0000", "0,0025", "0,0050"]


def test_lines_break_where_the_script_lets_them() -> None:
    assert wrap("有 84 % 的机会，这项投资值得", 14).split("\n") == ["有 84 % 的机", "会，这项投资值", "得"]
    assert not any(
        line.startswith(("，", "）")) for line in wrap("好" * 9 + "，" + "好）" * 9, 10).split("\n")
    )
    for line in wrap(LONG["th"], 40).split("\n"):
        assert columns(line) <= 40
    assert wrap("chance 84 %", 10).split("\n") == ["chance", "84 %"]


def test_pictures_of_fits_are_kept_by_language(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def kinds(catalogue: Mapping[str, str]) -> dict[str, str]:
        for code in ("nb", "es"):
            (tmp_path / f"{code}.po").write_text(catalogue[code], encoding="utf-8")
        found = {}
        for code in ("en", "nb", "es"):
            with spoken_in(code):
                found[code] = pictures._kind("salg")
        return found

    monkeypatch.setattr(pictures, "CATALOGUES", tmp_path)
    first = kinds({"nb": "a", "es": "a"})
    assert len(set(first.values())) == 3
    second = kinds({"nb": "b", "es": "a"})
    assert {code for code in first if first[code] != second[code]} == {"nb"}
