"""The protocol of the sources of snapshots: a socket or a recorded log."""

from collections.abc import Callable
from typing import Protocol

import msgspec

from esper_schemas.snapshot import EMPTY_SNAPSHOT, SanctumSnapshot

OnProgress = Callable[[float], None]
"""Receives the share of a run that was read, between 0 and 1."""


def ignore_progress(share: float) -> None:
    """Ignore progress, where nothing is shown meanwhile."""


class Feed(msgspec.Struct, frozen=True, kw_only=True):
    """The latest state of a source; times are nanoseconds since 1970, None for "never".

    `received_ns` is when the last message of the aggregator was received; `trainer_message_ns` is when
    the aggregator received the last one of a trainer of this run, by the clock of `sent_ns`. `problem`
    is one sentence for the user if the source has no snapshots, `awaited` one about a training that the
    program which opened the source has started. `runs` are the runs of the source, the newest first;
    `selected` is the one that it stays with, of which there may be no snapshot yet, and `new_runs` are those
    that have begun since it was selected. `share_read` is the share of a recorded run that was read, while
    there is no snapshot yet because it is long.
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
    selected: str = ""
    new_runs: tuple[str, ...] = ()
    share_read: float | None = None

    def at(self, snapshot: SanctumSnapshot) -> "Feed":
        """The same feed with an earlier snapshot of its run."""
        return msgspec.structs.replace(self, snapshot=snapshot)


class SnapshotSource(Protocol):
    """Returns the latest snapshot; never blocks, and never raises for received data."""

    def poll(self) -> Feed:
        """Return the latest snapshot, possibly the same as before."""
        ...

    def close(self) -> None:
        """Release sockets and files."""
        ...
