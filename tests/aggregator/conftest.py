"""Records for the fold, without having to repeat their identity."""

import pytest

from esper_schemas.events import Record


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
