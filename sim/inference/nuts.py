"""nutpie, imported without the plots of ArviZ.

nutpie imports all of ArviZ, matplotlib too, for two functions that are `arviz_base`'s own. Given those
alone, every process that samples starts half a second sooner.
"""

from __future__ import annotations

import sys

import arviz_base

_found = sys.modules.setdefault("arviz", arviz_base)
try:
    import nutpie as nutpie  # noqa: PLC0414  # what this module is for
finally:
    if _found is arviz_base:
        del sys.modules["arviz"]
