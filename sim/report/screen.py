"""The result on one screen."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.table import Table
from rich.text import Text

from sim.report.names import clean
from sim.report.words import MONTHS, NONE, behind, better, chance, interval, level, metric, percent, spread

_SHOWN = {
    "npv": "Net present value",
    "roi": "Return on investment",
    "irr": "IRR, a year",
    "payback_months": "Payback, months",
    "benefit": "Benefits",
    "cost": "Costs",
    "peak_funding": "Peak funding",
    "cpa": "Cost per new customer",
    "ltv_cac": "Lifetime value / CAC",
}
_STYLES = {"fail": "bold red", "warn": "yellow", "note": "dim"}
_WIDTH = 80
_MOST_OUTCOMES, _MOST_CHECKS = 8, 8


def show(summary: Mapping[str, Any], run: Path, console: Console) -> None:
    """Print a forecast on one screen: the finding, the money, the effects, what to mind, where it lies.

    Parameters
    ----------
    summary : mapping
        Contents of ``summary.json``.
    run : Path
        The run's directory, named in the last line.
    console : rich.console.Console
        Lines are no wider than 80 columns, whatever the console's width.
    """
    width = min(console.width, _WIDTH)
    console.print(Text(_plain(summary["headline"]), style="bold"), width=width)
    samples = int(summary["samples"])
    money = summary["costs"] or summary["benefits"] or not all(o["kpi"] for o in summary["outcomes"].values())
    if money and summary["metrics"]["npv"]["median"] is not None:
        console.print()
        console.print(_money(summary, behind(summary)), width=width)
    if summary["outcomes"]:
        console.print()
        console.print(_effects(summary["outcomes"], samples), width=width)
    findings = [check for check in summary["checks"] if check["status"] != "ok"]
    if findings:
        console.print()
        for line in _findings(findings):
            console.print(line, width=width)
    passed = sum(check["status"] == "ok" for check in summary["checks"])
    console.print()
    if not summary["trusted"]:
        console.print(Text("Not trusted: a check failed. Mend what it names before using this.", "bold red"))
    told = {0: "", 1: "1 other check passed. "}.get(passed, f"{passed} other checks passed. ")
    details = (
        "details in report.html" if (run / "report.html").is_file() else "`sim report` draws plots and page"
    )
    told += f"Figures are before tax; {details}."
    console.print(Text(told, "dim"), width=width)
    # The path must stay whole to be copied, however long it is.
    console.print(Text(f"Results: {run}"), soft_wrap=True)


def _plain(value: object) -> str:
    """Return text without control characters; a `Text` made of it is no markup."""
    return clean(value, 600)


def _table(first: str, *numbers: str) -> Table:
    """Open a table of a column of names and columns of figures. Headers are no markup either."""
    table = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0), header_style="dim")
    table.add_column(Text(first), overflow="fold")
    for title in numbers:
        table.add_column(title, justify="right", no_wrap=True)
    return table


def _money(summary: Mapping[str, Any], samples: int) -> Table:
    """Return the metrics that have a value, with their 90 % intervals."""
    amounts = f"Amounts in {clean(summary['programme']['currency'], 12)}"
    table = _table(amounts, "mean", "median", "90 % interval")
    for name, title in _SHOWN.items():
        block = summary["metrics"][name]
        if block["mean"] is None and block["median"] is None and name not in MONTHS:
            continue
        mean = metric(name, block, "mean", samples)
        if name == "roi":
            mean = percent(block["expected"], block["mcse"])
        table.add_row(title, mean, metric(name, block, "median", samples), interval(name, block, samples))
    odds = summary["probability"]
    never = summary["metrics"]["payback_months"]["never"]
    for words, share in (
        ("P(loss)", odds["loss"]),
        ("P(pays back in time)", odds["payback_within"]),
        ("P(never pays back)", never),
    ):
        if share is not None:
            table.add_row(words, chance(share, samples), "", "")
    return table


def _effects(outcomes: Mapping[str, Any], samples: int) -> Table:
    """Return one row per outcome, over all segments."""
    table = _table("Outcome", "control", "treated", "change, 90 %", "better")
    for name, block in list(outcomes.items())[:_MOST_OUTCOMES]:
        pooled, share = block["pooled"], block["level"] == "share"
        mean, ends = spread(pooled["relative"], scale=100, sign=True)
        change = f"{mean} % ({ends})"
        if mean == NONE or block["level"] == "real":
            mean, ends = spread(pooled["difference"], scale=100 if share else 1, sign=True)
            points = " points" if share or block["level"] == "real" else ""
            change = mean if mean == NONE else f"{mean}{points} ({ends})"
        table.add_row(
            Text(clean(name, 22)),
            level(pooled["control"]["mean"], share),
            level(pooled["treated"]["mean"], share),
            change,
            better(block, samples),
        )
    if len(outcomes) > _MOST_OUTCOMES:
        table.add_row(f"… and {len(outcomes) - _MOST_OUTCOMES} more in the report", "", "", "", "")
    return table


def _findings(checks: list[Mapping[str, Any]]) -> Iterator[Text]:
    """Yield the checks that are not ok, the worst first; notes only as far as there is room."""
    order = list(_STYLES)
    ranked = sorted(checks, key=lambda check: order.index(check["status"]))
    for check in ranked[:_MOST_CHECKS]:
        status, message = check["status"], f"{clean(check['name'], 40)}: {_plain(check['message'])}"
        line = Text(f"{status}  ", _STYLES[status])
        if status == "note":
            line.append(clean(message, _WIDTH - len(status) - 3), "dim")
        else:
            line.append(message)
            line.append(f" → {_plain(check['remedy'])}" if check["remedy"] else "", "italic")
        yield line
    if len(ranked) > _MOST_CHECKS:
        yield Text(f"… and {len(ranked) - _MOST_CHECKS} more in the report", "dim")
