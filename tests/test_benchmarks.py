"""Published figures as priors: what is told of them, what they become, and what is refused."""

from __future__ import annotations

import math
import re
from pathlib import Path

import jsonschema
import numpy as np
import pytest

from sim.commands.catalogue import describe_benchmarks, schema
from sim.config.benchmarks import BENCHMARKS
from sim.config.load import load
from sim.config.plan import Plan
from sim.config.published import EXPERIMENT_DISCOUNT, VENDOR_DISCOUNT, Z, from_counts, from_figure
from sim.config.resolve import resolve
from sim.errors import Problem, ProblemsError
from sim.registry import models
from tests.conftest import Sim

CONFIG = """\
[programme]
currency = "EUR"
[outcomes.checkout]
model = "{model}"
control = {{ trials = 1000, successes = 100 }}
treated = {{ trials = 1000, successes = 120 }}
prior.effect = {effect}
volume = 100
value = 1
[costs]
all = 1
"""


def plan_of(folder: Path, effect: str, model: str = "conversion") -> Plan:
    path = folder / "c.toml"
    path.write_text(CONFIG.format(effect=effect, model=model), encoding="utf-8")
    config, tree, source = load(path)
    return resolve(config, tree, source, path)


def problem_of(folder: Path, effect: str, model: str = "conversion") -> Problem:
    with pytest.raises(ProblemsError) as caught:
        plan_of(folder, effect, model)
    found = [p for p in caught.value.problems if p.key and "prior" in p.key]
    assert len(found) == 1, caught.value.problems
    return found[0]


def test_every_figure_is_cited_and_either_a_prior_or_has_a_reason_why_not() -> None:
    keys = [item.key for item in BENCHMARKS]
    assert len(set(keys)) == len(keys) >= 12
    for item in BENCHMARKS:
        assert re.fullmatch(r"[a-z0-9]+(-[a-z0-9]+)*", item.key)
        assert item.source
        assert item.population
        assert item.measure
        assert item.why
        assert (item.range is None) == bool(item.unusable)
        assert (item.range is None) == (item.model is None)
        if item.range is not None:
            assert item.model in models()
            assert -1 < item.range[0] < item.range[1]
            assert item.discount == (EXPERIMENT_DISCOUNT if item.trust == "high" else VENDOR_DISCOUNT)


def test_figures_of_the_sources_are_inside_their_ranges_and_central() -> None:
    published = {
        "onsite-messages-conversion": 0.20,
        "automation-revenue": 0.25,
        "ai-assistant-issues-per-hour": 0.14,
        "ai-assistant-handle-time": -0.1228,
        "email-purchase-mens": 1.253 / 0.573 - 1,
        "email-purchase-womens": 0.884 / 0.573 - 1,
        "email-spend-mens": 0.77 / 0.65,
        "email-spend-womens": 0.42 / 0.65,
        "matching-gift-donations": 2.204 / 1.786 - 1,
    }
    ranges = {item.key: item.range for item in BENCHMARKS}
    for key, figure in published.items():
        span = ranges[key]
        assert span is not None
        centre = (math.log1p(span[0]) + math.log1p(span[1])) / 2
        assert centre == pytest.approx(math.log1p(figure), abs=0.015), key


def test_the_range_of_a_figure_goes_from_nothing_to_twice_it_in_logs() -> None:
    low, high = from_figure(0.5)
    assert (low, high) == (0.0, pytest.approx(1.25))
    low, high = from_figure(-0.5)
    assert (low, high) == (pytest.approx(-0.75), 0.0)


def test_the_range_of_an_experiment_holds_its_own_sampling_error_and_more() -> None:
    """Against the spread of simulated repetitions of the experiment at one site."""
    rng = np.random.default_rng(1)
    control = rng.binomial(16_687, 298 / 16_687, 20_000) / 16_687
    treated = rng.binomial(33_396, 736 / 33_396, 20_000) / 33_396
    sampling = np.log(treated / control).std()
    low, high = from_counts((298, 16_687), (736, 33_396))
    half = (math.log1p(high) - math.log1p(low)) / 2 / Z
    centre = (math.log1p(high) + math.log1p(low)) / 2
    assert half == pytest.approx(math.hypot(sampling, centre / 3), rel=0.02)


def test_a_benchmark_becomes_the_prior_with_its_source_and_discount(tmp_path: Path) -> None:
    plan = plan_of(tmp_path, '{ benchmark = "onsite-messages-conversion" }')
    prior = plan.outcomes["checkout"].priors.effect
    assert prior is not None
    assert (prior.low, prior.high, prior.discount) == (0.0, pytest.approx(0.44), VENDOR_DISCOUNT)
    assert "2022" in prior.source
    mean, sd = prior.log_ratio
    assert mean == pytest.approx(math.log(1.2) / 2)
    assert sd == pytest.approx(math.log(1.44) / 2 / Z)
    told = next(check.message for check in plan.notes if check.name == "prior:checkout")
    assert "discounted by 50%" in told
    assert prior.source in told


def test_the_discount_may_be_one_s_own(tmp_path: Path) -> None:
    plan = plan_of(tmp_path, '{ benchmark = "matching-gift-donations", discount = 0 }')
    prior = plan.outcomes["checkout"].priors.effect
    assert prior is not None
    assert prior.discount == 0
    assert prior.log_ratio[0] == pytest.approx(math.log(2.204 / 1.786), abs=1e-3)


@pytest.mark.parametrize(
    ("effect", "model", "found", "told"),
    [
        ('{ benchmark = "email-purchase-men" }', "conversion", "is no benchmark", "email-purchase-mens"),
        ('{ benchmark = "zzz" }', "conversion", "is no benchmark", "sim benchmarks"),
        ("{ benchmark = 3 }", "conversion", "is no benchmark", "sim benchmarks"),
        ('{ benchmark = "example-handle-time" }', "cost", "made up for arithmetic", "ai-assistant-handle"),
        ('{ benchmark = "cart-abandonment" }', "conversion", "share = 0.69", "matching-gift"),
        ('{ benchmark = "ai-assistant-issues-per-hour" }', "cost", "a count outcome", "ai-assistant-handle"),
        ('{ benchmark = "email-spend-mens" }', "churn", "a revenue outcome", "none is for a churn"),
        ('{ benchmark = "email-purchase-mens", low = 0 }', "conversion", "low beside", "discount"),
        ('{ benchmark = "email-purchase-mens", discount = 2 }', "conversion", "discount", ""),
    ],
)
def test_what_is_no_prior_here_is_refused_with_the_reason(
    tmp_path: Path, effect: str, model: str, found: str, told: str
) -> None:
    problem = problem_of(tmp_path, effect, model)
    assert found in problem.found
    assert told in f"{problem.allowed} {problem.remedy}"
    assert problem.line == 7


def test_the_schema_offers_the_usable_ones() -> None:
    outcome = schema()["$defs"]["Outcome"]["properties"]["prior"]
    document = {"$defs": schema()["$defs"], **outcome}
    valid = jsonschema.Draft202012Validator(document).is_valid
    assert valid({"effect": {"benchmark": "email-purchase-mens", "discount": 0.2}})
    assert valid({"effect": {"low": 0.0, "high": 0.2, "source": "x"}})
    assert not valid({"effect": {"benchmark": "cart-abandonment"}})
    assert not valid({"effect": {"low": 0.0}})


def test_the_command_lists_them_for_people_and_for_programs(sim: Sim) -> None:
    done = sim("benchmarks", "--json")
    assert done.code == 0
    assert done.json["command"] == "benchmarks"
    assert done.json["result"] == describe_benchmarks()
    shown = sim("benchmarks")
    assert shown.code == 0
    text = " ".join(shown.out.split())
    for item in BENCHMARKS:
        assert item.key in text
        assert item.source in text
        assert item.unusable in text
