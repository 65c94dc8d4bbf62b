"""The service answers every question, even if files cannot be read, and never raises."""

import shutil
import threading
import time

import pytest

from esper_aggregator.query_service import QueryService
from esper_bus.protocol.query_messages import (
    EventsQuery,
    HealthQuery,
    Question,
    Refusal,
    Runs,
    RunsQuery,
    SnapshotQuery,
)


def broken_health():
    """A report of the health that fails."""
    raise OSError(5, "Input/output error")


@pytest.fixture
def answers(tmp_path):
    """Asks a service whose health report fails; returns the answers."""
    service = QueryService(tmp_path, broken_health)

    def ask(*queries):
        for number, query in enumerate(queries):
            service.submit(b"peer", Question(number, query))
        found = []
        while service.busy:
            found += [answer for _, _, answer in service.answers()]
        return found

    return ask


def test_a_failure_is_answered_with_a_refusal(answers):
    """The refusal contains the text of the error."""
    (answer,) = answers(HealthQuery())

    assert isinstance(answer, Refusal)
    assert "Input/output error" in answer.text


@pytest.mark.slow
def test_runs_may_be_deleted_while_they_are_listed(answers, tmp_path):
    """Directories are made and deleted all the time: each answer contains the one that stays."""
    (tmp_path / "stays" / "log").mkdir(parents=True)
    stop = threading.Event()

    def churn():
        while not stop.is_set():
            for number in range(30):
                (tmp_path / f"old{number}" / "log").mkdir(parents=True)
            for number in range(30):
                shutil.rmtree(tmp_path / f"old{number}")

    thread = threading.Thread(target=churn)
    thread.start()
    try:
        deadline = time.monotonic() + 1.5
        while time.monotonic() < deadline:
            (answer,) = answers(RunsQuery())
            assert isinstance(answer, Runs)
            assert "stays" in answer.names
    finally:
        stop.set()
        thread.join()


def test_a_run_that_does_not_exist_is_refused(answers):
    """Other questions at the same time are answered."""
    found = answers(EventsQuery("no"), SnapshotQuery("no", 3), RunsQuery())

    assert [type(answer) for answer in found] == [Refusal, Refusal, Runs]
