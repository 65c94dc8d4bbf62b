"""Damaged files on a real disk: records behind the damage are found and copied."""

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
    """The checksum of each file of a directory."""
    files = sorted(path for path in directory.rglob("*") if path.is_file())
    return {path: hashlib.sha256(path.read_bytes()).hexdigest() for path in files}


def seqs(path):
    """The numbers of the events that a reader returns."""
    return [record.seq for record in read_raw(path)]


@pytest.mark.parametrize("finish", [True, False])
def test_every_damaged_place_is_named(write_log, records, run_dir, finish):
    """Two damaged chunks lose their own events and no others."""
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


def test_a_lost_beginning_is_replaced_by_the_end(write_log, records, run_dir):
    """A finished file describes its streams again at its end."""
    path, ends = write_log(records(0, 30))
    flip(path, ends[0] // 2)
    result = verify(run_dir)

    assert (result.events, len(result.damaged)) == (20, 1)


def test_a_lost_beginning_of_an_unfinished_file_loses_no_other_chunk(
    write_log, records, key, run_dir, tmp_path
):
    """Each stream is described again: one from the beginning, and one that comes later."""
    later = StreamKey("run", "host:1", 9)
    path, ends = write_log([*records(0, 30), *records(0, 30, later)], finish=False)
    flip(path, ends[0] // 2, ends[2] + 80)
    result = verify(run_dir)

    assert (result.events, len(result.damaged)) == (40, 2)
    assert not any("described" in damage.what for damage in result.damaged)
    assert repair(run_dir, tmp_path / "copy") == 40
    assert list(read_raw(tmp_path / "copy")) == [*records(10, 30), *records(10, 30, later)]


@pytest.mark.parametrize("chunk", [0, 1, 2, 199])
def test_one_flipped_bit_in_a_killed_spool_loses_one_event(batch, key, run_dir, chunk):
    """It does so even if the beginning, which describes the stream, is damaged as well."""
    spool = SpoolWriter(RunPaths(run_dir), key)
    ends = [spool.path.stat().st_size]
    for seq in range(200):
        spool.write(batch(seq, seq + 1))
        ends.append(spool.path.stat().st_size)
    flip(spool.path, *{200, ends[chunk] + 60})
    result = verify(run_dir)

    assert (result.events, len(result.damaged)) == (199, 1 if chunk == 0 else 2)

    spool.close()


def test_a_stream_that_is_described_only_in_damaged_places_is_reported(batch, key, run_dir, monkeypatch):
    """Files of older versions do not repeat the description."""
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
def test_a_copy_contains_what_can_be_read_and_is_intact(write_log, records, run_dir, tmp_path, as_file):
    """Every reader gets all records of the copy in order and with their times; the original is unchanged."""
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


def test_a_spool_replaces_what_the_log_lost(write_log, records, batch, key, run_dir, tmp_path):
    """The copy of a run with both is complete."""
    path, ends = write_log(records(0, 50))
    spool = SpoolWriter(RunPaths(run_dir), key)
    spool.write(batch(0, 60))
    spool.close()
    flip(path, ends[0] + 80)

    assert repair(run_dir, tmp_path / "copy") == 60
    assert verify(tmp_path / "copy").ok
    assert seqs(tmp_path / "copy") == list(range(60))


def test_a_copy_goes_to_a_new_place_outside(write_log, records, run_dir, tmp_path):
    """Existing paths and paths within the original are refused."""
    write_log(records(0, 5))
    for out in (tmp_path, run_dir / "copy"):
        with pytest.raises(InvalidArgument, match=r"already exists|lies within"):
            repair(run_dir, out)
    with pytest.raises(StorageError, match="Cannot read"):
        repair(tmp_path / "nothing", tmp_path / "copy")
    assert not (tmp_path / "copy").exists()


def test_a_copy_of_a_file_goes_outside_its_run(write_log, records, run_dir, tmp_path):
    """Within the run it would be read as a part of it; beside a file outside of a run it is allowed."""
    path, _ = write_log(records(0, 5))
    (run_dir / "spool").mkdir()
    for out in (path.with_name("copy.mcap"), run_dir / "spool" / "copy.mcap", run_dir / "copy.mcap"):
        with pytest.raises(InvalidArgument, match="lies within"):
            repair(path, out)
    moved = path.rename(tmp_path / "moved.mcap")

    assert not list(run_dir.rglob("*.mcap"))
    assert repair(moved, tmp_path / "copy.mcap") == 5


def test_bytes_that_look_like_chunks_are_not_read(tmp_path, key):
    """An event of nothing but the first byte of a chunk is not read as chunks when it is damaged."""
    inner = tmp_path / "inner.mcap"
    meta = FileMeta(kind="spool", run="run", writer_epoch="1", created_ns=1)
    writer = EventWriter(inner, meta, compress=False)
    writer.append_batch(key, Batch(0, [(1, b"\x06" * 100_000)]))
    writer.close()
    flip(inner, inner.stat().st_size // 2)

    assert verify(inner).events == 0
