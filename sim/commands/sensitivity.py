"""``sim sensitivity``: which uncertainty moves the result, and which one matters for the decision."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from threadpoolctl import threadpool_limits  # type: ignore[import-untyped]

from sim.commands.answers import Found, answer, begin, marked
from sim.commands.forecast import DEFAULT_OUT
from sim.commands.settings import check_strategy, read_plan
from sim.decision.arguments import with_hurdle
from sim.decision.shapley import shapley
from sim.decision.sobol import first_order
from sim.decision.tornado import Bar, one_at_a_time, tornado
from sim.decision.voi import evpi, evppi
from sim.engine.fit import Progress
from sim.engine.inputs import Input, fixed, groups, linked, net_present_value, only, uncertain_inputs
from sim.engine.world import World
from sim.finance.spread import distribution
from sim.records.arrays import FloatArray
from sim.records.estimate import Estimate
from sim.report.answer_words import sensitivity_sentence
from sim.report.rows import write_rows
from sim.simulation.draws import child

type Row = dict[str, Any]


def sensitivity(
    config: str | Path,
    *,
    strategy: str | None = None,
    by_segment: bool = False,
    sets: Sequence[str] = (),
    out: str | Path = DEFAULT_OUT,
    seed: int | None = None,
    refit: bool = False,
    allow_untrusted: bool = False,
    progress: Progress | None = None,
) -> Found:
    """Say which uncertain inputs move the NPV, and which are worth knowing before deciding.

    For every uncertain input, and every natural group of them (an outcome, a volume, costs, rollout, …):

    - tornado: E[NPV | x = q10] and E[NPV | x = q90], other inputs following as they depend on x, and the
      same with x alone put there and everything else left as it is;
    - the first-order Sobol index Var(E[NPV | x]) / Var(NPV), and for groups the Shapley effect, which adds
      up to 1 also where inputs depend on one another;
    - EVPPI, what knowing x before deciding is worth; the decision is between all treated arms and not
      investing, which pays the hurdle. An input can make up most of the variance and be worth nothing.

    Parameters
    ----------
    config : path
    strategy : str, optional
        Treated arm whose NPV is explained; by default the best on average.
    by_segment : bool
        Control levels and effects of fitted outcomes by segment instead of over all segments.
    sets, out, seed, refit, allow_untrusted, progress
        As for `sim.forecast`.

    Returns
    -------
    Found
        Its ``result`` has ``inputs`` and ``groups`` (the rows of the table, widest bar first), ``evpi``,
        and ``without_influence`` (inputs on which no NPV depends); where the run is untrusted and that
        is not allowed, ``sentence`` and ``trusted`` only.

    Raises
    ------
    ProblemsError
        As for `sim.forecast`, and when `strategy` is no treated arm.

    Notes
    -----
    A group is known by what its members together do to the NPV while everything else stands at its mean.
    Where the NPV is linear in the group given the rest, and the group is independent of the rest,
    E[NPV | group] depends on nothing else. Members that depend on another group are looked at besides.
    """
    check_strategy(read_plan(Path(config), sets, seed), strategy)
    forecast, study = begin(
        config, sets=sets, out=out, seed=seed, refit=refit, allow_untrusted=allow_untrusted, progress=progress
    )

    def build(folder: Path) -> Mapping[str, Any]:
        arm = strategy or str(forecast.summary["best"])
        found = marked(analyse(study.world, arm, by_segment=by_segment), trusted=forecast.trusted)
        if found["inputs"]:
            write_rows(folder, "sensitivity", [*found["inputs"], *found["groups"]])
            from sim.report.sensitivity_plots import draw

            draw(folder, found)
        return found

    withheld = not (forecast.trusted or allow_untrusted)
    return answer(
        forecast, "sensitivity", {"strategy": strategy, "by_segment": by_segment}, build, withheld=withheld
    )


@dataclass(frozen=True, slots=True)
class _Subject:
    """What is explained: the NPV of one arm, and the choice between all arms and not investing."""

    world: World
    strategy: str
    npv: Mapping[str, FloatArray]

    @property
    def y(self) -> FloatArray:
        """NPV of the arm."""
        return self.npv[self.strategy]

    @property
    def nb(self) -> FloatArray:
        """Net benefit by decision, not investing first."""
        return with_hurdle(np.stack(list(self.npv.values()), axis=1), self.world.plan.hurdle)

    def row(self, name: str, kind: str, group: str, bar: Bar, known: FloatArray) -> Row:
        """Return what a row of an input and of a group have in common; `known` is (sample, k)."""
        worth = evppi(self.nb, known, rng=child(self.world.plan.seed, f"sensitivity.{name}"))
        return {
            "name": name,
            "kind": kind,
            "group": group,
            "at_low": bar.at_low,
            "at_high": bar.at_high,
            **_figures(conditional_low=bar.low, conditional_high=bar.high, conditional_swing=bar.swing),
            **_figures(evppi=Estimate(worth.value, worth.mcse)),
            "evppi_plug_in": worth.plug_in,
        }


def _figures(**estimates: Estimate | None) -> Row:
    """Return estimates as columns, each followed by its Monte Carlo error; None for no value."""
    columns: Row = {}
    for name, found in estimates.items():
        known = found is not None and np.isfinite(found.value)  # an NPV that is certain has no shares
        columns[name] = found.value if found is not None and known else None
        columns[f"{name}_mcse"] = found.mcse if found is not None and known else None
    return columns


def analyse(world: World, strategy: str, *, by_segment: bool = False) -> Row:
    """Return what the answer of `sensitivity` holds, from a world at hand.

    Parameters
    ----------
    world : World
    strategy : str
        Treated arm whose NPV is explained.
    by_segment : bool
    """
    # The matrices are small: threads that wait for a busy core cost ten times what they save.
    with threadpool_limits(limits=1):
        return _analysed(world, strategy, by_segment)


def _analysed(world: World, strategy: str, by_segment: bool) -> Row:
    plan = world.plan
    strategies = {arm: world.strategy(arm) for arm in plan.strategies}
    npv = {arm: net_present_value(world, simulated) for arm, simulated in strategies.items()}
    subject = _Subject(world, strategy, npv)
    inputs, without = [], []
    tied = linked(plan, every := uncertain_inputs(world, strategies, by_segment=by_segment))
    rows = []
    for one in every:
        bar = tornado(subject.y, one.values, names=[one.name])[0]
        alone = _alone(subject, one, bar)
        moves = alone.swing != Estimate(0.0, 0.0) or one.name in tied
        if not moves and not _matters(subject, one):
            without.append(one.name)
            continue
        inputs.append(one)
        rows.append(
            {
                **subject.row(one.name, "input", one.group, bar, one.values[:, None]),
                **_figures(alone_low=alone.low, alone_high=alone.high),
                **_figures(first_order=_share(subject.y, one.values), shapley=None),
            }
        )
    whole = evpi(subject.nb)
    found: Row = {
        "sentence": "",
        "strategy": strategy,
        "currency": plan.currency,
        "hurdle": plan.hurdle,
        "samples": plan.samples,
        "npv": distribution(subject.y),
        **_figures(evpi=whole),
        "inputs": sorted(rows, key=_swing, reverse=True),
        "groups": sorted(_grouped(subject, inputs, tied), key=_swing, reverse=True),
        "without_influence": without,
    }
    best = (None, *plan.strategies)[int(subject.nb.mean(axis=0).argmax())]
    now = "not investing" if best is None else "investing" if len(plan.strategies) == 1 else f'"{best}"'
    return found | sensitivity_sentence(found, now)


def _swing(row: Row) -> float:
    return abs(float(row["conditional_swing"]))


def _alone(subject: _Subject, one: Input, bar: Bar) -> Bar:
    """Return the bar with one input put to its ends and the rest left as it is."""

    def evaluate(_: str, value: float) -> FloatArray:
        world = one.held(value)
        return net_present_value(world, world.strategy(subject.strategy))

    return one_at_a_time(evaluate, {one.name: (bar.at_low, bar.at_high)})[0]


def _matters(subject: _Subject, one: Input) -> bool:
    """Tell whether any arm's NPV depends on an input; its quantiles alone would miss a rare event."""
    low, high = one.held(float(one.values.min())), one.held(float(one.values.max()))
    return any(
        (net_present_value(low, low.strategy(arm)) != net_present_value(high, high.strategy(arm))).any()
        for arm in subject.npv
    )


def _grouped(subject: _Subject, inputs: Sequence[Input], tied: frozenset[str]) -> list[Row]:
    """Return the rows of the groups."""
    rows: list[Row] = []
    columns: dict[str, FloatArray] = {}
    for name, members in groups(inputs).items():
        varied = only(subject.world, name)
        npv = {arm: net_present_value(varied, varied.strategy(arm)) for arm in subject.npv}
        besides = [member.values for member in members if member.name in tied]
        x = npv[subject.strategy]
        columns[name] = np.stack([x, *besides], axis=1)
        bar = tornado(subject.y, x, names=[name])[0]
        known = np.stack([*npv.values(), *besides], axis=1)
        alone = _together(subject, name, x, bar)
        rows.append(
            {
                **subject.row(name, "group", name, bar, known),
                **_figures(alone_low=alone.low, alone_high=alone.high),
                **_figures(first_order=_share(subject.y, x)),
            }
        )
    if not rows:
        return rows
    shares = shapley(subject.y, columns, rng=child(subject.world.plan.seed, "sensitivity.shapley"))
    return [
        {**row, **_figures(shapley=Estimate(shares.values[row["name"]], shares.mcse[row["name"]]))}
        for row in rows
    ]


def _share(y: FloatArray, x: FloatArray) -> Estimate:
    """Return the first-order index of x, (sample,)."""
    found = first_order(y, x[:, None])
    return Estimate(float(found.values[0]), float(found.mcse[0]))


def _together(subject: _Subject, group: str, x: FloatArray, bar: Bar) -> Bar:
    """Return the bar with a whole group put where it is worth x, its ends, and the rest left as it is."""

    def evaluate(_: str, value: float) -> FloatArray:
        world = fixed(subject.world, group, int(np.abs(x - value).argmin()))
        return net_present_value(world, world.strategy(subject.strategy))

    return one_at_a_time(evaluate, {group: (bar.at_low, bar.at_high)})[0]
