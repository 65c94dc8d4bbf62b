"""Tests of adopting the spools of dead trainers, with real spools and processes."""

import os
import signal

import pytest

from esper_bus.paths import RunPaths
from esper_bus.store.adoption import PART_EVENTS, SCAN_S, Adoption
from esper_bus.store.spool import SpoolWriter
from esper_bus.store.spool_lock import is_dead

TRAINER = """
import os, sys, time
from pathlib import Path
from esper_bus.paths import RunPaths
from esper_bus.records import Batch, StreamKey
from esper_bus.store.spool import SpoolWriter

run_dir, fork = Path(sys.argv[1]), sys.argv[2] == "fork"
spool = SpoolWriter(RunPaths(run_dir), StreamKey(run_dir.name, "host:0", 9))
spool.write(Batch(0, [(1, b"x")] * 5))
child = os.fork() if fork else -1
if child == 0:
    time.sleep(600)
spool.read(0, 1, 100)
print(child, flush=True)
time.sleep(600)
"""


@pytest.fixture
def spool(runs_dir, key, batch):
    """Writes a spool of a trainer of this process, which is then dead or alive."""

    def write(count, *, alive=False, **closing):
        writer = SpoolWriter(RunPaths(runs_dir / key.run), key)
        for first in range(0, count, 100):
            writer.write(batch(first, min(first + 100, count)))
        if not alive:
            writer.close(**closing)
        return writer

    return write


def read(adoption, now=0.0):
    """The numbers of all events that can be adopted now, part by part."""
    parts = []
    while (part := adoption.next_records(now)) or adoption.busy:
        parts.append([record.seq for record in part])
    return parts


def test_spools_are_read_in_the_order_in_which_they_were_begun(runs_dir, key, batch):
    """The name of a file has a random number: a resumed run would be adopted before its beginning."""
    for order, epoch in enumerate((0xF, 0x1, 0x8)):
        stream = key._replace(epoch=epoch)
        spool = SpoolWriter(RunPaths(runs_dir / key.run), stream)
        spool.write(batch(0, 1))
        spool.close()
        lock = RunPaths(runs_dir / key.run).spool_file(key.producer, epoch).with_suffix(".lock")
        os.utime(lock, (order, order))
    adoption = Adoption(runs_dir)

    epochs = []
    while (part := adoption.next_records(0.0)) or adoption.busy:
        epochs += [record.stream.epoch for record in part]

    assert epochs == [0xF, 0x1, 0x8]


def test_a_dead_trainers_spool_is_read_to_its_end_in_parts(spool, runs_dir):
    """Parts are small, so that living trainers do not have to wait."""
    spool(PART_EVENTS + 10)

    assert read(Adoption(runs_dir)) == [list(range(PART_EVENTS)), list(range(PART_EVENTS, PART_EVENTS + 10))]


def test_a_spool_in_several_files_is_read_as_one(runs_dir, key, batch):
    """The oldest files may be gone, because their events were acknowledged."""
    writer = SpoolWriter(RunPaths(runs_dir / key.run), key, quota=2**21)
    for first in range(0, 40_000, 200):
        writer.write(batch(first, first + 200), acknowledged=first)
    writer.close()
    numbers = [seq for part in read(Adoption(runs_dir)) for seq in part]

    assert len(list((runs_dir / key.run / "spool").glob("*.mcap"))) > 5
    assert numbers[0] > 0
    assert numbers == list(range(numbers[0], 40_000))


def test_what_is_recorded_is_not_read_again(spool, runs_dir):
    """An aggregator that dies before `mark_recorded` reads it again."""
    spool(3)
    adoption = Adoption(runs_dir)
    first, again = read(adoption), read(Adoption(runs_dir))
    adoption.mark_recorded()

    assert first == again == [[0, 1, 2]]
    assert read(Adoption(runs_dir)) == []


def test_the_spool_of_a_living_trainer_is_left_alone(spool, runs_dir):
    """It is adopted by a later scan, once the trainer has ended."""
    writer = spool(3, alive=True)
    adoption = Adoption(runs_dir)
    alive = read(adoption)
    writer.close()

    assert alive == []
    assert read(adoption, SCAN_S / 2) == []
    assert read(adoption, SCAN_S) == [[0, 1, 2]]


def test_a_delivered_spool_is_left_alone(spool, runs_dir):
    """A spool whose events are all in the log does not need to be adopted."""
    spool(3, delivered=True)

    assert read(Adoption(runs_dir)) == []


def test_a_truncated_end_is_tolerated(spool, runs_dir):
    """The intact part is adopted, and the spool is not read again."""
    writer = spool(300)
    data = writer.path.read_bytes()
    writer.path.write_bytes(data[: len(data) // 2])
    adoption = Adoption(runs_dir)
    (part,) = read(adoption)
    adoption.mark_recorded()

    assert part == list(range(len(part)))
    assert 0 < len(part) < 300
    assert read(Adoption(runs_dir)) == []


def test_a_spool_that_cannot_be_read_keeps_its_lock(spool, runs_dir):
    """It is not treated as empty: the next start of an aggregator reads it."""
    path = spool(3).path
    path.rename(path.with_suffix(".hidden"))
    path.mkdir()
    adoption = Adoption(runs_dir)
    unreadable = read(adoption)
    adoption.mark_recorded()
    path.rmdir()
    path.with_suffix(".hidden").rename(path)

    assert unreadable == []
    assert read(adoption, SCAN_S) == []
    assert read(Adoption(runs_dir)) == [[0, 1, 2]]


def test_a_hole_ends_a_part(runs_dir, key, batch):
    """A part is consecutive, so that missing events are noticed."""
    writer = SpoolWriter(RunPaths(runs_dir / key.run), key)
    writer.write(batch(0, 2))
    writer.write(batch(5, 7))
    writer.close()

    assert read(Adoption(runs_dir)) == [[0, 1], [5, 6]]


def test_a_renamed_run_is_left_alone(spool, runs_dir, key):
    """Its events contain the old name, and would create the old directory again."""
    spool(3)
    (runs_dir / key.run).rename(runs_dir / "copy")

    assert read(Adoption(runs_dir)) == []


def test_a_failed_adoption_is_not_repeated(spool, runs_dir):
    """After `give_up` the spool is not read at the next scan."""
    spool(3)
    adoption = Adoption(runs_dir)
    adoption.next_records(0.0)
    adoption.give_up("no")

    assert not adoption.busy
    assert read(adoption, SCAN_S) == []


def test_a_lock_of_another_machine_is_ignored(spool, runs_dir):
    """Over a network file system a lock may look free although it is held, so it does not count as dead."""
    spool(3)
    (lock,) = runs_dir.glob("*/spool/*.lock")
    lock.write_text("somewhere-else\nanother-boot")

    assert not is_dead(lock)


@pytest.mark.process
def test_a_trainer_killed_while_its_forked_workers_live_is_dead(python, runs_dir):
    """The lock belongs to the trainer alone, and is not freed when the trainer reads its own spool."""
    process = python(TRAINER, runs_dir / "run", "fork")
    child = int(process.stdout.readline())
    (lock,) = runs_dir.glob("*/spool/*.lock")
    before = is_dead(lock)
    process.send_signal(signal.SIGKILL)
    process.wait()
    try:
        os.kill(child, 0)  # it is alive

        assert not before
        assert is_dead(lock)
        assert read(Adoption(runs_dir)) == [[0, 1, 2, 3, 4]]
    finally:
        os.kill(child, signal.SIGKILL)
