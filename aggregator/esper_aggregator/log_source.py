"""Shows a recorded run as a source of snapshots, and follows it while it is still being written."""

import time
from pathlib import Path

from esper_aggregator.fold.fold import fold
from esper_aggregator.fold.projection import project
from esper_aggregator.fold_checkpoints import find_whole_checkpoint
from esper_aggregator.past.open_past import open_past
from esper_aggregator.past.stream_numbers import next_seqs
from esper_bus.mcap.reader import Damage, OnDamage, ignore_damage
from esper_bus.store.growing_run import Beginning, GrowingRun
from esper_schemas.declarations import RunThresholds
from esper_schemas.errors import EsperError
from esper_schemas.source import Feed

REFRESH_S = 0.1
"""Interval between two looks at the files of a run."""
FOLD_S = 0.02
"""Time for new events in one `poll`; the rest waits for the next one."""
_READ_EVENTS = 256


class FoldedLog:
    """The state of a run directory or .mcap file, which follows what is added to it.

    It begins at the last checkpoint, or at the end of the past that was kept. `given` are thresholds that
    replace those of the run. Raises `EsperError` if nothing at `path` can be read as a log.
    """

    def __init__(
        self, path: Path, on_damage: OnDamage = ignore_damage, given: RunThresholds | None = None
    ) -> None:
        found = find_whole_checkpoint(path, given=given) if path.is_dir() else None
        if found is not None:
            self.state, position = found
            beginning = Beginning.after(position, path, next_seqs(self.state, self.state.run))
        else:
            self.state, places, channels = open_past(path, given, on_damage).growing()
            beginning = Beginning(places.next_seqs, places.offsets, channels)
        self._run = GrowingRun(path, on_damage, beginning)

    @property
    def replaced(self) -> bool:
        """Whether the log is not the one any more that was folded."""
        return self._run.replaced

    def advance(self, until: float = float("inf")) -> bool:
        """Fold events until the monotonic clock shows `until`; returns whether all of them are folded."""
        while records := self._run.read(_READ_EVENTS):
            for record in records:
                fold(self.state, record.decoded())
            if time.monotonic() >= until:
                return False
        return True

    def refresh(self) -> None:
        """Look for new events; to be called once `advance` has returned True."""
        self._run.refresh()


class LogSource:
    """Shows the end of a recorded run as a `SnapshotSource`, with its own thresholds or `given` ones.

    Events that are added later are folded by `poll`. Raises `EsperError` if `path` cannot be read as a log.
    """

    def __init__(
        self, path: Path, on_damage: OnDamage = ignore_damage, given: RunThresholds | None = None
    ) -> None:
        self._path = path
        self._given = given
        self._report: OnDamage = on_damage
        self._problem = ""
        self._log = FoldedLog(path, self._damaged, given)
        self._log.advance()
        self._report = self._show_damage  # the screen is drawn from now on
        self._feed = self._new_feed()
        self._refresh_at = 0.0
        self._all_folded = True

    def poll(self) -> Feed:
        """Return the snapshot at the end of the log, as far as it was folded until now."""
        now = time.monotonic()
        if not self._all_folded or now >= self._refresh_at:
            try:
                self._follow(now)
            except (EsperError, OSError) as error:
                self._problem = str(error)
            if self._position() != self._shown:
                self._feed = self._new_feed()
        return self._feed

    def close(self) -> None:
        """Do nothing: no file is open."""

    def _follow(self, now: float) -> None:
        if self._all_folded:
            self._refresh_at = now + REFRESH_S
            if self._log.replaced:
                self._log = FoldedLog(self._path, self._damaged, self._given)
                self._problem = ""
            else:
                self._log.refresh()
        self._all_folded = self._log.advance(now + FOLD_S)

    def _position(self) -> tuple[FoldedLog, int, str]:
        """What a feed depends on."""
        return self._log, self._log.state.events_folded, self._problem

    def _new_feed(self) -> Feed:
        self._shown = self._position()
        snapshot = project(self._log.state)
        return Feed(snapshot=snapshot, live=False, origin=str(self._path), problem=self._problem)

    def _damaged(self, damage: Damage) -> None:
        self._report(damage)

    def _show_damage(self, damage: Damage) -> None:
        self._problem = f"{damage.file} is damaged at byte {damage.offset} ({damage.what})."
