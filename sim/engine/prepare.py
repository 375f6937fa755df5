"""Config and data to everything that a forecast needs before anything is sampled."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from sim.config.load import Source
from sim.config.plan import Plan
from sim.config.resolve import read
from sim.engine.history import forecast_volumes
from sim.engine.pilots import Pilots, Shelf, read_mix, read_pilot
from sim.engine.segments import check_segments, elicited_segments
from sim.engine.size import check_memory
from sim.errors import Problems, ProblemsError
from sim.language import N_
from sim.records.arrays import FloatArray
from sim.records.check import Check
from sim.records.quantity import Samples, scalars
from sim.records.summary import PilotSummary
from sim.records.versions import version
from sim.simulation.draws import Drawn, draw


@dataclass(frozen=True, slots=True)
class Prepared:
    """A plan with its data read and checked.

    Parameters
    ----------
    plan : Plan
    source : Source
        To name config lines.
    summaries : mapping of str to PilotSummary
        Sufficient statistics of each fitted outcome.
    segments : mapping of str to tuple of str
        Segments of every outcome, fitted or not.
    drawn : Drawn
        Joint draws of everything that the config states.
    data : mapping of str to str
        sha256 of every data file, by the name in the config.
    checks : tuple of Check
        Findings on config and data.
    volumes : mapping of str to (sample, month) array
        Units of the volumes that are forecast from their own history.
    mixes : mapping of str to (tenure, segment) array
        Customers of the stock by completed period of tenure, where the config names a table of them.
    shelf : Shelf
        With the tables that were newly read.
    """

    plan: Plan
    source: Source
    summaries: Mapping[str, PilotSummary]
    segments: Mapping[str, tuple[str, ...]]
    drawn: Drawn
    data: Mapping[str, str]
    checks: tuple[Check, ...]
    volumes: Mapping[str, FloatArray] = field(default_factory=dict)
    mixes: Mapping[str, FloatArray] = field(default_factory=dict)
    shelf: Shelf = field(default_factory=Shelf)

    def run_id(self, *, allow_untrusted: bool) -> str:
        """Return the run's name: 12 hex digits of everything that determines its files."""
        what = [self.plan.resolved, dict(self.data), self.plan.seed, version("sim"), allow_untrusted]
        text = json.dumps(what, sort_keys=True, ensure_ascii=False, default=str)
        return hashlib.sha256(text.encode()).hexdigest()[:12]


def prepare(
    path: Path,
    sets: Sequence[str] = (),
    *,
    seed: int | None = None,
    pilots: Pilots | None = None,
    store: Path | None = None,
) -> Prepared:
    """Read config and data, and check everything that can be known before sampling.

    Parameters
    ----------
    path : Path
        The config.
    sets : sequence of str
        ``KEY=VALUE`` overrides.
    seed : int or None
        Overrides ``sampling.seed``.
    pilots : dict or None
        Tables read before, which are not read again; those read now are added.
    store : Path or None
        Where what was read of tables is kept between processes.

    Raises
    ------
    ProblemsError
        With every problem of config and data.
    """
    plan, source = read(path, sets, seed)
    problems = Problems()
    stated = {name: len(elicited_segments(plan, outcome)) for name, outcome in plan.outcomes.items()}
    _check_memory(plan, stated, source)
    summaries: dict[str, PilotSummary] = {}
    mixes: dict[str, FloatArray] = {}
    known: Pilots = {} if pilots is None else pilots
    shelf = Shelf(store)
    checks = list(plan.notes)
    data: dict[str, str] = {}
    for name, outcome in plan.outcomes.items():
        if outcome.data is not None:
            with problems.gather():
                summaries[name], found = read_pilot(plan, outcome, data, known, shelf)
                checks += found
                if outcome.tenure_mix is not None:
                    mixes[name] = read_mix(outcome, summaries[name], data)
    _check_memory(plan, stated | {name: len(each.segments) for name, each in summaries.items()}, source)
    volumes, found = forecast_volumes(plan, problems, data)
    checks += found
    tables = _tables(plan, problems, data)
    if not problems:
        with problems.gather():
            drawn = draw(
                plan.quantities,
                plan.samples,
                seed=plan.seed,
                correlations=plan.correlations,
                tables=tables,
                effects=[
                    f"{outcome.path}.effect" for name, outcome in plan.outcomes.items() if name in summaries
                ],
            )
    if problems:
        raise ProblemsError(*(source.located(problem) for problem in problems.found))
    segments = {
        name: summaries[name].segments if name in summaries else elicited_segments(plan, outcome)
        for name, outcome in plan.outcomes.items()
    }
    checks += check_segments(plan, segments, source, problems)
    problems.raise_if_any()
    if not summaries and plan.outcomes:
        message = N_("no pilot data: everything rests on the levels that the config states")
        checks.append(Check("prior-only", "warn", message, N_("run a pilot and name its table in `data`")))
    return Prepared(plan, source, summaries, segments, drawn, data, tuple(checks), volumes, mixes, shelf)


def _check_memory(plan: Plan, segments: Mapping[str, int], source: Source) -> None:
    """Refuse what does not fit into memory before it is tried."""
    try:
        check_memory(plan, segments)
    except ProblemsError as error:
        raise ProblemsError(*(source.located(problem) for problem in error.problems)) from None


def _tables(plan: Plan, problems: Problems, data: dict[str, str]) -> dict[tuple[str, str], FloatArray]:
    tables: dict[tuple[str, str], FloatArray] = {}
    for path, quantity in plan.quantities.items():
        for name, scalar in scalars(path, quantity):
            if isinstance(scalar, Samples) and (scalar.file, scalar.column) not in tables:
                from sim.pilot.files import fingerprint
                from sim.pilot.series import read_column

                with problems.gather():
                    file = plan.folder / scalar.file
                    tables[scalar.file, scalar.column] = read_column(file, scalar.file, scalar.column, name)
                    data[scalar.file] = "".join(fingerprint(file).values())
    lengths = {file: {len(v) for (f, _), v in tables.items() if f == file} for file, _ in tables}
    for shown, sizes in lengths.items():
        if len(sizes) > 1:
            problems.add("columns of different length", allowed="one value per row in each", file=shown)
    return tables


def summaries_as_json(prepared: Prepared) -> dict[str, Any]:
    """Return what was understood of the data, for ``sim check``."""
    return {
        name: {
            "arms": list(summary.arms),
            "segments": list(summary.segments),
            "units": {
                cell: float(units)
                for cell, units in zip(summary.cells, summary.size.sum(axis=1), strict=True)
            },
            "design": summary.design.kind,
            "pilot_months": summary.months,
        }
        for name, summary in prepared.summaries.items()
    }
