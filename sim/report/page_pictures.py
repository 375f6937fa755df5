"""Pictures of fits, as they travel inside the page."""

from __future__ import annotations

import base64

from sim.report.names import clean
from sim.report.stored import Stored
from sim.report.write import file_name

_ROOM = 2_100_000
"""Characters that pictures and samples may take in the page, which then stays under 3 MB."""
_KINDS = ("prior", "predictive", "posterior")


def pictures(stored: Stored, taken: int = 0) -> list[tuple[str, str, str | None]]:
    """Return outcome, file name and data address of each picture of a fit, None where there is no room.

    Parameters
    ----------
    stored : Stored
    taken : int
        Characters that the samples take.
    """
    names = {file_name(name): name for name in stored.summary["outcomes"]}
    found: list[tuple[str, str, str | None]] = []
    for kind in _KINDS:
        for file in sorted((stored.path / "plots").glob(f"{kind}_*.png")):
            stem = file.stem.removeprefix(f"{kind}_")
            text, address = base64.b64encode(file.read_bytes()).decode("ascii"), None
            if taken + len(text) <= _ROOM:
                taken += len(text)
                address = f"data:image/png;base64,{text}"
            found.append((clean(names.get(stem, stem)), file.name, address))
    return found
