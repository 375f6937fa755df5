"""One look for every plot: fonts for all scripts, colours that survive grey, titles that say the finding."""

from __future__ import annotations

import contextlib
import importlib
import io
import logging
import sys
import warnings
from collections.abc import Iterable, Iterator
from contextvars import ContextVar
from functools import cache
from pathlib import Path
from typing import Any

import matplotlib as mpl
from cycler import cycler

if "matplotlib.pyplot" not in sys.modules:
    # ArviZ draws through pyplot; files need no window. A notebook that has chosen its backend keeps it.
    mpl.use("Agg")

from matplotlib import font_manager
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.ft2font import FT2Font
from matplotlib.ticker import FuncFormatter
from PIL import Image

from sim.report.names import clean, wrap
from sim.report.stored import Stored
from sim.report.words import behind, number

INK, MUTED, GRID = "#1b2733", "#5b6775", "#dfe4ea"
MAIN, MIDDLE, PALE = "#1f5a93", "#7fa8d1", "#cfdff0"
LOSS = "#b5442e"
DPI = 150
FEW = 24
"""Colours of a drawing with a handful of hues and the shades at their edges."""

_BUNDLED = {
    "noto_cjk_sans_otc": "NotoSansCJK-Regular.ttc",
    "fontpkg_noto_sans_thai": "files/NotoSansThai[wdth,wght].ttf",
}
# DejaVu comes with matplotlib and has Latin, Greek, Cyrillic and more; the next two are dependencies;
# the rest are used where the system has them.
_FAMILIES = (
    "DejaVu Sans",
    "Noto Sans CJK SC",
    "Noto Sans Thai",
    "Noto Sans Devanagari",
    "Noto Sans Bengali",
    "Noto Sans Tamil",
    "Noto Sans Khmer",
    "Noto Sans Lao",
    "Noto Sans Myanmar",
    "Microsoft YaHei",
    "PingFang SC",
    "Leelawadee UI",
    "Thonburi",
    "Nirmala UI",
    "Arial Unicode MS",
)


@cache
def families() -> tuple[str, ...]:
    """Return the font families that are there, first choice first."""
    for package, file in _BUNDLED.items():
        with contextlib.suppress(ImportError, OSError):
            root = Path(str(importlib.import_module(package).__file__)).parent
            font_manager.fontManager.addfont(root / file)
    known = {entry.name for entry in font_manager.fontManager.ttflist}
    return tuple(name for name in _FAMILIES if name in known)


@cache
def _drawable(family: str) -> frozenset[int]:
    """Code points for which a font has a glyph."""
    path = font_manager.findfont(family, fallback_to_default=False)
    return frozenset(FT2Font(path, face_index=getattr(path, "face_index", 0)).get_charmap())


def missing(texts: Iterable[str]) -> str:
    """Return the characters of the texts that no font can draw."""
    left = {ord(char) for text in texts for char in text} - {ord("\n")}
    for family in families():
        if left:  # the fonts of large scripts take a while to look through
            left -= _drawable(family)
    return "".join(map(chr, sorted(left)))


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


@contextlib.contextmanager
def kept() -> Iterator[list[Figure]]:
    """Collect the figures that are saved inside a block, in place of writing them to files."""
    figures: list[Figure] = []
    token = _kept.set(figures)
    try:
        yield figures
    finally:
        _kept.reset(token)


def figure(size: tuple[float, float] = (9.0, 5.4)) -> Figure:
    """Open a figure that draws to a file, without pyplot."""
    fig = Shown(figsize=size, layout="constrained")
    FigureCanvasAgg(fig)
    return fig


def legend(axes: Axes, handles: list[Any], columns: int = 2) -> None:
    """Put the key above the axes, where it covers nothing."""
    axes.legend(
        handles=handles, loc="lower left", bbox_to_anchor=(0.0, 1.01), ncols=columns, borderaxespad=0.0,
        borderpad=0.2, handlelength=2.2, columnspacing=2.2,
    )  # fmt: skip


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
        A PNG file; its folder is made.
    title, subtitle, below : str
        The finding, what is shown, and the foot; broken into lines here.
    names : iterable of str
        Further texts on the plot. Characters that no font has are told in the foot.
    colours : int, optional
        Keep no more colours than these, for pictures that travel inside the page.
    """
    absent = missing([title, subtitle, *names])
    if absent:
        below += f" · no font here draws {', '.join(f'U+{ord(char):04X}' for char in absent[:5])}"
        below += "…" if len(absent) > 5 else ""
    width, height = fig.get_figwidth(), fig.get_figheight()
    left, top = 0.15, 0.14  # inches, as everything here
    for text, size, weight, colour, per_inch in (
        (title, 15, "bold", INK, 7.6),
        (subtitle, 12, "normal", MUTED, 10.5),
    ):
        if text:
            lines = wrap(text, int(per_inch * width))
            fig.text(
                left / width, 1 - top / height, lines, fontsize=size, fontweight=weight, color=colour,
                ha="left", va="top", linespacing=1.2,
            )  # fmt: skip
            top += (lines.count("\n") + 1) * size * 1.35 / 72 + 0.05
    lines = wrap(below, int(13.0 * width))
    fig.text(left / width, 0.10 / height, lines, fontsize=9.5, color=MUTED, ha="left", va="bottom")
    bottom = 0.16 + (lines.count("\n") + 1) * 9.5 * 1.35 / 72
    rect = (0.1 / width, bottom / height, 1 - 0.25 / width, 1 - (bottom + top + 0.06) / height)
    fig.set_layout_engine("constrained", rect=rect)
    if (figures := _kept.get()) is not None:
        figures.append(fig)
        return path
    path.parent.mkdir(exist_ok=True)
    _write(fig, path, colours)
    return path


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


def foot(stored: Stored, *parts: str) -> str:
    """Return what stands below every plot."""
    summary = stored.summary
    count = int(summary["samples"])
    if stored.has_money:
        count = behind(summary)
    states = "all inputs certain" if count <= 1 else f"{count:,} joint samples"
    marks = () if summary["trusted"] else ("NOT TRUSTED: a check failed",)
    return " · ".join([*marks, *parts, states, "before tax"])


def money_scale(largest: float, currency: str) -> tuple[float, str]:
    """Return a divisor and the unit for an axis of money up to `largest`."""
    code = clean(currency, 12)
    for divisor, word in ((1e9, "billion "), (1e6, "million "), (1e3, "thousand ")):
        if largest >= 2 * divisor:
            return divisor, f"{word}{code}"
    return 1.0, code


def ticks(divisor: float = 1.0) -> FuncFormatter:
    """Format ticks with thousands separators."""

    def label(value: float, _: int) -> str:
        shown = value / divisor
        return number(shown, 0 if float(shown).is_integer() else 2)

    return FuncFormatter(label)
