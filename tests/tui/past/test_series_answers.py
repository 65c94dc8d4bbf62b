"""Tests of esper_tui.past.series_answers."""

import pytest
from tests.tui.list_history import ListHistory

from esper_schemas.history import MOST_METRICS, Unanswered
from esper_tui.past.run_history import RunHistory
from esper_tui.past.series_answers import ASK_AGAIN_S, SeriesAnswers, SeriesWish

WISH = SeriesWish(("a",))
LATER = 10 * ASK_AGAIN_S


class Refusing(ListHistory):
    """A history that answers every question with a sentence."""

    temporary = False

    def _answer(self, question):
        return Unanswered("There are no series.", self.temporary)


@pytest.fixture
def lists():
    """The history of two metrics."""
    return ListHistory({"a": [1.0, 2.0], "b": [3.0]})


@pytest.fixture
def history(lists):
    """That of the run that is shown."""
    made = RunHistory(lambda run: lists)
    made.show("run")
    return made


def test_an_answer_replaces_all_curves(history, lists):
    """Until it arrives, those of the wish before remain."""
    answers = SeriesAnswers(history)
    answers.want(WISH, 1, 0.0)
    history.deliver()
    first = answers.curves
    assert list(first) == ["a"]
    answers.want(SeriesWish(("b",)), 1, 0.0)
    assert answers.curves is first
    history.deliver()
    assert list(answers.curves) == ["b"]
    assert answers.shown == SeriesWish(("b",))


def test_what_is_known_is_not_asked_for_again(history, lists):
    """A run that does not grow costs one question."""
    answers = SeriesAnswers(history)
    for now_s in range(100):
        answers.want(WISH, 1, now_s)
        history.deliver()
    assert len(lists.asked) == 1


def test_a_run_that_grows_is_asked_about_again_after_a_while(history, lists):
    """At most once a second, and not while an answer is awaited."""
    answers = SeriesAnswers(history)
    for tick in range(21):
        answers.want(WISH, tick, tick * ASK_AGAIN_S / 10)
        history.deliver()
    assert len(lists.asked) == 3
    for tick in range(50):
        answers.want(WISH, -tick, 100.0 + tick)
    assert len(lists.asked) == 4


def test_the_answer_to_a_wish_that_was_replaced_is_dropped(history):
    """Only the newest one is shown, whichever arrives first."""
    answers = SeriesAnswers(history)
    answers.want(WISH, 1, 0.0)
    answers.want(SeriesWish(("b",)), 1, 0.0)
    history.deliver()
    assert list(answers.curves) == ["b"]


def test_many_metrics_are_asked_for_in_several_questions(history, lists):
    """All answers together are one."""
    lists.metrics = {f"m{number}": [1.0] for number in range(MOST_METRICS + 1)}
    answers = SeriesAnswers(history)
    answers.want(SeriesWish(tuple(lists.metrics)), 1, 0.0)
    assert [len(question.metrics) for question in lists.asked] == [MOST_METRICS, 1]
    history.deliver()
    assert len(answers.curves) == MOST_METRICS + 1


def test_a_history_without_series_is_asked_once():
    """Its sentence is the problem, until another run is shown."""
    refusing = Refusing({})
    history = RunHistory(lambda run: refusing)
    history.show("run")
    answers = SeriesAnswers(history)
    for now_s in range(10):
        answers.want(WISH, now_s, now_s * LATER)
        history.deliver()
    assert answers.problem == "There are no series."
    assert len(refusing.asked) == 1
    history.show("other")
    answers.want(WISH, 0, 0.0)
    assert not answers.problem


def test_a_temporary_problem_is_no_problem():
    """The question is asked again after a while, also if the run has not grown."""
    refusing = Refusing({})
    refusing.temporary = True
    history = RunHistory(lambda run: refusing)
    history.show("run")
    answers = SeriesAnswers(history)
    for now_s in (0.0, ASK_AGAIN_S / 2, ASK_AGAIN_S * 2):
        answers.want(WISH, 1, now_s)
        history.deliver()
    assert not answers.problem
    assert len(refusing.asked) == 2


def test_another_run_has_other_curves(history):
    """Those of the run before are forgotten at once."""
    answers = SeriesAnswers(history)
    answers.want(WISH, 1, 0.0)
    history.deliver()
    history.show("other")
    answers.want(WISH, 1, 0.0)
    assert not answers.curves
