"""Generates the pilot tables of the gallery: constructed data, each with a known truth.

Run ``python configs/generate_gallery.py`` and the same files come out, byte for byte. `TRUTH` says what a
forecast should find in them. The seed was chosen once, so now and then an interval misses its truth, as one
of 90 % must. `support-chatbot` has a generator of its own, and
`email-campaign` holds real counts.
"""

from __future__ import annotations

import csv
import datetime as dt
import sys
from collections.abc import Callable, Iterable, Iterator, Sequence
from pathlib import Path

import numpy as np

SEED = 20260101
ARMS = ("control", "treated")
CSAT, NPS = np.arange(1, 6), np.arange(11)
CSAT_CUTS = (-2.3, -1.4, -0.3, 1.1)
NPS_CUTS = (-3.6, -3.1, -2.7, -2.4, -2.1, -1.7, -1.4, -0.7, 0.2, 1.1)
SHIFT = 0.3
"""How much the log odds of every better answer rise under treatment."""


def chances(cuts: Sequence[float], shift: float) -> np.ndarray:
    """Return the chance of each point of a scale when answers are logistic."""
    return np.diff(1 / (1 + np.exp(shift - np.array([-np.inf, *cuts, np.inf]))))


def rated(cuts: Sequence[float], score: np.ndarray) -> tuple[float, float]:
    """Return the mean score under control, and its relative change."""
    control, treated = (float(chances(cuts, shift) @ score) for shift in (0.0, SHIFT))
    return control, treated / control - 1


TRUTH: dict[str, dict[str, dict[str, tuple[float, float]]]] = {
    # folder, outcome, segment: level under control (at first, where it moves), relative change by treatment
    "lead-generation": {
        "lead": {"all": (0.042, 0.10)},
        "customer": {"hot": (0.120, 0.20), "warm": (0.050, 0.16), "cold": (0.012, 0.12)},
    },
    "cart-recovery": {
        "recovered": {"all": (0.10, 0.30)},
        "revenue": {"all": (6.40, 1.30 * 0.96 - 1)},  # more carts come back, with smaller baskets
    },
    "per-resolution-chatbot": {
        "deflection": {"all": (0.0, 0.38)},  # the treated level itself: there is none without a bot
        "handling": {"all": (480.0, -0.09)},
    },
    "churn-programme": {"retention": {"all": (0.06, -0.35)}},  # level in the first month of tenure
    "satisfaction-kpi": {
        "csat": {"all": rated(CSAT_CUTS, CSAT)},
        "nps": {"all": rated(NPS_CUTS, 100 * (NPS >= 9) - 100 * (NPS <= 6))},
        "contacts": {"all": (0.42, -0.15)},
    },
    "before-after": {"cost_per_contact": {"all": (6.20, -0.14)}},  # against what would have been
    "difference-in-differences": {"purchases": {"North": (0.180, 0.09), "South": (0.150, 0.06)}},
}
type Row = Sequence[object]


def at(folder: str, outcome: str, segment: str = "all") -> tuple[float, float]:
    """Return the levels of both arms."""
    control, change = TRUTH[folder][outcome][segment]
    return control, control * (1 + change)


def mondays(first: dt.date, count: int) -> Iterator[str]:
    return ((first + dt.timedelta(weeks=week)).isoformat() for week in range(count))


def months(first: tuple[int, int], count: int) -> Iterator[str]:
    start = 12 * first[0] + first[1] - 1
    return (f"{month // 12}-{month % 12 + 1:02d}" for month in range(start, start + count))


def visitors(rng: np.random.Generator) -> Iterator[Row]:
    """Visits by month: 8 % growth a year, a season, and noise."""
    yield "month", "visitors"
    season = (0.9, 0.95, 1.1, 1.05, 1.0, 0.9, 0.75, 0.85, 1.1, 1.15, 1.2, 1.05)
    for i, month in enumerate(months((2024, 1), 36)):
        yield month, round(58_000 * 1.08 ** (i / 12) * season[i % 12] * np.exp(rng.normal(0, 0.03)))


def landing_page(rng: np.random.Generator) -> Iterator[Row]:
    yield "week", "arm", "visitors", "leads"
    for week in mondays(dt.date(2026, 9, 7), 12):
        for arm, rate in zip(ARMS, at("lead-generation", "lead"), strict=True):
            count = int(rng.poisson(6_000))
            yield week, arm, count, int(rng.binomial(count, rate))


def leads(rng: np.random.Generator) -> Iterator[Row]:
    """Leads scored when they came in, and how many of them had bought a quarter later."""
    yield "arm", "score_band", "leads", "customers"
    for band, share in (("hot", 0.20), ("warm", 0.35), ("cold", 0.45)):
        for arm, rate in zip(ARMS, at("lead-generation", "customer", band), strict=True):
            count = int(rng.poisson(4_000 * share))
            yield arm, band, count, int(rng.binomial(count, rate))


def carts(rng: np.random.Generator) -> Iterator[Row]:
    """Abandoned carts by week; amounts are lognormal, and sums of their logarithms keep what is needed."""
    yield "week", "arm", "trials", "payers", "log_total", "log_squared_total", "total", "squared_total"
    sigma = 0.7
    shares = at("cart-recovery", "recovered")
    means = [level / share for level, share in zip(at("cart-recovery", "revenue"), shares, strict=True)]
    for week in mondays(dt.date(2026, 3, 2), 8):
        for arm, share, mean in zip(ARMS, shares, means, strict=True):
            count = int(rng.poisson(1_200))
            paid = int(rng.binomial(count, share))
            amount = np.round(rng.lognormal(np.log(mean) - sigma**2 / 2, sigma, paid), 2)
            log = np.log(amount)
            sums = (log.sum(), (log**2).sum(), amount.sum(), (amount**2).sum())
            yield week, arm, count, paid, *(f"{value:.4f}" for value in sums)


def bot(rng: np.random.Generator) -> Iterator[Row]:
    yield "week", "contacts", "resolved_by_bot"
    _, rate = TRUTH["per-resolution-chatbot"]["deflection"]["all"]
    for week in mondays(dt.date(2026, 4, 6), 13):
        count = int(rng.poisson(420))
        yield week, count, int(rng.binomial(count, rate))


def agents(rng: np.random.Generator) -> Iterator[Row]:
    """Handle time by agent: agents differ, so that 5,000 contacts say less than they seem to."""
    yield "agent", "arm", "contacts", "mean_seconds", "sd_seconds"
    for i in range(48):
        arm = i % 2
        own = at("per-resolution-chatbot", "handling")[arm] * np.exp(rng.normal(-(0.12**2) / 2, 0.12))
        times = rng.gamma(2.2, own / 2.2, int(rng.poisson(160 if arm == 0 else 100)))
        yield f"A{i + 1:02d}", ARMS[arm], len(times), f"{times.mean():.2f}", f"{times.std(ddof=1):.2f}"


def hazard(tenure: int) -> float:
    """Return the monthly hazard of leaving, which falls with tenure."""
    first = TRUTH["churn-programme"]["retention"]["all"][0]
    return first * (0.5 + 0.5 * float(np.exp(-tenure / 8)))


def subscribers(rng: np.random.Generator) -> Iterator[Row]:
    """One row per customer; those who had joined before the pilot entered it at its launch."""
    yield "arm", "joined", "enrolled", "left"
    launch, last = dt.date(2025, 10, 1), dt.date(2026, 9, 30)
    change = TRUTH["churn-programme"]["retention"]["all"][1]
    rows = 0
    while rows < 400:
        arm = int(rng.integers(2))
        joined = launch + dt.timedelta(days=int(rng.integers(-900, 300)))
        left: dt.date | None = None
        for month in range(60):
            begin = joined + dt.timedelta(days=round(month * 30.4375))
            rate = hazard(month) * (1 + change if arm and begin >= launch else 1)
            if begin > last:
                break
            if rng.random() < -np.expm1(-rate):
                left = begin + dt.timedelta(days=int(rng.integers(30)))
                break
        if left is not None and left < launch:
            continue  # gone before the pilot began
        ended = left is not None and left <= last
        rows += 1
        yield ARMS[arm], joined, max(joined, launch), left if ended else ""


def stock(rng: np.random.Generator) -> Iterator[Row]:
    """Today's customers by completed months of tenure: what constant joining leaves alive."""
    yield "months", "customers"
    alive = 1.0
    for month in range(48):
        yield month, int(rng.poisson(380 * alive))
        alive *= 1 - hazard(month)


def answers(lowest: int, cuts: Sequence[float], count: int) -> Callable[..., Iterator[Row]]:
    def rows(rng: np.random.Generator) -> Iterator[Row]:
        yield "arm", "answer", "customers"
        for arm, shift in zip(ARMS, (0.0, SHIFT), strict=True):
            for i, given in enumerate(rng.multinomial(count, chances(cuts, shift))):
                yield arm, lowest + i, int(given)

    return rows


def contacts(rng: np.random.Generator) -> Iterator[Row]:
    """One row per customer: the months for which he was followed and how often he wrote."""
    yield "arm", "months", "contacts"
    for i in range(400):
        arm, followed = i % 2, int(rng.integers(3, 7))
        own = at("satisfaction-kpi", "contacts")[arm] * rng.gamma(2.0, 0.5)  # some write often
        yield ARMS[arm], followed, int(rng.poisson(own * followed))


def accounts(rng: np.random.Generator) -> Iterator[Row]:
    """Cost per contact by month: it drifts a little whatever is done, and drops with the launch."""
    yield "month", "contacts", "mean_cost", "sd_cost"
    level, change = TRUTH["before-after"]["cost_per_contact"]["all"]
    log = np.log(level)
    for i, month in enumerate(months((2025, 1), 22)):
        log += rng.normal(0, 0.008)
        mean = float(np.exp(log)) * (1 + change if i >= 18 else 1)
        cost = rng.gamma(1.8, mean / 1.8, int(rng.poisson(2_400)))
        yield month, len(cost), f"{cost.mean():.4f}", f"{cost.std(ddof=1):.4f}"


def stores(rng: np.random.Generator) -> Iterator[Row]:
    """Visitors and buyers by store and month: half of the stores got the assistant in month 9."""
    yield "store", "region", "arm", "month", "visitors", "buyers"
    season = rng.normal(0, 0.05, 12)
    for i in range(24):
        region, arm = ("North", "South")[i // 12], i % 2
        level, change = TRUTH["difference-in-differences"]["purchases"][region]
        # Stores that were chosen for the pilot sold better before: only their change can be compared.
        own = np.log(level) + rng.normal(0.08 * arm, 0.10)
        for j, month in enumerate(months((2025, 10), 12)):
            count = int(rng.poisson(1_500))
            log = own + season[j] + rng.normal(0, 0.02) + (np.log1p(change) if arm and j >= 8 else 0)
            yield f"S{i + 1:02d}", region, ARMS[arm], month, count, int(rng.binomial(count, np.exp(log)))


TABLES: dict[str, Callable[[np.random.Generator], Iterable[Row]]] = {
    "lead-generation/visitors.csv": visitors,
    "lead-generation/landing_page.csv": landing_page,
    "lead-generation/leads.csv": leads,
    "cart-recovery/carts.csv": carts,
    "per-resolution-chatbot/bot.csv": bot,
    "per-resolution-chatbot/agents.csv": agents,
    "churn-programme/subscribers.csv": subscribers,
    "churn-programme/stock.csv": stock,
    "satisfaction-kpi/csat.csv": answers(1, CSAT_CUTS, 900),
    "satisfaction-kpi/nps.csv": answers(0, NPS_CUTS, 700),
    "satisfaction-kpi/contacts.csv": contacts,
    "before-after/accounts.csv": accounts,
    "difference-in-differences/stores.csv": stores,
}


def main(home: Path) -> None:
    """Write every table under `home`."""
    for (name, make), seed in zip(
        TABLES.items(), np.random.SeedSequence(SEED).spawn(len(TABLES)), strict=True
    ):
        (home / name).parent.mkdir(exist_ok=True)
        with (home / name).open("w", encoding="utf-8", newline="") as file:
            csv.writer(file, lineterminator="\n").writerows(make(np.random.default_rng(seed)))


if __name__ == "__main__":
    main(Path(sys.argv[1]) if len(sys.argv) > 1 else Path(__file__).parent)
