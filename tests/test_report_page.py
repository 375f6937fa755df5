"""report.html: one file, no network, inert names, and everything a reader asks for."""

from __future__ import annotations

import base64
import json
import re
from hashlib import sha256
from html.parser import HTMLParser
from pathlib import Path

import pytest

from sim.report import page as page_module
from sim.report.assumptions import assumptions
from sim.report.page import render
from sim.report.path_words import label
from tests.synthetic_run import write_run

MANIFEST = {
    "config": {
        "programme": {"currency": "EUR", "discount_rate": {"value": 0.1}},
        "volumes": {"contacts": {"monthly": {"low": 25000.0, "high": 35000.0, "limits": {"low": 0.0}}}},
    },
    "config_file": "chatbot/config.toml",
    "data": {"contacts.csv": "ab" * 32},
    "versions": {"sim": "0.1.0"},
}
VOID = {"meta", "img", "br", "link", "hr", "input"}


class Reader(HTMLParser):
    """Collects tags, attributes and text, and checks that tags are balanced."""

    def __init__(self) -> None:
        super().__init__()
        self.tags: list[str] = []
        self.attributes: list[tuple[str, str | None]] = []
        self.text = ""
        self.data = ""
        self.scripts: list[str] = []
        self._open: list[str] = []

    def handle_starttag(self, tag, attrs):
        self.tags.append(tag)
        self.attributes += attrs
        if tag not in VOID:
            self._open.append(tag)
        if tag == "script" and ("id", "data") not in attrs:
            self.scripts.append("")

    def handle_endtag(self, tag):
        assert self._open.pop() == tag

    def handle_data(self, data):
        if self._open and self._open[-1] == "script":
            if self.scripts:
                self.scripts[-1] += data
            else:
                self.data += data
        elif self._open and self._open[-1] != "style":
            self.text += data


def read(page) -> tuple[Reader, str]:
    source = page.read_text(encoding="utf-8")
    reader = Reader()
    reader.feed(source)
    assert reader._open == []
    return reader, source


def picture(folder, name: str) -> bytes:
    (folder / "plots").mkdir(exist_ok=True)
    content = b"\x89PNG" + name.encode()
    (folder / "plots" / f"{name}.png").write_bytes(content)
    return content


def test_a_page_tells_the_whole_story(tmp_path):
    summary = write_run(tmp_path)
    image = picture(tmp_path, "posterior_checkout")
    page = render(tmp_path, MANIFEST)
    assert page == tmp_path / "report.html"
    reader, source = read(page)
    assert summary["headline"] in reader.text
    for heading in (
        "What it returns", "What the treatment changes", "Where the money comes from and goes to", "Checks",
        "What the pilot does not show", "What was assumed", "How to reproduce it",
    ):  # fmt: skip
        assert heading in reader.text
    for fact in (
        "Set outcomes.handling.realisation to the share that becomes cash.",  # a remedy
        "83 % of the discounted benefits lie in months",
        "volumes.contacts.monthly",
        "contacts: units a month",
        "25,000 to 35,000 (90 %)",
        "sim forecast chatbot/config.toml --seed 1",
        "ab" * 32,
        "never: ",
        "checkout",
        "development",
    ):
        assert fact in reader.text
    assert base64.b64encode(image).decode() in source  # no picture to make smaller: as it is
    assert reader.tags.count("img") == 1
    drawn = json.loads(reader.data)["charts"]
    assert set(drawn) == {"npv", "roi", "payback", "cash", "waterfall", "effects"}
    assert sum(drawn["npv"]["shares"]) == pytest.approx(1, abs=0.01)
    assert drawn["waterfall"]["rows"][-1]["to"] == pytest.approx(summary["metrics"]["npv"]["mean"], rel=1e-9)
    assert drawn["payback"]["curves"][0]["shares"][-1] == pytest.approx(1 - drawn["payback"]["never"])
    assert len(drawn["effects"]["panels"][0]["rows"]) == 4  # pooled, and three segments


def test_a_page_needs_no_network_and_lets_only_its_own_scripts_run(tmp_path):
    write_run(tmp_path)
    picture(tmp_path, "posterior_x")
    reader, source = read(render(tmp_path, MANIFEST))
    assert {"link", "iframe", "object", "base"}.isdisjoint(reader.tags)
    for name, value in reader.attributes:
        assert not name.startswith("on")
        if name in ("src", "href"):
            assert value is not None
            assert value.startswith(("data:image/png;base64,", "#"))
    assert not re.search(r"url\(|@import", source.split("</style>")[0])
    policy = next(value for name, value in reader.attributes if name == "content" and "default-src" in value)
    assert "default-src 'none'" in policy
    assert "unsafe-eval" not in policy
    assert "script-src 'unsafe" not in policy
    hashes = {
        f"'sha256-{base64.b64encode(sha256(text.encode()).digest()).decode()}'" for text in reader.scripts
    }
    assert len(hashes) == 5
    assert hashes == set(policy.split("script-src ")[1].split())
    assert "prefers-color-scheme: dark" in source
    assert "@media print" in source


def test_the_charting_library_is_the_one_that_was_looked_at():
    folder = Path(page_module.__file__).parent / "assets"
    known = {
        "d3-7.9.2.min.js": "912111098ea99503a6f4967361d2bbdc9dbf58cf9c678c8e27e5b02d1a07f0c1",
        "plot-0.6.17.min.js": "4358086467740777dd788d6b27a95cebdbaefdd50c730a3060117073bd7134cb",
    }
    assert {name: sha256((folder / name).read_bytes()).hexdigest() for name in page_module.LIBRARIES} == known
    licences = (folder / "LICENSES.txt").read_text("utf-8")
    assert all(name in licences for name in known)
    for file in folder.glob("*.js"):  # nothing in them may end the element they stand in
        assert not re.search("</script|<!--", file.read_text("utf-8"), re.IGNORECASE)


def test_hostile_names_are_inert(tmp_path):
    evil = '<script>alert("x")</script>"><img src=x onerror=alert(1)>\u202e{{ 7*7 }}'
    summary = write_run(
        tmp_path,
        name=evil,
        outcomes={evil: ("conversion", evil, 0.02, 0.1, False)},
        segments=(evil, "</td>b"),
    )
    assert evil in summary["outcomes"]
    picture(tmp_path, "posterior_x")
    manifest = MANIFEST | {
        "data": {evil: evil},
        "config": {"costs": {evil: {"once": {"value": 1.0}}}},
        "set": [evil],
    }
    reader, source = read(render(tmp_path, manifest))
    assert reader.tags.count("script") == 6  # the data, and the page's own
    assert reader.tags.count("img") == 1
    assert not any(name.startswith("on") for name, _ in reader.attributes)
    assert '<script>alert("x")</script>' in reader.text
    assert "\u202e" not in source
    assert "{{ 7*7 }}" in reader.text
    assert "<" not in reader.data


def test_an_untrusted_run_says_so_and_withholds_money(tmp_path):
    write_run(tmp_path, trusted=False)
    reader, _ = read(render(tmp_path, {}))
    assert "This result cannot be trusted." in reader.text
    assert "Figures of money are withheld." in reader.text
    assert "R-hat 1.08 is above 1.01." in reader.text
    assert "What it returns" not in reader.text
    assert "nan" not in reader.text.lower().split()
    assert "None" not in reader.text


def test_kpis_alone_make_a_page(tmp_path):
    write_run(tmp_path, money=False)
    reader, _ = read(render(tmp_path, {}))
    assert "What the treatment changes" in reader.text
    assert "What it returns" not in reader.text
    assert "None" not in reader.text


def test_alternatives_are_compared_with_doing_nothing(tmp_path):
    write_run(tmp_path, strategies=("bot A", "bot B"))
    reader, _ = read(render(tmp_path, {}))
    assert "The alternatives" in reader.text
    assert "bot B" in reader.text
    assert "do nothing" in reader.text


def test_the_manifest_of_the_run_is_read_where_none_is_given(tmp_path):
    write_run(tmp_path)
    (tmp_path / "manifest.json").write_text('{"config": {"programme": {"basis": "nominal"}}}')
    reader, _ = read(render(tmp_path))
    assert "programme.basis" in reader.text


@pytest.mark.parametrize(
    ("value", "text"),
    [
        ({"value": 0.1}, "0.1"),
        ({"low": 60000.0, "mode": 75000.0, "high": 110000.0}, "60,000 to 110,000, most likely 75,000"),
        (
            {"low": 0.5, "high": 0.8, "shape": "logit-normal", "confidence": 0.8},
            "0.5 to 0.8 (80 %, logit-normal)",
        ),
        ({"dist": "gamma", "mean": 3.0, "sd": 1.0}, "gamma, mean 3, sd 1"),
        ({"samples": "f.csv", "column": "x"}, "samples of f.csv, column x"),
        ([1, 1.4], "1, 1.4"),
        (True, "yes"),
        ("end", "end"),
    ],
)
def test_quantities_in_words(value, text):
    assert [(one.path, one.value) for one in assumptions({"config": {"a": {"b": value}}})] == [("a.b", text)]


def test_an_assumption_has_a_source_and_a_worth():
    manifest = {
        "config_file": "plans/chatbot.toml",
        "set": ["costs.hosting.monthly"],
        "lines": {
            "costs": 1,
            "costs.licence": 2,
            "costs.licence.monthly": 3,
            "outcomes.x.prior.effect.low": 9,
        },
        "config": {
            "programme": {"horizon": 36.0},
            "costs": {"licence": {"monthly": 4000.0, "from": 1}, "hosting": {"monthly": 10.0}},
            "outcomes": {
                "x": {"prior": {"effect": {"low": -0.1, "high": 0.4, "source": "Ng 2020", "discount": 0.5}}}
            },
        },
    }
    worth = {"costs.licence.monthly": {"at": [3600.0], "change": [12_345.6]},
             "outcomes.x.value": {"at": [1.0, 2.0], "change": [-800.0, 912.0]}}  # fmt: skip
    what_if = {"worth": worth, "year_less": -99_559.1}
    found = {one.path: (one.value, one.source, one.worth) for one in assumptions(manifest, what_if)}
    assert list(found) == [
        "programme.horizon", "costs.licence.monthly", "costs.licence.from", "costs.hosting.monthly",
        "outcomes.x.prior.effect",
    ]  # fmt: skip
    assert found["programme.horizon"] == ("36", "default of sim", "-99,600 if 12 months less")
    assert found["costs.licence.monthly"] == ("4,000", "chatbot.toml, line 3", "+12,300 if 10 % less")
    assert found["costs.licence.from"] == ("1", "default of sim", "")
    assert found["costs.hosting.monthly"] == ("10", "command line (--set)", "")
    prior = "-10.0 % to 40.0 % (90 %), its centre discounted by 50.0 %"
    assert found["outcomes.x.prior.effect"] == (prior, "Ng 2020", "")


@pytest.mark.parametrize(
    ("path", "words"),
    [
        ('costs."lønn".once', "lønn: once"),
        ("outcomes.checkout.value.price.by.DE", "checkout: price – DE"),
        ("outcomes.x.rollout.transfer", "x: share of the pilot's effect that the rollout keeps"),
        ('volumes."{0}".monthly', "{0}: units a month"),
        ("outcomes.x.{odd}", "x: {odd}"),
        ("benefits.old.months.2", "old: month 2"),
        ("something", "something"),
    ],
)
def test_keys_in_plain_words(path, words):
    assert label(path) == words
