"""Reads a run's files from the beginning, or from any place where reading them has been before."""

from collections import deque
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import NamedTuple

from esper_bus.mcap.event_channels import EventChannels
from esper_bus.mcap.reader import OnDamage, ignore_damage, read_chunks, reported
from esper_bus.records import RawRecord, StreamKey
from esper_bus.store.merged_streams import MergedStreams
from esper_bus.store.run_files import RunFiles

_READ_AHEAD = 8
"""At least the number of records of a file that a merge may hold before it returns them."""


class FilePlaces(NamedTuple):
    """For each file that has been begun, the offset of a chunk from which on it has to be read.

    `next_seqs` are the numbers of the next event of each stream.
    """

    offsets: dict[Path, int]
    next_seqs: Mapping[StreamKey, int]


class ResumableStreams:
    """The events of the files of a run, as `MergedStreams` returns them; may be read several times.

    `channels` are those that files have opened before the first place from which they are read.
    """

    def __init__(self, files: RunFiles, channels: Mapping[Path, EventChannels] | None = None) -> None:
        self.files = files
        self.channels = dict(channels or {})

    def read(
        self,
        on_damage: OnDamage = ignore_damage,
        places: FilePlaces | None = None,
    ) -> "ResumableReader":
        """Begin to read, from `places` on if given."""
        return ResumableReader(self, on_damage, places)


class ResumableReader:
    """Iterates over events; `places` can be asked for after each of them."""

    def __init__(
        self,
        streams: ResumableStreams,
        on_damage: OnDamage,
        places: FilePlaces | None,
    ) -> None:
        self.streams = streams
        self._begin = dict(places.offsets) if places else {}
        self._recent: dict[Path, deque[int]] = {}  # the chunks of the last records of each file
        self._next_seqs = dict(places.next_seqs) if places else {}
        self._records = MergedStreams(streams.files, on_damage, self._read_file, self._next_seqs).records()

    def __iter__(self) -> Iterator[RawRecord]:
        for record in self._records:
            self._next_seqs[record.stream] = record.seq + 1
            yield record

    @property
    def places(self) -> FilePlaces:
        """Where reading can be continued."""
        recent = {path: chunks[0] for path, chunks in self._recent.items() if chunks}
        return FilePlaces(self._begin | recent, dict(self._next_seqs))

    def again(self, on_damage: OnDamage) -> "ResumableReader":
        """Begin to read what was added to the files since."""
        return self.streams.read(on_damage, self.places)

    def _read_file(self, path: Path, on_damage: OnDamage) -> Iterator[RawRecord]:
        channels = self.streams.channels.setdefault(path, EventChannels())
        recent = self._recent.setdefault(path, deque(maxlen=_READ_AHEAD))
        with reported(path, on_damage), path.open("rb") as file:
            for chunk in read_chunks(file, channels, self._begin.get(path, 0), str(path), on_damage):
                for record in chunk.records:
                    recent.append(chunk.begin)
                    yield record
