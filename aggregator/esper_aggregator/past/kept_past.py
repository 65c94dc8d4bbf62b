"""The past of a run whose log has no checkpoints, kept in the user's cache between two readers.

Such runs were recorded by spools alone, imported, recorded by an earlier version, or are judged by other
thresholds than when they were recorded. A kept past is one file: a head, which says of which bytes of which
files it is and what finds the moments of the run, and states, which are read one at a time. It is used only
where every one of these bytes is what it was.
"""

import contextlib
import os
import struct
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

import msgspec
import zstandard
from zlib_ng.zlib_ng import crc32

from esper_aggregator.cache import cache_entry, make_room
from esper_aggregator.fold.run_state import RunState
from esper_aggregator.fold.state_codec import decode_state, fold_fingerprint
from esper_aggregator.past.cursor import Cursor, KeptStart
from esper_aggregator.past.history_fold import HistoryFold
from esper_aggregator.past.interval import Interval
from esper_aggregator.past.update_progress import RankProgress, UpdateProgress
from esper_aggregator.series.index_files import IndexFile
from esper_bus.mcap.event_channels import EventChannels
from esper_bus.records import StreamKey
from esper_bus.store.log_position import LogPosition
from esper_bus.store.resumable_streams import FilePlaces, ResumableReader, ResumableStreams
from esper_bus.store.run_files import RunFiles
from esper_schemas.declarations import RunThresholds

_MAGIC = b"esper past 1\n"
_SIZES = struct.Struct("<II")
_MOST_HEAD_BYTES = 64 * 1024 * 1024
_READ_BYTES = 1 << 20


class _File(msgspec.Struct, frozen=True, array_like=True):
    """A file, the place in it up to which it was folded, and the checksum of the bytes before."""

    place: LogPosition
    checksum: int

    @property
    def name(self) -> str:
        """The name of the file."""
        return self.place.files[0][0]

    @property
    def size(self) -> int:
        """The number of bytes that were folded."""
        return self.place.files[0][1]


class _State(msgspec.Struct, frozen=True, array_like=True):
    """Where a state is in the file, and from where on the files of the run, by number, are read after it."""

    events: int
    offset: int
    size: int
    checksum: int
    places: dict[int, int]
    next_seqs: tuple[tuple[StreamKey, int], ...]


class _Head(msgspec.Struct, frozen=True):
    """What a kept past says about itself; the last one of the states is that of the end."""

    fingerprint: int
    run: str
    given: RunThresholds | None
    files: tuple[_File, ...]
    intervals: tuple[Interval, ...]
    states: tuple[_State, ...]
    ranks: dict[str, RankProgress]
    update: int | None


class FoldedPast(NamedTuple):
    """A run that was folded to its end: states on the way, what finds its moments, and what follows."""

    starts: "Sequence[KeptStart | CachedStart]"
    intervals: Sequence[Interval]
    fold: HistoryFold
    reader: ResumableReader


class CachedStart(NamedTuple):
    """A state in a kept past, and where reading goes on from there."""

    file: IndexFile
    state: _State
    first: int
    streams: ResumableStreams

    @property
    def events(self) -> int:
        """The number of events before it."""
        return self.state.events

    @property
    def places(self) -> FilePlaces:
        """Where reading goes on."""
        paths = _paths(self.streams.files)
        offsets = {paths[number]: offset for number, offset in self.state.places.items()}
        return FilePlaces(offsets, dict(self.state.next_seqs))

    @property
    def packed(self) -> bytes:
        """The compressed state. Raises `OSError` if it cannot be read as it was written."""
        data = self.file.read(self.first + self.state.offset, self.state.size)
        if crc32(data) != self.state.checksum:
            raise OSError("a state with a wrong checksum")
        return data

    def cursor(self) -> Cursor | None:
        """Return a new cursor there; `None` if the state cannot be read."""
        with contextlib.suppress(Exception):  # damaged bytes can make the decoder raise anything
            state = decode_state(zstandard.decompress(self.packed))
            return Cursor(state, iter(self.streams.read(places=self.places)))
        return None


class PastCache:
    """The kept past of a run directory or file under `given` thresholds."""

    def __init__(self, path: Path, given: RunThresholds | None = None) -> None:
        self._given = given
        self._file = cache_entry("past", path, "" if given is None else repr(given))

    def read(self, run: str, files: RunFiles, *, may_have_grown: bool) -> FoldedPast | None:
        """Return the kept past if the files have what they had, and no more unless they may have grown."""
        try:
            file = IndexFile(self._file)
            head, first = _read_head(file)
            if (head.fingerprint, head.run, head.given) != (fold_fingerprint(), run, self._given):
                return None
            if not _are_unchanged(head.files, files, may_have_grown=may_have_grown):
                return None
            return _opened(head, file, first, files)
        except Exception:  # a missing or damaged file: the run is folded again
            return None

    def write(self, run: str, files: RunFiles, sizes: Mapping[Path, int], past: FoldedPast) -> None:
        """Keep a past that was folded from files of these sizes; where that fails it is folded again."""
        with contextlib.suppress(OSError):
            end = KeptStart.of(past.fold.state, past.reader.streams, past.reader.places)
            states, bodies = _packed([*past.starts, end], _paths(files))
            head = _Head(
                fingerprint=fold_fingerprint(),
                run=run,
                given=self._given,
                files=tuple(_described(path, sizes[path], past.reader.streams) for path in _paths(files)),
                intervals=tuple(past.intervals),
                states=states,
                ranks=past.fold.progress.ranks,
                update=past.fold.progress.update,
            )
            self._put(msgspec.msgpack.encode(head), bodies)

    def _put(self, head: bytes, bodies: Sequence[bytes]) -> None:
        self._file.parent.mkdir(parents=True, exist_ok=True)
        make_room(self._file.parent)
        part = self._file.with_name(f"{self._file.name}.{os.getpid()}.part")
        try:
            with part.open("wb") as file:
                file.writelines((_MAGIC, _SIZES.pack(len(head), crc32(head)), head, *bodies))
            part.replace(self._file)
        finally:
            part.unlink(missing_ok=True)


def _packed(
    starts: "Sequence[KeptStart | CachedStart]", paths: Sequence[Path]
) -> tuple[tuple[_State, ...], list[bytes]]:
    states: list[_State] = []
    bodies: list[bytes] = []
    offset = 0
    for start in starts:
        body, places = start.packed, start.places
        offsets = {
            number: places.offsets[path] for number, path in enumerate(paths) if path in places.offsets
        }
        next_seqs = tuple(places.next_seqs.items())
        states.append(_State(start.events, offset, len(body), crc32(body), offsets, next_seqs))
        bodies.append(body)
        offset += len(body)
    return tuple(states), bodies


def _read_head(file: IndexFile) -> tuple[_Head, int]:
    """Read the head, and where the states begin. Raises `ValueError` for anything else."""
    begin = len(_MAGIC) + _SIZES.size
    start = file.read(0, begin)
    if len(start) < begin or not start.startswith(_MAGIC):
        raise ValueError("not a kept past")
    size, checksum = _SIZES.unpack_from(start, len(_MAGIC))
    data = file.read(begin, min(size, _MOST_HEAD_BYTES))
    if len(data) != size or crc32(data) != checksum:
        raise ValueError("a damaged head")
    return msgspec.msgpack.decode(data, type=_Head), begin + size


def _opened(head: _Head, file: IndexFile, first: int, files: RunFiles) -> FoldedPast | None:
    described = zip(_paths(files), head.files, strict=True)
    channels = {path: EventChannels(each.place.channels) for path, each in described}
    streams = ResumableStreams(files, channels)
    starts = [CachedStart(file, state, first, streams) for state in head.states]
    end = starts[-1]
    state: RunState = decode_state(zstandard.decompress(end.packed))
    fold = HistoryFold(state, UpdateProgress(head.ranks, head.update))
    return FoldedPast(starts, head.intervals, fold, streams.read(places=end.places))


def _are_unchanged(known: Sequence[_File], files: RunFiles, *, may_have_grown: bool) -> bool:
    """Return whether the files are the known ones, byte for byte, as far as they were folded."""
    paths = _paths(files)
    if [each.name for each in known] != [path.name for path in paths]:
        return False
    for path, each in zip(paths, known, strict=True):
        size = path.stat().st_size
        if size < each.size or (size > each.size and not may_have_grown):
            return False
    return all(_checksum(path, each.size) == each.checksum for path, each in zip(paths, known, strict=True))


def _described(path: Path, size: int, streams: ResumableStreams) -> _File:
    channels = streams.channels.get(path)
    place = LogPosition.after([(path, size)], channels.described if channels else ())
    return _File(place, _checksum(path, size))


def _paths(files: RunFiles) -> list[Path]:
    return [*files.logs, *files.spools]


def _checksum(path: Path, size: int) -> int:
    """Return the checksum of the first bytes of a file. Raises `OSError` if it has fewer."""
    checksum, left = 0, size
    with path.open("rb", buffering=0) as file:
        while left:
            data = file.read(min(_READ_BYTES, left))
            if not data:
                raise OSError(f"{path} is shorter than it was")
            checksum = crc32(data, checksum)
            left -= len(data)
    return checksum
