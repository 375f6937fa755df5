"""Files that cannot be read, and tables of the wrong shape, are named with what to do."""

from __future__ import annotations

import os
import socket

import openpyxl
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from sim.errors import ProblemsError
from sim.pilot.files import fingerprint
from tests.pilot_models import (
    only,
    place,
    refused,
    table,
    take,
)

HEAD = "arm,trials,successes\n"


@pytest.mark.parametrize("name", ["gone.csv", "gone/*.csv", "no/such/folder.csv", "nul\0l.csv"])
def test_missing_file(tmp_path, name):
    problem = only(refused(tmp_path / name))
    assert problem.line is None
    with pytest.raises(ProblemsError):
        fingerprint(tmp_path / name)


def test_folder_device_pipe_socket(tmp_path):
    assert "folder" in only(refused(tmp_path)).found
    os.mkfifo(tmp_path / "pipe")
    with socket.socket(socket.AF_UNIX) as server:
        server.bind(os.path.relpath(tmp_path / "socket"))
        for special in (tmp_path / "pipe", tmp_path / "socket", "/dev/zero", "/dev/null"):
            (tmp_path / "link.csv").unlink(missing_ok=True)
            (tmp_path / "link.csv").symlink_to(special)
            assert "device" in only(refused(tmp_path / "link.csv")).found
    with pytest.raises(ProblemsError, match="device"):
        fingerprint(tmp_path / "pipe")


def test_unreadable_file(tmp_path, monkeypatch):
    file = table(tmp_path, HEAD)
    monkeypatch.setattr(os, "access", lambda *_: False)  # root may read everything
    assert "may not be read" in only(refused(file)).found


@pytest.mark.parametrize("content", ["", "\n\n", "\ufeff", "  \n"])
def test_empty_file(tmp_path, content):
    assert "empty" in only(refused(table(tmp_path, content))).found


@pytest.mark.parametrize("options", [{}, {"arm": None, "control": None, "treated": ()}])
def test_table_without_rows(tmp_path, options):
    problem = only(refused(table(tmp_path, HEAD + ",,\n"), **options))
    assert problem.found == "the table has no rows"


@pytest.mark.parametrize(
    ("content", "found"),
    [
        (b"\x1f\x8b\x08\x00rest", "gzip"),
        (b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1", "old Excel"),
        (b"%PDF-1.7", "PDF"),
        (b"PK\x03\x04 no workbook", "Excel file cannot be read"),
        (b"PAR1 no parquet", "Parquet file cannot be read"),
        (b"SQLite format 3\0" + bytes(100), "SQLite file cannot be read"),
        (b"01234567DUCK" + bytes(5000), "DuckDB file cannot be read"),
        (HEAD.encode("utf-16-le"), "zero bytes"),
        ("arm,trials,successes\nblå,1,1\n".encode("latin-1"), "not UTF-8"),
    ],
)
def test_foreign_and_damaged_files(tmp_path, content, found):
    problem = only(refused(table(tmp_path, content)))
    assert found in problem.found
    assert problem.file == "pilot.csv"


def test_bytes_that_are_not_utf8_far_down(tmp_path):
    lines = [b"human,10,1"] * 150_000 + [b"bl\xe5,10,1"] + [b"bot,10,1"]
    problem = only(refused(table(tmp_path, HEAD.encode() + b"\n".join(lines))))
    assert "not UTF-8" in problem.found
    assert problem.line == 150_002


def test_a_name_that_lies_and_options_of_other_formats(tmp_path):
    assert "says Parquet" in only(refused(table(tmp_path, HEAD, "p.parquet"))).found
    file = table(tmp_path, HEAD)
    problems = refused(file, table="t", sheet="s", query="q")
    assert [p.key for p in problems] == [
        "outcomes.x.data.table",
        "outcomes.x.data.query",
        "outcomes.x.data.sheet",
        "outcomes.x.data",
    ]


def test_a_parquet_file_with_damaged_pages(tmp_path):
    file = tmp_path / "p.parquet"
    columns = {"arm": ["human", "bot"] * 50_000, "outcome": list(range(2)) * 50_000}
    pq.write_table(pa.table(columns), file, use_dictionary=False, write_page_checksum=True)
    content = bytearray(file.read_bytes())
    content[20:2000] = bytes(1980)
    file.write_bytes(content)
    assert only(refused(file)).file == "p.parquet"


def test_missing_columns_all_at_once(tmp_path):
    file = table(tmp_path, "Arm,trials,succeses\nhuman,1,1\n")
    columns = {"trials": "trials", "successes": "successes"}
    problems = refused(file, columns=columns, segment="country", period="when", failed=())
    assert [p.key for p in problems] == [
        "outcomes.x.columns.successes",
        "outcomes.x.arm",
        "outcomes.x.segment",
        "outcomes.x.period",
    ]
    assert problems[0].remedy == 'did you mean "succeses"?'
    assert problems[1].remedy == 'did you mean "Arm"?'


def test_duplicate_headers_matter_where_they_are_used(tmp_path):
    file = table(tmp_path, "arm,trials,note,trials,successes,note\nhuman,1,x,2,1,x\nbot,1,x,2,1,x\n")
    problem = only(refused(file))
    assert "columns 2, 4" in problem.found
    assert problem.line == 1
    fine = table(tmp_path, "arm,trials,note,successes,note\nhuman,1,x,1,x\nbot,1,x,1,x\n")
    assert take(fine).summary.size.sum() == 2


def test_a_table_separated_by_blanks(tmp_path):
    problem = refused(table(tmp_path, "arm trials successes\nhuman 1 1\n"), columns={"trials": "n"})
    assert any("separate the cells" in p.remedy or "no form" in p.found for p in problem)


def test_ragged_rows(tmp_path):
    rows = ["human,10,1", "human,10", "bot,10,1,", *["bot,1"] * 9]
    problem = only(refused(table(tmp_path, HEAD + "\n".join(rows))))
    assert place(problem) == ("pilot.csv", 3, None)
    assert "line 3: 2, line 4: 4" in problem.found
    assert "and 6 more" in problem.found
    assert problem.allowed.startswith("3 cells")


def test_unclosed_quote_names_the_line_where_it_opens(tmp_path):
    rows = ["human,10,1", '"two\nlines",10,1', 'bot,"10,1', "bot,10,1"]
    problem = only(refused(table(tmp_path, HEAD + "\n".join(rows))))
    assert "never closed" in problem.found
    assert problem.line == 5


def test_junk_after_a_quote(tmp_path):
    problem = only(refused(table(tmp_path, HEAD + 'human,10,1\n"bot"x,10,1\n')))
    assert problem.line == 3


def test_mixed_line_ends(tmp_path):
    content = HEAD.replace("\n", "\r\n") + "human,10,1\r\n" * 5 + "bot,10,1\n" + "bot,10,1\r\n" * 5
    assert "two ways" in only(refused(table(tmp_path, content.encode()))).found


def test_excel_cells_beyond_the_header(tmp_path):
    book = openpyxl.Workbook()
    for row in (("arm", "trials", "successes"), ("human", 1, 1), ("bot", 1, 1, "note")):
        book.active.append(row)
    book.save(tmp_path / "p.xlsx")
    assert only(refused(tmp_path / "p.xlsx")).line == 3
