"""Tests of the framing of event files, intact, in pieces and damaged."""

import random
import struct
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.api.importing.conftest import frame

from esper_lite.importing.checksums import masked_crc32c
from esper_lite.importing.record_frames import DAMAGED, TOO_LARGE, WRONG_CHECKSUM, RecordFrames
from esper_lite.importing.rows import NotRead

RECORDS = [b"first", b"", b"a third record with more bytes", b"last"]


def read(*parts):
    """The records in the parts of a file, and what was not read."""
    not_read = NotRead()
    frames = RecordFrames(not_read)
    records = []
    for part in parts:
        passed = min(frames.to_skip, len(part))
        frames.skipped(passed)
        records += frames.feed(part[passed:])
    return records, not_read, frames


@given(st.lists(st.integers(0, 120), max_size=6))
def test_records_are_complete_however_the_file_is_divided(cuts):
    """A part may end within a header, within the data or within a checksum."""
    data = b"".join(map(frame, RECORDS))
    bounds = [0, *sorted(min(cut, len(data)) for cut in cuts), len(data)]
    records, not_read, frames = read(*(data[a:b] for a, b in pairwise(bounds)))

    assert (records, len(not_read), frames.waits) == (RECORDS, 0, False)


def test_an_incomplete_record_is_awaited():
    """It is complete with the bytes that follow."""
    data = frame(b"record")
    records, not_read, frames = read(data[:-1])

    assert (records, len(not_read), frames.waits) == ([], 0, True)
    assert list(frames.feed(data[-1:])) == [b"record"]


def test_a_record_with_a_wrong_checksum_costs_only_itself():
    """Its length is intact, so that the next record is known."""
    damaged = bytearray(frame(b"record"))
    damaged[13] ^= 1
    records, not_read, _ = read(frame(b"before") + damaged + frame(b"after"))

    assert records == [b"before", b"after"]
    assert not_read[WRONG_CHECKSUM] == 1


@pytest.mark.parametrize(
    "damage",
    [
        b"\xff" * 100,
        bytes(5000),
        random.Random(1).randbytes(300),
        frame(b"lost")[3:],
        struct.pack("<Q", 2**60) + b"abcd" + b"x" * 30,
        struct.pack("<Q", 2**60) + struct.pack("<I", masked_crc32c(struct.pack("<Q", 2**60))) + b"x" * 30,
    ],
    ids=["ones", "zeros", "random", "torn", "huge", "huge with a valid checksum"],
)
@pytest.mark.parametrize("size", [10**9, 7])
def test_reading_resumes_at_the_next_intact_record(damage, size):
    """One damaged place is counted once, also if the file arrives in small parts."""
    data = frame(b"before") + damage + frame(b"after") + frame(b"last")
    records, not_read, frames = read(*(data[at : at + size] for at in range(0, len(data), size)))

    assert records == [b"before", b"after", b"last"]
    assert (not_read[DAMAGED], len(not_read), frames.waits) == (1, 1, False)


def test_a_large_record_is_not_held_in_memory():
    """Its bytes are announced and passed over."""
    data = frame(bytes(2 * 1024 * 1024)) + frame(b"after")
    not_read = NotRead()
    frames = RecordFrames(not_read)
    list(frames.feed(data[:1000]))

    assert frames.to_skip == 2 * 1024 * 1024 + 16 - 1000
    frames.skipped(frames.to_skip)
    assert list(frames.feed(frame(b"after"))) == [b"after"]
    assert not_read[TOO_LARGE] == 1


@given(st.binary(max_size=300))
def test_arbitrary_bytes_never_raise(data):
    """An intact record after them is found, unless they announce a longer one."""
    records, _, frames = read(data, frame(b"after"))

    assert records[-1:] == [b"after"] or frames.waits
