"""Shows a recorded run as a source of snapshots, and follows it while it is still being written."""

import time
from pathlib import Path

from msgspec.structs import replace

from esper_aggregator.fold.fold import fold
from esper_aggregator.fold.projection import project
from esper_aggregator.fold.run_state import RunState
from esper_aggregator.fold_checkpoints import find_whole_checkpoint
from esper_aggregator.past.open_past import new_past
from esper_aggregator.past.stream_numbers import next_seqs
from esper_bus.mcap.reader import Damage, OnDamage, ignore_damage
from esper_bus.store.growing_run import Beginning, GrowingRun
from esper_bus.store.run_reader import readable_files
from esper_schemas.declarations import RunThresholds
from esper_schemas.errors import EsperError
from esper_schemas.source import Feed, OnProgress, ignore_progress

REFRESH_S = 0.1
"""Interval between two looks at the files of a run."""
FOLD_S = 0.02
"""Time for new events in one `poll`; the rest waits for the next one."""
OPEN_S = 1.0
"""Time for the events of a log when it is opened; a longer one has no snapshot before it is read."""
READ_S = 0.2
"""Time in one `poll` while there is no snapshot yet: keys are answered after it."""
_READ_EVENTS = 256


class FoldedLog:
    """The state of a run directory or .mcap file, which follows what is added to it.

    It begins at the last checkpoint, or at the end of the past that was kept. `given` are thresholds that
    replace those of the run. Raises `EsperError` if nothing at `path` can be read as a log.
    """

    def __init__(
        self, path: Path, on_damage: OnDamage = ignore_damage, given: RunThresholds | None = None
    ) -> None:
        self._path = path
        self._on_damage = on_damage
        self._run: GrowingRun | None = None
        self._past = new_past(path, given, on_damage)
        self._opening = self._past.open(readable_files(path))
        found = find_whole_checkpoint(path, given=given) if path.is_dir() else None
        if found is None:
            self.state = RunState(given=given)  # until the past is open
        else:
            self.state, position = found
            self._follow(Beginning.after(position, path, next_seqs(self.state, self.state.run)))

    @property
    def share_read(self) -> float:
        """The share of the log that was read, while it is read from its beginning."""
        return self._past.share_read

    @property
    def replaced(self) -> bool:
        """Whether the log is not the one any more that was folded."""
        return self._run is not None and self._run.replaced

    def advance(self, until: float = float("inf")) -> bool:
        """Fold events until the monotonic clock shows `until`; returns whether all of them are folded."""
        if self._run is None:
            if not self._opened(until):
                return False
            self.state, places, channels = self._past.growing()
            self._follow(Beginning(places.next_seqs, places.offsets, channels))
        return self._fold_new(until)

    def _opened(self, until: float) -> bool:
        """Fold the past of the run; returns whether all of it is folded."""
        try:
            for _ in self._opening:
                if time.monotonic() >= until:
                    return False
        except (EsperError, OSError):
            self._opening = self._past.open(readable_files(self._path))  # it may be readable later
            raise
        return True

    def _follow(self, beginning: Beginning) -> None:
        self._run = GrowingRun(self._path, self._on_damage, beginning)

    def _fold_new(self, until: float) -> bool:
        while self._run and (records := self._run.read(_READ_EVENTS)):
            for record in records:
                fold(self.state, record.decoded())
            if time.monotonic() >= until:
                return False
        return True

    def refresh(self) -> None:
        """Look for new events; to be called once `advance` has returned True."""
        if self._run is not None:
            self._run.refresh()


class LogSource:
    """Shows the end of a recorded run as a `SnapshotSource`, with its own thresholds or `given` ones.

    A long log is read by `poll`, or at once by `read_all`; until then its feed says how much of it was read.
    Events that are added later are folded by `poll`. Raises `EsperError` if `path` cannot be read as a log.
    """

    def __init__(
        self, path: Path, on_damage: OnDamage = ignore_damage, given: RunThresholds | None = None
    ) -> None:
        self.path = path
        self._given = given
        self._report: OnDamage = on_damage
        self._problem = ""
        self._log = FoldedLog(path, self._damaged, given)
        self._all_folded = self._opened = self._log.advance(time.monotonic() + OPEN_S)
        self._feed = self._new_feed()
        self._refresh_at = 0.0

    def read_all(self, on_progress: OnProgress = ignore_progress) -> None:
        """Read the whole log before `poll` is called; damage is reported where it is found."""
        while not self._opened:
            on_progress(self._log.share_read)
            self._all_folded = self._opened = self._log.advance(time.monotonic() + READ_S)
        self._feed = self._new_feed()

    def poll(self) -> Feed:
        """Return the snapshot at the end of the log, as far as it was folded until now."""
        self._report = self._show_damage  # the screen is drawn from now on
        if not self._opened:
            return self._continue_reading()
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

    def _continue_reading(self) -> Feed:
        try:
            self._all_folded = self._opened = self._log.advance(time.monotonic() + READ_S)
        except (EsperError, OSError) as error:
            self._problem = str(error)
        self._feed = self._new_feed()
        return self._feed

    def _follow(self, now: float) -> None:
        if self._all_folded:
            self._refresh_at = now + REFRESH_S
            if self._log.replaced:
                self._log = FoldedLog(self.path, self._damaged, self._given)
                self._opened, self._problem = False, ""
                return
            self._log.refresh()
        self._all_folded = self._log.advance(now + FOLD_S)

    def _position(self) -> tuple[FoldedLog, int, str]:
        """What a feed depends on."""
        return self._log, self._log.state.events_folded, self._problem

    def _new_feed(self) -> Feed:
        self._shown = self._position()
        feed = Feed(live=False, origin=str(self.path), problem=self._problem)
        if not self._opened:
            return replace(feed, share_read=self._log.share_read)
        return feed.at(project(self._log.state))

    def _damaged(self, damage: Damage) -> None:
        self._report(damage)

    def _show_damage(self, damage: Damage) -> None:
        self._problem = f"{damage.file} is damaged at byte {damage.offset} ({damage.what})."
