"""The page ``docs/calibration.md``, the table behind it and its plots."""

from __future__ import annotations

import csv
import datetime as dt
from collections.abc import Mapping, Sequence
from importlib.metadata import version
from pathlib import Path

import numpy as np

from calibration.cells import SAMPLES, Cell
from calibration.judge import WIDTHS, noticed
from calibration.plots import draw
from calibration.run import DRAWS, SAMPLER, TARGET, Ranks
from calibration.verdict import FALSE_ALARM, Verdict, grouped

_PACKAGES = ("sim", "pymc", "nutpie", "arviz", "numpy", "scipy")
ENOUGH = 500
"""Datasets a cell below which the page says that it is coarse."""


def write(
    page: Path,
    results: Mapping[Cell, Ranks],
    verdicts: Mapping[Cell, list[Verdict]],
    again: Mapping[Cell, tuple[Ranks, list[Verdict]]],
    *,
    level: float,
    command: str,
    today: dt.date,
) -> None:
    """Write the page, ``ranks.csv`` and a plot a model beside it.

    Parameters
    ----------
    page : Path
    results, verdicts : mapping of Cell
        The first run.
    again : mapping of Cell
        Reruns of the cells that failed.
    level : float
        False alarm of one test.
    command : str
    today : date
    """
    folder = page.with_suffix("")
    folder.mkdir(parents=True, exist_ok=True)
    text = [_head(results, verdicts, again, level, command, today, folder.name)]
    for model in dict.fromkeys(cell.name for cell in results):
        own = {cell: ranks for cell, ranks in results.items() if cell.name == model}
        draw(folder / f"{model}.png", model, own, {cell: verdicts[cell] for cell in own}, level)
        text.append(f"## {model}\n\n![Ranks of {model}]({folder.name}/{model}.png)\n")
        for cell, ranks in own.items():
            text.append(_section(cell, ranks, verdicts[cell], ""))
            if cell in again:
                text.append(_section(cell, *again[cell], "rerun of the failed cell"))
    page.write_text("\n".join(text), encoding="utf-8")
    _table(folder / "ranks.csv", verdicts, again)


def outcome(
    verdicts: Mapping[Cell, list[Verdict]], again: Mapping[Cell, tuple[Ranks, list[Verdict]]]
) -> list[Cell]:
    """Return the cells that failed, and failed again where they were run again."""
    first = [cell for cell, found in verdicts.items() if not all(verdict.passed for verdict in found)]
    return [cell for cell in first if cell not in again or not all(one.passed for one in again[cell][1])]


def _head(
    results: Mapping[Cell, Ranks],
    verdicts: Mapping[Cell, list[Verdict]],
    again: Mapping[Cell, tuple[Ranks, list[Verdict]]],
    level: float,
    command: str,
    today: dt.date,
    folder: str,
) -> str:
    bad, quantities = outcome(verdicts, again), sum(map(len, verdicts.values()))
    versions = ", ".join(f"{name} {version(name)}" for name in _PACKAGES)
    said = "**every cell passes**" if not bad else "**FAIL: " + ", ".join(cell.slug for cell in bad) + "**"
    alarm = f"{100 * FALSE_ALARM:g} %"
    step = SAMPLER.chains * SAMPLER.draws // SAMPLES
    chains = f"{SAMPLER.chains} × ({SAMPLER.tune} + {SAMPLER.draws})"
    if again:
        said += f" ({', '.join(cell.slug for cell in again)} after a second run, shown below the first)"
    return f"""\
# Calibration

Written by `{command}` on {today.isoformat()} with {versions}.

{len(results)} cells (outcome model × design), {quantities} quantities: {said}.

**What is done.** For each cell a truth is drawn from the model's prior and a pilot is simulated from it.
The pilot is written as a CSV table and goes the way of a user's: read and checked by the engine, fitted by
the compiled model, its draws taken through the monthly cash flow. The truth is then ranked among {DRAWS}
draws of the posterior. If prior, reader, likelihood, sampler and simulation agree, the ranks are uniform
(Talts et al. 2018, arXiv:1804.06788; Modrák et al. 2023, doi:10.1214/23-BA1404). The log-likelihood of the
data is ranked too: ranks of parameters alone would not notice if the likelihood were missing.

**How it is judged.** *p* compares the ranks with uniform ones at every rank at once (exact simultaneous
bands, Säilynoja, Bürkner & Vehtari 2022, doi:10.1007/s11222-022-10090-6); the columns 50, 80 and 95 % say
how often those intervals held the truth, judged by binomial limits. All tests together have a false alarm of
{alarm}, so that one fails below {level:.1e} (Bonferroni). A cell that fails runs once more with other and
more datasets, and both are shown. Rows with several places (arms, segments) show the least p and the range
of the coverages; each place by itself is in [`{folder}/ranks.csv`]({folder}/ranks.csv). In the plots a
quantity leaves the inner band by chance in 5 % of runs, and any quantity of any cell the outer one in less
than {alarm}.

{_noticed(results, level)}

*Contraction* is the median over datasets of 1 − posterior variance / prior variance (of logarithms, for
levels, rates of paying, dispersions and sigmas): near 0 the data say nothing of the quantity and calibration
is no feat, near 1 they say nearly all.

**What this does not show.** Truths come from the prior and pilots from the model, so nothing is said of
pilots that are not as the model has them. Anchors of the prior are those of the example pilot and stay (a
fit of one's own takes them from its data). The design effect of clusters and the drift that a before-after
pilot learns from its past are estimates plugged in, without a joint prior to draw from: the bias is stated
here, as `bias = {{ low, high }}`. Chains are shorter than in a forecast: {chains} at target acceptance
{TARGET}, one draw in {step} ranked, no second attempt.
"""


def _noticed(results: Mapping[Cell, Ranks], level: float) -> str:
    """Return how wrong an interval has to be to be noticed with that many datasets."""
    n = min(len(ranks.rank) for ranks in results.values())
    told = ", ".join(
        f"{100 * noticed(level, n, width):.0f} rather than {100 * width:.0f} %" for width in WIDTHS
    )
    coarse = "" if n >= ENOUGH else f" With fewer than {ENOUGH} pilots this sees gross faults only."
    return (
        f"**What it can see.** With {n:,} pilots a cell, an interval that holds too few truths is noticed\n"
        f"with a probability of 90 % where it holds {told} of them, or fewer.{coarse}"
    )


def _section(cell: Cell, ranks: Ranks, verdicts: Sequence[Verdict], note: str) -> str:
    n = len(ranks.rank)
    diverged = int((ranks.divergences > 0).sum())
    title = f"### {cell.name} × {cell.design}{f' ({note})' if note else ''}"
    told = f"N = {n:,}; {ranks.tried - n} simulated pilots were refused by the engine and replaced; "
    told += f"{diverged} fits with a divergence; correlation of neighbouring ranked draws at most "
    told += f"{ranks.repeat.mean(axis=0).max():.2f}."
    rows = ["| Quantity | Places | p | 50 % | 80 % | 95 % | Contraction | |", "| --- " * 8 + "|"]
    for kind, found in grouped(verdicts).items():
        covers = [_span([verdict.coverage[i] for verdict in found], "{:.3f}") for i in range(len(WIDTHS))]
        shrink = [verdict.contraction for verdict in found]
        known = "–" if np.isnan(shrink).any() else _span(shrink, "{:.2f}")
        failed = [verdict.name for verdict in found if not verdict.passed]
        verdict = f"**FAIL** {', '.join(failed)}" if failed else "pass"
        least = min(one.p for one in found)
        cells = [f"`{kind}`", str(len(found)), f"{least:.2g}", *covers, known, verdict]
        rows.append(f"| {' | '.join(cells)} |")
    return "\n".join([title, "", told, "", *rows, ""])


def _span(values: Sequence[float], form: str) -> str:
    low, high = form.format(min(values)), form.format(max(values))
    return low if low == high else f"{low} – {high}"


def _table(
    path: Path,
    verdicts: Mapping[Cell, list[Verdict]],
    again: Mapping[Cell, tuple[Ranks, list[Verdict]]],
) -> None:
    with path.open("w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file, lineterminator="\n")
        widths = [f"coverage_{width:.0%}" for width in WIDTHS]
        writer.writerow(["model", "design", "run", "quantity", "n", "p", *widths, "contraction", "passed"])
        for run, found in (("first", verdicts), ("again", {cell: both[1] for cell, both in again.items()})):
            for cell, own in found.items():
                for one in own:
                    shrink = "" if np.isnan(one.contraction) else f"{one.contraction:.4f}"
                    shares = [f"{share:.4f}" for share in one.coverage]
                    row = [cell.name, cell.design, run, one.name, one.n, f"{one.p:.3g}", *shares, shrink]
                    writer.writerow([*row, one.passed])
