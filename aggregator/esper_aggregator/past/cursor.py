"""Places from which the fold of a run goes on: checkpoints of its file, and those kept in memory."""

from collections.abc import Iterator
from typing import NamedTuple

import zstandard

from esper_aggregator.fold.run_state import RunState
from esper_aggregator.fold.state_codec import decode_state, encode_state
from esper_aggregator.past.checkpoint_file import CheckpointReader, StoredCheckpoint
from esper_aggregator.past.history_fold import HistoryFold
from esper_aggregator.past.stream_numbers import next_seqs
from esper_bus.records import RawRecord
from esper_bus.store.log_position import read_after
from esper_bus.store.resumable_streams import FilePlaces, ResumableStreams
from esper_bus.store.run_files import RunFiles


class Cursor:
    """A state, and the records of the run that follow."""

    def __init__(self, state: RunState, records: Iterator[RawRecord]) -> None:
        self.state = state
        self.records = records

    @property
    def events(self) -> int:
        """The number of events that the state includes."""
        return self.state.events_folded

    def advance(self, records: list[RawRecord]) -> None:
        """Fold the next records."""
        HistoryFold(self.state).extend(records)


class StoredStart(NamedTuple):
    """A checkpoint in the file of a run's log."""

    checkpoint: StoredCheckpoint
    reader: CheckpointReader
    files: RunFiles

    @property
    def events(self) -> int:
        """The number of events before it."""
        return self.checkpoint.events

    def cursor(self) -> Cursor | None:
        """Return a new cursor there; `None` if the state cannot be read."""
        state = self.reader.state(self.checkpoint)
        if state is None:
            return None
        return Cursor(state, read_after(self.checkpoint.head.place, self.files, next_seqs(state, state.run)))


class KeptStart(NamedTuple):
    """A state that is kept in memory, compressed, and where reading goes on from there."""

    events: int
    packed: bytes
    streams: ResumableStreams
    places: FilePlaces

    @classmethod
    def of(cls, state: RunState, streams: ResumableStreams, places: FilePlaces) -> "KeptStart":
        """Keep a state."""
        return cls(state.events_folded, zstandard.compress(encode_state(state), 1), streams, places)

    def cursor(self) -> Cursor:
        """Return a new cursor there."""
        state = decode_state(zstandard.decompress(self.packed))
        return Cursor(state, iter(self.streams.read(places=self.places)))
