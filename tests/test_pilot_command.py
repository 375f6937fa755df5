"""`sim pilot`: the worth of points, the whole command, and what it refuses."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest

import sim
from sim.commands import pilot as command
from sim.commands.answers import begin
from sim.commands.forecast import Result
from sim.commands.pilot import weigh
from sim.engine.acceptability import acceptability
from sim.errors import ProblemsError
from tests.conftest import Sim
from tests.test_longer_pilot import BETA, followed, npv, world_of

KPI = """\
[programme]
currency = "EUR"
horizon = 12
[outcomes.csat]
model = "rating"
control = { low = 3.4, high = 3.6 }
treated = { low = 3.3, high = 4.0 }
[outcomes.speed]
model = "cost"
control = 10
treated = { low = 8, high = 9 }
volume = { low = 90, high = 110 }
[benefits]
licence.monthly = { low = 50, high = 90 }
[costs]
build = { low = 900, high = 1_500 }
[decision]
pilot.cost_per_month = 10
"""


def test_the_worth_of_a_point_put_into_the_config_gives_its_probability(tmp_path: Path) -> None:
    world = world_of(tmp_path, KPI)
    found = acceptability(world, world.strategy("treated"))
    assert found["csat"]["unit"] == "point for a month"
    for one in found["speed"]["worth"]:
        priced = world_of(tmp_path, KPI, f"outcomes.speed.value={one['value']!r}", 'outcomes.speed.saves="x"')
        assert (npv(priced) > 0).mean() == pytest.approx(one["probability"], abs=0.001)
        assert one["mcse"] > 0
    half, _, high = found["csat"]["worth"]
    # Its effect arrives in every month from the first, at one unit a month.
    priced = KPI.replace("[outcomes.speed]", f"volume = 1\nvalue = {half['value']!r}\n[outcomes.speed]")
    assert (npv(world_of(tmp_path, priced)) > 0).mean() == pytest.approx(0.5, abs=0.001)
    assert found["csat"]["p_better"] < 0.9
    assert high["value"] is None
    assert "improves with a probability of" in high["reason"]


def test_the_command_end_to_end(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """With a pilot behind the elicited rate: files, plot, sentence; nothing is made twice."""
    path = tmp_path / "rate.toml"
    path.write_text(BETA + "stage = { share = 0.2, months = 4 }\n", encoding="utf-8")
    monkeypatch.setattr(command, "sources", lambda world, *_: ([followed(world, 20)], ["assumed: so"]))
    found = sim.longer_pilot(path, out=tmp_path / "results")
    told = found.result
    assert found.sentence.startswith("Extending the pilot by ")
    assert "EUR more than it costs" in found.sentence
    assert "the rollout is stopped then" in found.sentence
    assert [row["months"] for row in told["lengths"]] == [1, 2, 4]
    assert told["best"]["low"] <= told["best"]["months"] <= told["best"]["high"]
    assert told["decide_now"] is False
    assert told["notes"][0] == "assumed: so"
    assert any("starting with 20 % of the volume for 4 months" in note for note in told["notes"])
    assert told == json.loads((found.path / "answer.json").read_text("utf-8"))
    table = pq.read_table(found.path / "pilot.parquet").to_pylist()
    assert table == told["lengths"]
    assert (found.path / "pilot.csv").read_text("utf-8").startswith('"months","evsi"')
    assert (found.path / "pilot.png").stat().st_size > 10_000
    stamp = (found.path / "answer.json").stat().st_mtime_ns
    again = sim.longer_pilot(path, out=tmp_path / "results")
    assert again.path == found.path
    assert (again.path / "answer.json").stat().st_mtime_ns == stamp
    other = sim.longer_pilot(
        path, out=tmp_path / "results", months=[3], sets=["decision.pilot.cost_per_month=900"]
    )
    assert other.sentence.startswith("Decide now, and invest")
    assert other.result["best"] is None


def test_json_of_a_config_without_a_pilot(sim: Sim, tmp_path: Path) -> None:
    path = tmp_path / "kpi.toml"
    path.write_text(KPI, encoding="utf-8")
    done = sim("pilot", path, "--months", "1,2", "--json")
    assert done.code == 0, done.err
    result: dict[str, Any] = done.json["result"]
    assert done.json["sentence"].startswith("What a longer pilot would show cannot be said")
    assert result["evpi"] > 0
    assert result["lengths"] == []
    assert set(result["acceptability"]) == {"csat", "speed"}


def test_no_figure_of_a_forecast_that_cannot_be_trusted(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "rate.toml"
    path.write_text(BETA, encoding="utf-8")

    class Untrusted(Result):
        trusted = False

    def begun(*args: Any, **options: Any) -> Any:
        result, study = begin(*args, **options)
        return Untrusted(result.run), study

    monkeypatch.setattr(command, "begin", begun)
    found = command.pilot(path, out=tmp_path / "results")
    assert set(found.result) == {"sentence", "trusted"}
    assert found.result["trusted"] is False
    found = command.pilot(path, out=tmp_path / "shown", allow_untrusted=True)
    assert found.result["trusted"] is False
    assert found.sentence.startswith("Not to be trusted: ")


def test_where_no_outcome_has_a_value_no_pilot_is_worth_money(tmp_path: Path) -> None:
    text = KPI.replace("[benefits]\nlicence.monthly = { low = 50, high = 90 }\n[costs]\n", "[costs]\n")
    told = weigh(world_of(tmp_path, text), "treated", [1])
    assert told["sentence"].startswith("No outcome has a value")
    assert told["decide_now"] is True
    assert told["acceptability"]["speed"]["worth"][0]["value"] > 0


def test_problems_are_told_at_once_before_anything_runs(tmp_path: Path) -> None:
    path = tmp_path / "kpi.toml"
    path.write_text(KPI.replace("[decision]\npilot.cost_per_month = 10\n", ""), encoding="utf-8")
    with pytest.raises(ProblemsError) as caught:
        command.pilot(path, months=(0, 12), strategy="bot", out=tmp_path / "results")
    told = str(caught.value)
    for text in ("what a month of pilot costs", "cost_per_month = 6_000", "0, 12 months", "1 to 11", '"bot"'):
        assert text in told
    assert not (tmp_path / "results").exists()


@pytest.mark.parametrize("text", ["1,x", "", "1.5", "-1"])
def test_months_are_whole_numbers(text: str) -> None:
    with pytest.raises(ProblemsError, match="whole numbers"):
        command.parse_months(text)


@pytest.mark.parametrize(
    ("setting", "told"),
    [
        ("decision.pilot.months=[0]", "decision.pilot.months"),
        ("decision.pilot.months=[1, 10]", "10 months of pilot within a horizon of 10"),
        ("decision.stage={ share = 0.2, months = 10 }", "first stage of 10 months"),
        ("decision.stage={ share = 1.2, months = 2 }", "decision.stage.share"),
        ("decision.pilot.ran=0", "decision.pilot.ran"),
    ],
)
def test_what_a_config_may_say(tmp_path: Path, setting: str, told: str) -> None:
    with pytest.raises(ProblemsError, match=told.replace(".", r"\.").replace("[", r"\[")):
        world_of(tmp_path, BETA, setting)


def test_lengths_have_a_default_within_the_horizon(tmp_path: Path) -> None:
    text = BETA.replace("months = [1, 2, 4], ", "")
    plan = world_of(tmp_path, text).plan
    assert plan.pilot is not None
    assert plan.pilot.months == (1, 2, 3, 6)
