"""Numbers and findings in words, with no more digits than their Monte Carlo error allows."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from typing import Any

from sim.language import N_, _, localised

type Block = Mapping[str, Any]

NONE = "–"
BETWEEN = N_("; ")
"""Stands between the parts of a headline."""
_WHOLE = re.compile(r"\.0+$")
_SENSE = 1000.0  # a hundred thousand percent
_CERTAIN_DIGITS = 12
_DEFAULT_DIGITS = 3

MONEY = ("npv", "benefit", "cost", "peak_funding", "revenue", "cpa")
SHARES = ("roi", "roi_discounted", "irr", "irr_monthly", "mirr")
MONTHS = ("payback_months", "payback_first_months", "payback_discounted_months")

METRIC_NAMES = {
    "npv": N_("Net present value (NPV)"),
    "roi": N_("Return on investment (ROI)"),
    "roi_discounted": N_("ROI, discounted"),
    "irr": N_("Internal rate of return, a year"),
    "irr_monthly": N_("Internal rate of return, a month"),
    "mirr": N_("Modified IRR, a year"),
    "payback_months": N_("Payback, lasting (months)"),
    "payback_first_months": N_("Payback, first reached (months)"),
    "payback_discounted_months": N_("Payback, discounted (months)"),
    "benefit": N_("Benefits, undiscounted"),
    "cost": N_("Costs, undiscounted"),
    "peak_funding": N_("Peak funding need"),
    "revenue": N_("Extra revenue"),
    "cpa": N_("Cost per new customer"),
    "ltv_cac": N_("Lifetime value / acquisition cost"),
}


def digits(value: float | None, mcse: float | None) -> int:
    """Return how many decimals of a value its Monte Carlo error allows; negative rounds whole digits.

    The last digit shown stands for at least one standard error. Without an error three significant
    digits are shown; with an error of 0 the value is certain and nothing is cut.

    Examples
    --------
    >>> digits(1_234_567, 3_200), digits(0.8412, 0.006), digits(11512.857852, 0)
    (-4, 2, 7)
    """
    if value is None or not math.isfinite(value):
        return 0
    size = math.floor(math.log10(abs(value))) if value else 0
    if mcse is None:
        return _DEFAULT_DIGITS - 1 - size
    if mcse == 0:
        return _CERTAIN_DIGITS - 1 - size
    return -math.ceil(math.log10(mcse))


def number(value: float | None, decimals: int, most: int = 6) -> str:
    """Print a number to `decimals` decimals (at most `most`), thousands separated by commas.

    Examples
    --------
    >>> number(1_234_567.8, -4), number(-0.004, 2), number(None, 2)
    ('1,230,000', '0.00', '–')
    """
    return NONE if value is None or not math.isfinite(value) else localised(_english(value, decimals, most))


def _english(value: float, decimals: int, most: int) -> str:
    rounded = round(value, min(decimals, most)) + 0.0
    if abs(rounded) >= 1e15:
        return f"{rounded:.2e}"
    return f"{rounded:,.{max(0, min(decimals, most))}f}"


def exact(value: float) -> str:
    """Print a number that somebody stated, with all its digits.

    Examples
    --------
    >>> exact(4000.0), exact(0.125)
    ('4,000', '0.125')
    """
    text = _english(value, digits(value, 0.0), most=8)
    return localised(text.rstrip("0").rstrip(".") if "." in text else text)


def _known(value: float | None, mcse: float | None, scale: float | None, most: int) -> str:
    """Print a value to the digits that the error of `scale` (or of itself) allows."""
    if value is None or not math.isfinite(value):
        return NONE
    text = _english(value, digits(value if scale is None else scale, mcse), most)
    return localised(_WHOLE.sub("", text) if mcse == 0 else text)


def money(value: float | None, mcse: float | None, scale: float | None = None) -> str:
    """Print an amount; cents only where it is small and known to the cent.

    Parameters
    ----------
    value : float or None
    mcse : float or None
        Monte Carlo error of the estimate it belongs to.
    scale : float, optional
        Value that decides the digits; give the estimate when printing its interval.

    Examples
    --------
    >>> money(312_345.67, 3_000.0), money(11512.857852, 0.0), money(4000.0, 0.0)
    ('310,000', '11,512.86', '4,000')
    """
    size = abs((value if scale is None else scale) or 0.0)
    return _known(value, mcse, scale, most=2 if size < 100_000 else 0)


def percent(value: float | None, mcse: float | None, scale: float | None = None) -> str:
    """Print a fraction as percent; a rate of return beyond all sense only as beyond it.

    Examples
    --------
    >>> percent(0.8412, 0.006), percent(2.5, None), percent(0.25, 0.0), percent(1e12, None)
    ('84 %', '250 %', '25 %', 'over 100,000 %')
    """
    if value is None:
        return NONE
    if value > _SENSE:
        return _("over {share}").format(share=hundredths(number(100 * _SENSE, 0)))
    of = value if scale is None else scale
    return hundredths(_known(100 * value, None if mcse is None else 100 * mcse, 100 * of, most=2))


def hundredths(number: str) -> str:
    """Print a number of hundredths, already in words, as percent."""
    return _("{number} %").format(number=number)


def amount(number: str, currency: str) -> str:
    """Print an amount, already in words, with its currency."""
    return _("{number} {currency}").format(number=number, currency=currency)


def chance(probability: float | None, samples: int = 0, mcse: float | None = None) -> str:
    """Print a probability estimated from samples: whole percent, and never a certainty that is none.

    Parameters
    ----------
    probability : float or None
    samples : int
        Number of samples behind it; 1 (or 0) means that it is certain.
    mcse : float, optional
        Monte Carlo error, to be told beside it.

    Examples
    --------
    >>> chance(0.8431, 4000), chance(1.0, 4000), chance(0.0, 4000), chance(1.0, 1)
    ('84 %', 'over 99 %', 'under 1 %', '100 %')
    >>> chance(0.8431, 4000, 0.0071)
    '84 ± 1 %'
    """
    if probability is None:
        return NONE
    if samples > 1:
        if probability < 0.005:
            return _("under {share}").format(share=hundredths("1"))
        if probability > 0.995:
            return _("over {share}").format(share=hundredths("99"))
        if mcse:
            return hundredths(f"{100 * probability:.0f} ± {math.ceil(100 * mcse)}")
    return hundredths(f"{100 * probability:.0f}")


def opening(text: str) -> str:
    """Return a text as the opening of a sentence, its first letter a capital."""
    return text[:1].upper() + text[1:]


def metric(name: str, block: Block, part: str, samples: int = 0) -> str:
    """Print one figure of a metric's block in its own unit, to the digits of that metric.

    Parameters
    ----------
    name : str
        A key of ``metrics``.
    block : mapping
        Its block, with ``mcse``.
    part : str
        ``mean``, ``median``, ``low``, ``high``, ``expected`` …
    samples : int
        Number of samples, to estimate the error of a median where there is no mean.
    """
    value = block.get(part)
    scale = next((block[key] for key in ("mean", "median") if block.get(key)), value)
    mcse = block.get("mcse")
    if mcse is None:
        mcse = median_error(block.get("low"), block.get("high"), samples)
    if name in SHARES:
        return percent(value, mcse, scale)
    if name in MONTHS:
        return _known(value, mcse, scale, most=1)
    if name in MONEY:
        return money(value, mcse, scale)
    return _known(value, mcse, scale, most=2)


def median_error(low: float | None, high: float | None, samples: int) -> float | None:
    """Rough Monte Carlo error of a median under a normal, 1.25 sd/√n, the sd from the 90 % interval."""
    if low is None or high is None or samples < 2:
        return None
    return float(1.2533 * (high - low) / (2 * 1.6449) / math.sqrt(samples))


def interval(name: str, block: Block, samples: int = 0) -> str:
    """Print a metric's equal-tailed interval, ``low to high``.

    Examples
    --------
    >>> interval("npv", {"mean": 3e5, "low": -4e4, "high": 6.9e5, "mcse": 3000.0})
    '-40,000 to 690,000'
    """
    low, high = metric(name, block, "low", samples), metric(name, block, "high", samples)
    if low == NONE and high == NONE:
        return NONE
    if name in MONTHS and high == NONE:
        return _("{low} to never").format(low=low)
    return low if low == high else _("{low} to {high}").format(low=low, high=high)


def is_certain(block: Block) -> bool:
    """Tell whether a metric has one value in every sample."""
    return block.get("mean") is not None and block.get("low") == block.get("high") and block.get("mcse") == 0


def spread(block: Mapping[str, Any], *, scale: float = 1.0, sign: bool = False) -> tuple[str, str]:
    """Print a mean and its interval to the same place: two digits of half the interval's width.

    Parameters
    ----------
    block : mapping
        With ``mean``, ``low`` and ``high``; None for no value.
    scale : float
        100 for percent.
    sign : bool
        Whether gains carry a plus.

    Examples
    --------
    >>> spread({"mean": 0.1734, "low": 0.061, "high": 0.298}, scale=100, sign=True)
    ('+17', '+6 to +30')
    >>> spread({"mean": 0.376, "low": 0.0809, "high": 0.703})
    ('0.38', '0.08 to 0.70')
    """
    if block["mean"] is None:
        return NONE, NONE
    mean, low, high = (scale * block[part] for part in ("mean", "low", "high"))
    decimals = 1 - math.floor(math.log10((high - low) / 2)) if high > low else max(digits(mean, None), 0)

    def told(value: float) -> str:
        text = number(value, decimals, most=8)
        return f"+{text}" if sign and text.strip("-0.,") and value > 0 else text

    ends = told(low) if low == high else _("{low} to {high}").format(low=told(low), high=told(high))
    return told(mean), ends


def level(value: float | None, is_share: bool = False) -> str:
    """Print the level of an outcome to three significant digits, shares as percent.

    Examples
    --------
    >>> level(0.02134, True), level(412.37), level(0.0004312), level(18260.0)
    ('2.13 %', '412', '0.000431', '18,300')
    """
    if value is None:
        return NONE
    shown = 100 * value if is_share else value
    text = number(shown, digits(shown, None), most=8)
    return hundredths(text) if is_share else text


def behind(summary: Mapping[str, Any]) -> int:
    """Return the number of samples behind the money; 1 where every state of the world gives the same."""
    return 1 if is_certain(summary["metrics"]["npv"]) else int(summary["samples"])


def better(block: Mapping[str, Any], samples: int) -> str:
    """Print the chance that an outcome improves; without an interval it is certain, one way or the other."""
    difference = block["pooled"]["difference"]
    return chance(block["p_better"], 1 if difference["low"] == difference["high"] else samples)
