"""Where a screen gets its snapshots from: a socket or a recorded log, behind one protocol."""

from typing import Protocol

import msgspec

from esper_schemas.snapshot import EMPTY_SNAPSHOT, SanctumSnapshot


class Feed(msgspec.Struct, frozen=True, kw_only=True):
    """What a source knows right now; times are nanoseconds since 1970, None for "never".

    `heard_ns` is when the aggregator last said anything, `trainer_heard_ns` when a trainer of this run
    last said anything to the aggregator (by the aggregator's clock, sent along with `sent_ns`).
    `problem` is one sentence for the user where the source cannot deliver, `awaited` one about what will
    be seen first, where whoever opened the source has started it himself.
    """

    snapshot: SanctumSnapshot = EMPTY_SNAPSHOT
    live: bool = True
    origin: str = ""
    heard_ns: int | None = None
    sent_ns: int | None = None
    trainer_heard_ns: int | None = None
    runs: tuple[str, ...] = ()
    problem: str = ""
    awaited: str = ""


class SnapshotSource(Protocol):
    """Delivers the newest snapshot; never blocks, never raises for what arrives."""

    def poll(self) -> Feed:
        """The newest picture, possibly the same as before."""
        ...

    def close(self) -> None:
        """Release sockets and files."""
        ...
