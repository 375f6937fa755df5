"""Turns a validated config into a `Plan`, telling every contradiction between keys."""

from __future__ import annotations

import difflib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from sim.config.load import Source
from sim.config.locate import Path as Key
from sim.config.outcome import resolve_outcome
from sim.config.plan import ONLY_ARM, FlowPlan, OutcomePlan, Plan, Reference, VolumePlan
from sim.config.schema import Config, Flow, Volume
from sim.errors import Problems
from sim.records.check import Check
from sim.records.quantity import BySegment, Certain, Quantity, Samples, quoted, scalars


class Resolver:
    """Collects the quantities and the problems of one config while it is resolved."""

    def __init__(self, config: Config, tree: Mapping[str, Any], source: Source) -> None:
        self.config = config
        self.tree = tree
        self.source = source
        self.problems = Problems()
        self.quantities: dict[str, Quantity] = {}

    def problem(self, key: Key, found: str, allowed: str = "", remedy: str = "") -> None:
        """Note a problem at `key`."""
        told = self.source.problem(key, found, allowed, remedy)
        self.problems.add(
            told.found, allowed=told.allowed, remedy=told.remedy, file=told.file, line=told.line, key=told.key
        )

    def keep(self, key: Key, quantity: Quantity | None) -> str | None:
        """Register a quantity under its path as the user wrote it; None stays None."""
        if quantity is None:
            return None
        path = ".".join(quoted(str(part)) for part in key)
        self.quantities[path] = quantity
        for _, scalar in scalars(path, quantity):
            if isinstance(scalar, Samples) and not (self.source.folder / scalar.file).is_file():
                self.problem(key, f"the file {scalar.file} does not exist", "a table beside the config")
        return path

    def written(self, *key: str) -> Key:
        """Return the key of a quantity without its last part where the user wrote the short form."""
        here: Any = self.tree
        for part in key[:-1]:
            here = here.get(part) if isinstance(here, Mapping) else None
        is_table = isinstance(here, Mapping) and key[-1] in here
        return key if is_table else key[:-1]

    def close(self, name: str, options: list[str]) -> str:
        """Return a remedy that names the nearest option."""
        near = difflib.get_close_matches(name, options, n=1)
        return f'did you mean "{near[0]}"?' if near else ""

    def reference(self, key: Key, text: str) -> Reference | None:
        """Return what a volume reference names, or note that it names nothing."""
        volumes, outcomes = self.config.volumes, self.config.outcomes
        head, dot, tail = text.rpartition(".")
        if text in volumes:
            return Reference("volume", text)
        if dot and tail == "successes" and head in outcomes:
            return Reference("successes", head)
        if dot and tail == "stock" and head in volumes and volumes[head].stock is not None:
            return Reference("stock", head)
        options = [*volumes, *(f"{name}.successes" for name in outcomes)]
        options += [f"{name}.stock" for name, volume in volumes.items() if volume.stock is not None]
        allowed = ", ".join(options) or "a name from [volumes]"
        self.problem(key, f'"{text}" names no volume', allowed, self.close(text, options))
        return None

    def volume(self, key: Key, name: str, volume: Volume) -> VolumePlan:
        """Resolve a driver that stands at `key`."""
        text = tuple(str(part) for part in key)
        if volume.of is None and volume.share is not None:
            self.problem(key, "share without of", 'of = "another volume"')
        if volume.of is not None and volume.share is None:
            self.problem(key, "of without share", "share = 0.69")
        given = [k for k in ("monthly", "daily", "of") if getattr(volume, k) is not None]
        if len(given) > 1 or not (given or volume.stock is not None):
            found = " and ".join(given) + " together" if given else "no monthly, daily, stock or of"
            self.problem(key, found, "exactly one of monthly, daily, of; stock may stand alone or beside")
        if volume.of is not None and volume.of not in self.config.volumes:
            options = list(self.config.volumes)
            self.problem(
                (*key, "of"),
                f'"{volume.of}" names no volume',
                ", ".join(options),
                self.close(volume.of, options),
            )
        if isinstance(volume.share, BySegment) and not self._same_segments(volume):
            self.problem((*key, "share"), "share by segment of a volume without", "the same segments in both")
        if volume.seasonality is not None and self.config.programme.start is None:
            self.problem((*key, "seasonality"), "seasonality without programme.start", "start = 2026-01-01")
        monthly_key = self.written(*text, "monthly")
        return VolumePlan(
            name,
            self.keep(monthly_key, volume.monthly) or self.keep((*key, "daily"), volume.daily),
            self.keep((*key, "days"), volume.days),
            volume.daily is not None,
            self.keep((*key, "stock"), volume.stock),
            self.keep((*key, "growth"), volume.growth),
            volume.seasonality or (),
            volume.of,
            self.keep((*key, "share"), volume.share),
        )

    def _same_segments(self, volume: Volume) -> bool:
        """Whether a share by segment stands on a volume by the same segments."""
        parent = self.config.volumes.get(volume.of or "")
        monthly = None if parent is None else parent.monthly or parent.daily
        if not (isinstance(monthly, BySegment) and isinstance(volume.share, BySegment)):
            return False
        return monthly.by.keys() == volume.share.by.keys()

    def flow(self, section: str, name: str, flow: Flow) -> FlowPlan:
        """Resolve a cost or a known benefit."""
        key: Key = (section, name)
        horizon = self.config.programme.horizon
        if flow.at > horizon:
            self.problem((*key, "at"), f"month {flow.at} lies beyond the horizon", f"0 to {horizon}")
        if flow.until is not None and flow.until < flow.from_:
            self.problem((*key, "until"), f"until {flow.until} lies before from {flow.from_}", "from ≤ until")
        if flow.months is not None and len(flow.months) > horizon:
            found = f"{len(flow.months)} months in a horizon of {horizon}"
            self.problem((*key, "months"), found, f"at most {horizon} amounts")
        by = [
            k
            for k in ("once", "monthly", "daily", "amount", "growth")
            if isinstance(getattr(flow, k), BySegment)
        ]
        if by:
            self.problem((*key, by[0]), f"{by[0]} by segment", "one quantity; a flow has no segments")
        return FlowPlan(
            name,
            f"{section}.{quoted(name)}",
            self.keep(self.written(section, name, "once"), flow.once),
            flow.at,
            self.keep((*key, "monthly"), flow.monthly) or self.keep((*key, "daily"), flow.daily),
            self.keep((*key, "days"), flow.days),
            flow.daily is not None,
            tuple(str(self.keep((*key, "months", i + 1), q)) for i, q in enumerate(flow.months or ())),
            None if flow.per is None else self.reference((*key, "per"), flow.per),
            self.keep((*key, "amount"), flow.amount),
            flow.from_,
            flow.until,
            self.keep((*key, "growth"), flow.growth),
            flow.category or ("development" if name == "development" else "other"),
            flow.arm,
        )


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
    correlations = _correlations(found)
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
    found.problems.raise_if_any()
    stem = path.resolve().parent.name if path.stem == "config" else path.stem
    name = programme.name or stem
    resolved = config.model_dump(mode="json", by_alias=True, exclude_none=True)
    resolved["programme"]["name"] = name
    return Plan(
        name=name,
        currency=programme.currency,
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
        notes=_notes(config, outcomes),
        resolved=resolved,
    )


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


def _correlations(found: Resolver) -> tuple[tuple[str, str, float], ...]:
    """Return pairs of quantity names, taking the short and the long form of a path."""
    names = {name for path, q in found.quantities.items() for name, _ in scalars(path, q)}
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
        elif len(sides) == 2:
            result.append((sides[0], sides[1], pair.rho))
    return tuple(result)


def _notes(config: Config, outcomes: Mapping[str, OutcomePlan]) -> tuple[Check, ...]:
    """List every default that moves NPV, and what the money leaves out."""
    programme, notes = config.programme, []
    given = programme.model_fields_set
    defaults = {
        "horizon": f"horizon not given: {programme.horizon} months",
        "discount_rate": "discount_rate not given: 10 % a year",
        "timing": "timing not given: cash moves at the end of each month",
    }
    for key, message in defaults.items():
        if key not in given:
            notes.append(Check(f"default:programme.{key}", "note", message, f"set programme.{key}"))
    money = [plan for plan in outcomes.values() if not plan.kpi]
    if any(plan.rollout.ramp_path is None and plan.rollout.delay_path is None for plan in money):
        message = "no ramp and no delay: the full effect is taken from month 1"
        notes.append(Check("default:rollout", "note", message, "set rollout.ramp or rollout.delay"))
    if any(plan.rollout.transfer_path is None for plan in money):
        message = "no transfer: the rollout is taken to work exactly as well as the pilot"
        remedy = "set rollout.transfer = { low = 0.7, high = 1.0 }"
        notes.append(Check("default:rollout.transfer", "note", message, remedy))
    if any(plan.rollout.half_life_path is None for plan in money):
        message = "no fade: the effect is taken to last as long as the horizon"
        notes.append(Check("default:rollout.fade", "note", message, "set rollout.fade"))
    for name, plan in outcomes.items():
        if plan.saves == "labour" and not plan.kpi and plan.realisation_path is None:
            message = f"{name}: all of the saved labour is taken to become cash"
            remedy = f"set outcomes.{name}.realisation = {{ low = 0.4, high = 0.8 }}"
            notes.append(Check(f"realisation:{name}", "warn", message, remedy))
        if plan.looks > 1:
            message = f"{name}: the data were looked at {plan.looks} times: effects run too large"
            notes.append(Check(f"looks:{name}", "warn", message, "confirm on data from after the stop"))
    for name, volume in config.volumes.items():
        mean = sum(volume.seasonality) / 12 if volume.seasonality else 1.0
        if abs(mean - 1) > 1e-9:
            message = (
                f"{name}: the seasonal factors average {mean:.3f}, so the year's total changes by that factor"
            )
            notes.append(Check(f"seasonality:{name}", "note", message, "divide the factors by their mean"))
    if config.costs and all(flow.once == Certain(0.0) for flow in config.costs.values()):
        message = "all costs are zero: ROI and IRR are undefined and payback is immediate"
        notes.append(Check("no-costs", "warn", message, "list what the investment costs"))
    notes.append(Check("scope", "note", "money is before tax; the pilot's own cost is sunk and stays out"))
    return tuple(notes)
