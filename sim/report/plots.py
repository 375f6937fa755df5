"""The plots of a run, drawn from its files alone: when the money comes back."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
from matplotlib.lines import Line2D
from matplotlib.patches import Patch
from matplotlib.patheffects import withStroke

from sim.language import _
from sim.report import chart_data, style
from sim.report import page_words as words
from sim.report.density_plots import density
from sim.report.effect_plots import effects
from sim.report.fit_plots import fit_plots
from sim.report.names import clean, wrap
from sim.report.period_plots import effect_by_period
from sim.report.stored import Stored
from sim.report.words import MONTHS, amount, behind, chance, median_error, money, number

_BESIDE = 14  # letters that fit beside the curve
_HALO = [withStroke(linewidth=3, foreground="white")]


def draw(run: Path, *, vectors: bool = False) -> list[Path]:
    """Draw every plot for which the run has figures.

    Parameters
    ----------
    run : Path
        A directory with ``summary.json`` and, as far as there are figures, ``samples.parquet``,
        ``cash_flow.parquet`` and ``posterior/*.nc``.
    vectors : bool
        Write ``plots/*.svg`` too, beside the PNGs.

    Returns
    -------
    list of Path
        ``plots/*.png``, in reading order.
    """
    stored, folder = Stored(run), run / "plots"
    drawn: list[Path | None] = []
    with style.theme(), style.vectors(vectors):
        if stored.has_money:
            drawn += [
                density(stored, "npv", folder),
                density(stored, "roi", folder),
                payback_curve(stored, folder),
                cash_fan(stored, folder),
            ]
        drawn += [effects(stored, folder), effect_by_period(stored, folder)]
        drawn += fit_plots(stored, folder)
    return [path for path in drawn if path is not None]


def payback_curve(stored: Stored, folder: Path) -> Path | None:
    """Draw the chance of having paid back by each month; what never does is a share, not a month."""
    summary = stored.summary
    horizon, count = int(summary["programme"]["horizon"]), behind(summary)
    curves = [stored.samples(f"metrics.{name}").get(stored.best or "", np.empty(0)) for name in MONTHS]
    lasting = curves[0]
    if lasting.size == 0:
        return None
    block = summary["metrics"]["payback_months"]
    never, said = block["never"], words.payback(summary)
    certain = count == 1
    fig = style.figure()
    axes = fig.add_subplot()
    looks: tuple[Any, ...] = (
        (style.MAIN, 3.0, "-"),
        (style.MUTED, 1.6, (0, (1, 1.2))),
        (style.INK, 1.6, (0, (5, 2))),
    )
    handles = []
    for values, (colour, width, dash), name in zip(curves, looks, MONTHS, strict=True):
        if values.size == 0:
            continue
        months = np.sort(values[np.isfinite(values)])
        share = np.arange(1, months.size + 1) / values.size
        x = np.concatenate([[0.0], months, [horizon]])
        y = 100 * np.concatenate([[0.0], share, share[-1:] if share.size else [0.0]])
        axes.step(x, y, where="post", color=colour, linewidth=width, linestyle=dash)
        label = _(words.PAYBACKS[name])
        handles.append(Line2D([], [], color=colour, linewidth=width, linestyle=dash, label=label))
    for mark, share in ({} if certain else block["within"]).items():
        axes.plot(int(mark), 100 * share, "o", color=style.MAIN, markersize=8, zorder=5)
        axes.annotate(
            chance(share, count), (int(mark), 100 * share), textcoords="offset points", fontweight="bold",
            xytext=(-8, 7) if share < 0.9 else (0, -20), ha="right" if share < 0.9 else "center",
        )  # fmt: skip
    if never > 0:
        axes.plot(
            [1.025 * horizon] * 2,
            [100 * (1 - never), 100],
            color=style.LOSS,
            linewidth=5,
            solid_capstyle="butt",
        )
        told = _("never within {months} months: {share}").format(months=horizon, share=chance(never, count))
        axes.text(
            1.045 * horizon, min(100 - 50 * never, 90.0), wrap(told, _BESIDE), va="center",
            color=style.LOSS, fontweight="bold",
        )  # fmt: skip
    axes.set_xlim(0, 1.26 * horizon if never > 0 else 1.03 * horizon)
    axes.set_ylim(0, 104)
    axes.set_xticks(np.arange(0, horizon + 1, _month_step(horizon)))
    axes.set_xlabel(_("Months after the investment"))
    axes.set_ylabel(_("Share of samples, %"))
    axes.grid(axis="y")
    style.legend(axes, handles, columns=3)
    below = style.foot(stored, _("months interpolated"))
    subtitle = style.of(stored, said["note"])
    return style.save(fig, folder / "payback.png", title=said["title"], subtitle=subtitle, below=below)


def _month_step(horizon: int, most: int = 12) -> int:
    """Space month ticks so that no more than `most` are needed."""
    return next((step for step in (1, 2, 3, 6, 12, 24, 60) if horizon / step <= most), 120)


def cash_fan(stored: Stored, folder: Path) -> Path | None:
    """Draw the cumulative cash flow as a fan, with the month in which its median breaks even."""
    chart = chart_data.cash(stored)
    if chart is None:
        return None
    summary, month = stored.summary, chart["months"]
    horizon, currency = int(summary["programme"]["horizon"]), clean(summary["programme"]["currency"], 12)
    cash = {name: np.array(chart[name]) for name in ("p05", "p25", "p50", "p75", "p95")}
    scale, unit = style.money_scale(
        float(max(np.abs(cash["p05"]).max(), np.abs(cash["p95"]).max())), currency
    )
    middle, crossing, certain = cash["p50"], chart["crossing"], chart["certain"]

    def told(row: int) -> str:
        error = median_error(float(cash["p05"][row]), float(cash["p95"][row]), behind(summary))
        return amount(money(float(middle[row]), error), currency)

    ending = _("; {amount} at the end").format(amount=told(-1))
    fig = style.figure()
    axes = fig.add_subplot()
    axes.fill_between(month, cash["p05"] / scale, cash["p95"] / scale, color=style.PALE, linewidth=0)
    axes.fill_between(month, cash["p25"] / scale, cash["p75"] / scale, color=style.MIDDLE, linewidth=0)
    axes.plot(month, middle / scale, color=style.INK, linewidth=2.6)
    axes.axhline(0, color=style.INK, linewidth=1.0)
    if crossing is not None:
        axes.plot(crossing, 0, "o", color=style.INK, markersize=9, zorder=5)
        found = _("breaks even in month {month}").format(month=number(crossing, 1))
        axes.annotate(
            wrap(found, _BESIDE), (crossing, 0), xytext=(-6, 12), textcoords="offset points",
            va="bottom", ha="right", fontweight="bold", path_effects=_HALO,
        )  # fmt: skip
    lowest = int(np.argmin(middle))
    if middle[lowest] < 0 and lowest < horizon:
        axes.annotate(
            _("deepest: {amount}").format(amount=told(lowest)), (month[lowest], middle[lowest] / scale),
            xytext=(4, -20), textcoords="offset points", path_effects=_HALO,
        )  # fmt: skip
    floor, ceiling = axes.get_ylim()
    axes.set_ylim(floor - 0.08 * (ceiling - floor), ceiling)
    axes.set_xlim(0, horizon)
    dates = chart["dates"]
    places = range(0, horizon + 1, _month_step(horizon, 7 if dates[0] else 12))
    axes.set_xticks(places, [f"{p}\n{dates[p]}" if dates[p] and p else str(p) for p in places])
    axes.set_xlabel(_("Months after the investment"))
    axes.set_ylabel(_("Cumulative cash flow, {unit}").format(unit=unit))
    axes.yaxis.set_major_formatter(style.ticks())
    axes.grid(axis="y")
    handles = [
        Line2D([], [], color=style.INK, linewidth=2.6, label=_("certain") if certain else _("median")),
        Patch(facecolor=style.MIDDLE, label=_("half of the samples")),
        Patch(facecolor=style.PALE, label=_("90 % of the samples")),
    ]
    style.legend(axes, handles[:1] if certain else handles, columns=3)
    bands = _("bands: 25th to 75th and 5th to 95th percentile; no single path runs along an edge")
    below = style.foot(stored, *(() if certain else (bands,)))
    title, subtitle = chart["title"] + ending, style.of(stored, chart["note"])
    return style.save(fig, folder / "cash_flow.png", title=title, subtitle=subtitle, below=below)
