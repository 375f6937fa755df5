"""``sim forecast``: fit (or reuse the stored fit), simulate, measure, publish."""

from __future__ import annotations

import json
import math
import shutil
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from sim.commands.formats import VECTORS, WORKBOOK, check_formats, put_workbook
from sim.commands.pages import draw_pages, has_page, has_vectors, redraw
from sim.commands.place import check_place, fit_store, place_of
from sim.commands.result import Result as Result  # noqa: PLC0414  # others know it by this name
from sim.engine.fit import Progress, fit_all
from sim.engine.prepare import Prepared, prepare
from sim.engine.study import fit_checks
from sim.engine.summary import pooled, summarise
from sim.engine.world import Strategy, World
from sim.language import spoken_in
from sim.records.arrays import FloatArray
from sim.records.fit import Fit, usable
from sim.records.quantity import quoted
from sim.records.versions import version
from sim.report.write import file_name, is_whole, publish
from sim.simulation.cashflow import Kind
from sim.whole import told

DEFAULT_OUT = Path("results")


def forecast(
    config: str | Path,
    *,
    sets: Sequence[str] = (),
    out: str | Path = DEFAULT_OUT,
    seed: int | None = None,
    refit: bool = False,
    allow_untrusted: bool = False,
    plots: bool = True,
    formats: Sequence[str] = (),
    language: str | None = None,
    progress: Progress | None = None,
) -> Result:
    """Forecast what an investment will return, from a config and its pilot data.

    Parameters
    ----------
    config : path
        TOML file.
    sets : sequence of str
        ``KEY=VALUE`` overrides of the config.
    out : path
        Folder for results and stored fits.
    seed : int, optional
        Overrides ``sampling.seed``.
    refit : bool
        Sample anew even where a stored fit exists.
    allow_untrusted : bool
        Write figures even when a check fails; they stay marked untrusted.
    plots : bool
        Draw the plots and the page. A run without them gets them from `sim report`, or when the same is
        forecast again with them; its figures then stay as they are.
    formats : sequence of {"xlsx", "svg"}
        What to write too: ``forecast.xlsx``, a workbook whose totals are formulas; ``plots/*.svg``, the
        plots as vectors.
    language : {"en", "zh", "th", "nb", "es"}, optional
        Overrides ``programme.language``: of headline, report and plots.
    progress : callable, optional
        Called with (outcome, share done) while sampling.

    Returns
    -------
    Result
        Summary, samples, cash flow and posteriors, all read from the run's files.

    Raises
    ------
    ProblemsError
        When config, data or environment must be mended; nothing is written then.
    """
    check_formats(formats, plots=plots)
    if language is not None:
        sets = [*sets, f"programme.language={json.dumps(language)}"]
    prepared = prepare(Path(config), sets, seed=seed, store=fit_store(out))
    return run(
        prepared,
        Path(out),
        refit=refit,
        allow_untrusted=allow_untrusted,
        plots=plots,
        formats=formats,
        progress=progress,
    )


def run(
    prepared: Prepared,
    out: Path,
    *,
    refit: bool = False,
    allow_untrusted: bool = False,
    plots: bool = True,
    formats: Sequence[str] = (),
    progress: Progress | None = None,
) -> Result:
    """Run a prepared forecast; the part of `forecast` that costs time."""
    plan = prepared.plan
    target = place_of(prepared, out, allow_untrusted=allow_untrusted)
    store = fit_store(out)
    if not refit and is_whole(target):
        vectors = VECTORS in formats
        if plots and (not has_page(target) or (vectors and not has_vectors(target))):
            redraw(target, store, lambda: world_of(prepared, fit_all(prepared, store)), vectors=vectors)
        if WORKBOOK in formats:
            put_workbook(target)
        return Result(target, reused=True)
    check_place(prepared, out, allow_untrusted=allow_untrusted)
    started = time.perf_counter()
    fits = fit_all(prepared, store, refit=refit, progress=progress)
    seconds = {"fit": round(time.perf_counter() - started, 3)}
    checks = [*prepared.checks, *fit_checks(fits)]
    trusted = all(check.status != "fail" for check in checks)
    show = trusted or (allow_untrusted and all(usable(fit.checks) for fit in fits.values()))
    world = world_of(prepared, fits) if show else None
    with spoken_in(plan.language):
        summary, strategies = summarise(world, plan, checks, trusted=trusted)

    def build(folder: Path) -> dict[str, Any]:
        from sim.report.tables import write_cash_flow, write_json, write_samples

        write_json(folder / "summary.json", summary)
        if world is not None:
            write_samples(folder / "samples.parquet", _columns(world, strategies))
            write_cash_flow(
                folder / "cash_flow.parquet",
                {name: _streams(strategy) for name, (strategy, _) in strategies.items()},
                plan.start,
                world.factors,
            )
        _posteriors(folder, fits)
        manifest = _manifest(prepared, fits, summary["checks"], seconds)
        if plots:
            simulated = None if world is None else (world, summary["best"])
            draw_pages(folder, manifest, store, simulated, vectors=VECTORS in formats)
        if WORKBOOK in formats:
            from sim.report.workbook import write_workbook

            write_workbook(folder, manifest)
        return manifest

    publish(target, build, replace=refit)
    return Result(target)


def world_of(prepared: Prepared, fits: Mapping[str, Fit]) -> World:
    """Return the world that a prepared config and its fits describe."""
    return World(prepared, {name: fit.draws for name, fit in fits.items()}, prepared.drawn)


def _posteriors(folder: Path, fits: Mapping[str, Fit]) -> None:
    """Copy the stored posterior of each fit into the run."""
    if fits:
        (folder / "posterior").mkdir()
    for name, fit in fits.items():
        with told("the posterior", fit.netcdf, missing=True):
            shutil.copyfile(fit.netcdf, folder / "posterior" / f"{file_name(name)}.nc")


def _columns(
    world: World, strategies: Mapping[str, tuple[Strategy, dict[str, FloatArray]]]
) -> dict[str, Any]:
    """Return the columns of ``samples.parquet``, strategies one below the other."""
    n = world.n
    parts: list[dict[str, Any]] = []
    for name, (strategy, metrics) in strategies.items():
        columns: dict[str, Any] = {"sample": np.arange(n), "strategy": np.full(n, name, dtype=object)}
        for outcome, state in strategy.outcomes.items():
            path = f"outcomes.{quoted(outcome)}"
            for side, values in zip(("control", "treated"), pooled(state), strict=True):
                columns[f"{path}.pooled.{side}"] = np.broadcast_to(values, (n,))
            for i, segment in enumerate(state.segments):
                at = f"{path}.segments.{quoted(segment)}"
                columns[f"{at}.control"] = state.control.level[:, i]
                columns[f"{at}.treated"] = state.treated.level[:, i]
        columns |= world.drawn.columns
        columns |= {  # units a month, on average over the horizon
            volume.history.key: world.prepared.volumes[path].mean(axis=1)
            for path, volume in world.plan.volumes.items()
            if volume.history is not None
        }
        columns |= {f"metrics.{metric}": values for metric, values in metrics.items()}
        parts.append(columns)
    return {key: np.concatenate([part[key] for part in parts]) for key in parts[0]}


def _streams(strategy: Strategy) -> dict[str, tuple[Kind, FloatArray]]:
    ledger = strategy.ledger
    return {path: ("benefit", cash) for path, cash in ledger.benefits.items()} | {
        path: ("cost", cash) for path, cash in ledger.costs.items()
    }


def _manifest(
    prepared: Prepared,
    fits: Mapping[str, Fit],
    checks: Sequence[Mapping[str, Any]],
    seconds: Mapping[str, float],
) -> dict[str, Any]:
    plan = prepared.plan
    libraries = ("sim", "numpy", "scipy", "pymc", "pytensor", "nutpie", "arviz", "ibis-framework", "duckdb")
    return {
        "config": plan.resolved,
        "config_file": prepared.source.file,
        "set": sorted(".".join(map(str, key)) for key in prepared.source.overridden),
        "lines": {".".join(quoted(str(part)) for part in key): n for key, n in prepared.source.lines.items()},
        "data": dict(prepared.data),
        "seed": plan.seed,
        "samples": plan.samples,
        "versions": {name: version(name) for name in libraries},
        "fits": {
            name: {"key": fit.key, "reused": fit.reused}
            | {figure: value if math.isfinite(value) else None for figure, value in fit.diagnostics.items()}
            for name, fit in fits.items()
        },
        "pilots": {
            name: {"arms": summary.arms, "segments": summary.segments, "months": summary.months}
            for name, summary in prepared.summaries.items()
        },
        "checks": list(checks),
        "timings": dict(seconds),
    }
