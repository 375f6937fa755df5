"""The benchmark harness: its clock, its model by hand, its page. Nothing is fitted, no time asserted."""

from __future__ import annotations

import csv
import datetime as dt
import doctest
import json
import sys
import time
from importlib import import_module
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from benchmarks import machine, page, profile, roi, scaling, timing
from benchmarks.__main__ import main
from benchmarks.bench import Bench, answer, gate
from benchmarks.result import Curve, Gate, Measure, Result, Table, Target, within
from benchmarks.rows import NAMES, row
from benchmarks.rows.cold import _progress, empty_caches
from benchmarks.timing import DONE, FailedRunError, Run, environment, process
from sim.engine.prepare import prepare
from sim.engine.study import metrics_of
from sim.engine.world import World


@pytest.mark.parametrize("module", [page, scaling, timing])
def test_examples_in_docstrings_hold(module: Any) -> None:
    found = doctest.testmod(module)
    assert found.attempted > 0
    assert found.failed == 0


def test_a_process_is_told_by_its_own_time_and_memory(tmp_path: Path) -> None:
    held = bytearray(300_000_000)  # what this process holds is not the other one's peak
    held[::4096] = b"x" * len(held[::4096])
    small = process([sys.executable, "-c", "pass"], cwd=tmp_path)
    large = process([sys.executable, "-c", "print(len(bytearray(10**8)))"], cwd=tmp_path)
    assert small.peak < 50e6
    assert large.peak > 1e8
    assert large.out == "100000000\n"
    told = f"import time; print('{DONE}' + repr(time.monotonic()), flush=True); "
    early = process([sys.executable, "-c", told], cwd=tmp_path)
    assert early.seconds > 0
    assert early.cpu > 0
    with pytest.raises(FailedRunError, match=r"left with 3: .*broken"):
        process([sys.executable, "-c", "import sys; sys.stderr.write('broken'); sys.exit(3)"], cwd=tmp_path)
    assert process([sys.executable, "-c", "exit(3)"], cwd=tmp_path, allowed=(3,)).out == ""


def test_what_comes_after_done_does_not_count(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    clock = time.monotonic()
    told = {"started": clock, "seconds": 9.0, "cpu": 1.0, "peak": 1.0, "code": 0}

    class Spawned:
        returncode, stdout, stderr = 0, json.dumps(told), ""

    monkeypatch.setattr(timing.subprocess, "run", lambda *_args, **_options: Spawned)
    (tmp_path / "stderr.txt").write_text("")
    (tmp_path / "stdout.txt").write_text(f"{DONE}{clock + 2.5!r}\n5\n")
    assert process(["any"], cwd=tmp_path).seconds == pytest.approx(2.5)
    (tmp_path / "stdout.txt").write_text("5\n")
    assert process(["any"], cwd=tmp_path).seconds == 9.0


def test_measured_processes_do_not_see_stores_of_others(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("SIM_FITS", "/elsewhere")
    monkeypatch.setenv("PYTHONDONTWRITEBYTECODE", "1")
    assert not {"SIM_FITS", "PYTHONDONTWRITEBYTECODE"} & environment().keys()
    (tmp_path / "home").mkdir()
    (tmp_path / "home" / "kept").write_text("compiled before")
    env = empty_caches(tmp_path)
    assert "SIM_FITS" not in env
    assert env["HOME"] == str(tmp_path / "home")
    assert not list((tmp_path / "home").iterdir())
    for name in ("XDG_CACHE_HOME", "NUMBA_CACHE_DIR", "MPLCONFIGDIR"):
        assert env[name].startswith(env["HOME"])


def test_progress_is_seen_on_a_terminal(tmp_path: Path) -> None:
    script = tmp_path / "sim"
    script.write_text("#!/bin/sh\ntest -t 2 || exit 9\nprintf a >&2\nsleep 0.4\n")
    script.chmod(0o755)

    class Scripted(Bench):
        program = script

    first, silent = _progress(Scripted(tmp_path), tmp_path / "config.toml", tmp_path / "out")
    assert first is not None
    assert silent >= 0.4
    script.write_text("#!/bin/sh\n")
    assert _progress(Scripted(tmp_path), tmp_path / "config.toml", tmp_path / "out")[0] is None
    script.write_text("#!/bin/sh\nexit 3\n")
    with pytest.raises(FailedRunError, match="with 3"):
        _progress(Scripted(tmp_path), tmp_path / "config.toml", tmp_path / "out")


def test_targets_gates_and_exponents() -> None:
    measure = Measure("sim", "ten", [10.0, 30.0, 20.0], per=10)
    target = within("each", measure, 2.0)
    assert (target.figure, target.low, target.high, target.reached) == (2.0, 1.0, 3.0, True)
    assert Target("", 3.0, 2.0).reached is False
    assert Target("", 3.0, 2.0, least=True).reached is True
    assert Target("", None, 2.0).reached is None
    assert Target("", 3.0, None).reached is None
    assert Gate("", 1, 1.009, 400, 0).passed
    for bad in (Gate("", 1, 1.01, 400, 0), Gate("", 1, 1.0, 399, 0), Gate("", 1, 1.0, 400, 1)):
        assert not bad.passed
        assert not Result("a", "b", gates=[bad]).trusted
    assert not Gate("", 1, float("nan"), 400, 0).passed
    x = np.array([1.0, 2.0, 4.0, 8.0, 16.0])
    noise = np.array([1.01, 0.99, 1.02, 0.98, 1.0])
    y = 3 * x**1.5 * noise
    slope, error = scaling.exponent(Curve("n", "", "s", x.tolist(), y.tolist()))
    fitted, cov = np.polyfit(np.log(x), np.log(y), 1, cov=True)
    assert slope == pytest.approx(fitted[0], rel=1e-12)
    assert error == pytest.approx(cov[0, 0] ** 0.5, rel=1e-12)
    assert np.isnan(scaling.exponent(Curve("n", "", "s", [1, 2], [1, 2]))).all()


@pytest.mark.parametrize("segments", [1, 6])
def test_the_model_by_hand_is_the_model_of_sim(tmp_path: Path, segments: int) -> None:
    prepared = prepare(roi.write(tmp_path, samples=500, months=60, segments=segments))
    world = World(prepared, {}, prepared.drawn)
    only = ("npv", "irr", "payback_months")
    samples, _ = metrics_of(world, prepared.plan.strategies[0], only)
    columns = prepared.drawn.columns
    inputs = {
        name: columns[name]
        if name in columns
        else np.stack([columns[f"{name}.by.S{i}"] for i in range(segments)], axis=1)
        for name in roi.INPUTS
    }
    cash = roi.net_cash(inputs, 60)
    np.testing.assert_allclose(roi.net_present_value(cash), samples["npv"], rtol=0, atol=1e-8)
    np.testing.assert_allclose(roi.payback(cash), samples["payback_months"], rtol=1e-12)
    rate, one = roi.rate_of_return(cash), np.isfinite(samples["irr"]) & (samples["irr"] > -1)
    assert one.sum() > 400
    np.testing.assert_allclose(rate[one], samples["irr"][one], rtol=1e-10)
    if segments == 1:  # and its inputs are drawn from the distributions that the peers are given
        for name in roi.INPUTS:
            whole = np.sort(roi.quantiles(name, (np.arange(500) + 0.5) / 500))
            np.testing.assert_allclose(np.sort(columns[name])[25:-25], whole[25:-25], rtol=0.03, atol=1e-3)


def test_stages_that_are_timed_exist() -> None:
    for name, functions in profile.STAGES.items():
        module = import_module(name)
        for path in functions:
            found: Any = module
            for part in path.split("."):
                found = getattr(found, part)
            assert callable(found), f"{name}:{path} is timed in benchmarks/profile.py and is no more"


def test_the_clock_inside_a_process_accounts_for_all_of_it(tmp_path: Path) -> None:
    folder = tmp_path / "profile"
    folder.mkdir()
    config = roi.write(tmp_path, samples=400)
    own = {"BENCH_PROFILE": str(folder), "BENCH_STAGES": json.dumps(profile.STAGES)}
    path = {"PYTHONPATH": str(Path(profile.__file__).with_name("hook"))}
    run = Bench(tmp_path).sim("forecast", config, "--no-plots", env={**environment(), **own, **path})
    answer(run)
    (told,) = (json.loads(file.read_text("utf-8")) for file in folder.glob("*.json"))
    spent = told["spent"]
    assert sum(spent.values()) == pytest.approx(told["last"] - told["first"], rel=1e-6)
    assert 0 < told["last"] - told["first"] < run.seconds
    assert {"read the config", "simulate", "import numpy", "import sim"} <= spent.keys()
    steps, packages = profile._tables("Here", run.seconds, [told])
    assert steps.rows[-1] == ("**whole**", f"{run.seconds:.2f} s")
    assert packages.rows[-1][0].endswith("others")
    with pytest.raises(FailedRunError):
        profile._tables("Here", 1.0, [{**told, "spent": {"import numpy": 1.0}}])


def test_the_gate_takes_the_worst_of_the_stored_fits(tmp_path: Path) -> None:
    good = {"rhat_max": 1.002, "ess_bulk_min": 900.0, "ess_tail_min": 700.0, "divergences": 0.0}
    for name, figures in (("a", good), ("b", good | {"rhat_max": 1.02, "divergences": 2.0})):
        (tmp_path / name).mkdir()
        (tmp_path / name / "fit.json").write_text(json.dumps({"body": {"diagnostics": figures}}))
    assert gate("sim", [tmp_path]) == Gate("sim", 2, 1.02, 700.0, 2)
    with pytest.raises(FailedRunError, match="no fit"):
        gate("sim", [tmp_path / "a"])
    with pytest.raises(FailedRunError, match="not trusted: why"):
        answer(Run(1, 1, 1, out='{"trusted": false, "sentence": "why"}'))


def test_the_page_holds_every_row_whole(tmp_path: Path) -> None:
    results = [
        Result(
            name,
            row(name)[0],
            asked={"sim": "do it"},
            measures=[Measure("sim", f"{name} itself", [1.0, 3.0, 2.0], 4.2e7)],
            targets=[Target(f"time of {name}", 2.0, 1.0 if name == "warm" else 2.5, low=1.0, high=3.0)],
            gates=[Gate(f"fits of {name}", 2, 1.001, 512.0, 3 if name == "cold" else 0)],
            curves=[Curve("rows", name, "s", [1, 10, 100], [1, 2, 4])] if name == "pilot" else [],
            tables=[Table("Besides", ("a|b",), [("c",)])],
            notes=[f"note of {name}"],
        )
        for name in NAMES
        if name != "help"
    ]
    results.insert(0, Result("help", row("help")[0], error="there is\nno sim"))
    target = tmp_path / "performance.md"
    notes = target.with_suffix("") / page.NOTES
    notes.parent.mkdir()
    notes.write_text("## By hand\n\nWhat stands in the way.\n")
    told = page.Told("uv run poe bench", dt.date(2026, 1, 2), (0.1, None), 19.6)
    page.write(target, results, [Table("Warm", ("Step",), [("imports",)])], told)
    text = target.read_text("utf-8")
    for name in NAMES:
        assert f"## {row(name)[0]}" in text
        assert f"Row `{name}`." in text
        if name != "help":
            assert f"| {name} itself | 2 s | 1 … 3, 3 runs | 42 MB |" in text
            assert f"- note of {name}" in text
    assert "**Failed:** there is no sim" in text
    assert "**Not to be believed: help, cold**" in text
    assert f"Figures to reach: {len(NAMES) - 1}; not reached: 1" in text
    assert "| time of warm | ≤ 1 s | 2 s (1 … 3) | **no** |" in text
    assert "| time of irr | ≤ 2.5 s | 2 s (1 … 3) | yes |" in text
    assert "a\\|b" in text
    assert "| rows | pilot | 0.30 ± 0.00 |" in text
    assert text.rstrip().endswith("What stands in the way.")
    assert "2026-01-02" in text
    assert machine.versions(machine.PEERS) in text
    assert 5_000 < (tmp_path / "performance" / "rows.png").stat().st_size < 150_000
    with (tmp_path / "performance" / "measurements.csv").open(encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    assert len(rows) == 3 * (len(NAMES) - 1)
    assert {one["peak_mb"] for one in rows} == {"42.0"}
    # Written again without what was there, the page holds nothing of it.
    page.write(target, results[1:2], [], told)
    assert row("weibull")[0] not in target.read_text("utf-8")


def test_the_command_writes_what_it_ran_and_tells_what_failed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def broken(_bench: Bench) -> Result:
        raise FailedRunError("the peer is gone")

    monkeypatch.setattr("benchmarks.rows.irr.measure", broken)
    target = tmp_path / "page.md"
    asked = ["--quick", "--only", "irr", "help", "--page", str(target), "--scratch", str(tmp_path)]
    assert main(asked) == 1
    text = target.read_text("utf-8")
    assert "uv run poe bench --only irr help --quick" in text
    assert "## `sim --help`" in text
    assert "against a bare Typer program" in text
    assert "**Failed:** FailedRunError: the peer is gone" in text
    assert "**Not to be believed: irr**" in text
    printed = capsys.readouterr().err
    assert "help: `sim --help`" in printed
    assert "to reach ≤ 1.5 ×" in printed
    assert "FAILED FailedRunError: the peer is gone" in printed
    assert not list(tmp_path.glob("sim-bench-*")), "inputs and results of the run are removed"
    with pytest.raises(SystemExit):
        main(["--only", "nonsense"])
