"""A run that is being recorded: its log and the state that the log folds to."""

import logging
import time
from collections.abc import Sequence
from copy import copy
from pathlib import Path
from typing import TYPE_CHECKING

from msgspec.structs import replace

from esper_aggregator.fold.fold import FOLD_VERSION
from esper_aggregator.fold.projection import project
from esper_aggregator.fold_checkpoints import restore
from esper_aggregator.past.checkpoint_writer import CheckpointWriter
from esper_aggregator.past.steps import Steps
from esper_aggregator.past.stream_numbers import next_seqs
from esper_aggregator.series.recorded_series import RecordedSeries
from esper_bus.protocol.receiver import LinkCounters
from esper_bus.rate_limited_log import LogMessage
from esper_bus.records import RawRecord, StreamKey
from esper_bus.store.log_writer import LogWriter
from esper_schemas.codec import encode_snapshot
from esper_schemas.declarations import RunThresholds
from esper_schemas.history import Series, SeriesQuestion
from esper_schemas.snapshot import LinkHealth

if TYPE_CHECKING:
    from esper_aggregator.past.live_series import LiveSeries

_log = logging.getLogger("esper.aggregator")


class Recording:
    """Appends records to the log of a run and folds them into its state.

    It begins with the state that the log folds to, from the last checkpoint on, so that a restarted
    aggregator continues where the log ends. `given` are thresholds that replace those of the run. `changed`
    is set while the last snapshot is out of date. Raises `StorageError` for a log that cannot be read.
    """

    def __init__(self, run_dir: Path, aggregator_epoch: int, given: RunThresholds | None = None) -> None:
        self.run = run_dir.name
        self.changed = True
        self._link = LinkCounters()
        self._series = RecordedSeries(run_dir)
        self._history, chunks, place, end = restore(run_dir, given, self._series.rows, self._series.covered)
        self._series.begin(self.position)
        self._run_dir = run_dir
        self._lacks_series = not self._series.works
        self._rebuilding: Steps[None] | None = None
        self._live_series: LiveSeries | None = None
        self._checkpoints = CheckpointWriter(run_dir, self.position, place, end)
        for records in chunks:
            self._history.extend(records)
            self._checkpoints.save_if_due(self._history, chunks.position)
            self._series.flushed(self._history.state, chunks.position)
        self._unpublished: list[RawRecord] = []
        self._log = LogWriter(run_dir, self.run, aggregator_epoch, self.position, FOLD_VERSION)

    @property
    def position(self) -> int:
        """The number of records in the log."""
        return self._history.state.events_folded

    @property
    def update(self) -> int | None:
        """The update that the run is in."""
        return self._history.progress.update

    @property
    def next_seqs(self) -> dict[StreamKey, int]:
        """The next sequence number of each stream."""
        return next_seqs(self._history.state, self.run)

    def extend(self, records: Sequence[RawRecord]) -> None:
        """Append records to the log and fold them. Raises `StorageError`, and takes none, if that fails."""
        self._log.extend(records)
        self._unpublished += records
        self._history.extend(records)
        self.changed = True

    def flush(self) -> None:
        """Hand what was appended to the operating system, after which it may be acknowledged.

        Raises `StorageError` if that fails; it may be called again.
        """
        self._log.flush()
        if self._log.whole:  # otherwise the state has events that the log no longer has
            self._checkpoints.save_if_due(self._history, self._log.end)
            self._series.flushed(self._history.state, self._log.end)
        else:
            self._series.give_up()

    @property
    def unwritten_rows_bytes(self) -> int:
        """About the number of bytes of the rows that the index of the series lacks."""
        return self._series.rows.size

    def write_rows(self) -> None:
        """Write these rows to the index, after a flush; none remain."""
        if self._log.whole:
            self._series.write(self._history.state, self._log.end)
        else:
            self._series.give_up()

    def take_flushed(self) -> tuple[int, list[RawRecord]]:
        """Return the position of the first record that was flushed since the last call, and all of them."""
        records, self._unpublished = self._unpublished, []
        return self.position - len(records), records

    def update_link(self, counters: LinkCounters) -> None:
        """Take over the counters of a link, which no event of the log carries."""
        if counters == self._link:
            return
        names = counters.duplicate_producers
        if set(names) - set(self._link.duplicate_producers):
            _log.warning(LogMessage("several trainers use the same producer name", run=self.run, names=names))
        self._link, self.changed = copy(counters), True

    def snapshot(self) -> bytes:
        """Return the encoded snapshot of the state and of the link."""
        self.changed = False
        snapshot = project(self._history.state)
        return encode_snapshot(replace(snapshot, link=with_counters(snapshot.link, self._link)))

    def series(self, question: SeriesQuestion) -> Series | None:
        """Answer a question about the series up to now; None if there is no index of them."""
        from esper_aggregator.past.live_series import LiveSeries  # imports NumPy, which takes long

        if self._live_series is None:
            self._live_series = LiveSeries(self._series)
        return self._live_series.answer(question, self._history.state)

    def forget_series(self) -> None:
        """Release what was read of the index."""
        self._live_series = None

    def rebuild_series(self, until: float) -> bool:
        """Build the index of a log that lacks it until the monotonic clock shows `until`; return whether more
        is to be done.

        The work begins with the beginning of the log, and ends once the index has all of its events.
        """
        if not self._lacks_series or self._series.works:
            return False
        if self._rebuilding is None:
            self._rebuilding = self._rebuild()
        try:
            while time.monotonic() < until:
                next(self._rebuilding)
        except StopIteration:
            self._lacks_series = False
        except Exception as error:  # readers build an index for themselves
            self._lacks_series = False
            _log.warning(LogMessage("cannot build the index of the series", run=self.run, reason=repr(error)))
        return self._lacks_series

    def _rebuild(self) -> Steps[None]:
        from esper_aggregator.past.rebuilt_series import RebuiltSeries  # imports NumPy, which takes long

        rebuilt = RebuiltSeries(self._run_dir)
        while self._log.whole and not self._series.works:
            yield from rebuilt.advance()
            if rebuilt.position >= self.position:
                break
            yield
        if rebuilt.position == self.position:
            self._series.resume(rebuilt.rows, rebuilt.writer)
            self._series.write_tail(self._history.state, self._log.end)

    def close(self) -> None:
        """Finish the log file and save a checkpoint of its end."""
        self._log.close()
        if self._log.whole:
            self._checkpoints.save(self._history, self._log.end)
            self._series.close(self._history.state, self._log.end)


def with_counters(link: LinkHealth, counters: LinkCounters) -> LinkHealth:
    """Add to the health of a link, as the log shows it, what never reached the log.

    Gaps are not added: the log has them too, as missing sequence numbers.
    """
    return replace(
        link,
        duplicates=link.duplicates + counters.duplicates,
        rejected=link.rejected + counters.rejected,
        duplicate_producers=len(counters.duplicate_producers),
        refused=counters.refused,
    )
