"""Generates the pilot of the support-chatbot example: constructed data with a known truth.

No public randomised trial measures conversion, deflection, handle time and retention of one
chatbot, so these tables are made up: run ``python generate.py`` in this folder and the same
files come out, byte for byte. The truth is in `TRUTH`; the forecast should find it.
"""

from __future__ import annotations

import csv
import datetime as dt
from pathlib import Path

import numpy as np

SEED = 20260101
COUNTRIES = {"Deutschland": 0.5, "France": 0.3, "Norge": 0.2}
LAUNCH, AS_OF = dt.date(2026, 1, 1), dt.date(2026, 6, 30)
TRUTH = {
    # orders per session, human arm, and its relative change with the bot
    "checkout": {"Deutschland": (0.031, 0.07), "France": (0.027, 0.05), "Norge": (0.035, 0.09)},
    # share of contacts that the bot resolves
    "deflection": {"Deutschland": 0.34, "France": 0.28, "Norge": 0.38},
    # mean handle time of what people answer, seconds, and its relative change with the bot
    "handling": {"Deutschland": (540.0, -0.12), "France": (600.0, -0.10), "Norge": (500.0, -0.14)},
    # monthly hazard of leaving in the first month of tenure, and its relative change with the bot
    "retention": {"Deutschland": (0.060, -0.14), "France": (0.066, -0.12), "Norge": (0.052, -0.16)},
}


def write(name: str, header: list[str], rows: list[list[object]]) -> None:
    with (Path(__file__).parent / name).open("w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(header)
        writer.writerows(rows)


def month_of(day: dt.date) -> str:
    return day.strftime("%Y-%m")


def pick(rng: np.random.Generator) -> tuple[str, str]:
    country = str(rng.choice(list(COUNTRIES), p=list(COUNTRIES.values())))
    return country, "bot" if rng.random() < 0.5 else "human"


def sessions(rng: np.random.Generator) -> None:
    """Web sessions and orders by week: visitors were shown the bot or not."""
    rows: list[list[object]] = []
    for week in range(26):
        day = LAUNCH + dt.timedelta(weeks=week)
        for country, share in COUNTRIES.items():
            rate, lift = TRUTH["checkout"][country]
            for variant, p in (("human", rate), ("bot", rate * (1 + lift))):
                trials = int(rng.poisson(7_500 * share))
                rows.append([variant, country, day.isoformat(), trials, int(rng.binomial(trials, p))])
    write("constructed_sessions.csv", ["variant", "country", "week", "sessions", "orders"], rows)


def contacts(rng: np.random.Generator) -> None:
    """One row per contact: resolved by the bot, or answered by a person in so many seconds."""
    rows: list[list[object]] = []
    days = (AS_OF - LAUNCH).days + 1
    for _ in range(9_000):
        country, variant = pick(rng)
        day = LAUNCH + dt.timedelta(days=int(rng.integers(days)))
        mean, change = TRUTH["handling"][country]
        resolved = variant == "bot" and rng.random() < TRUTH["deflection"][country]
        mean *= 1 + change if variant == "bot" else 1
        seconds = "" if resolved else f"{rng.gamma(2.2, mean / 2.2):.0f}"
        flag = "" if variant == "human" else int(resolved)
        rows.append([variant, country, month_of(day), flag, seconds])
    write(
        "constructed_contacts.csv", ["variant", "country", "month", "resolved_by_bot", "handle_seconds"], rows
    )


def subscribers(rng: np.random.Generator) -> None:
    """One row per customer: randomised at launch, or when joining after it."""
    rows: list[list[object]] = []
    while len(rows) < 7_000:
        country, variant = pick(rng)
        joined = LAUNCH + dt.timedelta(days=int(rng.integers(-720, 180)))
        hazard, change = TRUTH["retention"][country]
        # Customers differ: those likely to leave do so early, and the hazard falls with tenure.
        own = rng.gamma(2.0, hazard / 2.0)
        days_untreated = float(rng.exponential(30.4375 / own))
        if joined < LAUNCH and days_untreated < (LAUNCH - joined).days:
            continue  # left before the pilot began
        if variant == "bot":
            before = max((LAUNCH - joined).days, 0)
            days_untreated = before + (days_untreated - before) / (1 + change)
        left = joined + dt.timedelta(days=int(days_untreated) + 1)
        entry = max(joined, LAUNCH)
        end = left.isoformat() if left <= AS_OF else ""
        rows.append([variant, country, joined.isoformat(), entry.isoformat(), end])
    write("constructed_subscribers.csv", ["variant", "country", "joined", "enrolled", "left"], rows)


def main() -> None:
    root = np.random.SeedSequence(SEED)
    for make, seed in zip((sessions, contacts, subscribers), root.spawn(3), strict=True):
        make(np.random.default_rng(seed))


if __name__ == "__main__":
    main()
