"""The page ``docs/performance.md``, the measurements behind it, and what is printed."""

from __future__ import annotations

import csv
import datetime as dt
import math
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from benchmarks import machine, scaling
from benchmarks.result import ESS, RHAT, Measure, Result, Table, Target

NOTES = "notes.md"
"""The part of the page that people write, beside its plots."""


@dataclass(frozen=True, slots=True)
class Told:
    """What the page says of the run itself.

    Parameters
    ----------
    command : str
        As it would be typed.
    today : date
    loads : (float or None, float or None)
        Load of the machine before and after.
    minutes : float
        How long it took.
    """

    command: str
    today: dt.date
    loads: tuple[float | None, float | None]
    minutes: float


def write(page: Path, results: Sequence[Result], profile: Sequence[Table], told: Told) -> None:
    """Write the page, its plots and ``measurements.csv`` beside it.

    Parameters
    ----------
    page : Path
        What is written by hand is taken from ``notes.md`` in the folder of the same name.
    results : sequence of Result
    profile : sequence of Table
        Where the time of a forecast goes.
    told : Told
    """
    folder = page.with_suffix("")
    folder.mkdir(parents=True, exist_ok=True)
    parts = [_head(results, told, folder.name), _summary(results)]
    parts += [_section(result) for result in results]
    parts.append(_curves(folder, results))
    if profile:
        parts += ["## Where the time goes", "", _WHERE, "", *(_table(table) for table in profile)]
    notes = folder / NOTES
    if notes.is_file():
        parts.append(notes.read_text("utf-8").strip() + "\n")
    page.write_text("\n".join(parts), encoding="utf-8")
    _raw(folder / "measurements.csv", results)


_WHERE = """\
Measured from within, by a clock around named functions and around every import, in the process of the
command and in those that it starts. Times are exclusive: what is imported while a table is read counts as
import. The clock itself costs a few percent, so totals are above those of the rows."""


def _head(results: Sequence[Result], told: Told, folder: str) -> str:
    loads = " and ".join("unknown" if load is None else f"{load:.2f}" for load in told.loads)
    missed = [target for result in results for target in result.targets if target.reached is False]
    open_ = [t for r in results for t in r.targets if t.limit is not None and t.figure is None]
    failed = [result.name for result in results if not result.trusted]
    said = f"Figures to reach: {_count(results)}; not reached: {len(missed)}"
    said += f"; not measured: {len(open_)}" if open_ else ""
    if failed:
        said += f". **Not to be believed: {', '.join(failed)}**"
    return f"""\
# Performance

Written by `{told.command}` on {told.today.isoformat()}, in {told.minutes:.0f} minutes, on
{machine.machine()}, with
{machine.versions(machine.PACKAGES)};
peers {machine.versions(machine.PEERS)}.
Load of the machine before and after: {loads}.

{said}.

**How it is measured.** Whole processes, unless a line says otherwise: from the start of a new process to its
end, median of the repeats with the least and the greatest beside it. Who is compared runs in turn, A B A B,
and a ratio is the median of the ratios of each round. Memory is the largest resident set of any process of a
job, interpreter and libraries included. The command is the installed one, with bytecode compiled. A time of
a fit counts only where that very fit keeps to the gates (R-hat < {RHAT}, bulk and tail effective sample size
≥ {ESS:.0f}, no divergence), shown with it. Every single time is in
[`measurements.csv`]({folder}/measurements.csv).
Nothing here is asserted by a test: times belong to the machine.
"""


def _count(results: Sequence[Result]) -> int:
    return sum(target.limit is not None for result in results for target in result.targets)


def _summary(results: Sequence[Result]) -> str:
    rows = []
    for result in results:
        job = result.job
        if result.error:
            rows.append((job, "", "", "**failed**", ""))
        for target in result.targets:
            rows.append((job, target.what, _limit(target), _figure(target), verdict(target)))
            job = ""
    return _table(Table("", ("Job", "Figure", "To reach", "Measured", "Reached"), rows))


def verdict(target: Target) -> str:
    """Return in a word whether a target is reached."""
    if target.limit is None:
        return "–"
    return {True: "yes", False: "**no**", None: "not measured"}[target.reached]


def _limit(target: Target) -> str:
    if target.limit is None:
        return "–"
    return f"{'≥' if target.least else '≤'} {_number(target.limit)} {target.unit}".rstrip()


def _figure(target: Target) -> str:
    if target.figure is None:
        return "–"
    shown = f"{_number(target.figure)} {target.unit}".rstrip()
    if target.low is not None and target.high is not None:
        shown += f" ({_number(target.low)} … {_number(target.high)})"
    return shown


def _number(value: float) -> str:
    """Return a figure with three significant digits, without an exponent where it is readable.

    >>> [_number(value) for value in (1234.5, 12.345, 0.0123, 4e-16, 0.0)]
    ['1,234', '12.3', '0.0123', '4e-16', '0']
    """
    if value == 0 or not math.isfinite(value):
        return f"{value:g}"
    if abs(value) < 1e-4:
        return f"{value:.2g}"
    digits = max(0, 2 - math.floor(math.log10(abs(value))))
    text = f"{value:,.{digits}f}"
    return text.rstrip("0").rstrip(".") if "." in text else text


def _section(result: Result) -> str:
    parts = [f"## {result.job}", "", f"Row `{result.name}`."]
    if result.error:
        parts += ["", f"**Failed:** {' '.join(result.error.split())}", ""]
        return "\n".join(parts)
    parts += ["", "What each is asked to do:", ""]
    parts += [*(f"- **{who}**: {what}." for who, what in result.asked.items()), ""]
    if result.measures:
        parts.append(_table(Table("", ("Who", "What", "Median", "Range", "Peak memory"), _times(result))))
    if result.gates:
        parts.append(_table(_gates(result)))
    parts += [_table(table) for table in result.tables]
    parts += [*(f"- {note}" for note in result.notes), ""]
    return "\n".join(parts)


def _times(result: Result) -> list[tuple[str, ...]]:
    return [
        (
            one.who,
            one.what,
            f"{_number(one.median)} s",
            f"{_number(min(one.seconds))} … {_number(max(one.seconds))}, {_runs(len(one.seconds))}",
            "–" if one.peak is None else f"{one.peak / 1e6:,.0f} MB",
        )
        for one in result.measures
    ]


def _runs(count: int) -> str:
    return "1 run" if count == 1 else f"{count} runs"


def _gates(result: Result) -> Table:
    head = ("Fits that were timed", "Number", "Highest R-hat", "Least ESS", "Divergences", "")
    return Table(
        "",
        head,
        [
            (
                gate.who,
                str(gate.fits),
                f"{gate.rhat:.4f}",
                f"{gate.ess:,.0f}",
                str(gate.divergences),
                "pass" if gate.passed else "**FAIL**",
            )
            for gate in result.gates
        ],
    )


def _table(table: Table) -> str:
    lines = [f"{table.title}:", ""] if table.title else []
    lines.append(f"| {' | '.join(_cell(cell) for cell in table.head)} |")
    lines.append("| --- " * len(table.head) + "|")
    lines += [f"| {' | '.join(_cell(cell) for cell in row)} |" for row in table.rows]
    return "\n".join([*lines, ""])


def _cell(text: str) -> str:
    return " ".join(text.split()).replace("|", "\\|")


def _curves(folder: Path, results: Sequence[Result]) -> str:
    plots = scaling.by_axis([curve for result in results for curve in result.curves])
    if not plots:
        return ""
    rows: list[tuple[str, ...]] = []
    shown: list[str] = []
    for name, curves in plots.items():
        scaling.draw(folder / f"{name}.png", curves)
        shown.append(f"![{name}]({folder.name}/{name}.png)")
        for curve in curves:
            slope, error = scaling.exponent(curve)
            points = ", ".join(f"{_number(x)}: {_number(y)}" for x, y in zip(curve.x, curve.y, strict=True))
            rows.append((curve.axis, curve.label, f"{slope:.2f} ± {error:.2f}", f"{points} {curve.unit}"))
    head = ("Over", "What", "Exponent ± standard error", "Points")
    return "\n".join(
        [
            "## How it grows",
            "",
            "Slope of the logarithms by least squares: 1 is proportional, 0 is flat. What does not depend on",
            "the size (start of a process, imports) flattens curves of whole processes at their lower end.",
            "",
            _table(Table("", head, rows)),
            *shown,
            "",
        ]
    )


def _raw(path: Path, results: Sequence[Result]) -> None:
    with path.open("w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(["row", "who", "what", "repeat", "seconds", "peak_mb"])
        for result in results:
            for one in result.measures:
                for turn, seconds in enumerate(one.seconds):
                    peak = "" if one.peak is None else f"{one.peak / 1e6:.1f}"
                    writer.writerow([result.name, one.who, one.what, turn, f"{seconds:.6f}", peak])


def printed(result: Result) -> str:
    """Return a row for the terminal: its times, ratios and verdicts."""
    lines = [f"{result.name}: {result.job}"]
    if result.error:
        return f"{lines[0]}\n  FAILED {result.error}"
    lines += [f"  {_line(one)}" for one in result.measures]
    for target in result.targets:
        lines.append(
            f"  {target.what}: {_figure(target)}, to reach {_limit(target)}: {verdict(target).strip('*')}"
        )
    for gate in result.gates:
        state = "pass" if gate.passed else "FAIL"
        told = f"R-hat {gate.rhat:.4f}, ESS {gate.ess:.0f}, {gate.divergences} divergences"
        lines.append(f"  {gate.who}: {gate.fits} fits, {told}: {state}")
    lines += [f"  {note}" for note in result.notes]
    return "\n".join(lines)


def _line(one: Measure) -> str:
    peak = "" if one.peak is None else f", {one.peak / 1e6:,.0f} MB"
    ends = f"{_number(min(one.seconds))} … {_number(max(one.seconds))}"
    return f"{one.who}, {one.what}: {_number(one.median)} s ({ends}){peak}"
