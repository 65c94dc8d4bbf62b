"""Damaged files on a real disk: what is behind the damage is found, and copied."""

import hashlib

import pytest

from esper_bus.mcap import writer
from esper_bus.mcap.event_channels import FileMeta
from esper_bus.mcap.event_writer import EventWriter
from esper_bus.paths import RunPaths
from esper_bus.records import Batch, StreamKey
from esper_bus.store.log_writer import LogWriter
from esper_bus.store.repair import repair
from esper_bus.store.run_reader import read_raw
from esper_bus.store.spool import SpoolWriter
from esper_bus.store.verify import verify
from esper_schemas.errors import InvalidArgument, StorageError


@pytest.fixture
def run_dir(tmp_path):
    """Where the run is."""
    return tmp_path / "runs" / "run"


@pytest.fixture
def write_log(run_dir):
    """Writes a log, a chunk for each `step` events; returns its file and where each chunk ends."""

    def write(records, step=10, finish=True):
        log = LogWriter(run_dir, "run", 1, 0)
        (path, ends) = (run_dir / "log" / f"{1:016x}-0.mcap", [])
        for first in range(0, len(records), step):
            log.extend(records[first : first + step])
            log.flush()
            ends.append(path.stat().st_size)
        if finish:
            log.close()
        return path, ends

    return write


def flip(path, *offsets):
    """Flip a bit of each of these bytes."""
    data = bytearray(path.read_bytes())
    for offset in offsets:
        data[offset] ^= 1
    path.write_bytes(data)


def digest(directory):
    """What all files of a directory hold."""
    files = sorted(path for path in directory.rglob("*") if path.is_file())
    return {path: hashlib.sha256(path.read_bytes()).hexdigest() for path in files}


def seqs(path):
    """The numbers of the events that a reader gets."""
    return [record.seq for record in read_raw(path)]


@pytest.mark.parametrize("finish", [True, False])
def test_every_damaged_place_is_named(write_log, records, run_dir, finish):
    """Two damaged chunks cost their own events and no others."""
    path, ends = write_log(records(0, 50), finish=finish)
    flip(path, ends[0] + 80, ends[2] + 80)
    result = verify(run_dir)

    assert [damage.offset for damage in result.damaged] == [ends[0], ends[2]]
    assert result.events == 30
    assert result.producers[0].gaps == 20
    assert not result.ok


def test_a_wrong_length_hides_only_its_own_chunk(write_log, records, run_dir):
    """The chunk behind it is found by its own checksum."""
    path, ends = write_log(records(0, 30))
    flip(path, ends[0] + 1)

    assert verify(run_dir).events == 20


def test_a_lost_beginning_is_made_up_for_by_the_end(write_log, records, run_dir):
    """A finished file repeats there what its events are."""
    path, ends = write_log(records(0, 30))
    flip(path, ends[0] // 2)
    result = verify(run_dir)

    assert (result.events, len(result.damaged)) == (20, 1)


def test_a_lost_beginning_of_an_unfinished_file_costs_no_other_chunk(
    write_log, records, key, run_dir, tmp_path
):
    """Each stream is described again: here one from the beginning on, and one that comes later."""
    later = StreamKey("run", "host:1", 9)
    path, ends = write_log([*records(0, 30), *records(0, 30, later)], finish=False)
    flip(path, ends[0] // 2, ends[2] + 80)
    result = verify(run_dir)

    assert (result.events, len(result.damaged)) == (40, 2)
    assert not any("described" in damage.what for damage in result.damaged)
    assert repair(run_dir, tmp_path / "copy") == 40
    assert list(read_raw(tmp_path / "copy")) == [*records(10, 30), *records(10, 30, later)]


@pytest.mark.parametrize("chunk", [0, 1, 2, 199])
def test_one_flipped_bit_in_a_killed_spool_costs_one_event(batch, key, run_dir, chunk):
    """Also where the next chunks are damaged as well as the first one, which describes them."""
    spool = SpoolWriter(RunPaths(run_dir), key)
    ends = [spool.path.stat().st_size]
    for seq in range(200):
        spool.write(batch(seq, seq + 1))
        ends.append(spool.path.stat().st_size)
    flip(spool.path, *{200, ends[chunk] + 60})
    result = verify(run_dir)

    assert (result.events, len(result.damaged)) == (199, 1 if chunk == 0 else 2)

    spool.close()


def test_a_stream_that_is_described_only_in_damaged_places_is_named_so(batch, key, run_dir, monkeypatch):
    """As in files that older versions left behind."""
    monkeypatch.setattr(writer, "_REPEAT_BYTES", (2**40, 2**40))
    monkeypatch.setattr(writer._Repeat, "taken", lambda repeat, size: b"")
    spool = SpoolWriter(RunPaths(run_dir), key)
    spool.write(batch(0, 5))
    flip(spool.path, 200)
    first, second = verify(run_dir).damaged

    assert "checksum" in first.what
    assert second.what == "a chunk of a stream that is described only in damaged places"

    spool.close()


@pytest.mark.parametrize("as_file", [True, False])
def test_a_copy_holds_what_can_be_read_and_is_intact(write_log, records, run_dir, tmp_path, as_file):
    """In order, with its times; every reader sees all of it; the original is as it was."""
    path, ends = write_log(records(0, 50))
    flip(path, ends[0] + 80)
    before = digest(run_dir)
    source, out = (path, tmp_path / "copy.mcap") if as_file else (run_dir, tmp_path / "copy")
    expected = [*records(0, 10), *records(20, 50)]

    assert seqs(source) == list(range(10))
    assert repair(source, out) == 40
    assert list(read_raw(out)) == expected
    assert verify(out).damaged == ()
    assert digest(run_dir) == before


def test_a_spool_fills_what_the_log_lost(write_log, records, batch, key, run_dir, tmp_path):
    """The copy of a run with both is whole."""
    path, ends = write_log(records(0, 50))
    spool = SpoolWriter(RunPaths(run_dir), key)
    spool.write(batch(0, 60))
    spool.close()
    flip(path, ends[0] + 80)

    assert repair(run_dir, tmp_path / "copy") == 60
    assert verify(tmp_path / "copy").ok
    assert seqs(tmp_path / "copy") == list(range(60))


def test_a_copy_goes_to_a_new_place_outside(write_log, records, run_dir, tmp_path):
    """Nothing is overwritten, and nothing is added to the original."""
    write_log(records(0, 5))
    for out in (tmp_path, run_dir / "copy"):
        with pytest.raises(InvalidArgument, match=r"already exists|lies within"):
            repair(run_dir, out)
    with pytest.raises(StorageError, match="Cannot read"):
        repair(tmp_path / "nothing", tmp_path / "copy")
    assert not (tmp_path / "copy").exists()


def test_a_copy_of_a_file_goes_outside_its_run(write_log, records, run_dir, tmp_path):
    """A copy among the files of a run would be read with them; beside a file elsewhere is as good as any."""
    path, _ = write_log(records(0, 5))
    (run_dir / "spool").mkdir()
    for out in (path.with_name("copy.mcap"), run_dir / "spool" / "copy.mcap", run_dir / "copy.mcap"):
        with pytest.raises(InvalidArgument, match="lies within"):
            repair(path, out)
    moved = path.rename(tmp_path / "moved.mcap")

    assert not list(run_dir.rglob("*.mcap"))
    assert repair(moved, tmp_path / "copy.mcap") == 5


def test_noise_that_looks_like_chunks_is_not_believed(tmp_path, key):
    """A file of nothing but the first byte of a chunk, and a chunk within an event, hold no events."""
    inner = tmp_path / "inner.mcap"
    meta = FileMeta(kind="spool", run="run", writer_epoch="1", created_ns=1)
    writer = EventWriter(inner, meta, compress=False)
    writer.append_batch(key, Batch(0, [(1, b"\x06" * 100_000)]))
    writer.close()
    flip(inner, inner.stat().st_size // 2)

    assert verify(inner).events == 0
