"""``forecast.xlsx``: the mean case of a run for whoever audits it, with every total a formula that lives.

Numbers are those of ``cash_flow.parquet``: the mean over the samples of each stream in each month. From
them the sheet works out totals, discounting, NPV, ROI and payback by itself, and holds the result against the
engine's. Texts are written as texts whatever they begin with.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from openpyxl import Workbook
from openpyxl.styles import Alignment, Font, PatternFill
from openpyxl.utils import get_column_letter
from openpyxl.worksheet.worksheet import Worksheet

from sim.report.assumptions import assumptions
from sim.report.names import clean
from sim.report.rows import plain
from sim.report.stored import Stored
from sim.report.tables import TOTAL

FILE = "forecast.xlsx"
_LEAD = {"end": 0.0, "mid": 0.5, "start": 1.0}
_BOLD, _HEAD = Font(bold=True), PatternFill("solid", fgColor="DDE5EE")
_INPUT = Font(color="1F3FBF")
"""Blue, as accountants mark what was put in rather than worked out."""
_CASH, _SUM = "Cash flow", "Summary"
_FIRST = 3
"""Row of month 0 on the sheet of cash flows, below titles and kinds."""


def write_workbook(run: Path, manifest: Mapping[str, Any]) -> Path | None:
    """Write ``forecast.xlsx`` into the folder of a run, from its other files.

    Parameters
    ----------
    run : Path
        With ``summary.json`` and, where there is money, ``cash_flow.parquet``.
    manifest : mapping
        For the assumptions and the timing of cash within a month.

    Returns
    -------
    Path or None
        None where the run says nothing, being untrusted.
    """
    stored = Stored(run)
    if stored.best is None:
        return None
    book = Workbook()
    summary = book.worksheets[0]
    summary.title = _SUM
    streams = _streams(stored)
    if streams:
        _cash_flow(book.create_sheet(_CASH), streams, stored, manifest)
    _summary(summary, streams, stored, manifest)
    _assumptions(book.create_sheet("Assumptions"), manifest)
    calculation = book.calculation
    assert calculation is not None  # noqa: S101  # a new workbook has one
    calculation.fullCalcOnLoad = True
    path = run / FILE
    book.save(path)
    return path


def _text(cell: Any, value: object, *, bold: bool = False) -> None:
    """Put a text into a cell, which no spreadsheet may take for a formula."""
    text = clean(value, 500)
    # A range from a negative number begins like a formula and is none; what begins so with a word may be one.
    cell.value = text if text[:1] == "-" and text[1:2].isdigit() else plain(text)
    cell.data_type, cell.quotePrefix = "s", True
    cell.alignment = Alignment(wrap_text=True, vertical="top")
    if bold:
        cell.font, cell.fill = _BOLD, _HEAD


def _number(cell: Any, value: float | str, form: str, *, put_in: bool = False, bold: bool = False) -> None:
    """Put a number or a formula of ours into a cell."""
    cell.value, cell.number_format = value, form
    if put_in:
        cell.font = _INPUT
    elif bold:
        cell.font = _BOLD


def _streams(stored: Stored) -> list[tuple[str, str, list[float], list[Any]]]:
    """Return path, kind, mean by month and dates of every stream of the best strategy."""
    file = stored.path / "cash_flow.parquet"
    if not file.is_file():
        return []
    import pyarrow.parquet as pq

    found: dict[tuple[str, str], tuple[list[float], list[Any]]] = {}
    names = ["strategy", "stream", "kind", "date", "mean"]
    for row in pq.read_table(file, columns=names).to_pylist():
        if row["strategy"] == stored.best and row["kind"] in ("benefit", "cost"):
            means, dates = found.setdefault((row["stream"], row["kind"]), ([], []))
            means.append(row["mean"])
            dates.append(row["date"])
    return [(path, kind, *rows) for (path, kind), rows in found.items() if path != TOTAL]


def _cash_flow(
    sheet: Worksheet,
    streams: Sequence[tuple[str, str, list[float], list[Any]]],
    stored: Stored,
    manifest: Mapping[str, Any],
) -> None:
    """Write a row for each month: streams as they were put in, all else as formulas."""
    money = _money(stored)
    timing = manifest.get("config", {}).get("programme", {}).get("timing", "end")
    columns = _Columns(streams)
    for at, (title, told) in enumerate(columns.titles, start=1):
        _text(sheet.cell(1, at), title, bold=True)
        _text(sheet.cell(2, at), told, bold=True)
        sheet.column_dimensions[get_column_letter(at)].width = max(13, min(28, len(title) + 2))
    months = len(streams[0][2])
    for month in range(months):
        row = _FIRST + month
        lead = 0.0 if month == 0 else _LEAD[timing]
        _number(sheet.cell(row, 1), month, "0")
        if streams[0][3][month] is not None:
            sheet.cell(row, 2).value = streams[0][3][month]
            sheet.cell(row, 2).number_format = "yyyy-mm-dd"
        _number(sheet.cell(row, 3), f"=A{row}-{lead:g}", "0.0")
        _number(sheet.cell(row, 4), f"=(1+{_SUM}!$B$6)^(-C{row}/12)", "0.000000")
        for at, (_, _, means, _) in enumerate(streams, start=5):
            _number(sheet.cell(row, at), means[month], money, put_in=True)
        for at, formula in columns.formulas(row, first=month == 0):
            _number(sheet.cell(row, at), formula, money)
    last = _FIRST + months - 1
    _text(sheet.cell(last + 1, 1), "Total", bold=True)
    for at in (*range(5, 5 + len(streams) + 3), columns.net + 2):
        letter = get_column_letter(at)
        _number(sheet.cell(last + 1, at), f"=SUM({letter}{_FIRST}:{letter}{last})", money, bold=True)
    sheet.freeze_panes = f"E{_FIRST}"
    sheet.page_setup.orientation, sheet.page_setup.fitToHeight = "landscape", False
    sheet.print_title_rows = "1:2"


class _Columns:
    """Where each column of the sheet of cash flows stands.

    Parameters
    ----------
    streams : sequence of (path, kind, means, dates)
    """

    def __init__(self, streams: Sequence[tuple[str, str, list[float], list[Any]]]) -> None:
        self.kinds = [kind for _, kind, *_ in streams]
        self.benefit = 5 + len(streams)
        self.cost, self.net = self.benefit + 1, self.benefit + 2
        self.balance, self.discounted, self.discounted_balance, self.below = range(self.net + 1, self.net + 5)
        self.titles = [
            ("Month", "0 = investment"),
            ("Date", "first day"),
            ("Discounted over", "months"),
            ("Discount factor", "formula"),
            *((_named(path), f"{kind}, mean of samples") for path, kind, *_ in streams),
            *(
                (title, "formula")
                for title in (
                    "Benefits", "Costs", "Net", "Cumulative", "Net, discounted", "Cumulative, discounted",
                    "Month where below zero",
                )
            ),
        ]  # fmt: skip

    def letter(self, name: str) -> str:
        return get_column_letter(getattr(self, name))

    def formulas(self, row: int, *, first: bool) -> list[tuple[int, str]]:
        """Return column and formula of what is worked out in a row."""

        def added(kind: str) -> str:
            cells = [f"{get_column_letter(5 + i)}{row}" for i, each in enumerate(self.kinds) if each == kind]
            return f"={'+'.join(cells)}" if cells else "=0"

        def running(total: str, of: str) -> str:
            before = "" if first else f"{self.letter(total)}{row - 1}+"
            return f"={before}{self.letter(of)}{row}"

        return [
            (self.benefit, added("benefit")),
            (self.cost, added("cost")),
            (self.net, f"={self.letter('benefit')}{row}-{self.letter('cost')}{row}"),
            (self.balance, running("balance", "net")),
            (self.discounted, f"={self.letter('net')}{row}*D{row}"),
            (self.discounted_balance, running("discounted_balance", "discounted")),
            (self.below, f"=IF({self.letter('balance')}{row}<0,A{row},-1)"),
        ]


def _named(path: str) -> str:
    return clean(path.split(".", 1)[-1].replace('"', ""), 40)


def _money(stored: Stored) -> str:
    """Return the number format of money; the currency was checked to be three capitals."""
    code = clean(stored.summary["programme"]["currency"], 3).replace('"', "")
    return f'#,##0.00 "{code}";[Red]-#,##0.00 "{code}"'


def _summary(
    sheet: Worksheet,
    streams: Sequence[tuple[str, str, list[float], list[Any]]],
    stored: Stored,
    manifest: Mapping[str, Any],
) -> None:
    """Write the decision, the metrics as formulas, and the engine's figures beside them."""
    summary, money = stored.summary, _money(stored)
    programme = summary["programme"]
    _text(sheet["A1"], programme["name"], bold=True)
    _text(sheet["A2"], summary["headline"])
    sheet.merge_cells("A2:D2")
    sheet.row_dimensions[2].height = 48
    rows: list[tuple[str, object]] = [
        ("Strategy", summary["best"]),
        ("Currency", programme["currency"]),
    ]
    for row, (name, value) in enumerate(rows, start=4):
        _text(sheet.cell(row, 1), name)
        _text(sheet.cell(row, 2), value)
    _text(sheet["A6"], "Discount rate, a year (effective)")
    _number(sheet["B6"], programme["discount_rate"], "0.00%", put_in=True)
    for column, width in zip("ABCD", (38, 24, 24, 60), strict=True):
        sheet.column_dimensions[column].width = width
    if not streams:
        _text(sheet["A8"], "No money moves in this forecast: its outcomes are KPIs.")
        return
    titles = ("Mean case", "Worked out in this workbook", "By sim, over all samples", "What it is")
    for at, title in enumerate(titles, start=1):
        _text(sheet.cell(8, at), title, bold=True)
    columns, metrics = _Columns(streams), summary["metrics"]
    last = _FIRST + len(streams[0][2]) - 1

    def span(name: str) -> str:
        letter = columns.letter(name)
        return f"'{_CASH}'!${letter}${_FIRST}:${letter}${last}"

    uncertain = isinstance(manifest.get("config", {}).get("programme", {}).get("discount_rate"), Mapping)
    drift = "; the discount rate is a range, so the mean over samples differs a little" if uncertain else ""
    below = f"MAX({span('below')})"
    after = f"INDEX({span('balance')},{below}+1)/INDEX({span('net')},{below}+2)"
    horizon = programme["horizon"]
    payback = f'=IF({below}<0,0,IF({below}>={horizon},"not within {horizon} months",{below}-{after}))'
    lines: list[tuple[str, str, float | None, str, str]] = [
        ("Benefits", f"=SUM({span('benefit')})", metrics["benefit"]["mean"], money, "undiscounted"),
        ("Costs", f"=SUM({span('cost')})", metrics["cost"]["mean"], money, "undiscounted"),
        ("NPV", f"=SUMPRODUCT({span('net')},'{_CASH}'!$D${_FIRST}:$D${last})", metrics["npv"]["mean"], money,
         "net flows times discount factors; the mean over the samples is that of the mean flows" + drift),
        ("ROI", '=IF(B10=0,"undefined",(B9-B10)/B10)', metrics["roi"]["expected"], "0.0%",
         "(benefits - costs) / costs, undiscounted"),
        ("Payback, months", payback, metrics["payback_months"]["median"], "0.0",
         "of the mean flows, when the balance stays at zero or more; beside it the median over the samples, "
         "which need not be the same"),
        ("Lowest balance", f"=MIN(0,MIN({span('balance')}))", None, money, "money needed at most"),
    ]  # fmt: skip
    for row, (name, formula, engine, form, told) in enumerate(lines, start=9):
        _text(sheet.cell(row, 1), name)
        _number(sheet.cell(row, 2), formula, form, bold=True)
        if engine is not None:
            _number(sheet.cell(row, 3), engine, form)
        _text(sheet.cell(row, 4), told)
    _text(sheet["A16"], "Difference of the NPV")
    _number(sheet["B16"], "=B11-C11", money)
    _text(sheet["D16"], "of the two columns above; rounding only, where the discount rate is certain")
    told = (
        "A mean case is no forecast: how likely a loss is, and how far results spread, stands in report.html "
        "and summary.json. Figures are before tax. Blue: put in from the run; black: worked out here."
    )
    _text(sheet["A18"], told)
    sheet.merge_cells("A18:D18")
    sheet.row_dimensions[18].height = 36


def _assumptions(sheet: Worksheet, manifest: Mapping[str, Any]) -> None:
    """Write every setting with its value and where it comes from."""
    for at, (title, width) in enumerate(
        (("Assumption", 44), ("Value", 40), ("Where it comes from", 50), ("Key", 46)), start=1
    ):
        _text(sheet.cell(1, at), title, bold=True)
        sheet.column_dimensions[get_column_letter(at)].width = width
    for row, one in enumerate(assumptions(manifest), start=2):
        for at, told in enumerate((one.name, one.value, one.source, one.path), start=1):
            _text(sheet.cell(row, at), told)
    sheet.freeze_panes = "B2"
