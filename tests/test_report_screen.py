"""One screen: 80 columns, no markup from names, digits that the simulation's error allows."""

from __future__ import annotations

import io
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from rich.console import Console

from sim.report.names import clean, columns, wrap
from sim.report.screen import show
from sim.report.words import chance, digits, interval, metric, money, number, percent, spread
from tests.synthetic_run import write_run


def printed(summary, run: Path, width: int = 80) -> str:
    buffer = io.StringIO()
    show(summary, run, Console(file=buffer, width=width, color_system=None))
    return buffer.getvalue()


@pytest.mark.parametrize("scale", [1.0, 1e4])
@pytest.mark.parametrize("width", [80, 200])
def test_a_screen(tmp_path, scale, width):
    text = printed(write_run(tmp_path, scale=scale), Path("results/chatbot/abc"), width)
    lines = text.splitlines()
    assert max(map(len, lines)) <= 80
    assert len(lines) <= 40
    assert lines[0].startswith("Investing in Support chatbot")
    assert lines[-1] == "Results: results/chatbot/abc"
    for word in (
        "Net present value",
        "IRR, a year",
        "to never",
        "P(loss)",
        "checkout",
        "over 99 %",
        "warn  realisation",
    ):
        assert word in text
    assert "sample-ratio" not in text, "what is ok takes no room"
    assert "nan" not in text.lower().split()


def test_a_long_path_stays_in_one_piece(tmp_path):
    path = Path("/" + "/".join(["a long folder name"] * 9))
    assert printed(write_run(tmp_path), path).splitlines()[-1] == f"Results: {path}"


def test_names_are_no_markup_and_turn_nothing_round(tmp_path):
    evil = "[red]x[/red] \x1b[31m \u202e客"
    summary = write_run(
        tmp_path, name=evil, outcomes={evil: ("conversion", "[b]", 0.02, 0.16, False)}, segments=("a", "b")
    )
    summary["programme"]["currency"] = "[/]"
    summary["checks"][1]["message"] = evil
    text = printed(summary, Path("[blue]run"))
    assert "[red]x[/red]" in text
    assert "Results: [blue]run" in text
    assert "\x1b" not in text
    assert "\u202e" not in text


def test_an_untrusted_run_shows_why_and_no_money(tmp_path):
    text = printed(write_run(tmp_path, trusted=False), tmp_path)
    assert "fail  r-hat:checkout: R-hat 1.08 is above 1.01." in text
    assert "Not trusted" in text
    assert "Net present value" not in text


def test_many_outcomes_and_checks_still_fit(tmp_path):
    outcomes = {f"outcome {k}": ("conversion", "success", 0.02, 0.16, False) for k in range(12)}
    summary = write_run(tmp_path, outcomes=outcomes, segments=("all",))
    summary["checks"] += [
        {"name": f"n{k}", "status": "note", "message": "A long remark. " * 9, "remedy": ""} for k in range(30)
    ]
    text = printed(summary, Path("run"))
    assert len(text.splitlines()) <= 45
    assert "and 4 more in the report" in text


def test_certain_figures_are_exact(tmp_path):
    summary = write_run(tmp_path, certain=True)
    assert f"{summary['metrics']['npv']['mean']:,.2f}" in printed(summary, tmp_path)


@given(st.floats(-1e9, 1e9), st.floats(1e-6, 1e7))
def test_the_last_digit_stands_for_at_least_one_standard_error(value, mcse):
    unit = 10.0 ** -digits(value, mcse)
    assert mcse <= unit * (1 + 1e-12)
    assert unit < 10 * mcse * (1 + 1e-12)


@given(st.floats(-1e12, 1e12), st.integers(-8, 6))
def test_numbers_round_trip(value, decimals):
    shown = float(number(value, decimals).replace(",", ""))
    assert abs(shown - value) <= 0.5 * 10.0**-decimals + 1e-6 * abs(value)


def test_digits():
    assert digits(312_345.0, 2_200.0) == -4
    assert digits(0.5, None) == 3
    assert digits(0.0, None) == 2
    assert money(312_345.0, 2_200.0) == "310,000"
    assert money(1234.5, 0.0) == "1,234.50"
    assert money(-0.001, 1.0) == "0"
    assert percent(-0.35, 0.004) == "-35 %"
    assert spread({"mean": 0.0, "low": -0.2, "high": 0.4}, scale=100, sign=True) == ("0", "-20 to +40")
    assert spread({"mean": None, "low": None, "high": None}) == ("–", "–")


def test_certainty_is_claimed_for_certain_things_only():
    assert [chance(p, 4000) for p in (0.0, 0.004, 0.5, 0.996, 1.0)] == [
        "under 1 %", "under 1 %", "50 %", "over 99 %", "over 99 %",
    ]  # fmt: skip
    assert [chance(p, 1) for p in (0.0, 1.0)] == ["0 %", "100 %"]
    assert chance(None, 5) == "–"


def test_payback_intervals_end_in_never():
    block = {"mean": None, "median": 20.1234, "low": 12.3, "high": None, "mcse": None, "never": 0.1}
    assert interval("payback_months", block, 4000) == "12.3 to never"
    assert metric("payback_months", block, "median", 4000) == "20.1"
    nothing = dict.fromkeys(block)
    assert interval("payback_months", nothing, 4000) == "–"


@given(st.text(max_size=80), st.integers(2, 40))
def test_cleaned_names_fit_and_hold_no_control_characters(name, width):
    made = clean(name, width)
    assert columns(made) <= width
    assert made.isprintable() or any(char in made for char in "\u200c\u200d") or not made.isascii()
    assert "\n" not in made
    assert "\x1b" not in made


@given(st.text(alphabet="ab 客服 ", max_size=120), st.integers(2, 30))
def test_wrapping_loses_nothing(text, width):
    lines = wrap(text, width).split("\n")
    assert max(map(columns, lines)) <= width
    assert "".join(lines).replace(" ", "") == text.replace(" ", "")
