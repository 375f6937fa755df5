"""Commands that take a forecast to a decision."""

from __future__ import annotations

from functools import partial
from pathlib import Path
from typing import Annotated

import typer

from sim.cli.answer import found_answer
from sim.cli.options import Config, Scheduler, Strategy
from sim.cli.shared import Asked, on_forecast


@on_forecast
def sweep(
    config: Config,
    vary: Annotated[
        list[str],
        typer.Option(
            "--vary",
            metavar="KEY=…",
            help="Any number in the config: KEY=lo:hi:n (evenly spaced) or KEY=a,b,c. Several make a grid.",
            show_default=False,
        ),
    ],
    metrics: Annotated[
        list[str] | None,
        typer.Option("--metric", help="A metric of summary.json, e.g. npv, roi, irr. The first is drawn."),
    ] = None,
    strategy: Strategy = None,
    scheduler: Scheduler = None,
) -> Asked:
    """Forecast over a grid of config values, and say where investing begins to pay.

    Every setting equals `sim forecast --set KEY=VALUE`: the same samples, and only what a key changes is
    simulated anew. Writes a table (CSV and Parquet) and a plot: a line for one key, a map for two.
    """
    from sim.commands.sweep import DEFAULT_METRICS
    from sim.commands.sweep import sweep as run
    from sim.report.sweep_screen import sweep_lines

    call = partial(run, config, vary=vary, metrics=metrics or DEFAULT_METRICS, strategy=strategy)
    return partial(call, scheduler=scheduler), partial(found_answer, "sweep", sweep_lines)


@on_forecast
def sensitivity(
    config: Config,
    strategy: Strategy = None,
    by_segment: Annotated[
        bool, typer.Option("--by-segment", help="Fitted levels and effects by segment, not over all.")
    ] = False,
) -> Asked:
    """Say which uncertainty moves the result, and which one is worth resolving first.

    Tornado, shares of variance (Sobol, Shapley) and the expected value of knowing each input and each
    group of them before deciding (EVPPI): what varies most need not be what matters for the decision.
    """
    from sim.commands.sensitivity import sensitivity as run
    from sim.report.answer_screen import sensitivity_lines

    call = partial(run, config, strategy=strategy, by_segment=by_segment)
    return call, partial(found_answer, "sensitivity", sensitivity_lines)


@on_forecast
def target(
    config: Config,
    key: Annotated[
        str, typer.Option("--solve", metavar="KEY", help="Any number in the config.", show_default=False)
    ],
    goal: Annotated[
        str,
        typer.Option("--goal", help="npv=N, roi=R, payback=T (months) or revenue=N.", show_default=False),
    ],
    between: Annotated[
        str | None,
        typer.Option("--between", metavar="LO:HI", help="Where to look; by default ever further from today."),
    ] = None,
    probability: Annotated[
        float | None,
        typer.Option(
            "--probability", help="Chance with which the goal is to be met; without it the mean meets it."
        ),
    ] = None,
    strategy: Strategy = None,
) -> Asked:
    """Solve for the value of one config number at which a goal is met, or say that there is none.

    The goal is met by the mean (the ROI's ratio of means, the payback's median) or, with --probability,
    with that chance. For a revenue it also tells what every stage of a funnel must deliver.
    """
    from sim.commands.target import target as run
    from sim.report.sweep_screen import target_lines

    call = partial(run, config, key=key, goal=goal, between=between, probability=probability)
    return partial(call, strategy=strategy), partial(found_answer, "target", target_lines)


@on_forecast
def pilot(
    config: Config,
    months: Annotated[
        str | None,
        typer.Option("--months", metavar="N,N,…", help="Lengths to weigh instead of decision.pilot.months."),
    ] = None,
    strategy: Strategy = None,
) -> Asked:
    """Say whether a longer pilot is worth its cost, and how long it should be.

    Simulates what each length of further pilot would show, and weighs what its data are worth (EVSI)
    against its cost and the cost of waiting. Needs decision.pilot.cost_per_month. Also: starting with a
    first stage (decision.stage), and what a point of a KPI would have to be worth.
    """
    from sim.commands.pilot import parse_months
    from sim.commands.pilot import pilot as run
    from sim.report.pilot_screen import pilot_lines

    call = partial(run, config, months=parse_months(months), strategy=strategy)
    return call, partial(found_answer, "pilot", pilot_lines)


@on_forecast
def compare(
    configs: Annotated[
        list[Path],
        typer.Argument(help="Two configs or more, or one with several treated arms.", show_default=False),
    ],
) -> Asked:
    """Put alternatives side by side: which is best, how surely, and what choosing it may lose.

    Forecasts each config with the same seed, so that what the alternatives share cancels in their
    difference. `--set` holds for all of them. The answer lies in the run of the first config.
    """
    from sim.commands.compare import compare as run
    from sim.report.answer_screen import compare_lines

    call = partial(run, configs)
    return call, partial(found_answer, "compare", compare_lines)


@on_forecast
def portfolio(
    configs: Annotated[
        list[Path],
        typer.Argument(
            help="Configs, folders with configs, or patterns such as 'pilots/*.toml'.", show_default=False
        ),
    ],
    budget: Annotated[float | None, typer.Option("--budget", help="For all programmes together.")] = None,
    need: Annotated[
        str,
        typer.Option(
            "--need",
            metavar="peak_funding|cost",
            help="What a programme takes of the budget: the most it is ever out of pocket, or all it costs.",
        ),
    ] = "peak_funding",
    max_loss_probability: Annotated[
        float | None,
        typer.Option("--max-loss-probability", metavar="P", help="Limit of the chance that the whole loses."),
    ] = None,
    max_cvar: Annotated[
        float | None,
        typer.Option("--max-cvar", metavar="N", help="Limit of the mean loss in the worst 5 % of samples."),
    ] = None,
    scheduler: Scheduler = None,
    dask: Annotated[bool, typer.Option("--dask", help="Use a Dask cluster on this machine.")] = False,
    processes: Annotated[
        int | None, typer.Option("--processes", help="On this machine; by default as many as cores.", min=1)
    ] = None,
) -> Asked:
    """Choose among many programmes: the set, and the sizes, of highest expected NPV under a budget.

    Forecasts each config as a task of its own (stored fits and runs are reused) and simulates all in joint
    samples: what several programmes share moves together. A config that cannot be forecast is told (exit 2)
    and the others finish. `--set` holds for all of them. The answer lies in results/portfolio.
    """
    from sim.cli.answer import portfolio_answer
    from sim.commands.portfolio import portfolio as run

    limits = {"budget": budget, "max_loss_probability": max_loss_probability, "max_cvar": max_cvar}
    where = {"scheduler": scheduler, "dask": dask, "processes": processes}
    return partial(run, configs, need=need, **limits, **where), portfolio_answer  # type: ignore[arg-type]


@on_forecast
def backtest(
    config: Config,
    holdout: Annotated[
        int,
        typer.Option(
            "--holdout", metavar="N", help="How many of the last periods to hold out.", show_default=False
        ),
    ],
    origins: Annotated[
        int, typer.Option("--origins", metavar="K", help="From how many origins, each a period earlier.")
    ] = 1,
    scheduler: Scheduler = None,
) -> Asked:
    """Ask whether the pilot's model would have forecast its last periods, had it not seen them.

    Fits what came before, forecasts every held-out period, arm and segment, and scores that by CRPS, interval
    score and coverage beside a naive forecast, in which nothing changes. Needs a `period`; for churn the
    periods are those of tenure.
    """
    from sim.commands.backtest import backtest as run
    from sim.report.backtest_screen import backtest_lines

    call = partial(run, config, holdout=holdout, origins=origins, scheduler=scheduler)
    return call, partial(found_answer, "backtest", backtest_lines)


@on_forecast
def track(
    config: Config,
    actuals: Annotated[
        Path,
        typer.Argument(
            help="Table with a row per month: month, and columns named by config path.", show_default=False
        ),
    ],
    strategy: Annotated[
        str | None, typer.Option("--strategy", help="The treated arm that was launched, of several.")
    ] = None,
) -> Asked:
    """After the launch: hold actual months against the forecast, and forecast anew with them.

    Columns of the table: costs.licence, benefits.x, outcomes.checkout (its money), benefit, cost, net,
    volumes.sessions, and data of treated customers such as outcomes.checkout.trials, by an optional segment.
    Says what left the forecast's 90 % band and when, what going on is still worth, and how surely.
    """
    from sim.commands.track import track as run
    from sim.report.track_screen import track_lines

    call = partial(run, config, actuals, strategy=strategy)
    return call, partial(found_answer, "track", track_lines)
