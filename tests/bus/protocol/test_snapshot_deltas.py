"""Tests of snapshots for thin links."""

import random

import pytest
import zstandard

from esper_bus.protocol.frames import FrameError
from esper_bus.protocol.snapshot_deltas import KEYFRAME_S, DeltaDecoder, DeltaEncoder

DICE = random.Random(3)
NOISE = DICE.randbytes(20_000)


def picture(number):
    """A picture that hardly differs from the others, and that cannot be compressed by itself."""
    return NOISE[: 500 * number] + b"changed" + NOISE[500 * number :]


def test_every_picture_comes_back_as_it_was():
    """Keyframes and what lies between them."""
    encoder, decoder = DeltaEncoder(), DeltaDecoder()
    for number in range(30):
        packed = encoder.encode(number, picture(number), now=0.3 * number)

        assert decoder.decode(number, packed) == picture(number)


def test_between_keyframes_only_the_difference_travels():
    """A fiftieth of the picture at most, here."""
    encoder = DeltaEncoder()
    sizes = [len(encoder.encode(number, picture(number), now=0.0)) for number in range(10)]

    assert sizes[0] > len(NOISE)
    assert max(sizes[1:]) < len(NOISE) / 50


def test_a_keyframe_comes_every_two_seconds():
    """So nobody waits longer for one."""
    encoder = DeltaEncoder()
    times = [0.5 * step for step in range(13)]
    keyframes = [
        now for number, now in enumerate(times) if len(encoder.encode(number, picture(number), now)) > 10_000
    ]

    assert keyframes == [0.0, KEYFRAME_S, 2 * KEYFRAME_S, 3 * KEYFRAME_S]


def test_a_lost_picture_hurts_no_other_and_a_lost_keyframe_only_its_own():
    """What cannot be restored is None, never another picture."""
    encoder, decoder = DeltaEncoder(), DeltaDecoder()
    packed = [encoder.encode(number, picture(number), now=0.5 * number) for number in range(9)]
    received = {number: decoder.decode(number, packed[number]) for number in range(9) if number not in (2, 4)}

    assert {number for number, body in received.items() if body is None} == {5, 6, 7}
    assert all(body == picture(number) for number, body in received.items() if body is not None)


@pytest.mark.parametrize(
    "packed",
    [
        b"",
        b"\x01" * 7,
        bytes(8),
        bytes(8) + b"junk",
        bytes(8) + zstandard.ZstdCompressor().compress(bytes(17 * 2**20)),
        bytes(8) + zstandard.ZstdCompressor().compress(picture(1))[:-5],
    ],
    ids=["nothing", "short", "empty", "junk", "too large", "cut"],
)
def test_a_damaged_picture_is_refused(packed):
    """Also one that would unpack to more than a message may hold, before it is unpacked."""
    with pytest.raises(FrameError):
        DeltaDecoder().decode(0, packed)
