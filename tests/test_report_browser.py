"""report.html in a browser: it draws, says what the engine says, stays inert, fits a phone, reads aloud."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Browser, Page, expect, sync_playwright

import sim
from sim.report.page import render
from tests.synthetic_run import write_run
from tests.test_what_if import CONFIG

BROWSER = next(
    (found for name in ("chromium", "chromium-browser", "google-chrome") if (found := shutil.which(name))),
    None,
)
pytestmark = pytest.mark.skipif(BROWSER is None, reason="no Chromium here; .ci/run installs one")
CHANGES: list[dict[str, float]] = [
    {},
    {"costs.run.monthly": 250, "outcomes.deflection.value.price": 6},
    {'volumes.contacts.by."挪威"': 900, "outcomes.handling.realisation": 0.5},
    {"programme.discount_rate": 0.25, "programme.horizon": 8},
    {"programme.horizon": 18, "costs.build.once": 2500},
    {"costs.build.once": 1e7},
    {"costs.renewal.once": 14_000, "programme.horizon": 18},  # back in the red for a while
]


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with sync_playwright() as playwright:
        opened = playwright.chromium.launch(executable_path=BROWSER, args=["--no-sandbox"])
        yield opened
        opened.close()


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("page")
    (folder / "plan.toml").write_text(CONFIG, encoding="utf-8")
    return sim.forecast(folder / "plan.toml", out=folder / "out").run


def shown(browser: Browser, file: Path, **options: Any) -> tuple[Page, list[str]]:
    """Open a page; whatever it complains of or asks the network for is listed."""
    page = browser.new_context(**options).new_page()
    told: list[str] = []
    page.on("console", lambda message: told.append(message.text))
    page.on("pageerror", lambda error: told.append(str(error)))
    page.on(
        "request",
        lambda request: told.append(request.url) if not request.url.startswith(("file:", "data:")) else None,
    )
    page.goto(file.as_uri())
    page.wait_for_selector(".chart svg")
    return page, told


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_it_draws_without_a_complaint_or_a_request(browser: Browser, run: Path, scheme: Any) -> None:
    page, told = shown(browser, run / "report.html", color_scheme=scheme)
    page.wait_for_selector("#what-if-panel .chart svg")
    assert told == []
    drawn = page.eval_on_selector_all(
        "[data-chart]", "all => all.map(one => one.querySelectorAll('svg').length)"
    )
    assert len(drawn) == 7
    assert all(count >= 1 for count in drawn)
    assert (run / "report.html").stat().st_size < 3_000_000
    page.context.close()


@pytest.mark.parametrize("changes", CHANGES)
def test_sliders_say_what_the_engine_says(browser: Browser, run: Path, changes: dict[str, float]) -> None:
    sets = [f"{key}={value}" for key, value in changes.items()]
    engine = sim.forecast(run.parents[2] / "plan.toml", sets=sets, out=run.parents[1], plots=False).summary
    page, told = shown(browser, run / "report.html")
    for key, value in changes.items():
        row = page.locator(f"[data-key='{key}']")
        percent = row.locator(".unit").inner_text() == "%"
        row.locator("input[type=number]").fill(f"{100 * value if percent else value:g}")
    result = page.evaluate("changes => whatIf.compute(changes)", changes)
    metrics = engine["metrics"]
    for part in ("mean", "low", "high"):  # all 200 samples travel, to the sixth digit
        assert result["npv"][part] == pytest.approx(metrics["npv"][part], rel=1e-4, abs=0.5)
    assert result["roi"]["expected"] == pytest.approx(metrics["roi"]["expected"], rel=1e-4, abs=1e-5)
    assert result["roi"]["median"] == pytest.approx(metrics["roi"]["median"], rel=1e-4, abs=1e-5)
    assert result["payback"]["never"] == pytest.approx(metrics["payback_months"]["never"], abs=1e-9)
    assert result["loss"] == pytest.approx(engine["probability"]["loss"], abs=1e-9)
    for part in ("median", "low", "high"):
        if metrics["payback_months"][part] is None:
            assert result["payback"][part] is None
        else:
            assert result["payback"][part] == pytest.approx(metrics["payback_months"][part], abs=1e-3)
    # What the panel shows is what was computed from what the sliders were put to.
    words = page.evaluate("changes => whatIf.words_of(whatIf.compute(changes)).npv[0]", changes)
    expect(page.locator("[data-figure=npv] .figure")).to_have_text(words)
    command = page.locator("#what-if-panel code").inner_text()
    assert command.count("--set") == len(changes)
    assert told == []
    page.context.close()


@pytest.mark.parametrize("timing", ["start", "mid"])
def test_discounting_follows_timing_and_basis(browser: Browser, tmp_path: Path, timing: str) -> None:
    (tmp_path / "plan.toml").write_text(CONFIG, encoding="utf-8")
    sets = [f"programme.timing={timing}", "programme.basis=real", "programme.discount_basis=nominal",
            "programme.inflation={ low = 0.01, high = 0.05 }"]  # fmt: skip
    stated = sim.forecast(tmp_path / "plan.toml", sets=sets, out=tmp_path)
    changed = sim.forecast(
        tmp_path / "plan.toml", sets=[*sets, "programme.discount_rate=0.3"], out=tmp_path, plots=False
    )
    page, _ = shown(browser, stated.run / "report.html")
    for changes, wanted in (({}, stated), ({"programme.discount_rate": 0.3}, changed)):
        found = page.evaluate("changes => whatIf.compute(changes).npv", changes)
        for part in ("mean", "low", "high"):
            assert found[part] == pytest.approx(wanted.summary["metrics"]["npv"][part], rel=1e-4, abs=0.5)
    page.context.close()


def test_a_slider_moves_by_keyboard_and_goes_back(browser: Browser, run: Path) -> None:
    page, _ = shown(browser, run / "report.html")
    figure = page.locator("[data-figure=npv] .figure")
    expect(figure).not_to_be_empty()
    before = figure.inner_text()
    row = page.locator("[data-key='costs.run.monthly']")
    row.locator("input[type=range]").focus()
    page.keyboard.press("ArrowRight")
    page.keyboard.press("End")
    expect(figure).not_to_have_text(before)
    assert "costs.run.monthly=" in page.locator("#what-if-panel code").inner_text()
    assert "NPV" in page.locator("#what-if-panel [role=status]").inner_text()
    row.locator("button").click()
    expect(figure).to_have_text(before)
    page.context.close()


@pytest.mark.parametrize("width", [320, 768])
def test_a_narrow_screen_never_scrolls_sideways(browser: Browser, run: Path, width: int) -> None:
    page, _ = shown(browser, run / "report.html", viewport={"width": width, "height": 700})
    page.evaluate("document.querySelectorAll('details').forEach(one => one.open = true)")
    assert page.evaluate("document.documentElement.scrollWidth") <= width
    page.context.close()


def test_hovering_tells_the_value(browser: Browser, run: Path) -> None:
    page, _ = shown(browser, run / "report.html")
    chart = page.locator("[data-chart=cash] svg").last
    chart.scroll_into_view_if_needed()
    box = chart.bounding_box()
    assert box is not None
    page.mouse.move(box["x"] + box["width"] / 2, box["y"] + box["height"] / 2)
    expect(page.locator("[data-chart=cash] .canvas")).to_contain_text("median:")
    page.context.close()


def test_hostile_names_do_nothing(browser: Browser, tmp_path: Path) -> None:
    evil = '</script><script>window.pwned=1</script><img src=x onerror="window.pwned=1">=1+1'
    write_run(
        tmp_path,
        name=evil,
        outcomes={evil: ("conversion", evil, 0.02, 0.1, False)},
        segments=(evil, "<b>", "客服"),
    )
    page, told = shown(browser, render(tmp_path, {}))
    assert page.evaluate("window.pwned") is None
    assert told == []
    assert evil in page.locator(".eyebrow").inner_text()
    page.context.close()


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_axe_finds_nothing(browser: Browser, run: Path, scheme: Any) -> None:
    # The checker is put into the page from outside, which the page's own policy would forbid.
    page, _ = shown(browser, run / "report.html", bypass_csp=True, color_scheme=scheme)
    page.evaluate("document.querySelectorAll('details').forEach(one => one.open = true)")
    found = Axe().run(page).response["violations"]
    assert [(one["id"], one["nodes"][0]["html"][:200]) for one in found] == []
    page.context.close()
