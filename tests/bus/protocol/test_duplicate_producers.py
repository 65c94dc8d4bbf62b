"""Tests of telling two living trainers of one name from one that was started again: with a written clock."""

import pytest

from esper_bus.protocol.duplicate_producers import ALIVE_S, GRACE_S, DuplicateProducers
from esper_bus.records import StreamKey

OLD, NEW = StreamKey("run", "host:0", 1), StreamKey("run", "host:0", 2)


@pytest.fixture
def scene():
    """Plays who was heard when; gives the rivals at the end."""

    def play(*heard, at=None):
        rivals = DuplicateProducers()
        for stream, now in heard:
            rivals.note_message(stream, now)
        return rivals.of("run", heard[-1][1] if at is None else at)

    return play


def test_two_trainers_that_both_keep_sending_are_duplicates(scene):
    """Once the older one has said something well after the newer one began."""
    assert scene((OLD, 8), (NEW, 10), (OLD, 10 + GRACE_S), (NEW, 13)) == ("host:0",)


def test_they_are_as_long_as_both_live(scene):
    """When one falls silent, the other has the name for itself; it may have two again later."""
    begun = ((OLD, 0), (NEW, 1), (OLD, 4), (NEW, 4))

    assert scene(*begun, (NEW, 4 + ALIVE_S)) == ("host:0",)
    assert scene(*begun, (NEW, 4.5 + ALIVE_S)) == ()
    assert scene(*begun, at=100) == ()
    assert scene(*begun, (OLD, 100), (NEW, 101), (OLD, 101)) == ()
    assert scene(*begun, (OLD, 100), (NEW, 101), (OLD, 104)) == ("host:0",)


def test_a_restarted_trainer_is_not_a_duplicate(scene):
    """Nor are messages of its former life one that were still under way."""
    assert scene((OLD, 0), (NEW, 1), (NEW, 3)) == ()
    assert scene((OLD, 0), (NEW, 1), (OLD, 1.5), (NEW, 3)) == ()


def test_other_ranks_and_runs_are_not_duplicates(scene):
    """Other names, and the same name in another run."""
    other = (StreamKey("run", "host:1", 3), StreamKey("other", "host:0", 4))
    heard = [(stream, now) for now in range(10) for stream in (OLD, *other)]

    assert scene(*heard) == ()


def test_a_crowd_takes_no_room(scene):
    """A trainer that starts again and again is forgotten, life by life."""
    rivals = DuplicateProducers()
    for epoch in range(1000):
        rivals.note_message(StreamKey("run", "host:0", epoch), 10.0 * epoch)

    assert len(rivals._runs["run"]["host:0"]) == 1


def test_silent_runs_take_no_room():
    """Thousands that said hello once are forgotten when they are looked at."""
    rivals = DuplicateProducers()
    for number in range(2000):
        rivals.note_message(StreamKey(f"run{number}", "host:0", 1), 0.0)
    rivals.note_message(OLD, 2 * ALIVE_S)
    for number in range(2000):
        rivals.of(f"run{number}", 2 * ALIVE_S)

    assert list(rivals._runs) == ["run"]
