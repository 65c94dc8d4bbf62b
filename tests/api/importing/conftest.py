"""Log files in the formats of other libraries, made byte by byte."""

import struct
from pathlib import Path

import msgspec
import pytest

from esper_bus.store.run_reader import read_records
from esper_lite import open_run
from esper_lite.importing.checksums import masked_crc32c
from esper_lite.importing.rows import Facts, NotRead


def varint(number):
    """A protobuf varint."""
    number &= 2**64 - 1
    out = b""
    while number > 0x7F:
        out += bytes([number & 0x7F | 0x80])
        number >>= 7
    return out + bytes([number])


def field(number, value):
    """A protobuf field: an integer, a double, a text or bytes."""
    if isinstance(value, float):
        return varint(number << 3 | 1) + struct.pack("<d", value)
    if isinstance(value, int):
        return varint(number << 3) + varint(value)
    value = value.encode() if isinstance(value, str) else value
    return varint(number << 3 | 2) + varint(len(value)) + value


def scalar(tag, value):
    """A `Summary.Value` with a simple value."""
    return field(1, tag) + b"\x15" + struct.pack("<f", value)


def event(wall_time, step, *values):
    """An `Event` with values."""
    summary = b"".join(field(1, value) for value in values)
    return field(1, wall_time) + field(2, step) + (field(5, summary) if values else b"")


def frame(data):
    """A record of an event file."""
    length = struct.pack("<Q", len(data))
    checksums = (struct.pack("<I", masked_crc32c(part)) for part in (length, data))
    return length + next(checksums) + data + next(checksums)


def event_file(path, *events, begin=1700000000.0):
    """Write an event file: the version, then events."""
    head = field(1, begin) + field(3, "brain.Event:2")
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(b"".join(map(frame, (head, *events))))
    return path


def updates(first, last, begin=1700000000.0):
    """The events of PPO updates as SB3 logs them: one event per value."""
    return [
        event(begin + update + share, 2048 * update, scalar(tag, value))
        for update in range(first, last + 1)
        for share, tag, value in (
            (0.001, "rollout/ep_rew_mean", 10.0 + update),
            (0.002, "train/approx_kl", 0.01),
            (0.003, "train/entropy_loss", -1.5 + update / 1000),
        )
    ]


def recorded(run_dir):
    """The steps and values of a run in their order."""
    events = [record.event for record in read_records(run_dir)]
    return [(event.step, event.values) for event in events if hasattr(event, "values")]


def folded(run_dir):
    """What a run folds to, without what depends on how many events and processes recorded it."""
    snapshot = open_run(run_dir).snapshot()
    scalars = {name: (scalar.value, scalar.step, scalar.history) for name, scalar in snapshot.scalars.items()}
    rollouts = [(rank.last_update, rank.mean_return) for rank in snapshot.ranks]
    # An update that was recorded again, because its step was incomplete, is counted twice there.
    tamiyo = msgspec.structs.replace(snapshot.tamiyo, ppo_updates_count=0)
    return tamiyo, scalars, snapshot.run.last_step, snapshot.run.mean_length, rollouts


@pytest.fixture
def not_read():
    """Counts what was not understood."""
    return NotRead()


@pytest.fixture
def facts():
    """Collects the configuration."""
    return Facts()


@pytest.fixture
def log_dir(tmp_path):
    """A directory for logs."""
    directory: Path = tmp_path / "logs"
    directory.mkdir()
    return directory
