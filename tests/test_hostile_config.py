"""Configs that nobody wrote to be one, or somebody wrote to do harm: refused at once, in little memory."""

from __future__ import annotations

import os
import resource
from pathlib import Path

import pytest
from pydantic_core import PydanticCustomError

from sim.config.load import parse_key, parse_value
from sim.config.quantity import NON_NEGATIVE, parse
from sim.errors import Problem, ProblemsError
from tests.fuzzing import SHORTEST
from tests.in_process import Told, command, document, toml

TEXT = document(SHORTEST)
PILOT = 'data = {}, arm = {{ column = "a", control = "b", treated = "c" }}'


def checked(folder: Path, text: str | bytes, *arguments: object) -> Told:
    path = folder / "pilot.toml"
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    return command("check", path, *arguments)


def with_data(data: object) -> str:
    figures = toml(SHORTEST["outcomes"]["checkout"])  # type: ignore[index]
    start, end = figures.index('"control"'), figures.index('"volume"')
    reading = PILOT.format(toml(data))
    return TEXT.replace(figures, f"{figures[:start]}{reading}, {figures[end:]}")


def test_a_device_a_pipe_and_a_folder_are_no_config(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe.toml")
    (tmp_path / "zero.toml").symlink_to("/dev/zero")
    for name in ("pipe.toml", "zero.toml", ".", "/dev/stdin"):
        told = command("check", tmp_path / name)
        assert told.code == 2
        assert "folder" in told.err or "device" in told.err


def test_a_gigabyte_is_no_config(tmp_path: Path) -> None:
    for name in ("zeros.toml", "line.toml"):
        with (tmp_path / name).open("wb") as file:
            file.write(b"" if name == "zeros.toml" else b'x = "' + b"a" * 2_000_000)
            file.truncate(1 << 30)
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    for name in ("zeros.toml", "line.toml"):
        told = command("check", tmp_path / name)
        assert told.code == 2
        assert "more than 1,000,000 bytes" in told.err
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 100_000  # kB on Linux


@pytest.mark.parametrize(
    ("more", "line", "found"),
    [
        ("x = " + "[" * 100_000, None, "without end"),
        ("x = " + "{a=" * 5_000 + "1" + "}" * 5_000, None, "without end"),
        ("x = " + "[" * 100 + "]" * 100, None, "without end"),
        ("[" + ".".join("a" * 200_000) + "]\nb = 1", 4, "64 parts"),
        (".".join(['"a"'] * 100_000) + " = 1", 4, "64 parts"),
        ("x = " + "9" * 5_000, 4, "64 bits"),
        ("x = 9223372036854775808", 4, "64 bits"),
        ("x = 0x" + "f" * 100_000, 4, "64 bits"),
        ("x = [1, 2, -99999999999999999999]", 4, "64 bits"),
        ('x = "a\\u0000b"', 4, "zero byte"),
        ('"a\\u0000b" = 1', None, "zero byte"),
        ('[pilot.""]', 4, "a key that is blank"),
        ("x = 0001-01-01", 4, "the year 1"),
        ("x = 9999-12-31T23:59:59Z", 4, "the year 9999"),
        ("x = 2026-02-30", 4, "not valid TOML"),
        ("x = " + "1_" * 400_000 + "1", 4, "64 bits"),
        ("\n" * 900_000 + "[a", None, "not valid TOML"),
    ],
)
def test_texts_that_no_parser_should_meet(tmp_path: Path, more: str, line: int | None, found: str) -> None:
    told = checked(tmp_path, TEXT + more)
    assert told.code == 2
    place = "pilot.toml" if line is None else f"pilot.toml:{line}"
    assert any(place in said and found in said for said in told.err.splitlines()), told.err
    assert len(told.err) < 2_000


def test_a_long_config_of_many_lines_is_read_in_good_time(tmp_path: Path) -> None:
    costs = "".join(f"x{i}.monthly = {i}\n" for i in range(20_000))
    told = checked(tmp_path, TEXT.replace('"costs"', "costs") + "[volumes]\n" + costs + "y = -1\n")
    assert told.code == 2
    assert "pilot.toml:20005 [volumes.y]" in told.err


def test_large_numbers_are_numbers_and_nothing_is_counted_out(tmp_path: Path) -> None:
    for count in ("1_000_000_000", "9_000_000_000_000_000"):
        told = checked(tmp_path, TEXT.replace("21306", count).replace("21307", count))
        assert told.code == 0, told.err
    told = checked(tmp_path, TEXT.replace("21306", "90_000_000_000_000_000"))
    assert told.code == 2
    assert "too large for a count" in told.err


def test_ten_thousand_months_are_refused_and_a_century_is_not(tmp_path: Path) -> None:
    assert checked(tmp_path, TEXT, "--set", "programme.horizon=1200").code == 0
    told = checked(tmp_path, TEXT, "--set", "programme.horizon=10_000")
    assert told.code == 2
    assert "1200" in told.err


@pytest.mark.parametrize(
    "figures",
    [
        '"period" = [1, 1_000_000_000], "at_risk" = [100, 50], "churned" = [3, 4]',
        '"tenure" = [1, 1_000_000_000], "churned" = [1, 1]',
    ],
)
def test_a_billion_months_of_tenure_make_no_array(tmp_path: Path, figures: str) -> None:
    text = TEXT.replace('"conversion"', '"churn"').replace('"volume" = 40000', '"volume" = {stock = 3}')
    for counts in ('"trials" = 21306, "successes" = 122', '"trials" = 21307, "successes" = 267'):
        text = text.replace(counts, figures)
    told = checked(tmp_path, text)
    assert told.code == 2
    assert "longer than anybody stays" in told.err


def test_lists_of_certain_and_uncertain_months(tmp_path: Path) -> None:
    costs = {
        "costs": {"list": {"months": [3, {"low": 1, "high": 2}, 4]}},
        "benefits": {"gain": {"monthly": 9}},
    }
    (tmp_path / "mixed.toml").write_text(document({"programme": {"currency": "EUR"}, **costs}))
    told = command("forecast", tmp_path / "mixed.toml", "--out", tmp_path / "out", "--no-plots")
    assert told.code == 0, told.err


@pytest.mark.parametrize(
    ("value", "found"),
    [
        ("{ by = { a = { by = { b = 1 } } } }", "`by` inside `by`"),
        ("{ by = {} }", "is empty"),
        ("1e309", "inf"),
        ("{ low = 1, high = nan }", "nan"),
        ("0x7fff_ffff_ffff_ffff", ""),
    ],
)
def test_quantities_that_are_none(tmp_path: Path, value: str, found: str) -> None:
    told = checked(tmp_path, TEXT, "--set", f"outcomes.checkout.value={value}")
    assert (told.code == 2) == bool(found)
    assert found in told.err


def test_numbers_that_are_no_float_are_refused_where_no_file_is_read() -> None:
    with pytest.raises(PydanticCustomError, match="308 digits"):
        parse(10**400, NON_NEGATIVE)


@pytest.mark.parametrize("address", ["https://h/x.csv", "s3://b/x.parquet", "file:///etc/passwd"])
def test_addresses_are_not_fetched(tmp_path: Path, address: str) -> None:
    for data in (address, {"file": address}):
        told = checked(tmp_path, with_data(data))
        assert told.code == 2
        assert "nothing is fetched" in told.err
    samples = TEXT.replace("18.5", f'{{samples = "{address}", column = "x"}}')
    assert "nothing is fetched" in checked(tmp_path, samples).err


@pytest.mark.parametrize("path", ["/dev/zero", "/dev/stdin", "pipe", "link", "a" * 5_000, "x/" * 2_000, "."])
def test_what_is_no_regular_file_is_no_table(tmp_path: Path, path: str) -> None:
    os.mkfifo(tmp_path / "pipe")
    (tmp_path / "link").symlink_to("/dev/zero")
    told = checked(tmp_path, with_data(path))
    assert told.code == 2
    assert any(why in told.err for why in ("device", "folder", "cannot be reached: File name")), told.err
    told = checked(tmp_path, TEXT.replace("18.5", f'{{samples = "{path}", column = "x"}}'))
    assert told.code == 2
    assert "[outcomes.checkout.value]: the file with samples" in told.err


def test_a_symlink_to_a_table_is_that_table(tmp_path: Path) -> None:
    (tmp_path / "far").mkdir()
    (tmp_path / "far" / "real.csv").write_text("a,trials,successes\nb,1000,100\nc,1000,130\n")
    (tmp_path / "link.csv").symlink_to("far/real.csv")
    assert checked(tmp_path, with_data("link.csv")).code == 0


@pytest.mark.parametrize(
    "key",
    [
        "#",
        "a\nb",
        "",
        " ",
        "a = 1 #",
        "[x]\ny",
        "a..b",
        "correlations.²",
        '"',
        "a = [[1]] #",
        "x" * 9_000 + ".",
    ],
)
def test_texts_that_are_no_key(tmp_path: Path, key: str) -> None:
    with pytest.raises(ProblemsError):
        parse_key(key)
    assert checked(tmp_path, TEXT, "--set", f"{key}=1").code == 2


@pytest.mark.parametrize(
    "value", ["[" * 5_000, "1\nb = 2", "9" * 5_000, "0x" + "f" * 9_000, "\0", "{a=" * 3_000]
)
def test_values_of_options_that_are_none(tmp_path: Path, value: str) -> None:
    parse_value(value)
    told = checked(tmp_path, TEXT, "--set", f"programme.horizon={value}")
    assert told.code == 2
    assert len(told.err) < 2_000


def test_names_that_are_no_text_and_a_level_of_detail_that_is_none(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    told = command("check", os.fsdecode(b"/tmp/\xff.toml"), "--json")
    assert told.code == 2
    assert "not UTF-8" in told.out
    monkeypatch.setenv("SIM_LOG", "loud")
    told = checked(tmp_path, TEXT)
    assert told.code == 2
    assert "SIM_LOG" in told.err


def test_messages_do_not_steer_the_terminal(tmp_path: Path) -> None:
    evil = "a\x1b[2J\x9b1mb\nxyz\u202ed\x7f"
    assert str(Problem(evil, evil, evil, evil, 1, evil)).count("\n") == 2
    told = checked(tmp_path, document({**SHORTEST, evil: 1}))
    assert told.code == 2
    said = told.err + checked(tmp_path, document(SHORTEST | {"benefits": {evil: 1}})).out
    renamed = SHORTEST | {"outcomes": {evil: SHORTEST["outcomes"]["checkout"]}}  # type: ignore[index]
    said += checked(tmp_path, document(renamed)).out
    (tmp_path / "a\x1b[2J.toml").write_text(TEXT)
    said += command("check", tmp_path / "a\x1b[2J.toml").out
    assert "acts on" in said
    assert all(char.isprintable() or char == "\n" for char in said)
    assert "\nxyz" not in said
