"""Rows that make no pilot: labels that do not match, empty arms, totals, impossible rows."""

from __future__ import annotations

import pytest

from sim.errors import ProblemsError
from sim.pilot.summary import read
from tests.pilot_models import (
    AMOUNT,
    FLAGS,
    RATE,
    TOTALS,
    Model,
    only,
    place,
    reading,
    refused,
    table,
    take,
)

HEAD = "arm,trials,successes\n"


def test_labels_that_do_not_match(tmp_path):
    file = table(tmp_path, HEAD + "Human,10,1\nbott,10,1\nthird,1,1\n")
    problems = refused(file)
    assert len(problems) == 2
    assert '"Human", "bott", "third"' in problems[0].found
    assert 'did you mean "Human"?' in problems[0].remedy
    assert 'did you mean "bott"?' in problems[1].remedy
    assert problems[1].allowed == 'a label of the column; expected here: "human", "bot"'


def test_one_arm_without_usable_rows(tmp_path):
    problem = only(refused(table(tmp_path, "arm,outcome,early\nhuman,1,0\nbot,,0\nbot,,0\n")))
    assert 'every row of "bot" (2) lacks a value' in problem.found
    later = table(tmp_path, "arm,outcome,early\nhuman,1,0\nbot,1,1\n", "l.csv")
    assert "all (1) succeeded earlier" in only(refused(later, failed=("early",))).found


def test_rows_of_totals_at_the_end(tmp_path):
    problem = only(refused(table(tmp_path, HEAD + "human,10,1\nbot,10,1\n,20,2\n")))
    assert place(problem) == ("pilot.csv", 4, "arm")
    assert "adds up the others" in problem.remedy
    blank = table(tmp_path, "arm,country,trials,successes\nhuman,DE,9,1\nbot,DE,9,1\nbot,,9,1\n", "b.csv")
    assert only(refused(blank, segment="country")).key == "country"


def test_totals_cannot_be_restricted_to_failed_rows(tmp_path):
    file = table(tmp_path, "arm,trials,successes,early\nhuman,9,1,0\nbot,9,1,0\n")
    assert "remaining = true" in only(refused(file, failed=("early",))).allowed


def test_a_flag_of_failed_rows_is_parsed_strictly(tmp_path):
    file = table(tmp_path, "arm,outcome,early\nhuman,1,0\nbot,1,maybe\n")
    assert place(only(refused(file, failed=("early",)))) == ("pilot.csv", 3, "early")


def test_successes_beyond_trials(tmp_path):
    problem = only(refused(table(tmp_path, HEAD + "human,10,1\nbot,10,11\n")))
    assert problem.found == "more successes than trials: trials 10, successes 11 (line 3)"
    assert problem.allowed == "successes between 0 and trials"


def test_too_many_segments(tmp_path):
    rows = "".join(f"{arm},c{i},1\n" for i in range(1500) for arm in ("human", "bot"))
    problem = only(refused(table(tmp_path, "arm,customer,outcome\n" + rows), segment="customer"))
    assert "1500 segments" in problem.found


def test_sums_that_overflow(tmp_path):
    file = table(tmp_path, "arm,amount\nhuman,1e308\nhuman,1e308\nbot,1\n")
    assert "too large" in only(refused(file, AMOUNT)).found


def test_problems_carry_the_name_the_user_wrote(tmp_path):
    file = table(tmp_path, HEAD + "human,x,1\nbot,1,1\n")
    with pytest.raises(ProblemsError) as error:
        read(reading(file, "data/pilot.csv", arm="arm", control="human", treated=("bot",)), RATE)
    assert str(error.value).startswith('data/pilot.csv:2 [trials]: "x" is not a number')


def test_models_without_the_form_say_which_they_have(tmp_path):
    file = table(tmp_path, "arm,outcome\nhuman,1\nbot,0\n")
    assert only(refused(file, Model(TOTALS))).allowed == "trials + successes"
    assert take(file, Model(TOTALS, FLAGS)).column_set is FLAGS
