"""Turns a validated config into a `Plan`, telling every contradiction between keys."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from sim.config.load import Source, load
from sim.config.notes import notes
from sim.config.outcome import resolve_outcome
from sim.config.plan import (
    ONLY_ARM,
    FlowPlan,
    OutcomePlan,
    PilotPlan,
    Plan,
    Reference,
    StagePlan,
    VolumePlan,
)
from sim.config.resolver import Resolver
from sim.config.schema import Config
from sim.records.quantity import Certain, quoted, scalars


def read(path: Path, sets: Sequence[str] = (), seed: int | None = None) -> tuple[Plan, Source]:
    """Return the plan of a config file, and its lines; reads no table.

    Parameters
    ----------
    path : Path
    sets : sequence of str
        ``KEY=VALUE`` overrides.
    seed : int or None
        Overrides ``sampling.seed``.

    Raises
    ------
    ProblemsError
        With everything that the config does not allow.
    """
    config, tree, source = load(path, sets if seed is None else [*sets, f"sampling.seed={seed}"])
    return resolve(config, tree, source, path), source


def resolve(config: Config, tree: Mapping[str, Any], source: Source, path: Path) -> Plan:
    """Return the plan of a config, or raise every contradiction found.

    Parameters
    ----------
    config : Config
        Validated text.
    tree : mapping
        The raw tree, to name quantities as the user wrote them.
    source : Source
        To name lines.
    path : Path
        The config file; its stem (or its folder, for ``config.toml``) is the default name.
    """
    found = Resolver(config, tree, source)
    programme = config.programme
    volumes = {name: found.volume(("volumes", name), name, volume) for name, volume in config.volumes.items()}
    _no_volume_cycles(found, volumes)
    outcomes: dict[str, OutcomePlan] = {}
    for name in config.outcomes:
        with found.problems.gather():
            outcomes[name] = resolve_outcome(found, name, volumes)
    costs = {name: found.flow("costs", name, flow) for name, flow in config.costs.items()}
    benefits = {name: found.flow("benefits", name, flow) for name, flow in config.benefits.items()}
    strategies = _strategies(found, outcomes)
    _whole(found, outcomes, costs | benefits, strategies)
    correlations = _correlations(found, outcomes)
    convert = None
    if programme.discount_basis not in (None, programme.basis):
        convert = "to-nominal" if programme.basis == "nominal" else "to-real"
        if programme.inflation is None:
            remedy = "add inflation = 0.02 or drop discount_basis"
            found.problem(
                ("programme", "discount_basis"), "two bases without inflation", "inflation = …", remedy
            )
    discount_path = found.keep(("programme", "discount_rate"), programme.discount_rate)
    inflation_path = found.keep(("programme", "inflation"), programme.inflation)
    pilot, stage = _learning(found)
    returns_path = found.keep(("decision", "returns"), config.decision.returns)
    if returns_path is not None and config.decision.scale is None:
        remedy = "add scale = [0.5, 1, 2], or drop returns"
        found.problem(("decision", "returns"), "returns without scale", "both, or neither", remedy)
    found.problems.raise_if_any()
    stem = path.resolve().parent.name if path.stem == "config" else path.stem
    name = programme.name or stem
    resolved = config.model_dump(mode="json", by_alias=True, exclude_none=True)
    resolved["programme"]["name"] = name
    return Plan(
        name=name,
        currency=programme.currency,
        language=programme.language,
        start=programme.start,
        horizon=programme.horizon,
        discount_path=str(discount_path),
        inflation_path=inflation_path,
        convert=convert,  # type: ignore[arg-type]  # mypy widens the literals
        timing=programme.timing,
        quantities=found.quantities,
        volumes=volumes,
        outcomes=outcomes,
        costs=costs,
        benefits=benefits,
        correlations=correlations,
        strategies=strategies,
        payback_within=config.decision.payback_within,
        hurdle=config.decision.hurdle,
        draws=config.sampling.draws,
        tune=config.sampling.tune,
        chains=config.sampling.chains,
        seed=config.sampling.seed,
        folder=source.folder,
        notes=notes(config, outcomes),
        resolved=resolved,
        pilot=pilot,
        stage=stage,
        scale=tuple(sorted(config.decision.scale or (1.0,))),
        returns_path=returns_path,
    )


def _learning(found: Resolver) -> tuple[PilotPlan | None, StagePlan | None]:
    """Return the longer pilot and the first stage that are weighed, both shorter than the horizon."""
    decision, horizon = found.config.decision, found.config.programme.horizon
    pilot = stage = None
    if decision.pilot is not None:
        key = ("decision", "pilot")
        given = "months" in decision.pilot.model_fields_set
        months = tuple(sorted(set(decision.pilot.months)))
        late = [month for month in months if month >= horizon]
        if late and given:
            listed = ", ".join(map(str, late))
            told = f"{listed} months of pilot within a horizon of {horizon}"
            found.problem((*key, "months"), told, f"1 to {horizon - 1}")
        months = tuple(month for month in months if month < horizon)
        cost = found.keep((*key, "cost_per_month"), decision.pilot.cost_per_month)
        pilot = PilotPlan(str(cost), months, decision.pilot.delays_rollout, decision.pilot.ran)
    if decision.stage is not None:
        stage = StagePlan(decision.stage.share, decision.stage.months, decision.stage.cost)
        if stage.months >= horizon:
            told = f"a first stage of {stage.months} months within a horizon of {horizon}"
            found.problem(("decision", "stage", "months"), told, f"1 to {horizon - 1}")
    return pilot, stage


def _no_volume_cycles(found: Resolver, volumes: Mapping[str, VolumePlan]) -> None:
    for name in volumes:
        seen, here = {name}, volumes[name].of
        while here is not None and here in volumes:
            if here in seen:
                found.problem(("volumes", name, "of"), f"{name} is a share of itself", "no cycles")
                break
            seen.add(here)
            here = volumes[here].of


def _strategies(found: Resolver, outcomes: Mapping[str, OutcomePlan]) -> tuple[str, ...]:
    """Return the treated arms; every outcome that names arms must name the same ones."""
    labelled = {name: plan.data.treated for name, plan in outcomes.items() if plan.data and plan.data.arm}
    labelled = {name: labels for name, labels in labelled.items() if labels}
    every = tuple(dict.fromkeys(label for labels in labelled.values() for label in labels))
    for name, labels in labelled.items():
        if set(labels) != set(every):
            shown = ", ".join(labels)
            remedy = "forecast them in separate configs and compare"
            found.problem(
                ("outcomes", name),
                f"treated arms are {shown}",
                f"the same as elsewhere: {', '.join(every)}",
                remedy,
            )
    return every or (ONLY_ARM,)


def _whole(
    found: Resolver,
    outcomes: Mapping[str, OutcomePlan],
    flows: Mapping[str, FlowPlan],
    strategies: tuple[str, ...],
) -> None:
    """Check what only the whole config can tell."""
    config = found.config
    if not config.outcomes and not config.benefits:
        found.problem(
            (),
            "no outcome and no benefit",
            "[outcomes.NAME] or [benefits.NAME]",
            "`sim init` writes a config",
        )
    every_kpi = bool(outcomes) and all(plan.kpi for plan in outcomes.values()) and not config.benefits
    if not config.costs and not every_kpi and (config.outcomes or config.benefits):
        remedy = "say what the investment costs, e.g. [costs] development = 75_000"
        found.problem(("costs",), "[costs] is missing", "at least one cost, 0 if it is free", remedy)
    for flow in flows.values():
        section, name = flow.path.split(".")[0], flow.name
        if flow.arm is not None and flow.arm not in strategies:
            found.problem((section, name, "arm"), f'"{flow.arm}" is not a treated arm', ", ".join(strategies))
        if flow.per is not None and flow.per.kind == "successes":
            counted = outcomes.get(flow.per.name)
            if counted is not None and (counted.volume is None or counted.model.counts != "successes"):
                allowed = "a conversion outcome with a volume"
                found.problem((section, name, "per"), f'"{counted.name}" counts no successes', allowed)
        if flow.per is not None and flow.per.kind == "stock":
            kept = [
                p
                for p in outcomes.values()
                if p.model.counts == "customers" and p.volume == Reference("volume", flow.per.name)
            ]
            if not kept:
                remedy = f'give a churn outcome volume = "{flow.per.name}"'
                found.problem(
                    (section, name, "per"), "no churn outcome says who of the stock is alive", "", remedy
                )
    _no_double_counting(found, outcomes)


def _no_double_counting(found: Resolver, outcomes: Mapping[str, OutcomePlan]) -> None:
    """Refuse two money outcomes that save the same thing on the same volume without a chain."""
    money = [plan for plan in outcomes.values() if not plan.kpi and plan.saves]
    for i, first in enumerate(money):
        for second in money[i + 1 :]:
            same = first.saves == second.saves and first.volume == second.volume
            if same and not (_chained(outcomes, first, second) or _chained(outcomes, second, first)):
                found.problem(
                    ("outcomes", second.name),
                    f'"{first.name}" and "{second.name}" both save {first.saves} on the same volume',
                    f'after = "{first.name}", or different `saves`',
                    "does the second work on what the first leaves over? Then chain them with `after`; "
                    "if they are the same saving measured twice, drop the value of one",
                )


def _chained(outcomes: Mapping[str, OutcomePlan], late: OutcomePlan, early: OutcomePlan) -> bool:
    seen: set[str] = set()
    here = late.after
    while here is not None and here in outcomes and here not in seen:
        if here == early.name:
            return True
        seen.add(here)
        here = outcomes[here].after
    return False


def _correlations(found: Resolver, outcomes: Mapping[str, OutcomePlan]) -> tuple[tuple[str, str, float], ...]:
    """Return pairs of names of quantities and fitted effects, in the short or the long form of a path."""
    names = {name for path, q in found.quantities.items() for name, _ in scalars(path, q)}
    names |= {f"{plan.path}.effect" for plan in outcomes.values() if plan.data is not None}
    result = []
    for number, pair in enumerate(found.config.correlations):
        sides = []
        for text in pair.of:
            long = [f"{text}.{tail}" for tail in ("once", "monthly")]
            short = [text.removesuffix(f".{tail}") for tail in ("once", "monthly")]
            match = next((name for name in (text, *long, *short) if name in names), None)
            if match is None:
                options = sorted(names)
                allowed = ", ".join(options) or "an uncertain quantity"
                found.problem(
                    ("correlations", number, "of"),
                    f'"{text}" names no quantity',
                    allowed,
                    found.close(text, options),
                )
            else:
                sides.append(match)
        if len(sides) == 2 and sides[0] == sides[1]:
            found.problem(("correlations", number, "of"), f'"{sides[0]}" with itself', "two quantities")
        elif len(sides) == 2 and not any(_fixed(found, side) for side in sides):
            result.append((sides[0], sides[1], pair.rho))
    return tuple(result)


def _fixed(found: Resolver, name: str) -> bool:
    """Whether ``--set`` made a quantity certain, which leaves nothing to correlate."""
    path = name.split(".by.", maxsplit=1)[0]
    overridden = {".".join(quoted(str(part)) for part in key) for key in found.source.overridden}
    tails = ("", ".once", ".monthly")
    return isinstance(found.quantities.get(path), Certain) and any(
        f"{path.removesuffix(tail)}{other}" in overridden for tail in tails for other in tails
    )
