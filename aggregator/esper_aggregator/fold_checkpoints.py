"""Checkpoints of the fold, beside the log: they make restarts and past snapshots fast, and may be deleted.

A checkpoint holds the state after some records of the log, and the position in the log where it was taken.
One that cannot be used is passed over; without any, the log is folded from its beginning.
"""

import contextlib
import time
import zlib
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import NamedTuple

import msgspec

from esper_aggregator.fold.run_state import RunState
from esper_aggregator.fold.state_codec import decode_state, encode_state, fold_fingerprint
from esper_bus.mcap.reader import OnDamage, ignore_damage
from esper_bus.paths import RunPaths
from esper_bus.rate_limited_log import RateLimitedLog
from esper_bus.records import RawRecord, StreamKey
from esper_bus.store.log_position import LogPosition, read_after
from esper_bus.store.run_files import RunFiles, log_files
from esper_bus.store.run_reader import read_log, refuse_unreadable
from esper_schemas.declarations import RunThresholds
from esper_schemas.errors import StorageError

EVERY_S = 30.0
EVERY_EVENTS = 50_000
"""A checkpoint is due after this time or this number of events."""
_KEPT = 32
_MAGIC = b"esper fold 1\n"
_SUFFIX = ".fold"


class FoldCheckpoint(msgspec.Struct, frozen=True):
    """The contents of a file; `fingerprint` is that of the fold that made the state."""

    fingerprint: int
    place: LogPosition
    state: bytes


class Restored(NamedTuple):
    """A state, and the records of the log that it does not include."""

    state: RunState
    not_folded: Iterator[RawRecord]


def restore(run_dir: Path, given: RunThresholds | None = None) -> Restored:
    """Restore the last valid checkpoint of a run's log; without one, an empty state and the whole log.

    `given` are thresholds that replace those of the run.

    Raises `StorageError`, also while the records are read, where a file of the log cannot be read: a log that
    passed for an empty one would be numbered from 0 again.
    """
    files = _readable_log(run_dir)
    found = find_checkpoint(run_dir, given=given)
    if found is None:
        return Restored(RunState(run=run_dir.name, given=given), read_log(run_dir, refuse_unreadable()))
    state, place = found
    return Restored(state, read_after(place, files, next_seqs(state, state.run), refuse_unreadable()))


def _readable_log(run_dir: Path) -> RunFiles:
    """The files of a log, all of which can be opened: found out before any of them is folded."""
    try:
        files = log_files(run_dir)
        for path in files.logs:
            path.open("rb").close()
    except OSError as error:
        problem = f"Cannot read the log of {run_dir} ({error.strerror}: {error.filename}); make it readable."
        raise StorageError(problem) from error
    return files


def find_checkpoint(
    run_dir: Path, at_most: int | None = None, given: RunThresholds | None = None
) -> tuple[RunState, LogPosition] | None:
    """Return the last valid checkpoint of a log, or of its first `at_most` events. Raises `OSError`.

    One that was folded with other `given` thresholds is not valid.
    """
    paths = _positions(run_dir)
    logs = log_files(run_dir).logs if paths else []
    for position in sorted(paths, reverse=True):
        if at_most is None or position <= at_most:
            checkpoint = _read(paths[position])
            state = checkpoint and _state(checkpoint, logs)
            if checkpoint and state and state.events_folded == position and state.given == given:
                return state, checkpoint.place
    return None


def restore_before(
    run_dir: Path, files: RunFiles, events: int, on_damage: OnDamage = ignore_damage
) -> Restored | None:
    """Restore the last checkpoint at or before a position in a run's log and spools, read as one.

    `None` without one, and if the log lacks events or has some of them twice: positions in the log alone then
    differ from those in the log and the spools.
    """
    found = find_whole_checkpoint(run_dir, events)
    if found is None:
        return None
    state, place = found
    return Restored(state, read_after(place, files, next_seqs(state, state.run), on_damage))


def find_whole_checkpoint(
    run_dir: Path, at_most: int | None = None, given: RunThresholds | None = None
) -> tuple[RunState, LogPosition] | None:
    """As `find_checkpoint`; `None` if the log lacks events or has some of them twice."""
    found = find_checkpoint(run_dir, at_most, given)
    if found is None or found[0].gaps or found[0].duplicates or found[0].left_out:
        return None
    return found


def next_seqs(state: RunState, run: str) -> dict[StreamKey, int]:
    """Return the next sequence number of each stream of a run."""
    return {
        StreamKey(run, producer.producer, epoch): seq
        for producer in state.producers.values()
        for epoch, seq in producer.next_seq.items()
    }


class FoldCheckpointWriter:
    """Writes the checkpoints of one recording; errors are logged, never raised."""

    def __init__(self, run_dir: Path, position: int, clock: Callable[[], float] = time.monotonic) -> None:
        self._run_dir = run_dir
        self._clock = clock
        self._log = RateLimitedLog("esper.aggregator", run=run_dir.name)
        self._position = position
        self._saved_at = clock()

    def save_if_due(self, state: RunState, place: Callable[[], LogPosition]) -> None:
        """Save the state if a checkpoint is due; the log must end where the state does."""
        new = state.events_folded - self._position
        if new >= EVERY_EVENTS or (new and self._clock() - self._saved_at >= EVERY_S):
            self.save(state, place)

    def save(self, state: RunState, place: Callable[[], LogPosition]) -> None:
        """Save the state unless it is saved already, and remove superseded checkpoints."""
        if state.events_folded == self._position:
            return
        self._position, self._saved_at = state.events_folded, self._clock()
        try:
            checkpoint = FoldCheckpoint(fold_fingerprint(), place(), encode_state(state))
            write(_path(self._run_dir, self._position), checkpoint)
            paths = _positions(self._run_dir)
            for position in superseded(paths, self._position):
                paths[position].unlink(missing_ok=True)
        except Exception as error:  # recording goes on without checkpoints
            self._log.warn("cannot save a checkpoint of the fold", error=repr(error))


def superseded(positions: Iterable[int], newest: int) -> list[int]:
    """Return the positions of checkpoints to remove, so that about `_KEPT` remain, evenly spread.

    Those beyond the newest belong to a log that was longer.
    """
    distance = max(EVERY_EVENTS, newest // _KEPT)
    last, removed = 0, []
    for position in sorted(positions):
        if position > newest or (position < newest and position < last + distance):
            removed.append(position)
        else:
            last = position
    return removed


def write(path: Path, checkpoint: FoldCheckpoint) -> None:
    """Write a file atomically. Raises `OSError`.

    It is not forced to disk, as one that a crash of the machine damages is detected and passed over.
    """
    body = msgspec.msgpack.encode(checkpoint)
    unfinished = path.with_name("unfinished.part")
    try:
        unfinished.write_bytes(_MAGIC + zlib.crc32(body).to_bytes(4, "little") + body)
        unfinished.replace(path)
    except OSError:
        with contextlib.suppress(OSError):
            unfinished.unlink(missing_ok=True)
        raise


def _read(path: Path) -> FoldCheckpoint | None:
    """Read a checkpoint of this version; `None` for any other or damaged file."""
    with contextlib.suppress(OSError, msgspec.MsgspecError, UnicodeDecodeError):
        data = path.read_bytes()
        head, body = data[: len(_MAGIC) + 4], data[len(_MAGIC) + 4 :]
        if head == _MAGIC + zlib.crc32(body).to_bytes(4, "little"):
            checkpoint = msgspec.msgpack.decode(body, type=FoldCheckpoint)
            return checkpoint if checkpoint.fingerprint == fold_fingerprint() else None
    return None


def _state(checkpoint: FoldCheckpoint, logs: list[Path]) -> RunState | None:
    """Decode the state of a checkpoint, if it was taken of this log."""
    if not checkpoint.place.files or not checkpoint.place.is_in(logs):
        return None
    try:
        return decode_state(checkpoint.state)
    except Exception:  # damaged bytes can make the decoder raise anything
        return None


def _path(run_dir: Path, position: int) -> Path:
    return RunPaths(run_dir).log_dir / f"{position:012}{_SUFFIX}"


def _positions(run_dir: Path) -> dict[int, Path]:
    files = RunPaths(run_dir).log_dir.glob(f"*{_SUFFIX}")
    return {int(path.stem): path for path in files if path.stem.isdecimal()}
