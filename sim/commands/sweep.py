"""``sim sweep``: the same forecast over a grid of settings, from the samples at hand."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any

from sim.commands.answers import Found, answer, begin
from sim.commands.forecast import DEFAULT_OUT
from sim.commands.settings import Axis, axis_of, check_axes, check_money, check_strategy, parse_axis
from sim.engine.crossing import Crossing, crossings
from sim.engine.fit import Progress, part_of
from sim.engine.grid import Row, figures_at, simulate, simulate_on
from sim.engine.study import Setting, Study
from sim.engine.workers import Workers
from sim.errors import Problems
from sim.finance.metrics import METRICS
from sim.report.rows import write_rows
from sim.report.solved import error, plain, solved
from sim.report.words import money

DEFAULT_METRICS = ("npv", "roi")


def sweep(
    config: str | Path,
    *,
    vary: Sequence[str] | Mapping[str, Sequence[float]],
    metrics: Sequence[str] = DEFAULT_METRICS,
    strategy: str | None = None,
    scheduler: str | None = None,
    sets: Sequence[str] = (),
    out: str | Path = DEFAULT_OUT,
    seed: int | None = None,
    refit: bool = False,
    allow_untrusted: bool = False,
    progress: Progress | None = None,
) -> Found:
    """Simulate the forecast anew at every point of a grid of config values.

    Every setting equals ``sim forecast --set KEY=VALUE …``: the same samples, and only those fits anew that
    a key changes. Differences between settings are therefore free of Monte Carlo noise.

    Parameters
    ----------
    config : path
    vary : sequence of str, or mapping of str to sequence of float
        ``KEY=lo:hi:n`` or ``KEY=a,b,c``; or values by key. Several keys make a full grid. A quantity is
        replaced by a certain number.
    metrics : sequence of str
        Names of ``metrics`` of a summary; the first is drawn. The NPV is always in the table.
    strategy : str, optional
        Treated arm that the sentence and the plot tell of; by default the best on average. The table has all.
    scheduler : str, optional
        Address of a Dask scheduler whose workers see the same files: settings are simulated there. Pays for
        thousands of them, or where settings must be fitted anew.
    sets, out, seed, refit, allow_untrusted
        As for `sim.forecast`.
    progress : callable, optional
        Called with (outcome, share done) while sampling and with ("settings", share done) while sweeping.

    Returns
    -------
    Found
        Its ``result`` has ``rows`` (one per setting and arm, as in ``sweep.csv``), ``break_even`` (with one
        key: where the mean NPV crosses the hurdle, each ``value``, ``mcse``, ``rises``, ``between``) and
        ``notes``; where the run is untrusted and that is not allowed, ``sentence`` and ``trusted`` only.

    Raises
    ------
    ProblemsError
        As for `sim.forecast`; and for keys, values or metrics that there are not, before anything is fitted.
    """
    axes = _checked(Path(config), vary, metrics, strategy, sets, seed)
    forecast, study = begin(
        config, sets=sets, out=out, seed=seed, refit=refit, allow_untrusted=allow_untrusted, progress=progress
    )
    asked = tuple(dict.fromkeys(metrics)) or DEFAULT_METRICS

    def build(folder: Path) -> Mapping[str, Any]:
        told = strategy or str(forecast.summary["best"])
        workers = None if scheduler is None else Workers(scheduler)
        found = _swept(study, axes, asked, told, allow_untrusted, progress, workers)
        write_rows(folder, "sweep", found["rows"])
        from sim.report.sweep_plots import draw

        draw(folder, found)
        return {name: value for name, value in found.items() if name != "drawn"}

    options = {
        "vary": {axis.key: list(axis.values) for axis in axes},
        "metrics": asked,
        "strategy": strategy,
    }
    withheld = not (forecast.trusted or allow_untrusted)
    return answer(forecast, "sweep", options, build, withheld=withheld)


def _checked(
    config: Path,
    vary: Sequence[str] | Mapping[str, Sequence[float]],
    metrics: Sequence[str],
    strategy: str | None,
    sets: Sequence[str],
    seed: int | None,
) -> Sequence[Axis]:
    """Return the axes, or tell everything that is wrong with what was asked for."""
    problems = Problems()
    given: list[Axis] = []
    for item in vary.items() if isinstance(vary, Mapping) else vary:
        with problems.gather():
            given.append(parse_axis(item) if isinstance(item, str) else axis_of(*item))
    axes: Sequence[Axis] = ()
    with problems.gather():
        plan, axes = check_axes(config, sets, seed, given)
        check_money(plan)
        check_strategy(plan, strategy)
    for name in metrics:
        if name not in METRICS:
            problems.add(f'"{name}" is no metric', allowed=", ".join(METRICS), key="--metric")
    problems.raise_if_any()
    return axes


def _swept(
    study: Study,
    axes: Sequence[Axis],
    metrics: Sequence[str],
    strategy: str,
    allow_untrusted: bool,
    progress: Progress | None,
    workers: Workers | None,
) -> Row:
    """Return the answer, and under ``drawn`` the rows of the plot."""
    plan = study.plan
    grid = [(axis.key, axis.values) for axis in axes]
    there = simulate if workers is None else partial(simulate_on, workers)
    rows = there(study, grid, metrics, allow_untrusted=allow_untrusted, tell=part_of(progress, "settings"))
    drawn, notes = rows, []
    if len(axes) > 2:
        drawn = simulate(study, grid[:2], metrics, allow_untrusted=allow_untrusted)
        others = ", ".join(axis.key for axis in axes[2:])
        notes.append(f"the plot shows {axes[0].key} and {axes[1].key}; {others} as in the config")
    withheld = sorted({name for row in rows for name in str(row["failed"] or "").split()})
    if withheld:
        count = sum(not row["trusted"] for row in rows)
        notes.append(f"{count} of {len(rows)} rows cannot be trusted ({', '.join(withheld)})")
    found: Row = {
        "sentence": "",
        "trusted": study.trusted and not withheld,
        "keys": [axis.key for axis in axes],
        "quantities": [axis.quantity for axis in axes],
        "metrics": list(metrics),
        "strategy": strategy,
        "currency": plan.currency,
        "hurdle": plan.hurdle,
        "horizon": plan.horizon,
        "payback_within": plan.payback_within,
        "samples": plan.samples,
        "rows": rows,
        "drawn": [row for row in drawn if row["strategy"] == strategy],
        "break_even": [],
        "notes": notes,
    }
    mine = [row for row in rows if row["strategy"] == strategy and row["npv_mean"] is not None]
    if len(axes) == 1:
        found["break_even"] = [_as_row(crossing) for crossing in _break_even(study, axes[0], strategy, mine)]
    sentence = _one(found, mine) if len(axes) == 1 else _grid(found, mine)
    found["sentence"] = sentence if study.trusted else f"Not to be trusted: {sentence}"
    return found


def _break_even(study: Study, axis: Axis, strategy: str, rows: Sequence[Row]) -> list[Crossing]:
    points = [(row[axis.key], row["npv_mean"] - study.plan.hurdle) for row in rows]

    def gap(value: float) -> tuple[float, float]:
        setting: Setting = {axis.key: value}
        row = figures_at(study.at(setting), strategy, ("npv",))
        return row["npv_mean"] - study.plan.hurdle, row["npv_mcse"]

    return crossings(points, gap if axis.quantity else None, {row[axis.key]: row["npv_mcse"] for row in rows})


def _as_row(crossing: Crossing) -> Row:
    return {
        "value": crossing.value,
        "mcse": crossing.mcse,
        "rises": crossing.rises,
        "between": list(crossing.between),
    }


def _hurdle(found: Row) -> str:
    return f"{money(found['hurdle'], 0.0)} {found['currency']}"


def _one(found: Row, rows: Sequence[Row]) -> str:
    """Return the finding on one key: where the mean NPV crosses the hurdle, or that it does not."""
    key = found["keys"][0]
    if not rows:
        return f"No setting of {key} can be trusted."
    first, last = rows[0], rows[-1]
    span = f"{key} from {plain(first[key])} to {plain(last[key])}"
    ends = [money(row["npv_mean"], row["npv_mcse"]) for row in (first, last)]
    run = f"mean NPV runs from {ends[0]} to {ends[1]} {found['currency']}"
    where = found["break_even"]
    if not where:
        side = "above" if first["npv_mean"] > found["hurdle"] else "not above"
        return f"No break-even for {span}: {run} and is {side} {_hurdle(found)} throughout."
    if len(where) == 1:
        one = where[0]
        at = solved(one["value"], one["mcse"])
        if one["mcse"] is None:
            side = "from" if one["rises"] else "up to"
            other = plain(one["between"][0 if one["rises"] else 1])
            return (
                f"Investing pays on average {side} {key} = {at} (at {other} it does not): mean NPV crosses "
                f"{_hurdle(found)} there; for {span}, {run}."
            )
        side = "above" if one["rises"] else "below"
        more = f" (Monte Carlo error {error(one['mcse'])})" if one["mcse"] else ""
        return (
            f"Investing pays on average where {key} is {side} {at}{more}: there mean NPV crosses "
            f"{_hurdle(found)}; for {span}, {run}."
        )
    listed = ", ".join(solved(one["value"], one["mcse"]) for one in where)
    return f"Mean NPV crosses {_hurdle(found)} {len(where)} times for {span}: at {listed}."


def _grid(found: Row, rows: Sequence[Row]) -> str:
    """Return the finding on several keys: in how many settings investing pays, and the best one."""
    keys = found["keys"]
    if not rows:
        return f"No setting of {', '.join(keys)} can be trusted."
    paying = sum(row["npv_mean"] > found["hurdle"] for row in rows)
    best = max(rows, key=lambda row: row["npv_mean"])
    at = ", ".join(f"{key} = {plain(best[key])}" for key in keys)
    top = f"{money(best['npv_mean'], best['npv_mcse'])} {found['currency']}"
    if paying in (0, len(rows)):
        side = "above" if paying else "not above"
        return (
            f"No break-even in the range of {' and '.join(keys)}: mean NPV is {side} {_hurdle(found)} in all "
            f"{len(rows):,} settings, at best {top} at {at}."
        )
    return (
        f"Investing pays on average in {paying:,} of {len(rows):,} settings, where mean NPV is above "
        f"{_hurdle(found)}; at best it is {top}, at {at}."
    )
