"""The config: what is accepted, and every problem told at its line."""

from __future__ import annotations

import datetime as dt
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sim.config.load import load, override, parse_key, parse_value
from sim.config.locate import lines_of
from sim.config.plan import Plan
from sim.config.resolve import resolve
from sim.errors import Problem, ProblemsError
from sim.records.quantity import BySegment, Certain, Pert, Range

SHORTEST = """\
[programme]
currency = "EUR"
[outcomes.checkout]
model = "conversion"
control = { trials = 21_306, successes = 122 }
treated = { trials = 21_307, successes = 267 }
volume = 40_000
value = 18.50
[costs]
development = 75_000          # a bare number: once, in month 0
licence.monthly = 4_000
"""


def plan_of(folder: Path, text: str, *sets: str) -> Plan:
    path = folder / "pilot.toml"
    path.write_text(text, encoding="utf-8")
    config, tree, source = load(path, sets)
    return resolve(config, tree, source, path)


def problems_of(folder: Path, text: str, *sets: str) -> list[Problem]:
    with pytest.raises(ProblemsError) as caught:
        plan_of(folder, text, *sets)
    return list(caught.value.problems)


def test_the_shortest_config_of_the_contract(tmp_path: Path) -> None:
    plan = plan_of(tmp_path, SHORTEST)
    assert (plan.name, plan.horizon, plan.timing, plan.seed) == ("pilot", 36, "end", 20260101)
    assert plan.quantities["programme.discount_rate"] == Certain(0.10)
    assert plan.quantities["costs.development"] == Certain(75_000)
    assert plan.quantities["costs.licence.monthly"] == Certain(4_000)
    assert plan.strategies == ("treated",)
    defaults = {check.name for check in plan.notes if check.name.startswith("default:")}
    assert {"default:programme.horizon", "default:programme.discount_rate", "default:rollout"} <= defaults


def test_a_file_called_config_is_named_after_its_folder(tmp_path: Path) -> None:
    folder = tmp_path / "客服"
    folder.mkdir()
    (folder / "config.toml").write_text(SHORTEST, encoding="utf-8")
    config, tree, source = load(folder / "config.toml")
    assert resolve(config, tree, source, folder / "config.toml").name == "客服"


def test_forms_of_a_quantity(tmp_path: Path) -> None:
    text = SHORTEST.replace("volume = 40_000", "volume = { low = 20_000, high = 60_000 }").replace(
        "value = 18.50",
        "value = { price = { low = 10, mode = 20, high = 40 }, margin = { low = 0.2, high = 0.4 } }",
    )
    plan = plan_of(tmp_path, text)
    volume = plan.quantities["outcomes.checkout.volume"]
    margin = plan.quantities["outcomes.checkout.value.margin"]
    assert isinstance(volume, Range)
    assert isinstance(margin, Range)
    assert (volume.shape, margin.shape) == ("lognormal", "logit-normal")
    assert plan.quantities["outcomes.checkout.value.price"] == Pert(10, 20, 40)
    assert plan.outcomes["checkout"].price_path == "outcomes.checkout.value.price"


@pytest.mark.parametrize(
    ("old", "new", "line", "found", "remedy"),
    [
        (
            'currency = "EUR"',
            'currency = "EUR"\nhorizn = 12',
            3,
            'unknown key "horizn"',
            'did you mean "horizon"?',
        ),
        ('currency = "EUR"', 'currency = "euro"', 2, 'currency is "euro"', "e.g. EUR"),
        ('currency = "EUR"', "horizon = 12", 1, "currency is missing", "add currency"),
        ('currency = "EUR"', 'currency = "EUR"\nhorizon = 0', 3, "horizon is 0", ""),
        ('currency = "EUR"', 'currency = "EUR"\ndiscount_rate = 10', 3, "discount_rate is 10", "0.10"),
        ('currency = "EUR"', 'currency = "EUR"\ndiscount_rate = nan', 3, "nan", ""),
        ("volume = 40_000", "volume = inf", 7, "inf", ""),
        ("volume = 40_000", 'volume = "visits"', 7, '"visits" names no volume', ""),
        ("volume = 40_000\n", "", 3, "volume is missing", "[volumes]"),
        ("value = 18.50", "value = -1", 8, "value is -1", ""),
        ("value = 18.50", "value = { price = 10, margin = 30 }", 8, "margin is 30", "0.20"),
        (
            "value = 18.50",
            'value = { amount = 10, per = "hour" }',
            8,
            "without a time unit",
            'unit = "second"',
        ),
        ("value = 18.50", "value = { low = 3, high = 2 }", 8, "low 3 is not below high 2", ""),
        ("value = 18.50", "value = { low = 0, high = 2 }", 8, "low is 0 in a lognormal range", "mode"),
        ('model = "conversion"', 'model = "conversions"', 4, "is not a model", 'did you mean "conversion"?'),
        ("development = 75_000", "development = -75_000", 10, "development is -75000", "[benefits]"),
        ("licence.monthly = 4_000", "licence.monthly = true", 11, "monthly is True", ""),
        (
            "licence.monthly = 4_000",
            'licence.per = "checkout.successes"',
            11,
            "per and amount go together",
            "",
        ),
        ("[costs]", "[kosts]", 9, 'unknown key "kosts"', 'did you mean "costs"?'),
    ],
)
def test_a_problem_names_line_and_remedy(
    tmp_path: Path, old: str, new: str, line: int, found: str, remedy: str
) -> None:
    problems = problems_of(tmp_path, SHORTEST.replace(old, new))
    match = [p for p in problems if found in p.found]
    assert match, problems
    assert match[0].line == line
    assert remedy in match[0].remedy
    assert match[0].file is not None
    assert match[0].file.endswith("pilot.toml")


def test_all_problems_are_told_at_once(tmp_path: Path) -> None:
    text = SHORTEST.replace("EUR", "euro").replace("18.50", '"dear"').replace("75_000", "-1")
    assert {p.line for p in problems_of(tmp_path, text)} >= {2, 10}
    text = SHORTEST.replace("volume = 40_000", 'volume = "a"').replace(
        "licence.monthly = 4_000", 'licence = { per = "b", amount = 1 }'
    )
    assert [p.line for p in problems_of(tmp_path, text)] == [7, 11]


def test_no_costs_is_refused_unless_all_is_kpi(tmp_path: Path) -> None:
    head = SHORTEST[: SHORTEST.index("[costs]")]
    assert any("[costs] is missing" in p.found for p in problems_of(tmp_path, head))
    kpi = plan_of(tmp_path, head.replace("value = 18.50\n", ""))
    assert kpi.outcomes["checkout"].kpi


def test_keys_outside_ascii_need_quotes_and_the_error_says_so(tmp_path: Path) -> None:
    (problem,) = problems_of(tmp_path, SHORTEST + "lønn.monthly = 3\n")
    assert problem.line == 12
    assert '"lønn' in problem.remedy
    plan = plan_of(tmp_path, SHORTEST + '"lønn".monthly = 3\n')
    assert plan.quantities['costs."lønn".monthly'] == Certain(3)


TWO_SAVERS = (
    SHORTEST.replace("volume = 40_000\nvalue = 18.50", 'volume = "contacts"\nvalue = 4.2\nsaves = "labour"')
    + """\
[volumes]
contacts = 1000
[outcomes.handling]
model = "cost"
control = 600
treated = 500
unit = "second"
volume = "contacts"
value = { amount = 36, per = "hour" }
"""
)


def test_double_counting_is_refused_with_a_question(tmp_path: Path) -> None:
    (problem,) = problems_of(tmp_path, TWO_SAVERS)
    assert "both save labour" in problem.found
    assert "?" in problem.remedy
    plan = plan_of(tmp_path, TWO_SAVERS + 'after = "checkout"\n')
    assert plan.outcomes["handling"].after == "checkout"
    assert plan.outcomes["handling"].value_factor == pytest.approx(1 / 3600, rel=1e-15)
    assert any(note.name == "realisation:handling" and note.status == "warn" for note in plan.notes)


@pytest.mark.parametrize(
    "extra",
    [
        '[volumes.a]\nof = "b"\nshare = 0.5\n[volumes.b]\nof = "a"\nshare = 0.5\n',
        '[outcomes.x]\nmodel = "conversion"\ncontrol = 0.1\ntreated = 0.2\nafter = "x"\nvolume = 40_000\n',
        '[outcomes.x]\nmodel = "conversion"\ncontrol = 0.1\ntreated = 0.2\nvolume = "x.successes"\n',
    ],
)
def test_cycles_are_refused(tmp_path: Path, extra: str) -> None:
    assert problems_of(tmp_path, SHORTEST + extra)


@pytest.mark.parametrize(
    ("lines", "key"),
    [
        ('design = "before-after"', "outcomes.checkout.bias"),
        ('design = "before-after"\nbias = { low = 0.1, high = -0.1 }', "outcomes.checkout.bias"),
        ('design = "difference-in-differences"\nlaunch = 2025-01-01', "outcomes.checkout.design"),
        ('cluster = "agent"', "outcomes.checkout.cluster"),
        ("bias = { low = -0.1, high = 0.1 }", "outcomes.checkout.bias"),
        ('panel_unit = "store"', "outcomes.checkout.panel_unit"),
    ],
)
def test_a_design_that_the_figures_do_not_carry_is_refused(tmp_path: Path, lines: str, key: str) -> None:
    found = problems_of(tmp_path, SHORTEST + f"[pilot]\n{lines}\n")
    assert key in [problem.key for problem in found]


def test_set_overrides_any_key(tmp_path: Path) -> None:
    plan = plan_of(
        tmp_path,
        SHORTEST,
        "programme.horizon=12",
        "costs.development.at=2",
        "costs.licence.monthly={ low = 1, high = 2 }",
        "programme.name=Støtte",
        "outcomes.checkout.effect=0.2",
    )
    assert plan.horizon == 12
    assert plan.name == "Støtte"
    assert plan.costs["development"].at == 2
    assert plan.quantities["costs.development.once"] == Certain(75_000)
    assert plan.outcomes["checkout"].effect_path == "outcomes.checkout.effect"


def test_a_bad_set_is_named(tmp_path: Path) -> None:
    (problem,) = problems_of(tmp_path, SHORTEST, "programme.horizon=0")
    assert problem.file == "--set"
    assert problems_of(tmp_path, SHORTEST, "horizon")
    assert problems_of(tmp_path, SHORTEST, "costs.lønn=1")


def test_list_items_are_set_by_number_from_one() -> None:
    tree = {"volumes": {"s": {"seasonality": [1.0] * 12}}}
    override(tree, parse_key("volumes.s.seasonality.10"), parse_value("2.5"))
    assert tree["volumes"]["s"]["seasonality"][9] == 2.5
    with pytest.raises(ProblemsError):
        override(tree, parse_key("volumes.s.seasonality.13"), 1.0)


def test_values_by_segment(tmp_path: Path) -> None:
    plan = plan_of(tmp_path, SHORTEST.replace("volume = 40_000", "volume = { by = { DE = 1, 'Norge' = 2 } }"))
    assert plan.quantities["outcomes.checkout.volume"] == BySegment({"DE": Certain(1), "Norge": Certain(2)})


def test_not_toml_and_not_there(tmp_path: Path) -> None:
    (problem,) = problems_of(tmp_path, SHORTEST + "x = = 3\n")
    assert problem.line == 12
    with pytest.raises(ProblemsError, match="does not exist"):
        load(tmp_path / "none.toml")
    with pytest.raises(ProblemsError, match="is a folder"):
        load(tmp_path)


def test_dates_are_dates(tmp_path: Path) -> None:
    text = SHORTEST.replace('currency = "EUR"', 'currency = "EUR"\nstart = 2026-01-01')
    assert plan_of(tmp_path, text).start == dt.date(2026, 1, 1)
    assert problems_of(tmp_path, text.replace("2026-01-01", '"01/02/2026"'))


_names = st.text(st.characters(blacklist_categories=("Cs", "Cc")), min_size=1, max_size=8)


@given(st.dictionaries(_names, st.integers(0, 9), min_size=1, max_size=5), st.integers(0, 3))
def test_lines_of_keys(items: dict[str, int], blank: int) -> None:
    import json

    lines = ["[costs]", *["# [x]"] * blank]
    where = {}
    for name, value in items.items():
        lines.append(f"{json.dumps(name, ensure_ascii=False)} = {{ once = [{value},")
        where[name] = len(lines)
        lines.append(f'  "a = 1 # ]}}", {value}] }}')
    found = lines_of("\n".join(lines))
    for name, line in where.items():
        assert found["costs", name] == line
        assert found["costs", name, "once", 2] == line + 1


@pytest.mark.parametrize(
    "text",
    [
        SHORTEST + "[rollout]\ndelay = { by = { DE = 1 } }\n",
        SHORTEST + "[rollout.ramp]\nmonths = { by = { DE = 1 } }\n",
        SHORTEST.replace("75_000", "{ by = { DE = 1 } }"),
        SHORTEST.replace('"EUR"', '"EUR"\ndiscount_rate = { by = { DE = 0.1 } }'),
        SHORTEST.replace("40_000", "{ monthly = 3, growth = { by = { DE = 0.1 } } }"),
    ],
)
def test_what_has_no_segments_is_not_given_by_segment(tmp_path: Path, text: str) -> None:
    assert any("by segment" in problem.found for problem in problems_of(tmp_path, text))
