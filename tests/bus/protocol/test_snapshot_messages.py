"""Tests of the messages that carry snapshots."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from esper_bus.protocol.frames import FrameError, VersionError
from esper_bus.protocol.snapshot_messages import SnapshotHead, encode_snapshot_message, parse_snapshot_message

U64 = st.integers(0, 2**64 - 1)
HEADS = st.builds(SnapshotHead, U64, U64, U64, U64, U64, st.just(0))
RUNS = st.from_regex(r"[A-Za-z0-9][A-Za-z0-9._-]{0,20}", fullmatch=True) | st.just("")


@given(RUNS, HEADS, st.binary(max_size=50))
def test_a_snapshot_survives_encoding(run, head, body):
    """What is encoded is parsed to the same."""
    assert parse_snapshot_message(encode_snapshot_message(run, head, body)) == (run, head, body)


@given(st.lists(st.binary(max_size=60), max_size=4))
def test_arbitrary_frames_are_refused_in_one_way(frames):
    """Bytes that are not a snapshot raise `FrameError` and nothing else."""
    with pytest.raises(FrameError):
        parse_snapshot_message(frames)


@given(RUNS, HEADS, st.integers(0, 55), st.integers(0, 255))
def test_mutated_heads_are_refused_in_one_way(run, head, at, byte):
    """A changed byte gives another head or a `FrameError`."""
    frames = encode_snapshot_message(run, head, b"body")
    changed = bytearray(frames[1])
    changed[at % len(changed)] = byte
    try:
        parse_snapshot_message([frames[0], bytes(changed), frames[2]])
    except FrameError:
        return


@pytest.mark.parametrize(("version", "flags"), [(2, 0), (1, 1)])
def test_another_version_is_recognised(version, flags):
    """So is a flag that this version does not know."""
    frames = encode_snapshot_message("run", SnapshotHead(1, 2, 3, 4, 5), b"body")
    frames[1] = bytes([version, flags]) + frames[1][2:]
    with pytest.raises(VersionError):
        parse_snapshot_message(frames)
