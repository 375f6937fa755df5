"""One look for every plot: fonts for all scripts, colours that survive grey, titles that say the finding."""

from __future__ import annotations

import contextlib
import io
import logging
import sys
import warnings
from collections.abc import Iterable, Iterator, Sequence
from contextvars import ContextVar
from pathlib import Path
from typing import Any, cast

import matplotlib as mpl
import numpy as np
from cycler import cycler

if "matplotlib.pyplot" not in sys.modules:
    # ArviZ draws through pyplot; files need no window. A notebook that has chosen its backend keeps it.
    mpl.use("Agg")

from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from PIL import Image

from sim.language import N_, _
from sim.report.fonts import families, missing
from sim.report.names import clean, wrap
from sim.report.names import columns as letters
from sim.report.stored import Stored
from sim.report.ticks import ticks as ticks  # noqa: PLC0414  # part of the look for whoever draws
from sim.report.words import behind, number

INK, MUTED, GRID = "#1b2733", "#5b6775", "#dfe4ea"
MAIN, MIDDLE, PALE = "#1f5a93", "#7fa8d1", "#cfdff0"
LOSS = "#b5442e"
DPI = 150
VECTOR = ".svg"
_LETTER, _SWATCH, _MARGIN = 0.083, 9, 0.9
"""Inches that a letter of the key takes; letters that its swatch takes; inches beside the axes."""
FEW = 24
"""Colours of a drawing with a handful of hues and the shades at their edges."""


@contextlib.contextmanager
def theme() -> Iterator[None]:
    """Apply the look inside a block. Text is taken literally: `$` and `_` are no mathematics."""
    settings: Any = {
        "font.family": list(families()),
        "font.size": 12,
        "text.parse_math": False,
        "text.usetex": False,
        "axes.unicode_minus": False,
        "axes.spines.top": False,
        "axes.spines.right": False,
        "axes.edgecolor": MUTED,
        "axes.labelcolor": INK,
        "axes.titlecolor": INK,
        "axes.prop_cycle": cycler(color=[MAIN, "#d98a2b", "#4c8c5b", "#8a4f7d", "#8c8c8c", "#111111"]),
        "axes.titlesize": 12,
        "axes.titlelocation": "left",
        "axes.axisbelow": True,
        "axes.grid": False,
        "grid.color": GRID,
        "xtick.color": INK,
        "ytick.color": INK,
        "text.color": INK,
        "legend.frameon": False,
        "legend.fontsize": 11.5,
        "figure.facecolor": "white",
        "axes.facecolor": "white",
        "hatch.linewidth": 0.8,
        "lines.linewidth": 2.0,
        # Letters as outlines: a viewer without our fonts shows every script all the same.
        "svg.fonttype": "path",
        # Names of shapes would otherwise differ from one drawing to the next.
        "svg.hashsalt": "sim",
    }
    log = logging.getLogger("matplotlib.font_manager")
    before = log.level
    with mpl.rc_context(settings), warnings.catch_warnings():
        # Told once in the foot of the plot instead.
        warnings.filterwarnings("ignore", message="Glyph .* missing from", category=UserWarning)
        # The CJK and Thai fonts have no bold; drawing them in regular is meant.
        log.setLevel(logging.ERROR)
        try:
            yield
        finally:
            log.setLevel(before)


class Shown(Figure):
    """A figure that a notebook shows without pyplot."""

    def _repr_png_(self) -> bytes:
        content = io.BytesIO()
        with theme():
            self.savefig(content, format="png", dpi=DPI / 1.5)
        return content.getvalue()


_kept: ContextVar[list[Figure] | None] = ContextVar("kept", default=None)
_vectors: ContextVar[bool] = ContextVar("vectors", default=False)


@contextlib.contextmanager
def kept() -> Iterator[list[Figure]]:
    """Collect the figures that are saved inside a block, in place of writing them to files."""
    figures: list[Figure] = []
    token = _kept.set(figures)
    try:
        yield figures
    finally:
        _kept.reset(token)


@contextlib.contextmanager
def vectors(wanted: bool) -> Iterator[None]:
    """Write an SVG beside each PNG that is saved inside a block, if wanted."""
    token = _vectors.set(wanted)
    try:
        yield
    finally:
        _vectors.reset(token)


def is_drawn(path: Path) -> bool:
    """Tell whether a PNG is there, and its SVG if one is wanted."""
    return path.is_file() and (path.with_suffix(VECTOR).is_file() or not _vectors.get())


def figure(size: tuple[float, float] = (9.0, 5.4)) -> Figure:
    """Open a figure that draws to a file, without pyplot."""
    fig = Shown(figsize=size, layout="constrained")
    FigureCanvasAgg(fig)
    return fig


def legend(axes: Axes, handles: Sequence[Any], columns: int = 2) -> None:
    """Put the key above the axes, where it covers nothing, in no more columns than there is room for."""
    room = cast(Figure, axes.get_figure(root=True)).get_figwidth() - _MARGIN
    for handle in handles:
        handle.set_label(wrap(handle.get_label(), int(room / _LETTER - _SWATCH)))
    texts = [max(letters(line) for line in handle.get_label().split("\n")) for handle in handles]
    fitting = (n for n in range(min(columns, len(texts)), 1, -1) if _LETTER * _width(texts, n) <= room)
    axes.legend(
        handles=handles, loc="lower left", bbox_to_anchor=(0.0, 1.01), ncols=next(fitting, 1),
        borderaxespad=0.0, borderpad=0.2, handlelength=2.2, columnspacing=2.2,
    )  # fmt: skip


def _width(texts: Sequence[int], count: int) -> int:
    """Letters that a key takes in so many columns, which are filled from the top to the bottom."""
    return sum(max(part) + _SWATCH for part in np.array_split(texts, count))


def save(
    fig: Figure,
    path: Path,
    *,
    title: str,
    subtitle: str = "",
    below: str = "",
    names: Iterable[str] = (),
    colours: int | None = None,
) -> Path:
    """Write a figure under its finding, with a foot that says how to read it.

    Parameters
    ----------
    fig : Figure
    path : Path
        A PNG file; its folder is made. See `vectors`.
    title, subtitle, below : str
        The finding, what is shown, and the foot; broken into lines here.
    names : iterable of str
        Further texts on the plot. Characters that no font has are told in the foot.
    colours : int, optional
        Keep no more colours than these, for pictures that travel inside the page.
    """
    absent = missing([title, subtitle, *names])
    if absent:
        codes = ", ".join(f"U+{ord(char):04X}" for char in absent[:5]) + ("…" if len(absent) > 5 else "")
        below += " · " + _("no font here draws {codes}").format(codes=codes)
    width = fig.get_figwidth()
    told = [
        (wrap(title, int(7.6 * width)), 15.0, "bold", INK),
        (wrap(subtitle, int(11 * width)), 12.0, "normal", MUTED),
    ]
    lines = wrap(below, int(13.0 * width))
    # More lines than one of each make the figure taller, not its axes lower.
    sizes = [(text, size) for text, size, _weight, _colour in told] + [(lines, 9.5)]
    height = fig.get_figheight() + sum(text.count("\n") * _height(size) for text, size in sizes)
    fig.set_figheight(height)
    _wrap_labels(fig)
    left, top = 0.15, 0.14  # inches, as everything here
    for text, size, weight, colour in told:
        if text:
            fig.text(
                left / width, 1 - top / height, text, fontsize=size, fontweight=weight, color=colour,
                ha="left", va="top", linespacing=1.2,
            )  # fmt: skip
            top += (text.count("\n") + 1) * _height(size) + 0.05
    fig.text(left / width, 0.10 / height, lines, fontsize=9.5, color=MUTED, ha="left", va="bottom")
    bottom = 0.16 + (lines.count("\n") + 1) * _height(9.5)
    rect = (0.1 / width, bottom / height, 1 - 0.25 / width, 1 - (bottom + top + 0.06) / height)
    fig.set_layout_engine("constrained", rect=rect)
    if (figures := _kept.get()) is not None:
        figures.append(fig)
        return path
    path.parent.mkdir(exist_ok=True)
    _write(fig, path, colours)
    if _vectors.get():
        _write_vectors(fig, path.with_suffix(VECTOR))
    return path


def _wrap_labels(fig: Figure) -> None:
    """Break the labels of axes into lines as long as these."""
    for axes in fig.axes:
        place = axes.get_position()
        for axis, room in (
            (axes.xaxis, 10.5 * place.width * fig.get_figwidth()),
            (axes.yaxis, 8.5 * place.height * fig.get_figheight()),
        ):
            axis.set_label_text(wrap(axis.get_label_text(), int(room)))


def _height(size: float) -> float:
    """Inches that a line takes in letters of so many points."""
    return size * 1.35 / 72


def _write(fig: Figure, path: Path, colours: int | None) -> None:
    """Write a figure as PNG.

    `Figure.savefig` would lay it out in one drawing and draw it in a second one; and an opaque picture
    without its alpha channel takes half the time to compress.
    """
    fig.set_dpi(DPI)
    canvas: Any = FigureCanvasAgg(fig)
    canvas.draw()
    picture = Image.frombuffer("RGBA", canvas.get_width_height(), canvas.buffer_rgba(), "raw", "RGBA", 0, 1)
    picture = picture.convert("RGB")
    if colours is not None:
        picture = picture.quantize(colours, method=Image.Quantize.FASTOCTREE)
    picture.save(path, dpi=(DPI, DPI), compress_level=3 if colours is None else 9)


def _write_vectors(fig: Figure, path: Path) -> None:
    """Write a figure, laid out as its PNG, as SVG: the same bytes every time."""
    fig.set_layout_engine("none")
    for axes in fig.axes:  # the solver of the layout differs in the last digits, and names hang on them
        left, bottom, width, height = (round(place, 6) for place in axes.get_position().bounds)
        axes.set_position((left, bottom, width, height))
    fig.savefig(path, format="svg", metadata={"Date": None})


def of(stored: Stored, what: str) -> str:
    """Return what is shown, with the programme that it is of."""
    return _("{name}: {what}").format(name=clean(stored.summary["programme"]["name"]), what=what)


def foot(stored: Stored, *parts: str) -> str:
    """Return what stands below every plot."""
    summary = stored.summary
    count = int(summary["samples"])
    if stored.has_money:
        count = behind(summary)
    states = _("all inputs certain")
    if count > 1:
        states = _("{count} joint samples").format(count=number(count, 0))
    marks = () if summary["trusted"] else (_("NOT TRUSTED: a check failed"),)
    return " · ".join([*marks, *parts, states, _("before tax")])


_SCALES = ((1e9, N_("billion {currency}")), (1e6, N_("million {currency}")), (1e3, N_("thousand {currency}")))


def money_scale(largest: float, currency: str) -> tuple[float, str]:
    """Return a divisor and the unit for an axis of money up to `largest`."""
    code = clean(currency, 12)
    for divisor, unit in _SCALES:
        if largest >= 2 * divisor:
            return divisor, _(unit).format(currency=code)
    return 1.0, code
