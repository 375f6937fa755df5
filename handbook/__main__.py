"""``python -m handbook`` writes docs/reference; with ``gallery`` it runs every example for the gallery."""

from __future__ import annotations

import sys

from handbook.pages import stale, write

if __name__ == "__main__":
    if sys.argv[1:] == ["gallery"]:
        from handbook.gallery import build

        build()
    for path in stale():
        print(f"writing {path}")
    write()
