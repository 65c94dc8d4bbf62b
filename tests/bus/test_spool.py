"""Tests of the spool: what was written survives the death of the writer."""

import signal

import pytest

from esper_bus.layout import RunPaths
from esper_bus.reading import read_raw
from esper_bus.spool import SpoolWriter

WRITER = """
import sys
from pathlib import Path
from esper_bus.layout import RunPaths
from esper_bus.records import Entry, StreamKey
from esper_bus.spool import SpoolWriter

spool = SpoolWriter(RunPaths(Path(sys.argv[1])), StreamKey("run", "host:0", 7))
for seq in range(10**9):
    spool.write([Entry(seq, 10**18 + seq, b"event %d" % seq + bytes(200))])
    print(seq, flush=True)
"""


@pytest.fixture
def spool(tmp_path, key):
    """A new spool."""
    spool = SpoolWriter(RunPaths(tmp_path / "run"), key)
    yield spool
    spool.close()


def test_a_spool_gives_back_what_was_written(spool, entries, key):
    """Identity, times and bytes are those that were written, even while it is being written."""
    spool.write(entries(0, 5))
    spool.write(entries(5, 9))
    found = list(read_raw(spool.path))

    assert [record.stream for record in found] == [key] * 9
    assert [(r.seq, r.emitted_ns, r.data) for r in found] == entries(0, 9)
    assert all(record.received_ns == record.emitted_ns for record in found)


def test_a_spool_is_named_after_its_stream(spool):
    """A person finds the spool of a trainer by its name."""
    assert spool.path.parent.name == "spool"
    assert spool.path.name == "host-0-000000000000e90c.mcap"


@pytest.mark.parametrize("wait_for", [0, 1, 50, 400])
def test_a_killed_writer_leaves_everything_it_wrote(tmp_path, python, wait_for):
    """SIGKILL at any moment: each event whose write returned is there, once, in order."""
    process = python(WRITER, tmp_path / "run")
    for line in process.stdout:
        if int(line) >= wait_for:
            break
    process.send_signal(signal.SIGKILL)
    rest, _ = process.communicate()
    written = int(rest.split()[-1]) if rest.split() else wait_for
    damage = []
    found = list(read_raw(tmp_path / "run", damage.append))

    assert [record.seq for record in found] == list(range(len(found)))
    assert len(found) >= written + 1
    assert all(record.data.startswith(b"event %d" % record.seq) for record in found)
    assert len(damage) <= 1  # the write that was under way


@pytest.mark.parametrize("first", [0, 1, 999, 1000, 4321, 9999])
def test_old_events_are_read_from_the_middle(spool, entries, first):
    """Sending again finds its place, in batches of the size that is asked for."""
    everything = entries(0, 10_000)
    for start in range(0, 10_000, 100):
        spool.write(everything[start : start + 100])

    assert spool.read(first, 250, 10**9) == everything[first : first + 250]
    assert spool.read(first, 250, 1) == everything[first : first + 1]


def test_behind_the_end_there_is_nothing(spool, entries):
    """A spool that was never written, or has no later events, gives none."""
    assert spool.read(0, 10, 10**9) == []

    spool.write(entries(0, 5))

    assert spool.read(5, 10, 10**9) == []


def test_a_hole_ends_a_batch(spool, entries):
    """Events that never reached the disk are passed over, but not within one batch."""
    spool.write(entries(0, 5))
    spool.write(entries(20, 25))

    assert spool.read(3, 10, 10**9) == entries(3, 5)
    assert spool.read(5, 10, 10**9) == entries(20, 25)
    assert [record.seq for record in read_raw(spool.path)] == [*range(5), *range(20, 25)]


def test_numbers_beyond_32_bits_are_kept(spool, entries):
    """The format counts modulo 2^32, the spool does not."""
    spool.write(entries(0, 2))
    spool.write(entries(2**32 - 1, 2**32 + 2))

    assert [record.seq for record in read_raw(spool.path)] == [0, 1, *range(2**32 - 1, 2**32 + 2)]
