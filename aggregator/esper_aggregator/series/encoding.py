"""Arrays as bytes that compress well, without loss: shuffled floats, differences of integers, bit masks."""

import threading
from typing import Any

import numpy as np
import zstandard
from numpy.typing import NDArray

from esper_aggregator.series.row_block import Floats, Integers, Mask

MAX_CONTENT_BYTES = 256 * 1024 * 1024
"""More than this is damage."""
_WIDTHS = (1, 2, 4, 8)


def shuffled(values: NDArray[np.generic]) -> bytes:
    """Return the first bytes of all values, then the second ones, and so on."""
    width = values.dtype.itemsize
    return np.ascontiguousarray(values).view(np.uint8).reshape(-1, width).T.tobytes()


def unshuffled(data: bytes | memoryview, dtype: str) -> NDArray[Any]:
    """Return the values that were shuffled. Raises `ValueError` for bytes that are not of whole values."""
    width = np.dtype(dtype).itemsize
    planes = np.frombuffer(data, np.uint8).reshape(width, -1)
    values = np.empty(planes.shape[1], dtype)
    rows = values.view(np.uint8).reshape(-1, width)
    for place in range(width):  # four times as fast as a copy of the transposed planes
        rows[:, place] = planes[place]
    return values


def fits_float32(values: Floats) -> Mask:
    """Return which values are the same in half the width; not a number too large for it, for example."""
    with np.errstate(over="ignore"):
        narrow = values.astype(np.float32).astype(np.float64)
    fits: Mask = (narrow == values) | np.isnan(values)
    return fits


def encode_integers(values: Integers) -> bytes:
    """Encode integers by their differences, in the least width that fits all of them."""
    if not len(values):
        return b""
    steps = np.diff(values)  # wraps around like their sum
    first = values[:1].astype("<i8").tobytes()
    if not len(steps) or (steps == steps[0]).all():
        return b"\0" + first + steps[:1].astype("<i8").tobytes()
    low, high = int(steps.min()), int(steps.max())
    width = next(width for width in _WIDTHS if -(1 << 8 * width - 1) <= low and high < 1 << 8 * width - 1)
    return bytes([width]) + first + shuffled(steps.astype(f"<i{width}"))


def decode_integers(data: bytes, length: int) -> Integers:
    """Decode `length` integers. Raises `ValueError` for bytes that are not those of as many."""
    if not length:
        return np.empty(0, np.int64)
    width, rest = data[0], memoryview(data)[9:]
    first = np.frombuffer(data[1:9], "<i8")
    if width == 0:
        step = np.frombuffer(rest, "<i8")
        steps = np.full(length - 1, step[0] if len(step) else 0, np.int64)
    elif width in _WIDTHS:
        steps = unshuffled(rest, f"<i{width}").astype(np.int64)
    else:
        raise ValueError(f"integers of {width} bytes")
    if len(steps) != length - 1:
        raise ValueError(f"{len(steps) + 1} integers instead of {length}")
    return np.cumsum(np.concatenate([first, steps]), dtype=np.int64)


def decompressed(data: bytes | memoryview) -> bytes:
    """Decompress bytes. Raises `ValueError` or `ZstdError` for damaged ones."""
    if not 0 <= zstandard.frame_content_size(data) <= MAX_CONTENT_BYTES:
        raise ValueError("compressed bytes of impossible size")
    return _of_thread.decompressor.decompress(data)


class _Decompressor(threading.local):
    """A decompressor for each thread: making one takes longer than a small column."""

    def __init__(self) -> None:
        self.decompressor = zstandard.ZstdDecompressor()


_of_thread = _Decompressor()


def decode_mask(data: bytes | memoryview, length: int) -> Mask:
    """Decode the bits of a mask that `np.packbits` has encoded."""
    return np.unpackbits(np.frombuffer(data, np.uint8), count=length).view(np.bool_)
