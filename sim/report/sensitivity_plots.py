"""The tornado of `sim sensitivity`, with what each input is worth knowing beside it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from matplotlib.axes import Axes
from matplotlib.lines import Line2D
from matplotlib.patches import Patch

from sim.report import style
from sim.report.answer_words import share_of, with_error
from sim.report.names import clean
from sim.report.words import number

_MOST = 12
_COLUMNS = (0.22, 0.74)
_ENDS = ("conditional_low", "conditional_high", "alone_low", "alone_high")
_MARK: dict[str, Any] = {"marker": "|", "markersize": 13, "markeredgewidth": 1.6}

type Row = Mapping[str, Any]


def draw(folder: Path, found: Mapping[str, Any]) -> Path:
    """Draw a tornado of the inputs and one of their groups, each with share of variance and EVPPI.

    Parameters
    ----------
    folder : Path
    found : mapping
        The answer of the command.
    """
    parts: list[tuple[str, Sequence[Row], str]] = [
        ("Single inputs", found["inputs"][:_MOST], "first_order"),
        ("Groups", found["groups"][:_MOST], "shapley"),
    ]
    ends = [row[key] for _, rows, _ in parts for row in rows for key in _ENDS if row[key] is not None]
    error = max(
        row[f"conditional_{end}_mcse"] for _, rows, _ in parts for row in rows for end in ("low", "high")
    )
    told = number(error, 1 - len(f"{error:.0f}"))
    scale, unit = style.money_scale(max(abs(end) for end in ends), found["currency"])
    counts = [len(rows) for _, rows, _ in parts]
    with style.theme():
        fig = style.figure((11.5, 3.2 + 0.4 * sum(counts)))
        panels = fig.subplot_mosaic(
            [["key", "key"], ["0", "0 beside"], ["1", "1 beside"]],
            width_ratios=(1.6, 1.0),
            height_ratios=[0.5, *(count + 1.2 for count in counts)],
        )
        panels["1"].sharex(panels["0"])
        for i, (title, rows, share) in enumerate(parts):
            _tornado(panels[str(i)], title, rows, found["npv"]["mean"], found["hurdle"], scale)
            _beside(panels[f"{i} beside"], rows, share, found["currency"])
        panels["0"].tick_params(labelbottom=False)
        panels["1"].set_xlabel(f"Mean net present value, {unit}")
        panels["1"].xaxis.set_major_formatter(style.ticks())
        dash, ink = (0, (4, 2)), style.INK
        handles: list[Any] = [
            Patch(facecolor=style.MIDDLE, label="at its 10th percentile"),
            Patch(facecolor=style.MAIN, label="at its 90th"),
            Line2D([], [], color=ink, linestyle="", label="put there alone", **_MARK),
            Line2D([], [], color=ink, linewidth=1.2, label="mean"),
            Line2D([], [], color=style.LOSS, linewidth=1.2, linestyle=dash, label="not investing"),
        ]
        panels["key"].set_axis_off()
        key = panels["key"].legend(
            handles=handles, loc="center left", ncols=5, columnspacing=1.6, handlelength=1.6
        )
        key.set_in_layout(False)
        left_out = len(found["inputs"]) - counts[0]
        more = (f"{left_out} smaller inputs in sensitivity.csv",) if left_out > 0 else ()
        marks = () if found["trusted"] else ("NOT TRUSTED: a check failed",)
        below = " · ".join(
            [
                *marks,
                "worth knowing: EVPPI, what learning it before deciding gains on average",
                f"±: Monte Carlo standard error; of the ends of bars up to {told}",
                *more,
                f"{found['samples']:,} joint samples",
                "before tax",
            ]
        )
        return style.save(
            fig,
            folder / "sensitivity.png",
            title=_title(found),
            subtitle="Bars: mean NPV where the input is at either end, others following as they depend on it",
            below=below,
            names=[row["name"] for _, rows, _ in parts for row in rows],
        )


def _tornado(axes: Axes, title: str, rows: Sequence[Row], mean: float, hurdle: float, scale: float) -> None:
    for place, row in enumerate(rows):
        for end, colour in (("low", style.MIDDLE), ("high", style.MAIN)):
            value = row[f"conditional_{end}"]
            axes.barh(-place, (value - mean) / scale, left=mean / scale, height=0.62, color=colour)
            axes.plot(row[f"alone_{end}"] / scale, -place, color=style.INK, **_MARK)
    axes.axvline(mean / scale, color=style.INK, linewidth=1.2)
    axes.axvline(hurdle / scale, color=style.LOSS, linewidth=1.2, linestyle=(0, (4, 2)))
    axes.set_yticks([-i for i in range(len(rows))], [clean(row["name"], 34) for row in rows])
    axes.tick_params(axis="y", length=0)
    axes.set_ylim(-len(rows) + 0.4, 0.9)
    axes.text(
        0, 0.62, title, transform=axes.get_yaxis_transform(), color=style.MUTED, fontsize=11, va="bottom"
    )
    axes.spines["left"].set_visible(False)
    axes.grid(axis="x")


def _beside(axes: Axes, rows: Sequence[Row], share: str, currency: str) -> None:
    axes.set_axis_off()
    axes.set_xlim(0, 1)
    axes.set_ylim(-len(rows) + 0.4, 0.9)
    told = {"first_order": "variance alone\n(Sobol)", "shapley": "share of variance\n(Shapley)"}[share]
    for x, text in zip(_COLUMNS, (told, f"worth knowing,\n{clean(currency, 12)}"), strict=True):
        axes.text(x, 0.5, text, ha="center", va="bottom", color=style.MUTED, fontsize=10.5)
    most = max(row["evppi"] for row in rows)
    for place, row in enumerate(rows):
        value = with_error(row["evppi"], row["evppi_mcse"])
        weight = "bold" if row["evppi"] == most > 0 else "normal"
        axes.text(_COLUMNS[0], -place, share_of(row, share), ha="center", va="center")
        axes.text(_COLUMNS[1], -place, value, ha="center", va="center", fontweight=weight)


def _title(found: Mapping[str, Any]) -> str:
    known = max(found["inputs"], key=lambda row: row["evppi"])
    moves = max(found["inputs"], key=lambda row: row["first_order"] or 0.0)
    told = f"{clean(moves['name'], 40)} moves the NPV most"
    if found["decisive"] is None:
        return f"{told}, but no single input would change the decision"
    if known is moves:
        return f"{told}, and is worth most to know"
    return f"{told}; {clean(known['name'], 40)} is worth most to know"
