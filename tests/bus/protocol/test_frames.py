"""Tests of the messages between trainer and aggregator."""

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from esper_bus.protocol.frames import (
    Ack,
    Bye,
    Data,
    Error,
    FrameError,
    Hello,
    Ping,
    Resume,
    VersionError,
    encode,
    parse,
)
from esper_bus.records import Batch

U64 = st.integers(0, 2**64 - 1)
SEQ = st.integers(0, 2**40)
NAMES = st.from_regex(r"[A-Za-z0-9][A-Za-z0-9._:@+-]{0,95}", fullmatch=True)
GRANT = (U64, U64, U64, st.integers(0, 2**32 - 1), U64)
PAYLOADS = st.lists(st.tuples(U64, st.binary(max_size=40)), min_size=1, max_size=5)


@st.composite
def data_messages(draw):
    """Batches of events."""
    first, events = draw(SEQ), draw(PAYLOADS)
    return Data(draw(U64), Batch(first, events))


@st.composite
def hellos(draw):
    """HELLO messages."""
    first = draw(SEQ)
    return Hello(
        run=draw(NAMES),
        producer=draw(NAMES),
        epoch=draw(U64),
        first=first,
        next=first + draw(SEQ),
        schema_hash=draw(U64),
        clock_ns=draw(U64),
    )


MESSAGES = st.one_of(
    hellos(),
    data_messages(),
    st.builds(Resume, *GRANT),
    st.builds(Ack, *GRANT),
    st.builds(Ping, U64, U64),
    st.builds(Bye, U64, U64),
    st.builds(Error, st.text(max_size=9), st.text(max_size=40)),
)


@given(MESSAGES)
def test_a_message_survives_encoding(message):
    """What is encoded is parsed to the same message."""
    assert parse(encode(message)) == message


@given(st.lists(st.binary(max_size=80), max_size=5))
def test_arbitrary_frames_are_refused_in_one_way(frames):
    """Bytes that are not a message raise `FrameError` and nothing else."""
    try:
        parse(frames)
    except FrameError:
        return


@given(MESSAGES, st.data())
def test_mutated_frames_are_refused_in_one_way(message, data):
    """A message with a part cut out, doubled or overwritten raises nothing but `FrameError`."""
    frames = encode(message)
    index = data.draw(st.integers(0, len(frames) - 1))
    at = data.draw(st.integers(0, len(frames[index])))
    junk = data.draw(st.binary(max_size=9))
    frames[index] = frames[index][:at] + junk + frames[index][at + data.draw(st.integers(0, 9)) :]
    try:
        parse(frames)
    except FrameError:
        return


def test_no_flipped_bit_of_a_batch_goes_unnoticed(batch):
    """The checksum covers the numbers and the events."""
    good = encode(Data(7, batch(3, 6)))
    passed = []
    for index, frame in enumerate(good):
        for bit in range(8 * len(frame)):
            flipped = bytearray(frame)
            flipped[bit // 8] ^= 1 << bit % 8
            try:
                parse([*good[:index], bytes(flipped), *good[index + 1 :]])
            except FrameError:
                continue
            passed.append((index, bit))

    assert passed == []


@pytest.mark.parametrize("kind", [b"H", b"R", b"A", b"D", b"P", b"B"])
def test_another_version_is_recognised(kind):
    """A message of version 2 raises `VersionError`, so that it can be answered."""
    with pytest.raises(VersionError, match="version 2"):
        parse([kind + b"\x02", b"whatever"])


def test_an_error_of_any_version_is_read():
    """The refusal of a peer of another version can always be shown."""
    frames = encode(Error("version", "Install the same."))
    frames[0] = b"E\x09"

    assert parse(frames) == Error("version", "Install the same.")


@pytest.mark.parametrize("name", ["", "..", "../../etc", "a/b", ".hidden", "a b", "ü", "x" * 97, "a\n"])
def test_a_name_that_cannot_be_a_file_name_is_refused(name):
    """Names become files and topics, so peers must not choose them freely."""
    for wrong in ({"run": name, "producer": "host:0"}, {"run": "run", "producer": name}):
        frames = encode(Hello(run="run", producer="host:0", epoch=1, first=0, next=0))
        frames[1] = msgspec.msgpack.encode({"epoch": 1, "first": 0, "next": 0, **wrong})
        with pytest.raises(FrameError):
            parse(frames)


def test_a_later_version_may_add_fields_to_hello():
    """Keys, quotas and filters can be added without a new version."""
    frames = encode(Hello(run="run", producer="host:0", epoch=1, first=0, next=4))
    frames[1] = msgspec.msgpack.encode({**msgspec.msgpack.decode(frames[1]), "key": b"later"})

    assert parse(frames) == Hello(run="run", producer="host:0", epoch=1, first=0, next=4)
