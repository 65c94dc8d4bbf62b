"""The service answers every question, whatever happens to the files, and raises for none."""

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
    """Health that cannot be told."""
    raise OSError(5, "Input/output error")


@pytest.fixture
def answers(tmp_path):
    """Asks a service whose health is broken; gives the answers."""
    service = QueryService(tmp_path, broken_health)

    def ask(*queries):
        for number, query in enumerate(queries):
            service.submit(b"peer", Question(number, query))
        found = []
        while service.busy:
            found += [answer for _, _, answer in service.answers()]
        return found

    return ask


def test_whatever_fails_is_a_refusal(answers):
    """An answer that cannot be found is one sentence for whoever asked."""
    (answer,) = answers(HealthQuery())

    assert isinstance(answer, Refusal)
    assert "Input/output error" in answer.text


def test_runs_may_be_deleted_while_they_are_listed(answers, tmp_path):
    """Directories come and go all the time: each question is answered with those that stay."""
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


def test_a_run_that_is_not_there_is_refused(answers):
    """Also when it is asked for together with others."""
    found = answers(EventsQuery("no"), SnapshotQuery("no", 3), RunsQuery())

    assert [type(answer) for answer in found] == [Refusal, Refusal, Runs]
