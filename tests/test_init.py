"""``sim init``: configs that run as they are, from nothing, from six answers, or from a look at a table."""

from __future__ import annotations

import io
import json
import sqlite3
import sys
import tomllib
from pathlib import Path
from typing import Any

import openpyxl
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from sim.commands.check import check
from sim.commands.first_config import understand, write_from
from sim.config.draft import FILL, Figures, text
from sim.errors import ProblemsError
from tests.conftest import ROOT
from tests.in_process import command

CONFIGS = ROOT / "configs"


def first(table: Path, folder: Path, figures: Figures = Figures()) -> tuple[dict[str, Any], str]:  # noqa: B008
    """Write the config for a table; `sim check` must pass at once."""
    config, _ = write_from(table, folder, figures)
    looked = check(config)
    assert [item for item in looked["checks"] if item["status"] == "fail"] == []
    written = config.read_text("utf-8")
    return tomllib.loads(written), written


def table(path: Path, content: str) -> Path:
    path.write_text(content, encoding="utf-8")
    return path


GALLERY: dict[str, tuple[dict[str, str], Any, str | None]] = {
    "before-after/accounts.csv": ({"cost": "cost"}, None, None),
    "cart-recovery/carts.csv": ({"revenue": "revenue"}, "control", None),
    "churn-programme/subscribers.csv": ({"retention": "churn"}, "control", None),
    "difference-in-differences/stores.csv": ({"buyers": "conversion"}, "control", "region"),
    "email-campaign/pilot.csv": ({"buyers": "conversion", "visits": "conversion"}, "No E-Mail", "channel"),
    "lead-generation/landing_page.csv": ({"leads": "conversion"}, "control", None),
    "lead-generation/leads.csv": ({"customers": "conversion"}, "control", "score_band"),
    "per-resolution-chatbot/agents.csv": ({"seconds": "cost"}, "control", None),
    "per-resolution-chatbot/bot.csv": ({"resolved_by_bot": "conversion"}, None, None),
    "satisfaction-kpi/contacts.csv": ({"contacts": "count"}, "control", None),
    "satisfaction-kpi/csat.csv": ({"answer": "rating"}, "control", None),
    "satisfaction-kpi/nps.csv": ({"answer": "rating"}, "control", None),
    "support-chatbot/constructed_contacts.csv": (
        {"resolved_by_bot": "conversion", "handle_seconds": "cost"}, "human", "country",
    ),
    "support-chatbot/constructed_sessions.csv": ({"orders": "conversion"}, "human", "country"),
    "support-chatbot/constructed_subscribers.csv": ({"retention": "churn"}, "human", "country"),
}  # fmt: skip


def test_every_table_of_the_gallery_is_looked_at() -> None:
    tables = {path.relative_to(CONFIGS).as_posix() for path in CONFIGS.glob("*/*.csv")}
    assert tables - set(GALLERY) == {"churn-programme/stock.csv", "lead-generation/visitors.csv"}


ALIKE = (
    "lead-generation/landing_page.csv",
    "satisfaction-kpi/nps.csv",
    "support-chatbot/constructed_sessions.csv",
)
"""Of the same shape as another one."""


@pytest.mark.parametrize(
    "name", [pytest.param(name, marks=pytest.mark.slow) if name in ALIKE else name for name in GALLERY]
)
def test_tables_of_the_gallery(name: str, tmp_path: Path) -> None:
    outcomes, control, segment = GALLERY[name]
    config, written = first(CONFIGS / name, tmp_path)
    assert {key: each["model"] for key, each in config["outcomes"].items()} == outcomes
    assert config["pilot"].get("arm", {}).get("control") == control
    assert config["pilot"].get("segment") == segment
    assert ("costs" in config) == ("rating" not in outcomes.values())
    assert written.count(FILL) >= 2
    paid = [key for key, each in config["outcomes"].items() if "value" in each]
    assert len(paid) == (0 if "rating" in outcomes.values() else 1)


@pytest.mark.parametrize("name", ["churn-programme/stock.csv", "lead-generation/visitors.csv"])
def test_a_table_without_an_outcome_is_told_in_one_message(name: str, tmp_path: Path) -> None:
    told = command("init", tmp_path / "new", "--from", CONFIGS / name)
    assert told.code == 2
    assert told.err.count("no column says clearly what happened") == 1
    assert '"customers" (counts)' in told.err or '"visitors" (counts)' in told.err
    assert "remedy" in told.err
    assert not (tmp_path / "new").exists()


ROWS = [("group", "land", "sessions", "orders"), ("A", "Norge", 900, 30), ("B", "Norge", 910, 44),
        ("A", "客服", 800, 21), ("B", "客服", 805, 30)]  # fmt: skip


@pytest.mark.parametrize("kind", ["semicolon", "parquet", "excel", "sqlite"])
def test_any_format_that_sim_reads(kind: str, tmp_path: Path) -> None:
    if kind == "semicolon":
        file = table(tmp_path / "pilot.csv", "\n".join(";".join(map(str, row)) for row in ROWS))
    elif kind == "parquet":
        file = tmp_path / "pilot.parquet"
        columns = zip(*ROWS[1:], strict=True)
        pq.write_table(pa.table(dict(zip(ROWS[0], map(list, columns), strict=True))), file)
    elif kind == "excel":
        file, book = tmp_path / "pilot.xlsx", openpyxl.Workbook()
        for row in ROWS:
            book.worksheets[0].append(row)
        book.save(file)
    else:
        file = tmp_path / "pilot.sqlite"
        with sqlite3.connect(file) as base:
            base.execute('CREATE TABLE pilot ("group" TEXT, land TEXT, sessions INTEGER, orders INTEGER)')
            base.executemany("INSERT INTO pilot VALUES (?, ?, ?, ?)", ROWS[1:])
        base.close()
    config, _ = first(file, tmp_path / "new")
    assert config["pilot"]["arm"] == {"column": "group", "control": "A", "treated": "B"}
    assert config["pilot"]["segment"] == "land"
    assert config["outcomes"]["orders"]["columns"] == {"trials": "sessions", "successes": "orders"}


def test_norway_is_no_answer(tmp_path: Path) -> None:
    file = table(
        tmp_path / "t.csv", "arm,land,visits,orders\nA,NO,1000,30\nB,NO,1010,41\nA,SE,900,25\nB,SE,950,37\n"
    )
    assert first(file, tmp_path / "new")[0]["pilot"]["segment"] == "land"


def test_names_cannot_leave_their_place(tmp_path: Path) -> None:
    """A header that would end its string or its comment stays a name."""
    header = 'orders"\\ ]#'
    content = f'arm,"seg""\t=1+1",sessions,"{header.replace(chr(34), chr(34) * 2)}"\n'
    content += 'control,"x""]",900,30\ntreated,"x""]",900,40\ncontrol,=cmd,800,20\ntreated,=cmd,800,30\n'
    config, written = first(table(tmp_path / "pilot.csv", content), tmp_path / "new")
    assert set(config) == {"programme", "pilot", "outcomes", "rollout", "costs"}
    assert [each["columns"]["successes"] for each in config["outcomes"].values()] == [header]
    assert all(char.isprintable() or char == "\n" for char in written)


def test_texts_are_toml() -> None:
    for value in ('a"b', "c\\d", "line\nbreak", "\x7f\x1b", "客服 ไทย", "'"):
        assert tomllib.loads(f"x = {text(value)}")["x"] == value


def test_what_cannot_be_told_is_marked(tmp_path: Path) -> None:
    config, written = first(
        table(tmp_path / "p.csv", "variant,visitors,orders\nred,900,30\nblue,910,44\n"), tmp_path / "new"
    )
    assert config["pilot"]["arm"]["control"] == "blue"
    assert f"# {FILL}: no name says which group is without the tool" in written


def test_ages_and_postcodes_are_no_trials(tmp_path: Path) -> None:
    """Without a name that speaks for it, a column that is never larger than another is no success."""
    rows = "\n".join(f"{20 + i},{1000 + 37 * i},{i % 5}" for i in range(40))
    with pytest.raises(ProblemsError, match="what happened"):
        understand(table(tmp_path / "p.csv", f"age,postcode,prio\n{rows}\n"))


def test_nothing_is_overwritten(tmp_path: Path) -> None:
    pilot = CONFIGS / "email-campaign" / "pilot.csv"
    write_from(pilot, tmp_path)
    before = (tmp_path / "config.toml").read_bytes()
    with pytest.raises(ProblemsError, match="is there already"):
        write_from(pilot, tmp_path, Figures("USD"))
    assert (tmp_path / "config.toml").read_bytes() == before


def answers(monkeypatch: pytest.MonkeyPatch, *lines: str) -> None:
    monkeypatch.setattr(sys, "stdin", io.StringIO("\n".join(lines) + "\n"))


def test_six_questions_with_a_table(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    pilot = CONFIGS / "email-campaign" / "pilot.csv"
    answers(monkeypatch, str(pilot), "nok", "many", "30 000", "37.5", "", "900")
    told = command("init", tmp_path / "new", "--interactive", "--json")
    assert told.code == 0, told.err
    assert '"many" is not a number' in told.err
    assert json.loads(told.out)["result"] == [
        str(tmp_path / "new" / name) for name in ("config.toml", "config.schema.json")
    ]
    config = tomllib.loads((tmp_path / "new" / "config.toml").read_text("utf-8"))
    assert config["programme"]["currency"] == "NOK"
    assert config["outcomes"]["buyers"]["volume"] == 30_000
    assert config["outcomes"]["buyers"]["value"] == 37.5
    assert config["costs"] == {"development": 50_000, "operations": {"monthly": 900}}


def test_six_questions_without_a_table(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    answers(monkeypatch, *[""] * 6)
    assert command("init", tmp_path / "new", "-i").code == 0
    assert not [c for c in check(tmp_path / "new" / "config.toml")["checks"] if c["status"] == "fail"]


def test_answers_that_end_early_leave_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    answers(monkeypatch, "", "EUR")
    assert command("init", tmp_path / "new", "-i").code == 130
    assert not (tmp_path / "new").exists()


def test_a_missing_table_is_told_before_the_other_questions(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    answers(monkeypatch, "missing.csv", "EUR", "1", "1", "1", "1")
    told = command("init", tmp_path / "new", "-i")
    assert told.code == 2
    assert "missing.csv" in told.err
    assert "Currency" not in told.err


def test_rows_of_units_with_flags_beside_them(tmp_path: Path) -> None:
    """The shape of a published field trial: 0/1 for the arm, many flags, one amount, one answer."""
    lines = [
        f"{i % 3 > 0:d},{i % 2},{(i % 7 == 0) * (5 + i % 20)},{i % 7 == 0:d},{i % 5 == 0:d}"
        for i in range(600)
    ]
    pilot = table(tmp_path / "p.csv", "treatment,female,out_amount,out_gave,couple\n" + "\n".join(lines))
    config, _ = first(pilot, tmp_path / "new")
    assert config["pilot"]["arm"] == {"column": "treatment", "control": "0", "treated": "1"}
    models = {key: each["model"] for key, each in config["outcomes"].items()}
    assert models == {"out_amount": "revenue", "out_gave": "conversion"}


def test_customers_without_arms(tmp_path: Path) -> None:
    lines = [f"{1 + i % 30},{'Yes' if i % 4 == 0 else 'No'},{('Month', 'Year')[i % 2]}" for i in range(400)]
    config, written = first(
        table(tmp_path / "p.csv", "tenure,churn,contract\n" + "\n".join(lines)), tmp_path / "new"
    )
    assert config["outcomes"]["retention"]["columns"] == {"tenure": "tenure", "churned": "churn"}
    assert config["outcomes"]["retention"]["effect"] == {"low": -0.2, "high": 0.0}
    assert config["pilot"]["segment"] == "contract"
    assert "No column tells two groups apart" in written


def test_typed_dates_of_parquet(tmp_path: Path) -> None:
    import datetime as dt

    day = dt.date(2025, 1, 1)
    joined = [day + dt.timedelta(days=i % 200) for i in range(300)]
    left = [each + dt.timedelta(days=90 + i % 50) if i % 3 == 0 else None for i, each in enumerate(joined)]
    columns = {"arm": ["old", "new"] * 150, "joined": joined, "left": left}
    pq.write_table(pa.table(columns), tmp_path / "p.parquet")
    config, _ = first(tmp_path / "p.parquet", tmp_path / "new")
    assert config["outcomes"]["retention"]["as_of"] == max(each for each in left if each)
    assert config["pilot"]["arm"] == {"column": "arm", "control": "old", "treated": "new"}
