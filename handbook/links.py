"""Links of the documentation that lead nowhere: pages, anchors and pictures."""

from __future__ import annotations

import re
from pathlib import Path

_CODE = re.compile(r"^(```|~~~).*?^\1", re.MULTILINE | re.DOTALL)
_INLINE = re.compile(r"`[^`\n]*`")
_LINK = re.compile(r"\]\(([^)\s]+)\)")
_HEADING = re.compile(r"^#+ (.+)$", re.MULTILINE)


def anchors(text: str) -> set[str]:
    r"""Return the anchors of a page's headings, as the site makes them.

    >>> sorted(anchors("# From A to B, at once!\n\n## `x` y"))
    ['from-a-to-b-at-once', 'x-y']
    """
    found: set[str] = set()
    for heading in _HEADING.findall(_CODE.sub("", text)):
        words = re.sub(r"[^\w\s-]", "", heading.replace("`", "").lower()).strip()
        found.add(re.sub(r"[\s-]+", "-", words))
    return found


def broken(pages: list[Path]) -> list[str]:
    """Return ``page: link`` for every relative link whose file or anchor is not there."""
    lost: list[str] = []
    for page in pages:
        text = page.read_text("utf-8")
        for link in _LINK.findall(_INLINE.sub("", _CODE.sub("", text))):
            if re.match(r"[a-z]+:", link):
                continue
            name, _, anchor = link.partition("#")
            target = page.parent / name if name else page
            if not target.exists() or (anchor and anchor not in anchors(target.read_text("utf-8"))):
                lost.append(f"{page.name}: {link}")
    return lost
