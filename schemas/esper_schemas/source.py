"""Where a screen gets its snapshots from: a socket or a recorded log, behind one protocol."""

from typing import Protocol

import msgspec

from esper_schemas.snapshot import EMPTY_SNAPSHOT, SanctumSnapshot


class Feed(msgspec.Struct, frozen=True, kw_only=True):
    """What a source knows at present; times are nanoseconds since 1970, None for "never".

    `received_ns` is when the last message of the aggregator was received; `trainer_message_ns` is when the
    aggregator received the last one of a trainer of this run, by the clock of `sent_ns`. `problem` is one
    sentence for the user if the source cannot deliver, `awaited` one about what will be shown first, if the
    program that opened the source has started it itself.
    """

    snapshot: SanctumSnapshot = EMPTY_SNAPSHOT
    live: bool = True
    origin: str = ""
    received_ns: int | None = None
    sent_ns: int | None = None
    trainer_message_ns: int | None = None
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
