"""The pictures of a fit, drawn with ArviZ: its chains, prior against posterior, predictive checks."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from matplotlib.figure import Figure

from sim.language import N_, _
from sim.report import style
from sim.report.names import clean, columns, wrap
from sim.report.posterior_plots import dataset, posterior_plot, scalars
from sim.report.stored import Stored
from sim.report.words import hundredths, number, percent
from sim.report.write import file_name

KINDS = ("posterior", "prior", "predictive")
_EFFECTS = (("delta", N_("overall effect")), ("pay_delta", N_("effect on who pays")))
_LEVELS = (("level", N_("level")),)
_MOST = 4
_MOST_CELLS = 24
_PROB = 0.9
_LINE = 84  # characters that fit below the axis


def fit_plots(stored: Stored, folder: Path) -> list[Path]:
    """Draw chains, prior against posterior, and the predictive check of each stored posterior.

    A picture that is there already stays; what a posterior does not hold is not drawn.
    """
    known = {file_name(name): name for name in stored.summary["outcomes"]}
    draw: dict[str, Callable[[str, Any, Path], None]] = {
        "posterior": posterior_plot,
        "prior": _prior,
        "predictive": _predictive,
    }
    for stem, file in stored.posteriors().items():
        targets = {kind: folder / f"{kind}_{stem}.png" for kind in KINDS}
        missing = {kind: target for kind, target in targets.items() if not style.is_drawn(target)}
        if missing:
            import xarray as xr

            with xr.open_datatree(file, engine="h5netcdf") as tree:
                for kind, target in missing.items():
                    draw[kind](known.get(stem, stem), tree, target)
    drawn = [folder / f"{kind}_{stem}.png" for kind in KINDS for stem in stored.posteriors()]
    return [path for path in drawn if path.is_file()]


def _prior(name: str, tree: Any, target: Path) -> None:
    """Draw the effect, or the levels where there is none, before and after the data."""
    if "prior" not in tree.children:
        return
    import arviz as az
    import xarray as xr

    after, before = tree["posterior"].to_dataset(), tree["prior"].to_dataset()
    wanted = [(key, word) for key, word in _EFFECTS if key in after and key in before]
    wanted = wanted or [(key, word) for key, word in _LEVELS if key in after and key in before]
    pairs = [
        pair
        for key, word in wanted
        for pair in zip(scalars(after[key], _(word)), scalars(before[key], _(word)), strict=False)
        if np.isfinite(pair[0]).all()  # of a fit that cannot be trusted
    ][:_MOST]
    if not pairs:
        return
    groups = {"posterior": dataset([one for one, _ in pairs]), "prior": dataset([one for _, one in pairs])}
    collection = az.plot_prior_posterior(
        xr.DataTree.from_dict(groups),
        kind="kde",
        backend="matplotlib",
        figure_kwargs={"figsize": (9.0, 3.8), "layout": "constrained"},
    )
    labels = [one.attrs["label"] for one, _before in pairs]
    fig: Figure = collection.viz["figure"].item()
    for key_of_arviz in list(fig.legends):
        key_of_arviz.remove()
    for key, label in zip(groups["posterior"].data_vars, labels, strict=True):
        curves = collection.viz["dist"][key]
        curves.sel(group="posterior").item().set(color=style.MAIN, linestyle="-")
        prior = curves.sel(group="prior").item()
        prior.set(color=style.MUTED, linestyle=(0, (5, 2)))
        prior.axes.set_title(label)
        prior.axes.locator_params(axis="x", nbins=6)
        prior.axes.xaxis.set_major_formatter(style.ticks())
    ratio = float(pairs[0][0].std() / pairs[0][1].std())
    title = _("{name}: the data leave {share} of the prior's spread").format(
        name=clean(name), share=percent(ratio, 0.005)
    )
    below = _("Where both curves agree, the pilot said nothing. Effects are on the model's own (link) scale.")
    _save(fig, target, title, _("Density of the posterior (solid) and of the prior (dashed)"), below, labels)


def _predictive(name: str, tree: Any, target: Path) -> None:
    """Draw what the fitted model would have measured, cell by cell, beside what was measured."""
    if not {"posterior_predictive", "observed_data"} <= set(tree.children):
        return
    import arviz as az
    import xarray as xr

    replicated, observed = tree["posterior_predictive"].to_dataset(), tree["observed_data"].to_dataset()
    what = next((str(key) for key in observed.data_vars if key in replicated), None)
    if what is None or observed[what].ndim != 1:
        return
    draws, seen = replicated[what].transpose("chain", "draw", ...).values, observed[what].values
    expected = draws.mean(axis=(0, 1))
    shown = np.flatnonzero(np.isfinite(expected) & (expected != 0))[:_MOST_CELLS]
    if not shown.size:
        return
    cells = [clean(label, 24) for label in observed[observed[what].dims[0]].values[shown]]
    off = {
        "posterior_predictive": (("chain", "draw", "cell"), 100 * (draws[:, :, shown] / expected[shown] - 1)),
        "observed_data": (("cell",), 100 * (seen[shown] / expected[shown] - 1)),
    }
    collection = az.plot_ppc_interval(
        xr.DataTree.from_dict({group: xr.Dataset({"off": values}) for group, values in off.items()}),
        ci_kind="eti",
        ci_probs=(0.5, _PROB),
        backend="matplotlib",
        figure_kwargs={"figsize": (9.0, 4.2), "layout": "constrained"},
    )
    fig: Figure = collection.viz["figure"].item()
    axes = fig.axes[0]
    room = _LINE // len(cells)
    if all(columns(word) <= room for cell in cells for word in cell.split(" ")):
        axes.set_xticks(range(len(cells)), [wrap(cell, room) for cell in cells])
    else:
        axes.set_xticks(range(len(cells)), cells, rotation=60)
    axes.set_xlabel("")
    axes.set_ylabel("%")
    axes.yaxis.set_major_formatter(style.ticks())
    axes.set_title(
        _("{name}: off what the model expects, %").format(name=clean(_(what.replace("_", " ")), 40))
    )
    axes.axhline(0, color=style.MUTED, linewidth=1.0)
    ends = np.quantile(off["posterior_predictive"][1], [(1 - _PROB) / 2, (1 + _PROB) / 2], axis=(0, 1))
    inside = int(((ends[0] <= off["observed_data"][1]) & (off["observed_data"][1] <= ends[1])).sum())
    title = _("{name}: {inside} of {all} cells of the pilot lie where the model expects them").format(
        name=clean(name), inside=inside, all=len(cells)
    )
    below = _("Bars: {half} and {most} of replicated pilots (equal-tailed); black mark: the pilot.").format(
        half=hundredths("50"), most=hundredths(number(100 * _PROB, 0))
    )
    _save(fig, target, title, _("Posterior predictive check by arm and segment"), below, cells)


def _save(fig: Figure, target: Path, title: str, subtitle: str, below: str, names: list[str]) -> None:
    import matplotlib.pyplot as plt

    try:
        style.save(fig, target, title=title, subtitle=subtitle, below=below, names=names, colours=style.FEW)
    finally:
        plt.close(fig)
