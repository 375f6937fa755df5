"""The configs that are measured, and the pilot tables behind them."""

from __future__ import annotations

import csv
import datetime as dt
import shutil
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

COUNTRIES = {"DE": 0.30, "FR": 0.22, "ES": 0.18, "SE": 0.12, "NO": 0.10, "TH": 0.08}
OUTCOMES = 3
_MONTHS = 12
_FIRST, _LAST = dt.date(2025, 1, 1), dt.date(2025, 12, 31)


def pilot(folder: str, seed: int) -> None:
    """Write the job's config and its three tables: made up, with known effects and another chance each seed.

    Parameters
    ----------
    folder : str
    seed : int
        Of the data; their structure is the same for all.
    """
    import numpy as np

    place = Path(folder)
    place.mkdir(parents=True, exist_ok=True)
    shutil.copyfile(Path(__file__).with_name("job.toml"), place / "config.toml")
    rngs = [np.random.default_rng(child) for child in np.random.SeedSequence(seed).spawn(OUTCOMES)]
    _write(place / "visits.csv", ("variant", "country", "month", "sessions", "orders"), _visits(rngs[0]))
    _write(place / "cases.csv", ("variant", "country", "month", "minutes"), _cases(rngs[1]))
    header = ("variant", "country", "joined", "enrolled", "left")
    _write(place / "customers.csv", header, _customers(rngs[2]))


def _write(path: Path, header: Sequence[str], rows: Iterable[Sequence[object]]) -> None:
    with path.open("w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(header)
        writer.writerows(rows)


def _cells() -> Iterable[tuple[str, int, str, float, str]]:
    """Return arm, its number, country, share of the country and month of every cell."""
    for country, share in COUNTRIES.items():
        for treated, arm in enumerate(("human", "bot")):
            for month in range(_MONTHS):
                yield arm, treated, country, share, f"2025-{month + 1:02}"


def _visits(rng: Any) -> Iterable[Sequence[object]]:
    for arm, treated, country, share, month in _cells():
        trials = int(rng.poisson(16_000 * share))
        yield arm, country, month, trials, int(rng.binomial(trials, 0.03 * (1 + 0.06 * treated)))


def _cases(rng: Any) -> Iterable[Sequence[object]]:
    for arm, treated, country, share, month in _cells():
        for minutes in rng.gamma(2.2, 9.0 * (1 - 0.1 * treated) / 2.2, int(rng.poisson(1_000 * share))):
            yield arm, country, month, f"{minutes:.2f}"


def _customers(rng: Any) -> Iterable[Sequence[object]]:
    count = 0
    while count < 8_000:
        country = str(rng.choice(list(COUNTRIES), p=list(COUNTRIES.values())))
        treated = bool(rng.random() < 0.5)
        joined = _FIRST + dt.timedelta(days=int(rng.integers(-720, 330)))
        # Customers differ: those likely to leave do so early, and the hazard falls with tenure.
        days = float(rng.exponential(30.4375 / rng.gamma(2.0, 0.03)))
        before = max((_FIRST - joined).days, 0)
        if days < before:
            continue  # left before the pilot began
        if treated:
            days = before + (days - before) / 0.87
        left, enrolled = joined + dt.timedelta(days=int(days) + 1), max(joined, _FIRST)
        end = left.isoformat() if left <= _LAST else ""
        yield "bot" if treated else "human", country, joined.isoformat(), enrolled.isoformat(), end
        count += 1
