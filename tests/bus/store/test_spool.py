"""Tests of the spool: events that were written survive the death of the writer."""

import shutil
import signal
import subprocess
import sys

import pytest

from esper_bus.mcap.append_file import FileDeletedError
from esper_bus.paths import RunPaths
from esper_bus.records import Batch
from esper_bus.store.run_reader import read_raw
from esper_bus.store.spool import SpoolQuotaError, SpoolWriter
from esper_bus.store.verify import verify

WRITER = """
import sys
from pathlib import Path
from esper_bus.paths import RunPaths
from esper_bus.records import Batch, StreamKey
from esper_bus.store.spool import SpoolWriter

spool = SpoolWriter(RunPaths(Path(sys.argv[1])), StreamKey("run", "host:0", 7))
for seq in range(10**9):
    spool.write(Batch(seq, [(10**18 + seq, b"event %d" % seq + bytes(200))]))
    print(seq, flush=True)
"""


@pytest.fixture
def spool(tmp_path, key):
    """A new spool."""
    spool = SpoolWriter(RunPaths(tmp_path / "run"), key)
    yield spool
    spool.close()


def test_a_spool_gives_back_what_was_written(spool, batch, key):
    """Identity, times and bytes are those that were written, even while it is being written."""
    spool.write(batch(0, 5))
    spool.write(batch(5, 9))
    found = list(read_raw(spool.path))

    assert [record.stream for record in found] == [key] * 9
    assert Batch.of(0, found) == batch(0, 9)
    assert all(record.received_ns == record.emitted_ns for record in found)


def test_a_spool_is_named_after_its_stream(spool):
    """The name of the file contains the producer and the epoch."""
    assert spool.path.parent.name == "spool"
    assert spool.path.name == "host-0-000000000000e90c.mcap"


@pytest.mark.process
@pytest.mark.parametrize("wait_for", [0, 1, 50, 400])
def test_a_killed_writer_leaves_everything_it_wrote(tmp_path, python, wait_for):
    """After SIGKILL, each event whose write returned is there, once and in order."""
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
    assert len(damage) <= 1  # the write in progress


@pytest.mark.parametrize("first", [0, 1, 999, 1000, 4321, 9999])
def test_old_events_are_read_from_the_middle(spool, batch, first):
    """`read` starts at any number, and keeps its limits of events and bytes."""
    for start in range(0, 10_000, 100):
        spool.write(batch(start, start + 100))

    assert spool.read(first, 250, 10**9) == batch(first, min(first + 250, 10_000))
    assert spool.read(first, 250, 1) == batch(first, first + 1)


def test_there_are_no_events_behind_the_end(spool, batch):
    """`read` returns no events from an empty spool, or from the end on."""
    assert spool.read(0, 10, 10**9).entries == []

    spool.write(batch(0, 5))

    assert spool.read(5, 10, 10**9).entries == []


def test_a_hole_ends_a_batch(spool, batch):
    """Events that never reached the disk are skipped, but not within one batch."""
    spool.write(batch(0, 5))
    spool.write(batch(20, 25))

    assert spool.read(3, 10, 10**9) == batch(3, 5)
    assert spool.read(5, 10, 10**9) == batch(20, 25)
    assert [record.seq for record in read_raw(spool.path)] == [*range(5), *range(20, 25)]


def test_numbers_beyond_32_bits_are_kept(spool, batch):
    """The file format has 32-bit numbers, the spool does not."""
    spool.write(batch(0, 2))
    spool.write(batch(2**32 - 1, 2**32 + 2))

    assert [record.seq for record in read_raw(spool.path)] == [0, 1, *range(2**32 - 1, 2**32 + 2)]


@pytest.fixture
def small(tmp_path, key, monkeypatch):
    """Makes a spool with small files."""
    made = []

    def make(quota=2**21):
        made.append(SpoolWriter(RunPaths(tmp_path / "run"), key, quota))
        return made[-1]

    yield make
    for spool in made:
        spool.close()


def files(spool):
    """The files of a spool in their order, without their common beginning."""
    return sorted(
        path.name.removeprefix("host-0-000000000000e90c") for path in spool.path.parent.glob("*.mcap")
    )


def fill(spool, batch, first, end, acknowledged=0):
    """Write events, 200 at a time."""
    for start in range(first, end, 200):
        spool.write(batch(start, start + 200), acknowledged)


def test_a_full_file_is_followed_by_another(small, batch, tmp_path):
    """The files are read as one, also from the middle, and while the last one is open."""
    spool = small()
    fill(spool, batch, 0, 10_000)

    assert files(spool) == [".1.mcap", ".2.mcap", ".3.mcap", ".4.mcap", ".mcap"]
    assert Batch.of(0, list(read_raw(tmp_path / "run"))) == batch(0, 10_000)
    assert verify(tmp_path / "run").ok

    for first in (0, 2500, 5000, 7500, 9900):
        assert spool.read(first, 250, 10**9) == batch(first, min(first + 250, 10_000))

    assert spool.read(0, 10_000, 10**9) == batch(0, 10_000)


def test_the_oldest_acknowledged_files_make_room(small, batch, tmp_path):
    """The oldest files are removed, and the newest ones are kept within the quota."""
    spool = small()
    fill(spool, batch, 0, 60_000, acknowledged=50_000)
    last, sizes = spool.read(59_999, 1, 1), [p.stat().st_size for p in spool.path.parent.glob("*.mcap")]
    kept = [record.seq for record in read_raw(tmp_path / "run")]

    assert last == batch(59_999, 60_000)
    assert 2**20 < sum(sizes) <= 2**21
    assert kept == list(range(kept[0], 60_000))
    assert verify(tmp_path / "run").ok  # the aggregator that acknowledged has the rest
    assert spool.read(0, 10, 10**9).first == kept[0]


def test_what_was_not_acknowledged_is_never_removed(small, batch, tmp_path):
    """If the spool is full, `write` raises an error that says what to do, and keeps every event."""
    spool = small()
    with pytest.raises(
        SpoolQuotaError,
        match=r"quota of 2 MiB .* start an aggregator for it, or raise the quota",
    ):
        fill(spool, batch, 0, 60_000, acknowledged=100)
    kept = [record.seq for record in read_raw(tmp_path / "run")]

    assert kept == list(range(len(kept)))
    assert len(kept) > 5_000

    fill(spool, batch, len(kept), len(kept) + 1000, acknowledged=len(kept))

    assert spool.read(len(kept) + 999, 1, 1) == batch(len(kept) + 999, len(kept) + 1000)


def test_a_new_file_that_cannot_be_made_is_tried_again(small, batch, tmp_path, monkeypatch):
    """The failed write leaves nothing, and no event is lost."""
    spool = small()
    fill(spool, batch, 0, 400)
    while spool.path.stat().st_size < 2**18:
        fill(spool, batch, spool._segments[-1].end, spool._segments[-1].end + 200)
    end = spool._segments[-1].end
    (tmp_path / "run" / "spool" / "host-0-000000000000e90c.1.mcap").touch()
    with pytest.raises(OSError, match="exists"):
        fill(spool, batch, end, end + 200)
    fill(spool, batch, end, end + 200)

    assert spool.read(0, 10**6, 10**9) == batch(0, end + 200)


def test_a_quota_too_small_for_one_event_makes_no_files(small, batch):
    """Three attempts leave one file: an empty file is not followed by another one."""
    spool = small(quota=2000)
    for _ in range(3):
        with pytest.raises(SpoolQuotaError):
            spool.write(batch(5, 6))

    assert len(files(spool)) == 1


@pytest.mark.process
@pytest.mark.parametrize("full", [False, True])
def test_a_deleted_spool_begins_again(tmp_path, key, batch, full):
    """The error comes before a full spool rolls; after `restart` there are a new file and a held lock."""
    spool = SpoolWriter(RunPaths(tmp_path / "run"), key, 2**21)
    spool.write(batch(0, 5000 if full else 5))
    shutil.rmtree(tmp_path / "run")
    with pytest.raises(FileDeletedError):
        spool.write(batch(5000, 5005))
    with pytest.raises(FileDeletedError):
        spool.sync()
    spool.restart(4990)
    spool.write(batch(4990, 5005))
    (lock,) = (tmp_path / "run" / "spool").glob("*.lock")

    assert [record.seq for record in read_raw(spool.path)] == list(range(4990, 5005))
    assert spool.read(0, 100, 10**9) == batch(4990, 5005)
    assert another_process_may_lock(lock) is False

    spool.close()

    assert another_process_may_lock(lock) is True


def test_a_deleted_file_in_the_middle_hides_no_other(small, batch, tmp_path):
    """Reading continues with the next one."""
    spool = small()
    fill(spool, batch, 0, 10_000)
    (tmp_path / "run" / "spool" / "host-0-000000000000e90c.1.mcap").unlink()
    first, behind = (spool._segments[number].end for number in (0, 1))

    assert spool.read(first - 10, 10, 10**9) == batch(first - 10, first)
    assert spool.read(first, 10, 10**9) == batch(behind, behind + 10)


def another_process_may_lock(path):
    """Whether another process gets the lock; a process is not refused its own."""
    program = "import fcntl, sys; fcntl.lockf(open(sys.argv[1], 'r+'), fcntl.LOCK_EX | fcntl.LOCK_NB)"
    done = subprocess.run([sys.executable, "-c", program, path], stderr=subprocess.DEVNULL, check=False)
    return done.returncode == 0
