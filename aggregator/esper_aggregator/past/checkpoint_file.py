"""The file of a log's checkpoints: it only grows, may be deleted at any time, and is never believed blindly.

A frame is two lengths, two checksums, a head and a state. Heads say where a checkpoint is and what finds the
moments before it; states are read one at a time. A frame that cannot be read ends the file.
"""

import os
import stat
import struct
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import BinaryIO, NamedTuple

import msgspec
import zstandard
from zlib_ng.zlib_ng import crc32

from esper_aggregator.fold.run_state import RunState
from esper_aggregator.fold.state_codec import decode_state, encode_state, fold_fingerprint
from esper_aggregator.past.interval import Interval
from esper_aggregator.past.update_progress import RankProgress
from esper_bus.paths import RunPaths
from esper_bus.store.log_position import LogPosition
from esper_schemas.declarations import RunThresholds

_NAME = "checkpoints.fold"
_MAGIC = b"esper fold 2\n"
_FRAME = struct.Struct("<IIII")
_MOST_HEAD_BYTES = 16 * 1024 * 1024
_MOST_STATE_BYTES = 256 * 1024 * 1024
_LEVEL = 1


class CheckpointHead(msgspec.Struct, frozen=True):
    """Describes a checkpoint after `interval.end` events of a log, where the log ended at `place`.

    The checkpoint before is at `interval.begin`; `log_checksum` is of the bytes of the log between the two.
    `fingerprint` is that of the fold, `given` are thresholds that replaced those of the run. `whole` tells
    that the log had no gaps and nothing twice. `ranks` and `update` are those of the `UpdateProgress`.
    """

    fingerprint: int
    place: LogPosition
    log_checksum: int
    interval: Interval
    whole: bool
    ranks: dict[str, RankProgress]
    update: int | None = None
    given: RunThresholds | None = None


class StoredCheckpoint(NamedTuple):
    """The head of a checkpoint, and where in the file its state is."""

    head: CheckpointHead
    offset: int
    length: int
    checksum: int

    @property
    def events(self) -> int:
        """The number of events that the state includes."""
        return self.head.interval.end


class CheckpointReader:
    """Reads the checkpoints of a run, and those that are added later.

    Checkpoints of another version of the fold are left out, and so are those of other thresholds than
    `given`, unless the reader takes `any_thresholds`: the values of a run do not depend on them.
    """

    def __init__(
        self, run_dir: Path, given: RunThresholds | None = None, *, any_thresholds: bool = False
    ) -> None:
        self.end = 0
        self._path = checkpoint_path(run_dir)
        self._given = given
        self._any_thresholds = any_thresholds
        self._inode: int | None = None
        self._found: list[StoredCheckpoint] = []

    def refresh(self) -> list[StoredCheckpoint]:
        """Return all checkpoints in the order of their positions; each continues the one before."""
        try:
            with _open(self._path) as file:
                status = os.fstat(file.fileno())
                if status.st_ino != self._inode or status.st_size < self.end:
                    self._inode, self.end, self._found = status.st_ino, 0, []
                self._read(file.fileno(), status.st_size)
        except OSError:
            self._inode, self.end, self._found = None, 0, []
        return list(self._found)

    def state(self, checkpoint: StoredCheckpoint) -> RunState | None:
        """Read the state of a checkpoint; `None` if that fails."""
        try:
            with _open(self._path) as file:
                packed = os.pread(file.fileno(), checkpoint.length, checkpoint.offset)
            if len(packed) != checkpoint.length or crc32(packed) != checkpoint.checksum:
                return None
            state = decode_state(_decompressed(packed))
        except Exception:  # damaged bytes can make the decoder raise anything
            return None
        if state.events_folded != checkpoint.events or state.given != checkpoint.head.given:
            return None
        return state if self._any_thresholds else replace(state, given=self._given)

    def _read(self, fd: int, size: int) -> None:
        if not self.end:
            if os.pread(fd, len(_MAGIC), 0) != _MAGIC:
                return
            self.end = len(_MAGIC)
        while self.end < size:
            checkpoint = _checkpoint_at(fd, self.end, size)
            if checkpoint is None:
                return
            self.end = checkpoint.offset + checkpoint.length
            self._add(checkpoint)

    def _add(self, checkpoint: StoredCheckpoint) -> None:
        """Add a checkpoint, in place of those that were taken beyond the one that it continues."""
        head = checkpoint.head
        if head.fingerprint != fold_fingerprint():
            return
        if not (self._any_thresholds or _are_same(head.given, self._given)):
            return
        kept = [found for found in self._found if found.events <= head.interval.begin]
        before = kept[-1].events if kept else 0
        self._found = [*kept, checkpoint] if before == head.interval.begin else []


def _are_same(stored: RunThresholds | None, given: RunThresholds | None) -> bool:
    """Return whether a fold under `stored` thresholds judges as one under `given` ones.

    An aggregator gives its thresholds to all runs, and so without the heads of any: it refuses a text that
    names one.
    """
    if stored is None or given is None:
        return stored is given
    return stored == given or (not stored.heads and stored.text == given.text and not given.problem)


class CheckpointAppender:
    """Appends checkpoints behind the first `end` bytes of the file. Raises `OSError`.

    What follows them, such as a write that was cut short, is removed with the first checkpoint.
    """

    def __init__(self, run_dir: Path, end: int) -> None:
        self._path = checkpoint_path(run_dir)
        self._end = end

    def append(self, head: CheckpointHead, state: RunState) -> None:
        """Append a checkpoint; the file stays as it was if that fails."""
        packed_head = msgspec.msgpack.encode(head)
        packed = zstandard.compress(encode_state(state), _LEVEL)
        sizes = len(packed_head), len(packed), crc32(packed_head), crc32(packed)
        self.write(b"".join((_FRAME.pack(*sizes), packed_head, packed)))

    def write(self, frame: bytes) -> None:
        """Append an encoded checkpoint; the file stays as it was if that fails."""
        flags = os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC
        fd = os.open(self._path, flags, 0o644)
        try:
            _require_file(fd)
            if os.fstat(fd).st_size < self._end:
                self._end = 0  # it was deleted or cut: begin it again
            self._put(fd, frame if self._end else _MAGIC + frame)
        finally:
            os.close(fd)

    def _put(self, fd: int, data: bytes) -> None:
        os.ftruncate(fd, self._end)
        try:
            if os.pwrite(fd, data, self._end) != len(data):
                raise OSError(28, "No space left on device")
        except OSError:
            os.ftruncate(fd, self._end)
            raise
        self._end += len(data)


def checkpoint_path(run_dir: Path) -> Path:
    """The file of the checkpoints of a run's log."""
    return RunPaths(run_dir).log_dir / _NAME


def log_checksum(log_dir: Path, begin: LogPosition | None, end: LogPosition) -> int:
    """The checksum of the bytes of a log between two positions, from its beginning on for `None`.

    Raises `OSError` if the log is not that long.
    """
    skipped = begin.files if begin else ()
    if skipped and [name for name, _ in end.files[: len(skipped)]] != [name for name, _ in skipped]:
        raise FileNotFoundError(2, "the files of the log are others")
    checksum = 0
    for index, (name, size) in enumerate(end.files):
        if index >= len(skipped) - 1:
            first = skipped[index][1] if index < len(skipped) else 0
            checksum = _file_checksum(log_dir / name, first, size, checksum)
    return checksum


def _file_checksum(path: Path, begin: int, end: int, checksum: int) -> int:
    with path.open("rb", buffering=0) as file:
        file.seek(begin)
        while begin < end:
            data = file.read(min(1 << 20, end - begin))
            if not data:
                raise FileNotFoundError(2, f"{path} is shorter than it was")
            checksum = crc32(data, checksum)
            begin += len(data)
    return checksum


def _checkpoint_at(fd: int, offset: int, size: int) -> StoredCheckpoint | None:
    """Read the frame at an offset; `None` if it is cut short or damaged. The state is not read."""
    frame = os.pread(fd, _FRAME.size, offset)
    if len(frame) < _FRAME.size:
        return None
    head_length, length, head_checksum, checksum = _FRAME.unpack(frame)
    begin = offset + _FRAME.size
    if head_length > _MOST_HEAD_BYTES or begin + head_length + length > size:
        return None
    data = os.pread(fd, head_length, begin)
    if crc32(data) != head_checksum:
        return None
    try:
        head = msgspec.msgpack.decode(data, type=CheckpointHead)
    except (msgspec.MsgspecError, UnicodeDecodeError):
        return None
    return StoredCheckpoint(head, begin + head_length, length, checksum)


def _decompressed(packed: bytes) -> bytes:
    if not 0 < zstandard.frame_content_size(packed) <= _MOST_STATE_BYTES:
        raise ValueError("a state of an impossible size")
    return zstandard.decompress(packed)


def _open(path: Path) -> BinaryIO:
    """Open a regular file, and nothing that would block or lead elsewhere. Raises `OSError`."""
    file = os.fdopen(os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC), "rb")
    try:
        _require_file(file.fileno())
    except OSError:
        file.close()
        raise
    return file


def _require_file(fd: int) -> None:
    if not stat.S_ISREG(os.fstat(fd).st_mode):
        raise FileNotFoundError(2, "it is not a file")


def usable(checkpoints: Sequence[StoredCheckpoint], logs: Sequence[Path]) -> list[StoredCheckpoint]:
    """Return the checkpoints up to the last one that was taken of this log."""
    for index in range(len(checkpoints), 0, -1):
        place = checkpoints[index - 1].head.place
        if place.files and place.is_in(logs):
            return list(checkpoints[:index])
    return []
