"""The thread of an emitter: writes events to the spool, then sends them to the aggregator.

It survives every failure: without a disk it keeps events in memory and sends them, without a socket it
goes on writing.
"""

import threading
import time
from collections.abc import Callable

from esper_bus.auth.keys import ClientKeys
from esper_bus.emit.emit_queue import EmitQueue
from esper_bus.emit.polling import PollingInterval
from esper_bus.emit.resend_buffer import ResendBuffer
from esper_bus.emit.value_check import checked, sentence
from esper_bus.limits import SYNC_S
from esper_bus.mcap.append_file import FileDeletedError
from esper_bus.net.uplink import Uplink
from esper_bus.rate_limited_log import REPEAT_AFTER_S, RateLimitedLog
from esper_bus.records import Batch, Entry, StreamKey
from esper_bus.store.spool import SpoolQuotaError, SpoolWriter
from esper_schemas.codec import encode_event
from esper_schemas.event_text import VALUE_LEFT_OUT
from esper_schemas.events import Event, LogRecorded

_NO_SPOOL = "cannot write the spool; events are kept in memory"
_DELETED = "the spool was deleted while it was being written"
_RETRY_SPOOL_S = 1.0
_SETTLED_S = 5.0
"""A problem is resolved if it does not return for this long: each acknowledgement may free a little space."""
_LONGEST_WAIT_S = 1.0
_AFTER_ERROR_S = 0.05
_BYE_S = 0.2
_MAX_REPORTS = 1000
"""Kinds of problems whose last report is remembered: names of values may be made up without end."""


class WriterThread(threading.Thread):
    """Owns the spool and the socket of one stream; ends some time after `stop`.

    `spooled` counts events in the spool, `acknowledged` those in the aggregator's log; `left_out` counts
    values that no reader could decode, `errors` unexpected exceptions. The queue is polled for a while after
    each event, otherwise a wake-up is awaited.
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
        self.left_out = 0
        self._key = key
        self._queue = queue
        self._spool = spool
        self._ingest = ingest
        self._keys = keys
        self._log = RateLimitedLog("esper.bus.emit", run=key.run, producer=key.producer)
        self._buffer = ResendBuffer(self._read_spool)
        self._uplink: Uplink | None = None
        self._polling = PollingInterval()
        self._stop_at: float | None = None
        self._spool_problem = ""
        self._value_problem, self._value_problem_at = "", 0.0
        self._spool_retry_at = 0.0
        self._spool_failed_at = 0.0
        self._reported_at: dict[str, float] = {}
        self._unresolved = False  # a problem was reported and its end was not
        self._reports: list[Event] = []  # events of this thread itself, not in the stream yet
        self._own_seqs: tuple[int, ...] = ()  # the numbers of its events, as far as they are in memory
        self._synced_at = 0.0

    @property
    def problem(self) -> str:
        """Why events, or values of them, are not recorded or sent at present; empty if they are."""
        uplink = self._uplink
        recent = time.monotonic() - self._value_problem_at < REPEAT_AFTER_S
        return (
            self._spool_problem
            or (uplink.problem if uplink else "")
            or (self._value_problem if recent else "")
        )

    @property
    def held(self) -> int:
        """How many of the events that were taken from the queue exist only in memory."""
        first = self._buffer.next_seq - self._buffer.held_count
        return self._buffer.held_count - sum(seq >= first for seq in self._own_seqs)

    def drop_held(self) -> int:
        """Drop the events that exist only in memory, once the thread has ended; returns how many."""
        count = self.held
        self._buffer.mark_safe(self._buffer.next_seq)
        return count

    def stop(self, deadline: float) -> None:
        """Write the remaining events, wait for acknowledgements until `deadline` (monotonic), then end."""
        self._stop_at = deadline
        self._queue.wake_up.set()

    def run(self) -> None:
        """Run until `stop` was called."""
        if self._ingest is not None:
            self._uplink = Uplink(self._ingest, self._key, self._buffer, self._log, self._keys)
        self._polling.start(time.monotonic())  # events may have been emitted before
        while self._stop_at is None:
            self._supervised(self._iterate)
        self._supervised(self._finish)
        self._supervised(self._close)

    def _supervised(self, step: Callable[[], None]) -> None:
        try:
            step()
        except Exception as error:
            self.errors += 1
            self._log.warn("unexpected error in the writer thread; continuing", error=repr(error))
            time.sleep(_AFTER_ERROR_S)

    def _iterate(self) -> None:
        self._wait()
        now = time.monotonic()
        if self._polling.is_due(now):
            self._polling.drained(now, self._drain(now), more=self._queue.exceeds_one_take)
            if self._polling.drain_at is None:
                self._request_wake_up(now)
        self._maintain(now)

    def _request_wake_up(self, now: float) -> None:
        self._queue.idle = True
        if self._queue:  # an event was put before `idle` was set, without a wake-up
            self._queue.idle = False
            self._polling.start(now)

    def _wait(self) -> None:
        if self._queue.wake_up.wait(self._wake_at() - time.monotonic()):
            self._polling.start(time.monotonic())

    def _wake_at(self) -> float:
        times = [time.monotonic() + _LONGEST_WAIT_S]
        if self._polling.drain_at is not None:
            times.append(self._polling.drain_at)
        if self._uplink is not None:
            times.append(self._uplink.wake_at())
        if self._spool_problem and self._buffer.held_count:
            times.append(self._spool_retry_at)
        if self._stop_at is not None:
            times.append(self._stop_at)
        return min(times)

    def _drain(self, now: float, *, last: bool = False) -> int:
        taken = self._checked(self._queue.take(), now)
        losses = self._queue.losses(even_if_full=last)
        own: list[Event] = [*self._reports, losses] if losses else self._reports
        if losses:
            self._log.warn("events were dropped", count=losses.count, kinds=losses.by_kind)
        entries = [*taken, *((time.time_ns(), encode_event(event)) for event in own)]
        self._reports = []
        self._buffer.append(entries)
        self._note_own(len(own))
        self._queue.account(self._buffer.held_count, self._buffer.held_bytes)
        self._write_spool(now)
        return len(entries) + len(self._reports)

    def _checked(self, taken: list[Entry], now: float) -> list[Entry]:
        """The entries without the values that no reader could decode, which are reported."""
        entries, left_out, refused = checked(taken)
        for value in left_out:
            self.left_out += 1
            self._value_problem, self._value_problem_at = sentence(value), now
            self._log.warn(VALUE_LEFT_OUT, event_kind=value.kind, field=value.field, value=value.value)
            self._report(f"{VALUE_LEFT_OUT}: {value.kind}.{value.field}", f"it is {value.value}", now)
        for kind in refused:
            self._queue.drop_taken(1, kind)
            self._log.warn("cannot record an event", event_kind=kind)
        return entries

    def _note_own(self, count: int) -> None:
        """The last `count` events are this thread's own: they do not count as emitted, nor as held."""
        if count:
            first, end = self._buffer.first_seq, self._buffer.next_seq
            self._own_seqs = (*(seq for seq in self._own_seqs if seq >= first), *range(end - count, end))

    def _maintain(self, now: float) -> None:
        if self._spool_problem and now >= self._spool_retry_at:
            self._write_spool(now)
        if self._unresolved and now - self._spool_failed_at >= _SETTLED_S:
            self._report_resolved(now)
        if now - self._synced_at >= SYNC_S:
            self._sync(now)
        if self._uplink is not None and not self._queue.half_full:
            self._uplink.exchange(now)
            self.acknowledged = self._uplink.link.acked
            self._buffer.mark_safe(self.acknowledged)
            if not self._spool_problem:
                self._buffer.drop_before(self.acknowledged)
        self._queue.account(self._buffer.held_count, self._buffer.held_bytes)

    def _write_spool(self, now: float) -> None:
        held = self._buffer.held()
        if not held.entries or (self._spool_problem and now < self._spool_retry_at):
            return
        try:
            self._spool.write(held, self.acknowledged)
        except FileDeletedError:
            self._restart_spool(now)
            return
        except OSError as error:
            self._spool_failed(error, now)
            return
        self.spooled += len(held.entries)
        self._buffer.mark_safe(self._buffer.next_seq)
        if self._spool_problem:  # make room before the problem counts as resolved
            self._queue.account(self._buffer.held_count, self._buffer.held_bytes)
            self._spool_problem = ""
        self._log.resolved(_NO_SPOOL)

    def _restart_spool(self, now: float) -> None:
        """Write the events of a deleted spool to a new one, as far as in memory and not acknowledged."""
        self.spooled -= self._buffer.mark_lost(self.acknowledged)
        held = self._buffer.held_count
        try:
            self._spool.restart(self._buffer.next_seq - held)
        except OSError as error:
            self._spool_failed(error, now)
            return
        gone = max(0, self._buffer.first_seq - self.acknowledged)
        self._log.warn(_DELETED, new=str(self._spool.path), rewritten=held, lost=gone)
        self._report(_DELETED, f"{held} events are written again, {gone} are lost", now)
        self._spool_retry_at = now
        self._write_spool(now)

    def _spool_failed(self, error: OSError, now: float) -> None:
        problem = f"Cannot write {self._spool.path} ({error.strerror}); free space."
        if isinstance(error, SpoolQuotaError):
            problem = str(error)
        if not self._unresolved and self._report(_NO_SPOOL, problem, now):
            self._unresolved = True
        self._spool_problem = problem
        self._spool_failed_at = now
        self._spool_retry_at = now + _RETRY_SPOOL_S
        self._log.warn(_NO_SPOOL, reason=problem)

    def _report(self, kind: str, reason: str, now: float) -> bool:
        """Record a problem in the stream itself, at most once a minute; returns whether it was recorded."""
        if now - self._reported_at.get(kind, -REPEAT_AFTER_S) < REPEAT_AFTER_S:
            return False
        if len(self._reported_at) >= _MAX_REPORTS:
            self._reported_at.clear()
        self._reported_at[kind] = now
        self._add_report(LogRecorded(level="warning", message=f"{kind}: {reason}"), now)
        return True

    def _report_resolved(self, now: float) -> None:
        if self._unresolved and not self._spool_problem:
            self._unresolved = False
            self._add_report(LogRecorded(level="info", message=f"resolved: {_NO_SPOOL}"), now)

    def _add_report(self, event: Event, now: float) -> None:
        self._reports.append(event)
        self._polling.start(now)  # there may be no other event

    def _sync(self, now: float) -> None:
        self._synced_at = now
        try:
            self._spool.sync()
        except FileDeletedError:
            self._restart_spool(now)
        except OSError as error:
            self._log.warn("cannot sync the spool to the disk", error=error.strerror)

    def _read_spool(self, first: int, max_events: int, max_bytes: int) -> Batch | None:
        try:
            return self._spool.read(first, max_events, max_bytes)
        except OSError as error:  # such as too many open files: the aggregator gets the events later
            self._log.warn("cannot read the spool", error=error.strerror)
            return None

    def _finish(self) -> None:
        now = time.monotonic()
        self._spool_retry_at = now
        while self._queue:
            self._drain(now)
        self._drain(now, last=True)
        self._sync(now)
        self._report_resolved(now)
        if self._reports:
            self._drain(now, last=True)
        while self._may_deliver():
            self._wait()
            self._maintain(time.monotonic())
        self._send_bye()

    def _may_deliver(self) -> bool:
        """Whether an aggregator may still acknowledge events before the deadline."""
        now = time.monotonic()
        if self._uplink is None or self._stop_at is None or now >= self._stop_at:
            return False
        link = self._uplink.link
        return not (link.complete or self._uplink.problem or link.silent(now))

    def _send_bye(self) -> None:
        if self._uplink is None or not self._uplink.link.streaming:
            return
        self._uplink.send_bye()
        deadline = min(self._stop_at or 0.0, time.monotonic() + _BYE_S)
        while not self._uplink.link.bye_acknowledged and time.monotonic() < deadline:
            self._wait()
            self._maintain(time.monotonic())

    def _close(self) -> None:
        delivered = self._uplink is not None and self._uplink.link.complete
        if self._uplink is not None:
            self._uplink.close()
        try:
            self._spool.close(delivered=delivered)
        except OSError as error:
            self._log.warn("the spool has no index", error=error.strerror)
