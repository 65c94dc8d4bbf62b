"""Records are split by their lengths, as the format writes them."""

import struct

import pytest
from mcap.opcode import Opcode
from mcap.records import Channel, DataEnd

from esper_bus.mcap.record_format import HEAD, encode_record, split_records

CHANNEL = Channel(1, "topic", "msgpack", {"first_seq": "0"}, 2)


def test_encoded_records_are_split_again():
    """Opcode and body of each, in order."""
    data = encode_record(DataEnd(7)) + encode_record(CHANNEL)

    (first, end), (second, channel) = split_records(data)

    assert (first, second) == (Opcode.DATA_END, Opcode.CHANNEL)
    assert end == struct.pack("<I", 7)
    assert HEAD.pack(Opcode.CHANNEL, len(channel)) + channel == encode_record(CHANNEL)


def test_nothing_has_no_records():
    """An empty chunk is legal."""
    assert list(split_records(b"")) == []


def test_a_head_that_is_cut_short_is_an_error():
    """After the whole records before it."""
    records = split_records(encode_record(DataEnd(0)) + b"\x01\x02")

    assert next(records)[0] == Opcode.DATA_END
    with pytest.raises(struct.error):
        next(records)
