"""Rating: what is read, what is fitted, and what a scale allows."""

from __future__ import annotations

import importlib
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from scipy.special import expit, logit

from sim.contract import EffectPrior, Priors
from sim.errors import ProblemsError
from sim.records.summary import Design, PilotSummary
from sim.registry import models
from tests.pilot_models import only, refused, table, take

MODEL = models()["rating"]
RATINGS = importlib.import_module("sim.models._ratings")
CSAT = {"options": {"scale": (1, 5)}}
SURVEY = {"human": [20, 10, 30, 90, 50], "bot": [10, 15, 25, 80, 70]}
NPS = {"human": [3, 0, 1, 2, 0, 9, 8, 14, 30, 20, 25], "bot": [1, 1, 0, 2, 3, 5, 9, 15, 25, 28, 36]}


def totals(folder: Path, answers: dict[str, list[int]], low: int = 1) -> Path:
    """Write counts by rating as a pilot table."""
    rows = [f"{arm},{low + k},{n}" for arm, counts in answers.items() for k, n in enumerate(counts)]
    return table(folder, "arm,rating,count\n" + "\n".join(rows) + "\n")


def survey(folder: Path, **options: Any) -> PilotSummary:
    """Read the survey on the scale 1 to 5."""
    return take(totals(folder, SURVEY), MODEL, options={"scale": (1, 5), **options}).summary


def nps(folder: Path, answers: dict[str, list[int]] = NPS, summary: str = "nps") -> PilotSummary:
    """Read answers from 0 to 10."""
    options = {"scale": (0, 10), "summary": summary}
    return take(totals(folder, answers, 0), MODEL, options=options).summary


def test_rows_and_totals_are_the_same_statistics(tmp_path: Path) -> None:
    rows = [
        f"{arm},{k + 1}" for arm, counts in SURVEY.items() for k, n in enumerate(counts) for _ in range(n)
    ]
    rng = np.random.default_rng(1)
    rng.shuffle(rows)
    by_row = take(table(tmp_path, "arm,rating\n" + "\n".join(rows) + "\n"), MODEL, **CSAT).summary
    by_total = survey(tmp_path)
    for found in (by_row.statistics, by_total.statistics):
        np.testing.assert_array_equal(found["counts"][:, 0], list(SURVEY.values()))
        np.testing.assert_array_equal(found["value"], [1, 2, 3, 4, 5])
        np.testing.assert_array_equal(found["score"], [1, 2, 3, 4, 5])
    assert by_row.fingerprint() == by_total.fingerprint()
    np.testing.assert_array_equal(by_row.size, [[200], [200]])


@pytest.mark.parametrize(
    ("options", "key", "found", "allowed"),
    [
        ({}, "scale", "ratings from 1 to 5", "scale = [1, 5]"),
        ({"scale": (1, 4)}, "scale", "outside the scale [1, 4]: 5", "1 to 4"),
        ({"scale": (2, 5)}, "scale", "outside the scale [2, 5]: 1", "2 to 5"),
        ({"scale": (1, 2)}, "scale", "[1, 2]", "3 to 21 points"),
        ({"scale": (5, 1)}, "scale", "[5, 1]", "lowest first"),
        ({"scale": (0, 100)}, "scale", "[0, 100]", "3 to 21 points"),
        ({"scale": (1, 5), "summary": "nps"}, "summary", "[1, 5]", "[0, 10]"),
        ({"scale": (1, 5), "summary": "median"}, "summary", "median", "top2"),
    ],
)
def test_scales_and_summaries_that_do_not_fit(
    tmp_path: Path, options: dict[str, Any], key: str, found: str, allowed: str
) -> None:
    problem = only(refused(totals(tmp_path, SURVEY), MODEL, options=options))
    assert problem.key == key
    assert found in problem.found
    assert allowed in problem.allowed


def test_fractional_and_negative_ratings_are_refused(tmp_path: Path) -> None:
    found = refused(table(tmp_path, "arm,rating\nhuman,3.5\nhuman,-1\nbot,4\n"), MODEL, **CSAT)
    assert [problem.line for problem in found] == [2, 3]


def test_an_answer_that_nobody_gave_may_lie_outside_the_scale(tmp_path: Path) -> None:
    """A table of totals may list a code with a count of 0."""
    answers = {arm: [*counts, 0] for arm, counts in SURVEY.items()}
    found = take(totals(tmp_path, answers), MODEL, **CSAT).summary
    assert found.statistics["counts"].shape == (2, 1, 5)


def test_summaries_are_weights_of_points(tmp_path: Path) -> None:
    for name, weights in (
        ("mean", list(range(11))),
        ("top2", [0] * 9 + [100, 100]),
        ("nps", [-100] * 7 + [0, 0, 100, 100]),
    ):
        np.testing.assert_array_equal(nps(tmp_path, summary=name).statistics["score"], weights)
    ratio = MODEL.ratio(nps(tmp_path).statistics)
    answers = np.array(NPS["bot"])
    assert ratio.mean[1, 0] == pytest.approx(100 * (answers[9:].sum() - answers[:7].sum()) / answers.sum())


def test_ratio_has_the_variance_of_an_answer(tmp_path: Path) -> None:
    statistics = survey(tmp_path).statistics
    ratio = MODEL.ratio(statistics)
    for arm, counts in enumerate(SURVEY.values()):
        answers = np.repeat([1, 2, 3, 4, 5], counts)
        assert ratio.mean[arm, 0] == pytest.approx(answers.mean())
        assert ratio.variance[arm, 0] == pytest.approx(answers.var(), rel=0.02)
    empty = MODEL.ratio(statistics | {"counts": 0 * statistics["counts"]})
    assert (empty.mean == 0).all()
    assert (empty.variance > 0).all()


def test_the_chances_are_those_of_the_cumulative_logit() -> None:
    """Written symbolically, in floating point and by the definition; also far out, to 12 digits."""
    import pytensor.tensor as pt

    reference = np.array([0.05, 0.1, 0.2, 0.4, 0.25])
    m0, eta, log_scale = 0.3, np.array([[0.1, -1.0], [2.0, 30.0]]), np.array([-0.2, 0.3])
    cut = RATINGS.cuts(reference, m0)
    np.testing.assert_allclose(cut, logit(np.cumsum(reference)[:-1]) + m0)
    below = expit((cut - eta[..., None]) / np.exp(log_scale)[:, None, None])
    expected = np.diff(np.concatenate([np.zeros((2, 2, 1)), below, np.ones((2, 2, 1))], axis=2), axis=2)
    plain = RATINGS.chances(cut, eta, np.exp(log_scale)[:, None])
    written = RATINGS.log_chances(pt.as_tensor(np.log(reference)), m0, pt.as_tensor(eta), log_scale)
    symbolic = np.exp(written.eval())
    for found in (plain, symbolic):
        np.testing.assert_allclose(found, expected, rtol=1e-9, atol=1e-14)
        np.testing.assert_allclose(found.sum(axis=2), 1, rtol=1e-12)
    np.testing.assert_allclose(symbolic, plain, rtol=1e-11)


@pytest.mark.parametrize("counts", [[5, 10, 20, 40, 25], [0, 0, 3, 0, 90], [7, 7, 7], list(range(11))])
def test_the_tree_makes_a_dirichlet_on_each_side_of_the_anchor(counts: list[int]) -> None:
    """Beta nodes of its weights multiply to the even Dirichlet density, and to any chances."""
    answers = np.array(counts, dtype=float)
    reference = (answers + 1) / (answers + 1).sum()
    side, m0 = RATINGS.anchor(reference)
    below, above = RATINGS.tree(reference)
    assert below.shape == (len(counts) - 2, len(counts))
    assert 0.1 < reference @ side < 0.9 or reference.max() > 0.8
    rng = np.random.default_rng(1)
    p = RATINGS.anchored(rng.dirichlet(np.ones(len(counts))), side, m0)
    assert p @ side == pytest.approx(1 / (1 + np.exp(m0)))
    lower, upper = below @ p, above @ p
    v = lower / (lower + upper)
    again = (
        np.log(v) @ below + np.log1p(-v) @ above + np.log(side / (1 + np.exp(m0)) + (1 - side) * expit(m0))
    )
    np.testing.assert_allclose(np.exp(again), p, rtol=1e-12)
    cut = RATINGS.cuts(p, m0)
    np.testing.assert_allclose(cut[int(side.sum()) - 1], 0, atol=1e-12)


def test_prior_chances_are_even_on_each_side() -> None:
    """Points on one side have the same mean share: within 5 standard errors over 20,000 draws."""
    side = np.array([1.0, 1, 1, 0, 0])
    drawn = RATINGS.prior_reference({"side": side, "m0": np.array(0.4)}, 20_000, np.random.default_rng(1))
    np.testing.assert_allclose(drawn.sum(axis=1), 1)
    expected = np.where(side == 1, expit(-0.4) / 3, expit(0.4) / 2)
    assert (np.abs(drawn.mean(axis=0) - expected) < 5 * drawn.std(axis=0) / np.sqrt(20_000)).all()


def test_rough_locations_and_how_they_move_with_the_scale() -> None:
    """Exact answers of a known location are found again; at another scale where the lean says."""
    reference = np.array([0.05, 0.1, 0.2, 0.4, 0.25])
    _, m0 = RATINGS.anchor(reference)
    cut = RATINGS.cuts(reference, m0)
    truth = m0 + np.array([[0.5], [-0.8]])
    eta, variance, lean = RATINGS.locations(1e7 * RATINGS.chances(cut, truth), cut, m0)
    np.testing.assert_allclose(eta, truth, atol=1e-5)
    assert (variance < 1e-5).all()
    # Everyone says 4 or 5: at scale 1.1 the location that keeps the share of 5 lies 0.1 lean further.
    counts = 1e7 * np.array([[0.0, 0, 0, 0.2, 0.8]])
    eta, _, lean = RATINGS.locations(counts, np.array([-40.0, -30, -20, 0]), m0)
    assert expit((0 - (eta + lean * (1 - 1.1))) / 1.1) == pytest.approx(0.2, abs=1e-3)


def test_an_effect_prior_keeps_to_the_scale(tmp_path: Path) -> None:
    pilot = survey(tmp_path)
    wide = Priors(effect=EffectPrior(low=-0.9, high=5.0))
    arrays = MODEL.data(pilot, wide)
    cut, value = RATINGS.cuts(pilot.statistics["reference"], float(arrays["m0"])), np.arange(1.0, 6)
    mean, sd = arrays["effect_prior"]
    ends = RATINGS.chances(cut, arrays["m0"] + mean + 1.6448536 * sd * np.array([-1, 1])) @ value
    now = RATINGS.chances(cut, arrays["m0"]) @ value
    np.testing.assert_allclose(ends, [1 + (now - 1) / 20, 5 - (5 - now) / 20], atol=1e-3)
    poor = nps(tmp_path, {"human": [9] * 11, "bot": [9] * 11})
    with pytest.raises(ProblemsError, match=r"prior\.effect"):
        MODEL.data(poor, wide)


def test_the_link_takes_means_to_the_latent_scale(tmp_path: Path) -> None:
    """There and back again, with the slope of the way there."""
    pilot = nps(tmp_path)
    reference, score = pilot.statistics["reference"], pilot.statistics["score"]
    _, m0 = RATINGS.anchor(reference)
    cut = RATINGS.cuts(reference, m0)
    link, eta = RATINGS.link(cut, score, m0), m0 + np.array([-1.0, 0, 0.7])
    level = RATINGS.chances(cut, eta) @ score
    np.testing.assert_allclose(link.of(level), eta, atol=1e-4)
    np.testing.assert_allclose(link.inverse(eta), level, atol=1e-3)
    change = (link.of(level + 0.01) - link.of(level - 0.01)) / 0.02
    np.testing.assert_allclose(link.slope(level), change, rtol=0.01)


def test_the_model_is_the_multinomial_of_the_answers_and_symmetric(tmp_path: Path) -> None:
    """By its log density: against the definition for two effects, and mirrored when the arms are swapped."""
    pilot = survey(tmp_path)
    swapped = take(totals(tmp_path, SURVEY), MODEL, control="bot", treated=("human",), **CSAT).summary
    built = MODEL.build(pilot, Priors())
    arrays = MODEL.data(pilot, Priors())
    shown = [built["probability"], built["likelihood"]]
    values = built.replace_rvs_by_values(shown)
    level = built.compile_fn(values, inputs=built.value_vars, mode="FAST_COMPILE", on_unused_input="ignore")
    density = built.compile_logp(mode="FAST_COMPILE")
    start = built.initial_point() | {"_base": np.array(0.2), "_odds": np.array([0.3, -0.2, 0.5])}
    point = start | {"_delta": np.array([0.7]), "log_scale": np.array([0.15])}
    probability, likelihood = level(point)
    assert likelihood == pytest.approx((arrays["counts"] * np.log(probability)).sum(), rel=1e-10)
    np.testing.assert_allclose(probability.sum(axis=2), 1)
    odds = logit(np.cumsum(probability[:, 0], axis=1)[:, :-1])
    spread = np.diff(odds, axis=1)
    np.testing.assert_allclose(spread[0] / spread[1], np.exp(0.15), rtol=1e-9)
    before = float(density(point))
    for name, values in MODEL.data(swapped, Priors()).items():
        built.set_data(name, values)
    mirrored = point | {"_delta": np.array([-0.7]), "log_scale": np.array([-0.15])}
    assert float(density(mirrored)) == pytest.approx(before, rel=1e-10)
    assert float(density(point)) != pytest.approx(before, rel=1e-4)


def test_draws_hold_every_summary_that_the_scale_allows(tmp_path: Path) -> None:
    rng = np.random.default_rng(1)
    draws = MODEL.prior(nps(tmp_path), Priors(), 50, rng=rng)
    p = draws["probability"]
    np.testing.assert_allclose(draws["nps"], 100 * (p[..., 9:].sum(axis=-1) - p[..., :7].sum(axis=-1)))
    np.testing.assert_allclose(draws["top2"], 100 * p[..., 9:].sum(axis=-1))
    np.testing.assert_allclose(draws["mean"], p @ np.arange(11.0))
    np.testing.assert_array_equal(draws["level"], draws["nps"])
    assert "nps" not in MODEL.prior(survey(tmp_path), Priors(), 5, rng=rng)


def test_findings(tmp_path: Path) -> None:
    assert MODEL.check(survey(tmp_path), stock=False) == ()
    few = take(totals(tmp_path, {"human": [0, 0, 0, 0, 40], "bot": [1, 2, 3, 4, 5]}), MODEL, **CSAT).summary
    found = [(check.name, check.status) for check in MODEL.check(few, stock=False)]
    assert found == [("one-answer", "warn"), ("few-answers", "warn")]


def test_design_effects_thin_and_segments_without_data_stay_finite(tmp_path: Path) -> None:
    pilot = survey(tmp_path)
    thin = MODEL.data(replace(pilot, design=Design(effect=4.0)), Priors())
    whole = MODEL.data(pilot, Priors())
    np.testing.assert_allclose(4 * thin["counts"], whole["counts"])
    assert (thin["odds_var"] > 3 * whole["odds_var"]).all()
    assert thin["m0"] == whole["m0"], "the prior is that of the answers, however independent they are"
    wider = pilot.extended(("new",))
    arrays = MODEL.data(wider, Priors())
    assert all(np.isfinite(values).all() for values in arrays.values())
    draws = MODEL.prior(wider, Priors(), 20, rng=np.random.default_rng(1))
    assert (MODEL.simulate(draws, wider, rng=np.random.default_rng(2))["counts"][:, :, 1] == 0).all()
