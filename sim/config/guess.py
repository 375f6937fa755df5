"""What a table that nobody has described is about: which column tells the arm, the segment, what happened.

Only names and values are looked at, and whatever is concluded is told with its reason: the config that is
written from it is read and mended by a person.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

from sim.config.vocabulary import WORDS
from sim.records.look import ColumnLook, Look, Value


@dataclass(frozen=True, slots=True)
class Outcome:
    """One outcome that a table seems to hold.

    Parameters
    ----------
    name, model : str
    columns : tuple of (role, header)
    reason : str
        Why these columns.
    arms : {"both", "control", "treated"}
        Of which arms the table tells it.
    size : float
        Units in the table, all arms.
    extra : tuple of (key, TOML)
        Settings of the model.
    """

    name: str
    model: str
    columns: tuple[tuple[str, str], ...]
    reason: str
    arms: str = "both"
    size: float = 0.0
    extra: tuple[tuple[str, str], ...] = ()


@dataclass(frozen=True, slots=True)
class Arm:
    """The column of the arms, and which value is which."""

    header: str
    control: str
    treated: tuple[str, ...]
    reason: str
    sure: bool = True


@dataclass(slots=True)
class Guess:
    """What a table seems to be about.

    Parameters
    ----------
    arm : Arm or None
        None where no column tells two groups apart.
    segment, cluster, period : str or None
        Headers.
    outcomes : list of Outcome
        In order of money: the first carries it.
    notes : list of str
        What was seen and not used, in sentences.
    """

    arm: Arm | None = None
    segment: str | None = None
    cluster: str | None = None
    period: str | None = None
    outcomes: list[Outcome] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)

    @property
    def taken(self) -> set[str]:
        """Headers that tell where or when, and not what happened."""
        arm = self.arm.header if self.arm else None
        return {name for name in (arm, self.segment, self.cluster, self.period) if name}


def words(text: str) -> list[str]:
    """Return the words of a header or a value.

    Examples
    --------
    >>> words("No E-Mail"), words("resolvedByBot"), words("mean_seconds")
    (['no', 'e', 'mail'], ['resolved', 'by', 'bot'], ['mean', 'seconds'])
    """
    spaced = re.sub(r"(?<=[a-zà-ÿ0-9])(?=[A-Z])", " ", text)
    return [word for word in re.split(r"[\W_]+", spaced.casefold()) if word]


def named(text: str, known: Iterable[str]) -> bool:
    """Tell whether a word of a text, or its plural, is among known ones."""
    wanted = set(known)
    return any(word in wanted or word.removesuffix("s") in wanted for word in words(text))


def find_arm(look: Look) -> Arm | None:
    """Return the column that tells the arms: by its name, or because its values name a control group."""
    best: tuple[int, ColumnLook] | None = None
    for column in look.columns.values():
        if not 2 <= len(column.values) <= 8 or column.filled < look.rows:
            continue
        texts = [value.text for value in column.values]
        called, controls = named(column.header, WORDS["ARMS"]), sum(_is_control(text) for text in texts)
        told = controls == 1 and not (column.is_number or column.is_flag)
        treated = sum(text.casefold() in WORDS["TREATED"] for text in texts)
        if not (called or (told and (treated or len(texts) == 2))):
            continue
        score = 4 * called + 2 * told + (treated > 0) + (len(texts) == 2) + (column.header in WORDS["ARMS"])
        if best is None or score > best[0]:
            best = score, column
    if best is None:
        return None
    column = best[1]
    texts = [value.text for value in column.values]
    controls_ = [text for text in texts if _is_control(text)]
    sure = len(controls_) == 1
    control = controls_[0] if controls_ else min(texts)
    treated_ = tuple(sorted(text for text in texts if text != control))
    reason = f'"{column.header}" holds {len(texts)} groups'
    if sure:
        reason += f', and "{control}" reads like the one without'
    return Arm(column.header, control, treated_, reason, sure)


def _is_control(text: str) -> bool:
    folded = text.casefold()
    found = words(text)
    return folded in WORDS["CONTROLS"] or (
        bool(found) and (found[0] in {"no", "not", "without"} or "control" in found)
    )


def find_segment(look: Look, taken: set[str]) -> tuple[str | None, list[str]]:
    """Return the column of the segments, and others that might be."""
    fitting = [
        column.header
        for column in look.columns.values()
        if column.header not in taken
        and 2 <= len(column.values) <= 12
        and column.filled == look.rows
        and not (column.is_number or column.is_flag or column.is_date or column.months)
        and not named(column.header, WORDS["PERIODS"])
        and "yes" not in {value.text.casefold() for value in column.values}  # "no" alone may be Norway
    ]
    called = [header for header in fitting if named(header, WORDS["SEGMENTS"])]
    best = next(iter(called), None) or next(iter(fitting), None)
    return best, [header for header in fitting if header != best]


def find_period(look: Look) -> str | None:
    """Return the column that tells when: months or days, by its name or because no other is a day."""
    timed = [c.header for c in look.columns.values() if c.months or c.is_date]
    called = [h for h in timed if named(h, WORDS["PERIODS"])]
    return called[0] if called else None


def find_cluster(look: Look, arm: Arm | None, beside: Sequence[Value], taken: set[str]) -> str | None:
    """Return the column of agents, stores and the like, each of them in one arm only."""
    for column in look.columns.values():
        name = column.header
        if arm is None or name in taken or not named(name, WORDS["OBSERVED"]) or column.filled < look.rows:
            continue
        if sum(value.different.get(name, 0) for value in beside) == column.different >= 10:
            return name
    return None


def find_dates(look: Look) -> dict[str, str] | None:
    """Return the columns of a customer's first and last day, where there are any."""
    days = [column for column in look.columns.values() if column.is_date]
    start = next((c.header for c in days if named(c.header, WORDS["STARTS"])), None)
    end = next((c.header for c in days if named(c.header, WORDS["ENDS"]) and c.header != start), None)
    if start is None or end is None:
        return None
    entry = next(
        (c.header for c in days if named(c.header, WORDS["ENTRIES"]) and c.header not in (start, end)), None
    )
    return {"start": start} | ({"entry": entry} if entry else {}) | {"end": end}
