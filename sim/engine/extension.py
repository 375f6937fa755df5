"""Whether a longer pilot is worth its cost, and whether a first stage is worth more than all at once."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict
from typing import Any

import numpy as np

from sim.decision.arguments import with_hurdle
from sim.decision.regression import conditional_mean
from sim.decision.study import Best, assurance, best, enbs, staged
from sim.decision.voi import evpi, evppi, evsi, evsi_gaussian, prior_sample_size
from sim.engine.inputs import net_present_value
from sim.engine.later import discounting, ended, later
from sim.engine.learning import Source, observed, signals, together
from sim.engine.world import Strategy, World
from sim.records.arrays import FloatArray
from sim.records.estimate import Estimate, mean
from sim.simulation.draws import child

type Row = dict[str, Any]


def value_now(world: World, strategy: Strategy) -> Row:
    """Return what deciding now is expected to pay, and which decision that is."""
    npv, hurdle = net_present_value(world, strategy), world.plan.hurdle
    found = mean(npv)
    return {
        "invest": found.value > hurdle,
        **_figures("npv", found),
        **_figures("p_above_hurdle", mean((npv > hurdle).astype(np.float64))),
    }


def value_of_knowing(world: World, strategy: Strategy, sources: Sequence[Source]) -> Row:
    """Return the EVPI, and the EVPPI of the levels that a pilot without end would tell."""
    npv = net_present_value(world, strategy)
    nb = with_hurdle(npv, world.plan.hurdle)
    levels = together(npv, [source.learnable() for source in sources])
    row: Row = {**_figures("evpi", evpi(nb)), "evppi": 0.0, "evppi_mcse": 0.0}
    if levels.shape[1]:
        found = evppi(nb, levels, rng=child(world.plan.seed, "pilot.evppi"))
        row |= {"evppi": found.value, "evppi_mcse": found.mcse}
    return row


def pay_offs(world: World, strategy: str, months: int) -> FloatArray:
    """Return what the two decisions after a longer pilot pay, discounted to today, (sample, decision).

    Decision 0 is not to invest, or, where the rollout goes on meanwhile, to stop it then: what it brought
    until then, and the hurdle. Decision 1 is to launch when the pilot is over, with the same last month, or
    to let the rollout go on.

    Parameters
    ----------
    world : World
    strategy : str
    months : int
        Of further pilot.
    """
    pilot, hurdle = world.plan.pilot, world.plan.hurdle
    if pilot is not None and not pilot.delays_rollout:
        cut = ended(world, months)
        stopped = net_present_value(cut, cut.strategy(strategy)) + hurdle
        return np.column_stack([stopped, net_present_value(world, world.strategy(strategy))])
    moved = later(world, months).strategy(strategy)
    return with_hurdle(((moved.benefit - moved.cost) * discounting(world, months)).sum(axis=1), hurdle)


def pilot_cost(world: World, months: int) -> FloatArray:
    """Return what `months` of pilot cost, discounted to today, (sample,)."""
    pilot = world.plan.pilot
    assert pilot is not None  # noqa: S101  # the command refuses a config without
    cost: FloatArray = world.drawn.columns[pilot.cost_path] * world.factors[:, 1 : months + 1].sum(axis=1)
    return cost


def by_length(
    world: World,
    strategy: Strategy,
    sources: Sequence[Source],
    lengths: Sequence[int],
    tell: Callable[[float], None] = lambda _share: None,
) -> tuple[list[Row], Best]:
    """Weigh every length of further pilot against deciding now.

    Parameters
    ----------
    world : World
    strategy : Strategy
        Simulated in it.
    sources : sequence of Source
        At least one.
    lengths : sequence of int
        Months.
    tell : callable
        Told the share that is done.

    Returns
    -------
    list of dict
        By length n: ``evsi``, what its data are worth to whoever could have them at once, at most the EVPPI;
        ``evsi_gaussian``, the same by the Gaussian approximation; ``waiting``, what of that and of the
        NPV is lost since the data come n months later; ``cost`` K_n; ``enbs`` = evsi − waiting − cost =
        E[max(h, E(NPV_n | D_n))] − K_n − max(h, E NPV_0); ``assurance``, the probability that the data
        lead to investing (going on); ``p_changes``, that they lead to another decision than today's; each
        estimate with its Monte Carlo error.
    Best
        The best length.

    Notes
    -----
    One dataset per joint state is simulated from each model's own likelihood, and the pay-offs are regressed
    on its totals (Strong et al. 2015, doi:10.1177/0272989X15575286). Simulations of all lengths start from
    the same seeds.
    """
    npv, seed = net_present_value(world, strategy), world.plan.seed
    now = with_hurdle(npv, world.plan.hurdle)
    levels = together(npv, [source.learnable() for source in sources])
    learnable = conditional_mean(npv[:, None], levels, rng=child(seed, "pilot.levels")).plain[:, 0]
    shown = {
        n: signals(npv, sources, {s.name: n * s.per_month for s in sources}, seed=seed, stream="pilot")
        for n in lengths
    }
    # The approximation needs data of one length only; the middle one is neither noise nor certainty.
    middle = sorted(lengths)[len(lengths) // 2]
    n0 = prior_sample_size(learnable, shown[middle], middle, rng=child(seed, "pilot.n0"))
    today = int(now.mean(axis=0).argmax())
    rows, nets = [], []
    for n in lengths:
        rng = child(seed, f"pilot.{n}")
        at_once = evsi(now, now, shown[n], rng=rng)
        then = pay_offs(world, strategy.name, n)
        later_on = evsi(now, then, shown[n], rng=child(seed, f"pilot.{n}"))
        each = np.arange(len(npv))
        waited = mean(now[each, at_once.decisions] - then[each, later_on.decisions])
        cost = mean(pilot_cost(world, n))
        net = enbs(later_on, cost.value)
        net = Estimate(net.value, float(np.hypot(net.mcse, cost.mcse)))
        rows.append(
            {
                "months": n,
                "evsi": at_once.value,
                "evsi_mcse": at_once.mcse,
                **_figures("evsi_gaussian", _gaussian(now, levels, n0, n, seed)),
                "waiting": at_once.value - later_on.gain.value,
                "waiting_mcse": waited.mcse,
                **_figures("cost", cost),
                **_figures("enbs", net),
                **_figures("assurance", assurance(later_on)),
                **_figures("p_changes", mean((later_on.decisions != today).astype(np.float64))),
            }
        )
        nets.append(net)
        tell(len(nets) / len(lengths))
    return rows, best(lengths, nets)


def _gaussian(now: FloatArray, levels: FloatArray, n0: float, n: int, seed: int) -> Estimate:
    if not levels.shape[1] or np.isinf(n0):
        return Estimate(0.0, 0.0)
    return evsi_gaussian(now, levels, max(n0, 1e-9), n, rng=child(seed, "pilot.gaussian"))


def in_stages(world: World, strategy: Strategy, sources: Sequence[Source]) -> Row | None:
    """Value a rollout that starts with a share of the volume, and goes on only if its data speak for it.

    Stage one has its share of all benefits and of the costs per unit, and the share `cost` of the
    fixed costs; the others join when it is over, as in a launch that much later. Its data are those of a
    pilot of the same design with as many treated units as stage one has under treatment; what only a
    rollout can show (transfer, fading) they do not tell here, which makes the value a low one.

    Returns
    -------
    dict or None
        None without ``[decision] stage``. ``value`` of starting in stages, ``over_all_in`` (what it pays more
        than all at once), ``over_nothing`` (more than the hurdle), ``goes_on`` (probability), each with its
        Monte Carlo error; ``share``, ``months``, ``cost``.
    """
    stage, plan = world.plan.stage, world.plan
    if stage is None:
        return None
    npv = net_present_value(world, strategy)
    first = _stage_value(world, strategy.name, 0, stage.share, stage.cost)
    second = _stage_value(
        later(world, stage.months), strategy.name, stage.months, 1 - stage.share, 1 - stage.cost
    )
    stopped = _stage_value(ended(world, stage.months), strategy.name, 0, stage.share, stage.cost)
    sizes = {s.name: stage_size(world, strategy.name, s) for s in sources}
    rest = first + second - stopped
    shown = signals(rest, sources, sizes, seed=plan.seed, stream="stage")
    rng = child(plan.seed, "stage.regression")
    found = staged(
        npv, stopped, rest, shown if shown.shape[1] else np.zeros(len(npv)), rng=rng, hurdle=plan.hurdle
    )
    named = {name: getattr(found, name) for name in ("value", "over_all_in", "over_nothing", "goes_on")}
    return asdict(stage) | {key: v for name, told in named.items() for key, v in _figures(name, told).items()}


def _stage_value(world: World, strategy: str, launch: int, share: float, fixed: float) -> FloatArray:
    """Return the discounted worth of the part of a rollout that has `share` of the volume, (sample,)."""
    simulated, by_month = world.strategy(strategy), discounting(world, launch)
    worth = share * (simulated.benefit * by_month).sum(axis=1)
    for item in world.plan.costs.values():
        if item.path in simulated.ledger.costs:
            part = fixed if item.per is None else share
            worth = worth - part * (simulated.ledger.costs[item.path] * by_month).sum(axis=1)
    return worth


def stage_size(world: World, strategy: str, source: Source) -> float:
    """Return the units under treatment in stage one over those of the pilot so far."""
    stage, summary = world.plan.stage, source.summary
    assert stage is not None  # noqa: S101  # the caller has looked
    exposure = world.exposure(source.name, strategy)
    months = slice(0, stage.months)
    by_month = exposure.control.sum(axis=1)[:, months] * world.reach(source.name).adopted[:, months]
    units = float(by_month.sum(axis=1).mean())
    if source.model.counts == "customers" and exposure.stock is not None:
        units += float(exposure.stock.sum(axis=1).mean())
    arm = summary.arms.index(strategy) if strategy in summary.arms else len(summary.arms) - 1
    cell = 2 * arm + 1 if len(summary.cells) > len(summary.arms) else arm
    seen = float(observed(summary, source.model)[cell])
    return stage.share * units / (seen * summary.design.effect) if seen > 0 else 0.0


def _figures(name: str, estimate: Estimate) -> Mapping[str, float]:
    return {name: estimate.value, f"{name}_mcse": estimate.mcse}
