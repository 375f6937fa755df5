"""How long a pilot ran, from the column that tells the time of each row."""

from __future__ import annotations

from dataclasses import replace

from sim.errors import ProblemsError
from sim.pilot.findings import row_problems, tally
from sim.pilot.layout import Field, Layout
from sim.pilot.source import Source

DAYS_PER_MONTH = 365 / 12
_UNITS = {"month": 1.0, "week": 7 / DAYS_PER_MONTH, "day": 1 / DAYS_PER_MONTH}
_YEAR_MONTH = r"^[0-9]{4}[-/.][0-9]{2}$"


def months(source: Source, layout: Layout, header: str) -> float | None:
    """Return the length of the pilot in months, or None where the column does not say.

    Dates: from the first day to the last, both included; where all are first days of months, each
    stands for its whole month. ``2025-03`` and the like: from the first month to the last.
    Anything else: the number of distinct values, if the header names a month, week or day.

    Raises
    ------
    ProblemsError
        When the column holds dates that cannot be read one way only.
    """
    field = Field(header, "date", "date")
    layout = replace(layout, fields=(field,), segment=None).known().styled(source)
    table = layout.typed(source)
    text, day = table["_x0"], table["date"]
    found = source.run(
        table.aggregate(
            filled=text.count(),
            bad=table["_bad0"].cast("int64").sum(),
            year_months=text.re_search(_YEAR_MONTH).cast("int64").sum(),
            distinct=text.nunique(),
            first=day.min(),
            last=day.max(),
            firsts=(day.day() == 1).cast("int64").sum(),
            low=text.left(4).concat(text.right(2)).min(),
            high=text.left(4).concat(text.right(2)).max(),
        )
    ).to_pylist()[0]
    if not found["filled"]:
        return None
    if not found["bad"]:
        first, last = found["first"], found["last"]
        if found["firsts"] == found["filled"]:
            return float(12 * (last.year - first.year) + last.month - first.month + 1)
        return float((last - first).days + 1) / DAYS_PER_MONTH
    if found["bad"] < found["filled"] or layout.fields[0].style not in ("iso", ""):
        raise ProblemsError(*row_problems(source, layout, (), tally(source, layout, (), _arms(layout))))
    if found["year_months"] == found["filled"]:
        low, high = (12 * int(found[name][:4]) + int(found[name][4:]) for name in ("low", "high"))
        return float(high - low + 1)
    unit = next((size for word, size in _UNITS.items() if word in header.casefold()), None)
    return None if unit is None else found["distinct"] * unit


def _arms(layout: Layout) -> int:
    return max(layout.labels.values(), default=0) + 1
