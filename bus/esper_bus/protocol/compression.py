"""Compressed parts of messages, whose size is limited before they are decompressed."""

import zstandard

from esper_bus.limits import MAX_MESSAGE_BYTES
from esper_bus.protocol.frames import FrameError

_LEVEL = 1


def compress(data: bytes) -> bytes:
    """Compress a part of a message."""
    return zstandard.compress(data, _LEVEL)


def decompress(packed: bytes, decompressor: zstandard.ZstdDecompressor | None = None) -> bytes:
    """Raise `FrameError` for damaged data, and before decompressing if the size is too large."""
    try:
        size = zstandard.frame_content_size(packed)
        if not 0 < size <= MAX_MESSAGE_BYTES:
            raise FrameError("compressed data of an impossible size")
        decompressor = decompressor or zstandard.ZstdDecompressor()
        return decompressor.decompress(packed, max_output_size=MAX_MESSAGE_BYTES)
    except zstandard.ZstdError as error:
        raise FrameError(f"damaged data: {error}") from error
