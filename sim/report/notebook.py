"""What a notebook shows of a run: a summary in HTML, and the plots as figures."""

from __future__ import annotations

from collections.abc import Callable
from html import escape
from pathlib import Path
from typing import TYPE_CHECKING

from sim.errors import Problem, ProblemsError
from sim.language import _, spoken_in
from sim.report.names import clean
from sim.report.page_tables import tiles
from sim.report.stored import Stored, language_of

if TYPE_CHECKING:
    from matplotlib.figure import Figure


def summary_html(run: Path) -> str:
    """Return the decision and the figures on top of a run as a piece of HTML.

    Parameters
    ----------
    run : Path
        The run's directory. Names in it are escaped, whatever they hold.
    """
    stored = Stored(run)
    with spoken_in(language_of(stored.manifest)):
        return _summary(stored, run)


def _summary(stored: Stored, run: Path) -> str:
    summary = stored.summary
    parts = [f"<p><strong>{escape(clean(summary['headline'], 600))}</strong></p>"]
    if not summary["trusted"]:
        failed = [check["message"] for check in summary["checks"] if check["status"] == "fail"]
        told = "; ".join(clean(message, 300) for message in failed)
        parts.append(f"<p>{_('Not trusted:')} {escape(told)}</p>")
    if summary["best"] is not None and stored.has_money:
        rows = "".join(
            "<tr>"
            + "".join(f'<td style="text-align:left">{escape(clean(text, 120))}</td>' for text in row)
            + "</tr>"
            for row in tiles(stored)
        )
        parts.append(f"<table>{rows}</table>")
    name = clean(summary["programme"]["name"])
    parts.append(f"<p><small>{escape(name)} · <code>{escape(clean(run, 200))}</code></small></p>")
    return f"<div>{''.join(parts)}</div>"


class Plots:
    """The plots of a run as figures of Matplotlib, to be shown, changed or saved.

    Parameters
    ----------
    run : Path
        The run's directory.
    """

    def __init__(self, run: Path) -> None:
        self._run = run

    def npv(self) -> Figure:
        """Draw the distribution of the net present value [currency]."""
        from sim.report.density_plots import density

        return self._drawn(lambda stored, folder: density(stored, "npv", folder))

    def roi(self) -> Figure:
        """Draw the distribution of the return on investment [%]."""
        from sim.report.density_plots import density

        return self._drawn(lambda stored, folder: density(stored, "roi", folder))

    def payback(self) -> Figure:
        """Draw the chance of having paid back by each month, with the share that never does."""
        from sim.report.plots import payback_curve

        return self._drawn(payback_curve)

    def cash_flow(self) -> Figure:
        """Draw the cumulative cash flow by month as a fan [currency]."""
        from sim.report.plots import cash_fan

        return self._drawn(cash_fan)

    def _drawn(self, draw: Callable[[Stored, Path], Path | None]) -> Figure:
        from sim.report import style

        stored = Stored(self._run)
        if stored.best is not None and stored.has_money:
            with spoken_in(language_of(stored.manifest)), style.theme(), style.kept() as figures:
                draw(stored, self._run / "plots")
            if figures:
                return figures[-1]
        found = "this forecast says nothing about money: no figure is there to draw"
        raise ProblemsError(Problem(found, "a trusted forecast with money", file=str(self._run)))
