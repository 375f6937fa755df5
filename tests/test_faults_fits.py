"""Fits that cannot be trusted, stored fits that cannot be believed, and processes that die while fitting."""

from __future__ import annotations

import json
import os
import pickle
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import xarray as xr

import sim
from sim.engine import fit as engine
from sim.errors import Problem, ProblemsError
from sim.inference import fit as room
from sim.inference import store
from sim.report.write import is_whole
from tests.conftest import ROOT
from tests.test_config import SHORTEST
from tests.test_warm_forecast import written

CHAINS, DRAWS = 4, 1000


def sampled() -> xr.DataTree:
    """Return independent draws, as a sampler would give them that has done well."""
    rng = np.random.default_rng(1)
    level = 0.006 + 0.0005 * rng.standard_normal((CHAINS, DRAWS, 2, 1))
    posterior = xr.Dataset({"level": (("chain", "draw", "arm", "segment"), level)})
    stats = xr.Dataset(
        {
            "diverging": (("chain", "draw"), np.zeros((CHAINS, DRAWS), dtype=bool)),
            "energy": (("chain", "draw"), rng.standard_normal((CHAINS, DRAWS))),
        }
    )
    return xr.DataTree.from_dict({"posterior": posterior, "sample_stats": stats})


def no_number(tree: xr.DataTree) -> None:
    tree["posterior"]["level"].values[2, 500, 1, 0] = np.nan


def infinite(tree: xr.DataTree) -> None:
    tree["posterior"]["level"].values[0, 0, 0, 0] = np.inf


def stopped(tree: xr.DataTree) -> None:
    for group, name in (("posterior", "level"), ("sample_stats", "energy")):
        tree[group][name].values[3, 700:] = np.nan


def stuck(tree: xr.DataTree) -> None:
    tree["posterior"]["level"].values[1] = 0.006


def diverged(tree: xr.DataTree) -> None:
    tree["sample_stats"]["diverging"].values[1, 7] = True


def still(tree: xr.DataTree) -> None:
    tree["sample_stats"]["energy"].values[:] = 1.0


FAULTS: dict[str, tuple[Callable[[xr.DataTree], None], str]] = {
    "no number": (no_number, "finite-draws"),
    "infinite": (infinite, "finite-draws"),
    "stopped": (stopped, "missing-draws"),
    "one chain stuck": (stuck, "convergence"),
    "diverged": (diverged, "divergences"),
    "energy stands still": (still, "energy"),
}


@pytest.fixture
def sampler(monkeypatch: pytest.MonkeyPatch) -> Callable[[Callable[[xr.DataTree], None]], list[int]]:
    """Return a way to have the sampler give what has a fault; it counts how often it is asked."""

    def install(fault: Callable[[xr.DataTree], None]) -> list[int]:
        asked: list[int] = []

        def begin_sampling(*_: Any) -> Callable[[], xr.DataTree]:
            asked.append(1)
            tree = sampled()
            fault(tree)
            return lambda: tree

        monkeypatch.setattr(room.density, "compiled", lambda *_: None)
        monkeypatch.setattr(room, "begin_sampling", begin_sampling)
        return asked

    return install


def numbers(block: Any) -> list[float]:
    """Return every number in a block of JSON."""
    if isinstance(block, dict):
        return [number for value in block.values() for number in numbers(value)]
    if isinstance(block, list):
        return [number for value in block for number in numbers(value)]
    return [block] if isinstance(block, int | float) and not isinstance(block, bool) else []


BLOCKS = ("metrics", "probability", "risk", "evidence", "outcomes", "costs", "benefits", "strategies")


def test_a_good_sample_is_trusted(tmp_path: Path, sampler: Any) -> None:
    """So that what follows is for the fault alone."""
    sampler(lambda _: None)
    found = sim.forecast(written(tmp_path, SHORTEST), out=tmp_path / "out", plots=False)
    assert found.trusted
    assert numbers(found.summary["metrics"])


@pytest.mark.parametrize("name", list(FAULTS))
def test_no_figure_comes_from_a_fit_that_cannot_be_trusted(tmp_path: Path, sampler: Any, name: str) -> None:
    fault, check = FAULTS[name]
    sampler(fault)
    config = written(tmp_path, SHORTEST)
    found = sim.forecast(config, out=tmp_path / "out", plots=name == "one chain stuck")
    assert not found.trusted
    failed = {item["name"] for item in found.summary["checks"] if item["status"] == "fail"}
    assert f"{check}:checkout" in failed
    assert [numbers(found.summary[block]) for block in BLOCKS] == [[]] * len(BLOCKS)
    assert found.summary["best"] is None
    names = {path.relative_to(found.run).parts[0] for path in found.run.rglob("*")}
    assert names & {"samples.parquet", "cash_flow.parquet"} == set()
    assert (found.run / "posterior" / "checkout.nc").is_file()
    assert is_whole(found.run)
    manifest = json.loads((found.run / "manifest.json").read_text("utf-8"))
    assert manifest["fits"]["checkout"]["target_accept"] > 0.9
    for told in (found.headline, *(p.read_text("utf-8") for p in found.run.glob("*.html"))):
        visible = re.sub(r"<(style|script|svg).*?</\1>|<img[^>]*>", "", told, flags=re.DOTALL)
        assert not re.search(r"(NPV|ROI|IRR|[Pp]ayback)[^<.]{0,40}\d", visible), visible
    swept = sim.sweep(config, vary=["programme.discount_rate=0.1,0.2"], out=tmp_path / "out")
    assert not swept.result["trusted"]
    assert numbers(swept.result) == []
    assert {path.name for path in swept.path.iterdir()} == {"answer.json", "manifest.json"}


@pytest.mark.parametrize("name", ["no number", "stopped"])
def test_what_is_no_number_is_not_shown_even_if_asked_for(tmp_path: Path, sampler: Any, name: str) -> None:
    sampler(FAULTS[name][0])
    config = written(tmp_path, SHORTEST)
    given: dict[str, Any] = {"out": tmp_path / "out", "allow_untrusted": True}
    found = sim.forecast(config, plots=False, **given)
    assert not found.trusted
    assert numbers([found.summary[block] for block in BLOCKS]) == []
    swept = sim.sweep(config, vary=["programme.discount_rate=0.1,0.2"], **given)
    assert numbers(swept.result) == []
    assert not sim.compare([config, config], **given).result["trusted"]


def test_what_only_cannot_be_trusted_is_shown_if_asked_for(tmp_path: Path, sampler: Any) -> None:
    sampler(stuck)
    found = sim.forecast(written(tmp_path, SHORTEST), out=tmp_path / "out", plots=False, allow_untrusted=True)
    assert not found.trusted
    assert numbers(found.summary["metrics"])


class Harm:
    """Creates a file when it is unpickled."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self) -> Any:
        return Path.touch, (self.path,)


def harm(folder: Path, way: str, tmp_path: Path) -> None:  # noqa: PLR0912
    """Do something to a stored fit."""
    draws, record = folder / "draws.npz", folder / "fit.json"
    if way == "cut":
        draws.write_bytes(draws.read_bytes()[:-100])
    elif way == "bit":
        content = bytearray(draws.read_bytes())
        content[len(content) // 2] ^= 1
        draws.write_bytes(content)
    elif way == "empty":
        draws.write_bytes(b"")
    elif way == "record":
        record.write_text("{}", encoding="utf-8")
    elif way == "folder of a file":
        draws.unlink()
        draws.mkdir()
    elif way == "link to an endless device":
        draws.unlink()
        draws.symlink_to("/dev/zero")
    elif way == "pipe":
        draws.unlink()
        os.mkfifo(draws)
    elif way == "unreadable":
        draws.chmod(0)
        if os.access(draws, os.R_OK):  # nothing is unreadable to this user
            draws.unlink()
    elif way in ("link", "dangling link"):
        folder.rename(tmp_path / "elsewhere")
        folder.symlink_to(tmp_path / ("elsewhere" if way == "link" else "nowhere"))
    elif way == "file":
        folder.rename(tmp_path / "elsewhere")
        folder.write_text("a file")
    elif way == "pickle":
        # Sealed as sim would seal it: whoever can write here can do so.
        array = np.empty(1, dtype=object)
        array[0] = Harm(tmp_path / "unpickled")
        np.savez(draws, allow_pickle=True, level=array)
        body = json.loads(record.read_text("utf-8"))["body"]
        body["files"]["draws.npz"] = store._digest_file(draws)
        record.write_text(json.dumps({"sha256": store._digest_json(body), "body": body}), encoding="utf-8")
    elif way == "other versions":
        folder.rename(folder.with_name(folder.name[:32] + "0" * 32))


WAYS = (
    "cut", "bit", "empty", "record", "folder of a file", "link to an endless device", "pipe", "unreadable",
    "link", "dangling link", "file", "pickle", "other versions",
)  # fmt: skip


@pytest.mark.timeout(60)  # what never ends is found here
@pytest.mark.parametrize("way", WAYS)
def test_a_stored_fit_that_cannot_be_believed_is_made_again_with_a_note(
    tmp_path: Path, sampler: Any, way: str
) -> None:
    asked = sampler(lambda _: None)
    config, out = written(tmp_path, SHORTEST), tmp_path / "out"
    first = sim.forecast(config, out=out, plots=False)
    assert len(asked) == 1
    other = sim.forecast(config, sets=["outcomes.checkout.value=20"], out=out, plots=False)
    assert len(asked) == 1, "the fit is stored"
    assert not any("stored-fit" in check["name"] for check in other.summary["checks"])
    (folder,) = (path for path in (out / ".fits").iterdir() if len(path.name) == 64)
    harm(folder, way, tmp_path)
    again = sim.forecast(config, sets=["outcomes.checkout.value=21"], out=out, plots=False)
    assert len(asked) == 2
    notes = [item for item in again.summary["checks"] if item["name"] == "stored-fit:checkout"]
    assert [note["status"] for note in notes] == ["note"]
    assert again.summary["outcomes"]["checkout"]["pooled"] == first.summary["outcomes"]["checkout"]["pooled"]
    sim.forecast(config, sets=["outcomes.checkout.value=22"], out=out, plots=False)
    assert len(asked) == 2, "the new one is whole"
    assert not (tmp_path / "unpickled").exists()


def test_a_pickle_in_any_kept_file_is_not_opened(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Compiled models and tables that were read are kept as well."""
    from sim import cache
    from sim.inference import density
    from sim.pilot import kept

    monkeypatch.setenv("SIM_CACHE", str(tmp_path))
    (tmp_path / "densities").mkdir(mode=0o700)
    (tmp_path / "pilots").mkdir()
    array = np.empty(1, dtype=object)
    array[0] = Harm(tmp_path / "unpickled")
    for folder in ("densities", "pilots"):
        file = tmp_path / folder / "key.npz"
        np.savez(file, allow_pickle=True, record=array)
        file.chmod(0o600)
    assert cache.find("densities", "key") is not None
    assert density._load("key") is None
    assert kept.load(tmp_path, "key", ()) is None
    assert not (tmp_path / "unpickled").exists()
    with np.load(tmp_path / "pilots" / "key.npz", allow_pickle=True) as archive, pytest.raises(Exception):  # noqa: B017, PT011
        archive["record"].whatever  # noqa: B018
    assert (tmp_path / "unpickled").exists(), "it would have harmed"


def test_nothing_in_the_sources_can_unpickle() -> None:
    """Every reading of arrays says so, and no module that runs what it reads is imported."""
    sources = [path for folder in ("sim", "models") for path in (ROOT / folder).rglob("*.py")]
    for path in sources:
        text = path.read_text("utf-8")
        for call in re.findall(r"np\.(?:load|save|savez|savez_compressed)\((?:[^()]|\([^()]*\))*\)", text):
            assert "allow_pickle=False" in call, f"{path}: {call}"
        assert not re.search(
            r"^\s*(?:import|from) (?:pickle|cloudpickle|dill|shelve|marshal)\b", text, re.M
        ), path
        assert not re.search(r"joblib\.(?:load|dump|Memory)|read_pickle|\b(?:eval|exec)\(", text), path


def test_problems_come_back_from_another_process_as_they_were() -> None:
    problems = (Problem("a", "b", "c", "d", 1, "e"), Problem("f"))
    back = pickle.loads(pickle.dumps(ProblemsError(*problems)))  # noqa: S301
    assert back.problems == problems


TWO = (
    SHORTEST
    + """
[outcomes.more]
model = "conversion"
control = { trials = 21_306, successes = 122 }
treated = { trials = 21_307, successes = 267 }
volume = 40_000
value = 1
"""
)


def die(*_: Any) -> None:
    os._exit(9)


def refuse(*_: Any) -> None:
    raise ProblemsError(Problem("there is no room"))


@pytest.mark.parametrize(
    ("work", "word"), [(die, "a process died while it was fitting one of: "), (refuse, "no room")]
)
def test_a_worker_that_dies_is_told(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, work: Any, word: str
) -> None:
    monkeypatch.setattr(engine, "is_kept", lambda *_: False)
    monkeypatch.setattr(engine, "_fits", work)
    with pytest.raises(ProblemsError) as told:
        sim.forecast(written(tmp_path, TWO), out=tmp_path / "out", plots=False)
    (problem,) = told.value.problems
    assert word in problem.found
    assert not list((tmp_path / "out").glob("[!.]*"))
