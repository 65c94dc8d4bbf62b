"""`for record in subscribe(...)`: the recorded events of a run, then new ones, each event once."""

import time
from collections import deque
from collections.abc import Collection, Iterable, Iterator
from difflib import get_close_matches
from pathlib import Path
from typing import Protocol

from esper_bus.addresses import for_runs_dir, parse
from esper_bus.auth.keys import client_keys_for
from esper_bus.names import check_name
from esper_bus.net.live_events import LiveEvents
from esper_bus.paths import default_runs_dir
from esper_bus.records import RawRecord
from esper_bus.store.file_events import FileEvents
from esper_schemas.codec import kind_of
from esper_schemas.errors import EsperError, InvalidArgument
from esper_schemas.events import EVENT_TYPES, Event, Record, Undecodable

_CHECK_S = 1.0
_KINDS = frozenset({Undecodable.__name__, *(kind.__name__ for kind in EVENT_TYPES)})


class EventReader(Protocol):
    """The source of a subscription's events: an aggregator, or files."""

    position: int

    def read(self, timeout_s: float) -> list[RawRecord]:
        """Return the next events; wait until there are some, empty after about `timeout_s`."""

    def skip_to_end(self) -> None:
        """Skip the events that exist now."""

    def close(self) -> None:
        """Release all resources."""


class Subscription:
    """An iterator over records; close it, or use it as a context manager, to end it early.

    `position` counts the events of the run up to the last returned record, of all kinds. For an aggregator or
    a single file, pass it as `start` to continue there in another process. This does not work for a run
    directory: its files are merged, in another order once an aggregator has logged more of them.
    """

    def __init__(self, feed: EventReader, kinds: frozenset[str] | None, timeout: float | None) -> None:
        self._feed = feed
        self._kinds = kinds
        self._timeout = timeout
        self._waiting: deque[RawRecord] = deque()
        self._closed = False

    @property
    def position(self) -> int:
        """How many events of the run were returned or skipped."""
        return self._feed.position - len(self._waiting)

    def __iter__(self) -> Iterator[Record]:
        return self

    def __next__(self) -> Record:
        while not self._closed:
            if not self._waiting:
                self._waiting.extend(self._more())
            while self._waiting:
                record = self._waiting.popleft().decoded()
                if self._kinds is None or kind_of(record.event) in self._kinds:
                    return record
        raise StopIteration

    def close(self) -> None:
        """End the subscription."""
        if not self._closed:
            self._closed = True
            self._waiting.clear()
            self._feed.close()

    def __enter__(self) -> "Subscription":
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _more(self) -> list[RawRecord]:
        """Return the next events; close the subscription on an error."""
        try:
            return self._read()
        except EsperError:
            self.close()
            raise

    def _read(self) -> list[RawRecord]:
        """Return the next events; close the subscription after `timeout` seconds without any."""
        deadline = None if self._timeout is None else time.monotonic() + self._timeout
        while True:
            left = _CHECK_S if deadline is None else deadline - time.monotonic()
            records = self._feed.read(max(0.0, min(_CHECK_S, left)))
            if records:
                return records
            if deadline is not None and time.monotonic() >= deadline:
                self.close()
                return []


def subscribe(
    source: str | Path | None = None,
    *,
    kinds: Collection[type[Event] | str] | type[Event] | str | None = None,
    run: str | None = None,
    start: int | None = 0,
    timeout: float | None = None,
    keys: str | Path | None = None,
) -> Subscription:
    """Iterate over the events of a run, each once: the recorded ones, then new ones as they are emitted.

    source: an aggregator's address (`tcp://127.0.0.1:5556`), or a run directory or .mcap file, which is
    followed while it grows; default, the aggregator of `$ESPER_RUNS_DIR` or `./runs`.
    kinds: event classes or their names, or a single one; default, all.
    run: one of the aggregator's runs; default, the newest.
    start: number of events to skip; None skips all that exist now.
    timeout: seconds without an event after which the iteration ends; default, never.
    keys: path of a client's key file with the right to view.

    Raises `InvalidArgument` for an invalid address, an unknown kind, a path without a recording, or a `start`
    other than 0 for a run directory; `Unreachable` if `start` is None and no aggregator answers. Iterating
    raises `Refused` if the key may not view or the aggregator has another version, and waits while there is
    no aggregator or no such run.
    """
    names = None if kinds is None else _names(kinds)
    feed = _feed(source, None if run is None else check_name("run", run), _number(start), keys)
    subscription = Subscription(feed, names, timeout)
    if start is None:
        try:
            feed.skip_to_end()
        except EsperError:
            subscription.close()
            raise
    return subscription


def _names(kinds: Collection[type[Event] | str] | type[Event] | str) -> frozenset[str]:
    """Return the names of the kinds. Raises `InvalidArgument` for an unknown one."""
    if isinstance(kinds, str | type) or not isinstance(kinds, Iterable):
        kinds = [kinds]
    names = frozenset(kind.__name__ if isinstance(kind, type) else str(kind) for kind in kinds)
    for name in sorted(names - _KINDS):
        near = get_close_matches(name, _KINDS, n=1) or ["PPOUpdateCompleted"]
        raise InvalidArgument(
            f"{name!r} is not a kind of event; use a class of esper_lite, such as {near[0]}."
        )
    return names


def _number(start: int | None) -> int:
    if start is None:
        return 0
    if isinstance(start, bool) or not isinstance(start, int) or start < 0:
        raise InvalidArgument(
            f"start={start!r} is not a number of events; pass 0 or more, or None for the end."
        )
    return start


def _feed(source: str | Path | None, run: str | None, start: int, keys: str | Path | None) -> EventReader:
    if source is not None and "://" not in str(source):
        feed = FileEvents(Path(source), start)
        if start and Path(source).is_dir():
            raise InvalidArgument(
                f"The order of events in {source} may change, so start={start} is not a fixed position; use "
                "an aggregator or a single .mcap file, or start=0."
            )
        return feed
    if source is None:
        return LiveEvents(for_runs_dir(default_runs_dir()), run, start)
    endpoints = parse(str(source), keyed=keys is not None)
    key_file = None if keys is None else Path(keys)
    return LiveEvents(endpoints, run, start, client_keys_for(endpoints.query, key_file))
