"""Tests of esper_tui.past.run_history."""

import pytest
from tests.tui.list_history import ListHistory

from esper_schemas.history import MarksQuestion, SeriesQuestion, Unanswered
from esper_tui.past.run_history import RunHistory

ENTROPY = SeriesQuestion(metrics=("entropy",))


@pytest.fixture
def opened():
    """The histories that were opened, by run."""
    return {}


@pytest.fixture
def history(opened):
    """A history of run "a", and of any other that is shown."""

    def open_history(run):
        opened[run] = ListHistory({"entropy": [1.0, 2.0]})
        return opened[run]

    made = RunHistory(open_history)
    made.show("a")
    return made


def test_each_asker_receives_its_own_answer(history):
    """Two questions that wait at the same time are answered to those who asked them."""
    series, marks = [], []
    history.ask(ENTROPY, series.append)
    history.ask(MarksQuestion(), marks.append)
    history.deliver()
    assert series[0].columns[0].metric == "entropy"
    assert marks[0].last.events == 2


def test_a_history_is_opened_by_the_first_question(history, opened):
    """A run of which nothing is asked costs nothing."""
    assert not opened
    history.ask(ENTROPY, print)
    assert list(opened) == ["a"]


def test_answers_about_another_run_are_dropped(history, opened):
    """The history of the run before is closed, and its answers never arrive."""
    answers = []
    history.ask(ENTROPY, answers.append)
    history.show("b")
    history.deliver()
    assert not answers
    assert opened["a"].is_closed


def test_showing_the_same_run_again_keeps_its_questions(history):
    """The run is named on every tick."""
    answers = []
    history.ask(ENTROPY, answers.append)
    history.show("a")
    history.deliver()
    assert len(answers) == 1


def test_without_a_history_a_question_is_unanswered_at_once():
    """The reason is one sentence."""
    answers = []
    history = RunHistory()
    history.show("a")
    history.ask(ENTROPY, answers.append)
    assert isinstance(answers[0], Unanswered)
    assert answers[0].text.endswith(".")


async def test_the_app_shows_the_history_of_its_run_and_closes_it(start_app):
    """The name is that of the snapshot; nothing stays open when the app has ended."""
    opened = {}

    def open_history(run):
        opened[run] = ListHistory({"entropy": [1.0, 2.0]})
        return opened[run]

    app = start_app(open_history=open_history)
    answers = []
    async with app.run_test(size=(80, 24)) as pilot:
        app.history.ask(ENTROPY, answers.append)
        while not answers:
            await pilot.pause(0.01)
    (run,) = opened
    assert run == app.view().snapshot.run.run
    assert opened[run].is_closed
