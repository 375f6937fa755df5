"""``sim check``: says what was understood of a config and its data; samples nothing."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

from sim.config.plan import OutcomePlan
from sim.engine.prepare import Prepared, prepare, summaries_as_json


def check(config: str | Path, *, sets: Sequence[str] = (), seed: int | None = None) -> dict[str, Any]:
    """Return what a config and its data say, or raise every problem in them.

    Parameters
    ----------
    config : path
    sets : sequence of str
        ``KEY=VALUE`` overrides.
    seed : int, optional
        Overrides ``sampling.seed``.

    Returns
    -------
    dict
        ``programme``, ``outcomes``, ``costs``, ``benefits``, ``volumes`` (one sentence each),
        ``pilots`` (arms, segments, units) and ``checks``.
    """
    prepared = prepare(Path(config), sets, seed=seed)
    plan = prepared.plan
    return {
        "programme": {
            "name": plan.name,
            "currency": plan.currency,
            "horizon": plan.horizon,
            "strategies": list(plan.strategies),
            "samples": plan.samples,
        },
        "outcomes": {name: _told(prepared, outcome) for name, outcome in plan.outcomes.items()},
        "volumes": sorted(plan.volumes),
        "costs": sorted(plan.costs),
        "benefits": sorted(plan.benefits),
        "pilots": summaries_as_json(prepared),
        "checks": [asdict(item) for item in prepared.checks],
    }


def _told(prepared: Prepared, outcome: OutcomePlan) -> str:
    """Return one sentence on what an outcome measures, on what, and how it becomes money."""
    summary = prepared.summaries.get(outcome.name)
    parts = [outcome.model.name, f"{outcome.better} is better"]
    if summary is None:
        parts.append("levels stated in the config, nothing is fitted")
    else:
        counts = summary.size.sum(axis=1)
        cells = ", ".join(f"{cell} {units:,.0f}" for cell, units in zip(summary.cells, counts, strict=True))
        parts.append(f"fitted on {summary.origin}: {cells} units")
    segments = prepared.segments[outcome.name]
    if len(segments) > 1:
        parts.append(f"segments {', '.join(segments)}")
    if outcome.volume is not None:
        tail = ".successes" if outcome.volume.kind == "successes" else ""
        parts.append(f"acts on {outcome.volume.name}{tail}")
    if outcome.after is not None:
        parts.append(f"after {outcome.after}")
    parts.append("a KPI without money" if outcome.kpi else f"worth money per {outcome.unit}")
    return "; ".join(parts)
