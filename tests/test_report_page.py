"""report.html: one file, no network, inert names, and everything a reader asks for."""

from __future__ import annotations

import base64
import re
from html.parser import HTMLParser

import pytest

from sim.report.assumptions import assumptions
from sim.report.page import render
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
        self._open: list[str] = []

    def handle_starttag(self, tag, attrs):
        self.tags.append(tag)
        self.attributes += attrs
        if tag not in VOID:
            self._open.append(tag)

    def handle_endtag(self, tag):
        assert self._open.pop() == tag

    def handle_data(self, data):
        if self._open and self._open[-1] != "style":
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
    images = [
        picture(tmp_path, name)
        for name in ("npv", "roi", "payback", "cash_flow", "effects", "posterior_checkout")
    ]
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
        "25,000 to 35,000 (90 %)",
        "sim forecast chatbot/config.toml --seed 1",
        "ab" * 32,
        "never: ",
        "checkout",
        "development",
    ):
        assert fact in reader.text
    for image in images:
        assert base64.b64encode(image).decode() in source
    assert reader.tags.count("img") == len(images)


def test_a_page_needs_no_network_and_runs_nothing(tmp_path):
    write_run(tmp_path)
    picture(tmp_path, "npv")
    reader, source = read(render(tmp_path, MANIFEST))
    assert {"script", "link", "iframe", "object"}.isdisjoint(reader.tags)
    for name, value in reader.attributes:
        assert not name.startswith("on")
        if name in ("src", "href"):
            assert value is not None
            assert value.startswith(("data:image/png;base64,", "#"))
    assert not re.search(r"url\(|@import|https?://", source)
    assert "default-src 'none'" in source
    assert "prefers-color-scheme: dark" in source
    assert "@media print" in source


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
    assert "script" not in reader.tags
    assert reader.tags.count("img") == 1
    assert not any(name.startswith("on") for name, _ in reader.attributes)
    assert '<script>alert("x")</script>' in reader.text
    assert "\u202e" not in source
    assert "{{ 7*7 }}" in reader.text


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
    assert assumptions({"a": {"b": value}}) == [("a.b", text)]
