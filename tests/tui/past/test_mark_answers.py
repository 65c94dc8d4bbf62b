"""Tests of esper_tui.past.mark_answers."""

import pytest
from tests.tui.list_history import ListHistory

from esper_schemas.history import Mark, Place
from esper_tui.past.mark_answers import ASK_AGAIN_S, MarkAnswers
from esper_tui.past.run_history import RunHistory

NOTE = Mark(place=Place(3, 1), kind="note", title="a note")


@pytest.fixture
def lists():
    """The history of a run with a mark."""
    return ListHistory({"a": [1.0]}, marks=[NOTE])


@pytest.fixture
def history(lists):
    """That of the run that is shown."""
    made = RunHistory(lambda run: lists)
    made.show("run")
    return made


def test_marks_are_asked_for_when_the_run_has_grown(history, lists):
    """At most every few seconds."""
    answers = MarkAnswers(history)
    for now_s, grown_to in ((0.0, 1), (9.0, 1), (9.0, 2), (9.0 + ASK_AGAIN_S / 2, 3), (99.0, 3)):
        answers.want(grown_to, now_s)
        history.deliver()
    assert answers.answer.marks == (NOTE,)
    assert answers.answer.last.events == 1
    assert len(lists.asked) == 3


def test_marks_of_another_run_are_forgotten(history):
    """They are asked for at once."""
    answers = MarkAnswers(history)
    answers.want(1, 0.0)
    history.deliver()
    history.show("other")
    answers.want(1, 0.0)
    assert answers.answer.marks == ()
    history.deliver()
    assert answers.answer.marks == (NOTE,)
