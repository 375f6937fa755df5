"""The plot of `sim portfolio`: what each programme brings, and return against risk."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from matplotlib.axes import Axes
from matplotlib.lines import Line2D

from sim.report import style
from sim.report.names import clean, wrap
from sim.report.portfolio_words import NEEDS
from sim.report.words import chance, money

_MOST = 14


def draw(folder: Path, found: Mapping[str, Any]) -> Path:
    """Draw the programmes by mean NPV, the chosen ones strong, and the frontier beside them.

    Parameters
    ----------
    folder : Path
    found : mapping
        The answer.
    """
    rows = _shown(found)
    largest = max([abs(row[f"npv_{end}"]) for row in rows for end in ("low", "high")], default=0.0)
    scale, unit = style.money_scale(largest, found["currency"])
    with style.theme():
        fig = style.figure((12.0, 3.2 + 0.42 * max(len(rows), 6)))
        panels = fig.subplot_mosaic([["programmes", "frontier"]], width_ratios=(1.5, 1.0))
        _programmes(panels["programmes"], rows, scale)
        panels["programmes"].set_xlabel(f"Net present value, {unit}")
        _frontier(panels["frontier"], found)
        left_out = len({row["programme"] for row in found["programmes"]}) - len(rows)
        parts = [
            "NOT TRUSTED: a check failed" if not found["trusted"] else "",
            "bars: 90 % interval, dot: mean",
            f"{left_out} more in programmes.csv" if left_out > 0 else "",
            "CVaR: mean loss in the worst 5 % of samples; below 0 a gain",
            f"{found['samples']:,} joint samples",
            "before tax",
        ]
        return style.save(
            fig,
            folder / "portfolio.png",
            title=_title(found),
            subtitle=f"Programmes by mean net present value; at the right their {NEEDS[found['need']]}",
            below=" · ".join(part for part in parts if part),
            names=[row["programme"] for row in rows],
        )


def _shown(found: Mapping[str, Any]) -> list[Mapping[str, Any]]:
    """Return one row for each programme, as it is taken or else at its best; those taken come first."""
    best: dict[str, Mapping[str, Any]] = {}
    for row in found["programmes"]:
        if row["npv_mean"] is None:
            continue
        now = best.get(row["programme"])
        if now is None or (row["chosen"], row["npv_mean"]) > (now["chosen"], now["npv_mean"]):
            best[row["programme"]] = row
    ranked = sorted(best.values(), key=lambda row: (not row["chosen"], -row["npv_mean"]))
    return [
        row | {"need": money(row[found["need"]], row[f"{found['need']}_mcse"])}
        for row in map(dict, ranked[:_MOST])
    ]


def _programmes(axes: Axes, rows: list[Mapping[str, Any]], scale: float) -> None:
    for place, row in enumerate(rows):
        colour = style.MAIN if row["chosen"] else style.PALE
        ends = [row["npv_low"] / scale, row["npv_high"] / scale]
        axes.plot(ends, [-place, -place], color=colour, linewidth=6, solid_capstyle="butt")
        axes.plot(row["npv_mean"] / scale, -place, "o", color=style.INK if row["chosen"] else style.MUTED)
        axes.annotate(
            row["need"], (1.0, -place), xycoords=("axes fraction", "data"), ha="right", va="center",
            fontsize=10,
            color=style.INK if row["chosen"] else style.MUTED, xytext=(-2, 0), textcoords="offset points",
        )  # fmt: skip
    axes.axvline(0, color=style.INK, linewidth=1.2)
    axes.margins(x=0.03)
    low, high = axes.get_xlim()
    axes.set_xlim(low, high + 0.22 * (high - low))  # room for what each takes
    labels = [
        wrap(clean(row["programme"], 46), 24) + ("" if row["size"] == 1 else f" × {row['size']:g}")
        for row in rows
    ]
    axes.set_yticks([-place for place in range(len(rows))], labels)
    axes.tick_params(axis="y", length=0)
    axes.set_ylim(-len(rows) + 0.4, 0.6)
    axes.xaxis.set_major_formatter(style.ticks())
    axes.spines["left"].set_visible(False)
    axes.grid(axis="x")
    handles: list[Any] = [
        Line2D([], [], color=style.MAIN, linewidth=6, label="taken"),
        Line2D([], [], color=style.PALE, linewidth=6, label="not taken"),
    ]
    style.legend(axes, handles)


def _frontier(axes: Axes, found: Mapping[str, Any]) -> None:
    points = found["frontier"]
    whole = found["portfolio"]
    largest = max([abs(point[name]) for point in points for name in ("cvar_95", "npv_mean")], default=0.0)
    scale, unit = style.money_scale(largest, found["currency"])
    axes.plot(
        [point["cvar_95"] / scale for point in points],
        [point["npv_mean"] / scale for point in points],
        "o-", color=style.MIDDLE, markersize=6,
    )  # fmt: skip
    axes.plot(whole["cvar_95"] / scale, whole["npv_mean"] / scale, "o", color=style.INK, markersize=10)
    if found["max_cvar"] is not None:
        axes.axvline(found["max_cvar"] / scale, color=style.LOSS, linestyle="--", linewidth=1.5)
    axes.set_xlabel(f"Risk: CVaR 95 %, {unit}")
    axes.set_ylabel(f"Mean NPV, {unit}")
    axes.xaxis.set_major_formatter(style.ticks())
    axes.yaxis.set_major_formatter(style.ticks())
    axes.grid()
    axes.margins(0.08)
    handles: list[Any] = [
        Line2D([], [], color=style.MIDDLE, marker="o", label="most return at each risk"),
        Line2D([], [], color=style.INK, marker="o", linestyle="", label="chosen"),
    ]
    style.legend(axes, handles)


def _title(found: Mapping[str, Any]) -> str:
    whole, chosen = found["portfolio"], found["chosen"]
    if not chosen:
        return "No set of these programmes is worth more than doing nothing"
    mean = money(whole["npv_mean"], whole["npv_mcse"])
    odds = chance(whole["p_loss"], 1 if whole["npv_low"] == whole["npv_high"] else found["samples"])
    count = len(chosen)
    worth = f"worth {mean} {clean(found['currency'], 12)} on average"
    if count == 1:
        return f"One programme is taken, {worth}; {odds} chance of a loss"
    return f"{count} programmes are together {worth}; {odds} chance of a loss"
