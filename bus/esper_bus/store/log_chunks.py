"""Reads the log of a run chunk by chunk, with the position after each."""

from collections.abc import Iterator, Mapping
from pathlib import Path

from esper_bus.expected_sequence import ExpectedSequence
from esper_bus.mcap.event_channels import EventChannels
from esper_bus.mcap.reader import Chunk, OnDamage, ignore_damage, read_chunks, reported
from esper_bus.records import RawRecord, StreamKey
from esper_bus.store.log_position import LogPosition, with_sizes


class LogChunks:
    """Iterates over the new events of each chunk of a log's files, in their order, each event once.

    It begins after `position`, if given, where `next_seqs` are the numbers of the next event of each stream.
    """

    def __init__(
        self,
        logs: list[Path],
        on_damage: OnDamage = ignore_damage,
        position: LogPosition | None = None,
        next_seqs: Mapping[StreamKey, int] | None = None,
    ) -> None:
        self._logs = logs
        self._on_damage = on_damage
        self._position = position
        self._expected = {key: ExpectedSequence(seq) for key, seq in (next_seqs or {}).items()}
        self._read: tuple[int, int, EventChannels] | None = None

    def __iter__(self) -> Iterator[list[RawRecord]]:
        position = self._position
        first = len(position.files) - 1 if position else 0
        for index in range(first, len(self._logs)):
            offset, channels = 0, EventChannels()
            if position and index == first:
                offset, channels = position.files[-1][1], EventChannels(position.channels)
            for chunk in self._chunks(self._logs[index], offset, channels):
                self._read = index, chunk.end, channels
                yield [record for record in chunk.records if self._is_new(record)]

    def position(self) -> LogPosition:
        """The position after the chunk that was returned last. Raises `OSError`."""
        if self._read is None:
            raise FileNotFoundError(2, "nothing of the log was read")
        index, end, channels = self._read
        files = [*with_sizes(self._logs[:index]), (self._logs[index], end)]
        return LogPosition.after(files, channels.described)

    def _chunks(self, path: Path, offset: int, channels: EventChannels) -> Iterator[Chunk]:
        with reported(path, self._on_damage), path.open("rb") as file:
            yield from read_chunks(file, channels, offset, str(path), self._on_damage)

    def _is_new(self, record: RawRecord) -> bool:
        expected = self._expected.setdefault(record.stream, ExpectedSequence())
        if expected.repeated(record.seq, 1):
            return False
        expected.skip_to(record.seq)
        return expected.take(record.seq)
