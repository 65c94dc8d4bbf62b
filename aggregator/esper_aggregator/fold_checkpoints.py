"""Restores the state of a run from the last checkpoint of its log: for restarts, and to show its end.

A checkpoint that cannot be used is passed over; without any, the log is folded from its beginning.
"""

from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

from esper_aggregator.fold.observer import ObservedRunState, ValueObserver
from esper_aggregator.fold.run_state import RunState
from esper_aggregator.past.checkpoint_check import CheckedCheckpoints
from esper_aggregator.past.checkpoint_file import CheckpointReader, usable
from esper_aggregator.past.history_fold import HistoryFold
from esper_aggregator.past.steps import finish
from esper_aggregator.past.stream_numbers import next_seqs
from esper_aggregator.past.update_progress import UpdateProgress
from esper_bus.mcap.reader import OnDamage, ignore_damage
from esper_bus.records import RawRecord
from esper_bus.store.log_chunks import LogChunks
from esper_bus.store.log_position import LogPosition, read_after
from esper_bus.store.run_files import RunFiles, log_files
from esper_bus.store.run_reader import readable_files, refuse_unreadable
from esper_schemas.declarations import RunThresholds
from esper_schemas.errors import StorageError


class Restored(NamedTuple):
    """A state, and the records of the run that it does not include."""

    state: RunState
    not_folded: Iterator[RawRecord]


class Continued(NamedTuple):
    """The fold of a log up to its last checkpoint, and the chunks that follow.

    `place` is that of the checkpoint, `None` without one, and `end` the size of the file behind it.
    """

    fold: HistoryFold
    chunks: LogChunks
    place: LogPosition | None = None
    end: int = 0


MOST_EVENTS_AGAIN = 50_000
"""The most events that are folded again for the sake of an observer."""


def restore(
    run_dir: Path,
    given: RunThresholds | None = None,
    observer: ValueObserver | None = None,
    observed: int = 0,
) -> Continued:
    """Restore the last valid checkpoint of a run's log; without one, an empty state and the whole log.

    `given` are thresholds that replace those of the run. An `observer` that lacks the values after the first
    `observed` events gets an earlier checkpoint, unless that is far back.

    Raises `StorageError`, also while the records are read, where a file of the log cannot be read: a log that
    passed for an empty one would be numbered from 0 again.
    """
    files = _readable_log(run_dir)
    reader = CheckpointReader(run_dir, given)
    checkpoints = usable(reader.refresh(), files.logs)
    for found in reversed(checkpoints):
        if observer and found.events > observed >= checkpoints[-1].events - MOST_EVENTS_AGAIN:
            continue
        state = reader.state(found)
        if state is not None:
            fold = HistoryFold(
                _observed(state, observer), UpdateProgress(found.head.ranks, found.head.update)
            )
            place, seqs = found.head.place, next_seqs(state, state.run)
            chunks = LogChunks(files.logs, refuse_unreadable(), place, seqs)
            return Continued(fold, chunks, place, reader.end)
    fold = HistoryFold(_observed(RunState(run=run_dir.name, given=given), observer))
    return Continued(fold, LogChunks(files.logs, refuse_unreadable()))


def _observed(state: RunState, observer: ValueObserver | None) -> RunState:
    return state if observer is None else ObservedRunState(state, observer)


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


def find_whole_checkpoint(
    run_dir: Path, at_most: int | None = None, given: RunThresholds | None = None
) -> tuple[RunState, LogPosition] | None:
    """Return the last valid checkpoint of a log, or of its first `at_most` events, for reading a run.

    The log is undamaged up to there, lacks no events and has none twice: positions in the log alone are
    those in the log and the spools. One that was folded with other `given` thresholds is not valid. Raises
    `OSError`.
    """
    checked, files = CheckedCheckpoints(run_dir, given), log_files(run_dir)
    for found in reversed(finish(checked.refresh(files.logs))):
        if at_most is None or found.events <= at_most:
            state = checked.reader.state(found)
            if state is not None and state.run == files.run:
                return state, found.head.place
    return None


def restore_before(
    run_dir: Path,
    events: int | None,
    given: RunThresholds | None = None,
    on_damage: OnDamage = ignore_damage,
) -> Restored | None:
    """Restore the last checkpoint at or before a position in a run's log and spools, read as one.

    `None` for `events` means the end. Returns `None` without such a checkpoint. Raises `EsperError` if there
    is no run.
    """
    files = readable_files(run_dir)
    found = find_whole_checkpoint(run_dir, events, given)
    if found is None:
        return None
    state, place = found
    return Restored(state, read_after(place, files, next_seqs(state, state.run), on_damage))
