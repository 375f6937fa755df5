"""Fonts for every script in which names and languages are written."""

from __future__ import annotations

import contextlib
import importlib
from collections.abc import Iterable
from functools import cache
from pathlib import Path

from matplotlib import font_manager
from matplotlib.ft2font import FT2Font

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
