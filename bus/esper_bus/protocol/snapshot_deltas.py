"""Compressed snapshots for slow links: a keyframe every few seconds, and differences from it in between.

Each snapshot is compressed with the last keyframe as dictionary, so that the loss of one affects no other;
a viewer that missed the keyframe waits for the next, or asks for one. Pure: without sockets and clocks.
"""

import struct

import zstandard

from esper_bus.protocol.compression import decompress
from esper_bus.protocol.frames import FrameError

KEYFRAME_S = 2.0
"""Maximum interval between keyframes while there are snapshots."""
_LEVEL = 1
_NUMBER = struct.Struct("<Q")


class DeltaEncoder:
    """Compresses the snapshots of one run."""

    def __init__(self) -> None:
        self._keyframe_seq = 0
        self._keyframe_at: float | None = None
        self._against: zstandard.ZstdCompressor | None = None

    def encode(self, snap_seq: int, body: bytes, now: float) -> bytes:
        """The number of the keyframe, `snap_seq` itself for a keyframe, and the compressed snapshot."""
        due = self._keyframe_at is None or now - self._keyframe_at >= KEYFRAME_S
        if due or self._against is None:
            self._keyframe_seq, self._keyframe_at = snap_seq, now
            self._against = zstandard.ZstdCompressor(_LEVEL, dict_data=_dictionary(body))
            return _NUMBER.pack(snap_seq) + zstandard.ZstdCompressor(_LEVEL).compress(body)
        return _NUMBER.pack(self._keyframe_seq) + self._against.compress(body)


class DeltaDecoder:
    """Decompresses the snapshots of one run."""

    def __init__(self) -> None:
        self._keyframe_seq: int | None = None
        self._keyframe = b""

    def decode(self, snap_seq: int, packed: bytes) -> bytes | None:
        """The snapshot, None if its keyframe was not received. Raises `FrameError`."""
        if len(packed) < _NUMBER.size:
            raise FrameError("not a compressed snapshot")
        (keyframe_seq,) = _NUMBER.unpack_from(packed)
        if keyframe_seq == snap_seq:
            self._keyframe = decompress(packed[_NUMBER.size :])
            self._keyframe_seq = snap_seq
            return self._keyframe
        if keyframe_seq != self._keyframe_seq:
            return None
        decompressor = zstandard.ZstdDecompressor(dict_data=_dictionary(self._keyframe))
        return decompress(packed[_NUMBER.size :], decompressor)


def _dictionary(body: bytes) -> zstandard.ZstdCompressionDict:
    return zstandard.ZstdCompressionDict(body, dict_type=zstandard.DICT_TYPE_RAWCONTENT)
