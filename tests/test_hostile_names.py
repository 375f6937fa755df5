"""Names as an attacker would choose them: text everywhere, never a formula, a tag, a path or a statement."""

from __future__ import annotations

import csv
from html.parser import HTMLParser
from pathlib import Path

import pytest

from sim.commands.place import slug
from sim.report.names import clean
from sim.report.rows import plain
from sim.report.write import file_name
from tests.in_process import Told, command, document, toml

EVIL = (
    "=1+1[/red][bold]<script>alert(1)</script>{{7*7}}'; DROP TABLE t; --\x1b[2J\u202e../../x\nline\"%s$x^{2}$"
)
FORMULAS = ("=", "+", "-", "@", "\t", "\r", "\n", "＝", "＋", "－", "＠")
CONFIG = {
    "programme": {"currency": "EUR", "name": EVIL, "horizon": 12},
    "volumes": {EVIL: {"monthly": {"by": {EVIL: {"low": 10, "high": 20}, "@SUM(A1)": 5}}}},
    "outcomes": {
        EVIL: {
            "model": "conversion",
            "control": {"low": 0.1, "high": 0.2},
            "effect": {"low": 0.1, "high": 0.3},
            "volume": EVIL,
            "value": 20,
        }
    },
    "costs": {EVIL: {"once": {"low": 100, "high": 300}, "monthly": 3}},
    "benefits": {f"-{EVIL}": {"monthly": 1}},
    "decision": {"pilot": {"cost_per_month": 100}},
    "sampling": {"draws": 250},
}
KEY = f"costs.{toml(EVIL)}"


class Tags(HTMLParser):
    """Collects what a browser would make of a page."""

    def __init__(self) -> None:
        super().__init__()
        self.tags: list[str] = []
        self.shown = ""
        self.inside = ""

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        self.inside = tag
        assert not any(name.startswith("on") for name, _ in attrs)

    def handle_data(self, data: str) -> None:
        self.shown += data if self.inside not in ("script", "style") else ""


@pytest.fixture(scope="module")
def told(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, list[Told]]:
    """Run every command that writes, and return the folder above and all that was said."""
    folder = tmp_path_factory.mktemp("hostile")
    config, other = folder / "=a <b>.toml", folder / "@b.toml"
    config.write_text(document(CONFIG), encoding="utf-8")
    other.write_text(document(CONFIG | {"costs": {EVIL: {"once": 250}}}), encoding="utf-8")
    actuals = f'month,"costs.{EVIL.replace(chr(34), chr(34) * 2)}"\n1,400\n2,3\n'
    (folder / "actuals.csv").write_text(actuals, encoding="utf-8")
    out = ("--out", folder / "out")
    return folder, [
        command("check", config),
        command("forecast", config, *out),
        command("sweep", config, *out, "--vary", f"{KEY}.monthly=1,2,3"),
        command("sensitivity", config, *out),
        command("target", config, *out, "--solve", f"{KEY}.monthly", "--goal", "npv=0"),
        command("compare", config, other, *out),
        command("pilot", config, *out),
        command("report", "latest", *out),
    ]


def test_every_command_takes_them(told: tuple[Path, list[Told]]) -> None:
    for each in told[1]:
        assert each.code == 0, each.err
        assert all(char.isprintable() or char == "\n" for char in each.out)
        assert "Traceback" not in each.err


def test_nothing_is_written_elsewhere(told: tuple[Path, list[Told]]) -> None:
    folder = told[0]
    assert sorted(path.name for path in folder.iterdir()) == ["=a <b>.toml", "@b.toml", "actuals.csv", "out"]
    (programme,) = [path for path in (folder / "out").iterdir() if not path.name.startswith(".")]
    assert programme.name == slug(EVIL)
    for path in folder.rglob("*"):
        assert path.name.isprintable()
        assert not path.is_symlink()


def test_no_spreadsheet_calculates(told: tuple[Path, list[Told]]) -> None:
    files = sorted(told[0].glob("out/**/*.csv"))
    assert {file.stem for file in files} >= {"sweep", "sensitivity", "target", "choices", "pairs"}
    named = 0
    for file in files:
        with file.open(encoding="utf-8", newline="") as stream:
            for cell in (cell for row in csv.reader(stream) for cell in row):
                named += EVIL[4:20] in cell
                try:
                    float(cell)
                except ValueError:
                    assert not cell.startswith(FORMULAS), (file.name, cell)
    assert named > 5


def test_a_name_of_a_megabyte_is_shortened_at_once() -> None:
    assert clean("客" * 1_000_000, 9) == "客客客客…"
    assert clean("e\u0301" * 500_000, 3) == "e\u0301e\u0301…"


@pytest.mark.parametrize("start", FORMULAS)
def test_texts_that_a_spreadsheet_would_calculate_are_marked(start: str) -> None:
    assert plain(f"{start}1+1") == f"'{start}1+1"
    assert plain("a" + start) == "a" + start


def test_no_browser_obeys(told: tuple[Path, list[Told]]) -> None:
    pages = sorted(told[0].glob("out/**/*.html"))
    assert pages
    for page in pages:
        source = page.read_text(encoding="utf-8")
        reader = Tags()
        reader.feed(source)
        assert "<script>alert(1)" in reader.shown
        assert "<script>alert(1)" not in source
        assert not {"iframe", "object", "embed", "bold", "b>"} & set(reader.tags)
        assert "\x1b" not in reader.shown
        assert "\u202e" not in reader.shown


@pytest.mark.parametrize(
    "name",
    ["..", "../..", "/etc/passwd", "a/b", "a\\b", "a\0b", "a\nb", ".", " ", "~", "客" * 300, "-rf", "$(id)"],
)
def test_names_make_no_paths(name: str) -> None:
    for made in (slug(name), file_name(name)):
        assert made
        assert Path(made).name == made
        assert made not in (".", "..")
        assert not made.startswith((".", "~", "$"))
        assert made.isprintable()
        # Beside a name stand what keeps two apart, the ending, and that it is being built.
        assert len(made.encode()) + len(".12345678.building.png") <= 255
