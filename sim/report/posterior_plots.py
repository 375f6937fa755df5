"""How the sampler explored each posterior, drawn with ArviZ."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
from matplotlib.figure import Figure

from sim.language import N_, _, localised
from sim.report import style
from sim.report.names import clean
from sim.report.words import number

# What carries the effect into money, each with how many of it to show and how to call it.
_PARAMETERS = {
    "delta": (2, N_("overall effect")),
    "pay_delta": (2, N_("effect on who pays")),
    "tau": (1, N_("spread between segments")),
    "effect": (2, N_("effect")),
    "level": (4, N_("level")),
}
_MOST = 8
_BAND = 0.99
_AGREE = 1.01


def posterior_plot(name: str, tree: Any, target: Path) -> None:
    """Draw the parameters that matter, and whether the chains agree on them.

    Parameters
    ----------
    name : str
        The outcome's.
    tree : xarray.DataTree
        With a group ``posterior``.
    target : Path
    """
    import arviz as az
    import matplotlib.pyplot as plt
    import xarray as xr

    posterior = tree["posterior"].to_dataset().load()
    chosen, left_out = choose(posterior)
    if not chosen.data_vars:
        return
    rows = len(chosen.data_vars)
    # Draws that follow one another are alike, and the test of the ranks takes them to be independent.
    thinned = az.thin(chosen, sample_dims=["chain", "draw"])
    # One in a hundred pictures may raise a false alarm, however many tests it shows (Bonferroni).
    alpha = (1 - _BAND) / rows
    collection = az.plot_rank_dist(
        xr.DataTree.from_dict({"posterior": thinned}),
        kind="kde",
        compact=False,
        combined=True,
        envelope_prob=1 - alpha,
        backend="matplotlib",
        visuals={"label": False, "xlabel_rank": False},
        figure_kwargs={"figsize": (9.0, 1.5 + 1.1 * rows), "layout": "constrained"},
    )
    fig: Figure = collection.viz["figure"].item()
    try:
        labels = [variable.attrs["label"] for variable in chosen.data_vars.values()]
        for name_, label in zip(chosen.data_vars, labels, strict=True):
            left, right = collection.viz["plot"][name_].values
            left.set_title(label)
            left.locator_params(axis="x", nbins=6)
            right.set_xticks([0, 0.5, 1])
            for axes in (left, right):
                axes.xaxis.set_major_formatter(style.ticks())
            right.yaxis.set_major_formatter(style.ticks())
            for text in right.texts:  # ArviZ writes p, and α in brackets, which the foot tells
                shown = text.get_text().partition("(")[0].replace("p=0.00", "p<0.005")
                text.set_text(localised(shown))
        chains, draws = posterior.sizes["chain"], posterior.sizes["draw"]
        below = _(
            "{chains} chains × {draws} draws; effects on the model's own (link) scale. Right: a chain that "
            "drew like the others stays near the line; p tests that, α = {alpha}."
        ).format(chains=chains, draws=number(draws, 0), alpha=number(alpha, 4))
        if thinned.sizes["draw"] < draws:
            told = _("Thinned to {draws} draws a chain, which are nearly independent.")
            below += " " + told.format(draws=number(thinned.sizes["draw"], 0))
        if left_out:
            below += " " + _("The {count} parameters that sampled best are not drawn.").format(count=left_out)
        title = _finding(clean(name), chosen)
        subtitle = _("Posterior density (left) and ranks of each chain's draws against uniform (right)")
        style.save(fig, target, title=title, subtitle=subtitle, below=below, names=labels, colours=style.FEW)
    finally:
        plt.close(fig)


def _finding(name: str, chosen: Any) -> str:
    """Say whether the chains agree, by the same measure as the run's checks."""
    import arviz as az

    rhat = max(float(value) for value in az.rhat(chosen).data_vars.values())
    least = min(float(value) for value in az.ess(chosen).data_vars.values())
    told = _("{name}: the chains do NOT agree (worst R-hat {rhat}, at least {draws} effective draws)")
    if rhat < _AGREE:
        told = _("{name}: the chains agree (worst R-hat {rhat}, at least {draws} effective draws)")
    return told.format(name=name, rhat=number(rhat, 3), draws=number(least, 0))


def choose(posterior: Any) -> tuple[Any, int]:
    """Pick the parameters to show, of each kind those with the least effective draws.

    Parameters
    ----------
    posterior : xarray.Dataset
        With dims ``chain, draw`` and whatever else.

    Returns
    -------
    xarray.Dataset
        One variable ``(chain, draw)`` per parameter, with its name for a reader in ``attrs["label"]``.
    int
        How many of the same kinds are left out.
    """
    import arviz as az

    names = [name for name in _PARAMETERS if name in posterior]
    if "delta" in names and "effect" in names and posterior["delta"].size == posterior["effect"].size:
        # With one segment they are the same number, and nothing spreads between segments.
        names = [name for name in names if name not in ("effect", "tau")]
    if not names:
        names = [str(name) for name in posterior.data_vars if not str(name).startswith("_")]
    shown: list[Any] = []
    left_out = 0
    for name in names:
        most, word = _PARAMETERS.get(name, (_MOST, None))
        word = name if word is None else _(word)  # parameters of other models have names only
        if name == "delta" and "pay_delta" in names:
            word = _("effect on the amount paid")
        cells = scalars(posterior[name], word)
        if len(cells) > most:
            effective = az.ess(dataset(cells))
            order = np.argsort([float(value) for value in effective.data_vars.values()], kind="stable")
            left_out += len(cells) - most
            cells = [cells[k] for k in order[:most]]
        shown += cells
    return dataset(shown[:_MOST]), left_out


def dataset(cells: list[Any]) -> Any:
    """Put scalars into a dataset under names that no label can break (`/` would); labels are attributes."""
    import xarray as xr

    return xr.Dataset({f"p{k}": cell for k, cell in enumerate(cells)})


def scalars(variable: Any, word: str) -> list[Any]:
    """Split a variable into its scalars; those that never move have no density and are left out."""
    import xarray as xr

    rest = [dim for dim in variable.dims if dim not in ("chain", "draw")]
    values = variable.transpose("chain", "draw", *rest).values
    coords = {dim: variable[dim].values for dim in ("chain", "draw")}
    labels = [[str(label) for label in variable[dim].values] for dim in rest]
    cells = []
    for place in np.ndindex(values.shape[2:]):
        # One treated arm, or one segment, needs no name.
        parts = [clean(names[k], 24) for k, names in zip(place, labels, strict=True) if len(names) > 1]
        draws = values[(slice(None), slice(None), *place)]
        if np.ptp(draws) > 0:
            label = " · ".join([word, *parts])
            cells.append(xr.DataArray(draws, dims=("chain", "draw"), coords=coords, attrs={"label": label}))
    return cells
