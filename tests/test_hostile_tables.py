"""Files that claim to be tables: too long, too wide, packed too well, or asking for another file."""

from __future__ import annotations

import resource
import sqlite3
import zipfile
from collections.abc import Callable
from pathlib import Path

import duckdb
import openpyxl
import pytest

from sim.errors import ProblemsError
from sim.pilot.engine import Engine
from sim.pilot.files import locate
from sim.pilot.source import open_source
from sim.pilot.tenure_mix import read_tenure_mix
from sim.records.reading import Reading
from tests.pilot_models import AMOUNT, only, refused, table, take

HEAD = b"arm,trials,successes\nhuman,100,10\nbot,100,12\n"
MEGABYTE = 1 << 20


def test_a_long_last_line_is_not_left_out(tmp_path: Path) -> None:
    """The engine reads by blocks of 32 MB and says nothing of a last line that is longer."""
    file = table(tmp_path, HEAD + b"human,1," + b"1" * (40 * MEGABYTE))
    problem = only(refused(file))
    assert (problem.line, problem.file) == (4, "pilot.csv")
    assert "a line of more than" in problem.found


@pytest.mark.parametrize("end", [b"\n", b"\nbot,1,1\n"])
def test_a_long_line_is_refused_in_any_place(tmp_path: Path, end: bytes) -> None:
    for content in (HEAD + b"x" * (3 * MEGABYTE) + end, b"x" * (3 * MEGABYTE) + end + HEAD):
        problem = only(refused(table(tmp_path, content)))
        assert problem.line == (4 if content.startswith(HEAD) else 1)


def test_a_quote_that_swallows_the_file_costs_no_memory(tmp_path: Path) -> None:
    with (tmp_path / "pilot.csv").open("wb") as file:
        file.write(HEAD + b'bot,1,"')
        for _ in range(100):
            file.write(b"no end\n" * 150_000)
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    problem = only(refused(tmp_path / "pilot.csv"))
    assert (problem.line, "never closed" in problem.found) == (4, True)
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 200_000  # kB on Linux


def test_a_gigabyte_of_nothing(tmp_path: Path) -> None:
    with (tmp_path / "pilot.csv").open("wb") as file:
        file.write(HEAD)
        file.truncate(1 << 30)
    assert "zero bytes" in only(refused(tmp_path / "pilot.csv")).found


def test_a_header_of_columns_without_end(tmp_path: Path) -> None:
    assert "400,001 cells" in only(refused(table(tmp_path, "a," * 400_000 + "\n"))).found


def workbook(folder: Path, change: Callable[[bytes], bytes]) -> Path:
    """Write a workbook whose sheet is changed as no spreadsheet program would."""
    book = openpyxl.Workbook()
    for row in (("arm", "trials", "successes"), ("human", 100, 10), ("bot", 100, 12)):
        book.active.append(row)
    book.save(folder / "sound.xlsx")
    with (
        zipfile.ZipFile(folder / "sound.xlsx") as sound,
        zipfile.ZipFile(folder / "pilot.xlsx", "w", zipfile.ZIP_DEFLATED) as made,
    ):
        for item in sound.infolist():
            content = sound.read(item)
            made.writestr(item.filename, change(content) if "sheet1" in item.filename else content)
    return folder / "pilot.xlsx"


def row(*cells: bytes) -> Callable[[bytes], bytes]:
    return lambda sheet: sheet.replace(b"</sheetData>", b"".join(cells) + b"</sheetData>")


def entity(declared: bytes, used: bytes) -> Callable[[bytes], bytes]:
    cell = b'<row r="4"><c r="A4" t="inlineStr"><is><t>' + used + b"</t></is></c></row>"
    return lambda sheet: b"<!DOCTYPE x [" + declared + b"]>" + row(cell)(sheet[sheet.index(b"<worksheet") :])


LAUGHS = b'<!ENTITY a "' + b"ha" * 20 + b'">' + b"".join(
    b'<!ENTITY %c "%s">' % (98 + i, (b"&%c;" % (97 + i)) * 10) for i in range(9)
)  # fmt: skip


WIDE = [b'<row r="%d"><c r="ZZZ%d"><v>1</v></c></row>' % (i, i) for i in range(4, 9_000)]


def test_the_workbook_is_sound_before_it_is_changed(tmp_path: Path) -> None:
    assert take(workbook(tmp_path, lambda sheet: sheet)).summary.size.sum() == 200


@pytest.mark.parametrize(
    ("change", "found"),
    [
        (
            row(b'<row r="4"><c r="A4" t="inlineStr"><is><t>', b"a" * 60_000_000, b"</t></is></c></row>"),
            "unpack to",
        ),
        (row(b'<row r="4">', b"<c/>" * 4_000_000, b"</row>"), "unpack to"),
        (row(b'<row r="999999999999"><c r="A999999999999"><v>1</v></c></row>'), "more than 1,048,576 rows"),
        (row(b'<row r="1048577"><c r="A1048577"><v>1</v></c></row>'), "more than 1,048,576 rows"),
        (row(*WIDE), "50,000,000 cells"),
        (row(b'<row r="4"><c r="A4" t="s"><v>99999</v></c></row>'), "cannot be read"),
        (row(b'<row r="4"><c r="A4" t="s"><v>x</v></c></row>'), "cannot be read"),
        (row(b'<row r="x"/>'), "cannot be read"),
        (row(b'<row r="4"><c r="AAAAAA4"><v>1</v></c></row>'), "cannot be read"),
        (lambda sheet: sheet[: len(sheet) // 2], "cannot be read"),
        (entity(LAUGHS, b"&j;"), "cannot be read"),
        (entity(b'<!ENTITY a SYSTEM "file:///etc/passwd">', b"&a;"), "cannot be read"),
    ],
)
def test_workbooks_that_no_program_wrote(
    tmp_path: Path, change: Callable[[bytes], bytes], found: str
) -> None:
    problem = only(refused(workbook(tmp_path, change)))
    assert found in problem.found
    assert "root:" not in str(problem)


def test_the_engine_is_closed_to_everything_else(tmp_path: Path) -> None:
    table(tmp_path, HEAD, "other.csv")
    source = open_source(table(tmp_path, HEAD), "pilot.csv", "outcomes.x")
    asked = source.engine.duckdb
    for statement in (
        f"FROM '{tmp_path}/other.csv'",
        f"FROM read_text('{tmp_path}/other.csv')",
        f"FROM glob('{tmp_path}/*')",
        "FROM 'https://localhost/x.csv'",
        "FROM 's3://bucket/x.parquet'",
        "FROM read_csv('/dev/zero')",
        f"COPY (SELECT 1) TO '{tmp_path}/made.csv'",
        f"ATTACH '{tmp_path}/made.duckdb'",
        f"EXPORT DATABASE '{tmp_path}/made'",
        "INSTALL httpfs",
        "LOAD spatial",
        "SET enable_external_access = true",
        f"SET allowed_paths = ['{tmp_path}/other.csv']",
        f"SET allowed_directories = ['{tmp_path}']",
    ):
        with pytest.raises(duckdb.Error):
            pytest.fail(f"{statement}: {asked.execute(statement).fetchall()}")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["other.csv", "pilot.csv"]


def test_the_engine_downloads_nothing() -> None:
    asked = Engine().duckdb
    names = ("autoinstall_known_extensions", "autoload_known_extensions", "python_enable_replacements")
    for name in names:
        assert asked.execute("SELECT current_setting(?)", [name]).fetchone() == (False,)


@pytest.mark.parametrize(
    "query",
    [
        "SELECT 'human' AS arm, 1 AS trials, 1 AS successes; DROP TABLE t",
        "FROM query('COPY t TO ''made.csv''')",
        "FROM read_text('/etc/passwd')",
        "FROM 'https://localhost/x.csv'",
        "SELECT getenv('HOME') AS arm, 1 AS trials, 1 AS successes",
        "CREATE MACRO f() AS 1",
        "CALL pragma_version()",
        "EXPLAIN ANALYZE FROM t",
        "",
        "--",
        "SELECT '",
        "SELECT 1/*",
    ],
)
def test_queries_that_want_more_than_the_file(tmp_path: Path, query: str) -> None:
    with duckdb.connect(str(tmp_path / "p.duckdb")) as store:
        store.execute("CREATE TABLE t AS SELECT 'human' AS arm, 1 AS trials, 1 AS successes")
    before = (tmp_path / "p.duckdb").read_bytes()
    (problem,) = refused(tmp_path / "p.duckdb", query=query)
    assert problem.key == "outcomes.x.data.query"
    assert "root:" not in str(problem)
    assert [path.name for path in tmp_path.iterdir()] == ["p.duckdb"]
    assert (tmp_path / "p.duckdb").read_bytes() == before


NAMES = ["t; DROP TABLE u; --", 'a"b', "a'b", "../x\n", "客服=1", "%s{0}"]


@pytest.mark.parametrize("name", NAMES)
def test_tables_sheets_and_files_of_any_name(tmp_path: Path, name: str) -> None:
    quoted = '"' + name.replace('"', '""') + '"'
    rows = f"CREATE TABLE {quoted} AS SELECT 'human' AS arm, 100 AS trials, 10 AS successes"
    more = " UNION ALL SELECT 'bot', 100, 12"
    with duckdb.connect(str(tmp_path / "p.duckdb")) as store:
        store.execute(rows + more)
        store.execute("CREATE TABLE u AS SELECT 1 AS x")
    store = sqlite3.connect(tmp_path / "p.sqlite")
    store.execute(rows + more)
    store.execute("CREATE TABLE u AS SELECT 1 AS x")
    store.close()
    for file in ("p.duckdb", "p.sqlite"):
        assert take(tmp_path / file, table=name).summary.size.sum() == 200
    assert duckdb.connect(str(tmp_path / "p.duckdb"), read_only=True).sql("FROM u").fetchall() == [(1,)]
    plain = name.replace("/", "-")
    assert take(table(tmp_path, HEAD, f"{plain}.csv")).summary.size.sum() == 200


def test_addresses_are_no_files() -> None:
    for name in ("https://me:secret@host/x.csv", "s3://bucket/x.parquet", "https:/host/x.csv"):
        with pytest.raises(ProblemsError) as error:
            locate(Path(name), name)
        assert "nothing is fetched" in str(error.value)
        assert "host" not in str(error.value)


def test_a_stock_of_a_billion_months_makes_no_array(tmp_path: Path) -> None:
    for content in ("tenure\n1\n1e9\n", "tenure,customers\n1,5\n1e9,5\n"):
        file = table(tmp_path, content)
        with pytest.raises(ProblemsError, match="longer than anybody stays") as error:
            read_tenure_mix(Reading(file, "stock.csv", "outcomes.x", {}), ("all",))
        assert only(error.value.problems).line == 3


@pytest.mark.parametrize("month", ["2025-13", "2025-00", "9999-12", "0001-01"])
def test_months_that_are_none_are_no_months(tmp_path: Path, month: str) -> None:
    rows = "".join(
        f"{arm},100,10,{when}\n" for arm in ("human", "bot") for when in ("2025-01", "2025-02", month)
    )
    found = take(table(tmp_path, f"arm,trials,successes,month\n{rows}"), period="month").summary
    assert len(found.series.periods if found.series else ()) <= 3


def test_numbers_of_a_billion_rows_are_added_and_not_counted_out(tmp_path: Path) -> None:
    file = table(tmp_path, "arm,trials,successes\nhuman,9000000000000,1000000000\nbot,1e12,3\n")
    assert take(file).summary.size.tolist() == [[9e12], [1e12]]
    file = table(tmp_path, "arm,amount\nhuman,1e300\nbot,1e-300\n")
    assert take(file, AMOUNT).summary.statistics["total"].tolist() == [[1e300], [1e-300]]
