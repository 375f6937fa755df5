"""``sim track``: after a launch, actual months against the forecast, and the forecast with them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from sim.commands.answers import Found, answer, begin
from sim.commands.forecast import DEFAULT_OUT
from sim.commands.place import fit_store
from sim.commands.settings import check_strategy
from sim.engine.fit import Progress
from sim.engine.prepare import prepare
from sim.engine.track import track as compared
from sim.engine.track_table import read
from sim.errors import Problem, ProblemsError
from sim.report.rows import write_rows
from sim.report.track_words import sentence


def track(
    config: str | Path,
    actuals: str | Path,
    *,
    strategy: str | None = None,
    sets: Sequence[str] = (),
    out: str | Path = DEFAULT_OUT,
    seed: int | None = None,
    refit: bool = False,
    allow_untrusted: bool = False,
    progress: Progress | None = None,
) -> Found:
    """Hold what was measured since the launch against the forecast, and forecast anew with it.

    Actual money and volumes take the place of the forecast in their months, and data of treated customers
    join the treated arm of the pilot in the fit. All else, and the samples, are those of the forecast.

    Parameters
    ----------
    config : path
    actuals : path
        CSV, Parquet or Excel. A row per month: ``month`` (1, 2, …; 0 for what was paid before; or a date or
        ``2026-01``, which needs ``programme.start``), and columns named by config path, blank where nothing
        was measured: ``costs.licence``, ``benefits.x``, ``outcomes.checkout`` (its money), the totals
        ``benefit``, ``cost``, ``net``, ``volumes.sessions``, and data of the treated customers under the
        outcome's aggregated columns (``outcomes.checkout.trials``, …), by an optional ``segment``.
    strategy : str, optional
        The treated arm that was launched, where there are several.
    sets, out, seed, refit, allow_untrusted
        As for `sim.forecast`.
    progress : callable, optional
        Called with (outcome, share done) while sampling.

    Returns
    -------
    Found
        Its ``result`` has ``rows`` (as in ``track.csv``: a row per measured value, with the quantiles of its
        forecast, the ``probability`` of a value at most as large, and whether it lies ``outside`` the 90 %
        band), ``streams`` (the total of each over its months in the joint states of the forecast, and the
        month in which it left its band first), ``outside`` (how many values did, and how many by chance),
        ``so_far`` (all money measured against the forecast of the same), ``original`` and ``revised``
        (metrics as in a summary; the NPV ``sunk`` until the last month measured and ``to_come``, with its
        chance of ``loss``), ``change``, ``outcomes`` (levels in both), ``fits`` and ``notes``. Where the run
        is untrusted and that is not allowed, ``sentence`` and ``trusted`` only.

    Raises
    ------
    ProblemsError
        As for `sim.forecast`, and with everything that is wrong with the table, before anything is fitted.
    """
    from sim.pilot.files import fingerprint

    prepared = prepare(Path(config), sets, seed=seed, store=fit_store(out))
    arm = _launched(prepared.plan.strategies, strategy, prepared)
    known = read(Path(actuals), str(actuals), prepared, arm)
    content = sorted(fingerprint(Path(actuals)).values())
    forecast, study = begin(
        config, sets=sets, out=out, seed=seed, refit=refit, allow_untrusted=allow_untrusted, progress=progress
    )

    def build(folder: Path) -> Mapping[str, Any]:
        found = compared(study, known, arm, refit=refit, allow_untrusted=allow_untrusted, progress=progress)
        found = {"sentence": sentence(found), **found}
        write_rows(folder, "track", found["rows"])
        from sim.report.track_plots import draw

        draw(folder, found)
        return found

    withheld = not (forecast.trusted or allow_untrusted)
    return answer(forecast, "track", {"actuals": content, "strategy": arm}, build, withheld=withheld)


def _launched(strategies: Sequence[str], strategy: str | None, prepared: Any) -> str:
    """Return the launched arm; of several it must be said which."""
    check_strategy(prepared.plan, strategy)
    if strategy is None and len(strategies) > 1:
        found = f"there are {len(strategies)} treated arms, and nothing says which was launched"
        raise ProblemsError(Problem(found, ", ".join(strategies), "name it", key="--strategy"))
    return strategy or strategies[0]
