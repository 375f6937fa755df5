"""The plots of a run: what is drawn, in which script, and what they say."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from types import SimpleNamespace

import matplotlib as mpl
import numpy as np
import pytest
import xarray as xr
from matplotlib.image import imread

from sim.report import fonts, style
from sim.report.chart_data import cash
from sim.report.density_plots import kernel_density
from sim.report.plots import draw
from sim.report.posterior_plots import choose
from tests.synthetic_run import write_run

MONEY = ["npv.png", "roi.png", "payback.png", "cash_flow.png"]
HOSTILE = {
    "../../etc/passwd": ("conversion", "success", 0.021, 0.16, False),
    "<b>$\\frac{$</b>": ("cost", "$sec_{$", 412.0, -0.22, False),
    "客服满意度": ("rating", "分", 3.7, 0.02, True),
    "การรักษาลูกค้า": ("churn", "ลูกค้า-เดือน", 0.042, -0.08, False),
}


@pytest.fixture
def texts(monkeypatch: pytest.MonkeyPatch) -> dict[str, list[str]]:
    """Every text on every figure, by file name, as it is saved."""
    seen: dict[str, list[str]] = {}
    save = style.save

    def noted(fig, path, **options):
        result = save(fig, path, **options)
        seen[path.name] = [text.get_text() for text in fig.findobj(mpl.text.Text)]
        return result

    monkeypatch.setattr(style, "save", noted)
    return seen


def names(paths: list[Path]) -> list[str]:
    return [path.name for path in paths]


def posterior_names(*outcomes: str) -> list[str]:
    return [f"posterior_{name}.png" for name in outcomes]


def test_a_run_with_money(tmp_path, texts):
    summary = write_run(tmp_path)
    before = dict(mpl.rcParams)
    paths = draw(tmp_path)
    outcomes = posterior_names("checkout", "handling", "retention", "satisfaction")
    assert names(paths) == [*MONEY, "effects.png", *outcomes]
    for path in paths:
        height, width, _ = imread(path).shape
        assert width == 1350
        assert height > 400
    assert dict(mpl.rcParams) == before, "the look must not leak"

    loss = summary["probability"]["loss"]
    assert texts["npv.png"][-3:] != []
    title = next(text for text in texts["npv.png"] if "chance that" in text)
    assert title.startswith(f"{100 * (1 - loss):.0f} % chance that it is worth more")
    assert any(text.startswith("Support chatbot: Net present value over 36") for text in texts["npv.png"])
    assert any(f"loss: {100 * loss:.0f} %" in text for text in texts["npv.png"])
    assert any("90 % interval (equal-tailed)" in text and "EUR" in text for text in texts["npv.png"])
    never = summary["metrics"]["payback_months"]["never"]
    assert any(f"never within\n36 months:\n{100 * never:.0f} %" == text for text in texts["payback.png"])
    assert any("breaks even" in text for text in texts["cash_flow.png"])
    assert "Cumulative cash flow, thousand EUR" in texts["cash_flow.png"]
    assert any("R-hat" in text and "agree" in text for text in texts["posterior_checkout.png"])
    assert {"all segments", "DE", "FR", "NO"} <= set(texts["effects.png"])


def test_names_in_any_script_are_drawn_as_they_are(tmp_path, texts):
    run = tmp_path / "run"
    run.mkdir()
    write_run(
        run,
        name="$x_1^2$ <script> 客服机器人 แชทบอท",
        outcomes=HOSTILE,
        segments=("Ærlig Ø", "北/京", "กรุงเทพ"),
    )
    paths = draw(run)
    assert len(paths) == 5 + len(HOSTILE)
    assert {path.parent for path in paths} == {run / "plots"}
    assert sorted(path.name for path in tmp_path.rglob("*.png")) == sorted(names(paths))
    assert {"Ærlig Ø", "北/京", "กรุงเทพ"} <= set(texts["effects.png"])
    assert any(text.startswith("<b>$\\frac{$</b>, change in %") for text in texts["effects.png"])
    assert not any("no font here" in text for found in texts.values() for text in found)


def test_the_fonts_cover_chinese_thai_and_norwegian_and_own_up_to_the_rest(tmp_path):
    assert fonts.missing(["客服机器人 繁體 ครับการรักษาลูกค้า Ærlig blåbærsyltetøy 日本語 한국어 Ελληνικά"]) == ""
    assert fonts.missing(["a𓀀b"]) == "𓀀"
    with style.theme():
        fig = style.figure()
        style.save(fig, tmp_path / "x.png", title="𓀀", below="foot")
    assert any("no font here draws U+13000" in text.get_text() for text in fig.texts)


def test_chinese_and_thai_glyphs_differ_from_the_box_of_a_missing_one(tmp_path):
    def ink(text: str) -> bytes:
        with style.theme():
            fig = style.figure((1.0, 1.0))
            fig.text(0.1, 0.3, text, fontsize=40)
            fig.savefig(tmp_path / "x.png")
        return imread(tmp_path / "x.png").tobytes()

    assert len({ink(text) for text in ("客", "服", "ก", "ข", "𓀀")}) == 5


@pytest.mark.parametrize(
    ("options", "drawn"),
    [
        ({"trusted": False}, ["effects.png"]),
        ({"money": False}, ["effects.png"]),
        ({"certain": True}, [*MONEY, "effects.png"]),
        ({"segments": ("all",)}, [*MONEY, "effects.png"]),
        ({"strategies": ("bot A", "bot B")}, [*MONEY, "effects.png"]),
    ],
)
def test_what_is_there_is_drawn_and_no_more(tmp_path, texts, options, drawn):
    write_run(tmp_path, outcomes={"checkout": ("conversion", "success", 0.02, 0.2, False)}, **options)
    assert names(draw(tmp_path)) == [*drawn, "posterior_checkout.png"]
    shown = [text for found in texts.values() for text in found]
    if options.get("trusted") is False:
        assert any("NOT TRUSTED" in text for text in shown)
    if options.get("certain"):
        assert any("certain: " in text for text in texts["npv.png"])
        assert any("Does not pay back within 36 months" in text for text in texts["payback.png"])
    if "strategies" in options:
        assert any(text == "instead: bot B" for text in texts["npv.png"])


def test_a_control_of_zero_is_drawn_as_a_difference(tmp_path, texts):
    write_run(tmp_path, outcomes={"deflection": ("conversion", "success", 0.0, 0.16, False)})
    draw(tmp_path)
    assert any(text.startswith("deflection, change in percentage points") for text in texts["effects.png"])


def test_without_files_of_figures_only_the_summary_is_drawn(tmp_path):
    write_run(tmp_path)
    shutil.rmtree(tmp_path / "posterior")
    (tmp_path / "samples.parquet").unlink()
    (tmp_path / "cash_flow.parquet").unlink()
    assert names(draw(tmp_path)) == ["effects.png"]


def test_payback_never(tmp_path, texts):
    write_run(tmp_path, outcomes={"checkout": ("conversion", "success", 0.02, -0.06, False)}, scale=1000.0)
    draw(tmp_path)
    assert any(text.startswith("Under 1 % chance of payback") for text in texts["payback.png"])
    assert any("still out of pocket after 36 months; -" in text for text in texts["cash_flow.png"])
    assert "Net present value, million EUR" in texts["npv.png"]


def test_density_has_area_one_and_the_right_shape():
    values = np.random.default_rng(0).normal(10, 2, 20_000)
    grid, height = kernel_density(values, 2.0, 18.0)
    assert np.trapezoid(height, grid) == pytest.approx(1, abs=2e-3)
    exact = np.exp(-0.5 * ((grid - 10) / 2) ** 2) / (2 * np.sqrt(2 * np.pi))
    assert np.abs(height - exact).max() < 0.012


@pytest.mark.parametrize(
    ("balance", "month", "finding"),
    [
        ([-100.0, -50, 0, 50], 2.0, "in the black from month 2.0"),
        ([-100.0, 50, -25, 75], 2.25, "in the black from month 2.2"),
        ([-1.0, -2], None, "still out of pocket after 1 months"),
        ([0.0, 1], None, "never out of pocket"),
    ],
)
def test_break_even_of_a_line(balance, month, finding):
    line = np.array(balance)
    rows = {"month": range(line.size), "date": [None] * line.size}
    rows |= dict.fromkeys(("mean", "p05", "p25", "p50", "p75", "p95"), line)
    npv = {"mean": 1.0, "low": 0.0, "high": 2.0, "mcse": 0.1}
    summary = {"programme": {"horizon": line.size - 1}, "metrics": {"npv": npv}, "samples": 9}
    chart = cash(SimpleNamespace(cash=lambda _kind: rows, summary=summary))
    assert chart["crossing"] == (month if month is None else pytest.approx(month))
    assert finding in chart["title"]


def test_the_parameters_that_sampled_worst_are_shown():
    rng = np.random.default_rng(1)
    level = rng.normal(size=(4, 200, 2, 4))
    level[:, :, 0, 2] = np.cumsum(level[:, :, 0, 2], axis=1)  # a walk: hardly any effective draws
    posterior = xr.Dataset(
        {
            "level": (("chain", "draw", "arm", "segment"), level),
            "delta": (("chain", "draw", "treated"), rng.normal(size=(4, 200, 1))),
            "effect": (("chain", "draw", "treated", "segment"), np.zeros((4, 200, 1, 4))),
        },
        coords={
            "chain": range(4),
            "draw": range(200),
            "arm": ["c", "t"],
            "treated": ["t"],
            "segment": ["a", "b", "x/y", "d"],
        },
    )
    chosen, left_out = choose(posterior)
    labels = [variable.attrs["label"] for variable in chosen.data_vars.values()]
    assert labels[0] == "overall effect"
    assert labels[1] == "level · c · x/y"
    assert len(labels) == 5, "constant effects have no density"
    assert left_out == 4


def test_broken_summaries_are_not_hidden(tmp_path):
    (tmp_path / "summary.json").write_text(json.dumps({"metrics": {}}))
    with pytest.raises(KeyError):
        draw(tmp_path)


def test_effects_by_period_where_the_pilot_tells_the_time(tmp_path, texts):
    summary = write_run(tmp_path, outcomes={"客服": ("conversion", "success", 0.021, 0.16, False)})
    rows = [
        {"period": f"2025-{m:02d}", "relative": 0.3 / m, "low": 0.3 / m - 0.1, "high": 0.3 / m + 0.1}
        for m in range(1, 13)
    ]
    rows[4] |= {"relative": None, "low": None, "high": None}
    for block in (summary, summary["strategies"]["treated"]):
        block["outcomes"]["客服"]["periods"] = rows
    summary["checks"] = [{"name": "novelty:客服", "status": "warn", "message": "", "remedy": ""}]
    (tmp_path / "summary.json").write_text(json.dumps(summary), encoding="utf-8")
    assert "effect_by_period.png" in names(draw(tmp_path))
    shown = texts["effect_by_period.png"]
    assert any(text.startswith("客服: the effect falls") for text in shown)
    assert {"2025-01", "2025-11"} <= set(shown)
