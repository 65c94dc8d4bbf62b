"""One run being recorded: its log on disk and its folded state, always in step."""

import logging
from collections.abc import Iterable, Sequence
from contextlib import suppress
from copy import copy
from pathlib import Path

from msgspec.structs import replace

from esper_aggregator.checkpoints import CheckpointWriter, next_seqs, restore
from esper_aggregator.fold.fold import fold
from esper_aggregator.fold.projection import project
from esper_bus.protocol.receiver import LinkCounters
from esper_bus.rate_limited_log import LogMessage
from esper_bus.records import RawRecord, StreamKey
from esper_bus.store.log_writer import LogWriter
from esper_schemas.codec import encode_snapshot
from esper_schemas.snapshot import LinkHealth

_log = logging.getLogger("esper.aggregator")


class Recording:
    """Appends records to a run's log and folds the same records.

    Opening one folds what the log already holds, from the last checkpoint on, so that a restarted aggregator
    continues where the log ends: writing an event to the log and advancing are one act.
    """

    def __init__(self, run_dir: Path, aggregator_epoch: int) -> None:
        self.run = run_dir.name
        self.changed = True
        self._arrivals = LinkCounters()
        self._state, behind = restore(run_dir)
        self._advance(behind)
        self._checkpoints = CheckpointWriter(run_dir, self.position)
        self._unpublished: list[RawRecord] = []
        self._log = LogWriter(run_dir, self.run, aggregator_epoch, first_position=self.position)

    @property
    def position(self) -> int:
        """How many records the log holds."""
        return self._state.events_folded

    @property
    def next_seqs(self) -> dict[StreamKey, int]:
        """The number of the next event of each stream."""
        return next_seqs(self._state, self.run)

    def extend(self, records: Sequence[RawRecord]) -> None:
        """Log records and fold them. Raises `StorageError`, and has taken none, where that fails."""
        self._log.extend(records)
        self._unpublished += records
        self._advance(records)

    def flush(self) -> None:
        """Hand what was appended to the operating system; only then may it be acknowledged.

        Raises `StorageError` if that fails; it may be tried again.
        """
        self._log.flush()
        if self._log.whole:  # else the state knows what the log has no longer
            self._checkpoints.save_if_due(self._state, self._log.place)

    def take_flushed(self) -> tuple[int, list[RawRecord]]:
        """The records that were flushed since the last call, and the position of the first of them."""
        records, self._unpublished = self._unpublished, []
        return self.position - len(records), records

    def heard(self, arrivals: LinkCounters) -> None:
        """Take over what went wrong on the way here, which no event of the log tells."""
        if arrivals != self._arrivals:
            names = arrivals.duplicate_producers
            if set(names) - set(self._arrivals.duplicate_producers):
                message = LogMessage("several trainers use the same producer name", run=self.run, names=names)
                _log.warning(message)
            self._arrivals, self.changed = copy(arrivals), True

    def snapshot(self) -> bytes:
        """The encoded snapshot of the state; its link tells also of what never reached the log."""
        self.changed = False
        snapshot = project(self._state)
        return encode_snapshot(replace(snapshot, link=with_arrivals(snapshot.link, self._arrivals)))

    def close(self) -> None:
        """Finish the log file, and leave a checkpoint at its end."""
        self._log.close()
        if self._log.whole:
            self._checkpoints.save(self._state, self._log.place)

    def _advance(self, records: Iterable[RawRecord]) -> None:
        for record in records:
            fold(self._state, record.decoded())
        self.changed = True


def with_arrivals(link: LinkHealth, arrivals: LinkCounters) -> LinkHealth:
    """The health of a link as the log tells it, and what was left out of the log since the start.

    Gaps need no adding: the log has them too, as numbers that are missing.
    """
    return replace(
        link,
        duplicates=link.duplicates + arrivals.duplicates,
        rejected=link.rejected + arrivals.rejected,
        rivals=len(arrivals.duplicate_producers),
        refused=arrivals.refused,
    )


def newest_run(runs_dir: Path) -> Path | None:
    """The run directory that was written last, None where there is no run yet."""
    logs = (path for log_dir in runs_dir.glob("*/log") for path in _log_files(log_dir) if path.is_file())
    return next((path.parent.parent for path in newest_first(logs)), None)


def newest_first(paths: Iterable[Path]) -> list[Path]:
    """Those of the paths that are there, the one written last first; others may delete them meanwhile."""
    times: dict[Path, float] = {}
    for path in paths:
        with suppress(OSError):
            times[path] = path.stat().st_mtime
    return sorted(times, key=times.__getitem__, reverse=True)


def _log_files(log_dir: Path) -> list[Path]:
    try:
        return list(log_dir.glob("*.mcap"))
    except OSError:  # deleted since it was listed
        return []
