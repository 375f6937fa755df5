"""``sim compare``: alternatives side by side, from the same joint samples."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations
from pathlib import Path
from typing import Any

import numpy as np

from sim.commands.answers import Found, answer, marked
from sim.commands.forecast import DEFAULT_OUT, Result, run
from sim.commands.place import check_place, fit_store
from sim.config.plan import Plan
from sim.decision.arguments import with_hurdle
from sim.decision.choice import dominance, expected_loss, p_best
from sim.engine.fit import Progress
from sim.engine.pilots import Pilots
from sim.engine.prepare import Prepared, prepare
from sim.errors import Problems
from sim.finance.spread import distribution
from sim.records.arrays import FloatArray
from sim.records.estimate import standard_error
from sim.report.answer_words import compare_sentence, dominance_notes
from sim.report.rows import NOTHING, write_rows
from sim.report.stored import Stored

type Row = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Choice:
    """One treated arm of one config."""

    name: str
    config: str
    strategy: str
    result: Result
    npv: FloatArray


def compare(
    configs: Sequence[str | Path],
    *,
    sets: Sequence[str] = (),
    out: str | Path = DEFAULT_OUT,
    seed: int | None = None,
    refit: bool = False,
    allow_untrusted: bool = False,
    progress: Progress | None = None,
) -> Found:
    """Compare configs, or the treated arms of one, sample by sample.

    Every config is forecast (stored fits and runs are reused) with the same seed, so that an elicited
    quantity of the same path and definition, and an outcome of the same path and data, have the same
    draws in all of them: what alternatives share cancels in their difference. The answer lies in the run
    of the first config.

    Parameters
    ----------
    configs : sequence of path
    sets : sequence of str
        ``KEY=VALUE`` overrides, of every config.
    out, refit, allow_untrusted, progress
        As for `sim.forecast`.
    seed : int, optional
        Of all configs; without it that of the first.

    Returns
    -------
    Found
        Its ``result`` has ``choices`` (a row for each alternative, and one for doing nothing, which pays
        the hurdle), ``pairs`` (differences by sample, the first less the second), ``shared`` and
        ``notes``; where a run is untrusted and that is not allowed, ``sentence`` and ``trusted`` only.

    Raises
    ------
    ProblemsError
        With the problems of all configs, before anything is fitted.
    """
    prepared = _prepare(configs, sets, seed, fit_store(out))
    for one in prepared:
        check_place(one, Path(out), allow_untrusted=allow_untrusted)
    runs: dict[tuple[str, str], Result] = {}
    for one in prepared:
        key = (one.plan.name, one.run_id(allow_untrusted=allow_untrusted))
        if key not in runs:  # the same config twice is fitted once
            runs[key] = run(one, Path(out), refit=refit, allow_untrusted=allow_untrusted, progress=progress)
    results = [runs[one.plan.name, one.run_id(allow_untrusted=allow_untrusted)] for one in prepared]
    names = told_apart([one.plan.name for one in prepared], configs)
    trusted = all(result.trusted for result in results)

    def build(folder: Path) -> Mapping[str, Any]:
        shown = [by.trusted or (allow_untrusted and by.has_figures) for by in results]
        if not all(shown):
            failed = [name for name, show in zip(names, shown, strict=True) if not show]
            told = f"No comparison: the forecast of {', '.join(failed)} cannot be trusted."
            return {"sentence": told, "trusted": False}
        choices = _choices(names, configs, results)
        found = marked(_compared(choices, prepared[0].plan), trusted=trusted)
        notes = [*dominance_notes(found["pairs"]), *_notes(names, prepared, results)]
        found |= {"shared": _shared(prepared, results), "notes": notes}
        write_rows(folder, "choices", found["choices"])
        write_rows(folder, "pairs", found["pairs"])
        from sim.report.compare_plots import draw

        draw(folder, found, {choice.name: choice.npv for choice in choices})
        return found

    options = {"runs": [result.run.name for result in results], "names": names}
    return answer(results[0], "compare", options, build)


def _prepare(
    configs: Sequence[str | Path], sets: Sequence[str], seed: int | None, store: Path
) -> list[Prepared]:
    """Read every config and check what must agree between them; all problems at once."""
    problems, prepared = Problems(), list[Prepared]()
    pilots: Pilots = {}
    for config in configs:
        with problems.gather():
            first = prepared[0].plan.seed if prepared else None
            prepared.append(
                prepare(Path(config), sets, seed=first if seed is None else seed, pilots=pilots, store=store)
            )
    for key, remedy, values in (
        ("programme.currency", "state all money in one currency", [one.plan.currency for one in prepared]),
        (
            "sampling.draws",
            "--set sampling.draws=1000 --set sampling.chains=4 gives all the same",
            [f"{one.plan.samples} samples" for one in prepared],
        ),
        (
            "decision.hurdle",
            "--set decision.hurdle=0 gives all the same",
            [f"a hurdle of {one.plan.hurdle:g}" for one in prepared],
        ),
    ):
        for one, value in zip(prepared, values, strict=True):
            if value != values[0]:
                allowed = f"{values[0]}, as in {prepared[0].source.file}"
                problems.found.append(one.source.problem(tuple(key.split(".")), value, allowed, remedy))
    if not problems and sum(len(one.plan.strategies) for one in prepared) < 2:
        remedy = "name a second config; sim forecast weighs one against doing nothing"
        problems.add(
            "only one alternative", allowed="several configs, or one with several treated arms", remedy=remedy
        )
    problems.raise_if_any()
    return prepared


def told_apart(names: Sequence[str], configs: Sequence[str | Path]) -> list[str]:
    """Return a name for each config; what has the same name is told apart by its file, else by a number."""
    names = list(names)
    files = [Path(config).resolve() for config in configs]
    places = [f.parent.name if f.stem == "config" else f.stem for f in files]
    for tails in ([f" ({place})" for place in places], [f" #{i + 1}" for i in range(len(names))]):
        tails_of = {name: {t for n, t in zip(names, tails, strict=True) if n == name} for name in names}
        names = [
            name + tail if len(tails_of[name]) > 1 else name for name, tail in zip(names, tails, strict=True)
        ]
    return names


def _choices(names: Sequence[str], configs: Sequence[str | Path], results: Sequence[Result]) -> list[Choice]:
    found = []
    for name, config, result in zip(names, configs, results, strict=True):
        by_strategy = Stored(result.run).samples("metrics.npv")
        for strategy, npv in by_strategy.items():
            told = strategy if len(results) == 1 else name
            if len(results) > 1 and len(by_strategy) > 1:
                told = f"{name}: {strategy}"
            if told == NOTHING:  # that row is taken
                told = f"{told} (as configured)"
            found.append(Choice(told, str(config), strategy, result, npv))
    return found


def _compared(choices: Sequence[Choice], plan: Plan) -> Row:
    """Return what the samples say of the choices and of doing nothing, by mean NPV."""
    names: list[str] = [NOTHING, *(choice.name for choice in choices)]
    nb = with_hurdle(np.stack([choice.npv for choice in choices], axis=1), plan.hurdle)
    order = np.argsort(-nb.mean(axis=0), kind="stable")
    nb, names = nb[:, order], [names[i] for i in order]
    by_name = {choice.name: choice for choice in choices}
    best, loss = p_best(nb), expected_loss(nb)
    rows = [
        {
            **_row(name, nb[:, i], by_name.get(name)),
            "p_best": best[i].value,
            "p_best_mcse": best[i].mcse,
            "expected_loss": loss[i].value,
            "expected_loss_mcse": loss[i].mcse,
        }
        for i, name in enumerate(names)
    ]
    samples = 1 if np.ptp(nb, axis=0).max() == 0 else plan.samples
    pairs = [_pair(names[a], names[b], nb[:, a], nb[:, b]) for a, b in combinations(range(len(names)), 2)]
    sentence = compare_sentence(rows, pairs, plan.currency, samples)
    return {
        "sentence": sentence,
        "best": names[0],
        "currency": plan.currency,
        "hurdle": plan.hurdle,
        "samples": plan.samples,
        "choices": rows,
        "pairs": pairs,
    }


def _row(name: str, npv: FloatArray, choice: Choice | None) -> Row:
    """Return the figures of one choice; doing nothing has an NPV only."""
    told = distribution(npv)
    metrics = choice.result.summary["strategies"][choice.strategy]["metrics"] if choice else {}
    roi, payback = metrics.get("roi", {}), metrics.get("payback_months", {})
    return {
        "choice": name,
        "config": choice.config if choice else None,
        "strategy": choice.strategy if choice else None,
        "run": str(choice.result.run) if choice else None,
        **{f"npv_{part}": told[part] for part in ("mean", "median", "low", "high", "sd", "mcse")},
        "roi": roi.get("expected"),
        **{f"roi_{part}": roi.get(part) for part in ("low", "high", "mcse")},
        **{f"payback_{part}": payback.get(part) for part in ("median", "low", "high")},
        "payback_never": payback.get("never"),
        "p_loss": float((npv < 0).mean()),
        "p_loss_mcse": float(standard_error((npv < 0).astype(np.float64))),
    }


def _pair(first: str, second: str, a: FloatArray, b: FloatArray) -> Row:
    """Return how two choices differ, sample by sample, and whether one dominates the other."""
    told = distribution(a - b)
    return {
        "first": first,
        "second": second,
        **{f"difference_{part}": told[part] for part in ("mean", "median", "low", "high", "sd", "mcse")},
        "p_first_better": float((a > b).mean()),
        "p_first_better_mcse": float(standard_error((a > b).astype(np.float64))),
        "p_equal": float((a == b).mean()),
        "first_dominates": dominance(a, b),
        "second_dominates": dominance(b, a),
    }


def _shared(prepared: Sequence[Prepared], results: Sequence[Result]) -> Row:
    """Return the uncertain quantities and fits that several configs have, by whether they share draws."""
    quantities: dict[str, list[FloatArray]] = {}
    for one in prepared:
        for path, column in one.drawn.columns.items():
            if np.ptp(column) > 0:
                quantities.setdefault(path, []).append(column)
    fits: dict[str, list[str]] = {}
    for one, result in zip(prepared, results, strict=True):
        for name, fit in Stored(result.run).manifest["fits"].items():
            fits.setdefault(one.plan.outcomes[name].path, []).append(fit["key"])
    several = {path: columns for path, columns in quantities.items() if len(columns) > 1}
    same = {path for path, columns in several.items() if all((c == columns[0]).all() for c in columns)}
    return {
        "quantities": sorted(same),
        "quantities_defined_differently": sorted(several.keys() - same),
        "outcomes": sorted(path for path, keys in fits.items() if len(keys) > 1 and len(set(keys)) == 1),
        "outcomes_with_other_data": sorted(path for path, keys in fits.items() if len(set(keys)) > 1),
    }


def _notes(names: Sequence[str], prepared: Sequence[Prepared], results: Sequence[Result]) -> list[str]:
    """Return what sets the configs apart besides what is compared."""
    notes = []
    for what, values in (
        ("horizon in months", [one.plan.horizon for one in prepared]),
        ("mean discount rate", [by.summary["programme"]["discount_rate"] for by in results]),
        ("timing of cash", [one.plan.timing for one in prepared]),
        ("start", [one.plan.start for one in prepared]),
    ):
        if len(set(values)) > 1:
            told = ", ".join(
                f"{name}: {'not stated' if value is None else value}"
                for name, value in zip(names, values, strict=True)
            )
            notes.append(f"the alternatives differ in {what} ({told})")
    return notes
