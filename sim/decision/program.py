"""A 0-1 programme over options, of which one a group may be taken, grown row by row and solved by HiGHS."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

import numpy as np
from scipy.optimize import Bounds, LinearConstraint, linprog, milp
from scipy.sparse import coo_array, csr_array

from sim.records.arrays import FloatArray, IntArray


@dataclass(frozen=True, slots=True)
class Row:
    """A linear limit: ``options · x + extra · y ≤ upper``.

    Parameters
    ----------
    options : (option,) array
    upper : float
    extra : tuple of (column, coefficient)
        Of the columns that `Program.column` gave.
    """

    options: FloatArray
    upper: float
    extra: tuple[tuple[int, float], ...] = ()


@dataclass(frozen=True, slots=True)
class Solved:
    """A solution.

    Parameters
    ----------
    picked : tuple of int
        Options that are taken.
    extra : (column,) array
        Values of the other columns.
    bound : float
        No solution costs less.
    optimal : bool
        Whether the solution is proven to be the best.
    """

    picked: tuple[int, ...]
    extra: FloatArray
    bound: float
    optimal: bool


@dataclass
class Program:
    """Options and limits.

    Parameters
    ----------
    group : (option,) array of int
        At most one option of a group is taken.
    nodes : int
        Branches after which the best so far is taken; the same on every machine, unlike seconds.
    """

    group: IntArray
    nodes: int = 20_000
    rows: list[tuple[Row, float]] = field(default_factory=list)
    columns: list[tuple[float, float, float, bool]] = field(default_factory=list)

    def column(
        self, cost: float = 0.0, low: float = 0.0, high: float = 1.0, *, integral: bool = False
    ) -> int:
        """Add a column beside the options and return its number."""
        self.columns.append((cost, low, high, integral))
        return len(self.columns) - 1

    def add(self, row: Row) -> None:
        """Add a limit, divided by its largest coefficient: the solver's tolerances are absolute."""
        most = max([float(np.abs(row.options).max(initial=0.0)), *(abs(value) for _, value in row.extra)])
        size = most or 1.0
        extra = tuple((column, value / size) for column, value in row.extra)
        self.rows.append((Row(row.options / size, row.upper / size, extra), size))

    def solve(self, cost: FloatArray) -> Solved | None:
        """Return what costs least; None where nothing keeps to the limits, or nothing was found in time.

        Parameters
        ----------
        cost : (option,) array
        """
        size = float(np.abs(cost).max(initial=0.0)) or 1.0
        k = len(cost)
        table, upper = self._table(k)
        with _silent():
            found = milp(
                np.concatenate([cost / size, [each[0] for each in self.columns]]),
                constraints=LinearConstraint(table, -np.inf, upper),
                integrality=np.concatenate([np.ones(k), [float(each[3]) for each in self.columns]]),
                bounds=Bounds(
                    np.concatenate([np.zeros(k), [each[1] for each in self.columns]]),
                    np.concatenate([np.ones(k), [each[2] for each in self.columns]]),
                ),
                options={"mip_rel_gap": 0.0, "node_limit": self.nodes},
            )
        if found.x is None:
            return None
        picked = tuple(int(i) for i in np.flatnonzero(found.x[:k] > 0.5))
        dual = found.mip_dual_bound
        bound = found.fun if dual is None else dual
        return Solved(picked, np.asarray(found.x[k:]), float(bound) * size, found.status == 0)

    def relax(self, cost: FloatArray) -> FloatArray | None:
        """Return by how much a unit of each limit changes the least cost where options are taken in part.

        In the order in which limits were added; None where nothing keeps to them.
        """
        size = float(np.abs(cost).max(initial=0.0)) or 1.0
        k = len(cost)
        table, upper = self._table(k)
        found = linprog(  # type: ignore[call-overload]  # its stubs know no sparse table
            np.concatenate([cost / size, [each[0] for each in self.columns]]),
            A_ub=table,
            b_ub=upper,
            bounds=[(0.0, 1.0)] * k + [(each[1], each[2]) for each in self.columns],
            method="highs",
        )
        if found.x is None:
            return None
        duals = np.asarray(found.ineqlin.marginals)[len(upper) - len(self.rows) :]
        return np.asarray(duals * size / np.array([each for _, each in self.rows]))

    def _table(self, k: int) -> tuple[csr_array, FloatArray]:
        """Return the coefficients of all limits, the groups first, and their upper ends."""
        groups, place = np.unique(self.group, return_inverse=True)
        parts = [(np.ones(k), place, np.arange(k))]
        for i, (row, _) in enumerate(self.rows, start=len(groups)):
            used = np.flatnonzero(row.options)
            parts.append((row.options[used], np.full(len(used), i), used))
            if row.extra:
                columns, values = zip(*row.extra, strict=True)
                parts.append((np.array(values), np.full(len(values), i), k + np.array(columns)))
        coefficients, rows, places = (np.concatenate(each) for each in zip(*parts, strict=True))
        shape = (len(groups) + len(self.rows), k + len(self.columns))
        upper = np.concatenate([np.ones(len(groups)), [row.upper for row, _ in self.rows]])
        return csr_array(coo_array((coefficients, (rows, places)), shape=shape)), upper


@contextmanager
def _silent() -> Iterator[None]:
    """Keep from standard output what HiGHS now and then writes there past Python, of its own search."""
    sys.stdout.flush()
    try:
        real = os.dup(1)
    except OSError:  # closed
        yield
        return
    nowhere = os.open(os.devnull, os.O_WRONLY)
    try:
        os.dup2(nowhere, 1)
        yield
    finally:
        os.dup2(real, 1)
        os.close(real)
        os.close(nowhere)
