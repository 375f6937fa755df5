"""Monthly cash: costs and known benefits as streams, and the ledger of one strategy."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Literal

import numpy as np

from sim.records.arrays import FloatArray

Kind = Literal["benefit", "cost"]


@dataclass(frozen=True, slots=True)
class Ledger:
    """Every cash stream of one strategy; inflows and costs both positive, month 0 first.

    Parameters
    ----------
    benefits, costs : mapping of str to (sample, month) array
        By the path of the outcome, benefit or cost.
    """

    benefits: Mapping[str, FloatArray]
    costs: Mapping[str, FloatArray]


def total(streams: Iterable[FloatArray], shape: tuple[int, int]) -> FloatArray:
    """Return the sum of streams, (sample, month); read-only where there is but one."""
    whole: FloatArray | None = None
    own = False
    for flows in streams:
        if whole is None:
            whole = np.broadcast_to(flows, shape)
        elif own:
            whole += flows
        else:
            whole, own = whole + flows, True
    return np.zeros(shape) if whole is None else whole


def blank(n: int, horizon: int) -> FloatArray:
    """Return an array for cash, (n, month 0 … horizon), with nothing in month 0 and no values after it."""
    cash = np.empty((horizon + 1, n)).T
    cash[:, 0] = 0.0
    return cash


def flow(
    n: int,
    horizon: int,
    *,
    once: FloatArray | None = None,
    at: int = 0,
    monthly: FloatArray | None = None,
    listed: FloatArray | None = None,
    counted: FloatArray | None = None,
    amount: FloatArray | None = None,
    first: int = 1,
    last: int | None = None,
    growth: FloatArray | None = None,
) -> FloatArray:
    """Return one stream of cash, (sample, month 0 … horizon); read-only where it is the same in all samples.

    Parameters
    ----------
    once : (n or 1, 1) array
        Paid in month `at`.
    monthly : (n or 1, 1) array
        Paid in every month from `first` to `last`.
    listed : (n or 1, k) array
        Paid in months 1 … k.
    counted : (n or 1, horizon) array
        Units in each month, at `amount` (n or 1, 1) each, from `first` to `last`.
    growth : (1 or n, horizon) array
        Factor of `monthly` and `amount` by month.
    """
    given = (once, monthly, listed, growth, *((counted, amount) if amount is not None else ()))
    rows = max((len(values) for values in given if values is not None), default=1)
    t = np.arange(1, horizon + 1)
    window = ((t >= first) & (t <= (horizon if last is None else last))).astype(float)[None, :]
    factor = window if growth is None else growth if window.all() else window * growth
    cash = blank(rows, horizon)
    if monthly is not None:
        np.multiply(monthly, factor, out=cash[:, 1:])
    else:
        cash[:, 1:] = 0.0
    if once is not None:
        cash[:, at] += once[:, 0]
    if listed is not None:
        cash[:, 1 : 1 + listed.shape[1]] += listed
    if counted is not None and amount is not None:
        cash[:, 1:] += counted * amount * factor
    return cash if rows == n else np.broadcast_to(cash, (n, horizon + 1))
