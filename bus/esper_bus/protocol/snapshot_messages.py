"""The messages that carry snapshots from an aggregator to screens.

Topic `snap/<run>`, a head of fixed form, and the snapshot; without a snapshot it is a sign of life. A
sign of life of an aggregator that knows no run has the topic `snap/`. The same with the topic `thin/<run>`
for those who ask for it: there the snapshot is compressed as `thin` says.
"""

import struct
from collections.abc import Sequence
from typing import NamedTuple

from esper_bus.names import is_name
from esper_bus.protocol.frames import FrameError, Frames, VersionError

VERSION = 1
TOPIC = b"snap/"
THIN_TOPIC = b"thin/"
_HEAD = struct.Struct("<BB6xQQQQQ")


class SnapshotHead(NamedTuple):
    """Which picture of which state this is; times are nanoseconds since 1970, 0 for "never".

    `snap_seq` rises with every message of one `agg_epoch`, `position` counts the events of the run's
    log that the picture shows. `flags` is 0 in this version.
    """

    agg_epoch: int
    snap_seq: int
    position: int
    sent_ns: int
    trainer_heard_ns: int
    flags: int = 0


def encode_snapshot_message(run: str, head: SnapshotHead, body: bytes, topic: bytes = TOPIC) -> Frames:
    """The frames of a snapshot, or of a sign of life if `body` is empty."""
    agg_epoch, snap_seq, position, sent_ns, heard_ns, flags = head
    packed = _HEAD.pack(VERSION, flags, agg_epoch, snap_seq, position, sent_ns, heard_ns)
    return [topic + run.encode(), packed, body]


def parse_snapshot_message(frames: Sequence[bytes]) -> tuple[str, SnapshotHead, bytes]:
    """Run, head and body. Raises `FrameError`, `VersionError` for another version."""
    if len(frames) != 3 or not frames[0].startswith((TOPIC, THIN_TOPIC)) or not frames[1]:
        raise FrameError("not a snapshot")
    topic, packed, body = frames
    if packed[0] != VERSION:
        raise VersionError(f"version {packed[0]}")
    if len(packed) != _HEAD.size:
        raise FrameError("wrong length")
    run = topic.partition(b"/")[2].decode(errors="replace")
    if run and not is_name(run):
        raise FrameError("not a name")
    _, flags, *numbers = _HEAD.unpack(packed)
    if flags:
        raise VersionError(f"flags {flags:#x}")
    return run, SnapshotHead(*numbers), body
