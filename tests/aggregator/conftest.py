"""Fixtures that make records with default identities: decoded for the fold, encoded for the log."""

import pytest

from esper_aggregator.past import history_fold
from esper_bus.records import RawRecord, StreamKey
from esper_schemas.codec import encode_event
from esper_schemas.events import PPOUpdateCompleted, Record
from esper_schemas.payload import PPOUpdatePayload


@pytest.fixture
def record_of():
    """Makes a function that gives each event the next sequence number of its producer."""
    next_seq = {}

    def make(event, *, producer="host:0", epoch=7, seq=None, at_ns=1_000, lag_ns=0):
        seq = next_seq.get((producer, epoch), 0) if seq is None else seq
        next_seq[producer, epoch] = seq + 1
        return Record(
            run="r",
            producer=producer,
            epoch=epoch,
            seq=seq,
            emitted_ns=at_ns,
            received_ns=at_ns + lag_ns,
            event=event,
        )

    return make


@pytest.fixture
def raw_record():
    """Makes the nth update of one producer as it is received."""

    def make(seq, *, run="r", **fields):
        event = PPOUpdateCompleted(update=seq + 1, payload=PPOUpdatePayload(policy_loss=seq / 10, **fields))
        return RawRecord(
            stream=StreamKey(run, "host:0", 5),
            seq=seq,
            emitted_ns=1_000 + seq,
            received_ns=2_000 + seq,
            data=encode_event(event),
        )

    return make


@pytest.fixture
def checkpoint_every(monkeypatch):
    """Makes a function that sets the number of events between two checkpoints of a fold."""

    def set_events(events):
        monkeypatch.setattr(history_fold, "SPACING_S", float("inf"))
        monkeypatch.setattr(history_fold, "MOST_EVENTS", events)

    return set_events
