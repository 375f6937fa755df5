"""Figures in the config, tables without arms, which form a table has, and single columns."""

from __future__ import annotations

import numpy as np
import pytest

from sim.errors import ProblemsError
from sim.pilot.series import read_column
from sim.pilot.summary import read
from sim.records.reading import Reading
from tests.pilot_models import LONG, RATE, SHORT, Model, reading, refused, table, take


def test_inline_is_the_same_as_a_table(tmp_path):
    figures = {
        "human": {"trials": [100, 50], "successes": [10, 4]},
        "bot": {"trials": 150, "successes": 27},
    }
    inherited = {"segment": "country", "period": "month", "missing": (-999,)}
    asked = reading(None, control="human", treated=("bot",), inline=figures, **inherited)
    pilot = read(asked, RATE)
    np.testing.assert_array_equal(pilot.summary.statistics["trials"], [[150], [150]])
    np.testing.assert_array_equal(pilot.summary.statistics["successes"], [[14], [27]])
    assert (pilot.summary.origin, pilot.summary.segments) == ("inline", ("all",))


@pytest.mark.parametrize(
    ("treated", "key", "found"),
    [
        ({"trials": 10, "successes": 11}, "outcomes.x.treated.successes", "more successes than trials"),
        ({"trials": 10, "sucesses": 1}, "outcomes.x.treated", "sucesses"),
        ({"trials": 10.5, "successes": 1}, "outcomes.x.treated.trials", "not a whole number"),
        ({"trials": -10, "successes": 1}, "outcomes.x.treated.trials", "negative"),
        ({"trials": float("nan"), "successes": 1}, "outcomes.x.treated.trials", "no finite number"),
        ({"trials": 10, "successes": "5%"}, "outcomes.x.treated.successes", "percentage"),
        ({"trials": [10, 20], "successes": 1}, "outcomes.x.treated", "lengths"),
        ({}, "outcomes.x.treated", "no figures"),
        ({"trials": 10**400, "successes": 1}, "outcomes.x.treated.trials", "no finite number"),
    ],
)
def test_inline_faults_name_their_key(treated, key, found):
    figures = {"control": {"trials": 10, "successes": 5}, "treated": treated}
    with pytest.raises(ProblemsError) as error:
        read(reading(None, control="control", treated=("treated",), inline=figures), RATE)
    (problem,) = error.value.problems
    assert (problem.key, problem.file, problem.line) == (key, None, None)
    assert found in problem.found


def test_an_unknown_inline_column_is_named():
    figures = {arm: {"trials": 10, "sucesses": 5} for arm in ("control", "treated")}
    with pytest.raises(ProblemsError) as error:
        read(reading(None, control="control", treated=("treated",), inline=figures), RATE)
    (problem,) = error.value.problems
    assert (problem.key, problem.remedy) == ("outcomes.x.control.sucesses", 'did you mean "successes"?')


def test_without_arms_all_rows_are_one_arm(tmp_path):
    file = table(tmp_path, "outcome\n1\n0\n1\n")
    control = read(Reading(file, "p.csv", "outcomes.x", {}), RATE).summary
    assert (control.arms, control.has_control) == (("control",), True)
    treated = read(Reading(file, "p.csv", "outcomes.x", {}, treated=("treated",)), RATE).summary
    assert (treated.arms, treated.has_control) == (("treated",), False)
    np.testing.assert_array_equal(treated.statistics["successes"], [[2]])
    with pytest.raises(ProblemsError, match="no column that tells them apart"):
        read(Reading(file, "p.csv", "outcomes.x", {}, control="a", treated=("b",)), RATE)


def test_which_form_a_table_has(tmp_path):
    both = table(tmp_path, "arm,trials,successes,outcome\nhuman,5,1,1\nbot,5,2,0\n")
    (problem,) = refused(both)
    assert "more than one form" in problem.found
    assert problem.allowed == "trials + successes, or outcome"
    assert take(both, columns={"outcome": "outcome"}).column_set.rows
    (problem,) = refused(both, columns={"trials": "trials"})
    assert "no form" in problem.found
    (problem,) = refused(both, columns={"trails": "trials", "successes": "successes"})
    assert (problem.key, problem.remedy) == ("outcomes.x.columns.trails", 'did you mean "trials"?')
    misspelt = table(tmp_path, "arm,trials,sucesses\nhuman,5,1\nbot,5,2\n", "m.csv")
    (problem,) = refused(misspelt)
    assert '"successes"' in problem.remedy
    assert '"sucesses"' in problem.remedy
    # the form that uses more of the columns wins
    rich = table(tmp_path, "arm,n,mean,extra\nhuman,5,1,1\nbot,5,2,0\n", "r.csv")
    assert take(rich, Model(SHORT, LONG)).column_set is SHORT
    poor = table(tmp_path, "arm,n,extra\nhuman,5,1\nbot,5,0\n", "q.csv")
    assert take(poor, Model(SHORT, LONG)).column_set is LONG


def test_read_column(tmp_path):
    file = table(tmp_path, "x,y\n3,a\n-1.5,b\n2e3,c\n")
    np.testing.assert_array_equal(read_column(file, "f.csv", "x", "volumes.v"), [3, -1.5, 2000])
    with pytest.raises(ProblemsError) as error:
        read_column(file, "f.csv", "y", "volumes.v")
    (problem,) = error.value.problems
    assert (problem.file, problem.line, problem.key) == ("f.csv", 2, "y")
    with pytest.raises(ProblemsError, match='no column "z"'):
        read_column(file, "f.csv", "z", "volumes.v")
    with pytest.raises(ProblemsError, match="empty cell"):
        read_column(table(tmp_path, "x,y\n1,2\n,3\n", "g.csv"), "g.csv", "x", "volumes.v")
