"""Checkpoints of the fold beside the log: they make a restart and a look back fast, and may be deleted.

A checkpoint holds the state, with it the numbers that are expected next, and the place in the log where it
was taken. Whatever is wrong with one, the log is folded from its beginning instead.
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
from esper_bus.store.log_position import LogPosition, is_in, read_behind
from esper_bus.store.run_files import RunFiles, log_files
from esper_bus.store.run_reader import read_log

EVERY_S = 30.0
EVERY_EVENTS = 50_000
"""A checkpoint is due after so much time, or so many events."""
_KEPT = 32
_MAGIC = b"esper fold 1\n"
_SUFFIX = ".fold"


class FoldCheckpoint(msgspec.Struct, frozen=True):
    """What a file holds; `fingerprint` is the fold's."""

    fingerprint: int
    place: LogPosition
    state: bytes


class Restored(NamedTuple):
    """A state, and the events of the log behind it."""

    state: RunState
    behind: Iterator[RawRecord]


def restore(run_dir: Path) -> Restored:
    """What the last good checkpoint of a run's log holds; the whole log is behind if there is none."""
    found = find(run_dir)
    if found is None:
        return Restored(RunState(run=run_dir.name), read_log(run_dir))
    state, place = found
    return Restored(state, read_behind(place, log_files(run_dir), next_seqs(state, state.run)))


def find(run_dir: Path, at_most: int | None = None) -> tuple[RunState, LogPosition] | None:
    """The last good checkpoint of a log, of its first `at_most` events if given."""
    paths = _positions(run_dir)
    logs = log_files(run_dir).logs if paths else []
    for position in sorted(paths, reverse=True):
        if at_most is None or position <= at_most:
            checkpoint = _read(paths[position])
            state = checkpoint and _state(checkpoint, logs)
            if checkpoint and state and state.events_folded == position:
                return state, checkpoint.place
    return None


def fold_from(
    run_dir: Path, files: RunFiles, events: int, on_damage: OnDamage = ignore_damage
) -> Restored | None:
    """The last good checkpoint that also a run's log and spools, read as one, fold to; None if none is.

    Where the log lacks something or has it twice, positions in it and in both together differ.
    """
    found = find(run_dir, events)
    if found is None or found[0].gaps or found[0].duplicates or found[0].left_out:
        return None
    state, place = found
    return Restored(state, read_behind(place, files, next_seqs(state, state.run), on_damage))


def next_seqs(state: RunState, run: str) -> dict[StreamKey, int]:
    """The number of the next event of each stream of this run."""
    return {
        StreamKey(run, producer.producer, epoch): seq
        for producer in state.producers.values()
        for epoch, seq in producer.next_seq.items()
    }


class CheckpointWriter:
    """Writes the checkpoints of one recording; trouble is said, never raised."""

    def __init__(self, run_dir: Path, position: int, clock: Callable[[], float] = time.monotonic) -> None:
        self._run_dir = run_dir
        self._clock = clock
        self._log = RateLimitedLog("esper.aggregator", run=run_dir.name)
        self._position = position
        self._saved_at = clock()

    def save_if_due(self, state: RunState, place: Callable[[], LogPosition]) -> None:
        """Save the state if it is time; the log ends where the state does."""
        new = state.events_folded - self._position
        if new >= EVERY_EVENTS or (new and self._clock() - self._saved_at >= EVERY_S):
            self.save(state, place)

    def save(self, state: RunState, place: Callable[[], LogPosition]) -> None:
        """Save the state unless that was done; remove what is no longer worth its space."""
        if state.events_folded == self._position:
            return
        self._position, self._saved_at = state.events_folded, self._clock()
        try:
            checkpoint = FoldCheckpoint(fold_fingerprint(), place(), encode_state(state))
            write(_path(self._run_dir, self._position), checkpoint)
            paths = _positions(self._run_dir)
            for position in superseded(paths, self._position):
                paths[position].unlink(missing_ok=True)
        except Exception as error:  # nobody needs a checkpoint so much that recording may end for one
            self._log.warn("no checkpoint of the fold could be saved", error=repr(error))


def superseded(positions: Iterable[int], newest: int) -> list[int]:
    """Which checkpoints to remove after the newest was saved, so that some tens remain, evenly spread."""
    apart = max(EVERY_EVENTS, newest // _KEPT)
    last, gone = 0, []
    for position in sorted(positions):
        if position > newest or (position < newest and position < last + apart):
            gone.append(position)
        else:
            last = position
    return gone


def write(path: Path, checkpoint: FoldCheckpoint) -> None:
    """Write a file that is whole or not there. Raises `OSError`.

    It is not forced to the disk: one that a failing machine tore is found out and passed over.
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
    """A whole checkpoint of this version; None for anything else."""
    with contextlib.suppress(OSError, msgspec.MsgspecError, UnicodeDecodeError):
        data = path.read_bytes()
        head, body = data[: len(_MAGIC) + 4], data[len(_MAGIC) + 4 :]
        if head == _MAGIC + zlib.crc32(body).to_bytes(4, "little"):
            checkpoint = msgspec.msgpack.decode(body, type=FoldCheckpoint)
            return checkpoint if checkpoint.fingerprint == fold_fingerprint() else None
    return None


def _state(checkpoint: FoldCheckpoint, logs: list[Path]) -> RunState | None:
    """The state, if the checkpoint was taken of this log."""
    if not checkpoint.place.files or not is_in(checkpoint.place, logs):
        return None
    try:
        return decode_state(checkpoint.state)
    except Exception:  # whatever bytes can do to a decoder
        return None


def _path(run_dir: Path, position: int) -> Path:
    return RunPaths(run_dir).log_dir / f"{position:012}{_SUFFIX}"


def _positions(run_dir: Path) -> dict[int, Path]:
    files = RunPaths(run_dir).log_dir.glob(f"*{_SUFFIX}")
    return {int(path.stem): path for path in files if path.stem.isdecimal()}
