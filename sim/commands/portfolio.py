"""``sim portfolio``: which of many programmes, in which size, under one budget."""

from __future__ import annotations

import hashlib
import json
import math
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from sim.commands.answers import Answered, marked
from sim.commands.compare import told_apart
from sim.commands.forecast import DEFAULT_OUT
from sim.commands.portfolio_answer import Member, found_of
from sim.commands.portfolio_tasks import Checked, Simulated, Task, check, simulate
from sim.config.resolve import read
from sim.config.several import configs_in
from sim.decision.portfolio import Limits
from sim.engine.fit import Progress
from sim.engine.sized import NEEDS, Need
from sim.engine.workers import Failed, Workers, at_work
from sim.errors import Problem, Problems, ProblemsError
from sim.records.versions import version
from sim.report.rows import write_rows
from sim.report.tables import write_json
from sim.report.write import publish

FOLDER = "portfolio"


@dataclass(frozen=True)
class Portfolio(Answered):
    """The answer of `sim portfolio`, in ``<out>/portfolio/<id>``.

    Parameters
    ----------
    problems : tuple of Problem
        Of the configs that could not be forecast; the others' results are there.
    """

    problems: tuple[Problem, ...] = ()


def portfolio(
    configs: Sequence[str | Path],
    *,
    budget: float | None = None,
    need: Need = "peak_funding",
    max_loss_probability: float | None = None,
    max_cvar: float | None = None,
    scheduler: str | None = None,
    dask: bool = False,
    processes: int | None = None,
    sets: Sequence[str] = (),
    out: str | Path = DEFAULT_OUT,
    seed: int | None = None,
    refit: bool = False,
    allow_untrusted: bool = False,
    progress: Progress | None = None,
) -> Portfolio:
    """Forecast many programmes and choose the set of highest expected NPV under one budget.

    Every config is checked before any is fitted; then each is forecast as a task of its own, whose run is
    published like that of `sim.forecast` (without plots) and found again the next time. A config that cannot
    be forecast does not stop the others: the answer is that of the rest, its `problems` say what to mend, and
    the command ends in exit 2. Programmes whose forecast cannot be trusted are listed and left out unless
    that is allowed (exit 3).

    The set is chosen in joint samples: what several programmes state under the same name and define in the
    same way (a volume, a quantity, rows of one table) and a fit of the same outcome to the same data take the
    same values in the same sample; everything else is independent between them (`sim.engine.joint`). Each
    programme's figures therefore differ from those of its own run, by Monte Carlo error, where inputs
    multiply.

    Of a programme at most one treated arm in one size is taken; sizes are those of ``decision.scale``
    (`sim.engine.sized`). Its worth is the mean NPV above its ``decision.hurdle``.

    Parameters
    ----------
    configs : sequence of path
        Files, folders and patterns: `sim.config.several.configs_in`.
    budget : float, optional [currency]
        For all programmes together; without it only the limits of risk bind.
    need : {"peak_funding", "cost"}
        What a programme takes of the budget, on average over the samples: the most that it is ever out of
        pocket, which is what financing must cover; or all that is spent on it within the horizon, whatever
        comes back, which is how budgets for running costs such as marketing are given out. The peaks of
        several programmes are added, as if they fell together.
    max_loss_probability : float, optional
        Limit of the probability that the NPV of the whole set is below 0.
    max_cvar : float, optional [currency]
        Limit of the set's mean loss in the worst 5 % of samples, losses positive.
    scheduler : str, optional
        Address of a Dask scheduler, e.g. ``tcp://10.0.0.5:8786``, whose workers see the same files.
    dask : bool
        Use a Dask cluster on this machine in place of plain processes.
    processes : int, optional
        On this machine; as many as there are cores if left out.
    sets, out, refit, allow_untrusted
        As for `sim.forecast`; `sets` holds for every config.
    seed : int, optional
        Of all configs; without it that of the first.
    progress : callable, optional
        Called with ("programmes", share done).

    Returns
    -------
    Portfolio
        Its ``result`` has ``programmes`` (a row for each arm and size, as in ``programmes.csv``), ``chosen``,
        ``portfolio`` (the set's NPV and risk), ``optimal`` and ``gap``, ``shadow_price``, ``frontier``,
        ``shared``, ``left_out``, ``problems`` and ``notes``.

    Raises
    ------
    ProblemsError
        For options that are not allowed; when no config can be forecast; when a scheduler is lost. Finished
        runs stay.
    """
    limits = _limits(budget, need, max_loss_probability, max_cvar)
    problems = Problems()
    files = configs_in(configs, problems)
    if scheduler is not None:  # its workers have folders of their own to start from
        files, out = [file.resolve() for file in files], Path(out).resolve()
    common = _seed(files, sets) if seed is None else seed
    tasks = [Task(file, tuple(sets), common, Path(out), refit, allow_untrusted) for file in files]

    def tell(share: float) -> None:
        if progress is not None:
            progress("programmes", share)

    with at_work(Workers(scheduler, dask, processes)) as each:
        found: Sequence[Checked | Failed] = _agreeing(tasks, each(check, tasks))
        good = [(task, one) for task, one in zip(tasks, found, strict=True) if isinstance(one, Checked)]
        bad = [(task, one) for task, one in zip(tasks, found, strict=True) if isinstance(one, Failed)]
        done: Sequence[Simulated | Failed] = each(simulate, [task for task, _ in good], tell)
    bad += [(task, one) for (task, _), one in zip(good, done, strict=True) if isinstance(one, Failed)]
    for task, failed in bad:
        problems.found += [replace(each, file=each.file or str(task.config)) for each in failed.problems]
    names = told_apart([one.name for _, one in good], [task.config for task, _ in good])
    members = [
        Member(name, task.config, checked, one)
        for name, (task, checked), one in zip(names, good, done, strict=True)
        if isinstance(one, Simulated)
    ]
    if not members:
        problems.raise_if_any()
    return _published(members, limits, need, Path(out), problems.found)


def _limits(budget: float | None, need: str, max_loss: float | None, max_cvar: float | None) -> Limits:
    """Return what the set must keep to, or tell everything that is wrong with it."""
    problems = Problems()
    if need not in NEEDS:
        problems.add(f'"{need}"', allowed=", ".join(NEEDS), key="--need")
    if budget is not None and not (math.isfinite(budget) and budget >= 0):
        problems.add(f"{budget:g}", allowed="an amount from 0", key="--budget")
    if max_loss is not None and not 0 <= max_loss <= 1:
        remedy = "20 % is written 0.2"
        problems.add(
            f"{max_loss:g}", allowed="a share from 0 to 1", remedy=remedy, key="--max-loss-probability"
        )
    if max_cvar is not None and not math.isfinite(max_cvar):
        problems.add(f"{max_cvar:g}", allowed="an amount", key="--max-cvar")
    problems.raise_if_any()
    return Limits(budget, max_cvar, max_loss)


def _seed(files: Sequence[Path], sets: Sequence[str]) -> int | None:
    """Return the seed of the first config that can be read; what is wrong with the others is told later."""
    for file in files:
        with suppress(ProblemsError):
            return read(file, sets)[0].seed
    return None


def _agreeing(tasks: Sequence[Task], found: Sequence[Checked | Failed]) -> list[Checked | Failed]:
    """Return what was found, configs that do not add up with the first as failed."""
    first = next((one for one in found if isinstance(one, Checked)), None)
    whose = next((task.config for task, one in zip(tasks, found, strict=True) if one is first), None)
    agreeing: list[Checked | Failed] = []
    for one in found:
        problems = Problems()
        if isinstance(one, Checked) and first is not None:
            told = f"as in {whose}"
            if one.currency != first.currency:
                remedy = "state all money in one currency"
                allowed = f"{first.currency}, {told}"
                problems.add(one.currency, allowed=allowed, remedy=remedy, key="programme.currency")
            if one.samples != first.samples:
                remedy = "--set sampling.draws=1000 --set sampling.chains=4 gives all the same"
                allowed = f"{first.samples} samples, {told}"
                problems.add(f"{one.samples} samples", allowed=allowed, remedy=remedy, key="sampling.draws")
        agreeing.append(Failed(tuple(problems.found)) if problems else one)
    return agreeing


def _published(
    members: Sequence[Member], limits: Limits, need: Need, out: Path, problems: Sequence[Problem]
) -> Portfolio:
    """Write the answer into a folder of its own, whole or not at all; what is there already is taken."""
    options: dict[str, Any] = {
        "runs": [[member.name, str(member.simulated.run.name)] for member in members],
        "budget": limits.budget,
        "need": need,
        "max_loss_probability": limits.max_loss,
        "max_cvar": limits.max_cvar,
        "problems": [problem.as_dict() for problem in problems],
    }
    text = json.dumps([options, version("sim")], sort_keys=True, ensure_ascii=False, default=str)
    target = out / FOLDER / hashlib.sha256(text.encode()).hexdigest()[:12]

    def build(folder: Path) -> Mapping[str, Any]:
        found, samples = found_of(members, limits, need)
        found |= {"problems": options["problems"]}
        trusted = all(member.simulated.trusted for member in members)
        found = marked(found, trusted=True) | {"trusted": trusted}
        write_rows(folder, "programmes", found["programmes"])
        if samples:
            from sim.report.portfolio_plots import draw
            from sim.report.tables import write_samples

            write_rows(folder, "frontier", found["frontier"])
            write_samples(folder / "samples.parquet", samples)
            draw(folder, found)
        write_json(folder / "answer.json", found)
        return {"command": "portfolio", "options": options}

    publish(target, build)
    return Portfolio(target, tuple(problems))
