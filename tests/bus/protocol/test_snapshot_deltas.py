"""Tests of snapshot deltas for slow connections."""

import random

import pytest
import zstandard

from esper_bus.protocol.frames import FrameError
from esper_bus.protocol.snapshot_deltas import KEYFRAME_S, DeltaDecoder, DeltaEncoder

DICE = random.Random(3)
NOISE = DICE.randbytes(20_000)


def snapshot(number):
    """A snapshot that hardly differs from the others, and cannot be compressed by itself."""
    return NOISE[: 500 * number] + b"changed" + NOISE[500 * number :]


def test_every_snapshot_is_restored():
    """Keyframes and deltas are decoded to the original."""
    encoder, decoder = DeltaEncoder(), DeltaDecoder()
    for number in range(30):
        packed = encoder.encode(number, snapshot(number), now=0.3 * number)

        assert decoder.decode(number, packed) == snapshot(number)


def test_between_keyframes_only_the_difference_is_sent():
    """In this example a delta is less than a fiftieth of the snapshot."""
    encoder = DeltaEncoder()
    sizes = [len(encoder.encode(number, snapshot(number), now=0.0)) for number in range(10)]

    assert sizes[0] > len(NOISE)
    assert max(sizes[1:]) < len(NOISE) / 50


def test_a_keyframe_comes_every_two_seconds():
    """No screen waits longer for one."""
    encoder = DeltaEncoder()
    times = [0.5 * step for step in range(13)]
    keyframes = [
        now for number, now in enumerate(times) if len(encoder.encode(number, snapshot(number), now)) > 10_000
    ]

    assert keyframes == [0.0, KEYFRAME_S, 2 * KEYFRAME_S, 3 * KEYFRAME_S]


def test_a_lost_delta_affects_no_other_and_a_lost_keyframe_only_its_deltas():
    """A snapshot that cannot be restored is None, never another one."""
    encoder, decoder = DeltaEncoder(), DeltaDecoder()
    packed = [encoder.encode(number, snapshot(number), now=0.5 * number) for number in range(9)]
    received = {number: decoder.decode(number, packed[number]) for number in range(9) if number not in (2, 4)}

    assert {number for number, body in received.items() if body is None} == {5, 6, 7}
    assert all(body == snapshot(number) for number, body in received.items() if body is not None)


@pytest.mark.parametrize(
    "packed",
    [
        b"",
        b"\x01" * 7,
        bytes(8),
        bytes(8) + b"junk",
        bytes(8) + zstandard.ZstdCompressor().compress(bytes(17 * 2**20)),
        bytes(8) + zstandard.ZstdCompressor().compress(snapshot(1))[:-5],
    ],
    ids=["nothing", "short", "empty", "junk", "too large", "cut"],
)
def test_a_damaged_snapshot_is_refused(packed):
    """So is one that would be larger than a message may be when it is decompressed."""
    with pytest.raises(FrameError):
        DeltaDecoder().decode(0, packed)
