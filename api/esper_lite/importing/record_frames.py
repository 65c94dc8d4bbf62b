"""The record framing of TensorBoard's event files: bytes in, records out, damage skipped and counted.

A record is its length (8 bytes), the checksum of the length (4), the data, and the checksum of the data (4).
"""

import re
import struct
from collections.abc import Iterator

from esper_lite.importing.checksums import masked_crc32c
from esper_lite.importing.rows import NotRead

MAX_RECORD_BYTES = 1024 * 1024
"""A larger record is skipped without being read: it is a picture or a graph."""
WRONG_CHECKSUM = "records with a wrong checksum"
DAMAGED = "damaged places, after which reading was resumed at the next record"
TOO_LARGE = "records of more than 1 MiB"

_LONGEST = 2**31
"""No library writes longer messages: a length beyond it is damage."""
_HEADER, _OVERHEAD = 12, 16
_header_at = struct.Struct("<QI").unpack_from
_checksum_at = struct.Struct("<I").unpack_from
_ZEROS = bytes(5)
_NOT_ZERO = re.compile(rb"[^\x00]")


class RecordFrames:
    """Splits the bytes of an event file into records, as they arrive.

    `to_skip` is the number of bytes that follow and need not be read: `skipped` counts down.
    """

    def __init__(self, not_read: NotRead) -> None:
        self.to_skip = 0
        self._not_read = not_read
        self._rest = b""
        self._lost = False

    @property
    def waits(self) -> bool:
        """Whether the last record is incomplete so far."""
        return bool(self._rest or self.to_skip) and not self._lost

    def skipped(self, count: int) -> None:
        """Note that some of the bytes `to_skip` were passed over."""
        self.to_skip -= count

    def feed(self, data: bytes) -> Iterator[bytes]:
        """Yield the records that are complete with these bytes."""
        data, at = self._rest + data if self._rest else data, 0
        end = len(data)
        while at + _HEADER <= end and not self.to_skip:
            length, checksum = _header_at(data, at)
            behind = at + length + _OVERHEAD
            if behind <= end and length <= MAX_RECORD_BYTES:
                record = data[at + _HEADER : behind - 4]
                if masked_crc32c(record) == _checksum_at(data, behind - 4)[0]:
                    self._lost = False
                    yield record
                    at = behind
                    continue
            if length > _LONGEST or masked_crc32c(data[at : at + 8]) != checksum:
                at = self._next_header(data, at + (not self._lost))
                if self._lost:
                    break
            elif length > MAX_RECORD_BYTES:
                self._not_read.add(TOO_LARGE)
                at, self.to_skip = min(behind, end), max(0, behind - end)
            elif behind > end:
                break
            else:
                self._not_read.add(WRONG_CHECKSUM)
                at = behind
        self._rest = data[at:] if not self.to_skip else b""

    def _next_header(self, data: bytes, at: int) -> int:
        """The offset of the next valid header; where there is none yet, of the bytes to look at again.

        A length below 2^24 has five zeros at its end, and a checksum behind them that is not zero in
        practice. So there are at most four candidates in each run of zeros, however long it is.
        """
        if not self._lost:
            self._not_read.add(DAMAGED)
        self._lost = True
        while (zeros := data.find(_ZEROS, at + 3)) >= 0:
            behind = _NOT_ZERO.search(data, zeros + len(_ZEROS))
            end = behind.start() if behind else len(data)
            for start in range(max(at, zeros - 3, end - 11), end - 7):
                if start + _HEADER > len(data):
                    return start
                if masked_crc32c(data[start : start + 8]) == _header_at(data, start)[1]:
                    self._lost = False
                    return start
            at = end - 3
        return max(at, len(data) - _HEADER + 1)
