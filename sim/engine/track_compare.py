"""Actual months against what the forecast said of them."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from sim.engine.track_cell import Cell
from sim.engine.track_data import data_cells
from sim.engine.track_revise import is_known
from sim.engine.track_table import Actuals, ByMonth
from sim.engine.world import Strategy, World
from sim.records.arrays import FloatArray
from sim.records.quantity import quoted
from sim.records.summary import ALL

CUMULATIVE = "cumulative"
"""Stream of the nets added up month by month."""


def compare(world: World, strategy: Strategy, actuals: Actuals) -> list[Cell]:
    """Return every measured value with its forecast, in the order of months.

    Money and volumes are held against the run's own samples: they hold what is uncertain, not how much one
    month differs from the next by chance. Data of treated customers are held against data simulated from the
    fit for as many units, chance included.

    Parameters
    ----------
    world : World
        The forecast.
    strategy : Strategy
        The launched arm in it.
    actuals : Actuals
    """
    cells = _money(strategy, actuals.money)
    cells += _sums(strategy, actuals.money)
    for name, by_month in actuals.volumes.items():
        units = world.driver(name, (ALL,), np.ones(1)).sum(axis=1)
        path = f"volumes.{quoted(name)}"
        cells += [Cell(path, "volume", m, value, units[:, m - 1]) for m, value in by_month.items()]
    for name, seen in actuals.data.items():
        cells += data_cells(world, strategy, name, seen)
    return sorted(cells, key=lambda cell: cell.month)


def _money(strategy: Strategy, money: Mapping[str, ByMonth]) -> list[Cell]:
    flows = {**strategy.ledger.benefits, **strategy.ledger.costs, **_totals(strategy)}
    return [
        Cell(name, "money", month, amount, flows[name][:, month])
        for name, by_month in money.items()
        for month, amount in by_month.items()
    ]


def _totals(strategy: Strategy) -> dict[str, FloatArray]:
    return {
        "benefit": strategy.benefit,
        "cost": strategy.cost,
        "net": strategy.benefit - strategy.cost,
    }


def _sums(strategy: Strategy, money: Mapping[str, ByMonth]) -> list[Cell]:
    """Return the net of each month of which both sides are known, and the sum of these nets so far."""
    nets = dict(money.get("net", {}))
    cells = []
    for month in sorted({month for by_month in money.values() for month in by_month}):
        sides = (_side(strategy, money, side, month) for side in ("benefit", "cost"))
        if month not in nets and all(is_known(strategy, money, s, month) for s in ("benefit", "cost")):
            benefit, cost = (actual for actual, _ in sides)
            nets[month] = benefit - cost
            cells.append(Cell("net", "sum", month, nets[month], _totals(strategy)["net"][:, month]))
    months = sorted(nets)
    for i, month in enumerate(months):
        there = months[: i + 1]
        drawn = _totals(strategy)["net"][:, there].sum(axis=1)
        cells.append(Cell(CUMULATIVE, "sum", month, sum(nets[m] for m in there), drawn))
    return cells


def _side(
    strategy: Strategy, money: Mapping[str, ByMonth], side: str, month: int
) -> tuple[float, FloatArray]:
    """Return what was measured of one side of a month, and the forecast of the same."""
    if month in money.get(side, {}):
        return money[side][month], _totals(strategy)[side][:, month]
    streams = strategy.ledger.benefits if side == "benefit" else strategy.ledger.costs
    told = [path for path in streams if month in money.get(path, {})]
    drawn = sum((streams[path][:, month] for path in told), start=np.zeros(len(strategy.benefit)))
    return sum(money[path][month] for path in told), drawn


def so_far(strategy: Strategy, money: Mapping[str, ByMonth]) -> Cell | None:
    """Return all money that was measured, benefits less costs, against the forecast of the very same.

    Parameters
    ----------
    strategy : Strategy
        The forecast.
    money : mapping of str to {month: amount}
    """
    months = sorted({month for by_month in money.values() for month in by_month})
    actual, drawn = 0.0, np.zeros(len(strategy.benefit))
    for month in months:
        if month in money.get("net", {}):
            actual += money["net"][month]
            drawn = drawn + _totals(strategy)["net"][:, month]
            continue
        for side, sign in (("benefit", 1), ("cost", -1)):
            amount, same = _side(strategy, money, side, month)
            actual += sign * amount
            drawn = drawn + sign * same
    return Cell("so far", "sum", months[-1], actual, drawn) if months else None
