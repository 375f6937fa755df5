"""The command line through real processes: exit codes, messages, files."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from tests.conftest import ROOT, Sim
from tests.test_config import SHORTEST

EXACT = """\
[programme]
currency = "EUR"
horizon = 6
[benefits]
gain.months = [39, 59, 55, 20]
[costs]
all = 100
"""


MODELS = ["churn", "conversion", "cost", "count", "rating", "revenue"]


def write(folder: Path, text: str, name: str = "pilot.toml") -> Path:
    path = folder / name
    path.write_text(text, encoding="utf-8")
    return path


def files_in(folder: Path) -> list[str]:
    return sorted(path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file())


def test_help_teaches_and_check_loads_no_sampler(sim: Sim, tmp_path: Path) -> None:
    helped = sim("--help")
    assert helped.code == 0
    for command in ("init", "check", "forecast", "report", "models", "schema"):
        assert command in helped.out
        assert sim(command, "--help").code == 0
    config = write(tmp_path, SHORTEST)
    program = (
        "import sys; from sim.cli import main\n"
        "sys.argv = ['sim', {}]\n"
        "try: main()\n"
        "except SystemExit: pass\n"
        "loaded = {{'pymc', 'arviz', 'nutpie', 'pytensor', {}}} & set(sys.modules)\n"
        "sys.exit(f'loaded {{loaded}}' if loaded else 0)"
    )

    for arguments, more in (
        ("'--help'", "'numpy', 'duckdb', 'pydantic'"),
        (f"'check', {str(config)!r}", "'matplotlib'"),
    ):
        done = subprocess.run(
            [sys.executable, "-c", program.format(arguments, more)], check=False, capture_output=True
        )
        assert done.returncode == 0, done.stderr


def test_the_program_ends_with_its_code_once_what_was_registered_is_done() -> None:
    """It ends without taking the interpreter apart, which would call the destructor."""
    program = (
        "import atexit, sys\n"
        "from sim.cli import run\n"
        "class Kept:\n"
        "    def __del__(self): sys.stderr.write('taken apart')\n"
        "kept = Kept()\n"
        "kept.itself = kept\n"
        "import sim.commands.catalogue as room\n"
        "old = room.models\n"
        "def models():\n"
        "    atexit.register(lambda: sys.stderr.write('registered'))\n"
        "    return old()\n"
        "room.models = models\n"
        "sys.argv = ['sim', *{}]\n"
        "run()"
    )
    for arguments, code in ((["models", "--json"], 0), (["models", "--nope"], 2)):
        done = subprocess.run(
            [sys.executable, "-c", program.format(arguments)], check=False, capture_output=True, text=True
        )
        assert done.returncode == code
        assert "taken apart" not in done.stderr
        assert ("registered" in done.stderr) == (code == 0)
        assert bool(done.stdout) == (code == 0)


def test_usage_errors_are_2_and_json_is_one_object(sim: Sim) -> None:
    for arguments in (["forecast"], ["forecast", "none.toml"], ["forcast", "x"], ["check", "x", "--nope"]):
        ran = sim(*arguments)
        assert ran.code == 2, arguments
        assert ran.out == ""
        assert ran.err
        told = sim(*arguments, "--json")
        assert told.code == 2
        assert set(told.json) == {
            "command", "exit", "run", "trusted", "sentence", "result", "checks", "problems",
        }  # fmt: skip
        assert told.json["exit"] == 2
        assert set(told.json["problems"][0]) == {"file", "line", "key", "found", "allowed", "remedy"}


def test_bad_config_writes_nothing(sim: Sim, tmp_path: Path) -> None:
    config = write(tmp_path, SHORTEST.replace("successes = 267", "successes = 21_308").replace("EUR", "EURO"))
    ran = sim("forecast", config, "--json")
    assert ran.code == 2
    assert files_in(tmp_path) == ["pilot.toml"]
    config = write(tmp_path, SHORTEST.replace("successes = 267", "successes = 21_308"))
    ran = sim("forecast", config, "--json")
    assert ran.code == 2
    assert "successes" in ran.json["problems"][0]["found"]
    assert files_in(tmp_path) == ["pilot.toml"]


def test_exact_numbers_through_the_command_line(sim: Sim, tmp_path: Path) -> None:
    config = write(tmp_path, EXACT)
    ran = sim("forecast", config, "--json")
    assert ran.code == 0, ran.err
    monthly = ran.json["result"]["metrics"]["irr_monthly"]["mean"]
    assert monthly == pytest.approx(0.28095, abs=5e-6)
    assert ran.json["result"]["metrics"]["roi"]["mean"] == pytest.approx(0.73, abs=1e-12)
    run = tmp_path / ran.json["run"]
    assert run.parent.name == "pilot"
    assert len(run.name) == 12
    names = files_in(run)
    assert {"summary.json", "manifest.json", "samples.parquet", "cash_flow.parquet", "report.html"} <= set(
        names
    )
    manifest = json.loads((run / "manifest.json").read_text("utf-8"))
    assert set(manifest["files"]) == set(names) - {"manifest.json"}
    before = {name: (run / name).stat().st_mtime_ns for name in names}

    again = sim("forecast", config, "--json")
    assert (again.code, again.json["run"]) == (0, ran.json["run"])
    assert {name: (run / name).stat().st_mtime_ns for name in names} == before

    rebuilt = sim("report", "latest", "--quiet")
    assert rebuilt.code == 0
    assert (run / "summary.json").read_bytes()
    assert files_in(run) == names

    (run / "summary.json").write_text("{}")
    spoilt = sim("forecast", config)
    assert spoilt.code == 2
    assert (run / "summary.json").read_text() == "{}"
    assert not list(run.parent.glob(".*"))


def test_from_any_directory_and_with_any_name(sim: Sim, tmp_path: Path) -> None:
    folder = tmp_path / "ลูกค้า 客服"
    folder.mkdir()
    write(folder, EXACT.replace("horizon", 'name = "Lønnsomhet 客服/../x"\nhorizon'), "config.toml")
    ran = sim("forecast", folder / "config.toml", "--out", tmp_path / "ut", "--json")
    assert ran.code == 0, ran.err
    assert Path(ran.json["run"]).parent == tmp_path / "ut" / "lønnsomhet-客服-x"
    there = sim("forecast", "config.toml", "--out", tmp_path / "ut2", "--json", cwd=folder)
    assert Path(there.json["run"]).name == Path(ran.json["run"]).name


def test_unwritable_output_is_told_before_anything_is_done(sim: Sim, tmp_path: Path) -> None:
    config = write(tmp_path, EXACT)
    (tmp_path / "blocked").write_text("a file")
    ran = sim("forecast", config, "--out", tmp_path / "blocked")
    assert ran.code == 2
    assert "writ" in ran.err


def test_init_check_models_schema(sim: Sim, tmp_path: Path) -> None:
    made = sim("init", "første")
    assert made.code == 0, made.err
    assert files_in(tmp_path / "første") == ["config.schema.json", "config.toml", "pilot.csv"]
    assert sim("init", "første").code == 2
    looked = sim("check", "første/config.toml", "--json")
    assert looked.code == 0, looked.err
    assert looked.json["result"]["pilots"]["checkout"]["segments"] == ["DE", "FR", "NO"]
    listed = sim("models", "--json").json["result"]
    assert [model["name"] for model in listed] == [
        "churn",
        "conversion",
        "cost",
        "count",
        "rating",
        "revenue",
    ]
    schema = json.loads(sim("schema").out)
    assert schema["properties"].keys() >= {"programme", "outcomes", "costs"}
    assert schema == json.loads((ROOT / "configs" / "config.schema.json").read_text("utf-8"))


def test_no_models_folder_of_the_user_is_picked_up(sim: Sim, tmp_path: Path) -> None:
    (tmp_path / "models").mkdir()
    for name in ("__init__", "conversion", "other"):
        (tmp_path / "models" / f"{name}.py").write_text("raise SystemExit('the wrong models')")
    listed = sim("models", "--json", env={"PYTHONPATH": str(tmp_path)})
    assert [model["name"] for model in listed.json["result"]] == [
        "churn",
        "conversion",
        "cost",
        "count",
        "rating",
        "revenue",
    ]


def test_the_wheel_carries_models_and_templates(tmp_path: Path) -> None:
    import zipfile

    uv = shutil.which("uv")
    assert uv is not None
    subprocess.run([uv, "build", "--wheel", "--quiet", "--out-dir", tmp_path, ROOT], check=True, timeout=200)
    (wheel,) = tmp_path.glob("*.whl")
    unpacked = tmp_path / "site"
    with zipfile.ZipFile(wheel) as archive:
        archive.extractall(unpacked)
    assert not (unpacked / "models").exists()
    (tmp_path / "work" / "models").mkdir(parents=True)
    (tmp_path / "work" / "models" / "__init__.py").write_text("raise SystemExit('the wrong models')")
    program = (
        f"import sys; sys.path.insert(0, {str(unpacked)!r})\n"
        "import sim.registry as registry\n"
        "from sim.commands.catalogue import init\n"
        f"assert str(registry.folder()).startswith({str(unpacked)!r}), registry.folder()\n"
        "assert sorted(registry.models()) == ['churn', 'conversion', 'cost', 'count', 'rating', 'revenue']\n"
        "assert len(init('new')) == 3"
    )
    done = subprocess.run(
        [sys.executable, "-P", "-c", program],
        cwd=tmp_path / "work",
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr


@pytest.mark.parametrize(("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
@pytest.mark.parametrize("seconds", [1.0, 3.0, 7.0])
def test_a_stopped_forecast_ends_soon_and_publishes_nothing(
    tmp_path: Path, number: int, code: int, seconds: float
) -> None:
    config = write(tmp_path, SHORTEST)
    command = [Path(sys.executable).with_name("sim"), "forecast", config, "--set", f"sampling.tune={50_000}"]
    alone = os.environ | {"SIM_CACHE": ""}  # what other tests compiled would spare it the longest part
    with subprocess.Popen(
        command, cwd=tmp_path, env=alone, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    ) as process:
        time.sleep(seconds)
        process.send_signal(number)
        assert process.wait(timeout=15) == code
    assert not [name for name in files_in(tmp_path) if name.endswith((".json", ".parquet", ".nc"))]


def test_a_locale_without_names_of_other_scripts_is_refused(tmp_path: Path) -> None:
    config = write(tmp_path, SHORTEST)
    plain = {"PYTHONUTF8": "0", "PYTHONCOERCECLOCALE": "0", "LC_ALL": "C", "PATH": "/usr/bin:/bin"}
    ran = subprocess.run(
        [sys.executable, "-c", "from sim.cli import main; main()", "check", str(config), "--json"],
        env=plain, cwd=tmp_path, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert (ran.returncode, ran.stderr) == (2, "")
    (problem,) = json.loads(ran.stdout)["problems"]
    assert problem["allowed"] == "utf-8"
