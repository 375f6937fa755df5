"""Room of sim: reads pilot tables and reduces them to sufficient statistics by arm and segment.

Files of any supported format become one relation of the embedded engine; cells are parsed strictly
there, rows are grouped there, and only the groups come back.
"""

from __future__ import annotations

from sim.pilot.checks import missing_rows, sample_ratio
from sim.pilot.series import read_column
from sim.pilot.source import fingerprint
from sim.pilot.summary import Pilot, read

__all__ = ["Pilot", "fingerprint", "missing_rows", "read", "read_column", "sample_ratio"]
