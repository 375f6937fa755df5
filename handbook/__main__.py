"""``python -m handbook`` writes docs/reference.

With ``gallery`` it runs every example for the gallery first, with ``catalogues`` it takes the texts of the
code into the catalogues of the other languages.
"""

from __future__ import annotations

import sys

from handbook.pages import stale, write

if __name__ == "__main__":
    if sys.argv[1:] == ["gallery"]:
        from handbook.gallery import build

        build()
    if sys.argv[1:] == ["catalogues"]:
        from handbook.catalogues import update

        for line in update():
            print(line)
    for path in stale():
        print(f"writing {path}")
    write()
