"""The metrics of an investment, per sample and as the blocks of ``summary.json``.

A metric without a value is NaN in the per-sample arrays and None in the blocks; a payback beyond
the horizon is +inf in the arrays and a share (``never``) in the blocks. Neither reaches a file.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from functools import cache

import numpy as np
from numpy.typing import ArrayLike

from sim.finance.discount import Timing, npv
from sim.finance.irr import Status, irr, mirr
from sim.finance.payback import Payback, lasting_payback, paid_back_by, payback
from sim.finance.spread import Block, distribution, mean, quantile
from sim.records.arrays import BoolArray, FloatArray

METRICS = (
    "npv",
    "roi",
    "roi_discounted",
    "irr",
    "irr_monthly",
    "mirr",
    "payback_months",
    "payback_first_months",
    "payback_discounted_months",
    "benefit",
    "cost",
    "peak_funding",
    "revenue",
    "cpa",
    "ltv_cac",
)
RATES = ("irr", "irr_monthly")
PAYBACKS = ("payback_months", "payback_first_months", "payback_discounted_months")


def without_values(horizon: int) -> tuple[Block, Block, Block]:
    """Return the blocks ``metrics, probability, risk`` with every key and no value.

    For a run whose money is not to be trusted, or that has no money.
    """
    empty = dict.fromkeys(("mean", "sd", "median", "low", "high", "mcse", "undefined"))
    metrics: Block = {name: dict(empty) for name in METRICS}
    metrics["roi"]["expected"] = None
    for name in PAYBACKS:
        metrics[name] |= {"within": dict.fromkeys(_marks(horizon)), "never": None}
    probability = dict.fromkeys(("loss", "payback_within", "npv_above_hurdle"))
    return metrics, dict(probability), dict.fromkeys(("var_95", "cvar_95"))


@dataclass(frozen=True, slots=True)
class Measured:
    """An investment measured sample by sample.

    Parameters
    ----------
    samples : dict of str to (sample,) array
        By metric name, as `measure` returns them.
    benefit, cost : (sample,) array [currency]
        Undiscounted totals.
    in_time : (sample,) boolean array or None
        Whether it has paid back by the target; None without one.
    unrated : (sample,) boolean array or None
        Whether it has no rate of return; None where none was asked for.
    """

    samples: dict[str, FloatArray]
    benefit: FloatArray
    cost: FloatArray
    in_time: BoolArray | None
    unrated: BoolArray | None

    @classmethod
    def joined(cls, parts: Sequence[Measured]) -> Measured:
        """Put runs of samples, measured one by one, behind one another."""
        first = parts[0]
        if len(parts) == 1:
            return first
        return cls(
            {name: np.concatenate([part.samples[name] for part in parts]) for name in first.samples},
            np.concatenate([part.benefit for part in parts]),
            np.concatenate([part.cost for part in parts]),
            _joined([part.in_time for part in parts]),
            _joined([part.unrated for part in parts]),
        )

    def blocks(
        self, horizon: int, hurdle: float, only: Collection[str] = METRICS
    ) -> tuple[Block, Block, Block]:
        """Return the blocks ``metrics, probability, risk`` of ``summary.json``, of some metrics or all.

        Parameters
        ----------
        horizon : int
            Last month.
        hurdle : float [currency]
            NPV to beat.
        only : collection of str
            Metrics to summarise, of those that were measured.
        """
        samples = self.samples
        metrics: Block = {}
        for name, values in samples.items():
            if name != "npv" and name not in only:
                continue
            unrated = self.unrated if name in RATES else None
            metrics[name] = distribution(values) if unrated is None else _rate_block(values, unrated)
        if "roi" in metrics:
            gained, spent = mean(self.benefit), mean(self.cost)
            metrics["roi"]["expected"] = (gained - spent) / spent if spent > 0 else None
        for name in PAYBACKS:
            if name in metrics:
                metrics[name] |= _curve(samples[name], horizon)
        probability: Block = {
            "loss": float((samples["npv"] < 0).mean()),
            "payback_within": None if self.in_time is None else float(self.in_time.mean()),
            "npv_above_hurdle": float((samples["npv"] > hurdle).mean()),
        }
        return metrics, probability, _risk(samples["npv"])


def _joined(parts: Sequence[BoolArray | None]) -> BoolArray | None:
    """Put arrays behind one another; None where there are none."""
    known = [part for part in parts if part is not None]
    return np.concatenate(known) if known else None


def measure(
    benefit: FloatArray,
    cost: FloatArray,
    factors: FloatArray,
    *,
    discount_rate: ArrayLike,
    payback_within: float | None,
    hurdle: float,
    timing: Timing = "end",
    revenue: FloatArray | None = None,
    acquired: FloatArray | None = None,
    lifetime_value: FloatArray | None = None,
    only: Collection[str] = METRICS,
) -> tuple[dict[str, FloatArray], Block, Block, Block]:
    """Measure an investment: every metric per sample, and as blocks of the summary.

    Parameters
    ----------
    benefit, cost : (sample, H + 1) array [currency]
        Month 0 first; costs are positive. One of them may have a single row.
    factors : (sample or 1, H + 1) array
        Discount factors, `sim.finance.discount.factors`.
    discount_rate : scalar or (sample,) array [1/year, effective]
        Finance and reinvestment rate of the MIRR.
    payback_within : float or None [month]
        Target for the lasting payback. None, or beyond the horizon: its probability is unknown.
    hurdle : float [currency]
        NPV to beat.
    timing : {"start", "mid", "end"}
        As in `factors`, so that the NPV at the IRR is zero.
    revenue : (sample,) array [currency], optional
        Total undiscounted revenue.
    acquired : (sample,) array, optional
        New customers won.
    lifetime_value : (sample,) array [currency per customer], optional
    only : collection of str
        Metrics to compute; the NPV is always there. Most time goes to the rates and the paybacks.

    Returns
    -------
    samples : dict of str to (sample,) array
        By metric name. NaN for no value, +inf for a payback beyond the horizon, −1 for the IRR of
        a sample in which money goes out and none comes in, and +inf for one in which none goes out.
    metrics, probability, risk : dict
        The blocks of ``summary.json``.
    """
    found = measure_samples(
        benefit,
        cost,
        factors,
        discount_rate=discount_rate,
        payback_within=payback_within,
        timing=timing,
        revenue=revenue,
        acquired=acquired,
        lifetime_value=lifetime_value,
        only=only,
    )
    return found.samples, *found.blocks(factors.shape[1] - 1, hurdle)


def measure_samples(
    benefit: FloatArray,
    cost: FloatArray,
    factors: FloatArray,
    *,
    discount_rate: ArrayLike,
    payback_within: float | None,
    timing: Timing = "end",
    revenue: FloatArray | None = None,
    acquired: FloatArray | None = None,
    lifetime_value: FloatArray | None = None,
    only: Collection[str] = METRICS,
) -> Measured:
    """Measure an investment sample by sample; as `measure`, which also summarises."""
    benefit, cost = np.broadcast_arrays(benefit, cost)
    net = benefit - cost
    n, horizon = net.shape[0], net.shape[1] - 1
    wanted = {"npv", *only}
    target = None if payback_within is None or payback_within > horizon else payback_within
    total_benefit, total_cost = benefit.sum(axis=1), cost.sum(axis=1)
    nothing = np.full(n, np.nan)

    @cache
    def by_month() -> FloatArray:
        # Months first in memory, as rates and paybacks take it: a copy that both share.
        return np.ascontiguousarray(net.T).T

    @cache
    def plain() -> Payback:
        return payback(by_month())

    @cache
    def lasting() -> FloatArray:
        return plain().lasting if "payback_first_months" in wanted else lasting_payback(by_month())

    def by_target(month: float) -> BoolArray:
        if "payback_months" not in wanted and float(month).is_integer():
            return paid_back_by(by_month(), int(month))
        return lasting() <= month

    @cache
    def rates() -> tuple[Mapping[str, FloatArray], BoolArray]:
        return _rates(by_month(), timing)

    @cache
    def per_customer() -> FloatArray:
        return nothing if acquired is None else _ratio(total_cost, acquired)

    def roi_discounted() -> FloatArray:
        value_benefit, value_cost = npv(benefit, factors), npv(cost, factors)
        return _ratio(value_benefit - value_cost, value_cost)

    compute: dict[str, Callable[[], FloatArray]] = {
        "npv": lambda: npv(net, factors),
        "roi": lambda: _ratio(total_benefit - total_cost, total_cost),
        "roi_discounted": roi_discounted,
        "irr": lambda: rates()[0]["irr"],
        "irr_monthly": lambda: rates()[0]["irr_monthly"],
        "mirr": lambda: mirr(net, discount_rate, discount_rate, timing),
        "payback_months": lasting,
        "payback_first_months": lambda: plain().first,
        "payback_discounted_months": lambda: lasting_payback(net * factors),
        "benefit": lambda: total_benefit,
        "cost": lambda: total_cost,
        "peak_funding": lambda: np.maximum(0.0, -np.cumsum(net, axis=1).min(axis=1)) + 0.0,
        "revenue": lambda: nothing if revenue is None else np.broadcast_to(revenue, (n,)),
        "cpa": per_customer,
        "ltv_cac": lambda: nothing if lifetime_value is None else _ratio(lifetime_value, per_customer()),
    }
    samples = {name: compute[name]() for name in METRICS if name in wanted}
    return Measured(
        samples,
        total_benefit,
        total_cost,
        None if target is None else by_target(target),
        rates()[1] if wanted & set(RATES) else None,
    )


def _ratio(above: FloatArray, below: FloatArray) -> FloatArray:
    """Divide where the denominator is positive; no value elsewhere."""
    quotient = np.full(np.shape(above), np.nan)
    np.divide(above, below, out=quotient, where=below > 0)
    return quotient


def _rates(net: FloatArray, timing: Timing) -> tuple[Mapping[str, FloatArray], BoolArray]:
    """IRR per sample, −1 where nothing comes in, +inf where nothing goes out; and which have no rate."""
    found = irr(net, timing)
    first = net[:, 0].copy()
    idle = np.flatnonzero(first == 0)
    first[idle] = net[idle, np.argmax(net[idle] != 0, axis=1)]
    # Money in first and out later is borrowing: its rate is a price paid, not a return.
    undefined = (found.status != Status.UNIQUE) | (first >= 0)
    rest = np.flatnonzero(undefined)
    unrated = net[rest]
    # What pays without ever costing beats every rate; as the lowest rank it would read as a loss.
    pure_gain = (unrated >= 0).all(axis=1) & (unrated > 0).any(axis=1)
    ends = np.select([found.total_loss[rest], pure_gain], [-1.0, np.inf], np.nan)
    for rate in (found.annual, found.monthly):
        rate[rest] = ends
    return {"irr": found.annual, "irr_monthly": found.monthly}, undefined


def _rate_block(values: FloatArray, undefined: BoolArray) -> Block:
    """Summarise rates in which −1 stands for samples without inflow: it ranks, but is no average."""
    block = distribution(values, undefined=undefined)
    if bool((undefined & ~np.isnan(values)).any()):
        block |= {"mean": None, "sd": None, "mcse": None}
    return block


def _marks(horizon: int) -> tuple[str, ...]:
    """Months at which the payback curve is told: every twelfth and the horizon."""
    return tuple(str(month) for month in sorted({*range(12, horizon + 1, 12), horizon}))


def _curve(months: FloatArray, horizon: int) -> Block:
    """Payback curve P(payback ≤ t), and the share that never pays back within the horizon."""
    within = {mark: float((months <= int(mark)).mean()) for mark in _marks(horizon)}
    return {"within": within, "never": float(np.isinf(months).mean())}


def _risk(npv: FloatArray) -> Block:
    """Value at risk and expected shortfall at 95 %, losses positive (Rockafellar & Uryasev 2000)."""
    cut = quantile(npv, 0.05)
    if cut is None:
        return {"var_95": None, "cvar_95": None}
    # The cut is interpolated, so at least the worst sample lies at or below it.
    tail = npv[npv <= max(cut, float(npv.min()))]
    shortfall = -float(tail[0] if tail.min() == tail.max() else tail.mean())
    return {"var_95": -cut + 0.0, "cvar_95": shortfall + 0.0}
