"""Brings a recorded run to an aggregator on another machine, as its trainers would have, had they lived.

Spoken is the trainers' own protocol, so what the aggregator has already is not sent again, and shipping
may be repeated, also after it was broken off.
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
"""So long an aggregator may take nothing before shipping is given up."""
_GOODBYE_S = 1.0


class Shipped(NamedTuple):
    """A stream of which the aggregator has everything: `events` are all that exist of it here."""

    stream: StreamKey
    events: int


def ship(
    run_dir: Path,
    address: str,
    keys: ClientKeys | None = None,
    patience_s: float = PATIENCE_S,
    on_damage: OnDamage = ignore_damage,
) -> Iterator[Shipped]:
    """Send all events of a run to the aggregator whose ingest address this is, one stream after the other.

    Raises `EsperError` for a run that is still written, one without events, and an aggregator that refuses
    them or takes none for `patience_s` seconds.
    """
    _refuse_living(run_dir)
    streams: dict[StreamKey, tuple[int, int]] = {}
    for record in read_raw(run_dir, on_damage):
        events, _ = streams.get(record.stream, (0, 0))
        streams[record.stream] = (events + 1, record.seq + 1)
    if not streams:
        raise InvalidArgument(f"{run_dir} holds no events; name the directory of a run.")
    for stream, (events, next_seq) in streams.items():
        store = _Recorded(run_dir, stream, next_seq)
        with closing(Uplink(address, stream, store, RateLimitedLog("esper.bus.net"), keys)) as uplink:
            _deliver(uplink, address, patience_s)
        yield Shipped(stream, events)


def _refuse_living(run_dir: Path) -> None:
    for lock in RunPaths(run_dir).spool_dir.glob(f"*{LOCK_SUFFIX}"):
        if not is_dead(lock):
            raise Refused(
                f"A trainer may still be writing {run_dir} and sends its events itself; end it, or remove "
                f"{lock} if that was copied from another machine."
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
                f"The aggregator at {address} has taken nothing for {patience_s:g} s; look whether it runs, "
                "and ship again: what has arrived is not sent twice."
            )
        _wait(uplink)
    uplink.send_bye()
    leave_at = time.monotonic() + _GOODBYE_S
    while not link.bye_acknowledged and time.monotonic() < leave_at:
        uplink.exchange(time.monotonic())
        _wait(uplink)


def _wait(uplink: Uplink) -> None:
    time.sleep(max(0.0, min(uplink.wake_at() - time.monotonic(), LONGEST_S)))


class _Recorded:
    """The events of one stream in the files of its run; to go back is to read from the beginning again."""

    def __init__(self, run_dir: Path, stream: StreamKey, next_seq: int) -> None:
        self.next_seq = next_seq
        self._run_dir, self._stream = run_dir, stream
        self._reader: BatchReader
        self._ahead: Batch
        self._passed: int  # no event before this one can be had without a rewind
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
