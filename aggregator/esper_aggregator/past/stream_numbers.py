"""The numbers of the events that follow a state."""

from esper_aggregator.fold.run_state import RunState
from esper_bus.records import StreamKey


def next_seqs(state: RunState, run: str) -> dict[StreamKey, int]:
    """Return the next sequence number of each stream of a run."""
    return {
        StreamKey(run, producer.producer, epoch): seq
        for producer in state.producers.values()
        for epoch, seq in producer.next_seq.items()
    }
