"""Config and data to everything that a forecast needs before anything is sampled."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from typing import Any

from sim.config.load import Source, load
from sim.config.plan import OutcomePlan, Plan
from sim.config.resolve import resolve
from sim.errors import Problems, ProblemsError
from sim.records.arrays import FloatArray
from sim.records.check import Check
from sim.records.quantity import BySegment, Samples, scalars
from sim.records.summary import ALL, PilotSummary
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
    """

    plan: Plan
    source: Source
    summaries: Mapping[str, PilotSummary]
    segments: Mapping[str, tuple[str, ...]]
    drawn: Drawn
    data: Mapping[str, str]
    checks: tuple[Check, ...]

    def run_id(self, *, allow_untrusted: bool) -> str:
        """Return the run's name: 12 hex digits of everything that determines its files."""
        what = [self.plan.resolved, dict(self.data), self.plan.seed, version("sim"), allow_untrusted]
        text = json.dumps(what, sort_keys=True, ensure_ascii=False, default=str)
        return hashlib.sha256(text.encode()).hexdigest()[:12]


def prepare(path: Path, sets: Sequence[str] = (), *, seed: int | None = None) -> Prepared:
    """Read config and data, and check everything that can be known before sampling.

    Parameters
    ----------
    path : Path
        The config.
    sets : sequence of str
        ``KEY=VALUE`` overrides.
    seed : int or None
        Overrides ``sampling.seed``.

    Raises
    ------
    ProblemsError
        With every problem of config and data.
    """
    extra = [] if seed is None else [f"sampling.seed={seed}"]
    config, tree, source = load(path, [*sets, *extra])
    plan = resolve(config, tree, source, path)
    problems = Problems()
    summaries: dict[str, PilotSummary] = {}
    checks = list(plan.notes)
    data: dict[str, str] = {}
    for name, outcome in plan.outcomes.items():
        if outcome.data is not None:
            with problems.gather():
                summaries[name], found = _read(outcome, data, stock=_has_stock(plan, outcome))
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
            )
    if problems:
        raise ProblemsError(*(source.located(problem) for problem in problems.found))
    segments = {
        name: summaries[name].segments if name in summaries else _elicited_segments(plan, outcome)
        for name, outcome in plan.outcomes.items()
    }
    checks += _segments(plan, segments, source, problems)
    problems.raise_if_any()
    if not summaries and plan.outcomes:
        message = "no pilot data: everything rests on the levels that the config states"
        checks.append(Check("prior-only", "warn", message, "run a pilot and name its table in `data`"))
    return Prepared(plan, source, summaries, segments, drawn, data, tuple(checks))


def _has_stock(plan: Plan, outcome: OutcomePlan) -> bool:
    if outcome.volume is None or outcome.volume.kind != "volume":
        return False
    return plan.volumes[outcome.volume.name].stock_path is not None


def _read(outcome: OutcomePlan, data: dict[str, str], *, stock: bool) -> tuple[PilotSummary, list[Check]]:
    from sim.pilot.checks import sample_ratio
    from sim.pilot.source import fingerprint
    from sim.pilot.summary import read

    reading = outcome.data
    assert reading is not None  # noqa: S101  # the caller passes fitted outcomes only
    pilot = read(reading, outcome.model)
    if reading.file is not None:
        digests = fingerprint(reading.file)
        whole = "".join(digests[file] for file in sorted(digests))
        data[reading.shown] = whole if len(digests) == 1 else hashlib.sha256(whole.encode()).hexdigest()
    checks = [*pilot.checks, *outcome.model.check(pilot.summary, stock=stock)]
    if pilot.summary.has_control and len(pilot.summary.arms) > 1 and outcome.after is None:
        acknowledged = "sample-ratio" in outcome.acknowledge
        checks.append(sample_ratio(pilot.summary, outcome.split, acknowledged))
    if not outcome.kpi and pilot.summary.months is None:
        message = "the table does not say how long the pilot ran, so how much lies beyond it is unknown"
        checks.append(
            Check("pilot-length", "note", message, "name the column that tells the time as `period`")
        )
    if not outcome.kpi and len(pilot.summary.segments) == 1 and outcome.rollout.transfer_path is None:
        message = "no segments: the interval holds for units like the pilot's, and others vary more"
        checks.append(
            Check("one-segment", "note", message, "name a `segment` column, or set rollout.transfer")
        )
    return pilot.summary, [
        Check(f"{check.name}:{outcome.name}", check.status, check.message, check.remedy) for check in checks
    ]


def _tables(plan: Plan, problems: Problems, data: dict[str, str]) -> dict[tuple[str, str], FloatArray]:
    tables: dict[tuple[str, str], FloatArray] = {}
    for path, quantity in plan.quantities.items():
        for name, scalar in scalars(path, quantity):
            if isinstance(scalar, Samples) and (scalar.file, scalar.column) not in tables:
                from sim.pilot.series import read_column
                from sim.pilot.source import fingerprint

                with problems.gather():
                    file = plan.folder / scalar.file
                    tables[scalar.file, scalar.column] = read_column(file, scalar.file, scalar.column, name)
                    data[scalar.file] = "".join(fingerprint(file).values())
    lengths = {file: {len(v) for (f, _), v in tables.items() if f == file} for file, _ in tables}
    for shown, sizes in lengths.items():
        if len(sizes) > 1:
            problems.add("columns of different length", allowed="one value per row in each", file=shown)
    return tables


def _paths(plan: Plan, outcome: OutcomePlan) -> list[str]:
    """Return the quantities of an outcome that may be given by segment."""
    paths = [outcome.control_path, outcome.treated_path, outcome.effect_path, *outcome.value_paths]
    paths += [outcome.realisation_path, *_volume_paths(plan, outcome)]
    return [path for path in paths if path is not None]


def _volume_paths(plan: Plan, outcome: OutcomePlan) -> list[str | None]:
    if outcome.volume is None or outcome.volume.kind != "volume":
        return []
    paths: list[str | None] = []
    name: str | None = outcome.volume.name
    while name is not None:
        driver = plan.volumes[name]
        paths += [driver.monthly_path, driver.stock_path, driver.share_path]
        name = driver.of
    return paths


def _elicited_segments(plan: Plan, outcome: OutcomePlan) -> tuple[str, ...]:
    found: dict[str, None] = {}
    for path in _paths(plan, outcome):
        quantity = plan.quantities[path]
        if isinstance(quantity, BySegment):
            found |= dict.fromkeys(quantity.by)
    return tuple(found) or (ALL,)


def _segments(
    plan: Plan, segments: Mapping[str, tuple[str, ...]], source: Source, problems: Problems
) -> list[Check]:
    """Check that everything given by segment fits the outcome's segments."""
    checks = []
    for name, outcome in plan.outcomes.items():
        own = segments[name]
        volume = set(_volume_paths(plan, outcome))
        for path in _paths(plan, outcome):
            quantity = plan.quantities[path]
            if not isinstance(quantity, BySegment) or (path in volume and own == (ALL,)):
                continue
            unknown = [s for s in quantity.by if s not in own]
            absent = [s for s in own if s not in quantity.by]
            if unknown:
                problems.add(
                    f"{name} has no segment {', '.join(unknown)}",
                    allowed=", ".join(own),
                    remedy="this version forecasts segments of the pilot only",
                    file=source.file,
                    key=path,
                )
            if absent and path in volume and not unknown:
                message = f"{name}: pilot segments without volume count 0: {', '.join(absent)}"
                checks.append(Check(f"segments-without-volume:{name}", "note", message))
            elif absent and not unknown:
                remedy = "give every segment, or one number for all"
                problems.add(
                    f"no value for segment {', '.join(absent)} of {name}",
                    allowed=", ".join(own),
                    remedy=remedy,
                    file=source.file,
                    key=path,
                )
        for other in _upstream(outcome):
            if segments[other] != own and (ALL,) not in (segments[other], own):
                shown = f"{', '.join(segments[other])} against {', '.join(own)}"
                problems.add(
                    f"{name} and {other} have different segments: {shown}",
                    allowed="the same segments, or none on one side",
                    file=source.file,
                    key=outcome.path,
                )
    return checks


def _upstream(outcome: OutcomePlan) -> list[str]:
    names = [outcome.after] if outcome.after else []
    if outcome.volume is not None and outcome.volume.kind == "successes":
        names.append(outcome.volume.name)
    return names


def summaries_as_json(prepared: Prepared) -> dict[str, Any]:
    """Return what was understood of the data, for ``sim check``."""
    return {
        name: {
            "arms": list(summary.arms),
            "segments": list(summary.segments),
            "units": {
                arm: float(units) for arm, units in zip(summary.arms, summary.size.sum(axis=1), strict=True)
            },
            "pilot_months": summary.months,
        }
        for name, summary in prepared.summaries.items()
    }
