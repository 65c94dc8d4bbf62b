"""Two living trainers of the same name are distinguished from one that was restarted, with a manual clock."""

import pytest

from esper_bus.protocol.duplicate_producers import ALIVE_S, GRACE_S, DuplicateProducers
from esper_bus.records import StreamKey

OLD, NEW = StreamKey("run", "host:0", 1), StreamKey("run", "host:0", 2)


@pytest.fixture
def duplicates_after():
    """Receives messages of streams at given times; returns the duplicate producers at the end."""

    def receive(*messages, at=None):
        duplicates = DuplicateProducers()
        for stream, now in messages:
            duplicates.note_message(stream, now)
        return duplicates.of("run", messages[-1][1] if at is None else at)

    return receive


def test_two_trainers_that_both_keep_sending_are_duplicates(duplicates_after):
    """The older one has to send something well after the newer one began."""
    assert duplicates_after((OLD, 8), (NEW, 10), (OLD, 10 + GRACE_S), (NEW, 13)) == ("host:0",)


def test_they_are_duplicates_as_long_as_both_live(duplicates_after):
    """When one falls silent, the name is no longer a duplicate; it may become one again later."""
    both_alive = ((OLD, 0), (NEW, 1), (OLD, 4), (NEW, 4))

    assert duplicates_after(*both_alive, (NEW, 4 + ALIVE_S)) == ("host:0",)
    assert duplicates_after(*both_alive, (NEW, 4.5 + ALIVE_S)) == ()
    assert duplicates_after(*both_alive, at=100) == ()
    assert duplicates_after(*both_alive, (OLD, 100), (NEW, 101), (OLD, 101)) == ()
    assert duplicates_after(*both_alive, (OLD, 100), (NEW, 101), (OLD, 104)) == ("host:0",)


def test_a_restarted_trainer_is_not_a_duplicate(duplicates_after):
    """Messages of its previous epoch that arrive a little later do not make it one."""
    assert duplicates_after((OLD, 0), (NEW, 1), (NEW, 3)) == ()
    assert duplicates_after((OLD, 0), (NEW, 1), (OLD, 1.5), (NEW, 3)) == ()


def test_other_ranks_and_runs_are_not_duplicates(duplicates_after):
    """Other names, and the same name in another run."""
    other = (StreamKey("run", "host:1", 3), StreamKey("other", "host:0", 4))
    messages = [(stream, now) for now in range(10) for stream in (OLD, *other)]

    assert duplicates_after(*messages) == ()


def test_many_restarts_take_no_room():
    """The earlier epochs of a trainer that is restarted 1000 times are forgotten."""
    duplicates = DuplicateProducers()
    for epoch in range(1000):
        duplicates.note_message(StreamKey("run", "host:0", epoch), 10.0 * epoch)

    assert len(duplicates._runs["run"]["host:0"]) == 1


def test_silent_runs_take_no_room():
    """2000 runs with one message each are forgotten when they are looked up."""
    duplicates = DuplicateProducers()
    for number in range(2000):
        duplicates.note_message(StreamKey(f"run{number}", "host:0", 1), 0.0)
    duplicates.note_message(OLD, 2 * ALIVE_S)
    for number in range(2000):
        duplicates.of(f"run{number}", 2 * ALIVE_S)

    assert list(duplicates._runs) == ["run"]
