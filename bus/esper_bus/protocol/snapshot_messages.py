"""The messages that publish snapshots to viewers.

Topic `snap/<run>`, a head of fixed size, and the snapshot; a message without a snapshot is a keepalive, with
the topic `snap/` from an aggregator without runs. Subscribers to `thin/<run>` get the same with snapshots
compressed by `snapshot_deltas`.
"""

import struct
from collections.abc import Sequence
from typing import NamedTuple

from esper_bus.names import is_name
from esper_bus.protocol.frames import FrameError, Frames, VersionError

VERSION = 1
TOPIC = b"snap/"
COMPRESSED_TOPIC = b"thin/"
_HEAD = struct.Struct("<BB6xQQQQQ")


class SnapshotHead(NamedTuple):
    """Describes a snapshot; times are nanoseconds since 1970, 0 for "never".

    `snap_seq` rises with every message of one `agg_epoch`, `position` counts the events of the run's
    log that the snapshot includes. `flags` is 0 in this version.
    """

    agg_epoch: int
    snap_seq: int
    position: int
    sent_ns: int
    trainer_message_ns: int
    flags: int = 0


def encode_snapshot_message(run: str, head: SnapshotHead, body: bytes, topic: bytes = TOPIC) -> Frames:
    """Encode a snapshot, or a keepalive if `body` is empty."""
    agg_epoch, snap_seq, position, sent_ns, message_ns, flags = head
    packed = _HEAD.pack(VERSION, flags, agg_epoch, snap_seq, position, sent_ns, message_ns)
    return [topic + run.encode(), packed, body]


def parse_snapshot_message(frames: Sequence[bytes]) -> tuple[str, SnapshotHead, bytes]:
    """Parse run, head and body. Raises `FrameError`, `VersionError` for another version."""
    if len(frames) != 3 or not frames[0].startswith((TOPIC, COMPRESSED_TOPIC)) or not frames[1]:
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
