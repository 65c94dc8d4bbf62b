"""Sends a recorded run to an aggregator that its trainers could not reach.

It uses the trainers' protocol: events that the aggregator has are not sent again, and shipping can be
repeated, also after an interruption.
"""

import time
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import NamedTuple

from esper_bus.auth.keys import ClientKeys
from esper_bus.limits import BATCH_BYTES, BATCH_EVENTS
from esper_bus.mcap.reader import OnDamage, ignore_damage
from esper_bus.net.uplink import LONGEST_S, Uplink
from esper_bus.paths import RunPaths
from esper_bus.rate_limited_log import RateLimitedLog
from esper_bus.records import Batch, StreamKey
from esper_bus.store.batch_reader import BatchReader
from esper_bus.store.run_reader import read_raw
from esper_bus.store.spool_lock import LOCK_SUFFIX, is_dead
from esper_schemas.errors import InvalidArgument, Refused, Unreachable

PATIENCE_S = 30.0
"""Shipping is abandoned if the aggregator accepts nothing for this long."""
_BYE_TIMEOUT_S = 1.0


class Shipped(NamedTuple):
    """A stream that the aggregator has completely, and the number of its events in the run directory."""

    stream: StreamKey
    events: int


def ship(
    run_dir: Path,
    address: str,
    keys: ClientKeys | None = None,
    patience_s: float = PATIENCE_S,
    on_damage: OnDamage = ignore_damage,
) -> Iterator[Shipped]:
    """Send all events of a run to the aggregator with this ingest address, one stream after the other.

    Raises `Refused` for a run that is still being written or an aggregator that refuses its events,
    `InvalidArgument` for a run without events, and `Unreachable` for an aggregator that accepts nothing for
    `patience_s` seconds.
    """
    _refuse_running(run_dir)
    streams: dict[StreamKey, tuple[int, int]] = {}
    for record in read_raw(run_dir, on_damage):
        events, _ = streams.get(record.stream, (0, 0))
        streams[record.stream] = (events + 1, record.seq + 1)
    if not streams:
        raise InvalidArgument(f"{run_dir} contains no events; name a run directory.")
    for stream, (events, next_seq) in streams.items():
        store = _Recorded(run_dir, stream, next_seq)
        with closing(Uplink(address, stream, store, RateLimitedLog("esper.bus.net"), keys)) as uplink:
            _deliver(uplink, address, patience_s)
        yield Shipped(stream, events)


def _refuse_running(run_dir: Path) -> None:
    for lock in RunPaths(run_dir).spool_dir.glob(f"*{LOCK_SUFFIX}"):
        if not is_dead(lock):
            raise Refused(
                f"A trainer may still be writing {run_dir} and sends its events itself; stop it, or remove "
                f"{lock} if it was copied from another machine."
            )


def _deliver(uplink: Uplink, address: str, patience_s: float) -> None:
    link, acked, moved_at = uplink.link, -1, time.monotonic()
    while not link.complete:
        now = time.monotonic()
        uplink.exchange(now)
        if uplink.refusal:
            raise Refused(uplink.refusal)
        if link.acked != acked:
            acked, moved_at = link.acked, now
        if now - moved_at > patience_s:
            raise Unreachable(
                f"The aggregator at {address} has accepted nothing for {patience_s:g} s; check that it "
                "is running and ship again: received events are not sent twice."
            )
        _wait(uplink)
    uplink.send_bye()
    leave_at = time.monotonic() + _BYE_TIMEOUT_S
    while not link.bye_acknowledged and time.monotonic() < leave_at:
        uplink.exchange(time.monotonic())
        _wait(uplink)


def _wait(uplink: Uplink) -> None:
    time.sleep(max(0.0, min(uplink.wake_at() - time.monotonic(), LONGEST_S)))


class _Recorded:
    """The events of one stream in the files of its run; going back means reading from the start again."""

    def __init__(self, run_dir: Path, stream: StreamKey, next_seq: int) -> None:
        self.next_seq = next_seq
        self._run_dir, self._stream = run_dir, stream
        self._reader: BatchReader
        self._ahead: Batch
        self._passed: int  # events before this one need a rewind
        self._rewind()

    def fetch(self, first: int, max_events: int, max_bytes: int) -> Batch:
        """As `EventStore.fetch`."""
        if first < self._passed:
            self._rewind()
        while first >= self._ahead.end and (records := self._reader.take(BATCH_EVENTS, BATCH_BYTES)):
            self._passed, self._ahead = self._ahead.end, Batch.of(first, records)
        return self._ahead.part(first, max_events, max_bytes)

    def _rewind(self) -> None:
        records = (record for record in read_raw(self._run_dir) if record.stream == self._stream)
        self._reader = BatchReader(records)
        self._ahead = Batch(0, ())
        self._passed = 0
