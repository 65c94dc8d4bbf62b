"""The checksum of messages and files, CRC-32, from a library that takes a quarter of zlib's time for it."""

from zlib_ng.zlib_ng import crc32

__all__ = ["crc32"]
