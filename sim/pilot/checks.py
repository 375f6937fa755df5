"""Checks of a pilot that need no fit: the split between arms, rows without values, totals."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

from sim.contract import Ratio
from sim.errors import Problem, ProblemsError
from sim.language import N_, phrase, several
from sim.records.arrays import FloatArray
from sim.records.check import Check
from sim.records.summary import PilotSummary

SPLIT_LIMIT = 0.001
"""p-value below which a split is taken to be broken."""
MUCH_MISSING = 0.05
"""Share of rows without a value from which the rest may no longer stand for the whole."""


def sample_ratio(
    summary: PilotSummary, split: float | Mapping[str, float] | None, acknowledged: bool
) -> Check:
    r"""Compare the units per arm with the intended shares.

    .. math:: X^2 = \sum_a (n_a - N s_a)^2 / (N s_a), \quad p = P(\chi^2_{A-1} \ge X^2)

    A broken split means that something other than chance decided who was observed, and no model
    can repair that. Meant for the outcome that is recorded for everybody: rows left over by an
    earlier outcome differ between arms because the treatment works.

    Parameters
    ----------
    summary : PilotSummary
    split : float, mapping of str to float, or None
        Intended share treated (several treated arms share it equally), or the share by arm label (an
        arm that is not named takes the rest); None means equal arms, and then only warns.
    acknowledged : bool
        Whether the user knows: a failure becomes a warning.

    Returns
    -------
    Check
        Named ``sample-ratio``.

    Raises
    ------
    ProblemsError
        When `split` names other arms or its shares are not between 0 and 1.

    References
    ----------
    Fabijan et al. (2019), Diagnosing sample ratio mismatch in online controlled experiments,
    KDD '19, doi:10.1145/3292500.3330722.

    Examples
    --------
    >>> pilot = PilotSummary(("a", "b"), ("all",), {}, np.array([[5100.0], [4900.0]]))
    >>> sample_ratio(pilot, 0.5, False).status
    'ok'
    """
    name = "sample-ratio"
    units = summary.size.sum(axis=1)
    total = float(units.sum())
    if len(summary.arms) < 2 or not summary.has_control or total <= 0:
        return Check(name, "ok", N_("one observed arm: there is no split to check"))
    shares = intended_shares(summary.arms, split)
    expected = total * shares
    p = _chance(units, expected, len(shares) - 1)
    seen = several(
        phrase("'{arm}' {share:.2%}", arm=arm, share=float(share))
        for arm, share in zip(summary.arms, units / total, strict=True)
    )
    meant = several(phrase("{share:.2%}", share=float(share)) for share in shares)
    if p >= SPLIT_LIMIT:
        found = phrase(
            "units per arm ({seen}) are as a split of {meant} gives them (p = {p:.2g})",
            seen=seen,
            meant=meant,
            p=p,
        )
        return Check(name, "ok", found)
    if split is None:
        found = phrase(
            "arms are not of equal size ({seen}; p = {p:.2g}) and no split is stated", seen=seen, p=p
        )
        remedy = N_(
            "state the intended share treated as `split` in [pilot]; if it was equal, find what lost units"
        )
        return Check(name, "warn", found, remedy)
    found = phrase(
        "units per arm ({seen}) do not fit the intended {meant} (p = {p:.2g})", seen=seen, meant=meant, p=p
    )
    if acknowledged:
        found = phrase("{told}; acknowledged", told=found)
        return Check(name, "warn", found, N_("the effect may come from who was left out"))
    remedy = N_(
        'find what lost units of one arm; or take the risk by acknowledge = ["sample-ratio"] in [pilot]'
    )
    return Check(name, "fail", found, remedy)


def intended_shares(arms: Sequence[str], split: float | Mapping[str, float] | None) -> FloatArray:
    """Return the intended share of each arm, control first.

    Examples
    --------
    >>> intended_shares(("human", "a", "b"), {"a": 0.25, "b": 0.25}).tolist()
    [0.5, 0.25, 0.25]
    """
    count = len(arms)
    if split is None:
        return np.full(count, 1 / count)
    if isinstance(split, Mapping):
        shares = [split.get(arm) for arm in arms]
    else:
        shares = [None] + [split / (count - 1)] * (count - 1)
    given = [share for share in shares if share is not None]
    left = 1 - sum(given)
    open_arms = count - len(given)
    rest = left / open_arms if open_arms else 0.0
    filled = np.array([rest if share is None else share for share in shares], dtype=np.float64)
    unknown = [label for label in split if label not in arms] if isinstance(split, Mapping) else []
    if unknown or not np.all((filled > 0) & (filled < 1)) or not np.isclose(filled.sum(), 1):
        raise ProblemsError(
            Problem(
                f"the split {dict(split) if isinstance(split, Mapping) else split} does not fit the arms",
                f"shares between 0 and 1 that add up to 1, of the arms {', '.join(arms)}",
                "state the share treated, or the share of each arm",
                key="split",
            )
        )
    return filled


def missing_rows(arms: Sequence[str], rows: Sequence[int], used: Sequence[int], blank_arms: int = 0) -> Check:
    """Tell how many rows have no value, and warn where they are many or differ between arms.

    Parameters
    ----------
    arms : sequence of str
    rows, used : sequence of int
        By arm: rows that should have a value, and those that have.
    blank_arms : int
        Rows that say no arm.

    Returns
    -------
    Check
        Named ``missing-rows``: ``ok`` without any, ``note`` for few, ``warn`` for 5 % or more or when
        the shares missing differ between arms by more than chance (chi-square, p < 0.001).
    """
    name = "missing-rows"
    n, kept = np.asarray(rows, dtype=np.float64), np.asarray(used, dtype=np.float64)
    lost = n - kept
    missing = int(lost.sum()) + blank_arms
    if not missing:
        return Check(name, "ok", N_("no row lacks a value"))
    total = int(n.sum()) + blank_arms
    share = missing / total
    by_arm = [f"{arm} {int(count)}" for arm, count in zip(arms, lost, strict=True)]
    by_arm += [phrase("without an arm {rows}", rows=blank_arms)] if blank_arms else []
    message = phrase(
        "{missing} of {total} rows lack a value and are left out ({by_arm})",
        missing=missing,
        total=total,
        by_arm=several(by_arm),
    )
    p = 1.0
    if len(n) > 1 and np.all(n > 0) and 0 < lost.sum() < n.sum():
        expected = np.outer((lost.sum(), kept.sum()), n / n.sum())
        p = _chance(np.stack((lost, kept)), expected, len(n) - 1)
    if p < SPLIT_LIMIT:
        message = phrase("{told}; the arms differ (p = {p:.2g})", told=message, p=p)
        return Check(name, "warn", message, N_("find out why values are missing in one arm"))
    if share >= MUCH_MISSING:
        return Check(name, "warn", message, N_("find out whether rows without a value are like the others"))
    return Check(name, "note", message)


def _chance(observed: FloatArray, expected: FloatArray, freedom: int) -> float:
    """Return the p-value of Pearson's chi-square."""
    from scipy.special import chdtrc

    return float(chdtrc(freedom, float(((observed - expected) ** 2 / expected).sum())))


def mix_shift(summary: PilotSummary, ratio: Ratio) -> Check | None:
    """Warn when the crude comparison of arms points the other way than the one at equal segments.

    Arms whose segments differ in share differ in their crude means without any effect (Simpson's paradox);
    the forecast standardises every arm to one mix. Told when the signs differ and one of the two is more
    than 1.64 standard errors from zero.
    """
    if len(summary.arms) < 2 or len(summary.segments) < 2 or summary.design.kind != "randomised":
        return None
    den, total = ratio.denominator, ratio.denominator.sum(axis=1)
    if not (total > 0).all():
        return None
    crude = ratio.numerator.sum(axis=1) / total
    fair = ratio.mean @ summary.mix
    seen = np.where(den > 0, den, np.inf)
    noise = summary.design.effect * (summary.mix**2 * ratio.variance / seen).sum(axis=1)
    for arm in range(1, len(summary.arms)):
        apart, standardised = crude[arm] - crude[0], fair[arm] - fair[0]
        z = max(abs(apart), abs(standardised)) / max(float(np.sqrt(noise[arm] + noise[0])), 1e-300)
        if apart * standardised < 0 and z > 1.64:
            message = phrase(
                "{arm} against {control}: the crude difference is {crude:+.4g}, but {fair:+.4g} with the "
                "same mix of segments in both; the forecast takes the second",
                arm=summary.arms[arm],
                control=summary.arms[0],
                crude=float(apart),
                fair=float(standardised),
            )
            remedy = N_("find out why the arms differ in their segments: units may have been lost or moved")
            return Check("mix-shift", "warn", message, remedy)
    return None


def totals_row(summary: PilotSummary) -> Check | None:
    """Warn when one segment of a table of totals is the sum of all others: a grand total."""
    size = summary.size
    if size.shape[1] < 3:
        return None
    total = size.sum(axis=1, keepdims=True)
    same = np.all(np.isclose(2 * size, total, rtol=1e-12) & (total > 0), axis=0)
    if not same.any():
        return None
    segment = summary.segments[int(np.flatnonzero(same)[0])]
    return Check(
        "totals-row",
        "warn",
        phrase('segment "{segment}" is exactly the sum of the others in every arm', segment=segment),
        N_("delete the rows of totals from the table, or everything is counted twice"),
    )
