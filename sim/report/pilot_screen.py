"""The table that `sim pilot` prints."""

from __future__ import annotations

from collections.abc import Sequence

from sim.report.answer_screen import Lines, Row
from sim.report.names import clean
from sim.report.words import chance, money


def pilot_lines(result: Row) -> Lines:
    """Return the table: lengths of further pilot with what they are worth and cost."""
    currency, samples = clean(result.get("currency", ""), 12), int(result.get("samples", 0))
    header = ("months", "worth", "Gaussian", "cost", "waiting", "net worth", "P(invest)", "P(changes)")
    captions = (
        f"Amounts in {currency}, today's money; Gaussian: a check of worth",
        "net worth = worth of the data - cost - waiting; P(changes): today's decision",
    )
    rows: list[Sequence[str]] = [
        (
            str(row["months"]),
            money(row["evsi"], row["evsi_mcse"]),
            money(row["evsi_gaussian"], row["evsi_gaussian_mcse"]),
            money(row["cost"], row["cost_mcse"]),
            money(row["waiting"], row["waiting_mcse"]),
            money(row["enbs"], row["enbs_mcse"]),
            chance(row["assurance"], samples),
            chance(row["p_changes"], samples),
        )
        for row in result.get("lengths", ())
    ]
    if "evpi" in result:
        rest = ("",) * 6
        rows.append(("endless", money(result["evppi"], result["evppi_mcse"]), *rest))
        rows.append(("perfect", money(result["evpi"], result["evpi_mcse"]), *rest))
    return header, rows, captions
