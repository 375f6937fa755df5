"""``forecast.xlsx``: formulas that live, agree with the engine, and texts that are none."""

from __future__ import annotations

import datetime as dt
import json
import re
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import openpyxl
import pytest
from openpyxl.utils import range_boundaries

import sim
from sim.errors import ProblemsError
from sim.finance.payback import payback
from sim.report.write import is_whole
from tests.conftest import ROOT

PRIOR_ONLY = ROOT / "configs" / "prior-only" / "config.toml"


class Sheets:
    """Works formulas out independently of whoever wrote them: cells become Python, functions are these."""

    def __init__(self, path: Path) -> None:
        self.book = openpyxl.load_workbook(path)
        self.value = cache(self._value)

    def _value(self, sheet: str, cell: str) -> Any:
        found = self.book[sheet][cell]
        if found.data_type != "f":
            return found.value
        return eval(self._python(found.value[1:], sheet), {"at": self.value, "over": self.over, **FUNCTIONS})  # noqa: S307

    def over(self, sheet: str, cells: str) -> list[Any]:
        left, top, right, bottom = range_boundaries(cells)
        rows = self.book[sheet].iter_rows(top, bottom, left, right)
        return [self.value(sheet, cell.coordinate) for row in rows for cell in row]

    def _python(self, formula: str, sheet: str) -> str:
        words = re.split(r'("[^"]*")', formula)  # texts stay as they are
        name = r"(?:'([^']+)'!|([A-Za-z]+)!)?"
        pattern = name + r"\$?([A-Z]{1,2})\$?(\d+)(?::\$?([A-Z]{1,2})\$?(\d+))?(?![\w(])"

        def cell(match: re.Match[str]) -> str:
            place = match[1] or match[2] or sheet
            if match[5]:
                return f"over({place!r}, '{match[3]}{match[4]}:{match[5]}{match[6]}')"
            return f"at({place!r}, '{match[3]}{match[4]}')"

        for i in range(0, len(words), 2):
            text = re.sub(pattern, cell, words[i]).replace("^", "**")
            words[i] = re.sub(r"(?<![<>=])=(?!=)", "==", text)
        return "".join(words)


def _total(*parts: Any) -> float:
    return float(sum(sum(part) if isinstance(part, list) else part for part in parts))


FUNCTIONS = {
    "SUM": _total,
    "SUMPRODUCT": lambda a, b: float(np.dot(a, b)),
    "IF": lambda test, yes, no: yes if test else no,
    "MAX": lambda *parts: max(max(part) if isinstance(part, list) else part for part in parts),
    "MIN": lambda *parts: min(min(part) if isinstance(part, list) else part for part in parts),
    "INDEX": lambda cells, at: cells[int(at) - 1] if int(at) <= len(cells) else float("nan"),
}

EXACT = """\
[programme]
name = "{name}"
currency = "NOK"
start = 2026-11-01
horizon = {horizon}
discount_rate = 0.2
timing = "{timing}"
[benefits]
gain.months = {gain}
"{stream}".monthly = 1
[costs]
all = 100
"""


def forecast(folder: Path, text: str, **options: Any) -> sim.Result:
    config = folder / "pilot.toml"
    config.write_text(text, encoding="utf-8")
    return sim.forecast(config, out=folder / "results", plots=False, formats=("xlsx",), **options)


def exact(timing: str = "end", gain: str = "[39, 59, 55, 20]", **more: Any) -> str:
    return EXACT.format(
        **{"name": "Prøve", "horizon": 6, "timing": timing, "gain": gain, "stream": "b"} | more
    )


@pytest.mark.parametrize(
    ("timing", "gain"),
    [
        ("end", "[39, 59, 55, 20]"),
        ("mid", "[39, 59, 55, 20]"),
        ("start", "[10, 20, 5, 1]"),
        ("end", "[300, -0.0]"),
    ],
)
def test_the_formulas_give_what_the_engine_gives(tmp_path: Path, timing: str, gain: str) -> None:
    result = forecast(tmp_path, exact(timing, gain))
    sheets, metrics = Sheets(result.run / "forecast.xlsx"), result.summary["metrics"]
    assert [sheets.value("Summary", f"A{row}") for row in range(9, 14)] == [
        "Benefits", "Costs", "NPV", "ROI", "Payback, months",
    ]  # fmt: skip
    assert sheets.value("Summary", "B9") == pytest.approx(metrics["benefit"]["mean"], rel=1e-12)
    assert sheets.value("Summary", "B11") == pytest.approx(metrics["npv"]["mean"], rel=1e-12)
    assert sheets.value("Summary", "B12") == pytest.approx(metrics["roi"]["expected"], rel=1e-12)
    months = metrics["payback_months"]["median"]
    told = sheets.value("Summary", "B13")
    assert told == ("not within 6 months" if months is None else pytest.approx(months, rel=1e-12))
    assert sheets.value("Summary", "B14") == pytest.approx(-metrics["peak_funding"]["mean"], rel=1e-12)
    assert abs(sheets.value("Summary", "B16")) < 1e-9


def test_the_formulas_live(tmp_path: Path) -> None:
    """A controller who changes a number sees the totals change: nothing is pasted in as a value."""
    result = forecast(tmp_path, exact())
    sheets = Sheets(result.run / "forecast.xlsx")
    before = sheets.value("Summary", "B11")
    again = Sheets(result.run / "forecast.xlsx")
    again.book["Cash flow"]["E4"].value += 12  # the first month's gain
    assert again.value("Summary", "B11") == pytest.approx(before + 12 / 1.2 ** (1 / 12))
    again = Sheets(result.run / "forecast.xlsx")
    again.book["Summary"]["B6"].value = 0.0
    assert again.value("Summary", "B11") == pytest.approx(173 + 6 - 100)


def test_means_of_an_uncertain_forecast(tmp_path: Path) -> None:
    result = sim.forecast(PRIOR_ONLY, out=tmp_path, plots=False, formats=("xlsx",))
    sheets, metrics = Sheets(result.run / "forecast.xlsx"), result.summary["metrics"]
    assert sheets.value("Summary", "B11") == pytest.approx(metrics["npv"]["mean"], rel=1e-9)
    assert sheets.value("Summary", "B12") == pytest.approx(metrics["roi"]["expected"], rel=1e-9)
    rows = result.cash_flow.to_dict("records")
    net = np.array([row["mean"] for row in rows if row["kind"] == "net"])
    lasting = payback(net[None]).lasting[0]
    told = sheets.value("Summary", "B13")
    assert told == (pytest.approx(lasting) if np.isfinite(lasting) else "not within 36 months")
    discounted = [row["mean"] for row in rows if row["kind"] == "cumulative_discounted"]
    shown = sheets.book["Cash flow"]
    at = next(cell.column_letter for cell in shown[1] if cell.value == "Cumulative, discounted")
    assert [sheets.value("Cash flow", f"{at}{row}") for row in range(3, 40)] == pytest.approx(discounted)
    assumed = {row[3].value: row for row in sheets.book["Assumptions"].iter_rows(min_row=2)}
    assert assumed["costs.licence.monthly"][1].value == "3,000 to 4,500 (90 %, lognormal)"
    assert "config.toml" in assumed["costs.licence.monthly"][2].value


def test_names_are_never_formulas(tmp_path: Path) -> None:
    hostile = "=HYPERLINK(1)"
    result = forecast(tmp_path, exact(name="=1+cmd|' /C calc'!A0", stream=hostile))
    book = openpyxl.load_workbook(result.run / "forecast.xlsx")
    texts = [
        cell for sheet in book for row in sheet.iter_rows() for cell in row if isinstance(cell.value, str)
    ]
    assert any(hostile in cell.value for cell in texts)
    for cell in texts:
        if cell.data_type == "f":
            assert "HYPERLINK" not in cell.value
            assert "cmd" not in cell.value
        else:
            assert not cell.value.startswith(("=", "+", "@"))


def test_sheets_are_made_to_be_read(tmp_path: Path) -> None:
    book = openpyxl.load_workbook(forecast(tmp_path, exact()).run / "forecast.xlsx")
    assert book.sheetnames == ["Summary", "Cash flow", "Assumptions"]
    cash = book["Cash flow"]
    assert cash.freeze_panes == "E3"
    assert '"NOK"' in cash["E4"].number_format
    assert cash["B4"].value == dt.datetime(2026, 11, 1)
    assert cash["B5"].value == dt.datetime(2026, 12, 1)
    assert cash.column_dimensions["E"].width >= 13
    assert book.calculation.fullCalcOnLoad


def test_it_belongs_to_the_run(tmp_path: Path) -> None:
    config = tmp_path / "pilot.toml"
    config.write_text(exact(), encoding="utf-8")
    plain = sim.forecast(config, out=tmp_path / "results", plots=False)
    assert not (plain.run / "forecast.xlsx").exists()
    before = {path.name: path.read_bytes() for path in plain.run.iterdir()}
    again = sim.forecast(config, out=tmp_path / "results", plots=False, formats=("xlsx",))
    assert again.run == plain.run
    assert is_whole(again.run)
    manifest = json.loads((again.run / "manifest.json").read_text("utf-8"))
    assert "forecast.xlsx" in manifest["files"]
    for name in before.keys() - {"manifest.json"}:
        assert (again.run / name).read_bytes() == before[name]
    (again.run / "forecast.xlsx").write_bytes(b"tampered")
    assert not is_whole(again.run)


def test_formats_are_checked_first(tmp_path: Path) -> None:
    with pytest.raises(ProblemsError, match="pdf"):
        sim.forecast(tmp_path / "missing.toml", out=tmp_path, formats=("pdf",))


def test_without_money(tmp_path: Path) -> None:
    text = '[programme]\ncurrency="EUR"\n[outcomes.csat]\nmodel="conversion"\ncontrol=0.5\ntreated=0.6\n'
    result = forecast(tmp_path, text)
    assert openpyxl.load_workbook(result.run / "forecast.xlsx").sheetnames == ["Summary", "Assumptions"]
