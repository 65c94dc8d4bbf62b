"""Live snapshots for viewers, from an aggregator's socket, which is drained to the latest one."""

import time
from collections.abc import Callable

import msgspec
import zmq

from esper_bus.addresses import Endpoints, is_local
from esper_bus.auth.handshake import Handshake
from esper_bus.auth.keys import ClientKeys
from esper_bus.net.sockets import Context, Socket, connect, disconnect, snapshot_client
from esper_bus.protocol.frames import FrameError, Frames, VersionError
from esper_bus.protocol.producer_link import REFUSED_RETRY_S
from esper_bus.protocol.snapshot_deltas import DeltaDecoder
from esper_bus.protocol.snapshot_messages import COMPRESSED_TOPIC, TOPIC, SnapshotHead, parse_snapshot_message
from esper_schemas.codec import decode_snapshot
from esper_schemas.errors import EsperError
from esper_schemas.snapshot import EMPTY_SNAPSHOT, SNAPSHOT_VERSION, SanctumSnapshot
from esper_schemas.source import Feed

RESOLVE_AFTER_S = 3.0
"""Silence after which the address is looked up again and the socket replaced."""
ASK_AFTER_S = 0.5
"""Pause between requests for a snapshot that was published but not received."""
CHOICE_S = 1.0
"""Time from the first snapshot to the choice of a run: an aggregator sends its runs one after another."""
_MESSAGES_AT_ONCE = 1000
_OTHER_VERSION = "The aggregator speaks another version ({}); install the same esper-lite on both."


class _Run:
    """What was received of one run."""

    __slots__ = ("body", "decoder", "head", "position", "snapshot")

    def __init__(self) -> None:
        self.head: SnapshotHead | None = None
        self.body = b""  # the newest snapshot, while it is not decoded
        self.position: int | None = None  # of the newest snapshot
        self.snapshot = EMPTY_SNAPSHOT
        self.decoder = DeltaDecoder()

    @property
    def started_ns(self) -> int:
        return self.snapshot.run.started_ns or 0

    @property
    def missed(self) -> bool:
        """Whether a newer snapshot was published than arrived here."""
        return self.head is not None and self.head.position != self.position


class SocketSource:
    """Snapshots of the selected run of an aggregator, or of the run that is the newest when it connects.

    It stays with that run: the feed only names those that begin later. resolve: returns the addresses of the
    aggregator, or raises an `EsperError`, whose text the feed shows. origin: the name of the aggregator;
    default, its address. keys: a client's key, for tcp. compress: whether to receive compressed snapshots;
    default, if the aggregator is on another machine. awaited: copied into the feed. Used from one thread;
    `poll` neither waits nor raises.
    """

    def __init__(
        self,
        resolve: Callable[[], Endpoints],
        origin: str = "",
        keys: ClientKeys | None = None,
        *,
        compress: bool | None = None,
        awaited: str = "",
    ) -> None:
        self._compress = compress
        self._awaited = awaited
        self._topic = TOPIC
        self._resolve = resolve
        self._keys = keys
        self._handshake: Handshake | None = None
        self._origin = origin
        self._context: Context | None = None
        self._socket: Socket | None = None
        self._address = ""
        self._resolve_at = 0.0
        self._ask_at = 0.0
        self._runs: dict[str, _Run] = {}
        self._selected = ""
        self._known: frozenset[str] = frozenset()
        self._known_at: float | None = None
        self._received_ns: int | None = None
        self._problem = ""
        self._closed = False

    def select(self, run: str | None) -> None:
        """Return snapshots of this run from now on; None selects the newest one. No other run is new then."""
        self._selected = run or next(iter(self._newest_first()), "")
        self._known |= self._runs.keys()

    def poll(self) -> Feed:
        """The latest snapshot, possibly the same as before; after `close` it no longer changes."""
        if self._closed:
            return self._feed()
        try:
            self._renew_if_silent(time.monotonic())
            self._drain()
            self._check_handshake(time.monotonic())
            self._ask_for_missed(time.monotonic())
        except EsperError as error:
            self._problem = str(error)
        except zmq.ZMQError as error:
            self._problem = f"Cannot reach the aggregator ({error}); trying again."
        return self._feed()

    def close(self) -> None:
        """Close the socket."""
        self._closed = True
        self._close_socket()
        if self._context is not None:
            self._context.destroy(linger=0)
        self._context = None

    def _renew_if_silent(self, now: float) -> None:
        if now < self._resolve_at:
            return
        self._resolve_at = now + RESOLVE_AFTER_S
        self._close_socket()
        endpoints = self._resolve()
        self._context = self._context or zmq.Context()
        self._socket, self._address = snapshot_client(self._context), endpoints.snapshots
        self._handshake = connect(self._socket, self._address, self._keys)
        compress = not is_local(self._address) if self._compress is None else self._compress
        self._topic = COMPRESSED_TOPIC if compress else TOPIC
        self._socket.subscribe(self._topic)
        self._ask_at = now + ASK_AFTER_S

    def _check_handshake(self, now: float) -> None:
        """Disconnect if the connection is refused, and retry later: the allow-list may be corrected.

        Meanwhile the feed has the reason.
        """
        refusal = self._handshake.refusal() if self._handshake is not None else ""
        if refusal:
            self._problem = refusal
            self._close_socket()
            self._resolve_at = now + REFUSED_RETRY_S

    def _close_socket(self) -> None:
        socket, self._socket = self._socket, None
        handshake, self._handshake = self._handshake, None
        disconnect(socket, handshake)

    def _drain(self) -> None:
        for _ in range(_MESSAGES_AT_ONCE):
            if self._socket is None:
                return
            try:
                self._take(self._socket.recv_multipart(zmq.DONTWAIT))
            except zmq.Again:
                return

    def _ask_for_missed(self, now: float) -> None:
        """Subscribe again, after which the latest snapshots are sent at once.

        A viewer that was stopped for a while may have missed the last snapshot of a finished run.
        """
        missed = any(run.missed for run in self._runs.values())
        if self._socket is None or not missed or now < self._ask_at:
            return
        self._ask_at = now + ASK_AFTER_S
        self._socket.unsubscribe(self._topic)
        self._socket.subscribe(self._topic)

    def _take(self, frames: Frames) -> None:
        self._resolve_at = time.monotonic() + RESOLVE_AFTER_S
        self._received_ns = time.time_ns()
        try:
            run, head, body = parse_snapshot_message(frames)
        except VersionError as error:
            self._problem = _OTHER_VERSION.format(error)
            return
        except FrameError as error:
            self._problem = f"The aggregator sent an invalid snapshot ({error}); restart it."
            return
        self._problem = ""
        if run:
            self._keep(self._runs.setdefault(run, _Run()), head, body)

    def _uncompressed(self, run: _Run, head: SnapshotHead, body: bytes) -> bytes:
        """The uncompressed snapshot; empty if there is none, or while its keyframe is missing."""
        if self._topic == TOPIC or not body:
            return body
        try:
            return run.decoder.decode(head.snap_seq, body) or b""
        except FrameError as error:
            self._problem = f"A snapshot cannot be read ({error}); restart the aggregator."
            return b""

    def _keep(self, run: _Run, head: SnapshotHead, body: bytes) -> None:
        last = run.head
        if last and last.agg_epoch == head.agg_epoch and last.snap_seq >= head.snap_seq:
            return
        run.head = head
        body = self._uncompressed(run, head, body)
        if body:
            run.body, run.position = body, head.position

    def _newest_first(self) -> list[str]:
        for run in self._runs.values():
            if not run.started_ns:
                self._decode(run)
        return sorted(self._runs, key=lambda name: -self._runs[name].started_ns)

    def _choose(self, newest_first: list[str], now: float) -> None:
        """Select the newest of the runs that were there at the beginning, once all of them have arrived."""
        if newest_first and self._known_at is None:
            self._known_at = now + CHOICE_S
        if self._known_at is None or now < self._known_at:
            self._known = frozenset(newest_first)
        elif not self._selected:
            self._selected = newest_first[0]

    def _feed(self) -> Feed:
        newest_first = self._newest_first()
        self._choose(newest_first, time.monotonic())
        name = self._selected or next(iter(newest_first), "")
        run = self._runs.get(name) or _Run()
        self._decode(run)
        return Feed(
            snapshot=run.snapshot,
            origin=self._origin or self._address,
            received_ns=self._received_ns,
            sent_ns=run.head.sent_ns if run.head else None,
            trainer_message_ns=(run.head.trainer_message_ns or None) if run.head else None,
            runs=tuple(newest_first),
            problem=self._problem,
            awaited=self._awaited,
            selected=self._selected,
            new_runs=tuple(run for run in newest_first if run not in self._known and run != name),
        )

    def _decode(self, run: _Run) -> None:
        body, run.body = run.body, b""
        if not body:
            return
        try:
            run.snapshot = _checked(decode_snapshot(body))
        except VersionError as error:
            self._problem = _OTHER_VERSION.format(error)
        except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError, OverflowError) as error:
            self._problem = f"A snapshot cannot be read ({error}); restart the aggregator."


def _checked(snapshot: SanctumSnapshot) -> SanctumSnapshot:
    if snapshot.version != SNAPSHOT_VERSION:
        raise VersionError(f"snapshot version {snapshot.version}")
    return snapshot
