"""The words that the script of the page shows; places in braces are filled in there."""

from __future__ import annotations

from sim.report.words import NONE


def _(text: str) -> str:
    """Mark a text for translation."""
    return text


SCRIPT = {
    "of_samples": _("{share} % of samples"),
    "to": _("{low} to {high}"),
    "month": _("month {month}"),
    "median": _("median"),
    "mean": _("mean"),
    "half": _("half of the samples"),
    "most": _("90 % of the samples"),
    "never": _("never within {months} months: {share} %"),
    "breaks_even": _("breaks even in month {month}"),
    "months_axis": _("Months after the investment"),
    "share_axis": _("Share of samples, %"),
    "npv_axis": _("Net present value, {unit}"),
    "roi_axis": _("Return on investment, %"),
    "cash_axis": _("Cumulative cash flow, {unit}"),
    "value_axis": _("Mean present value, {unit}"),
    "mean_npv_axis": _("Mean net present value, {unit}"),
    "change_axis": _("Change, {unit}"),
    "loss": _("loss"),
    "gain": _("gain"),
    "thousand": _("thousand {currency}"),
    "million": _("million {currency}"),
    "billion": _("billion {currency}"),
    "low": _("low"),
    "high": _("high"),
    "as_forecast": _("as forecast"),
    "changed": _("as changed"),
    "stated": _("as stated: {value}"),
    "range": _("{low} to {high}"),
    "certain": _("certain: {value}"),
    "months": _("{months} months"),
    "beyond": _("beyond month {month}"),
    "to_never": _("{low} to never"),
    "interval": _("90 % interval {interval}"),
    "was": _("as forecast: {value}"),
    "reset": _("Back to {name} as stated"),
    "no_value": NONE,
    "announce": _("NPV {npv}, ROI {roi}, payback {payback}, chance of a loss {loss}"),
}
