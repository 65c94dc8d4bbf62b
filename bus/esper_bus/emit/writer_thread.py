"""The thread behind an emitter: writes events to the spool, then hands them to the aggregator.

It outlives every trouble: without a disk it keeps events in memory and sends them, without a socket it
keeps writing.
"""

import threading
import time
from collections.abc import Callable

from esper_bus.auth.keys import ClientKeys
from esper_bus.emit.emit_queue import EmitQueue
from esper_bus.emit.polling import PollingInterval
from esper_bus.emit.resend_buffer import ResendBuffer
from esper_bus.limits import SYNC_S
from esper_bus.mcap.append_file import FileDeletedError
from esper_bus.net.uplink import Uplink
from esper_bus.rate_limited_log import REPEAT_AFTER_S, RateLimitedLog
from esper_bus.records import Batch, StreamKey
from esper_bus.store.spool import SpoolQuotaError, SpoolWriter
from esper_schemas.codec import encode_event
from esper_schemas.events import Event, LogRecorded

_NO_SPOOL = "the spool cannot be written, events are kept in memory"
_DELETED = "the spool was deleted while it was being written"
_RETRY_SPOOL_S = 1.0
_SETTLED_S = 5.0
"""A trouble is over if it does not come back for so long: each acknowledgement may make a little room."""
_LONGEST_WAIT_S = 1.0
_AFTER_ERROR_S = 0.05
_GOODBYE_S = 0.2


class WriterThread(threading.Thread):
    """Owns the spool and the socket of one stream; ends some time after `stop`.

    `spooled` counts events in the spool, `acknowledged` those in the aggregator's log; `problem` is
    what is wrong now. It looks at the queue when the queue's doorbell rings, and for a while after that.
    """

    def __init__(
        self,
        key: StreamKey,
        queue: EmitQueue,
        spool: SpoolWriter,
        ingest: str | None,
        keys: ClientKeys | None = None,
    ) -> None:
        super().__init__(name=f"esper-{key.producer}", daemon=True)
        self.spooled = 0
        self.acknowledged = 0
        self.errors = 0
        self._key = key
        self._queue = queue
        self._spool = spool
        self._ingest = ingest
        self._keys = keys
        self._log = RateLimitedLog("esper.bus.emit", run=key.run, producer=key.producer)
        self._backlog = ResendBuffer(self._read_spool)
        self._uplink: Uplink | None = None
        self._pace = PollingInterval()
        self._doorbell = queue.doorbell
        self._stop_at: float | None = None
        self._spool_problem = ""
        self._spool_retry_at = 0.0
        self._spool_failed_at = 0.0
        self._told_at: dict[str, float] = {}
        self._told = False  # of a trouble that is not over
        self._notices: list[Event] = []  # what this thread itself has to say in the stream
        self._own: tuple[int, ...] = ()  # the numbers of what it said, as far as it is in memory
        self._synced_at = 0.0

    @property
    def problem(self) -> str:
        """What keeps events from the spool or the aggregator now, empty if nothing does."""
        uplink = self._uplink
        return self._spool_problem or (uplink.problem if uplink else "")

    @property
    def held(self) -> int:
        """How many events of the program exist only in memory, of those that were taken."""
        first = self._backlog.next_seq - self._backlog.held_count
        return self._backlog.held_count - sum(number >= first for number in self._own)

    def give_up(self) -> int:
        """Forget, once the thread has ended, what exists only in memory; how many events of the program."""
        count = self.held
        self._backlog.mark_safe(self._backlog.next_seq)
        return count

    def stop(self, deadline: float) -> None:
        """Write what is left, wait for acknowledgements until `deadline` (monotonic), then end."""
        self._stop_at = deadline
        self._doorbell.ring()

    def run(self) -> None:
        """What the thread does."""
        if self._ingest is not None:
            self._uplink = Uplink(self._ingest, self._key, self._backlog, self._log, self._keys)
        self._pace.woken(time.monotonic())  # events may have come before this thread
        while self._stop_at is None:
            self._supervised(self._turn)
        self._supervised(self._finish)
        self._supervised(self._close)

    def _supervised(self, step: Callable[[], None]) -> None:
        try:
            step()
        except Exception as error:
            self.errors += 1
            self._log.warn("the recorder failed and goes on", error=repr(error))
            time.sleep(_AFTER_ERROR_S)

    def _turn(self) -> None:
        self._wait()
        now = time.monotonic()
        if self._pace.due(now):
            self._pace.drained(now, self._drain(now), more=self._queue.crowded)
            if self._pace.drain_at is None:
                self._await_wake(now)
        self._tend(now)

    def _await_wake(self, now: float) -> None:
        self._queue.idle = True
        if self._queue:  # it came before `idle` was set, so nobody will wake us
            self._queue.idle = False
            self._pace.woken(now)

    def _wait(self) -> None:
        if self._doorbell.wait(self._wake_at() - time.monotonic()):
            self._pace.woken(time.monotonic())

    def _wake_at(self) -> float:
        times = [time.monotonic() + _LONGEST_WAIT_S]
        if self._pace.drain_at is not None:
            times.append(self._pace.drain_at)
        if self._uplink is not None:
            times.append(self._uplink.wake_at())
        if self._spool_problem and self._backlog.held_count:
            times.append(self._spool_retry_at)
        if self._stop_at is not None:
            times.append(self._stop_at)
        return min(times)

    def _drain(self, now: float, *, last: bool = False) -> int:
        taken = self._queue.take()
        losses = self._queue.losses(even_if_full=last)
        own: list[Event] = [*self._notices, losses] if losses else self._notices
        if losses:
            self._log.warn("events were dropped", count=losses.count, kinds=losses.by_kind)
        entries = [*taken, *((time.time_ns(), encode_event(event)) for event in own)]
        self._notices = []
        self._backlog.append(entries)
        self._remember_own(len(own))
        self._queue.account(self._backlog.held_count, self._backlog.held_bytes)
        self._write_spool(now)
        return len(entries) + len(self._notices)

    def _remember_own(self, count: int) -> None:
        """The last events are this thread's own, and nobody who emits misses them."""
        if count:
            first, end = self._backlog.first_seq, self._backlog.next_seq
            self._own = (*(number for number in self._own if number >= first), *range(end - count, end))

    def _tend(self, now: float) -> None:
        if self._spool_problem and now >= self._spool_retry_at:
            self._write_spool(now)
        if self._told and now - self._spool_failed_at >= _SETTLED_S:
            self._tell_over(now)
        if now - self._synced_at >= SYNC_S:
            self._sync(now)
        if self._uplink is not None and not self._queue.pressing:
            self._uplink.exchange(now)
            self.acknowledged = self._uplink.link.acked
            self._backlog.mark_safe(self.acknowledged)
            if not self._spool_problem:
                self._backlog.forget(self.acknowledged)
        self._queue.account(self._backlog.held_count, self._backlog.held_bytes)

    def _write_spool(self, now: float) -> None:
        held = self._backlog.held()
        if not held.entries or (self._spool_problem and now < self._spool_retry_at):
            return
        try:
            self._spool.write(held, self.acknowledged)
        except FileDeletedError:
            self._begin_again(now)
            return
        except OSError as error:
            self._spool_failed(error, now)
            return
        self.spooled += len(held.entries)
        self._backlog.mark_safe(self._backlog.next_seq)
        if self._spool_problem:  # there is room again before anybody hears so
            self._queue.account(self._backlog.held_count, self._backlog.held_bytes)
            self._spool_problem = ""
        self._log.resolved(_NO_SPOOL)

    def _begin_again(self, now: float) -> None:
        """Write to a new spool what the deleted one had, as far as it is in memory and not acknowledged."""
        self.spooled -= self._backlog.take_back(self.acknowledged)
        held = self._backlog.held_count
        try:
            self._spool.begin_again(self._backlog.next_seq - held)
        except OSError as error:
            self._spool_failed(error, now)
            return
        gone = max(0, self._backlog.first_seq - self.acknowledged)
        self._log.warn(_DELETED, new=str(self._spool.path), written_again=held, gone=gone)
        self._tell(_DELETED, f"{held} events are written again, {gone} are gone", now)
        self._spool_retry_at = now
        self._write_spool(now)

    def _spool_failed(self, error: OSError, now: float) -> None:
        problem = f"Cannot write {self._spool.path} ({error.strerror}); free space."
        if isinstance(error, SpoolQuotaError):
            problem = str(error)
        if not self._told and self._tell(_NO_SPOOL, problem, now):
            self._told = True
        self._spool_problem = problem
        self._spool_failed_at = now
        self._spool_retry_at = now + _RETRY_SPOOL_S
        self._log.warn(_NO_SPOOL, reason=problem)

    def _tell(self, kind: str, reason: str, now: float) -> bool:
        """Tell also those who watch the run elsewhere, or read it later, at most once a minute."""
        if now - self._told_at.get(kind, -REPEAT_AFTER_S) < REPEAT_AFTER_S:
            return False
        self._told_at[kind] = now
        self._notice(LogRecorded(level="warning", message=f"{kind}: {reason}"), now)
        return True

    def _tell_over(self, now: float) -> None:
        if self._told and not self._spool_problem:
            self._told = False
            self._notice(LogRecorded(level="info", message=f"over: {_NO_SPOOL}"), now)

    def _notice(self, event: Event, now: float) -> None:
        self._notices.append(event)
        self._pace.woken(now)  # perhaps nothing else comes

    def _sync(self, now: float) -> None:
        self._synced_at = now
        try:
            self._spool.sync()
        except FileDeletedError:
            self._begin_again(now)
        except OSError as error:
            self._log.warn("the spool cannot be forced to the disk", error=error.strerror)

    def _read_spool(self, first: int, max_events: int, max_bytes: int) -> Batch:
        try:
            return self._spool.read(first, max_events, max_bytes)
        except OSError as error:
            self._log.warn("the spool cannot be read", error=error.strerror)
            return Batch(first, ())

    def _finish(self) -> None:
        now = time.monotonic()
        self._spool_retry_at = now
        while self._queue:
            self._drain(now)
        self._drain(now, last=True)
        self._sync(now)
        self._tell_over(now)
        if self._notices:
            self._drain(now, last=True)
        while self._may_deliver():
            self._wait()
            self._tend(time.monotonic())
        self._say_goodbye()

    def _may_deliver(self) -> bool:
        """Whether waiting may still bring events to an aggregator that is there."""
        now = time.monotonic()
        if self._uplink is None or self._stop_at is None or now >= self._stop_at:
            return False
        link = self._uplink.link
        return not (link.complete or self._uplink.problem or link.silent(now))

    def _say_goodbye(self) -> None:
        if self._uplink is None or not self._uplink.link.streaming:
            return
        self._uplink.goodbye()
        deadline = min(self._stop_at or 0.0, time.monotonic() + _GOODBYE_S)
        while not self._uplink.link.said_goodbye and time.monotonic() < deadline:
            self._wait()
            self._tend(time.monotonic())

    def _close(self) -> None:
        delivered = self._uplink is not None and self._uplink.link.complete
        if self._uplink is not None:
            self._uplink.close()
        try:
            self._spool.close(delivered=delivered)
        except OSError as error:
            self._log.warn("the spool stays without an index", error=error.strerror)
