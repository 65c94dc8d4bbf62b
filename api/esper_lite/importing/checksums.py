"""The CRC-32C of TensorBoard's records (Castagnoli), masked as it is stored."""

from collections.abc import Callable
from functools import cache

_POLYNOMIAL = 0x82F63B78
_MASK_DELTA = 0xA282EAD8


def masked_crc32c(data: bytes) -> int:
    """The checksum as TensorBoard stores it."""
    crc = _implementation()(data)
    return (((crc >> 15) | (crc << 17)) + _MASK_DELTA) & 0xFFFFFFFF


def crc32c(data: bytes) -> int:
    """The CRC-32C of some bytes, in plain Python."""
    table, crc = _table(), 0xFFFFFFFF
    for byte in data:
        crc = table[(crc ^ byte) & 0xFF] ^ (crc >> 8)
    return crc ^ 0xFFFFFFFF


@cache
def _implementation() -> Callable[[bytes], int]:
    """The one in C of the extra `import`, if it is installed, which halves the time of an import."""
    try:
        import google_crc32c
    except ImportError:
        return crc32c
    value: Callable[[bytes], int] = google_crc32c.value
    return value


@cache
def _table() -> list[int]:
    return [_shifted(byte) for byte in range(256)]


def _shifted(byte: int) -> int:
    for _ in range(8):
        byte = (byte >> 1) ^ (_POLYNOMIAL if byte & 1 else 0)
    return byte
