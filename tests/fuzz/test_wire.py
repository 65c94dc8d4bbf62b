"""Changed bytes at a socket raise only the declared errors."""

import msgspec
import pytest

from esper_bus.protocol.frames import (
    _DATA,
    Ack,
    Bye,
    Data,
    Error,
    FrameError,
    Hello,
    Message,
    Ping,
    Resume,
    _data_crc,
    encode,
    parse,
)
from esper_bus.protocol.receiver import Receiver
from esper_bus.protocol.snapshot_messages import SnapshotHead, encode_snapshot_message, parse_snapshot_message
from esper_bus.records import Batch
from esper_schemas.codec import decode_event, decode_snapshot, encode_event, encode_snapshot
from esper_schemas.events import EVENT_TYPES, EpisodeCompleted, PPOUpdateCompleted
from esper_schemas.payload import PPOUpdatePayload
from esper_schemas.snapshot import EMPTY_SNAPSHOT, SanctumSnapshot

EVENTS = [
    encode_event(EpisodeCompleted(environment=0, episode=7, episode_return=0.5, length=9)),
    encode_event(PPOUpdateCompleted(update=1, payload=PPOUpdatePayload(policy_loss=0.25, value_loss=0.125))),
]
MESSAGES = [
    Hello(run="run", producer="host:0", epoch=7, first=0, next=9),
    Resume(5, 7, 3, 100, 10**6),
    Ack(5, 7, 3, 100, 10**6),
    Data(7, Batch(0, [(10**18, EVENTS[seq % 2]) for seq in range(3)])),
    Ping(7, 3),
    Bye(7, 3),
    Error("refused", "No."),
]
NESTED = b"\x91" * 100_000
CLAIMS = [bytes([kind]) + b"\xff" * 4 for kind in (0xDB, 0xDD, 0xDF)]  # text, array, map of 2^32 - 1
BOMBS = [*CLAIMS, NESTED, b"\x81\xa4type" + NESTED]
BOUND = 32 * 1024 * 1024


@pytest.mark.parametrize("message", MESSAGES, ids=lambda message: type(message).__name__)
def test_a_changed_message_is_a_message_or_a_frame_error(message, mutations):
    """Each frame of each kind of message is changed."""
    frames = encode(message)
    for which in range(len(frames)):
        for changed in mutations([frames[which]], 4_000):
            try:
                result = parse([*frames[:which], changed, *frames[which + 1 :]])
            except FrameError:
                continue
            assert isinstance(result, Message)


def test_a_changed_body_with_a_correct_checksum_is_a_batch_or_a_frame_error(mutations):
    """A body with a correct checksum may still not be a valid batch."""
    kind, _, body = encode(MESSAGES[3])
    for changed in mutations([body]):
        header = _DATA.pack(7, 0, 3, _data_crc(7, 0, 3, changed))
        try:
            data = parse([kind, header, changed])
        except FrameError:
            continue
        assert (data.batch.first, data.batch.end) == (0, 3)


def test_a_batch_with_a_large_count_allocates_no_memory(peak_memory):
    """A number of events without bytes for them is refused before memory is allocated."""
    kind = encode(MESSAGES[3])[0]
    for count in (2**31, 2**32 - 1):
        with pytest.raises(FrameError):
            parse([kind, _DATA.pack(7, 0, count, _data_crc(7, 0, count, b"")), b""])

    assert peak_memory() < 1024 * 1024


def test_a_receiver_continues_after_changed_messages(mutations):
    """Records from four peers with changed messages are in order, and a correct trainer is served."""
    receiver = Receiver(5, lambda run: {})
    frames = [encode(message) for message in MESSAGES]
    taken = []
    for number, changed in enumerate(mutations([frame for parts in frames for frame in parts])):
        parts = list(frames[number % len(frames)])
        parts[number % len(parts)] = changed
        taken += receiver.receive(b"peer%d" % (number % 4), parts, number / 100, number)
    receiver.receive(b"honest", encode(Hello(run="run", producer="h", epoch=99, first=0, next=9)), 1e6, 1)
    honest = receiver.receive(b"honest", encode(Data(99, MESSAGES[3].batch)), 1e6, 1)

    assert [record.seq for record in honest] == [0, 1, 2]
    for stream in {record.stream for record in taken}:
        numbers = [record.seq for record in taken if record.stream == stream]
        assert numbers == sorted(set(numbers))


def test_a_changed_event_decodes_or_is_undecodable(mutations):
    """`decode_event` never raises."""
    for changed in mutations(EVENTS, 30_000):
        assert decode_event(changed) is not None


@pytest.mark.parametrize("bomb", BOMBS, ids=lambda bomb: bomb[:6].hex())
def test_a_bomb_is_undecodable_and_allocates_little(bomb, peak_memory):
    """Large length fields and deep nesting neither crash nor allocate much memory."""
    assert type(decode_event(bomb)) not in EVENT_TYPES
    with pytest.raises((msgspec.MsgspecError, RecursionError)):
        decode_snapshot(bomb)
    with pytest.raises(FrameError):
        parse([encode(MESSAGES[0])[0], bomb])

    assert peak_memory() < BOUND


def test_a_changed_snapshot_decodes_or_raises_a_declared_error(mutations):
    """Only the errors that the source of snapshots catches are raised."""
    for changed in mutations([encode_snapshot(EMPTY_SNAPSHOT), encode_snapshot(SanctumSnapshot())], 20_000):
        try:
            decode_snapshot(changed)
        except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError, OverflowError):
            continue


def test_a_changed_snapshot_message_is_one_or_a_frame_error(mutations):
    """Changes are made in topic and head."""
    frames = encode_snapshot_message("run", SnapshotHead(1, 2, 3, 4, 5), b"body")
    for which in (0, 1):
        for changed in mutations([frames[which]], 6_000):
            try:
                parse_snapshot_message([*frames[:which], changed, *frames[which + 1 :]])
            except FrameError:
                continue
