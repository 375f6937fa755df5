"""After a launch: what was measured against the forecast, and the forecast with it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from sim.engine.fit import Progress
from sim.engine.study import Study, fit_checks
from sim.engine.summary import month_start
from sim.engine.track_cell import CHANCE, Cell, total
from sim.engine.track_compare import CUMULATIVE, compare, so_far
from sim.engine.track_revise import Learnt, learn, level_blocks, money_blocks, revised
from sim.engine.track_table import Actuals
from sim.engine.world import Strategy
from sim.records.arrays import FloatArray
from sim.records.estimate import standard_error

type Block = dict[str, Any]

_COURSE = (0.05, 0.5, 0.95)


def track(
    study: Study,
    actuals: Actuals,
    strategy: str,
    *,
    refit: bool = False,
    allow_untrusted: bool = False,
    progress: Progress | None = None,
) -> Block:
    """Return the comparison of actual months with the forecast, and the revised forecast.

    Parameters
    ----------
    study : Study
        The forecast.
    actuals : Actuals
    strategy : str
        The launched arm.
    refit : bool
        Sample the revised fits anew.
    allow_untrusted : bool
        Give figures of a revised fit whose checks fail.
    progress : callable or None

    Returns
    -------
    dict
        ``rows``, ``streams`` (the total of each, and where it left its band first), ``outside`` (how many
        values did, against how many do by chance), ``so_far``, ``original``, ``revised``, ``change``,
        ``outcomes``, ``fits``, ``course``, ``notes``.
    """
    world = study.world
    before = world.strategy(strategy)
    cells = compare(world, before, actuals)
    learnt = learn(world, actuals, strategy, study.store, refit=refit, progress=progress)
    failed = [check.name for check in fit_checks(learnt.fits) if check.status == "fail"]
    start = world.plan.start
    rows = [
        {**cell.row(), "date": None if start is None else month_start(start, cell.month).isoformat()}
        for cell in cells
    ]
    whole = so_far(before, actuals.money)
    found: Block = {
        "strategy": strategy,
        "currency": world.plan.currency,
        "horizon": world.plan.horizon,
        "samples": world.n,
        "trusted": study.trusted and not failed,
        "failed": failed,
        "last": actuals.last,
        "rows": rows,
        "streams": _streams(cells),
        "outside": outside([cell for cell in cells if cell.kind != "sum"]),
        "so_far": None if whole is None else {**whole.row(), **_tail(whole)},
        "fits": {
            name: {"key": fit.key, "months": list(learnt.months.get(name, ()))}
            for name, fit in learnt.fits.items()
        },
        "notes": _notes(actuals, before, learnt),
        "original": None,
        "revised": None,
        "change": None,
        "outcomes": {},
        "course": [],
    }
    if failed and not allow_untrusted:
        return found
    later, after = revised(world, learnt, actuals, strategy)
    found["outcomes"] = level_blocks(before, after, list(actuals.data))
    if not (before.ledger.benefits or before.ledger.costs):  # KPIs alone
        return found
    original, again, change = money_blocks((world, before), (later, after), actuals.last)
    course = _course(before, after)
    return found | {"original": original, "revised": again, "change": change, "course": course}


def outside(cells: Sequence[Cell]) -> Block:
    """Return how many values left their 90 % band, and how many do so by chance.

    The same states of the world lie behind all months, so that values leave their bands together and no
    binomial holds: ``probability`` is the share of the forecast's own states in which as many or more of the
    same values lie outside.

    Parameters
    ----------
    cells : sequence of Cell
    """
    unsure = [cell for cell in cells if np.ptp(cell.drawn) > 0]
    count = sum(cell.outside for cell in cells)
    among = sum(cell.outside for cell in unsure)
    probability = None
    if unsure:
        rows = max(cell.drawn.size for cell in unsure)
        each = np.zeros(rows)
        for cell in unsure:
            low, high = np.quantile(cell.drawn, [CHANCE / 2, 1 - CHANCE / 2])
            each = each + ((cell.drawn < low) | (cell.drawn > high))
        probability = float((each >= among).mean())
    return {
        "values": len(cells),
        "outside": count,
        "certain": len(cells) - len(unsure),
        "expected": CHANCE * len(unsure),
        "probability": probability,
    }


def _streams(cells: Sequence[Cell]) -> list[Block]:
    """Return each stream over all its months: where its total ranks, and when a month left its band first.

    The total is held against the totals of the same months in the same joint states, which is the verdict;
    months one by one leave their bands together where one unknown moves all of them.
    """
    by_stream: dict[str, list[Cell]] = {}
    for cell in cells:
        if cell.stream != CUMULATIVE:
            by_stream.setdefault(cell.stream, []).append(cell)
    found = []
    for months in by_stream.values():
        out = [cell for cell in months if cell.outside]
        first = out[0] if out else None
        row = total(months).row()
        row["beyond"] = row.pop("outside")
        found.append(
            row
            | {
                "months": len(months),
                "outside": len(out),
                "first": None if first is None else first.month,
                "side": None if first is None else "above" if first.above else "below",
            }
        )
    return found


def _tail(cell: Cell) -> Block:
    """Return the verdict on a sum over months: its rank among the joint states of the forecast."""
    below = (cell.drawn <= cell.actual).astype(np.float64)
    return {"certain": bool(np.ptp(cell.drawn) == 0), "probability_mcse": float(standard_error(below))}


def _course(before: Strategy, after: Strategy) -> list[Block]:
    """Return the cumulative net by month in both forecasts, undiscounted."""
    paths: Mapping[str, FloatArray] = {
        word: (strategy.benefit - strategy.cost).cumsum(axis=1)
        for word, strategy in (("original", before), ("revised", after))
    }
    quantiles = {word: np.quantile(path, _COURSE, axis=0) for word, path in paths.items()}
    return [
        {"month": month}
        | {
            f"{word}_p{round(100 * level):02d}": float(values[i, month])
            for word, values in quantiles.items()
            for i, level in enumerate(_COURSE)
        }
        for month in range(before.benefit.shape[1])
    ]


def _notes(actuals: Actuals, before: Strategy, learnt: Learnt) -> list[str]:
    notes = []
    if actuals.money or actuals.volumes:
        notes.append(
            "bands of money and volumes hold what the forecast was unsure of, not how much one month differs "
            "from the next by chance: where few cases decide a month, more values leave them"
        )
    if learnt.months:
        notes.append(
            f"data of {', '.join(learnt.months)} joined the treated arm of the pilot: without a control "
            "group since the launch, all that changed is ascribed to the treatment; they must be of treated "
            "customers alone, in the months of a ramp as well"
        )
    for name, months in learnt.left_out.items():
        notes.append(
            f"data of {name} in {_months(months)} are compared only: transfer or fading lets a part of the "
            "effect arrive then, which says nothing sure of the pilot's level; to take it as the whole "
            "effect, set rollout.transfer = 1"
        )
    spent = float(np.abs(before.cost[:, 0] - before.benefit[:, 0]).max())
    if actuals.last and spent and not any(0 in by_month for by_month in actuals.money.values()):
        notes.append("month 0 is not in the table: what the forecast paid then stands")
    if before.ledger.benefits or before.ledger.costs:
        notes.append(
            "to stop is taken to cost nothing more and to keep nothing; what was spent until "
            f"month {actuals.last} is the same either way"
        )
    return notes


def _months(months: Sequence[int]) -> str:
    return f"month{'s' if len(months) > 1 else ''} {', '.join(map(str, months))}"
